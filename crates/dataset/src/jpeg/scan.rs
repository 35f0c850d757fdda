//! One scan: what of which blocks it holds, read to its end.

use super::bits::Bits;
use super::frame::Component;
use super::huffman::{Table, Wrong};

/// Bytes that some encoders leave between the last block and the marker.
const SLACK: usize = 4;

/// The header of a scan, its tables chosen (ITU-T T.81, B.2.3).
pub(super) struct Scan<'t> {
    /// Place of the component in the frame, its tables for DC and AC.
    pub(super) parts: Vec<(usize, Option<&'t Table>, Option<&'t Table>)>,
    /// First and last coefficient.
    pub(super) band: (usize, usize),
    /// Bits sent earlier (0 for a first scan) and bits left for later.
    pub(super) high: u8,
    pub(super) low: u8,
    pub(super) progressive: bool,
    /// MCUs between two restart markers, 0 for none.
    pub(super) restart: usize,
}

/// Why a scan is not whole: how many of its MCUs were read, of how many, and what stands there.
pub(super) struct Cut {
    pub(super) done: usize,
    pub(super) of: usize,
    pub(super) at: usize,
    pub(super) surplus: usize,
}

impl Scan<'_> {
    /// Reads all blocks from `start` on; gives the place of the marker after them.
    pub(super) fn read(
        &self,
        data: &[u8],
        start: usize,
        mcus: (usize, usize),
        components: &mut [Component],
    ) -> Result<usize, Cut> {
        let (across, down) = match self.parts[..] {
            [(only, ..)] => components[only].own,
            _ => mcus,
        };
        let of = across * down;
        let mut bits = Bits::new(data, start);
        let mut predicted = [0_i32; 4];
        let mut run = 0_u32;
        for mcu in 0..of {
            if self.restart > 0 && mcu > 0 && mcu % self.restart == 0 {
                let (surplus, at) = bits.finish();
                let marker = (mcu / self.restart - 1) % 8;
                let fill = data[at.min(data.len())..].iter().take_while(|&&byte| byte == 0xFF).count();
                if surplus > SLACK || fill == 0 || data.get(at + fill) != Some(&(0xD0 + marker as u8)) {
                    return Err(Cut { done: mcu, of, at, surplus });
                }
                bits = Bits::new(data, at + fill + 1);
                (predicted, run) = ([0; 4], 0);
            }
            if self.mcu((mcu % across, mcu / across), &mut bits, &mut predicted, &mut run, components).is_err() {
                let (_, at) = bits.finish();
                return Err(Cut { done: mcu, of, at, surplus: 0 });
            }
        }
        let (surplus, at) = bits.finish();
        if surplus > SLACK { Err(Cut { done: of, of, at, surplus }) } else { Ok(at) }
    }

    fn mcu(
        &self,
        (x, y): (usize, usize),
        bits: &mut Bits<'_>,
        predicted: &mut [i32; 4],
        run: &mut u32,
        components: &mut [Component],
    ) -> Result<(), Wrong> {
        for (part, predicted) in self.parts.iter().zip(predicted) {
            let component = &mut components[part.0];
            let (h, v) = if self.parts.len() == 1 { (1, 1) } else { (component.h, component.v) };
            for j in 0..v {
                for i in 0..h {
                    let block = (y * v + j) * component.across + x * h + i;
                    self.block(block, (part.1, part.2), bits, predicted, run, component)?;
                }
            }
        }
        Ok(())
    }

    fn block(
        &self,
        block: usize,
        (dc, ac): (Option<&Table>, Option<&Table>),
        bits: &mut Bits<'_>,
        predicted: &mut i32,
        run: &mut u32,
        component: &mut Component,
    ) -> Result<(), Wrong> {
        let (first, last) = self.band;
        if first == 0 {
            if self.high == 0 {
                let size = u32::from(dc.ok_or(Wrong::Code)?.read(bits)?);
                *predicted = predicted.wrapping_add(extended(bits, size)?);
                component.dc[block] = (*predicted << self.low) as i16;
            } else {
                component.dc[block] |= (bits.take(1)? << self.low) as i16;
            }
        }
        if last == 0 {
            return Ok(());
        }
        let table = ac.ok_or(Wrong::Code)?;
        match (self.progressive, self.high) {
            (false, _) => sequential(table, bits),
            (true, 0) => first_band(table, bits, first.max(1), last, run, &mut component.set[block]),
            (true, _) => refined_band(table, bits, first.max(1), last, run, &mut component.set[block]),
        }
    }
}

/// The number that `size` bits stand for (ITU-T T.81, F.2.2.1).
fn extended(bits: &mut Bits<'_>, size: u32) -> Result<i32, Wrong> {
    match size {
        0 => Ok(0),
        1..=15 => {
            let value = bits.take(size)? as i32;
            Ok(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
        }
        _ => Err(Wrong::Code),
    }
}

/// Passes over the 63 AC coefficients of a sequential block.
fn sequential(table: &Table, bits: &mut Bits<'_>) -> Result<(), Wrong> {
    let mut k = 1;
    while k < 64 {
        let symbol = table.read(bits)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => break,
            _ => {
                k += zeros;
                if k > 63 {
                    return Err(Wrong::Code);
                }
                bits.skip(size)?;
                k += 1;
            }
        }
    }
    Ok(())
}

/// A band's first scan: which coefficients are not zero goes to `set`.
fn first_band(
    table: &Table,
    bits: &mut Bits<'_>,
    first: usize,
    last: usize,
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Wrong> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut k = first;
    while k <= last {
        let symbol = table.read(bits)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => {
                *run = (1 << zeros) - 1 + bits.take(zeros as u32)?;
                break;
            }
            _ => {
                k += zeros;
                if k > last {
                    return Err(Wrong::Code);
                }
                bits.skip(size)?;
                *set |= 1 << k;
                k += 1;
            }
        }
    }
    Ok(())
}

/// A band's later scan: a bit for each coefficient that is set, and new ones between them (ITU-T T.81, G.1.2.3).
fn refined_band(
    table: &Table,
    bits: &mut Bits<'_>,
    first: usize,
    last: usize,
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Wrong> {
    let mut k = first;
    if *run == 0 {
        while k <= last {
            let symbol = table.read(bits)?;
            let (mut zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            match (zeros, size) {
                (15, 0) => {}
                (_, 0) => {
                    *run = (1 << zeros) + bits.take(zeros)?;
                    break;
                }
                (_, 1) => bits.skip(1)?,
                _ => return Err(Wrong::Code),
            }
            while k <= last {
                if *set >> k & 1 == 1 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if size == 1 {
                if k > last {
                    return Err(Wrong::Code);
                }
                *set |= 1 << k;
            }
            k += 1;
        }
    }
    if *run > 0 {
        if k <= last {
            let rest = *set & u64::MAX << k & u64::MAX >> (63 - last);
            for _ in 0..rest.count_ones() {
                bits.skip(1)?;
            }
        }
        *run -= 1;
    }
    Ok(())
}
