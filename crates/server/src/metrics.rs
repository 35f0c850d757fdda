//! Figures for Prometheus: what was asked, how long it took, what waits, what was kept and what was refused.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::pictures::studio::PictureService;

/// The media type of what [`Metrics::text`] writes.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of a request: where it went and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    kind: &'static str,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    refused: Family<Kind, Counter>,
    connections: Gauge<i64, AtomicI64>,
    /// Copied from the studio when the figures are read.
    studio: Family<Kind, Counter<u64, AtomicU64>>,
    store: Family<Kind, Counter<u64, AtomicU64>>,
    ahead: Family<Kind, Counter<u64, AtomicU64>>,
    queue: Gauge<i64, AtomicI64>,
    memory: Gauge<i64, AtomicI64>,
}

/// From a picture out of memory to one that waits for its turn, in seconds.
const BUCKETS: [f64; 13] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tadne");
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refused: Family::default(),
            connections: Gauge::default(),
            studio: Family::default(),
            store: Family::default(),
            ahead: Family::default(),
            queue: Gauge::default(),
            memory: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered, by route and status", metrics.requests.clone());
        registry.register_with_unit(
            "request",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register("refused", "Connections and requests refused at the door, by limit", metrics.refused.clone());
        registry.register("connections", "Connections open now", metrics.connections.clone());
        registry.register("files", "Files: drawn, found in memory, cancelled, rejected", metrics.studio.clone());
        registry.register("store", "The cache outside of memory: hits, misses and so on", metrics.store.clone());
        registry.register("archive", "Pictures made ahead: hits, misses and so on", metrics.ahead.clone());
        registry.register("queue", "Files that wait for a drawing thread", metrics.queue.clone());
        registry.register_with_unit("memory_cache", "Finished files in memory", Unit::Bytes, metrics.memory.clone());
        Self { registry, ..metrics }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: u16, time: Duration) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), status }).inc();
        self.seconds.get_or_create(&Route { route: route.to_owned() }).observe(time.as_secs_f64());
    }

    /// Something was turned away by a limit of this name.
    pub(crate) fn refused(&self, kind: &'static str) {
        self.refused.get_or_create(&Kind { kind }).inc();
    }

    /// A connection was opened; it counts until the guard is dropped.
    pub(crate) fn connection(&self) -> impl Drop + Send + use<> {
        struct Open(Gauge<i64, AtomicI64>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// All figures as text.
    pub(crate) fn text(&self, studio: &PictureService) -> String {
        let counts = studio.counts();
        self.queue.set(counts.queued as i64);
        self.memory.set(studio.memory() as i64);
        let copy = |family: &Family<Kind, Counter<u64, AtomicU64>>, kind, value| {
            family.get_or_create(&Kind { kind }).inner().store(value, Ordering::Relaxed);
        };
        copy(&self.studio, "drawn", counts.done);
        copy(&self.studio, "from-memory", studio.hits());
        copy(&self.studio, "cancelled", counts.cancelled);
        copy(&self.studio, "rejected", counts.rejected);
        if let Some(counts) = studio.store_counts() {
            for (kind, counter) in [
                ("hit", &counts.hits),
                ("miss", &counts.misses),
                ("damaged", &counts.damaged),
                ("written", &counts.written),
                ("failed", &counts.failed),
            ] {
                copy(&self.store, kind, counter.load(Ordering::Relaxed));
            }
        }
        if let Some(counts) = studio.ahead_counts() {
            for (kind, counter) in counts.named() {
                copy(&self.ahead, kind, counter);
            }
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
