//! Huffman codes of a JPEG (ITU-T T.81, annex C and F.2.2.3).

use super::bits::{Bits, Short};

/// Bits that are looked up at once.
const QUICK: u32 = 9;

/// Why a symbol cannot be read.
pub(super) enum Wrong {
    /// The data end.
    Short,
    /// No symbol has this code.
    Code,
}

impl From<Short> for Wrong {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

/// One table of codes.
pub(super) struct Table {
    /// Length times 256 plus symbol, by the next nine bits; 0 for longer codes.
    quick: Box<[u16]>,
    /// For each length the first code beyond it, at the top of 16 bits, and what to add to a code for its symbol's place.
    limits: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads one table of a DHT segment; also gives the bytes it takes. None if it is malformed.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let counts: &[u8; 16] = bytes.first_chunk()?;
        let total = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
        let symbols = bytes.get(16..16 + total)?.to_vec();
        let mut quick = vec![0_u16; 1 << QUICK].into_boxed_slice();
        let mut limits = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let n = usize::from(counts[length as usize - 1]);
            let offset = place as i32 - code as i32;
            for symbol in &symbols[place..place + n] {
                if code >> length != 0 {
                    return None;
                }
                if length <= QUICK {
                    let first = (code << (QUICK - length)) as usize;
                    quick[first..][..1 << (QUICK - length)].fill((length as u16) << 8 | u16::from(*symbol));
                }
                code += 1;
            }
            place += n;
            limits[length as usize] = (code << (16 - length), offset);
            code <<= 1;
        }
        Some((Self { quick, limits, symbols }, 16 + total))
    }

    /// The next symbol.
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> Result<u8, Wrong> {
        let ahead = bits.peek();
        let entry = self.quick[usize::from(ahead >> (16 - QUICK))];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8))?;
            return Ok(entry as u8);
        }
        for length in QUICK + 1..=16 {
            let (limit, offset) = self.limits[length as usize];
            if u32::from(ahead) < limit {
                bits.skip(length)?;
                let place = i32::from(ahead >> (16 - length)) + offset;
                return usize::try_from(place).ok().and_then(|at| self.symbols.get(at)).copied().ok_or(Wrong::Code);
            }
        }
        // At the end of the data the bits that are missing may be what makes it no code.
        if bits.take(16).is_err() { Err(Wrong::Short) } else { Err(Wrong::Code) }
    }
}
