//! How often a client may ask: a bucket of tokens each, in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::client::Client;

/// Clients that are remembered; beyond that those seen least are forgotten, which gives them a full bucket.
const CLIENTS: u64 = 1 << 16;
/// A bucket holds what flows in during this time, so that a page may ask for all its pictures at once.
const BURST: Duration = Duration::from_secs(4);

/// Counts requests by the generic cell rate algorithm (ITU-T I.371): each client has a time at which its bucket would
/// be full again; a request moves it on by one interval, unless it then lay further ahead than the burst.
pub(crate) struct Rate {
    interval: u64,
    burst: u64,
    start: Instant,
    full_at: Cache<Client, Arc<AtomicU64>>,
}

impl Rate {
    /// `per_second` requests a client on average; `None` for 0, which means no limit.
    pub(crate) fn new(per_second: u32) -> Option<Self> {
        (per_second > 0).then(|| Self {
            interval: 1_000_000_000 / u64::from(per_second),
            burst: BURST.as_nanos() as u64,
            start: Instant::now(),
            full_at: Cache::builder().max_capacity(CLIENTS).time_to_idle(2 * BURST).build(),
        })
    }

    /// Takes a token, or says how long until there is one.
    pub(crate) fn take(&self, client: Client) -> Result<(), Duration> {
        self.take_at(client, self.start.elapsed().as_nanos() as u64)
    }

    fn take_at(&self, client: Client, now: u64) -> Result<(), Duration> {
        let full_at = self.full_at.get_with(client, Arc::default);
        let next = |full_at: u64| {
            let next = full_at.max(now) + self.interval;
            (next <= now + self.burst).then_some(next)
        };
        match full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(full_at) => Err(Duration::from_nanos((full_at + self.interval).saturating_sub(now + self.burst))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_nobody_pays_for_another() {
        let rate = Rate::new(10).unwrap();
        let client = |last: u8| Client::from(std::net::IpAddr::from([192, 0, 2, last]));
        assert!((0..40).all(|_| rate.take_at(client(1), 0).is_ok()));
        let wait = rate.take_at(client(1), 0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(rate.take_at(client(2), 0).is_ok());
        let second = 1_000_000_000;
        assert_eq!((0..40).filter(|_| rate.take_at(client(1), second).is_ok()).count(), 10);
        assert_eq!((0..60).filter(|_| rate.take_at(client(1), 60 * second).is_ok()).count(), 40);
        assert!(Rate::new(0).is_none());
    }
}
