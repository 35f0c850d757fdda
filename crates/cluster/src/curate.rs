//! The function `do_shard(job, shard)`, which looks at some files of a collection, or packs some of its pictures.

use std::path::PathBuf;

use archive::Outcome;
use dataset::Error::Shortened;
use prepare::{Done, Error};
use serde::{Deserialize, Serialize};

use crate::function::Trouble;

/// The function's name in a plan.
pub(crate) const DO_SHARD: &str = "do_shard";

/// What a client wants, as it travels: the folder that says what each shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) shards: PathBuf,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::File { action, path, reason } => {
                Self::Passing(format!("cannot {action} {}: {reason}", path.display()))
            }
            Error::Pictures(error) if !matches!(error, Shortened { .. }) => Self::Passing(error.to_string()),
            error => Self::Lasting(error.to_string()),
        }
    }
}

/// Does a shard.
///
/// # Errors
/// It cannot be done here, or not now.
pub(crate) fn do_shard(job: &str, shard: u64) -> Result<(u64, Outcome), Trouble> {
    let Job { shards } = serde_json::from_str(job).map_err(|error| {
        Trouble::Lasting(format!("the job cannot be read ({error}); client and executor must be of one version"))
    })?;
    let Done { files, bytes } = prepare::do_shard(&shards, shard, &cli::faces::open)?;
    Ok((files, bytes.map_or(Outcome::Kept, |bytes| Outcome::Made { bytes })))
}
