//! From an order to the bytes of its file: memory first, then pictures made ahead, then the store, then the drawing threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;
use synth::{Calibration, Generator};

use crate::client::Client;
use crate::config::Config;
use crate::error::{Error, Refusal};
use crate::pictures::ahead::{Ahead, AheadCounts};
use crate::pictures::encode;
use crate::pictures::order::Order;
use crate::pictures::pool::{Counts, Pool, Stop};
use crate::pictures::render::Renderer;
use crate::pictures::store::{Store, StoreCounts};

/// Bytes of an order as it stands in an entity tag, at most; the hash of a longer one stands there. Proxies read a few thousand bytes of headers.
const LONGEST_TAG: usize = 200;

/// Draws, encodes and remembers pictures. Shared by all requests.
pub(crate) struct PictureService {
    pool: Pool<Order, Bytes>,
    memory: Cache<Order, Bytes>,
    ahead: Option<Ahead>,
    store: Option<Store>,
    tag: String,
    hits: AtomicU64,
}

/// A calibration as it stands in tags, whatever its fields are called later.
fn spelled(calibration: Option<Calibration>) -> String {
    calibration.map_or_else(
        || "None".to_owned(),
        |Calibration { psi_low, psi_best, psi_high }| {
            format!("Some(Calibration {{ psi_low: {psi_low:?}, psi_best: {psi_best:?}, psi_high: {psi_high:?} }})")
        },
    )
}

impl PictureService {
    /// Starts the drawing threads, and the task that keeps the store where there is one.
    pub(crate) fn open(generator: &Arc<Generator>, config: &Config) -> Result<Self, Error> {
        let memory = Cache::builder()
            .max_capacity(config.cache_bytes)
            .weigher(|_, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(ENTRY_OVERHEAD))
            .build();
        // Vector units round differently, so their name belongs to the identity of the bytes; so do how seeds are read
        // and what creativity means.
        let variation = format!("{} {}", generator.variation().identity(), spelled(config.metadata.calibration));
        let variation =
            u32::from_le_bytes(*blake3::hash(variation.as_bytes()).as_bytes().first_chunk().unwrap_or(&[0; 4]));
        let mut tag =
            format!("{:.16}-{}-{}-{variation:08x}", generator.fingerprint(), generator.simd(), encode::REVISION);
        let store = config.store.as_ref().map(|url| Store::open(url, &tag, config.store_bytes)).transpose()?;
        let ahead = config.archive.as_ref().map(|place| Ahead::open(place, generator)).transpose()?;
        if ahead.is_some() {
            // Somebody else's vector unit may have drawn what is there.
            tag.push_str("-ahead");
        }
        let makers = (0..config.threads.max(1)).map(|_| maker(generator, memory.clone(), store.clone())).collect();
        let pool = Pool::start(makers, config.queue.max(1)).map_err(Error::Threads)?;
        Ok(Self { pool, memory, ahead, store, tag, hits: AtomicU64::new(0) })
    }

    /// The strong entity tag of a file, known without drawing it.
    pub(crate) fn etag(&self, order: &Order) -> String {
        let order = order.to_string();
        if order.len() <= LONGEST_TAG {
            return format!("\"{}/{order}\"", self.tag);
        }
        format!("\"{}/{}\"", self.tag, blake3::hash(order.as_bytes()).to_hex())
    }

    /// The file, for a client whose turn in the queue it takes. Dropping the future withdraws the order.
    pub(crate) async fn file(&self, client: Client, order: &Order) -> Result<Bytes, Refusal> {
        if let Some(bytes) = self.memory.get(order) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(bytes);
        }
        if let Some(ahead) = &self.ahead
            && let Some(bytes) = ahead.get(order).await
        {
            self.memory.insert(order.clone(), bytes.clone());
            return Ok(bytes);
        }
        if let Some(store) = &self.store
            && let Some(bytes) = store.get(&order.to_string()).await
        {
            self.memory.insert(order.clone(), bytes.clone());
            return Ok(bytes);
        }
        let ticket = self.pool.request(client, order).map_err(|_| Refusal::Busy)?;
        ticket.value().await.map_err(|stop| match stop {
            Stop::Cancelled => Refusal::Busy,
            Stop::Failed(reason) => {
                tracing::error!(%order, reason, "a picture could not be drawn");
                Refusal::Failed
            }
        })
    }

    /// As [`PictureService::file`], for one of many files that one answer holds: asks again for a while when there is no room.
    pub(crate) async fn file_patiently(&self, client: Client, order: &Order) -> Result<Bytes, Refusal> {
        for tenths in 1..=20 {
            match self.file(client, order).await {
                Err(Refusal::Busy) => tokio::time::sleep(Duration::from_millis(100 * tenths)).await,
                done => return done,
            }
        }
        Err(Refusal::Busy)
    }

    /// What the threads have done so far.
    pub(crate) fn counts(&self) -> Counts {
        self.pool.counts()
    }

    /// Files found in memory so far.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Bytes of finished files in memory.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.weighted_size()
    }

    /// What was found among pictures made ahead, if there are any.
    pub(crate) fn ahead_counts(&self) -> Option<&AheadCounts> {
        self.ahead.as_ref().map(Ahead::counts)
    }

    /// What happened with the store, if there is one.
    pub(crate) fn store_counts(&self) -> Option<&StoreCounts> {
        self.store.as_ref().map(Store::counts)
    }
}

/// Roughly what the cache spends on an entry beside its bytes.
const ENTRY_OVERHEAD: u32 = 320;

/// One thread's work, with its own scratch memory.
fn maker(
    generator: &Arc<Generator>,
    memory: Cache<Order, Bytes>,
    store: Option<Store>,
) -> impl FnMut(&Order, &dyn Fn() -> bool) -> Result<Bytes, Stop> + Send + 'static {
    let mut renderer = Renderer::new(generator);
    move |order, unwanted| {
        // Finished by another thread between the visitor's look into the cache and this one's turn.
        if let Some(bytes) = memory.get(order) {
            return Ok(bytes);
        }
        let bytes = renderer.make(order, unwanted)?;
        memory.insert(order.clone(), bytes.clone());
        if let Some(store) = &store {
            store.put(&order.to_string(), &bytes);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrations_are_spelled_as_they_always_were() {
        assert_eq!(spelled(None), "None");
        let calibration = Calibration { psi_low: 0.5, psi_best: 1.0, psi_high: 1.8 };
        assert_eq!(spelled(Some(calibration)), "Some(Calibration { psi_low: 0.5, psi_best: 1.0, psi_high: 1.8 })");
    }
}
