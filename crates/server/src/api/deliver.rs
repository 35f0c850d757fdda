//! From an order to an answer: entity tags, how long it may be kept, parts of files.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::door::access::Visitor;
use crate::door::conditional::Known;
use crate::door::range::{self, Part};
use crate::error::Refusal;
use crate::pictures::order::Order;

/// A picture never changes: its address names its bytes.
pub(crate) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// An address without the model's name shows another picture when the model changes.
pub(crate) const AN_HOUR: &str = "public, max-age=3600";
/// What hardly ever changes, and where an old one does no harm.
pub(crate) const A_DAY: &str = "public, max-age=86400";
/// What may change with the next version or model: keep it, but ask each time.
pub(crate) const ASK_FIRST: &str = "no-cache";
/// For what is different every time.
pub(crate) const NO_STORE: &str = "no-store";

/// Pages of other sites may show it.
pub(crate) const CROSS_ORIGIN: (HeaderName, &str) =
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");

/// The file of an order, or the part of it that was asked for, unless the visitor has it already.
pub(crate) async fn deliver(
    app: &App,
    order: &Order,
    headers: &HeaderMap,
    visitor: Visitor,
    cache_control: &'static str,
) -> Result<Response, Refusal> {
    let known = Known { etag: app.studio.etag(order), cache_control };
    if let Some(unchanged) = known.unchanged(headers) {
        return Ok(unchanged);
    }
    let bytes = app.studio.file(visitor.client, order).await?;
    let kind = [(header::CONTENT_TYPE, order.media_type()), (header::ACCEPT_RANGES, "bytes"), CROSS_ORIGIN];
    let length = bytes.len();
    Ok(match range::wanted(headers, &known.etag, length) {
        Part::Whole => (known.headers(), kind, Body::from(bytes)).into_response(),
        Part::Bytes(part) => {
            let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            let place = [(header::CONTENT_RANGE, place)];
            (StatusCode::PARTIAL_CONTENT, known.headers(), kind, place, Body::from(bytes.slice(part))).into_response()
        }
        Part::Outside => {
            let mut answer = Refusal::Range.into_response();
            if let Ok(place) = HeaderValue::from_str(&format!("bytes */{length}")) {
                answer.headers_mut().insert(header::CONTENT_RANGE, place);
            }
            answer
        }
    })
}

/// How long an address below `/api/v1` may be kept: for ever if it names this model. One that names another model has
/// no picture here, since giving this model's would fill caches with pictures under a wrong name.
pub(crate) fn cache_control(app: &App, query: Option<&str>) -> Result<&'static str, Refusal> {
    match crate::request::parameter(query, "m") {
        None => Ok(AN_HOUR),
        Some(name) if name.len() >= 8 && app.facts.fingerprint.starts_with(name) => Ok(FOR_EVER),
        Some(name) => {
            let asked = name.chars().take(20).filter(|c| !c.is_control()).collect();
            Err(Refusal::OtherModel { asked, here: app.model().to_owned() })
        }
    }
}
