//! The two numbers a visitor chooses: which picture ([`Seed`]) and how adventurous ([`Creativity`]).

use std::fmt;
use std::str::FromStr;

/// Names a picture. Any `u64`; written in decimal, zero padded to at least five digits.
///
/// ```
/// # use synth::Seed;
/// let seed: Seed = "00042".parse()?;
/// assert_eq!(seed, Seed(42));
/// assert_eq!(seed.to_string(), "00042");
/// # Ok::<(), synth::SeedError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// A text that is not a [`Seed`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a seed: use a whole number from 0 to 18446744073709551615, written in decimal digits only")]
pub struct SeedError(String);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        // `u64::from_str` alone would also take a leading plus sign.
        if text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map(Seed).map_err(|_| SeedError(shortened(text)))
        } else {
            Err(SeedError(shortened(text)))
        }
    }
}

/// A creativity from 0 to 2, finite. Without a calibration it is the truncation psi itself, how far `w` goes from its mean:
/// `w' = w_avg + psi (w - w_avg)`; with one see [`Calibration::psi`](crate::Calibration::psi).
///
/// ```
/// # use synth::Creativity;
/// let calm: Creativity = "0.7".parse()?;
/// assert_eq!(calm.to_string(), "0.7");
/// assert!("NaN".parse::<Creativity>().is_err());
/// # Ok::<(), synth::CreativityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Creativity(f32);

/// A value that is not a [`Creativity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a creativity (psi): use a number from 0.0 to 2.0, such as 0.7")]
pub struct CreativityError(String);

impl Creativity {
    /// The smallest value: every seed gives the mean picture.
    pub const MIN: Creativity = Creativity(0.0);
    /// The largest value.
    pub const MAX: Creativity = Creativity(2.0);

    /// Accepts finite values in `0.0..=2.0`.
    ///
    /// # Errors
    /// The value is outside that range or not a number.
    pub fn new(value: f32) -> Result<Self, CreativityError> {
        if (0.0..=2.0).contains(&value) {
            // Adding zero turns -0.0 into 0.0, so that equal values print alike.
            Ok(Creativity(value + 0.0))
        } else {
            Err(CreativityError(value.to_string()))
        }
    }

    /// The value, in `0.0..=2.0`.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// 1.0: the distribution the generator was trained on.
impl Default for Creativity {
    fn default() -> Self {
        Creativity(1.0)
    }
}

/// One decimal, as in the addresses of pictures (`psi-1.0`); more if the formatter asks (`{:.2}`).
impl fmt::Display for Creativity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", f.precision().unwrap_or(1), self.0)
    }
}

impl FromStr for Creativity {
    type Err = CreativityError;

    fn from_str(text: &str) -> Result<Self, CreativityError> {
        text.parse().ok().and_then(|value| Creativity::new(value).ok()).ok_or_else(|| CreativityError(shortened(text)))
    }
}

/// The start of a text, short enough for an error message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_u64_is_a_seed_and_prints_back() {
        for value in [0, 7, 99_999, 100_000, u64::MAX] {
            assert_eq!(Seed(value).to_string().parse(), Ok(Seed(value)));
        }
        assert_eq!(Seed(7).to_string(), "00007");
        assert_eq!(Seed(1_234_567).to_string(), "1234567");
    }

    #[test]
    fn texts_that_are_no_seed_are_refused_with_a_sentence() {
        for text in ["", "abc", "-1", "+1", "1.0", " 1", "18446744073709551616", "٣"] {
            let error = text.parse::<Seed>().unwrap_err().to_string();
            assert!(error.contains("whole number"), "{error}");
        }
    }

    #[test]
    fn a_creativity_outside_its_range_is_refused() {
        for value in [-0.1, 2.1, f32::NAN, f32::INFINITY] {
            assert!(Creativity::new(value).is_err());
        }
        for text in ["", "x", "nan", "inf", "-0.5", "2.01"] {
            assert!(text.parse::<Creativity>().is_err(), "{text}");
        }
        assert_eq!(Creativity::new(-0.0).unwrap().to_string(), "0.0");
        assert_eq!("2.0".parse::<Creativity>(), Ok(Creativity::MAX));
    }
}
