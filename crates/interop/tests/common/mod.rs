//! Where the small networks of others' making lie.

pub(crate) mod torch;

use std::path::{Path, PathBuf};

/// The path of a file in `tests/golden`.
pub(crate) fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}
