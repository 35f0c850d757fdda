//! From the bytes of a file to 8-bit RGB, with limits against decompression bombs.
//!
//! WebP is decoded by `image` itself, in Rust. libwebp (crate `webp` 0.3.1) gives the same bytes 2.5 times as fast, 0.50
//! instead of 1.23 ms for a face of 256 px on one core of a Zen 4; but it wants a C compiler on every machine that builds
//! this, and memory safety on every file that somebody else made. A data set is decoded once and then comes from the
//! cache, so the price is 8 seconds, once, for 22,500 pictures on two cores; and as much again for the check in `webp`, which
//! decodes a second time.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, Rgba};

use crate::content::{self, Content};
use crate::options::{Options, Unfit};
use crate::{jpeg, webp};

/// The longest side a picture may have, in pixels.
const LONGEST_SIDE: u32 = 1 << 16;
/// How many bytes one decoded picture may take; enough for 9,000 by 9,000 RGB. A JPEG beyond is decoded to an eighth of its
/// size, and what that takes has the same limit.
const DECODED_BYTES: u64 = 256 << 20;
/// How many bytes one encoded picture may have.
pub(crate) const ENCODED_BYTES: u64 = 256 << 20;
/// Pictures that take more than this are decoded one at a time, so that many threads need no more memory than one.
const LARGE: u64 = 64 << 20;

/// A picture, and the size that its file says.
pub(crate) struct Picture {
    pub(crate) pixels: RgbImage,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Why a file gives no picture.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be read for the reason given.
    Broken(String),
    /// It is sound, but of no use for training.
    Unfit(Unfit),
    /// It is a picture of another format.
    Foreign(&'static str),
}

impl From<image::ImageError> for Refusal {
    fn from(error: image::ImageError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// Decodes WebP, JPEG, PNG, BMP or the first frame of a GIF, told apart by content. The orientation noted by a camera is
/// applied, 16 bits become 8, grey becomes RGB, transparency is laid on white.
pub(crate) fn picture(bytes: &[u8], options: &Options) -> Result<Picture, Refusal> {
    fitting(bytes, |width, height| options.unfit(width, height))
}

/// As [`picture`], for a picture of any size and shape.
pub(crate) fn any_picture(bytes: &[u8]) -> Result<Picture, Refusal> {
    fitting(bytes, |_, _| None)
}

/// A decoder that panics on a malicious picture must not end the work on all others.
fn fitting(bytes: &[u8], unfit: impl Fn(u32, u32) -> Option<Unfit>) -> Result<Picture, Refusal> {
    let decoded = catch_unwind(AssertUnwindSafe(|| decoded(bytes, unfit)));
    decoded.unwrap_or_else(|_| Err(Refusal::Broken("it makes the decoder fail".into())))
}

fn decoded(bytes: &[u8], unfit: impl Fn(u32, u32) -> Option<Unfit>) -> Result<Picture, Refusal> {
    static ONE_LARGE: Mutex<()> = Mutex::new(());
    match content::of(&bytes[..bytes.len().min(content::HEAD)]) {
        Content::Picture => {}
        Content::Foreign(format) => return Err(Refusal::Foreign(format)),
        Content::Wrong(reason) => return Err(Refusal::Broken(reason.into())),
        _ => return Err(Refusal::Broken("the content is no WebP, JPEG, PNG, GIF or BMP".into())),
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let format = reader.format();
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > LONGEST_SIDE {
        return Err(format!("{width} x {height} pixels exceed the limit of {LONGEST_SIDE} a side").into());
    }
    if let Some(unfit) = unfit(width, height) {
        return Err(Refusal::Unfit(unfit));
    }
    let (orientation, unpacked) = (decoder.orientation()?, decoder.total_bytes());
    // A panic while holding it was caught elsewhere and left nothing half done.
    let _alone = (unpacked > LARGE).then(|| ONE_LARGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    if unpacked > DECODED_BYTES && format != Some(ImageFormat::Jpeg) {
        let limit = DECODED_BYTES >> 20;
        return Err(format!(
            "{width} x {height} pixels exceed the limit of {limit} MiB unpacked, which only a JPEG may; scale it down"
        )
        .into());
    }
    let mut picture = match format {
        Some(ImageFormat::Jpeg) => {
            let whole = jpeg::read(bytes, DECODED_BYTES)?;
            if unpacked > DECODED_BYTES { whole.eighth()?.into() } else { whole_picture(decoder)? }
        }
        Some(ImageFormat::WebP) => {
            webp::check(bytes, (width, height))?;
            whole_picture(decoder)?
        }
        _ => whole_picture(decoder)?,
    };
    picture.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let pixels = if picture.color().has_alpha() { on_white(&picture) } else { picture.into_rgb8() };
    Ok(Picture { pixels, width, height })
}

/// Everything a decoder has, within the limits.
fn whole_picture(mut decoder: impl ImageDecoder) -> Result<DynamicImage, Refusal> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODED_BYTES);
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    Ok(DynamicImage::from_decoder(decoder)?)
}

/// Width and height by the file's header, if it is a picture that is read.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbaImage};

    fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn colourful() -> RgbImage {
        RgbImage::from_fn(13, 9, |x, y| Rgb([(x * 19) as u8, (y * 28) as u8, (x * y) as u8]))
    }

    fn rgb(bytes: &[u8]) -> Result<RgbImage, String> {
        match picture(bytes, &Options { min_side: Some(1), ..Options::new(8) }) {
            Ok(picture) => Ok(picture.pixels),
            Err(Refusal::Broken(reason)) => Err(reason),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn lossless_formats_keep_every_byte() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert_eq!(rgb(&encode(colourful(), format)).unwrap(), colourful(), "{format:?}");
        }
    }

    #[test]
    fn jpeg_keeps_a_flat_colour_within_rounding() {
        let bytes = encode(RgbImage::from_pixel(16, 16, Rgb([200, 100, 50])), ImageFormat::Jpeg);
        for pixel in rgb(&bytes).unwrap().pixels() {
            assert!(pixel.0.iter().zip([200, 100, 50]).all(|(a, b)| a.abs_diff(b) <= 2), "{pixel:?}");
        }
    }

    #[test]
    fn grey_becomes_rgb() {
        let bytes = encode(GrayImage::from_pixel(2, 2, Luma([77])), ImageFormat::Png);
        assert_eq!(rgb(&bytes).unwrap(), RgbImage::from_pixel(2, 2, Rgb([77; 3])));
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let picture = ImageBuffer::from_pixel(2, 2, Rgb([0_u16, 257 * 130, u16::MAX]));
        assert_eq!(rgb(&encode(picture, ImageFormat::Png)).unwrap(), RgbImage::from_pixel(2, 2, Rgb([0, 130, 255])));
    }

    #[test]
    fn transparency_is_laid_on_white() {
        let mut picture = RgbaImage::new(3, 1);
        picture.put_pixel(0, 0, Rgba([10, 20, 30, 255])); // opaque: itself
        picture.put_pixel(1, 0, Rgba([10, 20, 30, 0])); // transparent: white
        picture.put_pixel(2, 0, Rgba([0, 100, 255, 51])); // a fifth: 0.2 c + 0.8 * 255
        let expected = [10, 20, 30, 255, 255, 255, 204, 224, 255];
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert_eq!(rgb(&encode(picture.clone(), format)).unwrap().into_raw(), expected, "{format:?}");
        }
        let grey = ImageBuffer::from_pixel(1, 1, LumaA([0_u8, 51]));
        assert_eq!(rgb(&encode(grey, ImageFormat::Png)).unwrap().into_raw(), [204; 3]);
    }

