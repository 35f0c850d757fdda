//! Sample grids as PNG.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use synth::Picture;

/// A PNG of `pictures`, `columns` to a row.
pub(crate) fn png(pictures: &[Picture], columns: usize) -> Vec<u8> {
    let sheet = synth::sheet(pictures, columns);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&sheet.rgb, sheet.width as u32, sheet.height as u32, ExtendedColorType::Rgb8)
        .expect("memory takes every byte of a sheet whose size is right");
    bytes
}
