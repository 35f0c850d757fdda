//! An archive in a bucket: many small files on their way at once, large ones in parts.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::error::{Error, failed};

/// Files on their way at the same time: a bucket answers in tens of milliseconds, a picture is drawn in fewer.
const AT_ONCE: u32 = 64;
/// Larger files are sent in parts of this size, so that no more of them is in memory.
const PART: usize = 16 << 20;
/// How often a request is made that fails for no lasting reason. The store has tried again by itself before that, but for what it cannot
/// know: whether an answer that broke off half-way said that all is well.
const TRIES: u32 = 6;
/// Before the second try; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(100);

/// A folder of a bucket. What could not be sent is said by the next call.
#[derive(Debug)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    runtime: Runtime,
    room: Arc<Semaphore>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Bucket {
    /// The bucket of an address, with the credentials that the environment has.
    pub(crate) fn open(url: &url::Url) -> Result<Self, String> {
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, folder) = object_store::parse_url_opts(url, options).map_err(|error| error.to_string())?;
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        Ok(Self::over(objects.into(), folder, runtime))
    }

    fn over(objects: Arc<dyn ObjectStore>, folder: Path, runtime: Runtime) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE as usize));
        Self { objects, folder, runtime, room, failure: Arc::default() }
    }

    fn below(&self, path: &str) -> Path {
        path.split('/').fold(self.folder.clone(), Path::join)
    }

    /// What went wrong with a file that was sent before.
    fn failure(&self) -> Result<(), Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Sends a file; it is there after [`Bucket::settle`]. Waits while there are many on their way.
    pub(crate) fn send(&self, path: &str, contents: &Bytes) -> Result<(), Error> {
        self.failure()?;
        let room = self.runtime.block_on(Arc::clone(&self.room).acquire_owned());
        let (objects, failure) = (Arc::clone(&self.objects), Arc::clone(&self.failure));
        let (whole, name, contents) = (self.below(path), path.to_owned(), contents.clone());
        self.runtime.spawn(async move {
            if let Err(error) = again(|| objects.put(&whole, contents.clone().into())).await {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed("write", &name, &error));
            }
            drop(room);
        });
        Ok(())
    }

    /// Waits for all files that were sent.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        drop(self.runtime.block_on(self.room.acquire_many(AT_ONCE)));
        self.failure()
    }

    /// Puts a file in its place now.
    pub(crate) fn put(&self, path: &str, contents: &Bytes) -> Result<(), Error> {
        let whole = self.below(path);
        let put = again(|| self.objects.put(&whole, contents.clone().into()));
        self.runtime.block_on(put).map(drop).map_err(|error| failed("write", path, &error))
    }

    /// Puts a small file where none is; whether there was none.
    pub(crate) fn create(&self, path: &str, contents: &Bytes) -> Result<bool, Error> {
        let whole = self.below(path);
        let put = again(|| self.objects.put_opts(&whole, contents.clone().into(), PutMode::Create.into()));
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            // Stores that know no conditions.
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                self.put(path, contents).map(|()| true)
            }
            Err(error) => Err(failed("write", path, &error)),
        }
    }

    /// Puts a file of any length in its place; it appears whole at the end.
    pub(crate) fn put_file(&self, path: &str, mut file: &File) -> Result<(), Error> {
        let unread = |error: std::io::Error| failed("read", path, &error);
        if file.metadata().map_err(unread)?.len() < PART as u64 {
            return self.put(path, &read_part(&mut file).map_err(unread)?);
        }
        let whole = self.below(path);
        // From the start each time: of an upload whose end was not answered nobody knows whether it is still there.
        let upload = again(|| upload(self.objects.as_ref(), &whole, file));
        self.runtime.block_on(upload).map_err(|error| failed("write", path, &error))
    }

    /// A file, if it is there.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Bytes>, Error> {
        self.read(path, &GetOptions::default())
    }

    /// How long a file is, and its BLAKE3 hash, if it is there.
    pub(crate) fn digest(&self, path: &str) -> Result<Option<(u64, blake3::Hash)>, Error> {
        let whole = self.below(path);
        let get = again(|| async {
            let mut pieces = self.objects.get_opts(&whole, GetOptions::default()).await?.into_stream();
            let mut hasher = blake3::Hasher::new();
            while let Some(piece) = pieces.try_next().await? {
                hasher.update(&piece);
            }
            Ok::<_, object_store::Error>((hasher.count(), hasher.finalize()))
        });
        self.there(get, path)
    }

    /// The last bytes of a file, if it is there.
    pub(crate) fn tail(&self, path: &str, bytes: u64) -> Result<Option<Bytes>, Error> {
        self.read(path, &GetOptions { range: Some(GetRange::Suffix(bytes)), ..GetOptions::default() })
    }

    fn read(&self, path: &str, options: &GetOptions) -> Result<Option<Bytes>, Error> {
        let whole = self.below(path);
        let get = again(|| async { self.objects.get_opts(&whole, options.clone()).await?.bytes().await });
        self.there(get, path)
    }

    /// Waits for what is read of a file that may be missing.
    fn there<T>(&self, read: impl Future<Output = object_store::Result<T>>, path: &str) -> Result<Option<T>, Error> {
        match self.runtime.block_on(read) {
            Ok(read) => Ok(Some(read)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", path, &error)),
        }
    }

    /// The names of the files in a folder.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let folder = self.below(path);
        let list = again(|| async {
            let names = self.objects.list(Some(&folder)).try_filter_map(|about| {
                let name = about.location.filename().map(str::to_owned);
                async move { Ok(name) }
            });
            names.try_collect().await
        });
        self.runtime.block_on(list).map_err(|error| failed("list", path, &error))
    }
}

