//! Where an archive lies: a folder, or a bucket by `object_store`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use crate::error::Error;

/// The folder or bucket of an archive. Files appear in it whole or not at all.
#[derive(Debug)]
pub struct Target(Place);

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Bucket { objects: Box<dyn ObjectStore>, folder: object_store::path::Path, runtime: Runtime },
}

fn failed(action: &'static str, path: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::File { action, path: path.to_owned(), reason: reason.to_string() }
}

/// Where the record of a shard is.
pub(crate) fn record_path(shard: &str) -> String {
    format!("records/{shard}.jsonl")
}

const UNFINISHED: &str = ".unfinished-";

/// Files on their way to their place lie here: in one folder a shard, so that what a killed process left is found.
fn staging(root: &Path, shard: &str) -> PathBuf {
    root.join("records").join(format!("{UNFINISHED}{shard}"))
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
        if !place.contains("://") {
            return Ok(Self(Place::Folder(place.into())));
        }
        let url = url::Url::parse(place).map_err(|error| wrong(error.to_string()))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| wrong("it names no folder of this computer".into()))?;
            return Ok(Self(Place::Folder(path)));
        }
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, folder) =
            object_store::parse_url_opts(&url, options).map_err(|error| wrong(error.to_string()))?;
        let runtime = Runtime::new().map_err(|error| wrong(error.to_string()))?;
        Ok(Self(Place::Bucket { objects, folder, runtime }))
    }

    /// Takes away what processes left that were killed between a shard's record and the end of its work.
    ///
    /// # Errors
    /// A folder is there that cannot be read.
    pub fn tidy(&self) -> Result<(), Error> {
        let Place::Folder(root) = &self.0 else { return Ok(()) };
        let records = match fs::read_dir(root.join("records")) {
            Ok(records) => records,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("read", "records", &error)),
        };
        for entry in records.flatten() {
            let name = entry.file_name();
            let shard = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
            if shard.is_some_and(|shard| root.join(record_path(shard)).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Makes ready for a shard's files.
    pub(crate) fn begin(&self, shard: &str) -> Result<(), Error> {
        let Place::Folder(root) = &self.0 else { return Ok(()) };
        let staging = staging(root, shard);
        fs::create_dir_all(&staging).map_err(|error| failed("make the folder", &staging.to_string_lossy(), &error))
    }

    /// A file to write into, for [`Target::put_file`].
    pub(crate) fn draft(&self, shard: &str) -> Result<NamedTempFile, Error> {
        match &self.0 {
            Place::Folder(root) => temporary(&staging(root, shard)),
            Place::Bucket { .. } => NamedTempFile::new(),
        }
        .map_err(|error| failed("write", shard, &error))
    }

    /// Puts a file of a shard in its place.
    pub(crate) fn put(&self, shard: &str, path: &str, contents: &Bytes) -> Result<(), Error> {
        match &self.0 {
            Place::Folder(root) => {
                let write = || {
                    let mut file = temporary(&staging(root, shard))?;
                    file.write_all(contents)?;
                    place(file, &root.join(path))
                };
                write().map_err(|error| failed("write", path, &error))
            }
            Place::Bucket { objects, folder, runtime } => {
                let whole = below(folder, path);
                let put = objects.put(&whole, contents.clone().into());
                runtime.block_on(put).map(drop).map_err(|error| failed("write", path, &error))
            }
        }
    }

    /// Puts a drafted file of a shard in its place.
    pub(crate) fn put_file(&self, shard: &str, path: &str, file: NamedTempFile) -> Result<(), Error> {
        match &self.0 {
            Place::Folder(root) => place(file, &root.join(path)).map_err(|error| failed("write", path, &error)),
            Place::Bucket { .. } => {
                let contents = fs::read(file.path()).map_err(|error| failed("read", path, &error))?;
                self.put(shard, path, &contents.into())
            }
        }
    }

    /// A file, if it is there.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Bytes>, Error> {
        match &self.0 {
            Place::Folder(root) => match fs::read(root.join(path)) {
                Ok(contents) => Ok(Some(contents.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed("read", path, &error)),
            },
            Place::Bucket { objects, folder, runtime } => {
                let whole = below(folder, path);
                match runtime.block_on(async { objects.get(&whole).await?.bytes().await }) {
                    Ok(contents) => Ok(Some(contents)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(failed("read", path, &error)),
                }
            }
        }
    }

    /// Ends the work on a shard: its files are durable before its record says so.
    pub(crate) fn finish(&self, shard: &str, paths: &[String], record: Option<String>) -> Result<(), Error> {
        if let Place::Folder(root) = &self.0 {
            let mut folders: Vec<&Path> = paths.iter().filter_map(|path| Path::new(path).parent()).collect();
            folders.sort_unstable();
            folders.dedup();
            // Not every system can open a folder.
            folders
                .iter()
                .filter_map(|folder| File::open(root.join(folder)).ok())
                .for_each(|folder| drop(folder.sync_all()));
        }
        if let Some(record) = record {
            self.put(shard, &record_path(shard), &record.into())?;
        }
        if let Place::Folder(root) = &self.0 {
            let _ = fs::remove_dir_all(staging(root, shard));
        }
        Ok(())
    }
}

fn below(folder: &object_store::path::Path, path: &str) -> object_store::path::Path {
    path.split('/').fold(folder.clone(), |folder, part| folder.join(part))
}
