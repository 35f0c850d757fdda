//! Animations that go through their frames and back, for ever: lossless WebP and APNG, and GIF with its 256 colours.

use image_webp::{ColorType, WebPEncoder};
use synth::Picture;

use crate::pictures::encode::{EncodeError, Format};
use crate::pictures::pool::Stop;

/// How long a frame is seen, in milliseconds, and how long the first and the last.
const FRAME_MS: u16 = 90;
const END_MS: u16 = 540;
/// Flags of the WebP container: of the file, and of a frame that covers what was before.
const ANIMATED: u8 = 1 << 1;
const NO_BLENDING: u8 = 1 << 1;

/// Frames there and back, with the time each is seen; neither end is shown twice.
fn there_and_back(frames: &[Picture]) -> impl ExactSizeIterator<Item = (&Picture, u16)> {
    let last = frames.len().saturating_sub(1);
    (0..(2 * last).max(1)).map(move |at| {
        let index = if at <= last { at } else { 2 * last - at };
        (&frames[index], if index == 0 || index == last { END_MS } else { FRAME_MS })
    })
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(format!("an animation could not be written: {error}"))
}

/// An animated WebP that goes through `frames`, which are of one size, and back, for ever; lossless.
///
/// # Errors
/// There are no frames, or WebP cannot hold pictures of their size.
pub fn animated_webp(frames: &[Picture]) -> Result<Vec<u8>, EncodeError> {
    webp(frames).map_err(|stop| {
        let reason = if let Stop::Failed(reason) = stop { reason } else { "it was stopped".into() };
        EncodeError::new(Format::Webp, frames.first().unwrap_or(&Picture::default()), reason)
    })
}