/// Makes a request until it succeeds, fails for a reason that lasts, or has been made [`TRIES`] times. Whatever is asked here may be asked
/// twice: the same bytes go to the same place.
async fn again<T, R>(request: impl Fn() -> R) -> object_store::Result<T>
where
    R: Future<Output = object_store::Result<T>>,
{
    use object_store::Error::{
        AlreadyExists, NotFound, NotImplemented, NotSupported, PermissionDenied, Unauthenticated,
    };
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match request().await {
            Err(
                error @ (NotFound { .. }
                | AlreadyExists { .. }
                | NotImplemented { .. }
                | NotSupported { .. }
                | PermissionDenied { .. }
                | Unauthenticated { .. }),
            ) => return Err(error),
            Err(_) => tokio::time::sleep(pause).await,
            sent => return sent,
        }
        pause *= 2;
    }
    request().await
}

/// Sends a file in parts.
async fn upload(objects: &dyn ObjectStore, whole: &Path, mut file: &File) -> object_store::Result<()> {
    let unread = |error: std::io::Error| object_store::Error::Generic { store: "local file", source: error.into() };
    file.rewind().map_err(unread)?;
    let mut upload = objects.put_multipart(whole).await?;
    let send = async {
        loop {
            let part = read_part(&mut file).map_err(unread)?;
            if part.is_empty() {
                return match upload.complete().await {
                    // It is gone: ended by an earlier request that was not answered, or thrown away by the bucket.
                    Err(object_store::Error::NotFound { source, .. }) => {
                        Err(object_store::Error::Generic { store: "upload in parts", source })
                    }
                    ended => ended.map(drop),
                };
            }
            upload.put_part(part.into()).await?;
        }
    };
    let sent = send.await;
    if sent.is_err() {
        // Parts that nobody ever finishes are paid for.
        let _ = upload.abort().await;
    }
    sent
}

fn read_part(file: &mut &File) -> std::io::Result<Bytes> {
    let mut part = Vec::with_capacity(PART);
    file.take(PART as u64).read_to_end(&mut part)?;
    Ok(part.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::{Duration, Instant};

    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    use super::*;

    fn bucket(objects: Arc<dyn ObjectStore>) -> Bucket {
        Bucket::over(objects, Path::from("folder"), Runtime::new().unwrap())
    }

    #[test]
    fn many_files_are_on_their_way_at_once_and_all_are_there_when_it_is_settled() {
        let late = ThrottleConfig { wait_put_per_call: Duration::from_millis(50), ..Default::default() };
        let bucket = bucket(Arc::new(ThrottledStore::new(InMemory::new(), late)));
        let start = Instant::now();
        for n in 0..128u8 {
            bucket.send(&format!("results/{n}"), &Bytes::from(vec![n])).unwrap();
        }
        bucket.settle().unwrap();
        // One after the other it would be 6.4 s.
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!(bucket.list("results").unwrap().len(), 128);
        assert_eq!(bucket.get("results/77").unwrap().unwrap(), vec![77]);
        assert_eq!(bucket.get("results/128").unwrap(), None);
    }

    #[test]
    fn a_file_that_could_not_be_sent_is_said_once_and_others_may_follow() {
        let folder = tempfile::tempdir().unwrap();
        // A file is where a folder would have to be.
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        std::fs::write(folder.path().join("folder/results"), "in the way").unwrap();
        let local = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let bucket = bucket(Arc::new(local));
        bucket.send("results/1", &Bytes::from_static(b"x")).unwrap();
        assert!(bucket.settle().unwrap_err().to_string().contains("results/1"));
        bucket.send("others/1", &Bytes::from_static(b"x")).unwrap();
        bucket.settle().unwrap();
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_lasts_is_not() {
        let broken = || object_store::Error::Generic { store: "bucket", source: "it broke off".into() };
        let denied = || object_store::Error::PermissionDenied { path: "x".into(), source: "not yours".into() };
        let tries = |failures: u32, error: &dyn Fn() -> object_store::Error| {
            let made = std::sync::atomic::AtomicU32::new(0);
            let request =
                || std::future::ready(if made.fetch_add(1, Relaxed) < failures { Err(error()) } else { Ok(()) });
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let ended = runtime.block_on(again(request));
            (made.load(Relaxed), ended.is_ok())
        };
        assert_eq!(tries(0, &broken), (1, true));
        assert_eq!(tries(2, &broken), (3, true));
        assert_eq!(tries(TRIES - 1, &broken), (TRIES, true));
        assert_eq!(tries(TRIES, &broken), (TRIES, false));
        assert_eq!(tries(2, &denied), (1, false));
    }

    #[test]
    fn a_large_file_arrives_in_parts_and_its_end_can_be_read_alone() {
        let bucket = bucket(Arc::new(InMemory::new()));
        for length in [0, 1, PART - 1, PART, PART + 1, 2 * PART + 5] {
            let mut file = tempfile::tempfile().unwrap();
            let contents: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            file.write_all(&contents).unwrap();
            file.rewind().unwrap();
            bucket.put_file("tars/a.tar", &file).unwrap();
            assert!(bucket.get("tars/a.tar").unwrap().unwrap() == contents, "{length} bytes");
            assert_eq!(bucket.digest("tars/a.tar").unwrap(), Some((length as u64, blake3::hash(&contents))));
        }
        assert_eq!(bucket.tail("tars/a.tar", 3).unwrap().unwrap().len(), 3);
        assert_eq!(bucket.digest("tars/none.tar").unwrap(), None);
        assert!(bucket.create("once", &Bytes::from_static(b"1")).unwrap());
        assert!(!bucket.create("once", &Bytes::from_static(b"2")).unwrap());
        assert_eq!(bucket.get("once").unwrap().unwrap(), b"1"[..]);
    }
}
