//! The data set as training sees it: batches by position, and a validation set beside them.

use std::path::Path;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::decode_all::{self, Pictures};
use crate::labels::{self, Classes};
use crate::listing::{self, Item};
use crate::order::Order;
use crate::report::CacheUse;
use crate::store::Store;
use crate::{Crop, Error, Options, Report, Source, cache};

/// Square RGB pictures of one size, split into training and validation. See the [crate] for an example.
///
/// It can be shared between threads: nothing but the last two permutations is ever changed, behind a lock.
pub struct Dataset {
    store: Store,
    /// Slots in the store, sorted by the hash of the picture's file.
    training: Vec<u32>,
    validation: Vec<u32>,
    order: Order,
    report: Report,
    fingerprint: String,
    size: usize,
    /// By slot; without names where no labels were asked for.
    classes: Classes,
    /// By slot; empty unless they were asked for.
    names: Vec<String>,
}

impl Dataset {
    /// Reads all pictures named by `arguments` (folders, tars, zips, pictures, patterns; see [`Source::parse`]), or takes
    /// them from the cache if none of these files has changed.
    ///
    /// Folders are searched to any depth, links to folders are followed, each folder once; tars and zips in them are opened
    /// up. The sample grids of runs are left out, unless their folder itself is named. A tar must be uncompressed.
    /// The peak memory is the budget of [`Options::memory_budget`] and about 200 reduced and one full-size picture a thread.
    ///
    /// # Errors
    /// If an option is out of range, a source is missing, malformed or unreadable, too many pictures are broken,
    /// nothing is left to train on, or a file for pictures beyond the memory budget cannot be written.
    pub fn open<P: AsRef<Path>>(arguments: &[P], options: &Options) -> Result<Self, Error> {
        options.validate()?;
        let pool = pool(options)?;
        let (files, mut passed) = listing::files(&Source::parse(arguments)?)?;
        let mut key = listing::key(&files, &passed);
        for number in [cache::VERSION as usize, options.size, options.shortest_side(), options.crop as usize] {
            key.update(&(number as u64).to_le_bytes());
        }
        let key = key.finalize();
        let cache_path = options.cache.as_ref().map(|folder| folder.join(cache::file_name(options.size, &key)));

        let cached = match &cache_path {
            Some(path) => from_cache(path, &key, options, &pool),
            None => Ok(None),
        };
        let pictures = match cached {
            Ok(Some(mut pictures)) => {
                // Runs come and go beside pictures that stay.
                pictures.report.grids = passed.grids;
                pictures
            }
            other => {
                let items = listing::items(files, &mut passed, options)?;
                let target = cache_path.as_deref().map(|path| (path, key));
                let mut pictures = decode_all::pictures(&items, passed, target, options, &pool)?;
                if let (Err(reason), CacheUse::Written) = (other, &pictures.report.cache) {
                    pictures.report.cache = CacheUse::Remade(reason);
                }
                pictures
            }
        };
        decode_all::check_broken(&pictures.report, options)?;
        let classes = options.labels.as_ref().map(|from| labels::classes(from, &pictures.names)).transpose()?;
        Self::new(pictures, classes.unwrap_or_default(), options)
            .map_err(|report_and_split| empty(arguments, options, &report_and_split))
    }

    fn new(pictures: Pictures, classes: Classes, options: &Options) -> Result<Self, Box<(Report, usize)>> {
        let Pictures { store, hashes, names, report } = pictures;
        let mut slots: Vec<u32> = (0..hashes.len() as u32).collect();
        slots.sort_unstable_by_key(|slot| *hashes[*slot as usize].as_bytes());
        let (validation, training): (Vec<u32>, Vec<u32>) =
            slots.into_iter().partition(|slot| is_validation(&hashes[*slot as usize], options.validation));
        if training.is_empty() {
            return Err(Box::new((report, validation.len())));
        }
        let mut fingerprint = blake3::Hasher::new();
        fingerprint.update(&(options.size as u64).to_le_bytes());
        if options.crop != Crop::Centre {
            fingerprint.update(options.crop.to_string().as_bytes());
        }
        for side in [&training, &validation] {
            fingerprint.update(&(side.len() as u64).to_le_bytes());
            for slot in side {
                fingerprint.update(hashes[*slot as usize].as_bytes());
                if let Some(class) = classes.of.get(*slot as usize) {
                    fingerprint.update(&class.to_le_bytes());
                }
            }
        }
        Ok(Self {
            store,
            order: Order::new(training.len() as u32, options.seed, options.mirror),
            training,
            validation,
            report,
            fingerprint: fingerprint.finalize().to_hex().to_string(),
            size: options.size,
            classes,
            names: if options.names { names } else { Vec::new() },
        })
    }

    /// Number of training pictures, at least 1; one epoch.
    #[expect(clippy::len_without_is_empty, reason = "an empty data set cannot be opened")]
    pub fn len(&self) -> usize {
        self.training.len()
    }

    /// Number of validation pictures; may be 0 for a small data set.
    pub fn validation_len(&self) -> usize {
        self.validation.len()
    }

    /// Side of the pictures in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes of one picture, `3 * size * size`.
    pub fn picture_bytes(&self) -> usize {
        3 * self.size * self.size
    }

    /// What was found, kept and skipped.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Identifies the pictures on either side of the split and their size, as 64 hexadecimal digits; independent of
    /// names, order, archives and of the seed. A training that resumes with another fingerprint sees other pictures.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Which training picture stands at `position` of the endless shuffled sequence, `0..len()`, and whether it is
    /// mirrored. Each epoch, `len()` positions from a multiple of it, visits every picture once.
    pub fn index_at(&self, position: u64) -> (usize, bool) {
        self.order.at(position)
    }

