//! From the bytes of a file to 8-bit RGB, with limits against decompression bombs.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage, Rgba};

/// The longest side a picture may have, in pixels.
const LONGEST_SIDE: u32 = 1 << 15;
/// How many bytes one decoded picture may take; enough for 9,000 by 9,000 RGB.
const DECODED_BYTES: u64 = 256 << 20;
/// How many bytes one encoded picture may have.
pub(crate) const ENCODED_BYTES: u64 = 256 << 20;

/// Decodes WebP, JPEG or PNG, told apart by content. The orientation noted by a camera is applied, 16 bits become 8,
/// grey becomes RGB, transparency is laid on white. The error is a reason to show.
pub(crate) fn rgb(bytes: &[u8]) -> Result<RgbImage, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODED_BYTES);

    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("the content is no WebP, JPEG or PNG".into());
    }
    reader.limits(limits.clone());
    let decoded = || {
        let mut decoder = reader.into_decoder()?;
        limits.reserve(decoder.total_bytes())?;
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    let picture = decoded().map_err(|error: image::ImageError| error.to_string())?;
    Ok(if picture.color().has_alpha() { on_white(&picture) } else { picture.into_rgb8() })
}

/// `colour * alpha + white * (1 - alpha)`, rounded to nearest.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let source = picture.to_rgba8();
    let mut out = RgbImage::new(source.width(), source.height());
    for (pixel, Rgba([r, g, b, alpha])) in out.pixels_mut().zip(source.pixels()) {
        let alpha = u32::from(*alpha);
        pixel.0 = [*r, *g, *b].map(|value| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    out
}
