//! Files that a command writes when its work is done: what is wrong with their places is said before it begins.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use server::Format;

/// Fails where the file of an option, if it is asked for, could not be written after the work.
///
/// # Errors
/// Its folder is not there, or it is a folder itself.
pub(crate) fn check(option: &str, path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let folder = folder(path);
    ensure!(folder.is_dir(), "{option} {}: there is no folder {}", path.display(), folder.display());
    ensure!(!path.is_dir(), "{option} {}: it is a folder; name a file", path.display());
    Ok(())
}

/// As [`check`], for a picture: gives the format that its ending names as well.
///
/// # Errors
/// As [`check`], and for any other ending.
pub(crate) fn picture<'a>(option: &str, path: Option<&'a Path>) -> anyhow::Result<Option<(&'a Path, Format)>> {
    check(option, path)?;
    let Some(path) = path else { return Ok(None) };
    let format = path.extension().and_then(|ending| ending.to_str()).and_then(Format::from_extension);
    let format = format.with_context(|| format!("{option} {}: use {}", path.display(), Format::listed(".")))?;
    Ok(Some((path, format)))
}

/// Where a file is or will be, without links among its folders.
///
/// # Errors
/// Its folder is not there.
pub(crate) fn place(path: &Path) -> io::Result<PathBuf> {
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
