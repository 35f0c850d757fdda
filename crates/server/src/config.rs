//! How the service is set up, as data.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

use ipnet::IpNet;

/// Everything that can be chosen. `Config::default()` suits one visitor on this computer, and a service on the internet
/// that stands behind a proxy which adds TLS.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free port. Default `127.0.0.1:8080`.
    pub addr: SocketAddr,
    /// Where to answer `/metrics`. Default: where everything else is, to clients of this computer only.
    pub metrics_addr: Option<SocketAddr>,
    /// Threads that draw, at least 1. Default: one for each core.
    pub threads: usize,
    /// Bound on the encoded pictures kept in memory, in bytes. Default 256 MiB.
    pub cache_bytes: u64,
    /// Where pictures made ahead are (`tadne archive`): a folder, `file:///folder`, or a bucket of a kind the program was
    /// built for. Default: nowhere.
    pub archive: Option<String>,
    /// Where else finished pictures are kept: `file:///folder`, or `s3://bucket/folder` with feature `s3`. Default:
    /// nowhere.
    pub store: Option<String>,
    /// Bound on the files in a folder of finished pictures, in bytes. Default 4 GiB.
    pub store_bytes: u64,
    /// Pictures that may wait for a thread, at least 1; beyond that a request is answered 503. Default 512.
    pub queue: usize,
    /// Requests served at the same time, at least 1; beyond that a request is answered 503. Default 4096.
    pub concurrency: usize,
    /// Connections open at the same time, at least 1; beyond that a connection is answered 503 and closed. Default 8192.
    pub connections: usize,
    /// Of these, by one client that is no trusted proxy; 0 means as many as there are. Default 256.
    pub client_connections: usize,
    /// Requests a second by one client, on average over 4 seconds; beyond that a request is answered 429. 0 means no
    /// limit. Default 500.
    pub rate: u32,
    /// Proxies whose word on who asks (`X-Forwarded-For`, `X-Request-Id`) is taken. Default: none.
    pub proxies: Vec<IpNet>,
    /// The longest an address may be, in bytes. Default 5120: a blend of two found `w` of a thousand numbers fits.
    pub address_bytes: usize,
    /// The longest all headers of a request may be, in bytes; at least 8192. Default 16 KiB.
    pub header_bytes: usize,
    /// The longest a request's body may be, in bytes. Default 64 KiB.
    pub body_bytes: usize,
    /// Bytes of answers that visitors have not read yet, of which one client has a quarter at most; beyond that a request is answered
    /// 503. One larger answer a client may have by itself. Default 256 MiB.
    pub unread_bytes: usize,
    /// The longest a request may take from its head to its answer's head. Default 30 s.
    pub timeout: Duration,
    /// The longest a client may take to send a request's head, or to send none. Default 15 s.
    pub header_timeout: Duration,
    /// The longest a client may stop reading its answer. Default 20 s.
    pub stall: Duration,
    /// How long requests under way may go on after the shutdown signal. Default 8 s.
    pub grace: Duration,
    /// Whether the original's addresses lead to those that carry the model's name, instead of answering. Default: no.
    pub redirect_results: bool,
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
            metrics_addr: None,
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            cache_bytes: 256 << 20,
            archive: None,
            store: None,
            store_bytes: 4 << 30,
            queue: 512,
            concurrency: 4096,
            connections: 8192,
            client_connections: 256,
            rate: 500,
            proxies: Vec::new(),
            address_bytes: 5120,
            header_bytes: 16 << 10,
            body_bytes: 64 << 10,
            unread_bytes: 256 << 20,
            timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(15),
            stall: Duration::from_secs(20),
            grace: Duration::from_secs(8),
            redirect_results: false,
            public_url: None,
            weights: None,
            metadata: synth::Metadata::default(),
        }
    }
}
