//! Whether a JPEG is whole, told by decoding its entropy-coded data to the end; and the picture at an eighth of its size.
//!
//! Decoders fill with grey what a damaged file does not say, and a marker at the end proves nothing: the middle may be
//! missing. So every code is read here: each scan must hold exactly the blocks that the frame asks for, no marker may
//! stand before the last of them and hardly a byte after it, and in the end every coefficient must have been sent. Few
//! damages pass: Huffman codes carry no checksum, but the number of blocks that damaged bits give is almost never right.
//!
//! As a by-product there is the mean of every 8 x 8 block, which is its DC coefficient: a picture at an eighth of the size
//! in little memory, for photographs that would not fit whole.

mod bits;
mod frame;
mod huffman;
mod scan;

use image::{Rgb, RgbImage};

use frame::Frame;
use huffman::Table;
use scan::{Cut, Scan};

/// Scans of a picture; encoders write about ten.
const SCANS: usize = 200;

/// A JPEG that was found to be whole.
pub(crate) struct Whole {
    frame: Frame,
    /// The first entry of the quantisation tables.
    steps: [u16; 4],
    /// The colour transform that Adobe's segment names.
    adobe: Option<u8>,
}

/// Reads `bytes` to the end of the picture; the blocks may take `limit` bytes. The error is a reason to show.
pub(crate) fn read(bytes: &[u8], limit: u64) -> Result<Whole, String> {
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut adobe = None;
    let (mut at, mut scans) = (2, 0);
    while let Some((marker, start)) = next_marker(bytes, at) {
        if marker == 0xD9 {
            break;
        }
        if marker == 0xD8 {
            return Err("another JPEG begins within it".into());
        }
        if marker == 0x01 || (0xD0..=0xD7).contains(&marker) {
            at = start;
            continue;
        }
        let Some(segment) = segment(bytes, start) else {
            return Err("it is cut off within its headers".into());
        };
        at = start + 2 + segment.len();
        match marker {
            0xC0..=0xC2 if frame.is_some() => return Err("it has two frames".into()),
            0xC0..=0xC2 => frame = Some(Frame::parse(segment, marker == 0xC2, limit)?),
            0xC4 => tables.huffman(segment)?,
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(format!("it is a JPEG of a kind that is not read (SOF {})", marker - 0xC0));
            }
            0xDB => tables.quantisation(segment)?,
            0xDD => tables.restart = segment.first_chunk().map_or(0, |&n| usize::from(u16::from_be_bytes(n))),
            0xDA => {
                let frame = frame.as_mut().ok_or("its first scan comes before its frame")?;
                scans += 1;
                if scans > SCANS {
                    return Err(format!("it has more than {SCANS} scans"));
                }
                let scan = tables.scan(segment, frame)?;
                let parts: Vec<usize> = scan.parts.iter().map(|part| part.0).collect();
                let (band, low) = (scan.band, scan.low);
                let end = scan.read(bytes, at, frame.mcus, &mut frame.components);
                at = end.map_err(|cut| told(&cut, bytes))?;
                frame.note(&parts, band, low);
            }
            0xEE if segment.starts_with(b"Adobe") => adobe = segment.get(11).copied(),
            _ => {}
        }
    }
    match frame {
        None => Err("it ends before its picture begins".into()),
        Some(frame) if scans == 0 || !frame.is_whole() => {
            Err("it is cut off: parts of the picture are missing after its last scan".into())
        }
        Some(frame) => Ok(Whole { frame, steps: tables.steps, adobe }),
    }
}

/// The next marker from `at` on, and the place after it.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let found = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF))?;
    Some((rest[found + 1], at + found + 2))
}

/// The contents of the segment whose length stands at `start`.
fn segment(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes(*bytes.get(start..)?.first_chunk()?));
    bytes.get(start + 2..start + length.max(2))
}

/// What to say of a scan that is not whole.
fn told(cut: &Cut, bytes: &[u8]) -> String {
    let share = 100 * cut.done / cut.of.max(1);
    if cut.surplus > 0 && cut.done == cut.of {
        return format!("it is damaged: {} bytes are left over after the last row", cut.surplus);
    }
    match next_marker(bytes, cut.at).filter(|(_, after)| *after <= cut.at + 2) {
        Some((0xD8, _)) => format!("another JPEG begins within it, after {share} % of the picture"),
        Some((0xD9, _)) => format!("it ends after {share} % of the picture, though its end marker is there"),
        None if cut.at + 1 >= bytes.len() => format!("it is cut off after {share} % of the picture"),
        _ => format!("its data are damaged after {share} % of the picture"),
    }
}

