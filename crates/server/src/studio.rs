//! From an order to the bytes of its file: cache first, then the drawing threads.

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use synth::Generator;

use crate::config::Config;
use crate::draft::Drafter;
use crate::encode;
use crate::error::{Error, Refusal};
use crate::order::Order;
use crate::pool::{Counts, Pool, Stop};

/// Draws, encodes and remembers pictures. Shared by all requests.
pub(crate) struct Studio {
    pool: Pool<Order, Bytes>,
    cache: Cache<Order, Bytes>,
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

    /// The strong entity tag of a file, known without drawing it.
    pub(crate) fn etag(&self, order: &Order) -> String {
        format!("\"{}/{order}\"", self.tag)
    }

    /// The file. Dropping the future withdraws the order.
    pub(crate) async fn file(&self, order: &Order) -> Result<Bytes, Refusal> {
        if let Some(bytes) = self.cache.get(order) {
            return Ok(bytes);
        }
        let ticket = self.pool.request(order).map_err(|_| Refusal::Busy)?;
        ticket.value().await.map_err(|stop| match stop {
            Stop::Cancelled => Refusal::Busy,
            Stop::Failed(reason) => {
                tracing::error!(%order, reason, "a picture could not be drawn");
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
const ENTRY_OVERHEAD: u32 = 320;

/// One thread's work, with its own scratch memory.
fn maker(
    generator: &Arc<Generator>,
    cache: Cache<Order, Bytes>,
) -> impl FnMut(&Order, &dyn Fn() -> bool) -> Result<Bytes, Stop> + Send + 'static {
    let mut drafter = Drafter::new(generator);
    move |order, unwanted| {
        // Finished by another thread between the visitor's look into the cache and this one's turn.
        if let Some(bytes) = cache.get(order) {
            return Ok(bytes);
        }
        let bytes = Bytes::from(drafter.make(order, unwanted)?);
        cache.insert(order.clone(), bytes.clone());
        Ok(bytes)
    }
}
