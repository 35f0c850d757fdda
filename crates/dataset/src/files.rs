//! Files as they lie in folders, tars and zips, one by one: for whoever chooses pictures and does not train on them.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::containers::{Archive, Entry, Stretch};
use crate::decode::{self, Refusal};
use crate::error::CHECK_PERMISSIONS;
use crate::listing::{self, Item};
use crate::options::{Crop, Options};
use crate::source::Source;
use crate::{Error, content, resize};

/// All that could be a picture, in the order of their paths.
pub struct Files {
    items: Vec<Listed>,
    passed: Vec<(String, String)>,
    state: [u8; 32],
}

struct Listed {
    item: Item,
    region: Option<Region>,
}

/// A part of a picture, in pixels from its upper left corner as it stands upright; the last column and row are those before `right`
/// and `bottom`. What lies outside of the picture does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// First column beyond it.
    pub right: u32,
    /// First row below it.
    pub bottom: u32,
}

/// Where a file lies, as it travels to a process that sees the same paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, or the archive that holds it; absolute.
    path: PathBuf,
    /// Where in the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    stretch: Option<Stretch>,
    /// What of the picture counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

impl Place {
    /// The file, or the archive that holds it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Files {
    /// Looks through folders, tars and zips, and reads no picture.
    ///
    /// # Errors
    /// A place is missing, or cannot be read.
    pub fn list<P: AsRef<Path>>(arguments: &[P]) -> Result<Self, Error> {
        let (found, mut passed) = listing::files(&Source::parse(arguments)?)?;
        let state = *listing::key(&found, &passed).finalize().as_bytes();
        let items = listing::items(found, &mut passed, &Options::new(1))?;
        let archives = passed.archives.into_iter().map(|skipped| (skipped.name, skipped.reason));
        let foreign = passed
            .foreign
            .into_iter()
            .flat_map(|(format, names)| names.into_iter().map(move |name| (name, format!("{format} is not read"))));
        let grids = passed.grids.into_iter().map(|name| (name, "it holds the sample grids of a run".to_owned()));
        let items = items.into_iter().map(|item| Listed { item, region: None }).collect();
        Ok(Self { items, passed: archives.chain(foreign).chain(grids).collect(), state })
    }

    /// Files by their places, in that order; archives are opened, and no file is read. Names are those of absolute paths.
    ///
    /// # Errors
    /// An archive cannot be opened, or is shorter than it was.
    pub fn at(places: Vec<Place>) -> Result<Self, Error> {
        let mut archives: HashMap<PathBuf, Arc<Archive>> = HashMap::new();
        let mut items = Vec::with_capacity(places.len());
        for Place { path, stretch, region } in places {
            let item = match stretch {
                None => Item::File(path),
                Some(stretch) => {
                    let archive = if let Some(archive) = archives.get(&path) {
                        Arc::clone(archive)
                    } else {
                        let archive = Arc::new(Archive::open(&path)?);
                        archives.insert(path, Arc::clone(&archive));
                        archive
                    };
                    Item::Entry(Entry::of(archive, stretch)?)
                }
            };
            items.push(Listed { item, region });
        }
        Ok(Self { items, passed: Vec::new(), state: [0; 32] })
    }

    /// Where some of the files lie, for [`Files::at`] in another process.
    ///
    /// # Errors
    /// A path is no Unicode text, which is how it travels.
    ///
    /// # Panics
    /// There are fewer files.
    pub fn places(&self, numbers: Range<usize>) -> Result<Vec<Place>, Error> {
        let place = |Listed { item, region }: &Listed| {
            let (path, stretch) = match item {
                Item::File(path) => (path.as_path(), None),
                Item::Entry(entry) => (entry.archive(), Some(entry.stretch())),
            };
            if path.to_str().is_none() {
                return Err(Error::NotText { path: path.to_owned() });
            }
            let path = absolute(path).map_err(Error::io("find", path, CHECK_PERMISSIONS))?;
            Ok(Place { path, stretch, region: *region })
        };
        self.items[numbers].iter().map(place).collect()
    }

    /// A hash of what was found by [`Files::list`]: all paths, lengths and times of modification, also of files that were not retained
    /// since. Another one means that something may have changed.
    pub fn state(&self) -> [u8; 32] {
        self.state
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Pictures and archives of kinds that are not read, and folders that are left out: names and reasons.
    pub fn skipped(&self) -> &[(String, String)] {
        &self.passed
    }

    /// What to call a file; an entry of an archive has its archive's name before its own.
    ///
    /// # Panics
    /// There is no such file.
    pub fn name(&self, number: usize) -> String {
        self.items[number].item.name()
    }

    /// A file's content; the error is a reason to show.
    ///
    /// # Errors
    /// It cannot be read, or is too long.
    ///
    /// # Panics
    /// There is no such file.
    pub fn read(&self, number: usize) -> Result<Vec<u8>, String> {
        self.items[number].item.read()
    }

    /// Keeps the files of which `wanted` says so, by their names.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.items.retain(|listed| wanted(&listed.item.name()));
    }

