//! Work for many machines that see the same folders: a file says what a shard is, and another, or a tar, is what comes of it. Either
//! appears whole, so a shard is done once, by whomever, and again by nobody.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::Duration;

use dataset::{Files, Place};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::face::{Detector, Open};
use crate::pack::{self, Tar};
use crate::row::Row;
use crate::rules::Rules;
use crate::survey::look;

/// Where shards are, below the result.
const FOLDER: &str = "shards";
/// Pauses before files that could not be read are read again: disks of other machines are away for moments.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// What a shard is.
#[derive(Serialize, Deserialize)]
enum Task {
    /// Files to look at.
    Look {
        rules: Rules,
        places: Vec<Place>,
        /// The file of the detector that the rules speak of; absolute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detector: Option<PathBuf>,
    },
    /// Pictures for a tar, with the hashes of their contents.
    Pack { rules: Rules, places: Vec<Place>, contents: Vec<String>, tar: PathBuf },
}

/// What was done about a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its files.
    pub files: u64,
    /// The bytes that were read; none if all was there.
    pub bytes: Option<u64>,
}

/// Shards of one kind.
#[derive(Clone, Debug)]
pub struct Shards {
    folder: PathBuf,
    count: u64,
}

impl Shards {
    /// Cuts files that are to be looked at into shards of so many, at least one, whose rows come below `out`, and writes down what each is.
    /// Where the same files were begun with rules that ask for the same measures, shards are the same, and rows that are there stay.
    ///
    /// # Errors
    /// A file cannot be written, or has a name that cannot travel.
    pub fn of_files(
        files: &Files,
        rules: &Rules,
        detector: Option<&Detector>,
        out: &Path,
        a_shard: usize,
    ) -> Result<Self, Error> {
        let a_shard = a_shard.max(1);
        let detector = detector.map(|detector| std::path::absolute(&detector.path)).transpose();
        let detector = detector.map_err(Error::file("find", out))?;
        if let Some(path) = detector.as_ref().filter(|path| path.to_str().is_none()) {
            return Err(dataset::Error::NotText { path: path.clone() }.into());
        }
        // All that rows depend on, and where each shard says that the detector is: one that was moved is found by new shards.
        let rule = (rules.min_side, rules.max_aspect, &rules.crop, &rules.faces);
        let about = (env!("CARGO_PKG_VERSION"), rule, a_shard, &detector);
        let mut key = blake3::Hasher::new();
        key.update(&files.state()).update(format!("{about:?}").as_bytes());
        for number in 0..files.len() {
            key.update(files.name(number).as_bytes()).update(format!("\0{:?}\0", files.region(number)).as_bytes());
        }
        let tasks = (0..files.len()).step_by(a_shard).map(|first| {
            let places = files.places(first..files.len().min(first + a_shard))?;
            Ok(Task::Look { rules: rules.clone(), places, detector: detector.clone() })
        });
        Self::begin(out, &key, tasks)
    }

    /// Makes a shard of each tar that is not there yet.
    ///
    /// # Errors
    /// A file cannot be written, or has a name that cannot travel.
    pub fn of_tars(files: &Files, rows: &[Row], tars: &[Tar], rules: &Rules, out: &Path) -> Result<Self, Error> {
        let out = std::path::absolute(out).map_err(Error::file("find", out))?;
        let missing: Vec<&Tar> = tars.iter().filter(|tar| !out.join(&tar.path).exists()).collect();
        let mut key = blake3::Hasher::new();
        key.update(&files.state()).update(format!("tars {rules:?}\0").as_bytes());
        // Each shard says where its tar belongs: a folder that was moved is written to by new shards.
        key.update(out.as_os_str().as_encoded_bytes()).update(b"\0");
        for tar in &missing {
            key.update(tar.path.as_bytes());
        }
        let tasks = missing.into_iter().map(|tar| {
            let places = tar.pictures.iter().map(|&at| files.places(at..at + 1)).collect::<Result<Vec<_>, _>>()?;
            let contents = tar.pictures.iter().map(|&at| blake3::Hash::from(rows[at].content).to_hex().to_string());
            Ok(Task::Pack {
                rules: rules.clone(),
                places: places.concat(),
                contents: contents.collect(),
                tar: out.join(&tar.path),
            })
        });
        Self::begin(&out, &key, tasks)
    }

    fn begin(
        out: &Path,
        key: &blake3::Hasher,
        tasks: impl ExactSizeIterator<Item = Result<Task, Error>>,
    ) -> Result<Self, Error> {
        let out = std::path::absolute(out).map_err(Error::file("find", out))?;
        let folder = out.join(FOLDER).join(&key.finalize().to_hex()[..32]);
        fs::create_dir_all(&folder).map_err(Error::file("make the folder", &folder))?;
        let count = tasks.len() as u64;
        for (number, task) in (0..).zip(tasks) {
            let path = task_file(&folder, number);
            if !path.exists() {
                write(&path, &task?)?;
            }
        }
        Ok(Self { folder, count })
    }

    /// Where they are, for [`do_shard`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of those that look at files are done.
    pub fn looked(&self) -> u64 {
        (0..self.count).filter(|&number| rows_file(&self.folder, number).exists()).count() as u64
    }

