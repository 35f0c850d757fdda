//! Contact sheets: what some of the files of each verdict look like.

use std::fs;
use std::path::Path;

use dataset::{Crop, Files};
use rayon::prelude::*;

use crate::error::Error;
use crate::pack;
use crate::row::Row;
use crate::verdict::Verdict;

/// Tiles of a sheet, a row and in all, and their side in pixels.
const A_ROW: usize = 12;
const MOST: usize = 8 * A_ROW;
const TILE: usize = 96;

/// Writes a sheet `<verdict>.webp` into `folder` for each verdict that has pictures, of those whose content's hashes come first:
/// a sample that the files' names have no part in. Whole pictures or regions, with white beside them.
///
/// # Errors
/// A sheet cannot be written.
pub fn sheets(files: &Files, rows: &[Row], verdicts: &[Verdict], folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make the folder", folder))?;
    for word in Verdict::WORDS {
        let mut some: Vec<usize> = (0..rows.len()).filter(|&at| verdicts[at].word == word).collect();
        some.sort_by_key(|&at| rows[at].content);
        let tile = |&at: &usize| Some(files.decode(at, &files.read(at).ok()?).ok()?.square(TILE, Crop::Pad));
        // A file that cannot be read has no tile.
        let tiles: Vec<_> = some.iter().take(MOST).collect::<Vec<_>>().into_par_iter().filter_map(tile).collect();
        if tiles.is_empty() {
            continue;
        }
        let path = folder.join(format!("{word}.webp"));
        pack::write(&path, &sheet(&tiles).map_err(Error::file("write", &path))?)?;
    }
    Ok(())
}

/// Tiles side by side, the rest white.
fn sheet(tiles: &[Box<[u8]>]) -> Result<Vec<u8>, image_webp::EncodingError> {
    let columns = tiles.len().min(A_ROW);
    let (width, height) = (columns * TILE, tiles.len().div_ceil(columns) * TILE);
    let mut pixels = vec![255; width * height * 3];
    for (at, tile) in tiles.iter().enumerate() {
        let (left, top) = (at % columns * TILE, at / columns * TILE);
        for (y, line) in tile.chunks_exact(3 * TILE).enumerate() {
            pixels[3 * ((top + y) * width + left)..][..3 * TILE].copy_from_slice(line);
        }
    }
    let mut out = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut out);
    encoder.encode(&pixels, width as u32, height as u32, image_webp::ColorType::Rgb8)?;
    Ok(out)
}
