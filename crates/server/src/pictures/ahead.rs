//! Pictures made ahead: an archive (`tadne archive`) in a folder or bucket, asked before anything is drawn.
//!
//! What is not there, cannot be read, is cut off or is not the file that was recorded is drawn, as without an archive.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use synth::{Generator, Recipe};

use crate::error::Error;
use crate::pictures::address::PictureAddress;
use crate::pictures::breaker::Breaker;
use crate::pictures::encode;
use crate::pictures::order::Order;
use crate::pictures::records::Records;
use crate::pictures::render::{LEVELS, level};
use crate::pictures::store::PATIENCE;

/// What all pictures of an archive have in common, as its file [`ArchiveKind::FILE`] says: an address names neither model nor
/// size, so a folder holds those of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveKind {
    /// [`Generator::fingerprint`] of what draws.
    pub model: String,
    /// [`FileMaker::REVISION`](crate::FileMaker::REVISION) of what encodes.
    pub encoders: u32,
    /// Pixels of the longer side; none for the model's own.
    pub size: Option<u16>,
}

impl ArchiveKind {
    /// The name of the file, below the archive.
    pub const FILE: &str = "archive.json";

    /// Pictures of this model, with `size` pixels on the longer side or the model's own.
    pub fn new(model: String, size: Option<u16>) -> Self {
        Self { model, encoders: encode::REVISION, size }
    }

    /// The file.
    pub fn to_text(&self) -> String {
        // Texts and numbers: nothing that JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It says something else; the text tells what.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| format!("its {} cannot be read: {error}", Self::FILE))
    }

    /// What keeps pictures of this kind from being those that are wanted, in a few words; sizes are not compared.
    pub fn mismatch(&self, wanted: &Self) -> Option<String> {
        if self.model != wanted.model {
            return Some(format!("its pictures are of the model {}, and this one is {}", self.model, wanted.model));
        }
        let here = wanted.encoders;
        (self.encoders != here).then(|| {
            format!("its files were written by revision {} of the encoders, and this program has {here}", self.encoders)
        })
    }
}

/// What happened with pictures made ahead since the start.
#[derive(Debug, Default)]
pub(crate) struct AheadCounts {
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
    failed: AtomicU64,
}

impl AheadCounts {
    /// Each count with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 4] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("hit", count(&self.hits)),
            ("miss", count(&self.misses)),
            ("damaged", count(&self.damaged)),
            ("failed", count(&self.failed)),
        ]
    }
}

/// Files of whose damage the log was told that are remembered.
const TOLD: usize = 4096;

/// An archive that is read.
pub(crate) struct Ahead {
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    size: Option<u16>,
    records: Records,
    /// Damaged files that the log was told of.
    told: Mutex<HashSet<PictureAddress>>,
    breaker: Breaker,
    counts: AheadCounts,
}

impl Ahead {
    /// Opens a folder or bucket, and sees to it that its pictures are this generator's. Call it inside a Tokio runtime.
    pub(crate) fn open(place: &str, generator: &Generator) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Archive { place: place.to_owned(), reason };
        // A thread and a runtime of its own, as whoever calls may be inside one, which must not be blocked.
        let looked = std::thread::scope(|scope| {
            let look = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| error.to_string())?;
                let (objects, folder) = objects(place)?;
                runtime.block_on(kind(&*objects, &folder))
            });
            look.join().unwrap_or_else(|_| Err("looking into it failed".into()))
        });
        let kind = looked.map_err(wrong)?;
        if let Some(reason) = kind.mismatch(&ArchiveKind::new(generator.fingerprint(), None)) {
            return Err(wrong(reason));
        }
        // Opened again, since connections belong to the runtime in which they were made.
        let (objects, folder) = objects(place).map_err(wrong)?;
        let objects: Arc<dyn ObjectStore> = objects.into();
        let records = Records::open(Arc::clone(&objects), folder.clone());
        let (breaker, counts) = (Breaker::new("archive"), AheadCounts::default());
        Ok(Self { objects, folder, size: kind.size, records, told: Mutex::default(), breaker, counts })
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> &AheadCounts {
        &self.counts
    }

    /// The file of an order, if it is there, whole, and what was recorded of it.
    pub(crate) async fn get(&self, order: &Order) -> Option<Bytes> {
        let address = self.address(order)?;
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
            None
        };
        if self.breaker.is_open() {
            return count(&self.counts.failed);
        }
        let path = below(&self.folder, &format!("results/{address}"));
        // Until it is known which records there are, the server listens and answers, but a file of the archive waits: unchecked, a damaged one would go out
        // as sound, and browsers and proxies would keep it. Whoever waits longer than patience lasts gets a drawn picture, and so do all after that for a while.
        let read = async {
            let file = self.objects.get(&path).await?.bytes().await?;
            let is_sound = address.format.is_whole(&file) && self.records.fits(address, &file).await?;
            Ok::<_, object_store::Error>((file, is_sound))
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok((file, true))) => {
                self.counts.hits.fetch_add(1, Ordering::Relaxed);
                Some(file)
            }
            Ok(Ok((file, false))) => {
                if self.is_news(address) {
                    tracing::warn!(%path, bytes = file.len(), "a damaged picture of the archive is drawn instead; `tadne archive --verify` mends it");
                }
                count(&self.counts.damaged)
            }
            Ok(Err(object_store::Error::NotFound { .. })) => count(&self.counts.misses),
            Ok(Err(error)) => {
                self.breaker.trip(&error.to_string());
                count(&self.counts.failed)
            }
            Err(_) => {
                self.breaker.trip("it takes too long");
                count(&self.counts.failed)
            }
        }
    }

    /// Whether the log was not yet told that a file is damaged.
    fn is_news(&self, address: PictureAddress) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD {
            told.clear();
        }
        told.insert(address)
    }

    /// The address below which an order's file would be; none for what archives never hold.
    fn address(&self, order: &Order) -> Option<PictureAddress> {
        let Order::Picture { recipe: Recipe::Single(creature), psi, size, noise: true, format } = order else {
            return None;
        };
        let psi = psi.psi();
        let there = creature.is_seed() && *size == self.size && LEVELS.into_iter().any(|tenths| level(tenths) == psi);
        there.then_some(PictureAddress { seed: creature.seed, psi, format: *format })
    }
}

