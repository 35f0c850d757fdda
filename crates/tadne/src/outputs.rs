//! Files that a command writes when its work is done: what is wrong with their places is said before it begins.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cli::places;
use server::Format;

/// Fails where the file of an option, if it is asked for, could not be written after the work.
///
/// # Errors
/// Its folder is not there or cannot be written into, or it is a folder itself.
pub(crate) fn check(option: &str, path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let parent = folder(path);
    ensure!(parent.is_dir(), "{option} {}: there is no folder {}", path.display(), parent.display());
    ensure!(!path.is_dir(), "{option} {}: it is a folder; name a file", path.display());
    // Of a link, that of the file it leads to.
    let real = place(path).with_context(|| format!("{option} {}", path.display()))?;
    places::check_writable(option, path, folder(&real))
}

/// As [`check`], for a picture: gives the format that its ending names as well.
///
/// # Errors
/// As [`check`], and for any other ending.
pub(crate) fn picture<'a>(option: &str, path: Option<&'a Path>) -> anyhow::Result<Option<(&'a Path, Format)>> {
    check(option, path)?;
    let Some(path) = path else { return Ok(None) };
    let format =
        format_of(path).with_context(|| format!("{option} {}: use {}", path.display(), Format::listed(".")))?;
    Ok(Some((path, format)))
}

/// The format of pictures that a file's ending names.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    path.extension().and_then(|ending| ending.to_str()).and_then(Format::from_extension)
}

/// As [`check`], for a file that must be none of those that are read.
///
/// # Errors
/// As [`check`], and where one of them would be lost.
pub(crate) fn beside(option: &str, path: &Path, read: &[PathBuf]) -> anyhow::Result<()> {
    check(option, Some(path))?;
    let place = place(path).ok();
    let is_read = |file: &PathBuf| place.is_some() && file.canonicalize().ok() == place;
    ensure!(
        !read.iter().any(is_read),
        "{option} {}: that is a file which is read, and would be lost; give another name",
        path.display()
    );
    Ok(())
}

/// Where a file is or will be, without links.
///
/// # Errors
/// Its folder is not there.
pub(crate) fn place(path: &Path) -> io::Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    Ok(folder(path).canonicalize()?.join(path.file_name().unwrap_or_default()))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_refused_first() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| check("--out", Some(path)).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(said(&folder.path().join("a.html")), "");
        assert_eq!(said(Path::new("a.html")), "");
        assert!(check("--out", None).is_ok());
        let taken = said(folder.path());
        assert!(taken.starts_with("--out ") && taken.contains("it is a folder"), "{taken}");
        let nowhere = said(&folder.path().join("none/a.html"));
        assert!(nowhere.starts_with("--out ") && nowhere.contains("there is no folder"), "{nowhere}");
    }

    #[test]
    fn what_is_read_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let [read, other] = ["a", "b"].map(|name| folder.path().join(name));
        std::fs::write(&read, "worth keeping").unwrap();
        let out = |path: &Path| beside("--out", path, std::slice::from_ref(&read)).map_err(|error| error.to_string());
        assert_eq!(out(&other), Ok(()));
        let same = folder.path().join(".").join("a");
        assert!(out(&same).unwrap_err().contains("would be lost"), "{same:?}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&read, &other).unwrap();
            assert!(out(&other).is_err(), "a link to it");
            assert_eq!(place(&other).unwrap(), read.canonicalize().unwrap());
        }
    }

    #[test]
    fn pictures_are_written_as_their_ending_says() {
        assert_eq!(picture("--sheet", None).unwrap(), None);
        let webp = Path::new("a.webp");
        assert_eq!(picture("--sheet", Some(webp)).unwrap(), Some((webp, Format::Webp)));
        for odd in ["a.foo", "a", "a.PNG.txt"] {
            let error = picture("--sheet", Some(Path::new(odd))).unwrap_err().to_string();
            assert_eq!(error, format!("--sheet {odd}: use .png, .webp or .jpg"));
        }
        let nowhere = picture("--sheet", Some(Path::new("no such folder/a.png"))).unwrap_err().to_string();
        assert!(nowhere.contains("there is no folder no such folder"), "{nowhere}");
    }

    #[test]
    fn a_place_is_known_before_its_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("inner")).unwrap();
        assert_eq!(place(&folder.path().join("inner/../a")).unwrap(), real.join("a"));
        assert!(place(&folder.path().join("none/a")).is_err());
    }
}
