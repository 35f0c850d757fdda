//! What the addresses outside of `/api/v1` answer. Thin: parse, ask, wrap.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use synth::{Creativity, Creature, Recipe, Seed};

use crate::api;
use crate::api::any_seed;
use crate::api::deliver::{A_DAY, AN_HOUR, ASK_FIRST, FOR_EVER, NO_STORE, cache_control, deliver};
use crate::api::named::Named;
use crate::app::App;
use crate::door::access;
use crate::door::conditional::Known;
use crate::door::unread::Shared;
use crate::error::Refusal;
use crate::page::assets;
use crate::page::language::Language;
use crate::page::template::TemplateError;
use crate::page::view::View;
use crate::page::{PageContext, Pages};
use crate::pictures::address::{AddressError, PictureAddress};
use crate::pictures::order::{Bounds, Order};
use crate::pictures::query::refuse_noise_seed;
use crate::request::{POLICY, parameter};
use crate::wall_place::WallPlace;

/// `GET /results/psi-1.0/seed00042.png`
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<access::Visitor>,
    Named(address): Named<PictureAddress>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let address = address?;
    if parameter(query.as_deref(), "size").is_some() {
        return Err(AddressError::FixedSize.into());
    }
    refuse_noise_seed(query.as_deref())?;
    let order = Order::from(address);
    if app.redirect_results {
        return Ok(api::redirect(format!("/api/v1/{order}&m={}", app.model()), AN_HOUR));
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
    let view = View::Wall { from: from.map_or(0, |seed| seed.0), hanging: WallPlace::read(query.as_deref()) };
    page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
}

/// `GET /p/42?psi=1.1`
pub(crate) async fn room(
    State(app): State<Arc<App>>,
    Named(recipe): Named<Recipe>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let bounds = Bounds::of(&app.generator);
    match recipe.map_err(AddressError::from).and_then(|recipe| bounds.check(&recipe).map(|()| recipe)) {
        Ok(recipe) => {
            let psi = psi(&app, query.as_deref());
            let view = View::Picture { recipe, psi };
            page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
        }
        Err(reason) => Ok(not_found(&app, &uri, &headers, Refusal::NoPage(reason))),
    }
}

/// `GET /walk/42?psi=1.1`
pub(crate) async fn walk(
    State(app): State<Arc<App>>,
    Named(from): Named<Creature>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let bounds = Bounds::of(&app.generator);
    let possible = |from: Creature| bounds.check(&Recipe::Single(from.clone())).map(|()| from);
    match from.map_err(AddressError::from).and_then(possible) {
        Ok(from) => {
            let psi = psi(&app, query.as_deref());
            let view = View::Walk { from, psi };
            page(&app, query.as_deref(), &headers, |pages, visitor| pages.shell(&view, visitor))
        }
        Err(reason) => Ok(not_found(&app, &uri, &headers, Refusal::NoPage(reason))),
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
    let asked = parameter(query.as_deref(), "seed").filter(|seed| !seed.is_empty());
    let seed = asked
        .ok_or(Refusal::SeedMissing)
        .and_then(|seed| seed.parse::<Seed>().map_err(|_| AddressError::Seed(seed.chars().take(40).collect()).into()));
    let seed = match seed {
        Ok(seed) => seed,
        // People are shown the way on; tools are told what was wrong.
        Err(_) if accepts_html(&headers) => return Ok(people_not_found(&app, query.as_deref(), &headers)),
        Err(refusal) => return Err(refusal),
    };
    page(&app, query.as_deref(), &headers, |pages, visitor| pages.montage(seed, visitor))
}

/// The creativity of a page's address, bounded as the page itself bounds it; the model's own if there is none.
fn psi(app: &App, query: Option<&str>) -> Creativity {
    let asked = parameter(query, "psi").and_then(|text| text.parse::<f32>().ok()).filter(|psi| psi.is_finite());
    asked.and_then(|psi| Creativity::new(psi.clamp(0.0, 2.0)).ok()).unwrap_or(app.facts.psi)
}

/// `GET /p`: another picture every time.
pub(crate) async fn any_picture(RawQuery(query): RawQuery) -> Response {
    redirect_with_query(&format!("/p/{}", any_seed()), query.as_deref(), NO_STORE)
}

/// `GET /walk`: another walk every time.
pub(crate) async fn any_walk(RawQuery(query): RawQuery) -> Response {
    redirect_with_query(&format!("/walk/{}", any_seed()), query.as_deref(), NO_STORE)
}

/// `GET /p/42/` and the like: the address without its last slash.
pub(crate) async fn without_slash(uri: Uri) -> Response {
    // One slash in front and no other, or it would be the address of another host.
    let path = format!("/{}", uri.path().trim_matches('/'));
    redirect_with_query(&path, uri.query(), AN_HOUR)
}

/// `GET /manifest.webmanifest?lang=it`
pub(crate) async fn manifest(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let language = visitor(&app, query.as_deref(), &headers).language;
    let manifest = app.pages.manifest(language);
    let kind = [(header::CONTENT_TYPE, "application/manifest+json")];
    by_language(Known::by(manifest.as_bytes(), ASK_FIRST).answer(&headers, kind, manifest))
}

/// An answer that is another one for visitors of another language.
fn by_language(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    answer
}

/// A redirect to a path of ours, with the query that came.
fn redirect_with_query(path: &str, query: Option<&str>, cache_control: &'static str) -> Response {
    api::redirect(query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")), cache_control)
}

/// A page in the visitor's language, unless the visitor has it already.
fn page(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    fill: impl Fn(&Pages, &PageContext) -> Result<String, TemplateError>,
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
    let about = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CONTENT_LANGUAGE, language),
    ];
    by_language(Known::by(html.as_bytes(), ASK_FIRST).answer(headers, about, html))
}

