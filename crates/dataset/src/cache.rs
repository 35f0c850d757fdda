//! The file of reduced pictures: written once, then read at offsets, every byte checked.
//!
//! Layout, integers little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic `TADNEPIX` |
//! | 4 | version of this layout and of everything that shapes the pixels |
//! | 4 | side of the pictures in pixels |
//! | 8 | number of pictures |
//! | 8 | bytes of the table |
//! | 32 | key: what the pictures were made of |
//! | 32 | BLAKE3 of the table |
//! | 3 size^2 each | pixels, `[size, size, 3]` |
//! | the rest | the table: for each picture the BLAKE3 of its file (32) and the first bytes of that of its pixels (8); then report and names as JSON |

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use crate::report::Report;
use crate::{Error, positioned};

const MAGIC: &[u8; 8] = b"TADNEPIX";
/// Raise it when the layout, the decoding or the scaling changes, so that old files are made anew.
pub(crate) const VERSION: u32 = 3;
const HEADER: usize = 96;
const RECORD: usize = 40;
const MAKE_ROOM: &str = "free some space, or choose another cache folder";

/// The name of the cache in its folder.
pub(crate) fn file_name(size: usize, key: &blake3::Hash) -> String {
    format!("{size}px-{}.pictures", &key.to_hex()[..16])
}

/// A complete file of reduced pictures.
#[derive(Debug)]
pub(crate) struct CacheFile {
    file: File,
    path: PathBuf,
    picture_bytes: usize,
    checks: Vec<[u8; 8]>,
}

impl CacheFile {
    /// How many pictures it holds.
    pub(crate) fn len(&self) -> usize {
        self.checks.len()
    }

    /// Copies picture `slot` to `out`, which must have the bytes of a picture.
    pub(crate) fn read(&self, slot: usize, out: &mut [u8]) -> Result<(), Error> {
        let damaged = |reason: String| Error::DamagedCache { path: self.path.clone(), slot, reason };
        let offset = HEADER as u64 + slot as u64 * self.picture_bytes as u64;
        positioned::read_exact_at(&self.file, out, offset).map_err(|error| damaged(error.to_string()))?;
        if check(out) == self.checks[slot] { Ok(()) } else { Err(damaged("its checksum is wrong".into())) }
    }

    /// A zeroed buffer for one picture.
    pub(crate) fn buffer(&self) -> Box<[u8]> {
        vec![0; self.picture_bytes].into()
    }
}

fn check(pixels: &[u8]) -> [u8; 8] {
    *blake3::hash(pixels).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// What a usable cache holds besides pixels.
pub(crate) struct Contents {
    pub(crate) file: CacheFile,
    pub(crate) hashes: Vec<blake3::Hash>,
    pub(crate) names: Vec<String>,
    pub(crate) report: Report,
}

/// What follows the records of a table.
#[derive(Serialize, Deserialize)]
struct Words<R> {
    report: R,
    /// Of each picture.
    names: Vec<String>,
}

/// Opens the cache at `path` if it was made for `key` and `size`; `None` if there is none. The error is the reason why
/// it is unusable. The pixels are checked when they are read.
pub(crate) fn open(path: &Path, key: &blake3::Hash, size: usize) -> Result<Option<Contents>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut bytes = [0; HEADER];
    positioned::read_exact_at(&file, &mut bytes, 0).map_err(|_| "it ends within its header")?;
    let header = Header::parse(&bytes)?;
    if header.size as usize != size || header.key != *key.as_bytes() {
        return Err("it was made of other pictures".into());
    }
    let picture_bytes = 3 * size * size;
    let table_start =
        header.count.checked_mul(picture_bytes as u64).and_then(|pixels| pixels.checked_add(HEADER as u64));
    let end = table_start.and_then(|start| start.checked_add(header.table_bytes));
    let (Some(start), true) = (table_start, end == Some(length)) else {
        return Err("it is truncated".into());
    };
    let mut table = vec![0; header.table_bytes as usize];
    positioned::read_exact_at(&file, &mut table, start).map_err(|error| error.to_string())?;
    if *blake3::hash(&table).as_bytes() != header.table_hash {
        return Err("its table is damaged".into());
    }
    let split = (header.count as usize).checked_mul(RECORD).filter(|split| *split <= table.len());
    let (records, json) = table.split_at(split.ok_or("its table is too short")?);
    let Words { report, names } =
        serde_json::from_slice(json).map_err(|error| format!("its report is damaged: {error}"))?;
    if names.len() as u64 != header.count {
        return Err("it names another number of pictures than it holds".into());
    }
    let (records, _) = records.as_chunks::<RECORD>();
    let hashes = records.iter().map(|record| blake3::Hash::from_bytes(field(record, 0))).collect();
    let checks = records.iter().map(|record| field(record, 32)).collect();
    Ok(Some(Contents { file: CacheFile { file, path: path.to_owned(), picture_bytes, checks }, hashes, names, report }))
}

