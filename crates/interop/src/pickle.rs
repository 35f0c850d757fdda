//! Pickles as inert values: what a pickle says would be built, and nothing built.
//!
//! A pickle is a program for a small stack machine. Python's runs it and calls whatever functions it names; the machine
//! here ([`read`]) does the stack work only. A call becomes an [`Object`] that records who would have been called with
//! what. So nothing is ever imported, run or looked up, and the result is a plain graph of [`Value`]s.

mod input;
mod instructions;
mod machine;
mod text;
mod value;

pub use machine::{Limits, read};
pub use value::{Id, Object, Pickle, Value};