    /// Says by the files' names what of each picture counts; none is the whole. Gives how many have a region.
    pub fn crop(&mut self, region: impl Fn(&str) -> Option<Region>) -> usize {
        self.items.iter_mut().for_each(|listed| listed.region = region(&listed.item.name()));
        self.items.iter().filter(|listed| listed.region.is_some()).count()
    }

    /// Says what of a picture counts.
    ///
    /// # Panics
    /// There is no such file.
    pub fn crop_to(&mut self, number: usize, region: Region) {
        self.items[number].region = Some(region);
    }

    /// What of a picture counts; none is the whole.
    ///
    /// # Panics
    /// There is no such file.
    pub fn region(&self, number: usize) -> Option<Region> {
        self.items[number].region
    }

    /// Decodes a file's content as [`decode`] does; only its region, where it has one.
    ///
    /// # Errors
    /// It is no picture that is read, or has nothing where its region is.
    ///
    /// # Panics
    /// There is no such file.
    pub fn decode(&self, number: usize, bytes: &[u8]) -> Result<Decoded, Unread> {
        let whole = decode(bytes)?;
        let Some(region) = self.region(number) else { return Ok(whole) };
        whole.part(region).map_err(Unread::Broken)
    }
}

/// A decoded picture: 8-bit RGB, upright, on white.
pub struct Decoded {
    /// Pixels across, as the file says.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    pixels: RgbImage,
}

impl Decoded {
    /// The picture as a square of `size` pixels a side, `[size, size, 3]`, as training sees it.
    pub fn square(&self, size: usize, crop: Crop) -> Box<[u8]> {
        resize::square(&self.pixels, size, crop)
    }

    /// What a region holds; the error is a reason to show.
    ///
    /// # Errors
    /// The region lies outside.
    pub fn part(&self, region: Region) -> Result<Self, String> {
        let Region { left, top, right, bottom } = region;
        let (width, height) = (self.width as u32, self.height as u32);
        let (right, bottom) = (right.min(width), bottom.min(height));
        if left >= right || top >= bottom {
            return Err(format!(
                "the box ({left}, {top}, {}, {}) lies outside of its {width} x {height} pixels",
                region.right, region.bottom
            ));
        }
        // A picture that was decoded to an eighth has fewer pixels than its file says.
        let (across, down) = self.pixels.dimensions();
        let at = |edge: u32, pixels: u32, of: u32| (u64::from(edge) * u64::from(pixels) / u64::from(of)) as u32;
        let (left, top) = (at(left, across, width), at(top, down, height));
        let (right, bottom) = (at(right, across, width), at(bottom, down, height));
        let (width, height) = ((right - left).max(1), (bottom - top).max(1));
        let pixels = image::imageops::crop_imm(&self.pixels, left, top, width, height).to_image();
        Ok(Self { width: width as usize, height: height as usize, pixels })
    }

    /// The whole picture at another size of any shape, `[height, width, 3]`: area averages where it becomes smaller. Neither side may be 0.
    pub fn scaled(&self, width: usize, height: usize) -> Box<[u8]> {
        resize::whole(&self.pixels, (width, height))
    }

    /// Its pixels, `[height, width, 3]` of [`Decoded::pixels`].
    pub fn rgb(&self) -> &[u8] {
        self.pixels.as_raw()
    }

    /// Pixels across and down that were decoded: fewer than the file says of a JPEG too large to be decoded whole.
    pub fn pixels(&self) -> (usize, usize) {
        (self.pixels.width() as usize, self.pixels.height() as usize)
    }

    /// One of these pixels, `[height, width, 3]`; none if they are not as many, or none at all.
    pub fn of_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let pixels = RgbImage::from_raw(width as u32, height as u32, rgb)?;
        (width > 0 && height > 0).then_some(Self { width, height, pixels })
    }
}

/// Why a file gives no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It cannot be read, for the reason given.
    Broken(String),
    /// It is a picture of this format, which is not read.
    Foreign(&'static str),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(reason) => f.write_str(reason),
            Self::Foreign(format) => write!(f, "{format} is not read"),
        }
    }
}

/// Decodes a file as training does, checked to its last block; of any size and shape.
///
/// # Errors
/// It is no picture that is read, or one that makes its decoder panic.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Unread> {
    match decode::any_picture(bytes) {
        Ok(decode::Picture { pixels, width, height }) => {
            Ok(Decoded { width: width as usize, height: height as usize, pixels })
        }
        Err(Refusal::Broken(reason)) => Err(Unread::Broken(reason)),
        Err(Refusal::Unfit(_)) => Err(Unread::Broken("it has no pixels".into())),
        Err(Refusal::Foreign(format)) => Err(Unread::Foreign(format)),
    }
}

/// The ending that a picture's name should have, by its first bytes.
pub fn extension_of(bytes: &[u8]) -> &'static str {
    content::ending(bytes)
}
