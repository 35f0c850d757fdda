//! Pictures to files: PNG, WebP and JPEG, the same bytes every time for the same pixels.
//!
//! Chosen by measuring 200 portraits at 128 px (one thread; time and mean size a picture):
//!
//! | encoder | ms | bytes | PSNR |
//! |---|---|---|---|
//! | `png`, fast (ours) | 0.11 | 28,866 | lossless |
//! | `png`, balanced | 2.60 | 27,521 | lossless |
//! | `image-webp` (ours) | 0.14 | 22,239 | lossless |
//! | libwebp, quality 90, method 2 | 0.88 | 5,228 | 38.6 dB |
//! | `jpeg-encoder`, quality 92, 4:4:4 (ours) | 0.22 | 8,784 | 40.5 dB |
//! | `image`'s JPEG, quality 92 | 0.43 | 8,690 | 40.5 dB |
//!
//! WebP is therefore the exact picture in pure Rust, and JPEG the small one; libwebp would need a C compiler and
//! four times JPEG's time to save 40 % of its bytes. `jpeg-encoder` runs without its `simd` feature (0.18 ms with it),
//! so that every computer writes the same file, and without optimised Huffman tables, which spoil 4:2:0 in 0.7.1.

use synth::Picture;

/// Kinds of picture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Lossless, read by everything.
    Png,
    /// Lossless, about a quarter smaller than PNG.
    Webp,
    /// Quality 92, about a third of PNG's size.
    Jpeg,
}

/// Counts changes of the bytes that any order gives for the same pixels: encoders, cards, sheets, ZIPs. It is part of every `ETag` and of the
/// store's names, so that no cache mixes old bytes with new ones; archives made by another revision are refused.
pub(crate) const REVISION: u32 = 1;

/// From 0 to 100, where 92 is hard to tell from the original at normal size.
const JPEG_QUALITY: u8 = 92;

/// An encoder refused a picture; with the sizes our models draw this does not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a picture of {width} x {height} could not be written as {}: {reason}", format.extension())]
pub struct EncodeError {
    format: Format,
    width: usize,
    height: usize,
    reason: String,
}

impl EncodeError {
    pub(crate) fn new(format: Format, picture: &Picture, reason: String) -> Self {
        Self { format, width: picture.width, height: picture.height, reason }
    }
}

impl Format {
    /// Every kind, in the order the page lists them.
    pub const ALL: [Format; 3] = [Format::Png, Format::Webp, Format::Jpeg];

    /// The file's ending, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Webp => "webp",
            Format::Jpeg => "jpg",
        }
    }

    /// The kind that a file's ending (without its dot, in lower case) names.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let extension = if extension == "jpeg" { "jpg" } else { extension };
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// Every ending in words, each with `before` in front of it: with a dot, `.png, .webp or .jpg`.
    pub fn listed(before: &str) -> String {
        let [first @ .., last] = Self::ALL.map(|format| format!("{before}{}", format.extension()));
        format!("{} or {last}", first.join(", "))
    }

    /// Whether a file gives back the very pixels that were written.
    pub fn is_lossless(self) -> bool {
        match self {
            Format::Png | Format::Webp => true,
            Format::Jpeg => false,
        }
    }

    /// Whether a file begins and ends as one of this kind does: what was cut off does not.
    pub(crate) fn is_whole(self, file: &[u8]) -> bool {
        match self {
            Format::Png => file.starts_with(b"\x89PNG\r\n\x1a\n") && file.ends_with(b"IEND\xae\x42\x60\x82"),
            Format::Webp => {
                let length = file.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
                let whole = length.is_some_and(|length| length as usize + 8 == file.len());
                whole && file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP")
            }
            Format::Jpeg => file.starts_with(b"\xff\xd8") && file.ends_with(b"\xff\xd9"),
        }
    }

    /// The media type, for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Webp => "image/webp",
            Format::Jpeg => "image/jpeg",
        }
    }

    /// Writes a picture in this format.
    ///
    /// # Errors
    /// The format cannot hold the picture (a side of 0 pixels, or beyond 16,383 for WebP and 65,535 for JPEG).
    pub fn encode(self, picture: &Picture) -> Result<Vec<u8>, EncodeError> {
        let mut file = Vec::with_capacity(picture.rgb.len() * 3 / 4);
        self.encode_into(picture, &mut file)?;
        Ok(file)
    }

    /// As [`Format::encode`], into memory that is used again: what it held before is gone.
    ///
    /// # Errors
    /// As [`Format::encode`]; `file` holds nothing of use then.
    pub fn encode_into(self, picture: &Picture, file: &mut Vec<u8>) -> Result<(), EncodeError> {
        let fail = |reason: String| EncodeError::new(self, picture, reason);
        file.clear();
        match self {
            Format::Png => png(picture, file).map_err(|error| fail(error.to_string())),
            Format::Webp => webp(picture, file).map_err(|error| fail(error.to_string())),
            Format::Jpeg => jpeg(picture, file).map_err(fail),
        }
    }
}

