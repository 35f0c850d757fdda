//! Writing files so that a reader sees the old one or the new one, never half of either.

use std::io::Write;
use std::path::Path;

use crate::Error;

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".unfinished-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        // The rename itself reaches the disk with the folder.
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(Error::write(path))
}
