//! Everything that can go wrong, each with the place and a way out.

use std::io;
use std::path::{Path, PathBuf};

use crate::report::Skipped;

/// Why a data set could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside its range.
    #[error("the data option {option} is {value}; allowed is {allowed}")]
    Option {
        /// Name of the field of [`Options`](crate::Options).
        option: &'static str,
        /// The value given.
        value: String,
        /// The values possible.
        allowed: &'static str,
    },
    /// No source was given.
    #[error("no training data given; name a folder, a tar or a pattern such as 'faces-*.tar'")]
    NoSource,
    /// An argument names nothing that exists.
    #[error("there is no {}; check the spelling, relative paths start at {}", .path.display(), current_folder())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// A pattern is malformed.
    #[error("the pattern '{pattern}' cannot be understood: {reason}; use * ? [abc] and ** as in a shell")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// A pattern matches nothing.
    #[error(
        "nothing matches the pattern '{pattern}'; check the spelling, relative paths start at {}",
        current_folder()
    )]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// A file is neither a picture nor a tar.
    #[error("{} is neither a tar nor a picture ({reason}); give a folder, a .tar, .webp, .jpg, .jpeg or .png", .path.display())]
    NotATar {
        /// The file.
        path: PathBuf,
        /// Why it cannot be one.
        reason: String,
    },
    /// A tar is damaged or incomplete.
    #[error("the tar {} is damaged after {entries} entries ({reason}); copy or download it again", .path.display())]
    BrokenTar {
        /// The file.
        path: PathBuf,
        /// How many entries could be read.
        entries: usize,
        /// What is wrong.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}; {advice}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Not one picture is left to train on.
    #[error(
        "no pictures to train on in {sources}: {read} WebP, JPEG or PNG files found, {broken} unreadable, {tiny} with a side below {shortest_side} pixels, {validation} held back for validation, {ignored} other files ignored; name other data or lower the training size"
    )]
    Empty {
        /// The arguments.
        sources: String,
        /// Files that look like pictures.
        read: usize,
        /// Of these, unreadable ones.
        broken: usize,
        /// Of these, too small ones.
        tiny: usize,
        /// The smallest side allowed.
        shortest_side: usize,
        /// Of these, held back.
        validation: usize,
        /// Files that do not look like pictures.
        ignored: usize,
    },
    /// Too many pictures are unreadable.
    #[error("{broken} of {total} pictures are unreadable, more than the {:.1} % allowed; the first are:{}\ndelete or replace them, or allow more", 100.0 * .allowed, listed(.first))]
    TooManyBroken {
        /// Unreadable pictures met before stopping.
        broken: usize,
        /// Pictures in the data set.
        total: usize,
        /// The share that is allowed.
        allowed: f32,
        /// The first few of them.
        first: Vec<Skipped>,
    },
    /// The file of reduced pictures changed while it was in use.
    #[error("picture {slot} in the cache {} is damaged: {reason}; start again, the cache is then made anew", .path.display())]
    DamagedCache {
        /// The file.
        path: PathBuf,
        /// Which record.
        slot: usize,
        /// What is wrong.
        reason: String,
    },
    /// An index is outside the data set.
    #[error("there is no {side} picture {index}; they are numbered from 0 and there are {len}")]
    OutOfRange {
        /// `training` or `validation`.
        side: &'static str,
        /// The index asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] with the place and the way out.
    pub(crate) fn io(action: &'static str, path: &Path, advice: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, advice, source }
    }
}

fn current_folder() -> String {
    std::env::current_dir().map_or_else(|_| "the current folder".into(), |folder| folder.display().to_string())
}

fn listed(skipped: &[Skipped]) -> String {
    skipped.iter().fold(String::new(), |list, picture| list + "\n  " + &picture.to_string())
}
