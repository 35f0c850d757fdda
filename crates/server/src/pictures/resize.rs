//! Pictures in other sizes than the model's own.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use synth::Picture;

use crate::pictures::pool::Stop;

/// A picture whose longer side has `side` pixels. Enlarged with Catmull-Rom, which keeps drawn lines crisp with less of
/// a halo than Lanczos; reduced with Lanczos, which does not alias.
pub(crate) fn to_side(picture: Picture, side: usize) -> Result<Picture, Stop> {
    let longer = picture.width.max(picture.height).max(1);
    let scaled = |length: usize| ((length * side + longer / 2) / longer).max(1);
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    if (width, height) == (picture.width, picture.height) {
        return Ok(picture);
    }
    let failed = |reason: String| Stop::Failed(format!("a picture could not be resized: {reason}"));
    let source = Image::from_vec_u8(picture.width as u32, picture.height as u32, picture.rgb, PixelType::U8x3)
        .map_err(|error| failed(error.to_string()))?;
    let mut target = Image::new(width as u32, height as u32, PixelType::U8x3);
    let filter = if side > longer { FilterType::CatmullRom } else { FilterType::Lanczos3 };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(error.to_string()))?;
    Ok(Picture { width, height, rgb: target.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_side_gets_the_length_and_a_flat_colour_stays_flat() {
        let picture = Picture { width: 16, height: 8, rgb: [90, 140, 200].repeat(16 * 8) };
        for side in [4, 16, 100] {
            let resized = to_side(picture.clone(), side).unwrap();
            assert_eq!((resized.width, resized.height), (side, side / 2));
            assert!(resized.rgb.chunks_exact(3).all(|pixel| pixel == [90, 140, 200]));
        }
    }
}
