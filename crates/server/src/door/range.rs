//! Parts of files: the `Range` header for whoever resumes a download.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What a request wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, since no single range of bytes was asked for, or of another version of the file.
    Whole,
    /// These bytes.
    Bytes(Range<usize>),
    /// A range that lies outside the file.
    Outside,
}

/// Reads `Range` and `If-Range` (RFC 9110, 13.1.5 and 14.2) for a file of `length` bytes with an entity tag. Several
/// ranges at once are answered with the whole file, as the RFC allows.
pub(crate) fn wanted(headers: &HeaderMap, etag: &str, length: usize) -> Part {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|tag| tag != etag) {
        return Part::Whole;
    }
    let Some((first, last)) = text(header::RANGE)
        .and_then(|range| range.strip_prefix("bytes="))
        .filter(|range| !range.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    // A number too long for us lies beyond every file.
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<usize>().unwrap_or(usize::MAX))
    };
    let (start, end) = match (first, last) {
        ("", last) => match number(last) {
            Some(count) => (length.saturating_sub(count), if count == 0 { 0 } else { length }),
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, length),
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(length)),
            _ => return Part::Whole,
        },
    };
    if start < end { Part::Bytes(start..end) } else { Part::Outside }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(range: &str, condition: Option<&str>) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(condition) = condition {
            headers.insert(header::IF_RANGE, condition.parse().unwrap());
        }
        wanted(&headers, "\"a\"", 10)
    }

    #[test]
    fn single_ranges_are_cut_to_the_file() {
        assert_eq!(part("bytes=0-3", None), Part::Bytes(0..4));
        assert_eq!(part("bytes=4-", Some("\"a\"")), Part::Bytes(4..10));
        assert_eq!(part("bytes=-3", None), Part::Bytes(7..10));
        assert_eq!(part("bytes=-30", None), Part::Bytes(0..10));
        assert_eq!(part("bytes=9-99999999999999999999999", None), Part::Bytes(9..10));
        assert_eq!(part("bytes=10-", None), Part::Outside);
        assert_eq!(part("bytes=-0", None), Part::Outside);
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole_file() {
        for range in ["bytes=0-1,3-4", "bytes=5-4", "bytes=a-b", "bytes=", "bytes=-", "lines=0-1", "bytes=+1-2"] {
            assert_eq!(part(range, None), Part::Whole, "{range}");
        }
        assert_eq!(part("bytes=0-3", Some("\"b\"")), Part::Whole, "another version of the file");
        assert_eq!(wanted(&HeaderMap::new(), "\"a\"", 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn every_part_lies_in_the_file(range in "bytes=[-0-9, ]{0,30}", length in 0usize..50) {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Part::Bytes(part) = wanted(&headers, "", length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
