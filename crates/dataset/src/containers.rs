//! Pictures inside tars and zips: their tables of contents, and the bytes of an entry.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use serde::{Deserialize, Serialize};

use crate::content::{self, Content};
use crate::error::{CHECK_DISK, CHECK_PERMISSIONS};
use crate::{Error, decode, positioned};

/// An archive that stays open, so that threads can read its entries by offset.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
}

impl Archive {
    /// Opens one whose table of contents is known.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path, CHECK_PERMISSIONS))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

/// One file in an archive.
#[derive(Debug)]
pub(crate) struct Entry {
    archive: Arc<Archive>,
    stretch: Stretch,
}

/// What an archive's table of contents says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    name: String,
    offset: u64,
    /// Bytes in the archive and unpacked; the same unless it is deflated.
    packed: u64,
    bytes: u64,
    deflated: bool,
    /// The checksum that a zip keeps of the unpacked bytes.
    crc: Option<u32>,
}

impl Entry {
    /// A file by what the archive's table of contents said.
    pub(crate) fn of(archive: Arc<Archive>, stretch: Stretch) -> Result<Self, Error> {
        let path = &archive.path;
        let length = archive.file.metadata().map_err(Error::io("inspect", path, CHECK_PERMISSIONS))?.len();
        if stretch.offset.checked_add(stretch.packed).is_none_or(|end| end > length) {
            return Err(Error::Shortened { path: path.clone(), entry: stretch.name });
        }
        Ok(Self { archive, stretch })
    }

    /// The archive that holds it.
    pub(crate) fn archive(&self) -> &Path {
        &self.archive.path
    }

    /// Where in the archive it is.
    pub(crate) fn stretch(&self) -> Stretch {
        self.stretch.clone()
    }

    /// What it is called in the archive.
    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.stretch.name)
    }

    /// What to call it in a message.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.archive.path.display(), self.stretch.name)
    }

    /// Its content; the error is a reason to show.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let Stretch { offset, packed, bytes, deflated, crc, .. } = self.stretch;
        check_length(packed.max(bytes))?;
        let mut content = vec![0; packed as usize];
        let read = positioned::read_exact_at(&self.archive.file, &mut content, offset);
        read.map_err(|error| error.to_string())?;
        if deflated {
            let mut unpacked = Vec::new();
            let inflated = DeflateDecoder::new(&content[..]).take(bytes + 1).read_to_end(&mut unpacked);
            inflated.map_err(|error| format!("it cannot be unpacked ({error})"))?;
            content = unpacked;
        }
        if content.len() as u64 != bytes {
            return Err("it has another length in the archive than its table of contents says".into());
        }
        if let Some(crc) = crc {
            let mut sum = Crc::new();
            sum.update(&content);
            if sum.sum() != crc {
                return Err("its checksum in the archive is wrong".into());
            }
        }
        Ok(content)
    }

    /// The first bytes, where they lie in the archive as they are.
    pub(crate) fn head(&self) -> Vec<u8> {
        if self.stretch.deflated {
            return Vec::new();
        }
        let mut head = vec![0; content::HEAD.min(self.stretch.bytes as usize)];
        match positioned::read_exact_at(&self.archive.file, &mut head, self.stretch.offset) {
            Ok(()) => head,
            Err(_) => Vec::new(),
        }
    }
}

