//! Auxiliary discriminators: optional critics beside D, each with weights and an optimiser of its own. What a step, a checkpoint and a change of recipe
//! ask of any of them is the same.

use kernels::train::Cpu;

use crate::collective::Ranks;
use crate::schedule::Schedule;
use crate::{Config, Error};

/// A critic beside D.
pub(crate) trait Auxiliary {
    /// Opens what only steps need, such as a frozen network.
    ///
    /// # Errors
    /// [`Error::Features`] or [`Error::Config`] if that is missing or does not fit.
    fn prepare(&mut self, config: &Config, threads: usize) -> Result<(), Error>;
    /// One step of its own, the same on all ranks; what it wants of the drawn pictures that it has seen is added to the gradient.
    ///
    /// # Errors
    /// Those of [`crate::Collective::sum`].
    ///
    /// # Panics
    /// If [`Auxiliary::prepare`] has not been called.
    fn step(&mut self, scene: Scene<'_>) -> Result<Said, Error>;
    /// Leaves nothing behind of a step that has failed.
    fn forget(&mut self);
    /// Steps taken.
    fn steps(&self) -> u64;
    /// What a checkpoint keeps of it, by the names it has there.
    fn state(&self) -> Vec<(&'static str, &[f32])>;
    /// Takes back what was kept after so many steps. `read` gives a tensor, which must have the length where one is named.
    ///
    /// # Errors
    /// Those of `read`: what is wrong with the checkpoint.
    fn restore(&mut self, steps: u64, read: Read<'_>) -> Result<(), String>;
}

/// Reads a tensor of a checkpoint.
pub(crate) type Read<'a> = &'a dyn Fn(&str, Option<usize>) -> Result<Vec<f32>, String>;

/// What a step shows to an auxiliary discriminator.
pub(crate) struct Scene<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) config: &'a Config,
    pub(crate) schedule: &'a Schedule,
    /// Of the step's random numbers.
    pub(crate) seed: u64,
    /// Pictures of either kind, and the numbers of each.
    pub(crate) count: usize,
    pub(crate) area: usize,
    /// Real pictures and drawn ones, planar, as D sees them.
    pub(crate) pictures: [&'a [f32]; 2],
    /// The gradient of G's loss at the drawn ones.
    pub(crate) gradient: &'a mut [f32],
    pub(crate) ranks: &'a mut Ranks,
}

/// What one said in a step: means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    pub(crate) loss: f64,
    /// Its output on real pictures.
    pub(crate) real: f64,
    /// Its output on drawn ones.
    pub(crate) drawn: f64,
    /// Entries of its gradient that were not finite and were dropped.
    pub(crate) dropped: u64,
}

/// Adds what an auxiliary discriminator wants to a gradient, at `weight` times the length that is there.
pub(crate) fn add_at_length(gradient: &mut [f32], wanted: &[f32], weight: f64) {
    let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let factor = (weight * length(gradient) / (length(wanted) + 1e-12)) as f32;
    gradient.iter_mut().zip(wanted).for_each(|(to, v)| *to += factor * v);
}

/// The share of its weight that one has after so many steps of `batch` pictures: it rises over `kimg` thousand of them.
pub(crate) fn warmth(steps: u64, batch: usize, kimg: f64) -> f64 {
    let seen = steps as f64 * batch as f64 / 1000.0;
    if kimg > 0.0 { (seen / kimg).min(1.0) } else { 1.0 }
}
