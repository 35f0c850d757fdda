//! What a file's name promises.

use std::path::{Path, is_separator};

/// Whether a name promises a picture; which format it really is, the content tells.
pub(crate) fn is_picture(path: &Path) -> bool {
    has_extension(path, &["webp", "jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp"])
}

/// Whether a name promises text or tables, which data sets hold in great numbers beside pictures: not looked into.
pub(crate) fn is_text(path: &Path) -> bool {
    has_extension(
        path,
        &["txt", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "md", "html", "log", "caption", "npy"],
    )
}

/// Whether a name promises a tar.
pub(crate) fn is_tar(path: &Path) -> bool {
    has_extension(path, &["tar"])
}

/// The folders, the archive if there is one, and the file of a name as [`Files::name`](crate::Files::name) spells it. A colon parts an archive from what
/// is in it; others belong to the names of files and folders.
pub fn parts_of(name: &str) -> Vec<&str> {
    let (path, entry) = split(name);
    steps(path).chain(steps(entry)).collect()
}

/// The file of such a name, and what is in it: nothing unless it is an archive.
pub(crate) fn split(name: &str) -> (&str, &str) {
    let colons = name.match_indices(':').map(|(at, _)| at);
    colons.map(|at| (&name[..at], &name[at + 1..])).find(|(path, _)| is_archive(Path::new(path))).unwrap_or((name, ""))
}

/// The folders and the file of a path. Tars made of a folder's inside begin every path with `./`, which says nothing.
pub(crate) fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(is_separator).filter(|part| !matches!(*part, "" | "."))
}

/// Whether what stands before a colon is an archive: by its ending or, since archives are told by their content and may be called anything, because it is
/// a file.
fn is_archive(path: &Path) -> bool {
    is_tar(path) || has_extension(path, &["zip"]) || path.is_file()
}

/// Hidden files are never training data: archives made on a Mac carry a `._name.jpg` beside every `name.jpg`.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn has_extension(path: &Path, allowed: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| allowed.iter().any(|candidate| extension.eq_ignore_ascii_case(candidate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_parts_an_archive_from_what_is_in_it_and_nothing_else() {
        for (name, parts) in [
            ("d/Re:Zero/Re:Zero 01.png", &["d", "Re:Zero", "Re:Zero 01.png"][..]),
            ("d/x.TAR:Re:Zero/1.png", &["d", "x.TAR", "Re:Zero", "1.png"]),
            ("/d:e/owls.zip:1.png", &["d:e", "owls.zip", "1.png"]),
            ("d/x.tar:./cats/1.png", &["d", "x.tar", "cats", "1.png"]),
            ("1.png", &["1.png"]),
        ] {
            assert_eq!(parts_of(name), parts);
        }
        // A zip of another name, and a file beside it.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pages.cbz");
        std::fs::write(&path, "").unwrap();
        let name = format!("{}:Re:Zero 1.png", path.display());
        assert!(parts_of(&name).ends_with(&["pages.cbz", "Re:Zero 1.png"]));
        let name = format!("{}: 1.png", path.with_extension("png").display());
        assert!(parts_of(&name).ends_with(&["pages.png: 1.png"]));
    }
}