/// Who asks: in which language, and under which name it knows us.
fn visitor(app: &App, query: Option<&str>, headers: &HeaderMap) -> PageContext {
    let asked = parameter(query, "lang");
    let languages = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    PageContext {
        language: Language::choose(asked, languages),
        chosen: asked.is_some_and(|asked| Language::ALL.iter().any(|language| language.tag() == asked)),
        origin: app.origin(headers),
    }
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
    let Some(weights) = app.weights.clone() else { return Ok(not_found(&app, &uri, &headers, nothing(&uri))) };
    let cache_control = cache_control(&app, uri.query())?;
    let known = Known { etag: format!("\"{}\"", app.generator.fingerprint()), cache_control };
    let about = (Extension(Shared), [(header::CONTENT_TYPE, "application/octet-stream")]);
    Ok(known.answer(&headers, about, weights))
}

/// `GET /favicon.ico`: what programs ask for that do not read the page.
pub(crate) async fn favicon() -> Response {
    api::redirect("/icons/icon-192.png".into(), A_DAY)
}

/// `GET /apple-touch-icon.png`, likewise.
pub(crate) async fn touch_icon() -> Response {
    api::redirect("/icons/touch-180.png".into(), A_DAY)
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
            None => nothing(&uri).into_response(),
        };
    }
    let Some(asset) = asset else {
        // A slash too many inside, as scripts that join parts of an address write it.
        return if uri.path().contains("//") {
            let parts: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
            redirect_with_query(&format!("/{}", parts.join("/")), uri.query(), AN_HOUR)
        } else {
            not_found(&app, &uri, &headers, nothing(&uri))
        };
    };
    // Browsers ask for the icon at every change of the address, and for the font at every page, before its text is set: an old one does no harm.
    let lasting = ["/icon", "/fonts/"].iter().any(|start| uri.path().starts_with(start));
    let cache_control = if lasting { A_DAY } else { ASK_FIRST };
    let kind = [(header::CONTENT_TYPE, asset.media_type), (header::CONTENT_SECURITY_POLICY, POLICY)];
    Known { etag: asset.etag, cache_control }.answer(&headers, (Extension(Shared), kind), asset.bytes)
}

/// What tools are told of an address that nobody knows.
fn nothing(uri: &Uri) -> Refusal {
    Refusal::Nothing(uri.path().chars().take(80).collect())
}

/// A page for people, a sentence for tools.
fn not_found(app: &App, uri: &Uri, headers: &HeaderMap, reason: Refusal) -> Response {
    if accepts_html(headers) { people_not_found(app, uri.query(), headers) } else { reason.into_response() }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|value| value.contains("text/html"))
}

/// The page that says so, with ways on.
fn people_not_found(app: &App, query: Option<&str>, headers: &HeaderMap) -> Response {
    let visitor = visitor(app, query, headers);
    // It is in the visitor's language, and tools get a sentence in its place: nothing for a cache to hand to others.
    let about = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CONTENT_LANGUAGE, visitor.language.tag()),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    // The pages were filled once in every language when the service started.
    let html = app.pages.missing(&visitor).unwrap_or_default();
    (StatusCode::NOT_FOUND, about, Html(html)).into_response()
}