    #[test]
    fn text_and_cut_off_pictures_are_refused() {
        assert!(rgb(b"").unwrap_err().contains("empty"));
        assert!(rgb(b"<html>not found</html>").unwrap_err().contains("web page"));
        assert!(rgb(b"version https://git-lfs.github.com/spec/v1").unwrap_err().contains("git lfs pull"));
        assert!(rgb(b"notes of mine").unwrap_err().contains("no WebP, JPEG, PNG"));
        let noise = RgbImage::from_fn(32, 32, |x, y| Rgb([(x * y * 37) as u8, (x * 91 + y * 57) as u8, (x ^ y) as u8]));
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
            let bytes = encode(noise.clone(), format);
            for length in [bytes.len() / 2, bytes.len() - 20] {
                assert!(rgb(&bytes[..length]).is_err(), "{format:?} cut to {length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused_before_it_unfolds() {
        for (width, height) in [(30_000, 30_000), (1_000_000, 1)] {
            let reason = rgb(&claiming(width, height)).unwrap_err();
            assert!(reason.to_lowercase().contains("limit") || reason.contains("exceed"), "{reason}");
        }
    }

    /// A sound PNG of one pixel whose header claims another size; bytes 16 to 23 hold it, 29 to 32 its CRC-32.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = encode(RgbImage::new(1, 1), ImageFormat::Png);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = !bytes[12..29].iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
        });
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    }
}
