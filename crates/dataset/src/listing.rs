//! Finding the pictures: walking folders and reading the tables of contents of archives, without decoding a picture.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::containers::{self, Entry};
use crate::content::{self, Content};
use crate::error::CHECK_PERMISSIONS;
use crate::names::{is_hidden, is_picture, is_tar, is_text};
use crate::options::{Options, Stage};
use crate::report::{Labels, Skipped};
use crate::source::Source;
use crate::{Error, decode, labels};

/// Pictures found between two reports of progress.
const TELL_EVERY: usize = 1000;

/// The folder of a run's sample grids, in the run's own.
const GRIDS: &str = "grids";

/// What a found file is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Picture,
    Tar,
    Zip,
}

/// A file that holds one picture or, as an archive, many; with what tells whether it has changed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970; 0 where the file system keeps no such time.
    modified: u128,
}

/// What was passed over, and what was learnt besides.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) ignored: usize,
    /// Pictures of formats that are not read.
    pub(crate) foreign: BTreeMap<String, Vec<String>>,
    pub(crate) archives: Vec<Skipped>,
    pub(crate) labels: Option<Labels>,
    pub(crate) links: usize,
    /// Folders of runs' sample grids.
    pub(crate) grids: Vec<String>,
}

impl Passed {
    /// Keeps account of an archive's entry that is no picture; gives back one that is.
    fn picture(&mut self, entry: Entry) -> Option<Item> {
        let path = entry.path();
        if is_hidden(path) || path.components().any(|part| part.as_os_str() == "__MACOSX") {
            self.ignored += 1;
        } else if path.file_name().is_some_and(|name| name == labels::FILE) {
            let text = entry.read().ok();
            self.labels = text.and_then(|bytes| labels::parse(&bytes)).or(self.labels);
        } else if is_picture(path) {
            return Some(Item::Entry(entry));
        } else if is_text(path) {
            self.ignored += 1;
        } else {
            match content::of(&entry.head()) {
                Content::Picture => return Some(Item::Entry(entry)),
                other => self.sort(other, entry.name(), path),
            }
        }
        None
    }

    /// Puts a file that holds no picture where it belongs.
    fn sort(&mut self, content: Content, name: String, path: &Path) {
        // What an entry that cannot be looked into promises.
        let promised = match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref()
        {
            Some("heic" | "heif") => Some("HEIC"),
            Some("avif") => Some("AVIF"),
            Some("jxl") => Some("JPEG XL"),
            Some("tif" | "tiff") => Some("TIFF"),
            _ => None,
        };
        match (content, promised) {
            (Content::Foreign(format), _) | (Content::Unknown, Some(format)) => {
                self.foreign.entry(format.into()).or_default().push(name);
            }
            (Content::Archive(kind, program), _) => {
                let reason = format!(
                    "it is compressed with {kind}; run {program} on it first (a tar or folder is read as it is)"
                );
                self.archives.push(Skipped { name, reason });
            }
            (Content::Zip | Content::Tar, _) => {
                self.archives.push(Skipped { name, reason: "it is an archive within an archive; unpack it".into() });
            }
            _ => self.ignored += 1,
        }
    }
}

/// The files of all sources, sorted by path, each once; and what was passed over.
pub(crate) fn files(sources: &[Source]) -> Result<(Vec<Found>, Passed), Error> {
    let mut walk = Walk::default();
    for source in sources {
        match source {
            Source::Folder(path) => walk.folder(path)?,
            Source::Tar(path) => walk.found.push(stamp(path, Kind::Tar)?),
            Source::Zip(path) => walk.found.push(stamp(path, Kind::Zip)?),
            Source::Picture(path) => walk.found.push(stamp(path, Kind::Picture)?),
        }
    }
    walk.found.sort_unstable();
    walk.found.dedup();
    Ok((walk.found, walk.passed))
}

/// Identifies the state of all files together: paths, sizes and times of modification; and how much was passed over.
pub(crate) fn key(files: &[Found], passed: &Passed) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let path = file.path.as_os_str().as_encoded_bytes();
        hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
        hasher.update(&file.bytes.to_le_bytes()).update(&file.modified.to_le_bytes());
    }
    let foreign: usize = passed.foreign.values().map(Vec::len).sum();
    for number in [foreign, passed.archives.len(), passed.links, passed.labels.map_or(0, |labels| labels.pictures)] {
        hasher.update(&(number as u64).to_le_bytes());
    }
    hasher
}

