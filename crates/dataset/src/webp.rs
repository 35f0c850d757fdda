//! Whether a WebP is whole, told by what its decoder needs.
//!
//! Neither lossy nor lossless WebP has a checksum, and a decoder does not mind what follows the last bit that it uses. An
//! encoder writes nothing that is not used, so a picture that can be decoded without its last bytes is damaged: its data
//! are not those that were encoded. A lossy picture may have its coefficients in several partitions (RFC 6386, 9.5), rows by
//! turns; each of them is tried by itself.

use std::io::Cursor;
use std::ops::Range;

use image_webp::WebPDecoder;

/// Bytes to leave out: more than a coder writes when it is flushed, fewer than any damage leaves over.
const SPARE: usize = 16;

/// The chunk of a still picture that holds its pixels.
struct Pixels<'a> {
    name: &'a [u8; 4],
    data: &'a [u8],
}

/// Checks the lengths in `bytes`, that the picture's data are of the `size` that the file says, by which limits go, and that the last of them are needed.
/// The error is a reason to show.
pub(crate) fn check(bytes: &[u8], size: (u32, u32)) -> Result<(), String> {
    let Some(Pixels { name, data }) = pixels(bytes)? else { return Ok(()) };
    let (width, height) = own_size(*name, data).ok_or("the WebP is cut off")?;
    if (width, height) != size {
        return Err(format!("it is damaged: its data are of {width} x {height} pixels, not {} x {}", size.0, size.1));
    }
    if data.windows(12).any(|part| part.starts_with(b"RIFF") && part.ends_with(b"WEBP")) {
        return Err("another WebP begins within it".into());
    }
    let partitions = if name == b"VP8 " { partitions(data) } else { None };
    let partitions_whole = partitions.unwrap_or_default().iter().all(|one| needs_its_end(*name, &shortened(data, one)));
    // The last one ends where the data do.
    let end_whole = data.len() < 2 * SPARE || needs_its_end(*name, &data[..data.len() - SPARE]);
    if partitions_whole && end_whole {
        Ok(())
    } else {
        Err("it is damaged: data are left over after the last row".into())
    }
}

/// Width and height as the data of a chunk themselves say (RFC 6386, 9.1; RFC 9649, 3).
fn own_size(name: [u8; 4], data: &[u8]) -> Option<(u32, u32)> {
    const SIDE: u32 = (1 << 14) - 1;
    let number = |at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    if name == *b"VP8L" {
        // After a signature of one byte; each is less by 1.
        let sides = number(1)?;
        Some(((sides & SIDE) + 1, ((sides >> 14) & SIDE) + 1))
    } else {
        // After frame tag and start code; above each side are two bits of scaling.
        let sides = number(6)?;
        Some((sides & SIDE, (sides >> 16) & SIDE))
    }
}

/// Whether the pixels of a chunk, which was made shorter, cannot be decoded any more.
fn needs_its_end(name: [u8; 4], short: &[u8]) -> bool {
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
    decoded().is_none()
}

/// A partition of a lossy picture's coefficients.
#[derive(Debug, PartialEq, Eq)]
struct Partition {
    /// Where its length stands, three bytes from the lowest.
    size_at: usize,
    /// Where it lies.
    place: Range<usize>,
}

/// All partitions of coefficients but the last, where there are several and their lengths fit (RFC 6386, 9.2 to 9.6 and 19.2).
fn partitions(data: &[u8]) -> Option<Vec<Partition>> {
    // Frame tag, start code, width and height.
    const HEADER: usize = 10;
    let tag = data.get(..3)?;
    let first = (usize::from(tag[0]) | usize::from(tag[1]) << 8 | usize::from(tag[2]) << 16) >> 5;
    let end = HEADER.checked_add(first).filter(|end| *end <= data.len())?;
    let count = 1 << coefficient_partitions(&mut Bits::new(&data[HEADER..end]));
    let mut start = end + 3 * (count - 1);
    (0..count - 1)
        .map(|index| {
            let size_at = end + 3 * index;
            let size = data.get(size_at..size_at + 3)?;
            let size = usize::from(size[0]) | usize::from(size[1]) << 8 | usize::from(size[2]) << 16;
            let place = start..start.checked_add(size).filter(|end| *end <= data.len())?;
            start = place.end;
            Some(Partition { size_at, place })
        })
        .collect()
}

/// The data with a partition that ends earlier; as they are, if it is too short for that.
fn shortened(data: &[u8], partition: &Partition) -> Vec<u8> {
    let Some(size) = partition.place.len().checked_sub(SPARE).filter(|size| *size >= SPARE) else {
        return data[..data.len() / 2].to_vec();
    };
    let mut short = data.to_vec();
    short[partition.size_at..partition.size_at + 3].copy_from_slice(&(size as u32).to_le_bytes()[..3]);
    short.drain(partition.place.start + size..partition.place.end);
    short
}

