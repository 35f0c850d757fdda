//! Ranges of bytes in a file or in memory, read at any place and only when asked for.
//!
//! A model of a gigabyte is walked by reading its few kilobytes of structure; the weights stay where they are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A range of bytes. Clones share what lies underneath.
#[derive(Clone, Debug)]
pub struct Blob {
    source: Arc<Source>,
    start: u64,
    len: u64,
}

#[derive(Debug)]
enum Source {
    File(File),
    Memory(Vec<u8>),
}

impl Blob {
    /// A whole file. It stays open; if it shrinks meanwhile, reading fails.
    ///
    /// # Errors
    /// The file cannot be opened, or is no plain file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked first, for not every system opens a folder.
        if path.is_dir() {
            return Err(io::Error::other(folder(path)));
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Blob { source: Arc::new(Source::File(file)), start: 0, len: about.len() })
    }

    /// How many bytes it spans.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it spans none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it, or none if that reaches beyond the end.
    pub fn slice(&self, start: u64, len: u64) -> Option<Blob> {
        let fits = start.checked_add(len).is_some_and(|end| end <= self.len);
        fits.then(|| Blob { source: Arc::clone(&self.source), start: self.start + start, len })
    }

    /// Fills `out` from the bytes at `start`.
    ///
    /// # Errors
    /// The range reaches beyond the end, or the file cannot be read.
    pub fn read_at(&self, start: u64, out: &mut [u8]) -> io::Result<()> {
        let part = self.slice(start, out.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        match &*self.source {
            Source::File(file) => read_exact_at(file, out, part.start),
            Source::Memory(bytes) => {
                out.copy_from_slice(&bytes[part.start as usize..][..out.len()]);
                Ok(())
            }
        }
    }

    /// All of its bytes, at most `limit`.
    ///
    /// # Errors
    /// There are more, or the file cannot be read.
    pub fn bytes(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.len > limit {
            return Err(io::Error::other(format!("{} bytes where at most {limit} are expected", self.len)));
        }
        let mut out = vec![0; self.len as usize];
        self.read_at(0, &mut out)?;
        Ok(out)
    }

    /// Reads it from its start.
    pub fn reader(&self) -> Reader {
        Reader { blob: self.clone(), place: 0 }
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Blob { source: Arc::new(Source::Memory(bytes)), start: 0, len }
    }
}

/// What is said of a folder where a file is expected.
fn folder(path: &Path) -> String {
    if path.join("checkpoints").is_dir() {
        let run = path.display();
        return format!(
            "it is the folder of a training run; `tadne export {run} --out model.safetensors` makes a model file of it"
        );
    }
    "it is a folder, not a file".into()
}

/// A [`Blob`] with a place in it.
#[derive(Debug)]
pub struct Reader {
    blob: Blob,
    place: u64,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len.saturating_sub(self.place);
        let count = left.min(out.len() as u64) as usize;
        self.blob.read_at(self.place.min(self.blob.len), &mut out[..count])?;
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.blob.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
        };
        self.place = place.ok_or_else(|| io::Error::other("a seek to before the start"))?;
        Ok(self.place)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        match file.seek_read(out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                out = &mut out[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_the_same_from_a_file_and_from_memory() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        for blob in [Blob::open(file.path()).unwrap(), Blob::from(bytes.clone())] {
            let part = blob.slice(10, 50).unwrap().slice(5, 7).unwrap();
            assert_eq!(part.bytes(7).unwrap(), bytes[15..22]);
            assert!(part.bytes(6).is_err());
            assert!(part.slice(1, 7).is_none() && part.slice(u64::MAX, 1).is_none());
            assert!(part.read_at(7, &mut [0]).is_err());
            let mut reader = part.reader();
            reader.seek(SeekFrom::End(-2)).unwrap();
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, bytes[20..22]);
        }
    }

    #[test]
    fn of_the_folder_of_a_run_it_is_said_how_it_becomes_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let said = || Blob::open(folder.path()).unwrap_err().to_string();
        assert_eq!(said(), "it is a folder, not a file");
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        assert!(said().contains("tadne export"), "{}", said());
    }
}
