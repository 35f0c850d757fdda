//! Finding the pictures: walking folders and reading the tables of contents of tars, without reading a picture.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::options::{Options, Stage};
use crate::source::{Source, is_hidden, is_picture, is_tar};
use crate::{Error, decode, positioned};

const CHECK_PERMISSIONS: &str = "check its permissions";
const CHECK_DISK: &str = "check the disk it lies on";
/// Pictures found between two reports of progress.
const TELL_EVERY: usize = 1000;

/// A file that holds one picture or, as a tar, many; with what tells whether it has changed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) is_tar: bool,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970; 0 where the file system keeps no such time.
    modified: u128,
}

/// The files of all sources, sorted by path, each once; and how many others were passed over.
pub(crate) fn files(sources: &[Source]) -> Result<(Vec<Found>, usize), Error> {
    let mut found = Vec::new();
    let mut ignored = 0;
    for source in sources {
        match source {
            Source::Folder(path) => walk(path, &mut found, &mut ignored)?,
            Source::Tar(path) => found.push(stamp(path, true)?),
            Source::Picture(path) => found.push(stamp(path, false)?),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok((found, ignored))
}

/// Identifies the state of all files together: paths, sizes and times of modification.
pub(crate) fn key(files: &[Found]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let path = file.path.as_os_str().as_encoded_bytes();
        hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
        hasher.update(&file.bytes.to_le_bytes()).update(&file.modified.to_le_bytes());
    }
    hasher
}

/// Folders that are symbolic links are not followed, for they may run in circles; links to files are.
fn walk(folder: &Path, found: &mut Vec<Found>, ignored: &mut usize) -> Result<(), Error> {
    let list = Error::io("list the folder", folder, CHECK_PERMISSIONS);
    let entries = folder.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(list)?;
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("inspect", &path, CHECK_PERMISSIONS))?;
        if kind.is_dir() {
            walk(&path, found, ignored)?;
        } else if !is_hidden(&path) && (is_picture(&path) || is_tar(&path)) && !path.is_dir() {
            found.push(stamp(&path, is_tar(&path))?);
        } else {
            *ignored += 1;
        }
    }
    Ok(())
}

/// A picture that cannot be inspected, such as a dangling link, is left to be counted as broken when it is read.
fn stamp(path: &Path, is_tar: bool) -> Result<Found, Error> {
    let (bytes, modified) = match path.metadata() {
        Ok(metadata) => {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            (metadata.len(), modified.map_or(0, |time| time.as_nanos()))
        }
        Err(error) if is_tar => return Err(Error::io("inspect", path, CHECK_PERMISSIONS)(error)),
        Err(_) => (0, 0),
    };
    Ok(Found { path: path.to_owned(), is_tar, bytes, modified })
}

/// Where the bytes of one picture are.
#[derive(Debug)]
pub(crate) enum Item {
    /// A file of its own.
    File(PathBuf),
    /// A stretch of a tar.
    Entry { tar: Arc<Tar>, name: String, offset: u64, bytes: u64 },
}

/// A tar that stays open, so that threads can read its entries by offset.
#[derive(Debug)]
pub(crate) struct Tar {
    path: PathBuf,
    file: File,
}

impl Item {
    /// What to call it in a message.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Entry { tar, name, .. } => format!("{}:{name}", tar.path.display()),
        }
    }

    /// Its content; the error is a reason to show.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let too_large = |bytes| {
            let limit = decode::ENCODED_BYTES;
            if bytes > limit { Err(format!("it has {bytes} bytes, at most {limit} are read")) } else { Ok(()) }
        };
        match self {
            Self::File(path) => {
                let metadata = path.metadata().map_err(|error| error.to_string())?;
                if !metadata.is_file() {
                    return Err("it is no regular file".into()); // reading a named pipe would wait for ever
                }
                too_large(metadata.len())?;
                std::fs::read(path).map_err(|error| error.to_string())
            }
            Self::Entry { tar, offset, bytes, .. } => {
                too_large(*bytes)?;
                let mut content = vec![0; *bytes as usize];
                positioned::read_exact_at(&tar.file, &mut content, *offset).map_err(|error| error.to_string())?;
                Ok(content)
            }
        }
    }
}

/// Every picture of `files` in their order, tars opened up; and how many entries of tars were passed over.
pub(crate) fn items(files: Vec<Found>, options: &Options) -> Result<(Vec<Item>, usize), Error> {
    let (mut items, mut ignored, mut told) = (Vec::new(), 0, 0);
    for file in files {
        if file.is_tar {
            entries(&file.path, file.bytes, &mut items, &mut ignored)?;
        } else {
            items.push(Item::File(file.path));
        }
        if items.len() >= told + TELL_EVERY {
            told = items.len();
            options.tell(Stage::Listing, told, None);
        }
    }
    Ok((items, ignored))
}

fn entries(path: &Path, length: u64, items: &mut Vec<Item>, ignored: &mut usize) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io("open", path, CHECK_PERMISSIONS))?;
    if let Some(reason) = not_a_tar(&file, length).map_err(Error::io("read", path, CHECK_DISK))? {
        return Err(Error::NotATar { path: path.to_owned(), reason: reason.into() });
    }
    let tar = Arc::new(Tar { path: path.to_owned(), file });
    let mut archive = tar::Archive::new(&tar.file);
    let damaged =
        |entries, reason: String| Error::BrokenTar { path: path.to_owned(), entries, reason: reason.to_lowercase() };
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
        if kind.is_file() && !is_hidden(Path::new(&name)) && is_picture(Path::new(&name)) {
            items.push(Item::Entry { tar: Arc::clone(&tar), name, offset, bytes });
        } else {
            *ignored += 1;
        }
    }
    Ok(())
}

/// Says why a file is no tar, where the first header block shows it: its checksum, bytes 148 to 155 in octal, is the
/// sum of the block's bytes with blanks in its own place (POSIX.1-1988 ustar).
fn not_a_tar(file: &File, length: u64) -> std::io::Result<Option<&'static str>> {
    if length == 0 {
        return Ok(Some("it is empty"));
    }
    let mut block = [0_u8; 512];
    let present = block.len().min(length as usize);
    positioned::read_exact_at(file, &mut block[..present], 0)?;
    for (magic, advice) in [
        (&[0x1f, 0x8b][..], "it is compressed with gzip; run gunzip on it first"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "it is compressed with zstd; run unzstd on it first"),
        (b"\xfd7zXZ", "it is compressed with xz; run unxz on it first"),
        (b"BZh", "it is compressed with bzip2; run bunzip2 on it first"),
        (b"PK\x03\x04", "it is a zip; unpack it and name the folder"),
    ] {
        if block.starts_with(magic) {
            return Ok(Some(advice));
        }
    }
    if present < block.len() {
        return Ok(Some("it is shorter than the header of a tar"));
    }
    let header = tar::Header::from_byte_slice(&block);
    let sum: u32 =
        block.iter().enumerate().map(|(i, &byte)| u32::from(if (148..156).contains(&i) { b' ' } else { byte })).sum();
    let end_of_archive = block.iter().all(|&byte| byte == 0);
    let sound = end_of_archive || header.cksum().is_ok_and(|stored| stored == sum);
    Ok((!sound).then_some("its first block is no tar header"))
}
