//! Numbers as arguments. What is none, endless or out of its range is refused while arguments are read, by the option's name.

use std::ops::RangeInclusive;

/// Threads that may be asked for.
const THREADS: RangeInclusive<usize> = 1..=1024;

/// Reads a number, 0 or more.
///
/// # Errors
/// It is less, endless or none; the text says what is allowed.
pub fn number(text: &str) -> Result<f64, String> {
    at_least(0.0)(text)
}

/// Reads a number above 0.
///
/// # Errors
/// It is not, endless or none; the text says what is allowed.
pub fn above_zero(text: &str) -> Result<f64, String> {
    finite(text).filter(|number| *number > 0.0).ok_or_else(|| "use a number above 0".into())
}

/// Reads a share of a whole, 0 to 1.
///
/// # Errors
/// It is none; the text says what is allowed.
pub fn share(text: &str) -> Result<f32, String> {
    within(0.0..=1.0)(text).map(|share| share as f32)
}

/// Reads a share of a whole that is more than nothing: above 0, 1 at most.
///
/// # Errors
/// It is none; the text says what is allowed.
pub fn share_above_zero(text: &str) -> Result<f64, String> {
    finite(text).filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| "use a number above 0, 1 at most".into())
}

/// Reads a number of threads, 1 to 1024.
///
/// # Errors
/// It is none; the text says what is allowed.
pub fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads: &usize| THREADS.contains(threads));
    threads.ok_or_else(|| format!("use a whole number from {} to {}", THREADS.start(), THREADS.end()))
}

/// What reads a number that is no smaller than `least`.
pub fn at_least(least: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        finite(text).filter(|number| *number >= least).ok_or_else(|| format!("use a number, {least} or more"))
    }
}

/// What reads a number of this range.
pub fn within(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let number = finite(text).filter(|number| range.contains(number));
        number.ok_or_else(|| format!("use a number from {} to {}", range.start(), range.end()))
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_its_range_is_refused_with_that_range() {
        let good =
            |read: Result<f64, String>, number: f64| assert!(read.is_ok_and(|read| (read - number).abs() < 1e-12));
        good(number("0"), 0.0);
        good(above_zero("1e-9"), 1e-9);
        good(share_above_zero("1"), 1.0);
        good(at_least(1.0)("1"), 1.0);
        good(within(0.0..=1.0)("0.25"), 0.25);
        assert_eq!((share("1"), threads("8")), (Ok(1.0), Ok(8)));
        for text in ["", "x", "nan", "inf", "-inf", "1e999", "-1", "-0.001"] {
            assert_eq!(number(text).unwrap_err(), "use a number, 0 or more", "{text}");
            assert_eq!(at_least(1.0)(text).unwrap_err(), "use a number, 1 or more", "{text}");
            assert_eq!(within(0.0..=1.0)(text).unwrap_err(), "use a number from 0 to 1", "{text}");
            assert!(share(text).is_err(), "{text}");
        }
        assert!(above_zero("0").unwrap_err().contains("above 0"));
        for text in ["0", "-0.1", "1.1", "nan", "x"] {
            assert_eq!(share_above_zero(text).unwrap_err(), "use a number above 0, 1 at most", "{text}");
        }
        assert!(within(1.0..=20.0)("0.5").is_err() && share("2").is_err());
        for text in ["0", "1025", "-1", "1.5", "all"] {
            assert_eq!(threads(text).unwrap_err(), "use a whole number from 1 to 1024", "{text}");
        }
    }
}
