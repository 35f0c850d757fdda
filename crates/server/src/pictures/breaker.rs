//! A circuit breaker: what cannot be read is left alone for a while, so that not every picture waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long it stays open.
pub(crate) const OPEN: Duration = Duration::from_secs(10);

/// When a place may be asked again, after it could not be read.
pub(crate) struct Breaker {
    /// What is left alone, for the log.
    name: &'static str,
    until: Mutex<Option<Instant>>,
}

impl Breaker {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, until: Mutex::new(None) }
    }

    /// Whether it is left alone now.
    pub(crate) fn is_open(&self) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Leaves it alone for a while, and says so; those who were asking at the same time need not say it again.
    pub(crate) fn trip(&self, reason: &str) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_none_or(|until| until <= Instant::now()) {
            let (name, seconds) = (self.name, OPEN.as_secs());
            tracing::warn!(
                reason,
                "the {name} cannot be read: pictures are drawn, and it is asked again in {seconds} s"
            );
            *until = Some(Instant::now() + OPEN);
        }
    }
}
