//! Contact sheets: many pictures of one size as one.

use crate::Picture;

/// Tiles pictures row by row, `columns` to a row; cells left over in the last row stay black.
///
/// # Panics
/// If there is no picture, `columns` is 0, or the pictures differ in size.
pub fn sheet(pictures: &[Picture], columns: usize) -> Picture {
    let first = pictures.first().expect("a sheet needs a picture");
    let (width, height) = (first.width, first.height);
    assert!(columns > 0 && pictures.iter().all(|p| (p.width, p.height) == (width, height)), "pictures differ in size");
    let rows = pictures.len().div_ceil(columns);
    let line = columns * width * 3;
    let mut rgb = vec![0; rows * height * line];
    for (i, picture) in pictures.iter().enumerate() {
        let corner = i / columns * height * line + i % columns * width * 3;
        for (y, pixels) in picture.rgb.chunks_exact(width * 3).enumerate() {
            let start = corner + y * line;
            rgb[start..start + width * 3].copy_from_slice(pixels);
        }
    }
    Picture { width: columns * width, height: rows * height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_row_by_row_and_the_rest_is_black() {
        let shade = |v: u8| Picture { width: 2, height: 1, rgb: vec![v; 6] };
        let sheet = sheet(&[shade(1), shade(2), shade(3)], 2);
        assert_eq!((sheet.width, sheet.height), (4, 2));
        let expected = [[1u8; 6], [2; 6], [3; 6], [0; 6]].concat();
        assert_eq!(sheet.rgb, expected);
    }
}
