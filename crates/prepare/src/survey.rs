//! Looking at every file once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Files, Unread};
use rayon::prelude::*;

use crate::error::Error;
use crate::face::Detector;
use crate::measure::Measures;
use crate::row::{Looked, Row};
use crate::rules::Rules;

/// Reads and measures every file on all threads; `done` is called for each. A file that makes a decoder fail is broken. Faces are looked for where there is a
/// rule for them and its detector.
///
/// # Errors
/// It was stopped.
pub fn survey(
    files: &Files,
    rules: &Rules,
    detector: Option<&Detector>,
    stop: &AtomicBool,
    done: &(dyn Fn() + Sync),
) -> Result<Vec<Row>, Error> {
    let look = |number| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let row = look(files, number, rules, detector);
        done();
        Ok(row)
    };
    (0..files.len()).into_par_iter().map(look).collect()
}

/// Reads and measures a file. One that makes a decoder or the detector fail is broken.
///
/// # Panics
/// There is no such file.
pub fn look(files: &Files, number: usize, rules: &Rules, detector: Option<&Detector>) -> Row {
    let name = files.name(number);
    let bytes = match files.read(number) {
        Ok(bytes) => bytes,
        Err(reason) => return Row { name, bytes: 0, content: [0; 32], looked: Looked::Broken(reason) },
    };
    let content = *blake3::hash(&bytes).as_bytes();
    let measured = catch_unwind(AssertUnwindSafe(|| {
        let mut picture = files.decode(number, &bytes)?;
        let mut face = None;
        let (width, height) = (picture.width, picture.height);
        // A face is no larger than its picture, so what is too small need not be looked at.
        if let Some((faces, detector)) = rules.faces.as_ref().zip(detector)
            && width.min(height) >= rules.min_side
        {
            let found = (detector.find)(&picture).map_err(Unread::Broken)?;
            let around = found.and_then(|found| Some((faces.around(&found, width, height)?, found.score)));
            let Some((region, score)) = around else { return Ok(Looked::Faceless { width, height }) };
            picture = picture.part(region).map_err(Unread::Broken)?;
            face = Some((region, score.to_bits()));
        }
        let fits = rules.of_size(picture.width, picture.height).is_none();
        let measures = fits.then(|| Measures::of(&picture, rules.crop()));
        Ok(Looked::Picture { width: picture.width, height: picture.height, face, measures })
    }));
    let looked = match measured {
        Ok(Ok(looked)) => looked,
        Ok(Err(Unread::Broken(reason))) => Looked::Broken(reason),
        Ok(Err(Unread::Foreign(format))) => Looked::Foreign(format.into()),
        Err(_) => Looked::Broken("it makes the decoder fail".into()),
    };
    Row { name, bytes: bytes.len() as u64, content, looked }
}