/// A walk through folders.
#[derive(Default)]
struct Walk {
    found: Vec<Found>,
    passed: Passed,
    /// Folders that were entered, by their real paths: a link may lead to one of them, or in circles.
    entered: HashSet<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path) -> Result<(), Error> {
        let list = || Error::io("list the folder", folder, CHECK_PERMISSIONS);
        if !self.entered.insert(folder.canonicalize().map_err(list())?) {
            return Ok(());
        }
        let mut entries = folder.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(list())?;
        // So that it is always the same of two links to a folder that is followed.
        entries.sort_unstable_by_key(DirEntry::file_name);
        let of_run = is_run(&entries);
        let mut linked = Vec::new();
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(Error::io("inspect", &path, CHECK_PERMISSIONS))?;
            if of_run && entry.file_name() == GRIDS {
                // What was drawn is not to be learnt. Whoever wants it can name that folder itself.
                self.passed.grids.push(path.display().to_string());
            } else if kind.is_dir() {
                self.folder(&path)?;
            } else if kind.is_symlink() && path.is_dir() {
                linked.push(path);
            } else {
                self.file(&path)?;
            }
        }
        // After the real folders, which keep their own names this way.
        for path in linked {
            let known = self.entered.len();
            self.folder(&path)?;
            self.passed.links += usize::from(self.entered.len() > known);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Error> {
        if is_hidden(path) {
            self.passed.ignored += 1;
        } else if is_picture(path) || is_tar(path) {
            self.found.push(stamp(path, if is_tar(path) { Kind::Tar } else { Kind::Picture })?);
        } else if path.file_name().is_some_and(|name| name == labels::FILE) {
            let small = path.metadata().is_ok_and(|about| about.is_file() && about.len() <= decode::ENCODED_BYTES);
            let read = small.then(|| std::fs::read(path).ok()).flatten();
            self.passed.labels = read.and_then(|bytes| labels::parse(&bytes)).or(self.passed.labels);
        } else if is_text(path) {
            self.passed.ignored += 1;
        } else {
            match content::of(&content::head(path)) {
                Content::Picture => self.found.push(stamp(path, Kind::Picture)?),
                Content::Tar => self.found.push(stamp(path, Kind::Tar)?),
                Content::Zip => self.found.push(stamp(path, Kind::Zip)?),
                other => self.passed.sort(other, path.display().to_string(), path),
            }
        }
        Ok(())
    }
}

/// Whether a folder with these entries, which are sorted by their names, is that of a run of `tadne train` or `tadne ink`. Pictures may lie in it as well.
/// One of ink that was killed before its first state has nothing but its lock beside the grids.
fn is_run(entries: &[DirEntry]) -> bool {
    let has = |name: &str| entries.binary_search_by_key(&OsString::from(name), DirEntry::file_name).is_ok();
    has(GRIDS) && (has("ink.safetensors") || has("lock") || has("config.json") && has("checkpoints"))
}

/// A picture that cannot be inspected, such as a dangling link, is left to be counted as broken when it is read.
fn stamp(path: &Path, kind: Kind) -> Result<Found, Error> {
    let (bytes, modified) = match path.metadata() {
        Ok(metadata) => {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            (metadata.len(), modified.map_or(0, |time| time.as_nanos()))
        }
        Err(error) if kind != Kind::Picture => return Err(Error::io("inspect", path, CHECK_PERMISSIONS)(error)),
        Err(_) => (0, 0),
    };
    Ok(Found { path: path.to_owned(), kind, bytes, modified })
}

/// Where the bytes of one picture are.
#[derive(Debug)]
pub(crate) enum Item {
    /// A file of its own.
    File(PathBuf),
    /// A stretch of an archive.
    Entry(Entry),
}

impl Item {
    /// What to call it in a message.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Entry(entry) => entry.name(),
        }
    }

    /// Its content; the error is a reason to show.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => {
                let metadata = path.metadata().map_err(|error| error.to_string())?;
                if !metadata.is_file() {
                    return Err("it is no regular file".into()); // reading a named pipe would wait for ever
                }
                containers::check_length(metadata.len())?;
                std::fs::read(path).map_err(|error| error.to_string())
            }
            Self::Entry(entry) => entry.read(),
        }
    }
}

/// Every picture of `files` in their order, archives opened up; what is not one is added to `passed`.
pub(crate) fn items(files: Vec<Found>, passed: &mut Passed, options: &Options) -> Result<Vec<Item>, Error> {
    let (mut items, mut told) = (Vec::new(), 0);
    for file in files {
        match file.kind {
            Kind::Tar => {
                passed.ignored += containers::tar(&file.path, file.bytes, |entry| items.extend(passed.picture(entry)))?;
            }
            Kind::Zip => containers::zip(&file.path, file.bytes, |entry| items.extend(passed.picture(entry)))?,
            Kind::Picture => items.push(Item::File(file.path)),
        }
        if items.len() >= told + TELL_EVERY {
            told = items.len();
            options.tell(Stage::Listing, told, None);
        }
    }
    Ok(items)
}
