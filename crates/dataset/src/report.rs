//! What opening a data set found: how many pictures, which were skipped and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of opening a data set, for the log and for the run folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Files that are pictures by their names or, under other names, by their content.
    pub read: usize,
    /// Pictures in use, training and validation together.
    pub kept: usize,
    /// Pictures left out because a file with the same content is in use already.
    pub duplicates: usize,
    /// Files that could not be read or decoded.
    pub broken: Vec<Skipped>,
    /// Pictures with a side below the limit.
    pub tiny: Vec<Skipped>,
    /// Pictures so long that a square of them would be next to nothing.
    pub oblong: Vec<Skipped>,
    /// Pictures of formats that are not read, by format.
    pub foreign: BTreeMap<String, Vec<String>>,
    /// Archives that were not opened.
    pub archives: Vec<Skipped>,
    /// Pictures in use that are not square.
    pub cropped: Cropped,
    /// The labels that came with the pictures, if any did.
    pub labels: Option<Labels>,
    /// Linked folders that were followed.
    pub links: usize,
    /// Folders of runs' sample grids, which were left out.
    #[serde(default)]
    pub grids: Vec<String>,
    /// Files passed over: hidden ones, and those that are neither pictures nor archives.
    pub ignored: usize,
    /// What became of the cache.
    #[serde(skip)]
    pub cache: CacheUse,
}

/// A picture that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Path of the file; for an entry of an archive, path of the archive, a colon and the entry.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// How far the pictures in use are from square.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cropped {
    /// How many pictures are not square.
    pub pictures: usize,
    /// The sum over them of 1 - shorter / longer side: the share of a picture that cropping cuts away, or of the square that padding fills.
    pub lost: f64,
}

/// What a `dataset.json`, as StyleGAN's dataset tool writes it, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// How many pictures it labels.
    pub pictures: usize,
    /// How many different labels there are.
    pub classes: usize,
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

impl Report {
    /// Pictures that are not read, of all formats.
    pub fn foreign_pictures(&self) -> usize {
        self.foreign.values().map(Vec::len).sum()
    }

    /// Everything that was left out, a line each with the reason: broken, tiny, oblong, foreign, archives.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped> + '_ {
        let listed = [&self.broken, &self.tiny, &self.oblong].into_iter().flatten().cloned();
        let foreign = self.foreign.iter().flat_map(|(format, names)| {
            let reason = format!("{format} is not read; convert it to PNG, JPEG or WebP");
            names.iter().map(move |name| Skipped { name: name.clone(), reason: reason.clone() })
        });
        listed.chain(foreign).chain(self.archives.iter().cloned())
    }

    /// What is worth saying beside the line of counts: the first few of what was left out, with reasons, and what was made
    /// of the rest. `crop` is how pictures were made square.
    pub fn remarks(&self, crop: crate::Crop) -> Vec<String> {
        let mut lines = Vec::new();
        for (kind, list) in [("broken", &self.broken), ("too small", &self.tiny), ("too long", &self.oblong)] {
            lines.extend(examples(list).map(|picture| format!("{kind}: {picture}")));
            if list.len() > EXAMPLES {
                lines.push(format!("{kind}: and {} more", list.len() - EXAMPLES));
            }
        }
        if !self.foreign.is_empty() {
            let counts: Vec<String> =
                self.foreign.iter().map(|(format, names)| format!("{} {format}", names.len())).collect();
            let first = self.foreign.values().flatten().next().map_or("", String::as_str);
            lines.push(format!(
                "passed over: {} (such as {first}); convert them to PNG, JPEG or WebP, for example with ImageMagick",
                counts.join(", ")
            ));
        }
        lines.extend(self.archives.iter().take(EXAMPLES).map(|archive| format!("not opened: {archive}")));
        if self.links > 0 {
            lines.push(format!("linked folders followed: {}", self.links));
        }
        if let Some(first) = self.grids.first() {
            lines.push(format!("grids of runs left out: {} (such as {first})", self.grids.len()));
        }
        lines.extend(self.cropped.line(self.kept, crop));
        lines.extend(self.labels.map(|labels| {
            format!(
                "dataset.json labels {} pictures with {} classes; --labels with its path trains with them",
                labels.pictures, labels.classes
            )
        }));
        lines
    }
}

/// How many pictures of a kind are named.
const EXAMPLES: usize = 5;

fn examples(list: &[Skipped]) -> impl Iterator<Item = &Skipped> {
    list.iter().take(EXAMPLES)
}

impl Cropped {
    /// Counts a picture of this size, if it is not square.
    pub(crate) fn add(&mut self, width: u32, height: u32) {
        if width != height {
            self.pictures += 1;
            self.lost += 1.0 - f64::from(width.min(height)) / f64::from(width.max(height));
        }
    }

    fn line(self, of: usize, crop: crate::Crop) -> Option<String> {
        if self.pictures == 0 {
            return None;
        }
        let share = 100.0 * self.lost / self.pictures as f64;
        let count = format!("{} of {of}", self.pictures);
        Some(match crop {
            crate::Crop::Pad => format!("{count} padded with white, {share:.0} % of the square on average (--crop)"),
            crop => {
                format!("{count} cropped, {share:.0} % of their area on average (--crop {crop}; centre, top or pad)")
            }
        })
    }
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
        for (count, what) in [(self.oblong.len(), "oblong"), (self.foreign_pictures(), "of other formats")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
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
