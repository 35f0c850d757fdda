//! A quick look at pictures before they are read: how many there are and how large, to choose a configuration by.

use std::io::Cursor;
use std::path::Path;

use crate::listing::{self, Item};
use crate::{Error, Options, Source};

/// Pictures whose size is looked at, spread evenly over all of them.
const SAMPLE: usize = 200;

/// What a folder of pictures looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// Files that look like pictures by their names.
    pub pictures: usize,
    /// Median of the shorter sides in pixels, over up to 200 pictures spread evenly; 0 if none of these could be read.
    pub side: usize,
}

impl Survey {
    /// Looks at the pictures that the arguments name, as [`crate::Dataset::open`] takes them.
    ///
    /// # Errors
    /// If a source is missing, malformed or unreadable, or there is no picture.
    pub fn of<P: AsRef<Path>>(arguments: &[P]) -> Result<Self, Error> {
        let (files, _) = listing::files(&Source::parse(arguments)?)?;
        let (items, _) = listing::items(files, &Options::new(1))?;
        let step = items.len().div_ceil(SAMPLE).max(1);
        let mut sides: Vec<usize> = items.iter().step_by(step).filter_map(side).collect();
        sides.sort_unstable();
        Ok(Self { pictures: items.len(), side: sides.get(sides.len() / 2).copied().unwrap_or(0) })
    }
}

fn side(item: &Item) -> Option<usize> {
    let bytes = item.read().ok()?;
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let (width, height) = reader.into_dimensions().ok()?;
    Some(width.min(height) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_pictures_and_takes_the_median_of_their_shorter_sides() {
        let folder = tempfile::tempdir().unwrap();
        for (i, (w, h)) in [(40, 30), (64, 80), (300, 200)].into_iter().enumerate() {
            image::RgbImage::new(w, h).save(folder.path().join(format!("{i}.png"))).unwrap();
        }
        std::fs::write(folder.path().join("broken.jpg"), b"no picture").unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"none either").unwrap();
        assert_eq!(Survey::of(&[folder.path()]).unwrap(), Survey { pictures: 4, side: 64 });
        assert!(Survey::of(&[folder.path().join("missing")]).is_err());
    }
}
