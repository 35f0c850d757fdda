//! What the service says about itself: model, version, health, figures, and the description of its interface.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};
use synth::{Generator, Metadata};

use crate::api::deliver::{ASK_FIRST, NO_STORE};
use crate::api::openapi;
use crate::app::App;
use crate::door::access::Visitor;
use crate::door::conditional;
use crate::error::Refusal;
use crate::metrics::OPEN_METRICS;
use crate::page::drawn_by::short;
use crate::pictures::encode::Format;
use crate::pictures::query::SIZES;

/// `GET /api/v1/model`, and `/api/model` for whoever knows the older address.
pub(crate) async fn model(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    conditional::json(&headers, ASK_FIRST, &about(&app.generator, &app.metadata))
}

/// What draws.
pub(crate) fn about(generator: &Generator, metadata: &Metadata) -> Value {
    let (height, width) = generator.resolution();
    let architecture = generator.architecture();
    json!({
        "width": width,
        "height": height,
        "fingerprint": generator.fingerprint(),
        "m": short(&generator.fingerprint()),
        "simd": generator.simd(),
        "psi": { "min": 0.0, "max": 2.0, "calibration": metadata.calibration },
        "seed": { "min": "0", "max": u64::MAX.to_string() },
        "formats": Format::ALL.map(Format::extension),
        "layers": generator.layers(),
        "directions": generator.directions(),
        "z": architecture.z_dim,
        "w": architecture.w_dim,
        "noise": generator.has_noise(),
        "size": { "min": SIZES.start(), "max": SIZES.end() },
        "address": "/results/psi-{psi}/seed{seed}.{format}",
        "provenance": metadata.provenance,
        "license": metadata.license,
    })
}

/// `GET /healthz`: it lives, and this is how busy it is.
pub(crate) async fn health(State(app): State<Arc<App>>) -> impl IntoResponse {
    let counts = app.studio.counts();
    let body = json!({
        "status": "ok",
        "drawn": counts.done,
        "cancelled": counts.cancelled,
        "queued": counts.queued,
        "rejected": counts.rejected,
    });
    ([(header::CACHE_CONTROL, NO_STORE)], Json(body))
}

/// `GET /readyz`: whether to send visitors here.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    if app.is_stopping() {
        return Err(Refusal::Stopping);
    }
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(json!({ "status": "ready" }))).into_response())
}

/// `GET /api/v1/version`
pub(crate) async fn version(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let version = json!({ "name": "tadne", "version": env!("CARGO_PKG_VERSION"), "api": "v1", "m": app.model() });
    conditional::json(&headers, ASK_FIRST, &version)
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn openapi(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    conditional::json(&headers, ASK_FIRST, &openapi::document(&app))
}

/// `GET /metrics` beside everything else: for this computer only, and not if the figures have an address of their own.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Refusal> {
    if app.metrics_elsewhere || !visitor.local {
        return Err(Refusal::Nothing("/metrics".to_owned()));
    }
    Ok(figures(State(app)).await)
}

/// `GET /metrics` on an address of its own.
pub(crate) async fn figures(State(app): State<Arc<App>>) -> Response {
    let kind = [(header::CONTENT_TYPE, OPEN_METRICS), (header::CACHE_CONTROL, NO_STORE)];
    (kind, app.metrics.text(&app.studio)).into_response()
}