fn png(picture: &Picture, file: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()
}

fn webp(picture: &Picture, file: &mut Vec<u8>) -> Result<(), image_webp::EncodingError> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    image_webp::WebPEncoder::new(file).encode(&picture.rgb, width, height, image_webp::ColorType::Rgb8)
}

fn jpeg(picture: &Picture, file: &mut Vec<u8>) -> Result<(), String> {
    let side = |pixels: usize| u16::try_from(pixels).map_err(|_| "a side is longer than 65,535 pixels".to_owned());
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut encoder = jpeg_encoder::Encoder::new(file, JPEG_QUALITY);
    // Colour at full resolution: drawn lines and eyes are small and saturated.
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    encoder.encode(&picture.rgb, width, height, jpeg_encoder::ColorType::Rgb).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_every_variant() {
        // A new variant does not compile before it has its place here.
        let next = |one: &Format| match one {
            Format::Png => Some(Format::Webp),
            Format::Webp => Some(Format::Jpeg),
            Format::Jpeg => None,
        };
        assert!(std::iter::successors(Some(Format::Png), next).eq(Format::ALL));
    }

    #[test]
    fn all_endings_are_listed_in_words() {
        assert_eq!(Format::listed("."), ".png, .webp or .jpg");
        assert_eq!(Format::listed(""), "png, webp or jpg");
    }

    /// A colourful gradient, which every format must keep recognisable.
    fn gradient() -> Picture {
        let (width, height) = (48, 32);
        let rgb = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [(x * 5) as u8, (y * 7) as u8, (255 - x * 3 - y) as u8]))
            .collect();
        Picture { width, height, rgb }
    }

    #[test]
    fn every_format_reads_back_as_the_same_picture() {
        let picture = gradient();
        for format in Format::ALL {
            let file = format.encode(&picture).unwrap();
            let back = image::load_from_memory(&file).unwrap().to_rgb8();
            assert_eq!((back.width() as usize, back.height() as usize), (picture.width, picture.height));
            let worst = back.iter().zip(&picture.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            let allowed = if format.is_lossless() { 0 } else { 16 };
            assert!(worst <= allowed, "{format:?} is off by {worst}");
        }
    }

    #[test]
    fn the_same_pixels_give_the_same_bytes_in_fresh_and_in_used_memory() {
        let mut used = Vec::new();
        for format in Format::ALL {
            format.encode_into(&gradient(), &mut used).unwrap();
            assert_eq!(format.encode(&gradient()).unwrap(), used);
        }
    }

    #[test]
    fn an_impossible_picture_is_an_error_that_names_it() {
        let empty = Picture { width: 0, height: 0, rgb: Vec::new() };
        for format in Format::ALL {
            let error = format.encode(&empty).unwrap_err().to_string();
            assert!(error.contains("0 x 0") && error.contains(format.extension()), "{error}");
        }
    }
}
