//! Frozen feature networks as data, and what is measured with them.
//!
//! A [`Network`] is a list of operations and its weights in one safetensors file, run as it stands. `tools/features.py` makes
//! the files from published weights; a file is named in every result by the hash of its bytes, because figures of two networks
//! cannot be compared. Pictures go in planar, `[n, 3, height, width]` in -1..1; what comes out has its channels last.

pub mod calibrate;
mod conv;
pub mod critic;
pub mod directions;
mod error;
mod evaluate;
mod graph;
mod meter;
pub mod metrics;
mod network;
mod ops;
mod pass;
mod perceptual;
mod ratio;
mod resample;
mod ridge;
mod spectrum;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use evaluate::{Corruption, Distances, Evaluator, Floors, Memorisation};
pub use kernels::{Crew, Isa};
pub use meter::{FIRST_SEED, Measurement, Meter};
pub use metrics::Rows;
pub use network::Network;
pub use pass::{Grid, Tape, Workspace};
pub use perceptual::{PerceptualDistance, PerceptualWork};
pub use ratio::LogRatios;
pub use resample::Resizing;
pub use ridge::{Affine, KernelRidge, correlation};
