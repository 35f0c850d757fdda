//! From an address to the bytes of its picture: cache first, then the drawing threads.

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use synth::Generator;

use crate::address::PictureAddress;
use crate::config::Config;
use crate::encode;
use crate::error::{Error, Refusal};
use crate::pool::{Counts, Pool, Stop};

/// Draws, encodes and remembers pictures. Shared by all requests.
pub(crate) struct Studio {
    pool: Pool<PictureAddress, Bytes>,
    cache: Cache<PictureAddress, Bytes>,
    tag: String,
}

impl Studio {
    /// Starts the drawing threads.
    pub(crate) fn open(generator: &Arc<Generator>, config: &Config) -> Result<Self, Error> {
        let cache = Cache::builder()
            .max_capacity(config.cache_bytes)
            .weigher(|_, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(ENTRY_OVERHEAD))
            .build();
        let makers = (0..config.threads.max(1)).map(|_| maker(generator, cache.clone())).collect();
        let pool = Pool::start(makers, config.queue).map_err(Error::Threads)?;
        // Vector units round differently, so their name belongs to the identity of the bytes.
        let tag = format!("{:.16}-{}-{}", generator.fingerprint(), generator.simd(), encode::REVISION);
        Ok(Self { pool, cache, tag })
    }

    /// The strong entity tag of a picture, known without drawing it.
    pub(crate) fn etag(&self, address: &PictureAddress) -> String {
        format!("\"{}-{}\"", self.tag, address.to_string().replace('/', "-"))
    }

    /// The picture's file. Dropping the future withdraws the request.
    pub(crate) async fn picture(&self, address: &PictureAddress) -> Result<Bytes, Refusal> {
        if let Some(bytes) = self.cache.get(address) {
            return Ok(bytes);
        }
        let ticket = self.pool.request(address).map_err(|_| Refusal::Busy)?;
        ticket.value().await.map_err(|stop| match stop {
            Stop::Cancelled => Refusal::Busy,
            Stop::Failed(reason) => {
                tracing::error!(%address, reason, "a picture could not be drawn");
                Refusal::Failed
            }
        })
    }

    /// What the threads have done so far.
    pub(crate) fn counts(&self) -> Counts {
        self.pool.counts()
    }
}

/// Roughly what the cache spends on an entry beside its bytes.
const ENTRY_OVERHEAD: u32 = 256;

/// One thread's work, with its own scratch memory.
fn maker(
    generator: &Arc<Generator>,
    cache: Cache<PictureAddress, Bytes>,
) -> impl FnMut(&PictureAddress, &dyn Fn() -> bool) -> Result<Bytes, Stop> + Send + 'static {
    let generator = Arc::clone(generator);
    let mut worker = generator.worker();
    move |address, unwanted| {
        // Finished by another thread between the visitor's look into the cache and this one's turn.
        if let Some(bytes) = cache.get(address) {
            return Ok(bytes);
        }
        let picture = worker.draw_cancellable(address.seed, address.psi, unwanted).ok_or(Stop::Cancelled)?;
        let file = address.format.encode(&picture).map_err(|error| Stop::Failed(error.to_string()))?;
        let bytes = Bytes::from(file);
        cache.insert(*address, bytes.clone());
        Ok(bytes)
    }
}
