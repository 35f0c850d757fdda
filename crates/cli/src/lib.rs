//! Arguments that more than one program takes: which model, which seeds, which pictures ahead, what is curated; and what is logged.

pub mod curation;
#[cfg(feature = "detect")]
pub mod faces;
pub mod log;
pub mod model;
pub mod pictures;
pub mod seeds;
