//! Decoding and reducing all pictures on several threads, and collecting them.

use std::collections::HashSet;
use std::path::Path;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::cache::Writer;
use crate::decode::Refusal;
use crate::listing::{Item, Passed};
use crate::options::{Options, Stage, Unfit};
use crate::report::{CacheUse, Report, Skipped};
use crate::store::Store;
use crate::{Error, decode, resize};

/// Pictures decoded for each thread between two writes; bounds the memory and paces the progress.
const PICTURES_PER_THREAD: usize = 64;

/// The pictures of a data set in order of arrival.
pub(crate) struct Pictures {
    pub(crate) store: Store,
    /// The hash of each picture's file.
    pub(crate) hashes: Vec<blake3::Hash>,
    /// Their names; empty where nobody wants them.
    pub(crate) names: Vec<String>,
    pub(crate) report: Report,
}

enum Outcome {
    Kept { hash: blake3::Hash, pixels: Box<[u8]>, size: (u32, u32) },
    Refused(Refusal),
}

fn prepare(item: &Item, options: &Options) -> Outcome {
    let bytes = match item.read() {
        Ok(bytes) => bytes,
        Err(reason) => return Outcome::Refused(Refusal::Broken(reason)),
    };
    match decode::picture(&bytes, options) {
        Ok(picture) => Outcome::Kept {
            hash: blake3::hash(&bytes),
            pixels: resize::square(&picture.pixels, options.size, options.crop),
            size: (picture.width, picture.height),
        },
        Err(refusal) => Outcome::Refused(refusal),
    }
}

/// Puts a picture that is not used where it belongs.
fn refuse(refusal: Refusal, name: String, report: &mut Report) {
    match refusal {
        Refusal::Broken(reason) => report.broken.push(Skipped { name, reason }),
        Refusal::Unfit(Unfit::Tiny(reason)) => report.tiny.push(Skipped { name, reason }),
        Refusal::Unfit(Unfit::Oblong(reason)) => report.oblong.push(Skipped { name, reason }),
        Refusal::Foreign(format) => report.foreign.entry(format.into()).or_default().push(name),
    }
}

/// Refuses a data set of which too much is broken.
pub(crate) fn check_broken(report: &Report, options: &Options) -> Result<(), Error> {
    if report.broken.len() as f64 <= f64::from(options.max_broken) * report.read as f64 {
        return Ok(());
    }
    Err(Error::TooManyBroken { total: report.read, allowed: options.max_broken, report: Box::new(report.clone()) })
}

/// Reads all `items`. The result lies in memory if it fits the budget; it is written to `cache`, a path and the key to
/// store with it, if that is given.
pub(crate) fn pictures(
    items: &[Item],
    passed: Passed,
    cache: Option<(&Path, blake3::Hash)>,
    options: &Options,
    pool: &ThreadPool,
) -> Result<Pictures, Error> {
    let fits = items.len() as u64 * options.picture_bytes() as u64 <= options.memory_budget;
    let mut memory = fits.then(|| Vec::with_capacity(items.len()));
    let Passed { ignored, foreign, archives, labels, links, grids } = passed;
    let mut report =
        Report { read: items.len(), ignored, foreign, archives, labels, links, grids, ..Report::default() };
    let mut writer = None;
    if !fits || cache.is_some() {
        let created = Writer::create(cache, options.size);
        writer = keep_going(created, fits, &mut report)?;
    }
    let mut hashes = Vec::with_capacity(items.len());
    let mut names = Vec::new();
    let mut known = HashSet::with_capacity(items.len());

    let mut done = 0;
    for chunk in items.chunks(PICTURES_PER_THREAD * pool.current_num_threads()) {
        let outcomes: Vec<_> = pool.install(|| chunk.par_iter().map(|item| prepare(item, options)).collect());
        for (item, outcome) in chunk.iter().zip(outcomes) {
            match outcome {
                Outcome::Refused(refusal) => refuse(refusal, item.name(), &mut report),
                Outcome::Kept { hash, .. } if !known.insert(hash) => report.duplicates += 1,
                Outcome::Kept { hash, pixels, size } => {
                    report.cropped.add(size.0, size.1);
                    if let Some(open) = writer.take() {
                        writer = keep_going(open.push(&hash, item.name(), &pixels), fits, &mut report)?;
                    }
                    if options.keeps_names() {
                        names.push(item.name());
                    }
                    if let Some(memory) = &mut memory {
                        memory.push(pixels);
                    }
                    hashes.push(hash);
                }
            }
        }
        done += chunk.len();
        options.tell(Stage::Decoding, done, Some(items.len()));
    }
    report.kept = hashes.len();
    // Told only now, so that the whole list is there to be mended; a cache of refused pictures is not worth keeping.
    check_broken(&report, options)?;

    let mut file = None;
    if let Some(open) = writer.take().filter(|_| report.kept > 0) {
        file = keep_going(open.finish(&report), fits, &mut report)?;
    }
    if cache.is_some() && file.is_some() {
        report.cache = CacheUse::Written;
    }
    let store = match (memory, file) {
        (Some(memory), _) => Store::Memory(memory),
        (None, Some(file)) => Store::File(file),
        (None, None) => Store::Memory(Vec::new()),
    };
    Ok(Pictures { store, hashes, names, report })
}

/// A cache that cannot be written matters only if the pictures are not in memory as well.
fn keep_going<T>(written: Result<T, Error>, in_memory: bool, report: &mut Report) -> Result<Option<T>, Error> {
    match written {
        Ok(value) => Ok(Some(value)),
        Err(error) if in_memory => {
            report.cache = CacheUse::Failed(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
