//! The service put together: shared state, routes, and the layers that limit what a visitor can do to it.

use std::any::Any;
use std::sync::Arc;

use axum::error_handling::HandleErrorLayer;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{BoxError, Router};
use synth::Generator;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use crate::config::Config;
use crate::error::{Error, Refusal};
use crate::handlers;
use crate::page::{ModelFacts, Pages};
use crate::studio::Studio;

/// What all requests share.
pub(crate) struct App {
    pub(crate) generator: Arc<Generator>,
    pub(crate) metadata: synth::Metadata,
    pub(crate) studio: Studio,
    pub(crate) pages: Pages,
    pub(crate) facts: ModelFacts,
    /// The model's file, for browsers that draw.
    pub(crate) weights: Option<bytes::Bytes>,
    /// What addresses begin with, if it was said.
    pub(crate) public_url: Option<String>,
}

/// The service as a router: the whole of it but the socket. Starts the drawing threads, which end when the router is
/// dropped.
///
/// # Errors
/// The threads cannot be started, or a page of the binary is broken.
pub fn router(config: &Config, generator: Arc<Generator>) -> Result<Router, Error> {
    let facts = ModelFacts::new(&generator, config);
    let app = Arc::new(App {
        pages: Pages::open(facts.clone())?,
        studio: Studio::open(&generator, config)?,
        metadata: config.metadata.clone(),
        public_url: config.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        weights: config.weights.clone(),
        generator,
        facts,
    });

    // Bots and other people's pages may read pictures and facts; the page itself is nobody else's business.
    let open = Router::new()
        .route("/results/{*address}", get(handlers::picture))
        .route("/api/model", get(handlers::model))
        .route("/api/v1/{*order}", get(handlers::order))
        .layer(CorsLayer::new().allow_origin(tower_http::cors::Any).expose_headers([header::ETAG]));
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overloaded))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(config.concurrency))
        .timeout(config.timeout);
    let fixed = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Ok(Router::new()
        .route("/", get(handlers::wall))
        .route("/p/{recipe}", get(handlers::room))
        .route("/walk/{from}", get(handlers::walk))
        .route("/collection", get(handlers::collection))
        .route("/slider.html", get(handlers::montage))
        .route("/model.safetensors", get(handlers::weights))
        .route("/healthz", get(handlers::health))
        .merge(open)
        .fallback_service(get(handlers::asset).with_state(Arc::clone(&app)))
        .layer(limits)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("referrer-policy", "no-referrer"))
        .layer(TraceLayer::new_for_http())
        .with_state(app))
}

/// The limits' own answers: too many requests at once, or one that took too long.
async fn overloaded(error: BoxError) -> Response {
    if error.is::<tower::timeout::error::Elapsed>() { Refusal::Slow } else { Refusal::Busy }.into_response()
}

/// A bug in a handler costs one request, not the service. tower-http hands the panic over; the hook has logged it.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "something broke here; the reason is in the server's log\n").into_response()
}