/// The store behind a folder's path or an address, and the folder in it.
fn objects(place: &str) -> Result<(Box<dyn ObjectStore>, Path), String> {
    if !place.contains("://") {
        let folder = PathBuf::from(place).canonicalize().map_err(|error| error.to_string())?;
        let folder = Path::from_absolute_path(folder).map_err(|error| error.to_string())?;
        return Ok((Box::new(LocalFileSystem::new()), folder));
    }
    let url = url::Url::parse(place).map_err(|error| error.to_string())?;
    let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
    object_store::parse_url_opts(&url, options).map_err(|error| error.to_string())
}

/// What an archive says about itself, if it has pictures at addresses.
async fn kind(objects: &dyn ObjectStore, folder: &Path) -> Result<ArchiveKind, String> {
    let read = async { objects.get(&below(folder, ArchiveKind::FILE)).await?.bytes().await };
    let text = match read.await {
        Ok(text) => text,
        Err(object_store::Error::NotFound { .. }) => return Err(format!("it has no {}", ArchiveKind::FILE)),
        Err(error) => return Err(error.to_string()),
    };
    let kind = ArchiveKind::parse(&text)?;
    match objects.list(Some(&below(folder, "results"))).next().await {
        Some(Ok(_)) => Ok(kind),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it holds no pictures at addresses (tars must be unpacked into it: tar xf tars/*.tar)".into()),
    }
}

fn below(folder: &Path, path: &str) -> Path {
    path.split('/').fold(folder.clone(), Path::join)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    use tokio::time::Instant;

    use super::*;
    use crate::pictures::encode::Format;

    #[tokio::test(start_paused = true)]
    async fn only_files_wait_for_records_and_no_longer_than_patience_lasts() {
        let slow = ThrottleConfig { wait_list_per_call: Duration::from_mins(1), ..ThrottleConfig::default() };
        let objects: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), slow));
        let file = Bytes::from_static(b"\x89PNG\r\n\x1a\nIEND\xae\x42\x60\x82");
        objects.put(&Path::from("results/psi-1.1/seed00002.png"), file.clone().into()).await.unwrap();
        let start = Instant::now();
        let ahead = Ahead {
            records: Records::open(Arc::clone(&objects), Path::default()),
            objects,
            folder: Path::default(),
            size: None,
            told: Mutex::default(),
            breaker: Breaker::new("archive"),
            counts: AheadCounts::default(),
        };
        for name in ["2-3", "2@0p1", "2w3c00007f80"] {
            let (recipe, psi) = (name.parse().unwrap(), level(11).into());
            let order = Order::Picture { recipe, psi, size: None, noise: true, format: Format::Png };
            assert_eq!(ahead.address(&order), None, "{name} is in no archive");
        }
        let order = |address: &str| Order::from(address.parse::<PictureAddress>().unwrap());
        assert_eq!(ahead.get(&order("psi-1.1/seed00003.png")).await, None);
        assert_eq!(start.elapsed(), Duration::ZERO, "what is not there is drawn at once");
        for _ in 0..100 {
            assert_eq!(ahead.get(&order("psi-1.1/seed00002.png")).await, None);
        }
        assert!((PATIENCE..2 * PATIENCE).contains(&start.elapsed()), "one waits, and the others do not");
        assert_eq!(ahead.counts().named().map(|(_, count)| count), [0, 1, 0, 100]);
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert_eq!(ahead.get(&order("psi-1.1/seed00002.png")).await, Some(file));
    }
}
