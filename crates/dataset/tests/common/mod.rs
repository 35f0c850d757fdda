//! Pictures that the tests make themselves, in folders and tars that vanish afterwards.
#![allow(dead_code, reason = "every test file uses another part")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use dataset::{Dataset, Options};
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

/// A picture unlike that of any other number.
pub(crate) fn picture(number: u32, side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let word = (number + 1).wrapping_mul(0x9E37_79B9)
            ^ (x / 2 + 1).wrapping_mul(0x85EB_CA6B)
            ^ (y / 3).wrapping_mul(0xC2B2_AE35);
        let [r, g, b, _] = word.wrapping_mul(0x27D4_EB2F).to_be_bytes();
        Rgb([r, g, b])
    })
}

pub(crate) fn encoded(number: u32, side: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let format = if number.is_multiple_of(2) { ImageFormat::Png } else { ImageFormat::WebP };
    picture(number, side).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A folder with `count` pictures of 24 px, PNG and WebP in turn.
pub(crate) fn folder(count: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        put(folder.path(), &name(number), &encoded(number, 24));
    }
    folder
}

pub(crate) fn name(number: u32) -> String {
    format!("{number:04}.{}", if number.is_multiple_of(2) { "png" } else { "webp" })
}

pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Writes a tar of the given entries.
pub(crate) fn tar(path: &Path, entries: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.finish().unwrap();
}

/// Names and contents of the pictures that [`folder`] makes.
pub(crate) fn entries(numbers: impl Iterator<Item = u32>) -> Vec<(String, Vec<u8>)> {
    numbers.map(|number| (name(number), encoded(number, 24))).collect()
}

/// Two threads, for the test machine has other things to do.
pub(crate) fn options(size: usize) -> Options {
    Options { threads: 2, ..Options::new(size) }
}

pub(crate) fn open(path: &Path) -> Dataset {
    Dataset::open(&[path], &options(8)).unwrap()
}

/// The first two epochs and a bit.
pub(crate) fn stream(pictures: &Dataset) -> Vec<u8> {
    let mut out = Vec::new();
    pictures.batch(0, 2 * pictures.len() + 3, &mut out).unwrap();
    out
}

/// What the user would read.
pub(crate) fn refusal(arguments: &[&Path], options: &Options) -> String {
    Dataset::open(arguments, options).unwrap_err().to_string()
}
