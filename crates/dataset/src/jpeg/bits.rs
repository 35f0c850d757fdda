//! The bits of entropy-coded data, up to the next marker.

/// There are fewer bits than were asked for before the data end or a marker begins.
pub(super) struct Short;

/// Reads bits, highest first. FF 00 is the byte FF; FF and anything else ends the data (ITU-T T.81, F.1.2.3).
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Where the next byte is taken from.
    at: usize,
    /// The bits taken and not used, at the top.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, held: 0, count: 0 }
    }

    /// At least 57 bits are held afterwards, or all there are.
    fn refill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xFF {
                if self.data.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits without using them, zeros where there are none.
    pub(super) fn peek(&mut self) -> u16 {
        if self.count < 16 {
            self.refill();
        }
        (self.held >> 48) as u16
    }

    /// Uses `n` bits, at most 16.
    pub(super) fn skip(&mut self, n: u32) -> Result<(), Short> {
        if self.count < n {
            self.refill();
            if self.count < n {
                return Err(Short);
            }
        }
        self.held <<= n;
        self.count -= n;
        Ok(())
    }

    /// The next `n` bits, at most 16, as a number.
    pub(super) fn take(&mut self, n: u32) -> Result<u32, Short> {
        let value = u32::from(self.peek()) >> (16 - n);
        self.skip(n)?;
        Ok(value)
    }

    /// How many whole bytes are left before the marker or the end, and where that is. The bits that fill the last byte
    /// do not count.
    pub(super) fn finish(&mut self) -> (usize, usize) {
        let mut left = self.count as usize / 8;
        (self.held, self.count) = (0, 0);
        while let Some(&byte) = self.data.get(self.at) {
            if byte == 0xFF {
                match self.data.get(self.at + 1) {
                    Some(0) => self.at += 1,
                    _ => break,
                }
            }
            self.at += 1;
            left += 1;
        }
        (left, self.at)
    }
}
