//! What can go wrong in a training run, said so that the reader knows what to do next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

use crate::Config;

/// Errors of this crate.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// No preset of that name.
    #[error("there is no configuration called {name:?}; choose one of {}, or give a path to a .json file", presets())]
    UnknownPreset {
        /// The name that was asked for.
        name: String,
    },
    /// A configuration that cannot be trained.
    #[error("the configuration cannot be trained: {what}")]
    Config {
        /// Field and reason.
        what: String,
    },
    /// Pictures of other classes than the networks are told of.
    #[error(
        "the networks are told of {told} classes and the pictures have {has}: --labels says of which class each picture is, and a run keeps those it \
         began with"
    )]
    Classes {
        /// Classes of the configuration; 0 for none.
        told: usize,
        /// Classes of the pictures; 0 for none.
        has: usize,
    },
    /// A file or folder could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be written; whatever was there before is still whole.
    #[error("cannot write {path}: {source}{}", way_out(source))]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint that is damaged or belongs to something else.
    #[error("{path} is not a usable checkpoint: {what}")]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A run folder without any usable checkpoint.
    #[error(
        "{path} holds no usable checkpoint; a run folder has a checkpoints folder with files like 000190000.safetensors in it, and a file of another name is given by itself"
    )]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes into the run's folder.
    #[error("{path} is being trained by another process; stop that one first")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Pictures that the discriminators of a run cannot judge, or too few of them.
    #[error("{what}")]
    LatentScores {
        /// What is wrong with them, and what to do.
        what: String,
    },
    /// The losses stopped being numbers.
    #[error(
        "training diverged at {kimg:.1} kimg: a loss is no longer a finite number; the last checkpoint is intact, \
         resume from it with a lower learning rate, a higher gamma or precision f32"
    )]
    Diverged {
        /// When.
        kimg: f64,
    },
    /// The device that trains is not there, or has failed; a run's last checkpoint is intact.
    #[error("cannot train on {device}: {what}")]
    Device {
        /// Which one.
        device: crate::Device,
        /// What is the matter, and what to do.
        what: String,
    },
    /// Processes that are to train one run do not find together.
    #[error("cannot train on several processes: {what}")]
    Ranks {
        /// What is the matter, and what to do.
        what: String,
    },
    /// Another process of the run is gone, or did not answer in time; the run's last checkpoint is intact.
    #[error(
        "another process of this run is gone or does not answer ({what}); the step is lost and the last checkpoint intact: start all of \
         them again with --resume, as torchrun --max-restarts does by itself"
    )]
    Peer {
        /// What was noticed.
        what: String,
    },
    /// The processes of a run hold different values that should be the same.
    #[error(
        "at {kimg:.3} kimg the processes of this run differ in their {what} (RANK {}, from 0); {advice}",
        listed(ranks)
    )]
    Apart {
        /// When.
        kimg: f64,
        /// Which differ from rank 0, counted from 0.
        ranks: Vec<usize>,
        /// What differs.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A feature network is missing or damaged.
    #[error(transparent)]
    Features(#[from] features::Error),
    /// The data set failed.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The model file could not be made.
    #[error(transparent)]
    Model(#[from] synth::ModelError),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Read { path: path.into(), source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Write { path: path.into(), source }
    }
}

/// What to do where a file could not be written, if it is not plain to see.
fn way_out(source: &std::io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; what was there before is whole: make room, and go on with --resume"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; choose another place with --out",
        _ => "",
    }
}

fn listed(ranks: &[usize]) -> String {
    ranks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn presets() -> String {
    Config::PRESETS.map(|(name, _)| name).join(", ")
}
