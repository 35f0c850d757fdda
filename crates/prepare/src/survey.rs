//! Looking at every file once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Files, Unread};
use rayon::prelude::*;

use crate::error::Error;
use crate::measure::Measures;
use crate::rules::Rules;

/// What is known of a file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its path, or the archive's with that of the entry in it.
    pub name: String,
    /// How long it is; 0 if it cannot be read.
    pub bytes: u64,
    /// BLAKE3 of it; zeros if it cannot be read.
    pub content: [u8; 32],
    /// What a decoder makes of it.
    pub looked: Looked,
}

/// What a decoder makes of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// A picture.
    Picture {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// None if its size alone rules it out.
        measures: Option<Measures>,
    },
    /// None that can be read; the reason.
    Broken(String),
    /// One of a format that is not read; its name.
    Foreign(String),
}

/// Reads and measures every file on all threads; `done` is called for each. A file that makes a decoder fail is broken.
///
/// # Errors
/// It was stopped.
pub fn survey(files: &Files, rules: &Rules, stop: &AtomicBool, done: &(dyn Fn() + Sync)) -> Result<Vec<Row>, Error> {
    let look = |number| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let row = look(files, number, rules);
        done();
        Ok(row)
    };
    (0..files.len()).into_par_iter().map(look).collect()
}

fn look(files: &Files, number: usize, rules: &Rules) -> Row {
    let name = files.name(number);
    let bytes = match files.read(number) {
        Ok(bytes) => bytes,
        Err(reason) => return Row { name, bytes: 0, content: [0; 32], looked: Looked::Broken(reason) },
    };
    let content = *blake3::hash(&bytes).as_bytes();
    let measured = catch_unwind(AssertUnwindSafe(|| {
        let picture = dataset::decode(&bytes)?;
        let fits = rules.of_size(picture.width, picture.height).is_none();
        let measures = fits.then(|| Measures::of(&picture, rules.crop()));
        Ok(Looked::Picture { width: picture.width, height: picture.height, measures })
    }));
    let looked = match measured {
        Ok(Ok(looked)) => looked,
        Ok(Err(Unread::Broken(reason))) => Looked::Broken(reason),
        Ok(Err(Unread::Foreign(format))) => Looked::Foreign(format.into()),
        Err(_) => Looked::Broken("it makes the decoder fail".into()),
    };
    Row { name, bytes: bytes.len() as u64, content, looked }
}