/// An animated PNG. `frames` are of one size, and at least one.
pub(crate) fn apng(frames: &[Picture]) -> Result<Vec<u8>, Stop> {
    let first = frames.first().ok_or_else(|| failed("it has no frames"))?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, first.width as u32, first.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let sequence = there_and_back(frames);
    encoder.set_animated(sequence.len() as u32, 0).map_err(failed)?;
    let mut writer = encoder.write_header().map_err(failed)?;
    for (frame, time) in sequence {
        writer.set_frame_delay(time, 1000).map_err(failed)?;
        writer.write_image_data(&frame.rgb).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    Ok(file)
}

/// An animated GIF: 256 colours a frame, chosen by the encoder's neural quantiser at a sixth of its care (`speed` 10 of
/// 30), which is the point from which a slower choice is not seen. `frames` are of one size, and at least one.
pub(crate) fn gif(frames: &[Picture]) -> Result<Vec<u8>, Stop> {
    let first = frames.first().ok_or_else(|| failed("it has no frames"))?;
    let side = |pixels: usize| u16::try_from(pixels).map_err(failed);
    let (width, height) = (side(first.width)?, side(first.height)?);
    let drawn: Vec<_> = frames.iter().map(|frame| gif::Frame::from_rgb_speed(width, height, &frame.rgb, 10)).collect();
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &[]).map_err(failed)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(failed)?;
    let last = frames.len() - 1;
    for (at, (_, time)) in there_and_back(frames).enumerate() {
        let mut frame = drawn[if at <= last { at } else { 2 * last - at }].clone();
        // Hundredths of a second.
        frame.delay = time / 10;
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(file)
}

/// An animated WebP: the frames' own lossless chunks in the container of RFC 9649, section 2.7. `frames` are of one
/// size, and at least one.
pub(crate) fn webp(frames: &[Picture]) -> Result<Vec<u8>, Stop> {
    let first = frames.first().ok_or_else(|| failed("it has no frames"))?;
    let bitstreams = frames.iter().map(lossless).collect::<Result<Vec<_>, _>>()?;
    let size = [u24(first.width - 1), u24(first.height - 1)].concat();
    let mut body = b"WEBP".to_vec();
    chunk(&mut body, *b"VP8X", &[&[ANIMATED, 0, 0, 0], &size[..]].concat());
    // A black background, and no end to the repetitions.
    chunk(&mut body, *b"ANIM", &[0, 0, 0, 255, 0, 0]);
    let last = frames.len() - 1;
    for (at, (_, time)) in there_and_back(frames).enumerate() {
        let mut frame = [&[0; 6], &size[..], &u24(usize::from(time)), &[NO_BLENDING]].concat();
        chunk(&mut frame, *b"VP8L", &bitstreams[if at <= last { at } else { 2 * last - at }]);
        chunk(&mut body, *b"ANMF", &frame);
    }
    let mut file = Vec::with_capacity(body.len() + 8);
    chunk(&mut file, *b"RIFF", &body);
    Ok(file)
}

/// Three bytes, the lowest first.
fn u24(value: usize) -> [u8; 3] {
    let [a, b, c, ..] = value.to_le_bytes();
    [a, b, c]
}

/// Appends a chunk: its name, its length, its contents padded to an even length.
fn chunk(out: &mut Vec<u8>, name: [u8; 4], contents: &[u8]) {
    out.extend(name);
    out.extend((contents.len() as u32).to_le_bytes());
    out.extend(contents);
    out.resize(out.len().next_multiple_of(2), 0);
}

/// The contents of the `VP8L` chunk that the encoder writes as the only one of a simple file (RFC 9649, section 2.6).
fn lossless(picture: &Picture) -> Result<Vec<u8>, Stop> {
    let mut file = Vec::new();
    let encoder = WebPEncoder::new(&mut file);
    encoder.encode(&picture.rgb, picture.width as u32, picture.height as u32, ColorType::Rgb8).map_err(failed)?;
    let length = file.get(16..20).and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?) as usize));
    match (file.get(12..16), length) {
        (Some(b"VP8L"), Some(length)) if file.len() >= 20 + length => Ok(file[20..20 + length].to_vec()),
        _ => Err(failed("the encoder wrote no simple lossless file")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::AnimationDecoder;
    use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};

    use super::*;

    fn frames() -> Vec<Picture> {
        let shade = |grey: u8| Picture { width: 9, height: 5, rgb: (0..135).map(|i| grey ^ i).collect() };
        vec![shade(0), shade(60), shade(120), shade(200)]
    }

    #[test]
    fn both_kinds_hold_the_frames_there_and_back() {
        let [webp, apng] = [webp(&frames()).unwrap(), apng(&frames()).unwrap()];
        let webp = WebPDecoder::new(Cursor::new(webp)).unwrap().into_frames().collect_frames().unwrap();
        let apng = PngDecoder::new(Cursor::new(apng)).unwrap().apng().unwrap().into_frames().collect_frames().unwrap();
        for read in [webp, apng] {
            assert_eq!(read.len(), 6);
            for (frame, at) in read.iter().zip([0, 1, 2, 3, 2, 1]) {
                let pixels: Vec<u8> =
                    frame.buffer().pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
                assert_eq!(pixels, frames()[at].rgb);
                let (ms, per) = frame.delay().numer_denom_ms();
                assert_eq!(ms / per, if at == 0 || at == 3 { 540 } else { 90 });
            }
        }
    }

    #[test]
    fn a_gif_holds_the_same_frames_in_its_own_colours() {
        let gif = gif(&frames()).unwrap();
        let read = GifDecoder::new(Cursor::new(gif)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 6);
        for (frame, at) in read.iter().zip([0, 1, 2, 3, 2, 1]) {
            let pixels = frame.buffer().pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
            let worst = pixels.zip(&frames()[at].rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 8, "frame {at} is off by {worst}");
        }
    }

    #[test]
    fn one_frame_is_an_animation_too_and_none_is_an_error() {
        assert!(webp(&frames()[..1]).is_ok() && apng(&frames()[..1]).is_ok());
        assert!(gif(&frames()[..1]).is_ok());
        assert_eq!(animated_webp(&frames()).unwrap(), webp(&frames()).unwrap());
        assert!(animated_webp(&[]).unwrap_err().to_string().contains("no frames"));
        assert!(webp(&[]).is_err() && apng(&[]).is_err() && gif(&[]).is_err());
    }
}
