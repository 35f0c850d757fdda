//! Where the reduced pictures lie: in memory or in a file.

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::Error;
use crate::cache::CacheFile;
use crate::options::{Options, Stage};

/// How many pictures to load between two reports of progress.
const CHUNK: usize = 4096;

/// The reduced pictures in order of arrival.
#[derive(Debug)]
pub(crate) enum Store {
    /// All of them in memory.
    Memory(Vec<Box<[u8]>>),
    /// Each read when it is needed.
    File(CacheFile),
}

impl Store {
    /// Checks every picture of a cache, and keeps them in memory if they fit the budget.
    pub(crate) fn load(file: CacheFile, options: &Options, pool: &ThreadPool) -> Result<Self, Error> {
        let total = file.len();
        let fits = total as u64 * options.picture_bytes() as u64 <= options.memory_budget;
        let mut memory = Vec::with_capacity(if fits { total } else { 0 });
        for start in (0..total).step_by(CHUNK) {
            let slots = start..total.min(start + CHUNK);
            let done = slots.end;
            let read = |slot| {
                let mut pixels = file.buffer();
                file.read(slot, &mut pixels).map(|()| pixels)
            };
            if fits {
                memory.extend(pool.install(|| slots.into_par_iter().map(read).collect::<Result<Vec<_>, _>>())?);
            } else {
                pool.install(|| slots.into_par_iter().try_for_each(|slot| read(slot).map(drop)))?;
            }
            options.tell(Stage::Loading, done, Some(total));
        }
        Ok(if fits { Self::Memory(memory) } else { Self::File(file) })
    }

    /// Copies picture `slot` to `out`, which must have the bytes of a picture.
    pub(crate) fn read(&self, slot: usize, out: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Memory(pictures) => {
                out.copy_from_slice(&pictures[slot]);
                Ok(())
            }
            Self::File(file) => file.read(slot, out),
        }
    }
}
