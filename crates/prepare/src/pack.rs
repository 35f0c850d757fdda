//! Writing what is kept into tars.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Files, Region};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::error::Error;
use crate::row::Row;
use crate::rules::Rules;
use crate::verdict::Verdict;

/// Pictures of a tar.
const A_TAR: usize = 1000;
/// Pictures encoded at a time, which bounds the memory.
const TURN: usize = 64;
const UNFINISHED: &str = ".unfinished-";
/// What a folder says of its selection, below it.
const SELECTION: &str = "prepare.json";
/// What a folder of another selection has.
const OTHER_RULES: &str = "the rules in its prepare.json are not these";

/// What a folder of tars was made by.
#[derive(Serialize, Deserialize, PartialEq)]
struct Selection {
    rules: Rules,
    /// The hash of the kept pictures' hashes and regions.
    kept: String,
}

/// A tar of a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tar {
    /// Its path below the result, `tars/<name>.tar`.
    pub path: String,
    /// The rows of its pictures, in order.
    pub pictures: Vec<usize>,
}

/// Refuses a folder that holds a selection by other rules, before any file is looked at. Of other files that is known only once they were.
///
/// # Errors
/// It holds one, or cannot be looked into.
pub fn check(folder: &Path, rules: &Rules) -> Result<(), Error> {
    let Some(text) = said(folder)? else { return Ok(()) };
    let there: Option<Selection> = serde_json::from_slice(&text).ok();
    if there.is_some_and(|there| there.rules == *rules) { Ok(()) } else { Err(other(folder, OTHER_RULES)) }
}

/// Makes `folder` this selection's and gives its tars: the kept pictures in the order of their content's hash.
///
/// # Errors
/// The folder holds another selection, or cannot be written.
pub fn tars(
    files: &Files,
    rows: &[Row],
    verdicts: &[Verdict],
    rules: &Rules,
    folder: &Path,
) -> Result<Vec<Tar>, Error> {
    let name = |some: &[usize]| name(files, rows, some);
    let mut kept: Vec<usize> = (0..rows.len()).filter(|&at| verdicts[at].kept()).collect();
    kept.sort_by_key(|&at| rows[at].content);
    claim(folder, &Selection { rules: rules.clone(), kept: name(&kept) })?;
    let tars = folder.join("tars");
    fs::create_dir_all(&tars).map_err(Error::file("make the folder", &tars))?;
    let tar = |some: &[usize]| Tar { path: format!("tars/{}.tar", name(some)), pictures: some.to_vec() };
    Ok(kept.chunks(A_TAR).map(tar).collect())
}

/// The path of the tar that each of so many rows is in, empty for those thrown out.
pub fn places(tars: &[Tar], rows: usize) -> Vec<String> {
    let mut places = vec![String::new(); rows];
    for tar in tars {
        for &at in &tar.pictures {
            places[at].clone_from(&tar.path);
        }
    }
    places
}

/// Writes the tars that [`tars`] gave into `folder`; those that are there stay. `done` is called for each picture that is written or was
/// there.
///
/// # Errors
/// A file cannot be written, a picture has changed since it was looked at, or it was stopped.
pub fn pack(
    files: &Files,
    rows: &[Row],
    tars: &[Tar],
    rules: &Rules,
    folder: &Path,
    stop: &AtomicBool,
    done: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    tidy(folder);
    for tar in tars {
        let path = folder.join(&tar.path);
        if path.exists() {
            for _ in &tar.pictures {
                done();
            }
            continue;
        }
        let pictures: Vec<_> = tar.pictures.iter().map(|&at| (at, rows[at].content)).collect();
        write_tar(files, &pictures, rules, &path, stop, done)?;
    }
    Ok(())
}

/// Writes pictures, each a file's number and the hash of its content, into a tar.
pub(crate) fn write_tar(
    files: &Files,
    pictures: &[(usize, [u8; 32])],
    rules: &Rules,
    path: &Path,
    stop: &AtomicBool,
    done: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    let mut builder = begin(path)?;
    for turn in pictures.chunks(TURN) {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let made: Result<Vec<_>, Error> =
            turn.par_iter().map(|&(at, content)| contents(files, at, content, rules)).collect();
        for (entry, contents) in made? {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, entry, &contents[..]).map_err(Error::file("write", path))?;
            done();
        }
    }
    end(builder, path)
}

