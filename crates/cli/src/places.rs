//! Folders that a command writes into when its work is done: what is wrong with them is said before it begins.

use std::path::{Path, absolute};

use anyhow::{Context, anyhow, ensure};

/// Fails where nothing could be written into the folder of an option, which is made later if it is not there. It stays as it is.
///
/// # Errors
/// It is a file, lies below one, or cannot be written into.
pub fn check_folder(option: &str, folder: &Path) -> anyhow::Result<()> {
    let whole = absolute(folder).with_context(|| format!("{option} {}", folder.display()))?;
    // What is not there yet will be below the last that is. A link that leads nowhere is there: no folder can take its place.
    let there = whole.ancestors().find(|place| place.symlink_metadata().is_ok()).unwrap_or(&whole);
    ensure!(there.is_dir(), "{option} {}: {} is no folder; name another place", folder.display(), there.display());
    check_writable(option, folder, there)
}

/// Fails where no file could be made in `folder`, which is there, for the `place` that an option names.
///
/// # Errors
/// The system does not let this user write there.
pub fn check_writable(option: &str, place: &Path, folder: &Path) -> anyhow::Result<()> {
    // A file without a name, which is gone at once.
    tempfile::tempfile_in(folder).map(drop).map_err(|error| {
        anyhow!(
            "{option} {}: nothing can be written into {} ({error}); name another place, or see to its permissions",
            place.display(),
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_can_be_made_unless_a_file_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "mine").unwrap();
        for good in [folder.path().to_owned(), path("new"), path("new/deep"), "nowhere/yet".into()] {
            assert!(check_folder("--out", &good).is_ok(), "{}", good.display());
        }
        for bad in [path("file"), path("file/new/deep")] {
            let said = check_folder("--out", &bad).unwrap_err().to_string();
            assert!(said.starts_with("--out ") && said.contains("file is no folder"), "{said}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nothing", path("link")).unwrap();
            assert!(check_folder("--out", &path("link")).is_err(), "a link that leads nowhere");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_cannot_be_written_into_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
        if std::fs::write(folder.path().join("probe"), "").is_ok() {
            eprintln!("left out: this user may write everywhere");
            return;
        }
        for place in [folder.path().to_owned(), folder.path().join("new")] {
            let said = check_folder("--out", &place).unwrap_err().to_string();
            assert!(said.contains("nothing can be written into") && said.contains("permissions"), "{said}");
        }
    }
}
