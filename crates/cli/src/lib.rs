//! Arguments that more than one program takes: which model, which seeds, which pictures ahead.

pub mod model;
pub mod pictures;
pub mod seeds;
