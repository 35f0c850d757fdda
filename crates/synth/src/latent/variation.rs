//! What a picture depends on besides seed and creativity: how seeds become numbers, which noise, which class.

use std::str::FromStr;

use super::numpy::RandomState;
use crate::{Architecture, Seed, latent};

/// How a generator draws; [`Default`] is what addresses and galleries mean by a seed. See
/// [`Generator::with_variation`](crate::Generator::with_variation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variation {
    /// How a seed becomes `z`.
    pub seeds: SeedStyle,
    /// Which noise the convolutions add, if the model has any.
    pub noise: NoiseMode,
    /// The seed of [`NoiseMode::Random`]; none means that every picture has its own.
    pub noise_seed: Option<Seed>,
    /// Class of a class-conditional model, counted from 0; none means that the seed chooses.
    pub class: Option<usize>,
}

impl Variation {
    /// How it stands in fingerprints and cache tags. What is written here once stays, whatever the types and fields are called later:
    /// archives and caches go by it.
    pub fn identity(&self) -> String {
        let seeds = match self.seeds {
            SeedStyle::Philox => "Philox",
            SeedStyle::Numpy => "Numpy",
        };
        let noise = match self.noise {
            NoiseMode::Const => "Const",
            NoiseMode::Random => "Random",
            NoiseMode::None => "None",
        };
        let noise_seed = self.noise_seed.map_or_else(|| "None".to_owned(), |Seed(seed)| format!("Some(Seed({seed}))"));
        let class = self.class.map_or_else(|| "None".to_owned(), |class| format!("Some({class})"));
        format!("Variation {{ seeds: {seeds}, noise: {noise}, noise_seed: {noise_seed}, class: {class} }}")
    }
}

/// How a seed becomes `z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeedStyle {
    /// This project's: Philox, see [`latent`].
    #[default]
    Philox,
    /// `numpy.random.RandomState(seed).randn(1, z_dim)`, by which the seeds of `StyleGAN2` models are published.
    /// Random noise then follows `z` from the same generator, as in the `TensorFlow` code, unless it has a seed of its own.
    Numpy,
}

/// Which noise the convolutions add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseMode {
    /// The noise stored in the model, the same in every picture; a model without it takes each seed's own.
    #[default]
    Const,
    /// Each seed's own, or the one of [`Variation::noise_seed`].
    Random,
    /// None.
    None,
}

/// A word that is not one of the values of an option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not known here; use {1}")]
pub struct WordError(String, &'static str);

impl FromStr for SeedStyle {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "philox" => Ok(SeedStyle::Philox),
            "numpy" => Ok(SeedStyle::Numpy),
            _ => Err(WordError(word.chars().take(40).collect(), "philox or numpy")),
        }
    }
}

impl FromStr for NoiseMode {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "const" => Ok(NoiseMode::Const),
            "random" => Ok(NoiseMode::Random),
            "none" => Ok(NoiseMode::None),
            _ => Err(WordError(word.chars().take(40).collect(), "const, random or none")),
        }
    }
}

/// A class that the model does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// The model knows no classes.
    #[error("class {0} was asked for, but this model knows no classes; leave the class out")]
    Unconditional(usize),
    /// The model has fewer classes.
    #[error("class {class} was asked for; this model has the classes 0 to {}", classes - 1)]
    OutOfRange {
        /// The class asked for.
        class: usize,
        /// How many there are.
        classes: usize,
    },
}

impl Variation {
    /// Checks that the class is one the architecture has.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, architecture: &Architecture) -> Result<(), ClassError> {
        match (self.class, &architecture.labels) {
            (None, _) => Ok(()),
            (Some(class), None) => Err(ClassError::Unconditional(class)),
            (Some(class), Some(labels)) if class < labels.classes => Ok(()),
            (Some(class), Some(labels)) => Err(ClassError::OutOfRange { class, classes: labels.classes }),
        }
    }

    /// Fills `z` with what a seed offers as its `candidate`-th, counted from 0.
    pub(crate) fn z(&self, seed: Seed, candidate: u32, z: &mut [f32]) {
        match self.seeds {
            SeedStyle::Philox => latent::candidate(seed, candidate, z),
            SeedStyle::Numpy => {
                let mut generator = RandomState::new(seed);
                (0..=candidate).for_each(|_| generator.fill(z));
            }
        }
    }

    /// The class of a seed's picture in a model with `classes` of them.
    pub(crate) fn class(&self, seed: Seed, classes: usize) -> usize {
        self.class.unwrap_or_else(|| latent::class(seed, classes))
    }

    /// Fills `noise` of a layer that is not stored: the layer's Philox stream, and how many normal numbers go before it
    /// when one generator gives `z` and then all noise.
    pub(crate) fn noise(&self, seed: Seed, stream: u32, before: usize, z_dim: usize, noise: &mut [f32]) {
        match self.seeds {
            SeedStyle::Philox => latent::normal(self.noise_seed.unwrap_or(seed), stream, noise),
            SeedStyle::Numpy => {
                let before = if self.noise_seed.is_some() { before } else { before + z_dim };
                let mut generator = RandomState::new(self.noise_seed.unwrap_or(seed));
                for _ in 0..before {
                    let _ = generator.normal();
                }
                generator.fill(noise);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_spelled_as_they_always_were() {
        let plain = "Variation { seeds: Philox, noise: Const, noise_seed: None, class: None }";
        assert_eq!(Variation::default().identity(), plain);
        let other =
            Variation { seeds: SeedStyle::Numpy, noise: NoiseMode::Random, noise_seed: Some(Seed(7)), class: Some(3) };
        let spelled = "Variation { seeds: Numpy, noise: Random, noise_seed: Some(Seed(7)), class: Some(3) }";
        assert_eq!(other.identity(), spelled);
    }
}
