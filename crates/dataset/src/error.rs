//! Everything that can go wrong, each with the place and a way out.

use std::io;
use std::path::{Path, PathBuf};

use crate::report::{Report, Skipped};

/// What to do about a place that the system refuses.
pub(crate) const CHECK_PERMISSIONS: &str = "check its permissions";
/// What to do about a file that ends or fails while it is read.
pub(crate) const CHECK_DISK: &str = "check the disk it lies on";

/// Why a data set could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside its range.
    #[error("the data option {option} is {value}; allowed is {allowed}")]
    Option {
        /// Name of the field of [`Options`](crate::Options).
        option: &'static str,
        /// The value given.
        value: String,
        /// The values possible.
        allowed: &'static str,
    },
    /// No source was given.
    #[error("no training data given; name a folder, a tar or a pattern such as 'faces-*.tar'")]
    NoSource,
    /// An argument names nothing that exists.
    #[error("there is no {}; check the spelling, relative paths start at {}", .path.display(), current_folder())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// A pattern is malformed.
    #[error("the pattern '{pattern}' cannot be understood: {reason}; use * ? [abc] and ** as in a shell")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// A pattern matches nothing.
    #[error(
        "nothing matches the pattern '{pattern}'; check the spelling, relative paths start at {}",
        current_folder()
    )]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// A file is no picture and no tar or zip.
    #[error("{} is no picture and no tar or zip ({reason}); give a folder, a tar, a zip or a picture (WebP, JPEG, PNG, GIF or BMP)", .path.display())]
    NotATar {
        /// The file.
        path: PathBuf,
        /// Why it cannot be one.
        reason: String,
    },
    /// A file holds no picture that can be read.
    #[error("{} cannot be used as a picture: {reason}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A tar is damaged or incomplete.
    #[error("the tar {} is damaged after {entries} entries ({reason}); copy or download it again", .path.display())]
    BrokenTar {
        /// The file.
        path: PathBuf,
        /// How many entries could be read.
        entries: usize,
        /// What is wrong.
        reason: String,
    },
    /// An archive ends before a file that its table of contents had.
    #[error("the archive {} has changed since it was listed: it ends within {entry}; list it again", .path.display())]
    Shortened {
        /// The archive.
        path: PathBuf,
        /// A file in it.
        entry: String,
    },
    /// A path cannot travel to another process.
    #[error("the name of {} is no Unicode text, so other machines cannot be told of it; rename it", .path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
    /// A zip is damaged, incomplete, encrypted or compressed in an unusual way.
    #[error("the zip {} cannot be read after {entries} entries ({reason}); copy or download it again, or unpack it", .path.display())]
    BrokenZip {
        /// The file.
        path: PathBuf,
        /// How many entries could be read.
        entries: usize,
        /// What is wrong.
        reason: String,
    },
    /// The labels that [`Options::labels`](crate::Options::labels) names cannot be used; the reason says why.
    #[error("the labels from {from} cannot be used: {reason}")]
    Labels {
        /// `folders`, or a file.
        from: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}; {advice}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Not one picture is left to train on.
    #[error("no pictures to train on in {sources}: {}", why_empty(.report, *.shortest_side, *.validation))]
    Empty {
        /// The arguments.
        sources: String,
        /// The smallest side allowed, in pixels.
        shortest_side: usize,
        /// Pictures that were held back.
        validation: usize,
        /// What was found.
        report: Box<Report>,
    },
    /// Too many pictures are unreadable.
    #[error("{} of {total} pictures are unreadable, more than the {:.1} % allowed; the first are:{}\ndelete or replace them, or allow more with --max-broken {:.2}", .report.broken.len(), 100.0 * .allowed, listed(&.report.broken), enough(.report))]
    TooManyBroken {
        /// Pictures in the data set.
        total: usize,
        /// The share of `total` that is allowed, 0 to 1.
        allowed: f32,
        /// What was found, with all of them.
        report: Box<Report>,
    },
    /// The file of reduced pictures changed while it was in use.
    #[error("picture {slot} in the cache {} is damaged: {reason}; start again, the cache is then made anew", .path.display())]
    DamagedCache {
        /// The file.
        path: PathBuf,
        /// Which record.
        slot: usize,
        /// What is wrong.
        reason: String,
    },
    /// An index is outside the data set.
    #[error("there is no {side} picture {index}; they are numbered from 0 and there are {len}")]
    OutOfRange {
        /// `training` or `validation`.
        side: &'static str,
        /// The index asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] with the place and the way out.
    pub(crate) fn io(action: &'static str, path: &Path, advice: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, advice, source }
    }
}

fn current_folder() -> String {
    std::env::current_dir().map_or_else(|_| "the current folder".into(), |folder| folder.display().to_string())
}

/// How many pictures an error names.
const EXAMPLES: usize = 5;

fn listed(skipped: &[Skipped]) -> String {
    let mut list =
        skipped.iter().take(EXAMPLES).fold(String::new(), |list, picture| list + "\n  " + &picture.to_string());
    if skipped.len() > EXAMPLES {
        list.push_str("\n  ...");
    }
    list
}

/// The share of unreadable pictures, rounded up to what can be typed.
fn enough(report: &Report) -> f64 {
    (100.0 * report.broken.len() as f64 / report.read.max(1) as f64).ceil() / 100.0
}

/// Why nothing is left, with examples and a way out for each reason.
fn why_empty(report: &Report, shortest_side: usize, validation: usize) -> String {
    let Report { read, broken, tiny, oblong, foreign, archives, grids, ignored, .. } = report;
    if validation == 1 && *read == 1 {
        return "the only picture was held back for validation (a twentieth of all pictures is, chosen by their content); \
                one picture teaches nothing, so add others"
            .into();
    }
    let mut text = format!("{read} picture files found, {} unreadable", broken.len());
    let mut tell = |count: usize, what: String| {
        if count > 0 {
            text.extend([", ", &count.to_string(), " ", &what]);
        }
    };
    tell(tiny.len(), format!("with a side below {shortest_side} pixels"));
    tell(oblong.len(), "too long for their width".into());
    for (format, names) in foreign {
        tell(names.len(), format!("{format}, which is not read"));
    }
    tell(validation, "held back for validation".into());
    tell(archives.len(), "archives not opened".into());
    tell(grids.len(), "folders of runs' grids left out".into());
    tell(*ignored, "other files ignored".into());
    for list in [broken, tiny, oblong, archives] {
        text += &listed(list);
    }
    let ways = [
        // Not every command has a size to choose.
        (!tiny.is_empty(), "take small pictures with --min-side, which enlarges them, or name larger ones"),
        (!foreign.is_empty(), "convert the other formats to PNG, JPEG or WebP"),
        (!archives.is_empty(), "unpack the archives"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|way| way.0).map(|way| way.1).collect();
    if ways.is_empty() { text + "; name other data" } else { text + "\n" + &ways.join("; ") }
}
