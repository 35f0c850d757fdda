//! Where an archive lies: a folder, or a bucket by `object_store`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use server::ArchiveKind;
use server::record::Record;
use tempfile::NamedTempFile;

use crate::bucket::Bucket;
use crate::error::{Error, failed};

/// The folder or bucket of an archive. Files appear in it whole or not at all.
#[derive(Debug)]
pub struct Target {
    place: Place,
    /// As it was given.
    named: String,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// Where the record of a shard is.
pub(crate) fn record_path(shard: &str) -> String {
    format!("{}/{shard}{}", Record::FOLDER, Record::ENDING)
}

const UNFINISHED: &str = ".unfinished-";
/// What is unfinished for so long was left by a process that was killed.
const LEFT: Duration = Duration::from_hours(24);

/// Files on their way to their place lie here: in one folder a shard, so that what a killed process left is found.
fn staging(root: &Path, shard: &str) -> PathBuf {
    root.join(Record::FOLDER).join(format!("{UNFINISHED}{shard}"))
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Temporary files are private; these are for everybody whom the umask lets read them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Moves a file to its place, making the folders above where they are missing.
fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    match file.persist(path) {
        Err(error) if error.error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            error.file.persist(path)?;
        }
        other => drop(other?),
    }
    Ok(())
}

/// What a file system says about a file that may be missing.
fn there<T>(result: io::Result<T>, path: &str) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

