//! Whether a WebP is whole, told by what its decoder needs.
//!
//! Neither lossy nor lossless WebP has a checksum, and a decoder does not mind what follows the last bit that it uses. An
//! encoder writes nothing that is not used, so a picture that can be decoded without its last bytes is damaged: its data
//! are not those that were encoded. Of a lossy picture with several partitions (no usual encoder makes any) this sees the
//! last.

use std::io::Cursor;

use image_webp::WebPDecoder;

/// Bytes to leave out: more than a coder writes when it is flushed, fewer than any damage leaves over.
const SPARE: usize = 16;

/// The chunk of a still picture that holds its pixels.
struct Pixels<'a> {
    name: &'a [u8; 4],
    data: &'a [u8],
}

/// Checks the lengths in `bytes` and that the last of the picture's data are needed. The error is a reason to show.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let Some(Pixels { name, data }) = pixels(bytes)? else { return Ok(()) };
    if data.windows(12).any(|part| part.starts_with(b"RIFF") && part.ends_with(b"WEBP")) {
        return Err("another WebP begins within it".into());
    }
    let Some(short) = data.len().checked_sub(2 * SPARE).map(|_| &data[..data.len() - SPARE]) else { return Ok(()) };
    let mut file = Vec::with_capacity(short.len() + 21);
    let padded = short.len() + short.len() % 2;
    file.extend(b"RIFF");
    file.extend((12 + padded as u32).to_le_bytes());
    file.extend(b"WEBP");
    file.extend(name);
    file.extend((short.len() as u32).to_le_bytes());
    file.extend(short);
    file.resize(20 + padded, 0);
    let decoded = || {
        let mut decoder = WebPDecoder::new(Cursor::new(file)).ok()?;
        let mut out = vec![0; decoder.output_buffer_size()?];
        decoder.read_image(&mut out).ok()
    };
    match decoded() {
        Some(()) => Err("it is damaged: data are left over after the last row".into()),
        None => Ok(()),
    }
}

/// Finds the pixels of a still picture; none in an animation.
fn pixels(bytes: &[u8]) -> Result<Option<Pixels<'_>>, String> {
    let number = |at: usize| bytes.get(at..at + 4)?.first_chunk().map(|&n| u32::from_le_bytes(n) as usize);
    let cut = || "the WebP is cut off".to_owned();
    let said = number(4).ok_or_else(cut)?;
    // Some writers forget the byte that makes the length even.
    if bytes.len() + 1 < said.saturating_add(8) {
        return Err(format!("the WebP is cut off: {} of its {} bytes are there", bytes.len(), said + 8));
    }
    let mut at = 12;
    while let (Some(name), Some(length)) = (bytes.get(at..).and_then(<[u8]>::first_chunk), number(at + 4)) {
        let start = at + 8;
        if matches!(name, b"VP8 " | b"VP8L") {
            let data = bytes.get(start..start.saturating_add(length)).ok_or_else(cut)?;
            return Ok(Some(Pixels { name, data }));
        }
        at = start.saturating_add(length).saturating_add(length % 2);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::{LOSSY, noisy};

    /// With another length written where the lengths stand.
    fn relabelled(mut bytes: Vec<u8>) -> Vec<u8> {
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&(length - 8).to_le_bytes());
        bytes[16..20].copy_from_slice(&(length - 20).to_le_bytes());
        bytes
    }

    fn lossless(width: u32, height: u32, detail: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        noisy(width, height, detail).write_to(&mut bytes, image::ImageFormat::WebP).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn whole_pictures_pass_whatever_their_size_and_detail() {
        for (name, bytes) in LOSSY {
            assert_eq!(check(bytes), Ok(()), "{name}");
        }
        assert_eq!(check(include_bytes!("../tests/golden/animated.webp")), Ok(()));
        for (width, height) in [(1, 1), (16, 16), (33, 70), (256, 200)] {
            for detail in [0, 3, 40, 255] {
                assert_eq!(check(&lossless(width, height, detail)), Ok(()), "{width} x {height}, {detail}");
            }
        }
    }

    #[test]
    fn what_is_cut_joined_or_zeroed_is_told_though_its_lengths_are_right() {
        let decodes = |bytes: &[u8]| {
            let decoder = WebPDecoder::new(Cursor::new(bytes.to_vec())).ok();
            decoder.and_then(|mut decoder| {
                let mut out = vec![0; decoder.output_buffer_size()?];
                decoder.read_image(&mut out).ok()
            })
        };
        let refused = |bytes: &[u8]| check(bytes).is_err() || decodes(bytes).is_none();
        let simple = LOSSY.iter().filter(|(_, bytes)| &bytes[12..16] == b"VP8 " && bytes.len() > 1000);
        let mut count = 0;
        for bytes in simple.map(|(_, bytes)| bytes.to_vec()).chain([lossless(120, 90, 40)]) {
            let half = bytes.len() / 2;
            assert!(!refused(&bytes));
            assert!(refused(&bytes[..half]), "cut");
            assert!(refused(&relabelled(bytes[..half].to_vec())), "cut and relabelled");
            assert!(refused(&relabelled([&bytes[..half], &bytes[..]].concat())), "joined");
            let mut zeroed = bytes.clone();
            zeroed[half..half + bytes.len() / 4].fill(0);
            assert!(refused(&zeroed), "zeroed middle");
            count += 1;
        }
        assert_eq!(count, 4);
    }
}