/// The tables in force.
#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    steps: [u16; 4],
    /// MCUs between restart markers.
    restart: usize,
}

impl Tables {
    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), String> {
        let malformed = || "a Huffman table of it is malformed".to_owned();
        while let [class, rest @ ..] = segment {
            let (table, taken) = Table::parse(rest).ok_or_else(malformed)?;
            let list = if class >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *list.get_mut(usize::from(class & 15)).ok_or_else(malformed)? = Some(table);
            segment = &rest[taken..];
        }
        Ok(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let [head, rest @ ..] = segment {
            let wide = head >> 4 != 0;
            let step = match (wide, rest) {
                (false, [step, ..]) => u16::from(*step),
                (true, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
                _ => return Err("a quantisation table of it is cut off".into()),
            };
            *self.steps.get_mut(usize::from(head & 15)).ok_or("a quantisation table of it is malformed")? = step;
            segment = rest.get(if wide { 128 } else { 64 }..).ok_or("a quantisation table of it is cut off")?;
        }
        Ok(())
    }

    fn scan(&self, segment: &[u8], frame: &Frame) -> Result<Scan<'_>, String> {
        let malformed = || "a scan header of it is malformed".to_owned();
        let (count, rest) = segment.split_first().ok_or_else(malformed)?;
        let specs = rest.get(..2 * usize::from(*count)).ok_or_else(malformed)?;
        let [first, last, bits] = *rest[specs.len()..].first_chunk().ok_or_else(malformed)?;
        let mut parts = Vec::new();
        for &[id, choice] in specs.as_chunks::<2>().0 {
            let component = frame.components.iter().position(|component| component.id == id).ok_or_else(malformed)?;
            let table = |list: &'_ [Option<Table>; 4], number: u8| usize::from(number) < list.len();
            if !table(&self.dc, choice >> 4)
                || !table(&self.ac, choice & 15)
                || parts.iter().any(|part: &(usize, _, _)| part.0 == component)
            {
                return Err(malformed());
            }
            parts.push((
                component,
                self.dc[usize::from(choice >> 4)].as_ref(),
                self.ac[usize::from(choice & 15)].as_ref(),
            ));
        }
        let band = if frame.progressive { (usize::from(first), usize::from(last)) } else { (0, 63) };
        let (high, low) = if frame.progressive { (bits >> 4, bits & 15) } else { (0, 0) };
        let alone = band.0 == 0 || parts.len() == 1;
        if parts.is_empty() || parts.len() > 4 || band.0 > band.1 || band.1 > 63 || low > 13 || !alone {
            return Err(malformed());
        }
        Ok(Scan { parts, band, high, low, progressive: frame.progressive, restart: self.restart })
    }
}

impl Whole {
    /// The picture at an eighth of its size, rounded up: the mean of every 8 x 8 block. The error is a reason to show.
    pub(crate) fn eighth(&self) -> Result<RgbImage, String> {
        let frame = &self.frame;
        let (width, height) = (frame.width.div_ceil(8), frame.height.div_ceil(8));
        // The DC coefficient is eight times the mean, less the level shift of 128 (ITU-T T.81, A.3.3).
        let mean = |component: usize, x: usize, y: usize| {
            let part = &frame.components[component];
            let (x, y) = (x * part.h / frame.largest.0, y * part.v / frame.largest.1);
            f32::from(part.dc[y * part.across + x]) * f32::from(self.steps[part.table]) / 8.0 + 128.0
        };
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        let plain = self.adobe == Some(0) || ids == *b"RGB";
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let first = mean(0, x, y);
            let rgb = match ids.len() {
                1 => [first; 3],
                _ if plain => [first, mean(1, x, y), mean(2, x, y)],
                _ => {
                    let (cb, cr) = (mean(1, x, y) - 128.0, mean(2, x, y) - 128.0);
                    // JFIF 1.02, conversion to and from RGB.
                    [first + 1.402 * cr, first - 0.344_14 * cb - 0.714_14 * cr, first + 1.772 * cb]
                }
            };
            Rgb(rgb.map(|value| (value + 0.5).clamp(0.0, 255.0) as u8))
        };
        if !matches!(ids.len(), 1 | 3) {
            return Err("a CMYK photograph as large as this is not read; convert it to RGB".into());
        }
        Ok(RgbImage::from_fn(width as u32, height as u32, pixel))
    }
}

#[cfg(test)]
mod tests;