impl Target {
    /// A folder's path, `file:///folder`, or the address of a bucket, with the credentials that the environment has.
    ///
    /// # Errors
    /// It is none of these, or a scheme that the program was not built for.
    pub fn open(place: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Place { place: place.to_owned(), reason };
        if place.is_empty() {
            return Err(wrong("it is empty".into()));
        }
        let named = place.to_owned();
        if !place.contains("://") {
            return Ok(Self { place: Place::Folder(place.into()), named });
        }
        let url = url::Url::parse(place).map_err(|error| wrong(error.to_string()))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| wrong("it names no folder of this computer".into()))?;
            return Ok(Self { place: Place::Folder(path), named });
        }
        Ok(Self { place: Place::Bucket(Bucket::open(&url).map_err(wrong)?), named })
    }

    /// The folder, where it is none of a bucket. It need not be there.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(root) => Some(root),
            Place::Bucket(_) => None,
        }
    }

    /// Makes the place an archive of this kind, if it is none yet.
    ///
    /// # Errors
    /// It is an archive of another kind; [`Error::Place`] where it cannot be read or written.
    pub fn claim(&self, kind: &ArchiveKind) -> Result<(), Error> {
        // Somebody else may be faster; then it is looked at again.
        while !self.check(kind)? {
            if self.create(ArchiveKind::FILE, &kind.to_text().into()).map_err(|error| self.unfit(error))? {
                break;
            }
        }
        Ok(())
    }

    /// As [`Target::is`], for whoever has made nothing yet: says what [`Target::claim`] would, and makes nothing.
    ///
    /// # Errors
    /// As [`Target::is`]; a place that cannot be read is [`Error::Place`].
    pub fn check(&self, kind: &ArchiveKind) -> Result<bool, Error> {
        self.is(kind).map_err(|error| self.unfit(error))
    }

    /// A file that keeps the place from being an archive at all, so that running the same command again would not help.
    fn unfit(&self, error: Error) -> Error {
        match error {
            Error::File { action, path, reason } => {
                Error::Place { place: self.named.clone(), reason: format!("cannot {action} {path} there ({reason})") }
            }
            other => other,
        }
    }

    /// Whether the place is an archive of this kind; not if it is no archive.
    ///
    /// # Errors
    /// It is an archive of another kind, or cannot be read.
    pub fn is(&self, kind: &ArchiveKind) -> Result<bool, Error> {
        let Some(text) = self.get(ArchiveKind::FILE)? else { return Ok(false) };
        let there = ArchiveKind::parse(&text).map_err(Error::Kind)?;
        if let Some(reason) = there.mismatch(kind) {
            return Err(Error::Kind(reason));
        }
        if there.size != kind.size {
            let size = |size: Option<u16>| size.map_or("the model's own size".into(), |size| format!("size {size}"));
            return Err(Error::Kind(format!("its pictures have {}, not {}", size(there.size), size(kind.size))));
        }
        Ok(true)
    }

    /// Puts a small file where none is; whether there was none.
    fn create(&self, path: &str, contents: &Bytes) -> Result<bool, Error> {
        let root = match &self.place {
            Place::Folder(root) => root,
            Place::Bucket(bucket) => return bucket.create(path, contents),
        };
        self.begin(path)?;
        let write = || {
            let mut file = temporary(&staging(root, path))?;
            file.write_all(contents)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(root.join(path)).map_err(io::Error::from)
        };
        let written = write();
        match written {
            Ok(_) => {
                self.clear(path);
                Ok(true)
            }
            // Somebody else was faster, and may have taken the unfinished file away.
            Err(_) if root.join(path).exists() => Ok(false),
            Err(error) => Err(failed("write", path, &error)),
        }
    }

    /// Takes away what processes left that were killed: of what somebody finished since, and what is a day old.
    ///
    /// # Errors
    /// A folder is there that cannot be read.
    pub fn tidy(&self) -> Result<(), Error> {
        let Place::Folder(root) = &self.place else { return Ok(()) };
        for entry in there(fs::read_dir(root.join(Record::FOLDER)), Record::FOLDER)?.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(shard) = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED)) else { continue };
            let modified = |of: io::Result<fs::Metadata>| of.ok()?.modified().ok();
            let begun = modified(entry.metadata());
            let is_over = if shard == ArchiveKind::FILE {
                root.join(shard).exists()
            } else {
                // A record that is older than what is unfinished says nothing: the shard is being made again.
                begun.is_some() && modified(fs::metadata(root.join(record_path(shard)))) >= begun
            };
            if is_over || begun.and_then(|begun| begun.elapsed().ok()).is_some_and(|age| age > LEFT) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Makes ready for a shard's files.
    pub(crate) fn begin(&self, shard: &str) -> Result<(), Error> {
        let root = match &self.place {
            Place::Folder(root) => root,
            // Of a shard before, which did not succeed: its files are on their way, and nobody waits for them.
            Place::Bucket(bucket) => return bucket.settle().or(Ok(())),
        };
        let staging = staging(root, shard);
        fs::create_dir_all(&staging).map_err(|error| failed("make the folder", &staging.to_string_lossy(), &error))
    }

    /// A file to write into, for [`Target::put_file`].
    pub(crate) fn draft(&self, shard: &str) -> Result<NamedTempFile, Error> {
        match &self.place {
            Place::Folder(root) => temporary(&staging(root, shard)),
            Place::Bucket(_) => NamedTempFile::new(),
        }
        .map_err(|error| failed("write", shard, &error))
    }

    /// Puts a file of a shard in its place, at [`Target::finish`] at the latest.
    pub(crate) fn put(&self, shard: &str, path: &str, contents: &Bytes) -> Result<(), Error> {
        match &self.place {
            Place::Folder(root) => {
                let write = || {
                    let mut file = temporary(&staging(root, shard))?;
                    file.write_all(contents)?;
                    place(file, &root.join(path))
                };
                write().map_err(|error| failed("write", path, &error))
            }
            Place::Bucket(bucket) => bucket.send(path, contents),
        }
    }

    /// Puts a drafted file in its place.
    pub(crate) fn put_file(&self, path: &str, file: NamedTempFile) -> Result<(), Error> {
        match &self.place {
            Place::Folder(root) => place(file, &root.join(path)).map_err(|error| failed("write", path, &error)),
            Place::Bucket(bucket) => {
                let open = File::open(file.path()).map_err(|error| failed("read", path, &error))?;
                bucket.put_file(path, &open)
            }
        }
    }

    /// A file, if it is there.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Bytes>, Error> {
        match &self.place {
            Place::Folder(root) => Ok(there(fs::read(root.join(path)), path)?.map(Bytes::from)),
            Place::Bucket(bucket) => bucket.get(path),
        }
    }

    /// How long a file is, and its BLAKE3 hash, if it is there; of large ones only a piece is in memory at a time.
    pub(crate) fn digest(&self, path: &str) -> Result<Option<(u64, blake3::Hash)>, Error> {
        let root = match &self.place {
            Place::Folder(root) => root,
            Place::Bucket(bucket) => return bucket.digest(path),
        };
        let read = || {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(root.join(path))?)?;
            Ok((hasher.count(), hasher.finalize()))
        };
        there(read(), path)
    }

    /// The last bytes of a file, if it is there.
    pub(crate) fn tail(&self, path: &str, bytes: u64) -> Result<Option<Bytes>, Error> {
        let root = match &self.place {
            Place::Folder(root) => root,
            Place::Bucket(bucket) => return bucket.tail(path, bytes),
        };
        let read = || {
            let mut file = File::open(root.join(path))?;
            let start = file.metadata()?.len().saturating_sub(bytes);
            file.seek(SeekFrom::Start(start))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        Ok(there(read(), path)?.map(Bytes::from))
    }

    /// The names of the shards that have a record, in order.
    ///
    /// # Errors
    /// The records cannot be listed.
    pub fn shards(&self) -> Result<Vec<String>, Error> {
        let names = match &self.place {
            Place::Folder(root) => {
                let entries = there(fs::read_dir(root.join(Record::FOLDER)), Record::FOLDER)?.into_iter().flatten();
                let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
                entries
                    .map(name)
                    .collect::<io::Result<Vec<_>>>()
                    .map_err(|error| failed("read", Record::FOLDER, &error))?
            }
            Place::Bucket(bucket) => bucket.list(Record::FOLDER)?,
        };
        let mut shards: Vec<_> =
            names.iter().filter_map(|name| name.strip_suffix(Record::ENDING)).map(str::to_owned).collect();
        shards.sort_unstable();
        Ok(shards)
    }

    /// Ends the work on a shard: its files are durable before its record says so.
    pub(crate) fn finish(&self, shard: &str, paths: &[String], record: Option<String>) -> Result<(), Error> {
        match &self.place {
            Place::Bucket(bucket) => {
                bucket.settle()?;
                record.map_or(Ok(()), |record| bucket.put(&record_path(shard), &record.into()))
            }
            Place::Folder(root) => {
                let mut folders: Vec<&Path> = paths.iter().filter_map(|path| Path::new(path).parent()).collect();
                folders.sort_unstable();
                folders.dedup();
                // Not every system can open a folder.
                folders
                    .iter()
                    .filter_map(|folder| File::open(root.join(folder)).ok())
                    .for_each(|folder| drop(folder.sync_all()));
                if let Some(record) = record {
                    self.put(shard, &record_path(shard), &record.into())?;
                }
                self.clear(shard);
                Ok(())
            }
        }
    }

    /// Takes away the unfinished files of a shard, or of another file by its name, that is in its place: processes that were killed
    /// left theirs.
    pub(crate) fn clear(&self, shard: &str) {
        if let Place::Folder(root) = &self.place {
            let _ = fs::remove_dir_all(staging(root, shard));
        }
    }

    /// Ends the work on a shard that was not finished: what is in its place stays.
    pub(crate) fn leave(&self, shard: &str) {
        match &self.place {
            Place::Bucket(bucket) => drop(bucket.settle()),
            // Empty, unless somebody else is at it.
            Place::Folder(root) => drop(fs::remove_dir(staging(root, shard))),
        }
    }
}
