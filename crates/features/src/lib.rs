//! Frozen feature networks as data, and what is measured with them.
//!
//! A [`Network`] is a list of operations and its weights in one safetensors file, run as it stands. `tools/features.py` makes
//! the files from published weights; a file is named in every result by the hash of its bytes, because figures of two networks
//! cannot be compared. Pictures go in planar, `[n, 3, height, width]` in -1..1; what comes out has its channels last.

mod conv;
mod error;
mod graph;
mod network;
mod ops;
mod pass;
mod resample;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use network::Network;
pub use pass::{Grid, Tape, Workspace};
pub use resample::Resizing;
