//! Lists of seeds as people write them: `0-15,77`.

use std::ops::RangeInclusive;
use std::str::FromStr;

use synth::Seed;

/// A list of seeds in the order given, kept as ranges: `0-999999` costs nothing until it is walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<RangeInclusive<u64>>);

impl Seeds {
    /// The first `n` seeds.
    pub fn first(n: u64) -> Self {
        Self(n.checked_sub(1).map(|last| 0..=last).into_iter().collect())
    }

    /// How many there are; saturates, since two ranges may span more than a `u64` counts.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, r| sum.saturating_add((r.end() - r.start()).saturating_add(1)))
    }

    /// The ranges, in the order given.
    pub fn ranges(&self) -> &[RangeInclusive<u64>] {
        &self.0
    }

    /// Seed by seed, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = Seed> + '_ {
        self.0.iter().cloned().flatten().map(Seed)
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |part: &str| part.trim().parse::<Seed>().map(|s| s.0).map_err(|e| e.to_string());
        let ranges = text.split(',').map(|part| match part.split_once('-') {
            None => seed(part).map(|s| s..=s),
            Some((first, last)) => {
                let (first, last) = (seed(first)?, seed(last)?);
                if first > last {
                    return Err(format!("{part:?} runs backwards; write {last}-{first}"));
                }
                Ok(first..=last)
            }
        });
        Ok(Self(ranges.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<u64> {
        text.parse::<Seeds>().unwrap().iter().map(|s| s.0).collect()
    }

    #[test]
    fn ranges_and_single_seeds_keep_their_order() {
        assert_eq!(list("0-3,77"), [0, 1, 2, 3, 77]);
        assert_eq!(list("9, 4-5"), [9, 4, 5]);
        assert_eq!(list("18446744073709551615"), [u64::MAX]);
    }

    #[test]
    fn the_whole_range_is_counted_without_overflow_or_memory() {
        let all: Seeds = "0-18446744073709551615,5".parse().unwrap();
        assert_eq!(all.count(), u64::MAX);
        assert_eq!(all.iter().nth(2), Some(Seed(2)));
        assert_eq!(Seeds::first(0).count(), 0);
        assert_eq!(Seeds::first(16).count(), 16);
    }

    #[test]
    fn what_is_no_list_says_why() {
        for bad in ["", "a", "1-", "-1", "3-1", "1,,2", "18446744073709551616", "1.5"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad:?} was accepted");
        }
        assert!("3-1".parse::<Seeds>().unwrap_err().contains("1-3"));
    }
}
