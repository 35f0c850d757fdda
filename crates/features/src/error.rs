//! What can go wrong, said so that the reader knows what to do next.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A feature network that is missing or damaged.
    #[error("{path} is not a usable feature network: {what}")]
    Features {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Pictures of a size that a network cannot take.
    #[error("{network} cannot take pictures of {width} x {height}: {what}")]
    Size {
        /// Name of the network.
        network: String,
        /// Columns of the pictures.
        width: usize,
        /// Rows of the pictures.
        height: usize,
        /// Which operation fails, and why.
        what: String,
    },
    /// A critic that does not fit its network.
    #[error("{what}")]
    Critic {
        /// What does not fit, and what would.
        what: String,
    },
    /// A real picture could not be corrupted for a floor.
    #[error("a picture of the floor: {0}")]
    Corruption(image::ImageError),
    /// The data set failed.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A model is not valid.
    #[error(transparent)]
    Model(#[from] synth::ModelError),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Read { path: path.into(), source }
    }
}
