//! What a file's name promises.

use std::path::Path;

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

/// Hidden files are never training data: archives made on a Mac carry a `._name.jpg` beside every `name.jpg`.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn has_extension(path: &Path, allowed: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| allowed.iter().any(|candidate| extension.eq_ignore_ascii_case(candidate)))
}
