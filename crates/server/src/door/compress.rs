//! Texts go out compressed to whoever can read that: the page, its styles, scripts, strings and modules are a third as large then.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::Refusal;

/// Below this a packet is not saved.
const LEAST: u64 = 1000;
/// Larger answers are no texts.
const MOST: u64 = 4 << 20;
/// Compressed answers that are kept: the files of the page, and its pages in all languages.
const KEPT: usize = 256;

/// Compressed answers by the entity tags of what they were.
static DONE: LazyLock<Mutex<HashMap<HeaderValue, Bytes>>> = LazyLock::new(Mutex::default);

/// Compresses answers of a handler, with gzip, where it helps and the visitor reads it.
pub(crate) async fn pass(request: Request, next: Next) -> Response {
    let wanted = request.method() == Method::GET && reads_gzip(request.headers());
    let mut answer = next.run(request).await;
    if !is_text(&answer) {
        return answer;
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let size = answer.body().size_hint().exact().unwrap_or(0);
    if !wanted || answer.status() != StatusCode::OK || !(LEAST..=MOST).contains(&size) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(plain) = to_bytes(body, MOST as usize).await else {
        return Refusal::Failed.into_response();
    };
    let tag = parts.headers.get(header::ETAG).cloned();
    let kept = tag.as_ref().and_then(|tag| done().get(tag).cloned());
    let small = kept.or_else(|| gzip(&plain).ok());
    let Some(small) = small.filter(|small| small.len() < plain.len()) else {
        return Response::from_parts(parts, Body::from(plain));
    };
    if let Some(tag) = tag {
        let mut done = done();
        if done.len() >= KEPT {
            done.clear();
        }
        done.insert(tag.clone(), small.clone());
        // The same contents in other bytes: the tag is a weak one (RFC 9110, 8.8.1).
        if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
            parts.headers.insert(header::ETAG, weak);
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::ACCEPT_RANGES);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(parts, Body::from(small))
}

fn done() -> std::sync::MutexGuard<'static, HashMap<HeaderValue, Bytes>> {
    DONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gzip(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

/// Whether what an answer holds is text, or code that packs as well.
fn is_text(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    !answer.headers().contains_key(header::CONTENT_ENCODING)
        && (kind.starts_with("text/")
            || ["json", "xml", "javascript"].iter().any(|ending| kind.ends_with(ending))
            || ["application/wasm", "image/svg+xml"].contains(&kind))
}

/// Whether `Accept-Encoding` names gzip, and not with a weight of 0 (RFC 9110, 12.5.3).
fn reads_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_name_it() {
        let reads = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            reads_gzip(&headers)
        };
        for value in ["gzip", "deflate, gzip;q=0.5", "br, GZIP", "gzip ; q=1.0"] {
            assert!(reads(value), "{value}");
        }
        for value in ["", "identity", "gzip;q=0", "x-gzip", "gzip;q=", "br", "*"] {
            assert!(!reads(value), "{value}");
        }
        assert!(!reads_gzip(&HeaderMap::new()));
    }
}
