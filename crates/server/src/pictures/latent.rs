//! Latent vectors in requests and answers: `z` or `w` as base64 of little-endian 32-bit floats.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use synth::{Creativity, Generator, Styles};

/// Values further from 0 than this are no latents: those of seeds stay below 6, and of trained `w` below 100.
const FURTHEST: f32 = 1e4;

/// Which of the two vectors it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LatentSpace {
    /// Before the mapping network.
    Z,
    /// After it, before truncation.
    W,
}

/// A vector of the right length whose values are sane; compared bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Latent {
    space: LatentSpace,
    bits: Arc<[u32]>,
}

/// Why numbers that were sent make no picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum LatentError {
    #[error("the vector is not base64 of little-endian 32-bit floats")]
    Base64,
    #[error("this model's {space} has {wanted} values ({} bytes), not {given} bytes", 4 * wanted)]
    Length { space: &'static str, wanted: usize, given: usize },
    #[error("value {at} of the vector is {value}: use finite numbers from -10000 to 10000")]
    Value { at: usize, value: f32 },
    #[error("noise_seed says whose noise to add, but none is added here: leave it out")]
    NoNoise,
}

/// The text of a vector.
pub(crate) fn spell(values: &[f32]) -> String {
    STANDARD.encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

impl Latent {
    /// Reads and checks what was sent for a model.
    pub(crate) fn read(space: LatentSpace, text: &str, generator: &Generator) -> Result<Self, LatentError> {
        let bytes = STANDARD.decode(text).map_err(|_| LatentError::Base64)?;
        let (name, wanted) = match space {
            LatentSpace::Z => ("z", generator.architecture().z_dim),
            LatentSpace::W => ("w", generator.architecture().w_dim),
        };
        if bytes.len() != 4 * wanted {
            return Err(LatentError::Length { space: name, wanted, given: bytes.len() });
        }
        let (values, _) = bytes.as_chunks::<4>();
        let bits: Arc<[u32]> = values.iter().copied().map(u32::from_le_bytes).collect();
        let bad = |bits: &u32| {
            let value = f32::from_bits(*bits);
            !value.is_finite() || value.abs() > FURTHEST
        };
        match bits.iter().position(bad) {
            Some(at) => Err(LatentError::Value { at, value: f32::from_bits(bits[at]) }),
            None => Ok(Self { space, bits }),
        }
    }

    /// The styles to draw it with.
    pub(crate) fn styles(&self, generator: &Generator, psi: Creativity) -> Styles {
        let values: Vec<f32> = self.bits.iter().copied().map(f32::from_bits).collect();
        let w = match self.space {
            LatentSpace::Z => generator.w_of_z(&values),
            LatentSpace::W => values,
        };
        generator.truncate(&w, psi)
    }
}

/// A name for what was sent: its space and the hash of its values.
impl fmt::Display for Latent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = blake3::Hasher::new();
        for bits in self.bits.iter() {
            hasher.update(&bits.to_le_bytes());
        }
        let space = if self.space == LatentSpace::Z { 'z' } else { 'w' };
        write!(f, "{space}{:.32}", hasher.finalize().to_hex())
    }
}
