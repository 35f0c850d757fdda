//! Which pictures are kept, and why the others are not.

use std::collections::HashMap;

use crate::near::Near;
use crate::row::{Looked, Row};
use crate::rules::Rules;

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `kept`, or in a word what is wrong: `broken`, `format`, `faceless`, `tiny`, `oblong`, `dark`, `bars`, `grey`, `blurred`, `duplicate`, `near`.
    pub word: &'static str,
    /// More about it; the name of the picture that is kept instead, of duplicates.
    pub reason: String,
}

impl Verdict {
    /// Every word, in the order of the rules.
    pub const WORDS: [&str; 12] = [
        "kept",
        "broken",
        "format",
        "faceless",
        "tiny",
        "oblong",
        "dark",
        "bars",
        "grey",
        "blurred",
        "duplicate",
        "near",
    ];

    /// Whether the file is kept.
    pub fn kept(&self) -> bool {
        self.word == "kept"
    }
}

/// A verdict on each row. The same pictures are kept whatever the files are called and in whichever order they come.
pub fn decide(rows: &[Row], rules: &Rules) -> Vec<Verdict> {
    let verdict = |word, reason| Verdict { word, reason };
    let mut verdicts: Vec<Option<Verdict>> = rows.iter().map(|row| alone(row, rules)).collect();
    // Equal files: the first name stays, since something must.
    let mut first: HashMap<&[u8; 32], usize> = HashMap::with_capacity(rows.len());
    let mut names: Vec<usize> = (0..rows.len()).filter(|&at| verdicts[at].is_none()).collect();
    names.sort_by(|&a, &b| rows[a].name.cmp(&rows[b].name));
    for at in names {
        let known = *first.entry(&rows[at].content).or_insert(at);
        if known != at {
            verdicts[at] = Some(verdict("duplicate", rows[known].name.clone()));
        }
    }
    if let Some(within) = rules.near {
        let mut best: Vec<_> = (0..rows.len())
            .filter(|&at| verdicts[at].is_none())
            .filter_map(|at| worth(&rows[at]).map(|(worth, hash)| (worth, at, hash)))
            .collect();
        best.sort_by(|(a, x, _), (b, y, _)| {
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then_with(|| rows[*x].content.cmp(&rows[*y].content))
        });
        let (mut near, mut kept) = (Near::new(within), Vec::new());
        for (_, at, hash) in best {
            if let Some(other) = near.find(hash) {
                let other: usize = kept[other];
                verdicts[at] = Some(verdict("near", rows[other].name.clone()));
            } else {
                near.add(hash);
                kept.push(at);
            }
        }
    }
    verdicts.into_iter().map(|known| known.unwrap_or_else(|| verdict("kept", String::new()))).collect()
}

/// What is wrong with a file whatever the others are.
fn alone(row: &Row, rules: &Rules) -> Option<Verdict> {
    let (word, reason) = match &row.looked {
        Looked::Broken(reason) => ("broken", reason.clone()),
        Looked::Foreign(format) => ("format", format!("{format} is not read")),
        Looked::Faceless { width, height } => {
            let least = rules.faces.as_ref().map_or(0.0, |faces| faces.score);
            ("faceless", format!("no face in {width} x {height} pixels has a score of {least} or more"))
        }
        Looked::Picture { width, height, measures, .. } => {
            rules.of_size(*width, *height).or_else(|| rules.of_measures(measures.as_ref()?))?
        }
    };
    Some(Verdict { word, reason })
}

/// How good a picture is beside others of the same thing: its pixels, then its sharpness; and its hash.
fn worth(row: &Row) -> Option<((usize, f64), u64)> {
    match &row.looked {
        Looked::Picture { width, height, measures: Some(measures), .. } => {
            Some(((width * height, measures.sharpness), measures.hash))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measures;

    fn row(name: &str, content: u8, side: usize, hash: u64) -> Row {
        let measures = Measures { hash, sharpness: 500.0, chroma: 20.0, brightness: 120.0, bars: 0.0 };
        let looked = Looked::Picture { width: side, height: side, face: None, measures: Some(measures) };
        Row { name: name.into(), bytes: 1000, content: [content; 32], looked }
    }

    fn words(rows: &[Row]) -> Vec<&'static str> {
        let words: Vec<_> = decide(rows, &Rules::default()).into_iter().map(|verdict| verdict.word).collect();
        // Counts, sheets and documents go by that list.
        assert!(words.iter().all(|word| Verdict::WORDS.contains(word)), "{words:?}");
        words
    }

    #[test]
    fn of_duplicates_the_largest_stays_and_the_others_say_which() {
        let rows =
            [row("b", 1, 256, 0xff), row("a", 1, 256, 0xff), row("c", 2, 512, 0xfe), row("d", 3, 256, 0xff_ffff)];
        let verdicts = decide(&rows, &Rules::default());
        assert_eq!(words(&rows), ["duplicate", "near", "kept", "kept"]);
        assert_eq!((&*verdicts[0].reason, &*verdicts[1].reason), ("a", "c"));
        let far = Rules { near: None, ..Rules::default() };
        assert_eq!(decide(&rows, &far).iter().filter(|verdict| verdict.kept()).count(), 3);
    }

    #[test]
    fn the_same_contents_are_kept_in_any_order() {
        let rows: Vec<Row> = (0..40u8)
            .map(|n| row(&n.to_string(), n % 30, 100 + usize::from(n % 30 % 7), u64::from(n % 30) * 5))
            .collect();
        let kept = |rows: &[Row]| {
            let verdicts = decide(rows, &Rules::default());
            let mut kept: Vec<u8> =
                rows.iter().zip(&verdicts).filter(|(_, v)| v.kept()).map(|(row, _)| row.content[0]).collect();
            kept.sort_unstable();
            kept
        };
        let base = kept(&rows);
        assert!(base.len() > 1 && base.len() < 30);
        let mut turned = rows.clone();
        turned.reverse();
        turned.iter_mut().enumerate().for_each(|(n, row)| row.name = format!("other {n}"));
        assert_eq!(kept(&turned), base);
    }

    #[test]
    fn each_rule_has_its_word() {
        let with = |change: fn(&mut Measures)| {
            let mut row = row("a", 1, 256, 1);
            if let Looked::Picture { measures: Some(measures), .. } = &mut row.looked {
                change(measures);
            }
            words(&[row])[0]
        };
        assert_eq!(with(|_| {}), "kept");
        assert_eq!(with(|measures| measures.sharpness = 3.0), "blurred");
        assert_eq!(with(|measures| measures.chroma = 0.5), "grey");
        assert_eq!(with(|measures| measures.brightness = 5.0), "dark");
        assert_eq!(with(|measures| measures.bars = 0.3), "bars");
        let size = |width, height| {
            let looked = Looked::Picture { width, height, face: None, measures: None };
            words(&[Row { looked, ..row("a", 1, 1, 1) }])[0]
        };
        assert_eq!((size(63, 200), size(2000, 100)), ("tiny", "oblong"));
        let other = |looked| words(&[Row { looked, ..row("a", 1, 1, 1) }])[0];
        assert_eq!(other(Looked::Broken("cut off".into())), "broken");
        assert_eq!(other(Looked::Foreign("AVIF".into())), "format");
        assert_eq!(other(Looked::Faceless { width: 300, height: 300 }), "faceless");
    }
}