/// The base-2 logarithm of how many partitions there are, from the frame header before it (RFC 6386, 19.2).
fn coefficient_partitions(bits: &mut Bits<'_>) -> u32 {
    // Colour space and clamping.
    bits.literal(2);
    if bits.literal(1) == 1 {
        let (map, data) = (bits.literal(1), bits.literal(1));
        if data == 1 {
            bits.literal(1);
            for length in [7, 7, 7, 7, 6, 6, 6, 6] {
                bits.optional(length + 1);
            }
        }
        if map == 1 {
            (0..3).for_each(|_| bits.optional(8));
        }
    }
    // Kind, level and sharpness of the loop filter.
    bits.literal(10);
    if bits.literal(1) == 1 && bits.literal(1) == 1 {
        (0..8).for_each(|_| bits.optional(7));
    }
    bits.literal(2)
}

/// The arithmetic decoder of VP8 (RFC 6386, 7.3), for bits of equal chances.
struct Bits<'a> {
    data: std::slice::Iter<'a, u8>,
    value: u32,
    range: u32,
    /// Bits until the next byte.
    left: u32,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        let mut data = data.iter();
        let mut next = || u32::from(data.next().copied().unwrap_or(0));
        let value = next() << 8 | next();
        Self { data, value, range: 255, left: 8 }
    }

    fn bit(&mut self) -> u32 {
        let split = 1 + (((self.range - 1) * 128) >> 8);
        let large = split << 8;
        let bit = u32::from(self.value >= large);
        if bit == 1 {
            self.range -= split;
            self.value -= large;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.value <<= 1;
            self.range <<= 1;
            self.left -= 1;
            if self.left == 0 {
                self.left = 8;
                self.value |= u32::from(self.data.next().copied().unwrap_or(0));
            }
        }
        bit
    }

    /// A number of so many bits, the highest first.
    fn literal(&mut self, length: u32) -> u32 {
        (0..length).fold(0, |number, _| number << 1 | self.bit())
    }

    /// Passes over a number that may be there.
    fn optional(&mut self, length: u32) {
        if self.literal(1) == 1 {
            self.literal(length);
        }
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

    /// As where a picture is decoded.
    fn checked(bytes: &[u8]) -> Result<(), String> {
        let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        check(bytes, decoder.dimensions())
    }

    #[test]
    fn data_larger_than_the_file_says_are_refused_before_they_are_decoded() {
        let mut bytes = include_bytes!("../tests/golden/alpha.webp").to_vec();
        assert_eq!(checked(&bytes), Ok(()));
        let data = bytes.windows(4).position(|name| name == b"VP8 ").unwrap() + 8;
        bytes[data + 6..data + 10].fill(0xff);
        let error = checked(&bytes).unwrap_err();
        assert!(error.contains("16383 x 16383 pixels, not 60 x 60"), "{error}");
        let bytes = lossless(70, 33, 3);
        assert_eq!(check(&bytes, (70, 33)), Ok(()));
        assert!(check(&bytes, (70, 32)).unwrap_err().contains("70 x 33 pixels, not 70 x 32"));
    }

    #[test]
    fn whole_pictures_pass_whatever_their_size_and_detail() {
        for (name, bytes) in LOSSY {
            assert_eq!(checked(bytes), Ok(()), "{name}");
        }
        assert_eq!(checked(include_bytes!("../tests/golden/animated.webp")), Ok(()));
        for (width, height) in [(1, 1), (16, 16), (33, 70), (256, 200)] {
            for detail in [0, 3, 40, 255] {
                assert_eq!(checked(&lossless(width, height, detail)), Ok(()), "{width} x {height}, {detail}");
            }
        }
    }

    /// By this check, or by the decoder that follows it.
    fn refused(bytes: &[u8]) -> bool {
        let decoder = WebPDecoder::new(Cursor::new(bytes.to_vec())).ok();
        let decoded = decoder.and_then(|mut decoder| {
            let mut out = vec![0; decoder.output_buffer_size()?];
            decoder.read_image(&mut out).ok()
        });
        checked(bytes).is_err() || decoded.is_none()
    }

    #[test]
    fn what_is_cut_joined_or_zeroed_is_told_though_its_lengths_are_right() {
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
        assert_eq!(count, 5);
    }

    #[test]
    fn every_partition_is_looked_at() {
        let whole = include_bytes!("../tests/golden/partitions.webp").to_vec();
        let found = partitions(&whole[20..]).unwrap();
        assert_eq!(found.len(), 3);
        for (_, bytes) in LOSSY.iter().filter(|(name, bytes)| &bytes[12..16] == b"VP8 " && *name != "partitions") {
            assert_eq!(partitions(&bytes[20..]), Some(Vec::new()));
        }
        for Partition { place, .. } in found {
            let mut zeroed = whole.clone();
            zeroed[20 + place.start + place.len() / 3..20 + place.end].fill(0);
            assert!(refused(&zeroed), "{place:?}");
        }
    }
}
