//! What ends the making of an archive.

/// Why an archive could not be made; what was finished before stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place of the archive is no folder and no address of a bucket, or one that cannot be read or written.
    #[error(
        "{place:?} cannot hold an archive: {reason}; use a folder, file:///srv/archive, or s3://, gs:// or az://bucket/folder where the program was built with --features s3, gs or az"
    )]
    Place {
        /// As it was given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The place holds pictures of another model, size or encoder below the same addresses, or its `archive.json`, which would say so, cannot be
    /// read. The text says which.
    #[error(
        "there is another archive, or a damaged one: {0}; addresses name neither model nor size, so use another place"
    )]
    Kind(String),
    /// It was told to stop.
    #[error("stopped; what is finished stays, run the same command again to go on")]
    Stopped,
    /// A file of the archive could not be read or written.
    #[error("cannot {action} {path}: {reason}; what is finished stays, run the same command again to go on")]
    File {
        /// Read, write, or the like.
        action: &'static str,
        /// The path below the archive.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A picture could not be made.
    #[error(transparent)]
    Picture(#[from] server::MakeError),
}

/// A file or an object that could not be dealt with.
pub(crate) fn failed(action: &'static str, path: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::File { action, path: path.to_owned(), reason: reason.to_string() }
}
