//! A quick look at pictures before they are read: how many there are and how large, to choose a configuration by.

use std::path::Path;

use crate::{Error, Options, Source, decode, listing};

/// Pictures whose size is looked at, spread evenly over all of them.
const SAMPLE: usize = 200;

/// What a folder of pictures looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Files that look like pictures by their names or, under other names, by their content.
    pub pictures: usize,
    /// Median of the shorter sides in pixels, over up to 200 pictures spread evenly; 0 if none of these could be read.
    pub side: usize,
    /// Width and height of these pictures, by their shorter sides.
    sizes: Vec<(u32, u32)>,
}

impl Survey {
    /// Looks at the pictures that the arguments name, as [`crate::Dataset::open`] takes them.
    ///
    /// # Errors
    /// If a source is missing, malformed or unreadable, or there is no picture.
    pub fn of<P: AsRef<Path>>(arguments: &[P]) -> Result<Self, Error> {
        let (files, mut passed) = listing::files(&Source::parse(arguments)?)?;
        let items = listing::items(files, &mut passed, &Options::new(1))?;
        let step = items.len().div_ceil(SAMPLE).max(1);
        let mut sizes: Vec<(u32, u32)> =
            items.iter().step_by(step).filter_map(|item| decode::dimensions(&item.read().ok()?)).collect();
        sizes.sort_unstable_by_key(|&(width, height)| width.min(height));
        let side = sizes.get(sizes.len() / 2).map_or(0, |&(width, height)| width.min(height) as usize);
        Ok(Self { pictures: items.len(), side, sizes })
    }

    /// The share of the pictures that [`crate::Dataset::open`] would not leave out for their size, 0 to 1.
    pub fn usable(&self, options: &Options) -> f64 {
        let usable = self.sizes.iter().filter(|&&(width, height)| options.unfit(width, height).is_none()).count();
        usable as f64 / self.sizes.len().max(1) as f64
    }

    /// The largest side, in pixels, that at least the given share of the pictures has; at least 1.
    pub fn side_of(&self, share: f64) -> usize {
        // The little bit takes back what 1 - share loses.
        let place = ((1.0 - share) * self.sizes.len() as f64 + 1e-9).floor() as usize;
        self.sizes.get(place).map_or(1, |&(width, height)| width.min(height).max(1) as usize)
    }
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
        let survey = Survey::of(&[folder.path()]).unwrap();
        assert_eq!((survey.pictures, survey.side), (4, 64));
        assert!(Survey::of(&[folder.path().join("missing")]).is_err());
    }

    #[test]
    fn what_it_calls_usable_is_what_opening_keeps() {
        let folder = tempfile::tempdir().unwrap();
        for (i, (w, h)) in [(40, 30), (24, 24), (28, 200), (300, 30), (16, 16)].into_iter().enumerate() {
            let picture = image::RgbImage::from_pixel(w, h, image::Rgb([i as u8, 7, 9]));
            picture.save(folder.path().join(format!("{i}.png"))).unwrap();
        }
        let survey = Survey::of(&[folder.path()]).unwrap();
        for (size, min_side, kept) in
            [(64, None, 0), (50, None, 2), (48, None, 3), (64, Some(16), 4), (64, Some(17), 3)]
        {
            let options = Options { min_side, validation: 0.0, ..Options::new(size) };
            assert!((survey.usable(&options) * 5.0 - f64::from(kept)).abs() < 1e-9, "{size} {min_side:?}");
            let opened = crate::Dataset::open(&[folder.path()], &options).map_or(0, |pictures| pictures.len());
            assert_eq!(opened as i32, kept, "{size} {min_side:?}");
        }
        assert_eq!([0.0, 0.5, 0.8, 1.0].map(|share| survey.side_of(share)), [1, 28, 24, 16]);
    }
}
