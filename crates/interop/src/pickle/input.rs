//! The bytes of a pickle one after another, through a window, so that long payloads are stepped over unread.

use crate::blob::Blob;
use crate::error::Error;

const WINDOW: u64 = 1 << 16;

/// Where the machine reads.
pub(super) struct Input {
    blob: Blob,
    place: u64,
    window: Vec<u8>,
    /// Where the window begins.
    begin: u64,
}

impl Input {
    pub(super) fn new(blob: Blob) -> Self {
        Input { blob, place: 0, window: Vec::new(), begin: 0 }
    }

    /// Bytes read or stepped over so far.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The next `len` bytes, unread.
    pub(super) fn skip(&mut self, len: u64) -> Result<Blob, Error> {
        let Some(part) = self.blob.slice(self.place, len) else {
            let left = self.blob.len() - self.place;
            return Err(Error::damaged(self.place, format!("{len} bytes should follow, but only {left} do")));
        };
        self.place += len;
        Ok(part)
    }

    /// The next `len` bytes; `len` must be small.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let left = self.blob.len() - self.place;
        if len as u64 > left {
            return Err(Error::damaged(self.place, format!("{len} bytes should follow, but only {left} do")));
        }
        let mut out = vec![0; len];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The bytes up to the next newline, without it; at most `limit`.
    pub(super) fn line(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                _ if line.len() >= limit => {
                    return Err(Error::TooMuch(format!("a line of more than {limit} bytes")));
                }
                byte => line.push(byte),
            }
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let wanted = out.len() as u64;
        if wanted > WINDOW {
            self.blob.read_at(self.place, out)?;
        } else {
            if self.place < self.begin || self.place + wanted > self.begin + self.window.len() as u64 {
                self.begin = self.place;
                self.window.resize(WINDOW.min(self.blob.len() - self.place) as usize, 0);
                self.blob.read_at(self.begin, &mut self.window)?;
            }
            let start = (self.place - self.begin) as usize;
            let Some(bytes) = self.window.get(start..start + out.len()) else {
                return Err(Error::damaged(self.place, "it ends here, in the middle of a value"));
            };
            out.copy_from_slice(bytes);
        }
        self.place += wanted;
        Ok(())
    }
}
