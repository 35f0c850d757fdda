//! `If-None-Match`: whether the visitor already has what it asks for.

use axum::http::{HeaderMap, header};

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
    fn a_comma_may_be_part_of_a_tag() {
        let tag = "\"model/cards/wall.jpg?psi=1.4&wall=1f9c03aa&at=12,-3\"";
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, format!("\"x,y\", W/{tag}").parse().unwrap());
        assert!(has(&headers, tag) && has(&headers, "\"x,y\"") && !has(&headers, "\"x"));
    }
}