/// Shows `each` file of a tar of `length` bytes; says how many entries are neither files nor folders.
pub(crate) fn tar(path: &Path, length: u64, mut each: impl FnMut(Entry)) -> Result<usize, Error> {
    let file = File::open(path).map_err(Error::io("open", path, CHECK_PERMISSIONS))?;
    if let Some(reason) = not_a_tar(&file, length).map_err(Error::io("read", path, CHECK_DISK))? {
        return Err(Error::NotATar { path: path.to_owned(), reason });
    }
    let shared = Arc::new(Archive { path: path.to_owned(), file });
    let mut archive = tar::Archive::new(&shared.file);
    let damaged =
        |entries, reason: String| Error::BrokenTar { path: path.to_owned(), entries, reason: reason.to_lowercase() };
    let mut others = 0;
    let table = archive.entries_with_seek().map_err(|error| damaged(0, error.to_string()))?;
    for (count, entry) in table.enumerate() {
        let entry = entry.map_err(|error| damaged(count, error.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (offset, bytes) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(damaged(count, format!("it ends within {name}")));
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            others += 1;
            continue;
        }
        let archive = Arc::clone(&shared);
        let stretch = Stretch { name, offset, packed: bytes, bytes, deflated: false, crc: None };
        each(Entry { archive, stretch });
    }
    Ok(others)
}

/// The files of a zip: where there are no files there are none of them either, and the library would ask the page for random numbers.
#[cfg(not(any(unix, windows)))]
pub(crate) fn zip(path: &Path, _: u64, _: impl FnMut(Entry)) -> Result<(), Error> {
    let reason = "zips are not read on this platform".into();
    Err(Error::BrokenZip { path: path.to_owned(), entries: 0, reason })
}

/// Shows `each` file of a zip, stored or deflated: StyleGAN's dataset tool stores, most others deflate.
#[cfg(any(unix, windows))]
pub(crate) fn zip(path: &Path, length: u64, mut each: impl FnMut(Entry)) -> Result<(), Error> {
    let open = || File::open(path).map_err(Error::io("open", path, CHECK_PERMISSIONS));
    let damaged = |entries, reason: String| Error::BrokenZip { path: path.to_owned(), entries, reason };
    let mut table = zip::ZipArchive::new(io::BufReader::new(open()?)).map_err(|error| damaged(0, error.to_string()))?;
    let shared = Arc::new(Archive { path: path.to_owned(), file: open()? });
    for count in 0..table.len() {
        let entry = table.by_index_raw(count).map_err(|error| damaged(count, error.to_string()))?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(|error| damaged(count, error.to_string()))?.into_owned();
        let deflated = match entry.compression() {
            zip::CompressionMethod::Stored => Some(false),
            zip::CompressionMethod::DEFLATE => Some(true),
            _ => None,
        };
        let (Some(deflated), false) = (deflated, entry.encrypted()) else {
            let why = if entry.encrypted() { "encrypted" } else { "compressed in a way that is not read" };
            let reason = format!("{name} is {why}; unpack it and name the folder");
            return Err(damaged(count, reason));
        };
        let (offset, packed, bytes) = (entry.data_start().unwrap_or(u64::MAX), entry.compressed_size(), entry.size());
        if offset.checked_add(packed).is_none_or(|end| end > length) {
            return Err(damaged(count, format!("it ends within {name}")));
        }
        let crc = Some(entry.crc32());
        let archive = Arc::clone(&shared);
        each(Entry { archive, stretch: Stretch { name, offset, packed, bytes, deflated, crc } });
    }
    Ok(())
}

/// Says why a file is no tar, where the first block shows it.
fn not_a_tar(file: &File, length: u64) -> io::Result<Option<String>> {
    let mut block = [0_u8; content::HEAD];
    let present = block.len().min(length as usize);
    positioned::read_exact_at(file, &mut block[..present], 0)?;
    let head = &block[..present];
    Ok(match content::of(head) {
        Content::Tar => None,
        Content::Archive(name, program) => Some(format!("it is compressed with {name}; run {program} on it first")),
        Content::Wrong(reason) => Some(reason.into()),
        _ if present < block.len() => Some("it is shorter than the header of a tar".into()),
        // The picture's own format may begin like anything else.
        _ if content::is_tar(head) => None,
        _ => Some("its first block is no tar header".into()),
    })
}

/// Whether a file or an entry is larger than is read; the error is a reason to show.
pub(crate) fn check_length(bytes: u64) -> Result<(), String> {
    let limit = decode::ENCODED_BYTES;
    if bytes > limit { Err(format!("it has {bytes} bytes, at most {limit} are read")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_too_long_packed_or_unpacked_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let archive = Arc::new(Archive::open(file.path()).unwrap());
        for (packed, bytes) in [(u64::MAX, 1), (1, u64::MAX)] {
            let stretch = Stretch { name: "a.png".into(), offset: 0, packed, bytes, deflated: true, crc: None };
            let entry = Entry { archive: Arc::clone(&archive), stretch };
            assert!(entry.read().unwrap_err().contains("at most"));
        }
    }
}
