//! Finished pictures outside of memory: a folder or a bucket, so that a restart or a second server draws nothing twice.
//!
//! A name in the store is the hash of an order's one spelling, so nothing a visitor writes becomes a path. Every entry
//! begins with the hash of its contents: what was damaged is thrown away and drawn again. A store that is full or away
//! costs speed, never an answer; a folder that cannot be written at the start ends the start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::error::Error;
use crate::pictures::breaker::Breaker;

/// What every entry begins with; the hash follows, then the contents.
const MAGIC: &[u8; 8] = b"TADNE-1\n";
const HEAD: usize = MAGIC.len() + blake3::OUT_LEN;
/// Entries that may wait to be written, and their bytes; beyond that they are not kept.
const WAITING: usize = 256;
const WAITING_BYTES: usize = 64 << 20;
/// Entries written at the same time.
const WRITERS: usize = 4;
/// The longest a look into the store may take before the picture is drawn instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How much of a full folder is left when the oldest entries have been taken out, in percent.
const KEEP: u64 = 90;

/// What happened with the store since the start.
#[derive(Debug, Default)]
pub(crate) struct StoreCounts {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) written: AtomicU64,
    /// Entries that could not be written or read, or had to wait too long to be.
    pub(crate) failed: AtomicU64,
}

struct Shelf {
    objects: Box<dyn ObjectStore>,
    folder: Path,
    /// Bound on the bytes of all entries, where we keep it: in a folder of our own.
    limit: Option<u64>,
    breaker: Breaker,
    counts: StoreCounts,
}

/// An entry that waits to be written: its place, its contents, and its share of [`WAITING_BYTES`].
type Waiting = (Path, Bytes, OwnedSemaphorePermit);

/// A handle on the store. Entries are written in the background, by a task that ends with the last handle.
#[derive(Clone)]
pub(crate) struct Store {
    shelf: Arc<Shelf>,
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl Store {
    /// Opens `file:///folder` or, where the program was built for it, `s3://bucket/folder` with the credentials that
    /// the environment has. `tag` names model and encoders; entries of others are never looked at. A folder is kept
    /// below `limit` bytes; a bucket has rules of its own for that.
    pub(crate) fn open(url: &str, tag: &str, limit: u64) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Store { url: url.to_owned(), reason };
        let parsed = url::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, folder) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| wrong(error.to_string()))?;
        let limit = (parsed.scheme() == "file").then_some(limit);
        if let Some(path) = limit.and_then(|_| parsed.to_file_path().ok()) {
            make_writable(&path.join(tag)).map_err(|source| Error::StoreFolder { folder: path, source })?;
        }
        Ok(Self::over(objects, folder, tag, limit))
    }

    /// Starts the task that writes.
    fn over(objects: Box<dyn ObjectStore>, folder: Path, tag: &str, limit: Option<u64>) -> Self {
        let (breaker, counts) = (Breaker::new("cache"), StoreCounts::default());
        let shelf = Arc::new(Shelf { objects, folder: folder.clone().join(tag), limit, breaker, counts });
        let (queue, entries) = mpsc::channel(WAITING);
        tokio::spawn(keep(Arc::clone(&shelf), folder, entries));
        Self { shelf, queue, room: Arc::new(Semaphore::new(WAITING_BYTES)) }
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> &StoreCounts {
        &self.shelf.counts
    }

    fn path(&self, name: &str) -> Path {
        let hash = blake3::hash(name.as_bytes()).to_hex();
        self.shelf.folder.clone().join(&hash[..2]).join(&hash[..40])
    }

    /// The entry of that name, if it is there and sound.
    pub(crate) async fn get(&self, name: &str) -> Option<Bytes> {
        let Shelf { objects, counts, .. } = &*self.shelf;
        if self.shelf.breaker.is_open() {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let path = self.path(name);
        let read = async { objects.get(&path).await?.bytes().await };
        let entry = match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(object_store::Error::NotFound { .. })) => {
                counts.misses.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Ok(Err(error)) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                self.shelf.breaker.trip(&error.to_string());
                return None;
            }
            Err(_) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                self.shelf.breaker.trip("it takes too long");
                return None;
            }
        };
        let contents = sound(&entry);
        if contents.is_none() {
            counts.damaged.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%path, bytes = entry.len(), "a damaged entry of the cache is thrown away and drawn again");
            // It is written again below the same name, so it is no loss if this does not succeed.
            let _ = objects.delete(&path).await;
        } else {
            counts.hits.fetch_add(1, Ordering::Relaxed);
        }
        contents
    }

    /// Keeps an entry, soon, if there is room for it.
    pub(crate) fn put(&self, name: &str, contents: &Bytes) {
        // What is larger than all the room may wait alone.
        let size = contents.len().min(WAITING_BYTES) as u32;
        let room = Arc::clone(&self.room).try_acquire_many_owned(size);
        let waits = room.is_ok_and(|room| self.queue.try_send((self.path(name), contents.clone(), room)).is_ok());
        if !waits {
            self.shelf.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes a folder, and sees to it that it takes files. A disk that is full costs speed alone, and may have room later.
fn make_writable(folder: &std::path::Path) -> io::Result<()> {
    // Another process with this number, in a container of its own, may take it away first.
    let trial = folder.join(format!(".trial-{}", std::process::id()));
    let tried = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&trial, b""));
    let _ = std::fs::remove_file(trial);
    match tried {
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            tracing::warn!(%error, folder = %folder.display(), "the cache's disk is full: pictures are not kept until it has room");
            Ok(())
        }
        tried => tried,
    }
}

