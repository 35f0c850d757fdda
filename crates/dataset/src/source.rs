//! From command-line arguments to places where pictures are.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::content::{self, Content};
use crate::error::CHECK_PERMISSIONS;
use crate::names::is_picture;

/// One place with pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, with everything below it.
    Folder(PathBuf),
    /// An uncompressed tar.
    Tar(PathBuf),
    /// A zip, as StyleGAN's dataset tool writes it or any other.
    Zip(PathBuf),
    /// A single picture.
    Picture(PathBuf),
}

impl Source {
    /// Turns arguments into sources, in the order given; patterns expand alphabetically. An argument that exists
    /// under its literal name is not taken for a pattern. A place named twice counts once.
    ///
    /// # Errors
    /// Names the argument that is missing, malformed, unreadable or matches nothing.
    pub fn parse<P: AsRef<Path>>(arguments: &[P]) -> Result<Vec<Self>, Error> {
        if arguments.is_empty() {
            return Err(Error::NoSource);
        }
        let mut sources: Vec<Self> = Vec::new();
        for argument in arguments {
            for path in expand(argument.as_ref())? {
                let path = path.canonicalize().map_err(Error::io("open", &path, CHECK_PERMISSIONS))?;
                let source = Self::of(path);
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Tar(path) | Self::Zip(path) | Self::Picture(path) => path,
        }
    }

    fn of(path: PathBuf) -> Self {
        if path.is_dir() {
            Self::Folder(path)
        } else if is_picture(&path) {
            Self::Picture(path)
        } else {
            match content::of(&content::head(&path)) {
                Content::Zip => Self::Zip(path),
                Content::Picture | Content::Foreign(_) => Self::Picture(path),
                // Why it is none is said when it is opened.
                _ => Self::Tar(path),
            }
        }
    }
}

fn expand(argument: &Path) -> Result<Vec<PathBuf>, Error> {
    if argument.exists() {
        return Ok(vec![argument.to_owned()]);
    }
    let pattern = argument.to_string_lossy();
    if !pattern.contains(['*', '?', '[']) {
        return Err(Error::Missing { path: argument.to_owned() });
    }
    let matches = glob::glob(&pattern)
        .map_err(|error| Error::Pattern { pattern: pattern.to_string(), reason: error.to_string() })?;
    let paths = matches
        .map(|path| {
            path.map_err(|error| {
                let path = error.path().to_owned();
                Error::io("look into", &path, CHECK_PERMISSIONS)(error.into())
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() { Err(Error::NoMatch { pattern: pattern.into_owned() }) } else { Ok(paths) }
}
