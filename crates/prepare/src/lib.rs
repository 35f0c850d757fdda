//! Curation: folders, tars and zips of pictures in; tars of those worth training on out, and a report with the reason for every file that was looked at.
//!
//! 1. Every file is read and measured, on all threads; a row a file stays in memory, no picture. Where a detector finds faces ([`Faces`]), the best one of a
//!    picture with what is around it is all that counts of it.
//! 2. Rules throw out what cannot be read, is too small, blurred, grey, dark or barred; then exact duplicates, then near ones
//!    (perceptual hash), of which the best stays. Names and order of the files make no difference to which pictures are kept.
//! 3. What is kept is read again and written into tars, each whole and named by its content: one that is there is kept.
//!
//! | below the result | is |
//! |---|---|
//! | `tars/<name>.tar` | pictures, `dataset` reads them |
//! | `report.parquet` | every file that was looked at: verdict, reason, measures |
//! | `sheets/<verdict>.webp` | what some of the files of a verdict look like |
//! | `prepare.json` | the rules, by which a second selection is kept out of the folder |
//! | `shards/<key>/` | while many machines work: what each shard is, and the rows that came of it ([`Shards`]) |
//!
//! [`survey`] and [`pack`] are the work of one machine. Many that see the same folders do the same by [`Shards`]: one lists, decides and
//! reports, each of the others calls [`do_shard`], and what comes out has the same bytes.

mod error;
mod face;
mod measure;
mod near;
mod pack;
mod report;
mod row;
mod rules;
mod shard;
mod sheet;
mod survey;
mod verdict;

pub use error::Error;
pub use face::{Detector, Face, Faces, Find, Open, crop};
pub use measure::Measures;
pub use near::MAX_HASH_DISTANCE;
pub use pack::{Tar, check, pack, places, tars};
pub use report::report;
pub use row::{Looked, Row};
pub use rules::Rules;
pub use shard::{Done, Shards, do_shard};
pub use sheet::sheets;
pub use survey::{look, survey};
pub use verdict::{Verdict, decide};
