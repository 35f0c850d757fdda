//! What the addresses outside of `/api/v1` answer. Thin: parse, ask, wrap.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use synth::{Creature, Psi, Recipe, Seed};

use crate::address::{AddressError, PictureAddress, parse_psi};
use crate::app::App;
use crate::deliver::{AN_HOUR, FOR_EVER, deliver, keep};
use crate::error::Refusal;
use crate::language::Language;
use crate::order::Order;
use crate::page::{Pages, Visitor};
use crate::template::TemplateError;
use crate::view::View;
use crate::{access, api, assets, conditional};

/// The page may change with the next version: keep it, but ask each time.
const ASK_FIRST: &str = "no-cache";
/// Nothing but our own files; pictures also from memory, where the wall decodes them, and the module that draws.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /results/psi-1.0/seed00042.png`
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<access::Visitor>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let address: PictureAddress = uri.path().trim_start_matches("/results/").parse()?;
    if parameter(query.as_deref(), "size").is_some() {
        return Err(AddressError::FixedSize.into());
    }
    let order = Order::from(address);
    if app.redirect_results {
        return Ok(api::lead(format!("/api/v1/{order}&m={}", app.model()), AN_HOUR));
    }
    deliver(&app, &order, &headers, visitor, FOR_EVER).await
}

/// `GET /`
pub(crate) async fn wall(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let from = parameter(query.as_deref(), "from").and_then(|from| from.parse::<Seed>().ok());
    let view = View::Wall { from: from.map_or(0, |seed| seed.0) };
    page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
}

/// `GET /p/42?psi=1.1`
pub(crate) async fn room(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let recipe = uri.path().trim_start_matches("/p/").parse::<Recipe>().ok();
    let layers = app.generator.layers();
    let possible = recipe.filter(|recipe| !matches!(recipe, Recipe::Mix { layer, .. } if usize::from(*layer) > layers));
    match possible.zip(psi(&app, query.as_deref())) {
        Some((recipe, psi)) => {
            let view = View::Picture { recipe, psi };
            page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
        }
        None => Ok(not_found(&app, &uri, &headers)),
    }
}

/// `GET /walk/42?psi=1.1`
pub(crate) async fn walk(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let from = uri.path().trim_start_matches("/walk/").parse::<Creature>().ok();
    match from.zip(psi(&app, query.as_deref())) {
        Some((from, psi)) => {
            let view = View::Walk { from, psi };
            page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
        }
        None => Ok(not_found(&app, &uri, &headers)),
    }
}

/// `GET /collection`
pub(crate) async fn collection(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&View::Collection, visitor))
}

/// `GET /slider.html?seed=00077`
pub(crate) async fn montage(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let seed = parameter(query.as_deref(), "seed").ok_or(Refusal::SeedMissing)?;
    let seed: Seed = seed.parse().map_err(|_| AddressError::Seed(seed.chars().take(40).collect()))?;
    page(&app, query.as_deref(), &headers, |pages, visitor| pages.montage(seed, visitor))
}

/// The creativity of a page's address; the model's own if there is none, nothing if it is no creativity.
fn psi(app: &App, query: Option<&str>) -> Option<Psi> {
    parameter(query, "psi").map_or(Some(app.facts.psi), |text| parse_psi(text).ok())
}

/// A page in the visitor's language, unless the visitor has it already.
fn page(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    fill: impl Fn(&Pages, &Visitor) -> Result<String, TemplateError>,
) -> Result<Response, Refusal> {
    let visitor = visitor(app, query, headers);
    let html = fill(&app.pages, &visitor).map_err(|error| {
        tracing::error!(%error, "a page could not be filled");
        Refusal::Failed
    })?;
    Ok(html_answer(html, headers, visitor.language.tag()))
}

/// A page, unless the visitor has it already.
fn html_answer(html: String, headers: &HeaderMap, language: &'static str) -> Response {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, ASK_FIRST), (header::VARY, "accept-language")];
    if conditional::has(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    let about = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CONTENT_LANGUAGE, language)];
    (known, about, Html(html)).into_response()
}

/// Who asks: in which language, and under which name it knows us.
fn visitor(app: &App, query: Option<&str>, headers: &HeaderMap) -> Visitor {
    let asked = parameter(query, "lang");
    let languages = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Visitor {
        language: Language::choose(asked, languages),
        chosen: asked.is_some_and(|asked| Language::ALL.iter().any(|language| language.tag() == asked)),
        origin: origin(app, headers),
    }
}

/// What the addresses of this service begin with, `https://example.org`; empty if it is not known.
pub(crate) fn origin(app: &App, headers: &HeaderMap) -> String {
    let origin = app.public_url.clone().or_else(|| {
        // The name goes into the page, so it must be one: a host and perhaps a port.
        let name =
            |host: &&str| host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        host.filter(name).map(|host| format!("http://{host}"))
    });
    origin.unwrap_or_default()
}

/// `GET /api/`: the interface, explained and to try.
pub(crate) async fn api_page(headers: HeaderMap) -> Result<Response, Refusal> {
    let html = assets::text("api/index.html").map_err(|error| {
        tracing::error!(%error, "a page could not be read");
        Refusal::Failed
    })?;
    Ok(html_answer(html, &headers, "en"))
}

/// `GET /model.safetensors`, which names the model in its query as pictures do.
pub(crate) async fn weights(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(weights) = app.weights.clone() else { return Ok(not_found(&app, &uri, &headers)) };
    let keep = keep(&app, uri.query())?;
    let etag = format!("\"{}\"", app.generator.fingerprint());
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, keep)];
    if conditional::has(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    Ok((known, [(header::CONTENT_TYPE, "application/octet-stream")], Body::from(weights)).into_response())
}

/// An address that is there, asked in a way it does not know.
pub(crate) async fn not_allowed(method: Method) -> Refusal {
    Refusal::Method(method.as_str().chars().take(20).collect())
}

/// Every other address: a file of the page, or nothing.
pub(crate) async fn asset(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let asset = assets::public(uri.path().trim_start_matches('/'));
    if method != Method::GET && method != Method::HEAD {
        return match asset {
            Some(_) => not_allowed(method).await.into_response(),
            None => Refusal::Nothing(uri.path().chars().take(80).collect()).into_response(),
        };
    }
    let Some(asset) = asset else { return not_found(&app, &uri, &headers) };
    let known = [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, ASK_FIRST)];
    if conditional::has(&headers, &asset.etag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    let kind = [(header::CONTENT_TYPE, asset.media_type), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (known, kind, Body::from(asset.bytes)).into_response()
}

/// A page for people, a sentence for tools.
fn not_found(app: &App, uri: &Uri, headers: &HeaderMap) -> Response {
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    if accepts_html {
        let visitor = visitor(app, uri.query(), headers);
        let about = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CONTENT_LANGUAGE, visitor.language.tag())];
        // The pages were filled once in every language when the service started.
        let html = app.pages.missing(&visitor).unwrap_or_default();
        return (StatusCode::NOT_FOUND, about, Html(html)).into_response();
    }
    Refusal::Nothing(uri.path().chars().take(80).collect()).into_response()
}

/// A parameter's value as it stands in the query. Values here are numbers, so nothing needs decoding.
pub(crate) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}
