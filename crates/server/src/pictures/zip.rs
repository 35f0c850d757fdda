//! Several files as one: ZIP archives with the same bytes every time.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::pictures::pool::Stop;

/// An archive of files by name. Pictures are compressed already, so they are stored as they are; the time of all files
/// is the format's zero, 1980, since it depends on nothing.
pub(crate) fn zip(files: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>, Stop> {
    let failed = |error: &dyn std::fmt::Display| Stop::Failed(format!("an archive could not be written: {error}"));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in files {
        writer.start_file(name, options).map_err(|error| failed(&error))?;
        writer.write_all(&contents).map_err(|error| failed(&error))?;
    }
    Ok(writer.finish().map_err(|error| failed(&error))?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_files_read_back_and_the_bytes_are_the_same_every_time() {
        let files = || vec![("a.png".to_owned(), vec![1, 2, 3]), ("b.png".to_owned(), vec![])];
        let archive = zip(files()).unwrap();
        assert_eq!(archive, zip(files()).unwrap());
        let mut read = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let names: Vec<_> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["a.png", "b.png"]);
        let mut contents = Vec::new();
        read.by_name("a.png").unwrap().read_to_end(&mut contents).unwrap();
        assert_eq!(contents, [1, 2, 3]);
    }
}
