//! Labels of StyleGAN data sets: `dataset.json`, `{"labels": [["00000/img00000000.png", 6], ...]}` or `null` for none.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::Labels;

/// The file that holds them.
pub(crate) const FILE: &str = "dataset.json";

/// What a `dataset.json` says; none if it labels nothing or is something else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Labels> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    let pairs = json.get("labels")?.as_array()?;
    let labels: Vec<String> = pairs.iter().filter_map(|pair| Some(pair.as_array()?.get(1)?.to_string())).collect();
    let classes = labels.iter().collect::<BTreeSet<_>>().len();
    (!labels.is_empty()).then_some(Labels { pictures: labels.len(), classes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_and_other_files_are_not_taken_for_them() {
        let three = br#"{"labels": [["a.png", 0], ["b.png", 1], ["c.png", 0]]}"#;
        assert_eq!(parse(three), Some(Labels { pictures: 3, classes: 2 }));
        let vectors = br#"{"labels": [["a.png", [0.5, 1]], ["b.png", [0.5, 2]]]}"#;
        assert_eq!(parse(vectors), Some(Labels { pictures: 2, classes: 2 }));
        for other in [&br#"{"labels": null}"#[..], br#"{"labels": []}"#, b"[]", b"{", b"", br#"{"labels": [1, [2]]}"#] {
            assert_eq!(parse(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
