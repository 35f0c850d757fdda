//! What opening a data set found: how many pictures, which were skipped and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of opening a data set, for the log and for the run folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Files that look like pictures by their names.
    pub read: usize,
    /// Pictures in use, training and validation together.
    pub kept: usize,
    /// Pictures left out because a file with the same content is in use already.
    pub duplicates: usize,
    /// Files that could not be read or decoded.
    pub broken: Vec<Skipped>,
    /// Pictures with a side below the limit.
    pub tiny: Vec<Skipped>,
    /// Files passed over because of their names: hidden ones and those that are no .webp, .jpg, .jpeg, .png or .tar.
    pub ignored: usize,
    /// What became of the cache.
    #[serde(skip)]
    pub cache: CacheUse,
}

/// A picture that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Path of the file; for an entry of a tar, path of the tar, a colon and the entry.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What became of the cache of reduced pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// No cache folder was given.
    #[default]
    Off,
    /// The pictures came from the cache.
    Reused,
    /// There was none for this data; it was written.
    Written,
    /// There was one, but it was unusable for the reason given; it was written anew.
    Remade(String),
    /// It could not be written for the reason given; the pictures are in memory, the next start decodes again.
    Failed(String),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl fmt::Display for Report {
    /// One line, such as `22500 files, 22480 pictures, 3 broken, 0 tiny, 17 duplicates, 1 ignored; cache reused`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files, {} pictures", self.read, self.kept)?;
        write!(f, ", {} broken, {} tiny", self.broken.len(), self.tiny.len())?;
        write!(f, ", {} duplicates, {} ignored; {}", self.duplicates, self.ignored, self.cache)
    }
}

impl fmt::Display for CacheUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no cache"),
            Self::Reused => f.write_str("cache reused"),
            Self::Written => f.write_str("cache written"),
            Self::Remade(reason) => write!(f, "cache remade: {reason}"),
            Self::Failed(reason) => write!(f, "cache not written: {reason}"),
        }
    }
}
