//! Pictures made ahead: files at the addresses of the original, in a folder or a bucket that any static host can serve.
//!
//! The work is cut into shards, each named by the hash of what is in it: model, encoders, levels, seeds, format and size.
//! A shard is done when its record, a list of its files with their hashes, is there and whole; records appear last and at once.
//! So an archive is resumed by asking for it again, and may be made by many machines that know nothing of each other
//! ([`Part`]).
//!
//! | below the archive | is |
//! |---|---|
//! | `archive.json` | what draws, and how large ([`ArchiveKind`](server::ArchiveKind)) |
//! | `results/psi-1.0/seed00042.webp` | a picture, as the server answers for that address |
//! | `records/<shard>.jsonl` | what is in a shard ([`Record`]) |
//! | `manifest.parquet` | all pictures: path, seed, psi, bytes, BLAKE3 hash, tar; once the last shard is there |
//! | `tars/<shard>.tar` | the pictures of a shard, where tars were asked for instead of files |
//! | `records/.unfinished-<shard>/` | files on their way to their place; only while a shard is being made |

mod bucket;
mod error;
mod make;
mod manifest;
mod part;
mod plan;
mod target;

pub use error::Error;
pub use make::{Hooks, Maker, Outcome, Tally};
pub use manifest::{MANIFEST, write_manifest};
pub use part::{Part, PartError};
pub use plan::{Plan, Shard};
pub use server::record::{Header, Record, RecordError, Row};
pub use target::Target;
