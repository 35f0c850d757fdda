//! Arguments that more than one program takes: which model, which seeds, which pictures ahead, what is curated; which numbers and places can be meant;
//! and what is logged.

pub mod curation;
#[cfg(feature = "detect")]
pub mod faces;
pub mod log;
pub mod model;
pub mod numbers;
pub mod pictures;
pub mod places;
pub mod seeds;
