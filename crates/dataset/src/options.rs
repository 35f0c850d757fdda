//! What the caller may choose when opening a data set, and how it is told about progress.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Error, LabelSource};

/// The largest training size in pixels; beyond it one picture alone would fill the memory of a batch.
const LARGEST_SIZE: usize = 4096;

/// Pictures longer than this many times their shorter side are refused: a square crop would leave next to nothing.
const LONGEST_ASPECT: u32 = 8;

/// How a picture that is not square becomes one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Crop {
    /// The central square.
    #[default]
    Centre,
    /// The square at the top of a tall picture, where portraits have their face; the central one of a wide picture.
    Top,
    /// The whole picture, with white beside it.
    Pad,
}

impl std::str::FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "centre" | "center" => Ok(Self::Centre),
            "top" => Ok(Self::Top),
            "pad" => Ok(Self::Pad),
            _ => Err("use centre, top or pad".into()),
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Centre => "centre",
            Self::Top => "top",
            Self::Pad => "pad",
        })
    }
}

/// Why a sound picture is not trained on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A side is too short; what to show.
    Tiny(String),
    /// It is a strip; what to show.
    Oblong(String),
}

/// How to read and serve the pictures. [`Options::new`] gives the defaults named at each field.
#[derive(Clone)]
pub struct Options {
    /// Side of the square training pictures in pixels, 1 to 4096.
    pub size: usize,
    /// Folder in which the reduced pictures are kept for the next start; created when missing. Default: none.
    ///
    /// Files in it that no longer match any data are never read again and may be deleted at any time.
    pub cache: Option<PathBuf>,
    /// How many bytes of reduced pictures to keep in memory; a larger set is read from a file picture by picture:
    /// the one in [`cache`](Self::cache), or else an unnamed one in the system's temporary folder that vanishes with
    /// the data set. A picture takes `3 * size * size` bytes. Default: 2 GiB.
    pub memory_budget: u64,
    /// Whether each training picture is mirrored with probability 1/2. Default: yes.
    pub mirror: bool,
    /// Share of the pictures that is held back for validation, 0 to below 1. Default: 0.05.
    pub validation: f32,
    /// Key of the order and of the mirroring. Default: 0.
    pub seed: u64,
    /// Threads that decode while opening; 0 means one for each core. Default: 0.
    pub threads: usize,
    /// Pictures whose shorter side has fewer pixels than this are skipped as tiny; those between it and
    /// [`size`](Self::size) are enlarged bilinearly. `None` means half the training size: an enlargement of more than
    /// two would teach the network blur. Default: `None`.
    pub min_side: Option<usize>,
    /// What becomes of pictures that are not square. Default: [`Crop::Centre`].
    pub crop: Crop,
    /// Where the class of each picture comes from, for training with classes. Default: none.
    pub labels: Option<LabelSource>,
    /// Whether the pictures' names are kept, some 60 bytes each, for [`Dataset::name`](crate::Dataset::name). Default: no.
    pub names: bool,
    /// Share of unreadable pictures above which opening fails, 0 to 1. Default: 0.05.
    pub max_broken: f32,
    /// Called from the opening thread a few times a second. Default: none.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Options {
    /// The defaults for square training pictures of `size` pixels.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            cache: None,
            memory_budget: 2 << 30,
            mirror: true,
            validation: 0.05,
            seed: 0,
            threads: 0,
            min_side: None,
            crop: Crop::Centre,
            labels: None,
            names: false,
            max_broken: 0.05,
            progress: None,
        }
    }

    /// Whether names are wanted: to be asked for, or to find classes by.
    pub(crate) fn keeps_names(&self) -> bool {
        self.names || self.labels.is_some()
    }

    /// Bytes of one reduced picture.
    pub(crate) fn picture_bytes(&self) -> usize {
        3 * self.size * self.size
    }

    /// The shortest side a picture may have, in pixels.
    pub(crate) fn shortest_side(&self) -> usize {
        self.min_side.unwrap_or(self.size.div_ceil(2)).max(1)
    }

    /// Why a picture of this size is left out, if it is: the one rule for opening and for choosing a size.
    pub(crate) fn unfit(&self, width: u32, height: u32) -> Option<Unfit> {
        let (shorter, longer) = (width.min(height), width.max(height));
        let limit = self.shortest_side();
        if u64::from(longer) > u64::from(LONGEST_ASPECT) * u64::from(shorter) {
            let reason = format!("{width} x {height} pixels, more than {LONGEST_ASPECT} times as long as wide");
            return Some(Unfit::Oblong(reason));
        }
        let reason = || format!("{width} x {height} pixels, the shorter side must have {limit}");
        ((shorter as usize) < limit).then(|| Unfit::Tiny(reason()))
    }

    /// Reports progress to whoever listens.
    pub(crate) fn tell(&self, stage: Stage, done: usize, total: Option<usize>) {
        if let Some(listener) = &self.progress {
            listener(Progress { stage, done, total });
        }
    }

    /// Refuses values outside the ranges documented at the fields.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |option, value: String, allowed| Err(Error::Option { option, value, allowed });
        if !(1..=LARGEST_SIZE).contains(&self.size) {
            return refuse("size", self.size.to_string(), "1 to 4096 pixels");
        }
        if !(0.0..1.0).contains(&self.validation) {
            return refuse("validation", self.validation.to_string(), "at least 0 and below 1, for example 0.05");
        }
        if !(0.0..=1.0).contains(&self.max_broken) {
            return refuse("max_broken", self.max_broken.to_string(), "0 to 1, for example 0.05");
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("size", &self.size)
            .field("cache", &self.cache)
            .field("memory_budget", &self.memory_budget)
            .field("mirror", &self.mirror)
            .field("validation", &self.validation)
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .field("min_side", &self.min_side)
            .field("crop", &self.crop)
            .field("max_broken", &self.max_broken)
            .finish_non_exhaustive()
    }
}

/// How far the opening of a data set has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How many pictures this stage has behind it.
    pub done: usize,
    /// How many there are, once that is known.
    pub total: Option<usize>,
}

/// The stages of opening a data set; a usable cache goes straight to [`Stage::Loading`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking through folders and archives for pictures.
    Listing,
    /// Decoding and reducing pictures.
    Decoding,
    /// Reading and checking pictures reduced by an earlier start.
    Loading,
}
