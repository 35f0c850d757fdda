//! How the service is set up, as data.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

/// Everything that can be chosen. `Config::default()` suits one visitor on this computer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free port. Default `127.0.0.1:8080`.
    pub addr: SocketAddr,
    /// Threads that draw, at least 1. Default: one for each core.
    pub threads: usize,
    /// Bound on the encoded pictures kept in memory, in bytes. Default 256 MiB.
    pub cache_bytes: u64,
    /// Pictures that may wait for a thread; beyond that a request is answered 503. Default 512.
    pub queue: usize,
    /// Requests served at the same time; beyond that a request is answered 503. Default 1024.
    pub concurrency: usize,
    /// The longest a request may take. Default 30 s.
    pub timeout: Duration,
    /// How long requests under way may go on after the shutdown signal. Default 5 s.
    pub grace: Duration,
    /// What the service's addresses begin with (`https://example.org`), for links that go elsewhere. Default: what the
    /// visitor's request says.
    pub public_url: Option<String>,
    /// The model's file, for visitors whose browsers draw. Default none: then only the server draws.
    pub weights: Option<bytes::Bytes>,
    /// What the model's file says about itself; shown on the page and in `/api/model`.
    pub metadata: synth::Metadata,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            cache_bytes: 256 << 20,
            queue: 512,
            concurrency: 1024,
            timeout: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            public_url: None,
            weights: None,
            metadata: synth::Metadata::default(),
        }
    }
}
