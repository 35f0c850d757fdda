//! What each address answers. Thin: parse, ask, wrap.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use synth::Seed;

use crate::address::{AddressError, PictureAddress};
use crate::app::App;
use crate::encode::Format;
use crate::error::Refusal;
use crate::{assets, conditional};

/// A picture never changes: its address names its bytes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page may change with the next version: keep it, but ask each time.
const ASK_FIRST: &str = "no-cache";
/// Nothing but our own files; pictures also from memory, where the wall decodes them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /results/psi-1.0/seed00042.png`
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let address: PictureAddress = uri.path().trim_start_matches("/results/").parse()?;
    if parameter(query.as_deref(), "size").is_some() {
        return Err(AddressError::Size.into());
    }
    let etag = app.studio.etag(&address);
    let known = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, FOR_EVER)];
    if conditional::has(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    let bytes = app.studio.picture(&address).await?;
    let kind = [
        (header::CONTENT_TYPE, address.format.media_type()),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    Ok((known, kind, Body::from(bytes)).into_response())
}

/// `GET /`
pub(crate) async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let known = [(header::ETAG, app.index_etag.as_str()), (header::CACHE_CONTROL, ASK_FIRST)];
    if conditional::has(&headers, &app.index_etag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    (known, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(app.pages.index.clone())).into_response()
}

/// `GET /slider.html?seed=00077`
pub(crate) async fn montage(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let seed = parameter(query.as_deref(), "seed").ok_or(Refusal::SeedMissing)?;
    let seed: Seed = seed.parse().map_err(|_| AddressError::Seed(seed.chars().take(40).collect()))?;
    let page = app.pages.montage(seed).map_err(|error| {
        tracing::error!(%error, "the montage could not be filled");
        Refusal::Failed
    })?;
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, ASK_FIRST)], Html(page)).into_response())
}

/// `GET /api/model`
pub(crate) async fn model(State(app): State<Arc<App>>) -> Json<serde_json::Value> {
    let (height, width) = app.generator.resolution();
    Json(json!({
        "width": width,
        "height": height,
        "fingerprint": app.generator.fingerprint(),
        "simd": app.generator.simd(),
        "psi": { "min": 0.0, "max": 2.0, "calibration": app.metadata.calibration },
        "seed": { "min": "0", "max": u64::MAX.to_string() },
        "formats": Format::ALL.map(Format::extension),
        "address": "/results/psi-{psi}/seed{seed}.{format}",
        "provenance": app.metadata.provenance,
        "license": app.metadata.license,
    }))
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
        let policy = [(header::CONTENT_SECURITY_POLICY, POLICY)];
        return (StatusCode::NOT_FOUND, policy, Html(app.pages.not_found.clone())).into_response();
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
