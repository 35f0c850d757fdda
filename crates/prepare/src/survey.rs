//! Looking at every file once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Files, Region, Unread};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::face::Detector;
use crate::measure::Measures;
use crate::rules::Rules;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its path, or the archive's with that of the entry in it. Empty after it was read from a file of rows: who listed the files
    /// knows their names.
    #[serde(skip)]
    pub name: String,
    /// How long it is; 0 if it cannot be read.
    pub bytes: u64,
    /// BLAKE3 of it; zeros if it cannot be read.
    #[serde(with = "hex")]
    pub content: [u8; 32],
    /// What a decoder makes of it.
    pub looked: Looked,
}

impl Row {
    /// Whether the file could not be read at all, which may be otherwise the next time or on another machine.
    pub fn unread(&self) -> bool {
        self.content == [0; 32]
    }
}

/// A hash as text.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&blake3::Hash::from(*hash).to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        blake3::Hash::from_hex(text).map(Into::into).map_err(D::Error::custom)
    }
}

/// What a decoder makes of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Looked {
    /// A picture.
    Picture {
        /// Pixels across, of its region if it has one.
        width: usize,
        /// Pixels down.
        height: usize,
        /// What of it counts because a face is in it, and the bits of the face's score.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        face: Option<(Region, u32)>,
        /// None if its size alone rules it out.
        measures: Option<Measures>,
    },
    /// A picture in which no face was found, though one was looked for.
    Faceless {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// None that can be read; the reason.
    Broken(String),
    /// One of a format that is not read; its name.
    Foreign(String),
}

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