    /// Whether pictures come mirrored as often as not.
    pub fn mirrors(&self) -> bool {
        self.order.mirrors()
    }

    /// Replaces `out` by the `n` pictures from `position` on, mirrored where the coin says so: `[n, size, size, 3]`
    /// bytes, red, green, blue.
    ///
    /// # Errors
    /// If the pictures lie in a file and that has been damaged since the data set was opened.
    pub fn batch(&self, position: u64, n: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        out.resize(n * self.picture_bytes(), 0);
        for (picture, position) in out.chunks_exact_mut(self.picture_bytes()).zip(position..) {
            let (index, mirrored) = self.index_at(position);
            self.store.read(self.training[index] as usize, picture)?;
            if mirrored {
                mirror(picture, self.size);
            }
        }
        Ok(())
    }

    /// Path of training picture `index`; for an entry of an archive, path of the archive, a colon and the entry. None without [`Options::names`].
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(*self.training.get(index)? as usize).map(String::as_str)
    }

    /// The same of validation picture `index`.
    pub fn validation_name(&self, index: usize) -> Option<&str> {
        self.names.get(*self.validation.get(index)? as usize).map(String::as_str)
    }

    /// The names of the classes, in the order of their numbers; empty without [`Options::labels`].
    pub fn classes(&self) -> &[String] {
        &self.classes.names
    }

    /// The numbers of the classes that no training picture is of, in order: a file of labels may leave gaps, and the last pictures of a class be held back.
    pub fn empty_classes(&self) -> Vec<usize> {
        let mut is_empty = vec![true; self.classes.names.len()];
        for class in self.training.iter().filter_map(|slot| self.classes.of.get(*slot as usize)) {
            is_empty[*class as usize] = false;
        }
        (0..is_empty.len()).filter(|&class| is_empty[class]).collect()
    }

    /// The classes of the pictures of [`batch`](Self::batch), counted from 0; empty without [`Options::labels`].
    pub fn batch_classes(&self, position: u64, n: usize) -> Vec<u32> {
        let class = |position| self.classes.of.get(self.training[self.index_at(position).0] as usize).copied();
        (position..).take(n).filter_map(class).collect()
    }

    /// Training picture `index` as it is, `[size, size, 3]`. The pictures are numbered by the hashes of their files.
    ///
    /// # Errors
    /// If there is no such picture, or as for [`batch`](Self::batch).
    pub fn training(&self, index: usize) -> Result<Vec<u8>, Error> {
        self.picture("training", &self.training, index)
    }

    /// Validation picture `index` as it is, `[size, size, 3]`. The pictures are numbered by the hashes of their files.
    ///
    /// # Errors
    /// If there is no such picture, or as for [`batch`](Self::batch).
    pub fn validation(&self, index: usize) -> Result<Vec<u8>, Error> {
        self.picture("validation", &self.validation, index)
    }

    fn picture(&self, side: &'static str, slots: &[u32], index: usize) -> Result<Vec<u8>, Error> {
        let slot = slots.get(index).ok_or(Error::OutOfRange { side, index, len: slots.len() })?;
        let mut out = vec![0; self.picture_bytes()];
        self.store.read(*slot as usize, &mut out)?;
        Ok(out)
    }
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("size", &self.size)
            .field("training", &self.training.len())
            .field("validation", &self.validation.len())
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

fn pool(options: &Options) -> Result<ThreadPool, Error> {
    let named = |i| format!("dataset-{i}");
    ThreadPoolBuilder::new().num_threads(options.threads).thread_name(named).build().map_err(|_| Error::Option {
        option: "threads",
        value: options.threads.to_string(),
        allowed: "0 for one a core, or as many as the system can start",
    })
}

fn from_cache(
    path: &Path,
    key: &blake3::Hash,
    options: &Options,
    pool: &ThreadPool,
) -> Result<Option<Pictures>, String> {
    let Some(cache::Contents { file, hashes, mut names, mut report }) = cache::open(path, key, options.size)? else {
        return Ok(None);
    };
    report.cache = CacheUse::Reused;
    let store = Store::load(file, options, pool).map_err(|error| error.to_string())?;
    if !options.keeps_names() {
        names = Vec::new();
    }
    Ok(Some(Pictures { store, hashes, names, report }))
}

/// A hash, read as a fraction of all hashes, below `share`. So a larger share only adds pictures, and neither the seed
/// nor the training size moves one across.
fn is_validation(hash: &blake3::Hash, share: f32) -> bool {
    let leading = u64::from_be_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"));
    (leading as f64) < f64::from(share) * 2_f64.powi(64)
}

/// Swaps left and right.
fn mirror(picture: &mut [u8], size: usize) {
    for row in picture.chunks_exact_mut(size * 3) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}

fn empty<P: AsRef<Path>>(arguments: &[P], options: &Options, (report, validation): &(Report, usize)) -> Error {
    let sources: Vec<_> = arguments.iter().map(|argument| argument.as_ref().display().to_string()).collect();
    Error::Empty {
        sources: sources.join(", "),
        shortest_side: options.shortest_side(),
        validation: *validation,
        report: Box::new(report.clone()),
    }
}

// The items of a listing are shared by the decoding threads, and the data set by whoever prepares batches.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Dataset>();
    shared::<Item>();
};
