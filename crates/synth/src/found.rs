//! A `w` that no seed has, short enough for an address.

use std::fmt;
use std::str::FromStr;

use half::f16;

use crate::Generator;

/// Numbers of a `w` in an address, at most.
pub const LARGEST_FOUND: usize = 1024;

/// Hexadecimal digits of the step.
const STEP_DIGITS: usize = 4;

/// A `w`, such as the one that `tadne project` found: its way from the mean of all `w` in steps of one length, each number as a signed byte.
///
/// As text it is the step as an f16 and then the bytes, all in lower-case hexadecimal digits: 516 of them for a `w` of 256 numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// Bits of an f16 that is finite and above zero.
    step: u16,
    /// From 1 to [`LARGEST_FOUND`].
    steps: Vec<i8>,
}

/// A text that is no [`Found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a w is 4 hexadecimal digits for the length of a step, and 2 for each of its 1 to {LARGEST_FOUND} numbers")]
pub struct FoundError;

impl Found {
    /// The nearest to `w` that can be written: each number is off by at most a 254th of the largest distance from the mean, and what f16 rounds.
    /// None if there are no numbers or too many, not as many as the model's, or some that are not finite or further from the mean than f16 counts.
    pub fn of(w: &[f32], generator: &Generator) -> Option<Self> {
        let mean = generator.w_avg();
        if w.len() != mean.len() || !(1..=LARGEST_FOUND).contains(&w.len()) || !w.iter().all(|v| v.is_finite()) {
            return None;
        }
        let way = || w.iter().zip(mean).map(|(w, mean)| w - mean);
        let furthest = way().fold(0.0, |furthest: f32, v| furthest.max(v.abs()));
        // Rounded up, so that the furthest stays within a byte; the smallest positive f16 for the mean itself.
        let mut step = f16::from_f32(furthest / f32::from(i8::MAX)).max(f16::from_bits(1));
        if step.to_f32() * f32::from(i8::MAX) < furthest {
            step = f16::from_bits(step.to_bits() + 1);
        }
        let steps = way().map(|v| (v / step.to_f32()).round() as i8).collect();
        step.is_finite().then_some(Self { step: step.to_bits(), steps })
    }

    /// How many numbers it has; the `w` of the model that it is for has as many.
    pub fn dimensions(&self) -> usize {
        self.steps.len()
    }

    /// Its first numbers as digits, to call it by: eight of them, or all where it has fewer than four numbers.
    pub fn short(&self) -> String {
        self.to_string().chars().skip(STEP_DIGITS).take(8).collect()
    }

    /// The `w`, before truncation.
    ///
    /// # Panics
    /// If the model's has another length.
    pub fn w(&self, generator: &Generator) -> Vec<f32> {
        let mean = generator.w_avg();
        assert_eq!(mean.len(), self.steps.len(), "a w of as many numbers as the model's");
        let step = f16::from_bits(self.step).to_f32();
        mean.iter().zip(&self.steps).map(|(mean, steps)| mean + step * f32::from(*steps)).collect()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.step)?;
        self.steps.iter().try_for_each(|steps| write!(f, "{:02x}", steps.cast_unsigned()))
    }
}

impl FromStr for Found {
    type Err = FoundError;

    fn from_str(text: &str) -> Result<Self, FoundError> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(FoundError),
        };
        let digits = text.bytes().map(digit).collect::<Result<Vec<_>, _>>()?;
        let (step, steps) = digits.split_at_checked(STEP_DIGITS).ok_or(FoundError)?;
        let step = step.iter().fold(0, |step, digit| step << 4 | u16::from(*digit));
        let (pairs, rest) = steps.as_chunks();
        let is_number = f16::from_bits(step).is_finite() && f16::from_bits(step) > f16::ZERO;
        if !is_number || !rest.is_empty() || !(1..=LARGEST_FOUND).contains(&pairs.len()) {
            return Err(FoundError);
        }
        let steps = pairs.iter().map(|[high, low]| (high << 4 | low).cast_signed()).collect();
        Ok(Self { step, steps })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Architecture, ModelFile, Seed};

    fn generator() -> Generator {
        let mut model = ModelFile::random(Architecture::plain(4, 8, &[8, 8]), Seed(3)).unwrap();
        let mean = &mut model.tensors.get_mut("mapping.w_avg").unwrap().data;
        mean.iter_mut().enumerate().for_each(|(i, v)| *v = i as f32 / 4.0 - 1.0);
        Generator::new(&model).unwrap()
    }

    #[test]
    fn what_is_written_is_near_what_was_found() {
        let generator = generator();
        for scale in [0.0, 1e-6, 0.3, 1.0, 40.0, 5e4] {
            let w: Vec<f32> =
                (0..8).map(|i| generator.w_avg()[i] + scale * ((i * 37 % 11) as f32 - 5.0) / 5.0).collect();
            let found = Found::of(&w, &generator).unwrap();
            let read: Found = found.to_string().parse().unwrap();
            assert_eq!(read, found);
            for (a, b) in read.w(&generator).iter().zip(&w) {
                // Half a step, of which f16 may have rounded its thousandth up.
                assert!((a - b).abs() <= scale / 253.0 + 1e-5, "{scale}: {a} {b}");
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_none() {
        let generator = generator();
        let with = |v: f32| [v, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for w in [&with(f32::NAN)[..], &with(f32::INFINITY), &with(1e8), &[0.0; 7], &[]] {
            assert_eq!(Found::of(w, &generator), None, "{w:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_of_a_number_and_bytes_is_one_and_is_written_again(step in 1u16..0x7c00, bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = format!("{step:04x}{}", digits.concat());
            prop_assert_eq!(text.parse::<Found>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_none() {
        let long = format!("3c00{}", "00".repeat(LARGEST_FOUND + 1));
        for text in
            ["", "3c0", "3c00", "3c001", "3C0001", "000001", "7c0001", "7e0001", "bc0001", "3c00+1", "3c00é", &long]
        {
            assert_eq!(text.parse::<Found>(), Err(FoundError), "{text}");
        }
        assert!(long[..4 + 2 * LARGEST_FOUND].parse::<Found>().is_ok());
    }
}
