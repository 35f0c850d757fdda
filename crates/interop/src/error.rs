//! What can go wrong with other people's files, said so that its reader knows what to do.

/// Why a file cannot be imported or exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is cut short, damaged, or not what its first bytes say.
    #[error("the file is damaged at byte {at}: {problem}")]
    Damaged {
        /// Bytes from the start of the file or, for a part of an archive, of that part.
        at: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The file asks for more than any model needs.
    #[error("the file asks for {0}; no generator needs that, so it is not read further")]
    TooMuch(String),
    /// The file holds something else.
    #[error("{0}")]
    Unknown(String),
    /// A network of a kind that cannot be drawn here.
    #[error("{0}")]
    Unsupported(String),
    /// A weight is missing or has another shape than the others ask for.
    #[error("the network's {name} {problem}")]
    Weight {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The imported model is not one that can be drawn.
    #[error(transparent)]
    Model(#[from] synth::ModelError),
}

impl Error {
    pub(crate) fn damaged(at: u64, problem: impl Into<String>) -> Self {
        Error::Damaged { at, problem: problem.into() }
    }

    pub(crate) fn weight(name: &str, problem: impl Into<String>) -> Self {
        Error::Weight { name: name.into(), problem: problem.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Error::Unsupported(what.into())
    }
}
