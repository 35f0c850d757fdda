//! Writing files so that a reader finds the old one or the new one, never a part of either.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it. Whatever happens on the way, `path`
/// holds its old contents or the new ones whole.
///
/// The folder must be there already. A file that lay at `path` is replaced, and its permissions with it by those that the umask leaves. Where `path` is a
/// symbolic link, it stays one, and what it leads to is replaced or made. A process that is killed on the way leaves a file `.unfinished-*` beside the one that
/// it wrote.
///
/// # Errors
/// The folder is missing, full or cannot be written, or `path` is a folder or a link that leads in circles; the temporary file is gone then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], for what is made while it is written.
///
/// # Errors
/// As [`write_atomically`], and what `write` says.
pub fn write_atomically_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = &behind_links(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        // Otherwise the error would name a file that nobody has asked for.
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unfinished-");
    // Temporary files are private; this one is for everybody whom the umask lets read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    write(&mut file)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The rename itself is durable once the folder is flushed; not every system can open a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// What the symbolic links at `path` lead to, whether it is there or not; `path` itself where it is none.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    // As many as Linux follows.
    for _ in 0..=40 {
        let Ok(next) = std::fs::read_link(&place) else { return Ok(place) };
        place = place.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::other(format!("the symbolic links at {} lead in circles", path.display())))
}

/// Adds `line` and the end of a line to the file at `path`, which is made if there is none, in one write: whoever follows the file sees
/// the line whole or not yet.
///
/// # Errors
/// The file cannot be written.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        append_line(&path, "one").unwrap();
        append_line(&path, "two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert!(append_line(folder.path(), "three").is_err());
    }

    #[test]
    fn replaces_whole_or_not_at_all_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"newer").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        // A folder in the way makes the rename fail after everything was written.
        let taken = folder.path().join("taken");
        std::fs::create_dir_all(taken.join("x")).unwrap();
        assert!(write_atomically(&taken, b"x").is_err());
        // Or what is to be written cannot be made.
        let half = write_atomically_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("lost"))
        });
        assert!(half.is_err() && std::fs::read(&path).unwrap() == b"newer");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("far")).unwrap();
        std::fs::write(path("far/model"), b"old").unwrap();
        symlink("far/model", path("second")).unwrap();
        symlink(path("second"), path("first")).unwrap();
        write_atomically(&path("first"), b"new").unwrap();
        assert!(path("first").is_symlink() && path("second").is_symlink());
        assert_eq!(std::fs::read(path("far/model")).unwrap(), b"new");
        // One that leads to nothing yet, and two that lead to each other.
        symlink("far/made", path("early")).unwrap();
        write_atomically(&path("early"), b"made").unwrap();
        assert_eq!(std::fs::read(path("far/made")).unwrap(), b"made");
        symlink("b", path("a")).unwrap();
        symlink("a", path("b")).unwrap();
        assert!(write_atomically(&path("a"), b"x").unwrap_err().to_string().contains("in circles"));
        assert_eq!(std::fs::read_dir(path("far")).unwrap().count(), 2);
    }
}
