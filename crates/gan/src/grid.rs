//! Sample grids as PNG.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

/// Tiles square pictures of `size` pixels (3 bytes each) `columns` to a row, as a PNG.
pub(crate) fn png(pictures: &[Vec<u8>], size: usize, columns: usize) -> Vec<u8> {
    let rows = pictures.len().div_ceil(columns);
    let (width, height) = (columns * size, rows * size);
    let mut sheet = vec![0u8; width * height * 3];
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = ((i % columns) * size * 3, (i / columns) * size);
        for (y, line) in picture.chunks_exact(size * 3).enumerate() {
            let start = (top + y) * width * 3 + left;
            sheet[start..start + size * 3].copy_from_slice(line);
        }
    }
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&sheet, width as u32, height as u32, ExtendedColorType::Rgb8)
        .expect("memory takes every byte of a sheet whose size is right");
    bytes
}
