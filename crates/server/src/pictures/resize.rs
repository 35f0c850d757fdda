//! Pictures in other sizes than the model's own.

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use synth::Picture;

use crate::pictures::pool::Stop;

/// A picture could not be brought to another size.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a picture could not be resized: {0}")]
pub struct ResizeError(String);

impl From<ResizeError> for Stop {
    fn from(error: ResizeError) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// A picture whose longer side has `side` pixels. Enlarged with Catmull-Rom, which keeps drawn lines crisp with less of
/// a halo than Lanczos; reduced with Lanczos, which does not alias.
///
/// # Errors
/// A side of the picture, or of the one asked for, is more than memory holds.
pub fn to_side(mut picture: Picture, side: usize) -> Result<Picture, ResizeError> {
    let longer = picture.width.max(picture.height).max(1);
    let scaled = |length: usize| ((length * side + longer / 2) / longer).max(1);
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    if (width, height) == (picture.width, picture.height) {
        return Ok(picture);
    }
    let failed = |reason: &dyn std::fmt::Display| ResizeError(reason.to_string());
    let mut rgb = vec![0; width * height * 3];
    // One type of pixel and one of view: for every other pair, code for all precisions is made here, a good part of all that is in this crate.
    let of = |width: usize, height: usize, rgb| TypedImage::<U8x3>::from_buffer(width as u32, height as u32, rgb);
    let source = of(picture.width, picture.height, picture.rgb.as_mut_slice()).map_err(|error| failed(&error))?;
    let mut target = of(width, height, rgb.as_mut_slice()).map_err(|error| failed(&error))?;
    let filter = if side > longer { FilterType::CatmullRom } else { FilterType::Lanczos3 };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|error| failed(&error))?;
    Ok(Picture { width, height, rgb })
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