/// The contents of an entry whose hash fits them.
fn sound(entry: &Bytes) -> Option<Bytes> {
    let (magic, rest) = entry.split_first_chunk::<{ MAGIC.len() }>()?;
    let (hash, contents) = rest.split_first_chunk::<{ blake3::OUT_LEN }>()?;
    (magic == MAGIC && blake3::hash(contents) == blake3::Hash::from(*hash)).then(|| entry.slice(HEAD..))
}

/// An entry as it is written.
fn sealed(contents: &Bytes) -> Vec<u8> {
    [&MAGIC[..], blake3::hash(contents).as_bytes(), contents].concat()
}

/// The life of the background task: writes entries, a few at a time, and keeps a folder within its bound.
async fn keep(shelf: Arc<Shelf>, whole: Path, mut entries: mpsc::Receiver<Waiting>) {
    let mut used = match shelf.limit {
        Some(_) => contents(&shelf, &whole).await.iter().map(|(_, _, size)| size).sum(),
        None => 0,
    };
    let mut quiet_until = Instant::now();
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, WRITERS).await > 0 {
        let written = futures_util::stream::iter(batch.drain(..)).map(|(path, contents, room)| {
            let entry = sealed(&contents);
            let size = entry.len() as u64;
            let shelf = &shelf;
            async move {
                let put = shelf.objects.put(&path, entry.into()).await;
                drop(room);
                put.map(|_| size)
            }
        });
        for result in written.buffer_unordered(WRITERS).collect::<Vec<_>>().await {
            match result {
                Ok(size) => {
                    used += size;
                    shelf.counts.written.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    shelf.counts.failed.fetch_add(1, Ordering::Relaxed);
                    // A full disk would otherwise fill the log as well.
                    if Instant::now() >= quiet_until {
                        tracing::warn!(%error, "the cache cannot be written: pictures are drawn again when they are asked for");
                        quiet_until = Instant::now() + Duration::from_mins(1);
                    }
                }
            }
        }
        if let Some(limit) = shelf.limit
            && used > limit
        {
            used = tidy(&shelf, &whole, limit / 100 * KEEP).await;
        }
    }
}

/// All entries, with the time of their writing and their size. Somebody's files that lie in the same folder are none.
async fn contents(shelf: &Shelf, folder: &Path) -> Vec<(Path, std::time::SystemTime, u64)> {
    let entry = |meta: object_store::ObjectMeta| (meta.location, meta.last_modified.into(), meta.size);
    let all = shelf.objects.list(Some(folder)).map_ok(entry).filter_map(async |entry| entry.ok());
    all.filter(|(path, ..)| std::future::ready(is_entry(folder, path))).collect().await
}

/// Whether a place below `folder` is one that [`Store::path`] names, of any tag.
fn is_entry(folder: &Path, path: &Path) -> bool {
    let Some(parts) = path.prefix_match(folder) else { return false };
    let parts: Vec<_> = parts.collect();
    let [_, begin, hash] = &parts[..] else { return false };
    let hash = hash.as_ref();
    let is_hash = hash.len() == 40 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash && hash[..2] == *begin.as_ref()
}