struct Header {
    size: u32,
    count: u64,
    table_bytes: u64,
    key: [u8; 32],
    table_hash: [u8; 32],
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Result<Self, String> {
        if field::<8>(bytes, 0) != *MAGIC {
            return Err("it is no cache of pictures".into());
        }
        let version = u32::from_le_bytes(field(bytes, 8));
        if version != VERSION {
            return Err(format!("it has version {version}, this program reads version {VERSION}"));
        }
        Ok(Self {
            size: u32::from_le_bytes(field(bytes, 12)),
            count: u64::from_le_bytes(field(bytes, 16)),
            table_bytes: u64::from_le_bytes(field(bytes, 24)),
            key: field(bytes, 32),
            table_hash: field(bytes, 64),
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.table_bytes.to_le_bytes());
        bytes.extend(self.key);
        bytes.extend(self.table_hash);
        bytes
    }
}

fn field<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    *bytes[start..].first_chunk().expect("fields lie within their record")
}

/// Writes a cache under a temporary name that becomes the real one when everything is safely on the disk.
pub(crate) struct Writer {
    out: BufWriter<File>,
    /// The temporary and the final name; none for a file that only this process uses.
    names: Option<(TempPath, PathBuf)>,
    size: usize,
    key: [u8; 32],
    table: Vec<u8>,
    checks: Vec<[u8; 8]>,
    picture_names: Vec<String>,
}

impl Writer {
    /// Starts a cache: at a path with a key, or else an unnamed one in the system's temporary folder.
    pub(crate) fn create(target: Option<(&Path, blake3::Hash)>, size: usize) -> Result<Self, Error> {
        let (file, names, key) = if let Some((path, key)) = target {
            let folder = path.parent().unwrap_or(Path::new("."));
            let (file, temporary) = fs::create_dir_all(folder)
                .and_then(|()| tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder))
                .map_err(Error::io("write the cache in", folder, MAKE_ROOM))?
                .into_parts();
            (file, Some((temporary, path.to_owned())), *key.as_bytes())
        } else {
            let folder = std::env::temp_dir();
            let file = tempfile::tempfile_in(&folder).map_err(Error::io("write pictures to", &folder, MAKE_ROOM))?;
            (file, None, [0; 32])
        };
        let out = BufWriter::with_capacity(1 << 20, file);
        let mut writer = Self { out, names, size, key, table: vec![], checks: vec![], picture_names: vec![] };
        writer.out.write_all(&[0; HEADER]).map_err(|error| writer.refused(error))?;
        Ok(writer)
    }

    /// Appends a picture; the writer is lost when that fails.
    pub(crate) fn push(mut self, hash: &blake3::Hash, name: String, pixels: &[u8]) -> Result<Self, Error> {
        self.out.write_all(pixels).map_err(|error| self.refused(error))?;
        let check = check(pixels);
        self.table.extend(hash.as_bytes());
        self.table.extend(check);
        self.checks.push(check);
        self.picture_names.push(name);
        Ok(self)
    }

    /// Completes the file and gives it its name.
    pub(crate) fn finish(mut self, report: &Report) -> Result<CacheFile, Error> {
        if let Err(error) = self.write_table(report) {
            return Err(self.refused(error));
        }
        let shown = self.shown();
        let refused = Error::io("write the cache", &shown, MAKE_ROOM);
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error);
        let named = file.and_then(|file| {
            if let Some((temporary, path)) = self.names {
                file.sync_all()?;
                temporary.persist(&path).map_err(|error| error.error)?;
                sync_folder(&path)?;
            }
            Ok(file)
        });
        let file = named.map_err(refused)?;
        Ok(CacheFile { file, path: shown, picture_bytes: 3 * self.size * self.size, checks: self.checks })
    }

    fn write_table(&mut self, report: &Report) -> io::Result<()> {
        let words = Words { report, names: std::mem::take(&mut self.picture_names) };
        serde_json::to_writer(&mut self.table, &words)?;
        self.out.write_all(&self.table)?;
        let header = Header {
            size: self.size as u32,
            count: self.checks.len() as u64,
            table_bytes: self.table.len() as u64,
            key: self.key,
            table_hash: *blake3::hash(&self.table).as_bytes(),
        };
        self.out.rewind()?;
        self.out.write_all(&header.to_bytes())?;
        self.out.flush()
    }

    fn shown(&self) -> PathBuf {
        self.names.as_ref().map_or_else(std::env::temp_dir, |(_, path)| path.clone())
    }

    fn refused(&self, error: io::Error) -> Error {
        Error::io("write the cache", &self.shown(), MAKE_ROOM)(error)
    }
}

/// Makes a rename last through a power failure; not every system can open a folder, and none loses data by that.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().map(File::open) {
        Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}