type Builder = tar::Builder<BufWriter<NamedTempFile>>;

/// A tar on its way.
fn begin(path: &Path) -> Result<Builder, Error> {
    let file = unfinished(path).map_err(Error::file("write", path))?;
    Ok(tar::Builder::new(BufWriter::new(file)))
}

/// A file on its way, in the same folder, so that it can be renamed.
fn unfinished(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new();
    file.prefix(UNFINISHED);
    // Temporary files are private; this one is for everybody whom the umask lets read it.
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    file.tempfile_in(path.parent().unwrap_or(Path::new(".")))
}

fn end(builder: Builder, path: &Path) -> Result<(), Error> {
    let write = || {
        let file = builder.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(std::io::Error::from)
    };
    write().map_err(Error::file("write", path))
}

/// Takes away what killed processes left among the tars.
pub(crate) fn tidy(folder: &Path) {
    for entry in fs::read_dir(folder.join("tars")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What a folder says of its selection; nothing if it holds none.
fn said(folder: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.join(SELECTION);
    match fs::read(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", &path)(error)),
    }
}

fn other(folder: &Path, what: &str) -> Error {
    Error::Other { folder: folder.to_owned(), what: what.into() }
}

/// Makes the folder this selection's, if it is nobody's yet.
fn claim(folder: &Path, selection: &Selection) -> Result<(), Error> {
    let Some(text) = said(folder)? else {
        fs::create_dir_all(folder).map_err(Error::file("make the folder", folder))?;
        let text = serde_json::to_string_pretty(selection).unwrap_or_default() + "\n";
        return write(&folder.join(SELECTION), text.as_bytes());
    };
    let there: Option<Selection> = serde_json::from_slice(&text).ok();
    match there {
        Some(there) if there == *selection => Ok(()),
        Some(there) if there.rules == selection.rules => Err(other(folder, "the same rules keep other pictures now")),
        _ => Err(other(folder, OTHER_RULES)),
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = unfinished(path)?;
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(std::io::Error::from)
    };
    write().map_err(Error::file("write", path))
}

/// A name that follows from some rows' pictures.
fn name(files: &Files, rows: &[Row], some: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for &at in some {
        hasher.update(&rows[at].content);
        if let Some(Region { left, top, right, bottom }) = files.region(at) {
            for edge in [left, top, right, bottom] {
                hasher.update(&edge.to_le_bytes());
            }
        }
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The name and contents of a picture's entry: the file as it was; or its region, or the square of the wanted size, as WebP without loss.
fn contents(files: &Files, at: usize, content: [u8; 32], rules: &Rules) -> Result<(String, Vec<u8>), Error> {
    let changed = |reason: String| Error::Changed { name: files.name(at), reason };
    let bytes = files.read(at).map_err(Error::file("read", Path::new(&files.name(at))))?;
    if *blake3::hash(&bytes).as_bytes() != content {
        return Err(changed("its content is another".into()));
    }
    let stem = &blake3::Hash::from(content).to_hex()[..32];
    if rules.size.is_none() && files.region(at).is_none() {
        return Ok((format!("{stem}.{}", dataset::extension_of(&bytes)), bytes));
    }
    let picture = files.decode(at, &bytes).map_err(|unread| changed(unread.to_string()))?;
    let square = rules.size.map(|size| picture.square(size, rules.crop()));
    let (width, height) = rules.size.map_or((picture.width, picture.height), |size| (size, size));
    let mut out = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut out);
    encoder
        .encode(square.as_deref().unwrap_or(picture.rgb()), width as u32, height as u32, image_webp::ColorType::Rgb8)
        .map_err(|error| changed(error.to_string()))?;
    Ok((format!("{stem}.webp"), out))
}
