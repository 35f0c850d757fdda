//! What each address answers. Thin: parse, ask, wrap.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use synth::{Creature, Psi, Recipe, Seed};

use crate::address::{AddressError, PictureAddress, parse_psi};
use crate::app::App;
use crate::encode::Format;
use crate::error::Refusal;
use crate::language::Language;
use crate::order::{Order, SIZES};
use crate::page::{Pages, Visitor};
use crate::template::TemplateError;
use crate::view::View;
use crate::{assets, conditional};

/// A picture never changes: its address names its bytes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page may change with the next version: keep it, but ask each time.
const ASK_FIRST: &str = "no-cache";
/// Nothing but our own files; pictures also from memory, where the wall decodes them, and the module that draws.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /results/psi-1.0/seed00042.png`
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let address: PictureAddress = uri.path().trim_start_matches("/results/").parse()?;
    if parameter(query.as_deref(), "size").is_some() {
        return Err(AddressError::FixedSize.into());
    }
    deliver(&app, &address.into(), &headers).await
}

/// `GET /api/v1/pictures/42.png?psi=1.1` and what else [`Order`] can be.
pub(crate) async fn order(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let path = uri.path().trim_start_matches("/api/v1/");
    let order = Order::parse(path, query.as_deref(), app.generator.layers())?;
    deliver(&app, &order, &headers).await
}

/// The file of an order, unless the visitor has it already.
async fn deliver(app: &App, order: &Order, headers: &HeaderMap) -> Result<Response, Refusal> {
    let etag = app.studio.etag(order);
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, FOR_EVER)];
    if conditional::has(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    let bytes = app.studio.file(order).await?;
    let kind = [
        (header::CONTENT_TYPE, order.media_type()),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    Ok((known, kind, Body::from(bytes)).into_response())
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
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, ASK_FIRST), (header::VARY, "accept-language")];
    if conditional::has(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    let about = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CONTENT_LANGUAGE, visitor.language.tag())];
    Ok((known, about, Html(html)).into_response())
}

/// Who asks: in which language, and under which name it knows us.
fn visitor(app: &App, query: Option<&str>, headers: &HeaderMap) -> Visitor {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = parameter(query, "lang");
    let origin = app.public_url.clone().or_else(|| {
        // The name goes into the page, so it must be one: a host and perhaps a port.
        let name =
            |host: &&str| host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        text(header::HOST).filter(name).map(|host| format!("http://{host}"))
    });
    Visitor {
        language: Language::choose(asked, text(header::ACCEPT_LANGUAGE)),
        chosen: asked.is_some_and(|asked| Language::ALL.iter().any(|language| language.tag() == asked)),
        origin: origin.unwrap_or_default(),
    }
}

/// `GET /api/model`
pub(crate) async fn model(State(app): State<Arc<App>>) -> Json<serde_json::Value> {
    Json(about(&app.generator, &app.metadata))
}

/// `GET /model.safetensors`, which names the model in its query as pictures do.
pub(crate) async fn weights(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(weights) = app.weights.clone() else { return not_found(&app, &uri, &headers) };
    let etag = format!("\"{}\"", app.generator.fingerprint());
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, FOR_EVER)];
    if conditional::has(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    (known, [(header::CONTENT_TYPE, "application/octet-stream")], Body::from(weights)).into_response()
}

/// What draws, as JSON.
pub(crate) fn about(generator: &synth::Generator, metadata: &synth::Metadata) -> serde_json::Value {
    let (height, width) = generator.resolution();
    json!({
        "width": width,
        "height": height,
        "fingerprint": generator.fingerprint(),
        "simd": generator.simd(),
        "psi": { "min": 0.0, "max": 2.0, "calibration": metadata.calibration },
        "seed": { "min": "0", "max": u64::MAX.to_string() },
        "formats": Format::ALL.map(Format::extension),
        "layers": generator.layers(),
        "noise": generator.has_noise(),
        "size": { "min": SIZES.start(), "max": SIZES.end() },
        "address": "/results/psi-{psi}/seed{seed}.{format}",
        "provenance": metadata.provenance,
        "license": metadata.license,
    })
}

/// `GET /healthz`
pub(crate) async fn health(State(app): State<Arc<App>>) -> impl IntoResponse {
    let counts = app.studio.counts();
    let body = json!({
        "status": "ok",
        "drawn": counts.done,
        "cancelled": counts.cancelled,
        "queued": counts.queued,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(body))
}

/// Every other address: a file of the page, or nothing.
pub(crate) async fn asset(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::public(uri.path().trim_start_matches('/')) else {
        return not_found(&app, &uri, &headers);
    };
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
    let path: String = uri.path().chars().take(80).collect();
    (StatusCode::NOT_FOUND, format!("there is nothing at {path}: pictures are at /results/psi-1.0/seed00042.png\n"))
        .into_response()
}

/// A parameter's value as it stands in the query. Values here are numbers, so nothing needs decoding.
fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}