/// Takes the oldest entries out until the rest has at most `goal` bytes; returns how many it has.
async fn tidy(shelf: &Shelf, folder: &Path, goal: u64) -> u64 {
    let mut entries = contents(shelf, folder).await;
    entries.sort_by_key(|(_, written, _)| *written);
    let mut used: u64 = entries.iter().map(|(.., size)| size).sum();
    for (path, _, size) in entries {
        if used <= goal {
            break;
        }
        if shelf.objects.delete(&path).await.is_ok() {
            used -= size;
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    use super::*;
    use crate::pictures::breaker::OPEN;

    fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries
            .flat_map(|entry| {
                let path = entry.unwrap().path();
                if path.is_dir() { files(&path) } else { vec![path] }
            })
            .collect()
    }

    async fn written(store: &Store, count: u64) {
        for _ in 0..1000 {
            if store.counts().written.load(Ordering::Relaxed) >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the entries were never written");
    }

    fn open(folder: &std::path::Path, limit: u64) -> Store {
        Store::open(url::Url::from_directory_path(folder).unwrap().as_str(), "model", limit).unwrap()
    }

    #[tokio::test]
    async fn entries_outlive_the_handle_and_every_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Bytes::from_static(b"a picture");
        let store = open(folder.path(), 1 << 20);
        assert_eq!(store.get("../../etc/passwd").await, None);
        store.put("../../etc/passwd", &picture);
        written(&store, 1).await;
        let store = open(folder.path(), 1 << 20);
        assert_eq!(store.get("../../etc/passwd").await, Some(picture.clone()));

        let [file] = &files(folder.path())[..] else { panic!("one entry, one file") };
        let whole = std::fs::read(file).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&whole[..at], &flipped] {
                std::fs::write(file, damaged).unwrap();
                assert_eq!(store.get("../../etc/passwd").await, None, "byte {at}");
                assert!(!file.exists(), "a damaged entry is thrown away");
            }
        }
        assert_eq!(store.counts().damaged.load(Ordering::Relaxed), 2 * whole.len() as u64);
    }

    #[tokio::test]
    async fn a_folder_stays_below_its_bound_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), 10_000);
        for at in 1..=50 {
            store.put(&format!("entry {at}"), &Bytes::from(vec![at; 1000]));
            written(&store, u64::from(at)).await;
        }
        // The last entry may be counted before the folder is tidied.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let used: u64 = files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!((5_000..=11_100).contains(&used), "{used} bytes are left");
        assert!(store.get("entry 50").await.is_some() && store.get("entry 1").await.is_none());
    }

    #[tokio::test]
    async fn files_of_others_in_the_same_folder_are_never_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = ["records/0.tsv", "0-99/ab/notes.txt", "holiday.jpg", "model/ab/abcdef"]
            .map(|path| folder.path().join(path));
        for path in &theirs {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [7; 4000]).unwrap();
        }
        let store = open(folder.path(), 10_000);
        for at in 1..=30 {
            store.put(&format!("entry {at}"), &Bytes::from(vec![at; 1000]));
            written(&store, u64::from(at)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(theirs.iter().all(|path| path.exists()));
        let kept = files(folder.path()).len() - theirs.len();
        assert!((4..=11).contains(&kept), "{kept} entries are left: others' files do not count");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_keeps_one_picture_waiting_and_not_all() {
        let never = ThrottleConfig { wait_get_per_call: Duration::from_hours(1), ..Default::default() };
        let away = ThrottledStore::new(InMemory::new(), never);
        let store = Store::over(Box::new(away), Path::default(), "model", None);
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(store.get("a").await, None);
        }
        assert!((PATIENCE..2 * PATIENCE).contains(&start.elapsed()));
        assert_eq!(store.counts().failed.load(Ordering::Relaxed), 100);
        tokio::time::sleep(OPEN).await;
        let start = Instant::now();
        assert_eq!(store.get("a").await, None);
        assert!(start.elapsed() >= PATIENCE, "it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_to_be_written_is_bounded_in_bytes() {
        let never = ThrottleConfig { wait_put_per_call: Duration::from_hours(1), ..Default::default() };
        let slow = ThrottledStore::new(InMemory::new(), never);
        let store = Store::over(Box::new(slow), Path::default(), "model", None);
        let failed = || store.counts().failed.load(Ordering::Relaxed);
        let large = Bytes::from(vec![7; WAITING_BYTES + 1]);
        store.put("alone", &large);
        assert_eq!(failed(), 0, "one may be as large as it is");
        store.put("too much", &large.slice(..10));
        assert_eq!(failed(), 1);
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(store.counts().written.load(Ordering::Relaxed), 1);
        store.put("again", &large.slice(..10));
        assert_eq!(failed(), 1, "there is room again");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_ends_the_start_with_its_path_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let says = |place: &std::path::Path| {
            let url = url::Url::from_directory_path(place).unwrap();
            let error = Store::open(url.as_str(), "model", 1).map(drop).unwrap_err().to_string();
            assert!(error.contains(&*place.to_string_lossy()) && error.contains("cannot be written"), "{error}");
            error
        };
        let file = folder.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        says(&file);
        says(&file.join("below"));
        // As an earlier run by another user may leave it.
        std::fs::write(folder.path().join("model"), "in the way").unwrap();
        says(folder.path());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let closed = folder.path().join("closed");
            std::fs::create_dir(&closed).unwrap();
            std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
            // To root nothing is closed.
            if std::fs::write(closed.join("file"), "").is_err() {
                assert!(says(&closed).contains("Permission denied"));
            }
        }
        let good = folder.path().join("good");
        drop(open(&good, 1));
        assert!(files(&good).is_empty(), "the trial leaves nothing");
    }

    #[tokio::test]
    async fn a_store_that_can_be_written_no_more_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let store = open(&place, 1 << 20);
        std::fs::remove_dir_all(&place).unwrap();
        std::fs::write(&place, "in the way").unwrap();
        store.put("a", &Bytes::from_static(b"b"));
        for _ in 0..1000 {
            if store.counts().failed.load(Ordering::Relaxed) > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(store.counts().written.load(Ordering::Relaxed), 0);
        assert_eq!(store.get("a").await, None);
    }

    #[tokio::test]
    async fn a_wrong_address_is_a_clear_error() {
        for url in ["/var/cache", "ftp://x/y", "file://host/x y", "nonsense"] {
            let Err(error) = Store::open(url, "model", 1) else { continue };
            assert!(error.to_string().contains("file:///var/cache/tadne"), "{error}");
        }
        assert!(Store::open("nonsense", "model", 1).is_err() && Store::open("ftp://x/y", "model", 1).is_err());
    }
}
