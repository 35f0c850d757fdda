//! The service put together: addresses and what answers there, and the layers that limit what a visitor can do to it.

use std::any::Any;
use std::sync::Arc;

use axum::error_handling::HandleErrorLayer;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{BoxError, Router, middleware};
use synth::Generator;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as Anybody, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api;
use crate::api::alike;
use crate::api::batch;
use crate::api::facts;
use crate::app::App;
use crate::config::Config;
use crate::door::access::{self, RequestGuard};
use crate::door::compress;
use crate::error::{Error, Refusal};
use crate::page::crawl;
use crate::page::handlers;
use crate::pictures::encode::Format;
use crate::pictures::kind::KINDS;

/// An address below `/api/v1` and what answers there.
type ApiRoute = (&'static str, fn() -> MethodRouter<Arc<App>>);

/// Every address of the interface but those of [`KINDS`]; the `OpenAPI` document describes each of them, and a test holds it to that.
pub(crate) const API: [ApiRoute; 12] = [
    ("/api/v1/pictures", || post(api::latent_picture)),
    ("/api/v1/random/{file}", || get(api::random)),
    ("/api/v1/children/{file}", || get(api::children)),
    ("/api/v1/like/{file}", || get(alike::like)),
    ("/api/v1/kinds", || get(alike::kinds)),
    ("/api/v1/latents/{file}", || get(api::latents)),
    ("/api/v1/batches/{file}", || get(batch::named)),
    ("/api/v1/batches", || post(batch::listed)),
    ("/api/v1/model", || get(facts::model)),
    ("/api/v1/health", || get(facts::health)),
    ("/api/v1/ready", || get(facts::ready)),
    ("/api/v1/version", || get(facts::version)),
];

/// The service as a router: the whole of it but the socket. Starts the drawing threads, which end when the router is
/// dropped. Call it inside a Tokio runtime.
///
/// # Errors
/// The threads cannot be started, the store's address is none or its folder cannot be written, or a page of the binary is broken.
pub fn router(config: &Config, generator: Arc<Generator>) -> Result<Router, Error> {
    Ok(assemble(config, generator)?.0)
}

/// The router and the state behind it.
pub(crate) fn assemble(config: &Config, generator: Arc<Generator>) -> Result<(Router, Arc<App>), Error> {
    let app = Arc::new(App::new(config, generator)?);
    // Bots and other people's pages may read pictures and facts; the page itself is nobody else's business.
    let mut open = Router::new()
        .route("/results/{*address}", get(handlers::picture))
        .route("/random.jpeg", get(api::random))
        .route("/api/model", get(facts::model))
        .route("/api/v1/openapi.json", get(facts::openapi));
    for format in Format::ALL {
        open = open.route(&format!("/random.{}", format.extension()), get(api::random));
    }
    for kind in &KINDS {
        open = open.route(&kind.route(), get(api::order));
    }
    for (path, answer) in API {
        open = open.route(path, answer());
    }
    // Set before the layer, so that other sites' preflight requests meet the layer first.
    let open = open.method_not_allowed_fallback(handlers::not_allowed).layer(
        CorsLayer::new()
            .allow_origin(Anybody)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE, header::RANGE, header::IF_NONE_MATCH])
            .expose_headers([header::ETAG, header::RETRY_AFTER, header::CONTENT_RANGE]),
    );
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overloaded))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(config.concurrency.max(1)))
        .timeout(config.timeout);
    let fixed = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let router = Router::new()
        .route("/", get(handlers::wall))
        .route("/p/{recipe}", get(handlers::room))
        .route("/walk/{from}", get(handlers::walk))
        .route("/collection", get(handlers::collection))
        .route("/walk", get(handlers::any_walk))
        .route("/p", get(handlers::any_picture))
        .route("/p/", get(handlers::any_picture))
        .route("/walk/", get(handlers::any_walk))
        .route("/p/{recipe}/", get(handlers::without_slash))
        .route("/walk/{from}/", get(handlers::without_slash))
        .route("/collection/", get(handlers::without_slash))
        .route("/slider.html/", get(handlers::without_slash))
        .route("/manifest.webmanifest", get(handlers::manifest))
        .route("/slider.html", get(handlers::montage))
        .route("/api", get(handlers::api_page))
        .route("/api/", get(handlers::api_page))
        .route("/model.safetensors", get(handlers::weights))
        .route("/favicon.ico", get(handlers::favicon))
        .route("/apple-touch-icon.png", get(handlers::touch_icon))
        .route("/robots.txt", get(crawl::robots))
        .route("/sitemap.xml", get(crawl::sitemap))
        .merge(open)
        .layer(limits);
    // What operators and their machines ask must be answered under any load.
    let router = router
        .route("/healthz", get(facts::health))
        .route("/readyz", get(facts::ready))
        .route("/metrics", get(facts::metrics))
        .fallback_service(get(handlers::asset).fallback(handlers::asset).with_state(Arc::clone(&app)))
        .method_not_allowed_fallback(handlers::not_allowed)
        .layer(DefaultBodyLimit::max(config.body_bytes))
        .layer(middleware::from_fn(compress::pass))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("referrer-policy", "no-referrer"))
        .layer(middleware::from_fn_with_state(
            Arc::new(RequestGuard::new(config, Arc::clone(&app.metrics), Arc::clone(&app.unread))),
            access::pass,
        ))
        .with_state(Arc::clone(&app));
    Ok((router, app))
}

/// The figures on an address of their own.
pub(crate) fn metrics_router(app: &Arc<App>) -> Router {
    Router::new().route("/metrics", get(facts::figures)).with_state(Arc::clone(app))
}

/// The limits' own answers: too many requests at once, or one that took too long.
async fn overloaded(error: BoxError) -> Response {
    if error.is::<tower::timeout::error::Elapsed>() { Refusal::Slow } else { Refusal::Busy }.into_response()
}

/// A bug in a handler costs one request, not the service. tower-http hands the panic over; the hook has logged it.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Refusal::Failed.into_response()
}
