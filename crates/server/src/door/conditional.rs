//! What a visitor may keep, and whether it has it already: `ETag`, `Cache-Control` and `If-None-Match`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, IntoResponseParts, Response};
use serde_json::Value;

/// By what a visitor knows an answer again, and how long it may keep it without asking.
pub(crate) struct Known {
    /// A strong entity tag, with its quotes.
    pub(crate) etag: String,
    pub(crate) cache_control: &'static str,
}

impl Known {
    /// Of an answer whose contents are at hand: their hash is the tag.
    pub(crate) fn by(contents: &[u8], cache_control: &'static str) -> Self {
        let hash = blake3::hash(contents).to_hex();
        Self { etag: format!("\"{}\"", &hash[..32]), cache_control }
    }

    /// The headers that say so.
    pub(crate) fn headers(&self) -> [(HeaderName, &str); 2] {
        [(header::ETAG, self.etag.as_str()), (header::CACHE_CONTROL, self.cache_control)]
    }

    /// What a visitor is told that has it already.
    pub(crate) fn unchanged(&self, headers: &HeaderMap) -> Option<Response> {
        has(headers, &self.etag).then(|| (StatusCode::NOT_MODIFIED, self.headers()).into_response())
    }

    /// A body and what is said about it, unless the visitor has it already.
    pub(crate) fn answer(&self, headers: &HeaderMap, about: impl IntoResponseParts, body: impl Into<Body>) -> Response {
        let body: Body = body.into();
        self.unchanged(headers).unwrap_or_else(|| (self.headers(), about, body).into_response())
    }
}

/// JSON that is known by its contents, unless the visitor has it already.
pub(crate) fn json(headers: &HeaderMap, cache_control: &'static str, value: &Value) -> Response {
    let text = value.to_string();
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Known::by(text.as_bytes(), cache_control).answer(headers, kind, text)
}

/// True when one of the visitor's entity tags is `etag`, or it sent `*`. Compared weakly, as RFC 9110 (13.1.2) asks.
pub(crate) fn has(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(tags)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The members of a list of tags; a comma within a tag's quotes parts nothing.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
        has(&headers, "\"a-1\"")
    }

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_by_a_star() {
        for value in ["\"a-1\"", "W/\"a-1\"", "\"x\", \"a-1\"", "\"x\",W/\"a-1\" , \"y\"", "*"] {
            assert!(with(value), "{value}");
        }
        for value in ["\"a-2\"", "a-1", "", "\"a\", \"1\""] {
            assert!(!with(value), "{value}");
        }
        assert!(!has(&HeaderMap::new(), "\"a-1\""));
    }

    #[test]
    fn a_visitor_who_has_the_contents_is_sent_none_and_told_the_same_about_them() {
        let known = Known::by(b"a", "no-cache");
        assert_ne!(known.etag, Known::by(b"b", "no-cache").etag);
        let mut headers = HeaderMap::new();
        let asked = |headers: &HeaderMap| known.answer(headers, [(header::CONTENT_TYPE, "text/plain")], "a");
        let whole = asked(&headers);
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(whole.headers()[header::CONTENT_TYPE], "text/plain");
        headers.insert(header::IF_NONE_MATCH, whole.headers()[header::ETAG].clone());
        let unchanged = asked(&headers);
        assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
        for name in [header::ETAG, header::CACHE_CONTROL] {
            assert_eq!(unchanged.headers()[&name], whole.headers()[&name]);
        }
    }

    #[test]
    fn a_comma_may_be_part_of_a_tag() {
        let tag = "\"model/cards/wall.jpg?psi=1.4&wall=1f9c03aa&at=12,-3\"";
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, format!("\"x,y\", W/{tag}").parse().unwrap());
        assert!(has(&headers, tag) && has(&headers, "\"x,y\"") && !has(&headers, "\"x"));
    }
}