    /// The rows of all files, once all shards of [`Shards::of_files`] are done. A file that could not be read there is looked at here.
    ///
    /// # Errors
    /// A shard is not done; or its rows are damaged, and then they are taken away.
    pub fn rows(&self, files: &Files, rules: &Rules, detector: Option<&Detector>) -> Result<Vec<Row>, Error> {
        let shards: Vec<Result<Vec<Row>, Error>> =
            (0..self.count).into_par_iter().map(|number| read(&rows_file(&self.folder, number), true)).collect();
        // Of several that cannot be read the first one is named, every time.
        let rows: Vec<Row> = shards.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        if rows.len() != files.len() {
            let reason = format!("there are {} rows for {} files", rows.len(), files.len());
            self.remove();
            return Err(Error::file("read", &self.folder)(reason));
        }
        let named = |(number, row): (usize, Row)| {
            if row.unread() { look(files, number, rules, detector) } else { Row { name: files.name(number), ..row } }
        };
        Ok(rows.into_par_iter().enumerate().map(named).collect())
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Takes away all shards of a result, once it is there, and what killed processes left.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn clear(out: &Path) -> Result<(), Error> {
        pack::tidy(out);
        let folder = out.join(FOLDER);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", &folder)(error)),
            _ => Ok(()),
        }
    }
}

/// Does a shard, on this thread, if nobody has; `open` opens the detector, if the rules ask for one.
///
/// # Errors
/// This machine does not see the folder of shards, the detector, or a folder that pictures are in; a file cannot be written; an archive or the detector cannot be
/// opened; or a picture for a tar has changed.
pub fn do_shard(folder: &Path, number: u64, open: &Open<'_>) -> Result<Done, Error> {
    if !folder.is_dir() {
        return Err(Error::Unseen(folder.to_owned()));
    }
    match read(&task_file(folder, number), false)? {
        Task::Look { rules, places, detector } => {
            let (path, count) = (rows_file(folder, number), places.len() as u64);
            if path.exists() {
                return Ok(Done { files: count, bytes: None });
            }
            let detector = match (detector, &rules.faces) {
                (Some(path), _) if !path.exists() => return Err(Error::Unseen(path)),
                (Some(path), Some(faces)) => match open(&path, faces) {
                    Ok(find) => Some(Detector { path, find }),
                    Err(reason) => return Err(Error::Detector { path, reason }),
                },
                _ => None,
            };
            let rows = look_at(&places, &rules, detector.as_ref())?;
            write(&path, &rows)?;
            Ok(Done { files: count, bytes: Some(rows.iter().map(|row| row.bytes).sum()) })
        }
        Task::Pack { rules, places, contents, tar } => {
            let count = places.len() as u64;
            if tar.exists() {
                return Ok(Done { files: count, bytes: None });
            }
            if let Some(folder) = tar.parent().filter(|folder| !folder.is_dir()) {
                return Err(Error::Unseen(folder.to_owned()));
            }
            let wrong = |error: blake3::HexError| Error::file("read", &task_file(folder, number))(error);
            let hashes = contents.iter().map(|hash| blake3::Hash::from_hex(hash).map(Into::into).map_err(wrong));
            let pictures = hashes.enumerate().map(|(at, hash)| Ok((at, hash?)));
            let pictures = pictures.collect::<Result<Vec<_>, Error>>()?;
            pack::write_tar(&Files::at(places)?, &pictures, &rules, &tar, &AtomicBool::new(false), &|| ())?;
            Ok(Done { files: count, bytes: Some(tar.metadata().map_err(Error::file("read", &tar))?.len()) })
        }
    }
}

/// Looks at files, and after a pause again at those that could not be read.
fn look_at(places: &[Place], rules: &Rules, detector: Option<&Detector>) -> Result<Vec<Row>, Error> {
    let files = Files::at(places.to_vec())?;
    let mut rows: Vec<Row> = (0..files.len()).map(|at| look(&files, at, rules, detector)).collect();
    for pause in PAUSES {
        let unread: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].unread()).collect();
        if unread.is_empty() {
            break;
        }
        // A folder that is not there where others listed pictures in it is no matter of these files.
        let folders = unread.iter().filter_map(|&at| places[at].path().parent());
        if let Some(folder) = folders.into_iter().find(|folder| !folder.is_dir()) {
            return Err(Error::Unseen(folder.to_owned()));
        }
        sleep(pause);
        for at in unread {
            rows[at] = look(&files, at, rules, detector);
        }
    }
    Ok(rows)
}

fn task_file(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.task"))
}

fn rows_file(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.rows"))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    pack::write(path, &serde_json::to_vec(value).map_err(Error::file("write", path))?)
}

/// Reads a file; one that makes no sense goes away if `mend`, so that it is made anew.
fn read<T: DeserializeOwned>(path: &Path, mend: bool) -> Result<T, Error> {
    let text = fs::read(path).map_err(Error::file("read", path))?;
    serde_json::from_slice(&text).map_err(|error| {
        if mend {
            let _ = fs::remove_file(path);
        }
        Error::file("read", path)(error)
    })
}
