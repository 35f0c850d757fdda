//! What ends a curation.

use std::path::{Path, PathBuf};

/// Why no selection could be made; files that appeared before are whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pictures cannot be listed.
    #[error(transparent)]
    Pictures(#[from] dataset::Error),
    /// A file of the result cannot be written or read.
    #[error("cannot {action} {}: {reason}; what is finished stays, run the same command again to go on", path.display())]
    File {
        /// Read, write, or the like.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The result's folder holds a selection by other rules.
    #[error("{} holds a selection by other rules or of other files ({what}); use another folder", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What it has that this selection has not.
        what: String,
    },
    /// A picture that could be read before cannot any more.
    #[error("{name} has changed while it was curated ({reason}); run the command again")]
    Changed {
        /// Which picture.
        name: String,
        /// What is wrong with it now.
        reason: String,
    },
    /// A detector cannot be used.
    #[error("the detector {} cannot be used: {reason}", path.display())]
    Detector {
        /// Its file.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// A machine does not see what others do.
    #[error("there is no {} on this machine; all machines must see pictures and results at the same paths", .0.display())]
    Unseen(PathBuf),
    /// It was told to stop.
    #[error("stopped; tars that are finished stay, run the same command again to go on")]
    Stopped,
}

impl Error {
    pub(crate) fn file<E: ToString>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |error| Self::File { action, path: path.to_owned(), reason: error.to_string() }
    }
}
