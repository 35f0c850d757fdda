//! The socket: listen, serve, turn away what is too much, stop without cutting anybody off.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Version, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use synth::Generator;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::app::App;
use crate::client::{self, Client};
use crate::config::Config;
use crate::door::access::Peer;
use crate::error::{Error, Refusal};
use crate::routes;

/// What a connection too many is told before it is closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncache-control: no-store\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";
/// Headers a request may have.
const HEADERS: usize = 64;
/// How long to wait when the system gives no connection, say because it has no file descriptors left.
const BREATH: Duration = Duration::from_millis(50);
/// The log is told of that at most so often.
const TOLD: Duration = Duration::from_secs(10);

/// A service that has its address but does not answer yet.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    metrics: Option<TcpListener>,
    router: Router,
    app: Arc<App>,
    limits: Arc<Limits>,
    grace: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Server {
    /// Takes the address and starts the drawing threads.
    ///
    /// # Errors
    /// The address is in use or not ours, the threads cannot be started, the store's address is none or its folder cannot be
    /// written, or a page of the binary is broken.
    pub async fn bind(config: &Config, generator: Arc<Generator>) -> Result<Self, Error> {
        let listener = listen(config.addr).await?;
        let addr = listener.local_addr().map_err(|source| Error::Bind { addr: config.addr, source })?;
        let metrics = match config.metrics_addr {
            Some(addr) => Some(listen(addr).await?),
            None => None,
        };
        let (router, app) = routes::assemble(config, generator)?;
        let limits = Arc::new(Limits::new(config));
        Ok(Self { listener, addr, metrics, router, app, limits, grace: config.grace })
    }

    /// Where it listens, with the port the system chose if the configuration left it open.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `shutdown` is done; then takes no new connection and gives those under way a moment to end.
    ///
    /// # Errors
    /// None at present: a listener that fails is asked again.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let graceful = GracefulShutdown::new();
        tracing::info!(addr = %self.addr, "serving");
        if let Some(listener) = self.metrics {
            let (router, limits) = (routes::metrics_router(&self.app), Arc::new(self.limits.alone()));
            let app = Arc::clone(&self.app);
            // Answers until the runtime ends: the figures of the last seconds are worth having.
            tokio::spawn(async move {
                let unending = GracefulShutdown::new();
                accept(&listener, &router, &app, &limits, || unending.watcher()).await;
            });
        }
        tokio::select! {
            () = accept(&self.listener, &self.router, &self.app, &self.limits, || graceful.watcher()) => {}
            () = shutdown => {}
        }
        self.app.stop();
        drop(self.listener);
        let open = graceful.count();
        tracing::info!(open, "stopping: no new connections, those that are open may finish");
        tokio::select! {
            () = graceful.shutdown() => tracing::info!("stopped"),
            () = tokio::time::sleep(self.grace) => tracing::warn!("stopped; some connections had to be cut"),
        }
        Ok(())
    }
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse(addr),
        _ => Error::Bind { addr, source },
    })
}

/// Asks the system for as many file descriptors as the connections need, and warns if it gives fewer.
pub fn raise_open_files_limit(config: &Config) {
    // Beside connections: files of the store, the model, sockets that are being turned away.
    let wanted = (config.connections as u64).saturating_add(256);
    let given = rlimit::increase_nofile_limit(wanted).unwrap_or(0);
    if (1..wanted).contains(&given) {
        tracing::warn!(given, wanted, "the system gives fewer file descriptors than --connections needs");
    }
}

/// What a connection may cost.
struct Limits {
    all: Arc<Semaphore>,
    each: usize,
    /// Open connections by client; no entry is 0.
    open: Mutex<HashMap<Client, usize>>,
    proxies: Vec<ipnet::IpNet>,
    http: http1::Builder,
    stall: Duration,
}

impl Limits {
    fn new(config: &Config) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_headers(HEADERS)
            .max_buf_size(config.header_bytes.max(8192));
        Self {
            all: Arc::new(Semaphore::new(config.connections.clamp(1, Semaphore::MAX_PERMITS))),
            each: if config.client_connections == 0 { usize::MAX } else { config.client_connections },
            open: Mutex::default(),
            proxies: config.proxies.clone(),
            http,
            stall: config.stall,
        }
    }

    /// The same for a listener of its own, so that a crowd at the other does not hide the figures about it.
    fn alone(&self) -> Self {
        Self {
            all: Arc::new(Semaphore::new(64)),
            each: usize::MAX,
            open: Mutex::default(),
            proxies: Vec::new(),
            http: self.http.clone(),
            stall: self.stall,
        }
    }

    /// One more connection of a client, unless it has its share. It counts until the guard is dropped.
    fn enter(self: &Arc<Self>, address: std::net::IpAddr) -> Option<Entry> {
        // A proxy speaks for many.
        if client::is_trusted(address, &self.proxies) {
            return Some(Entry(None));
        }
        let client = Client::from(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Entry(Some((Arc::clone(self), client))))
    }
}

/// A client's open connection.
struct Entry(Option<(Arc<Limits>, Client)>);

impl Drop for Entry {
    fn drop(&mut self) {
        let Some((limits, client)) = &self.0 else { return };
        let mut open = limits.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                open.remove(client);
            }
        }
    }
}

/// Takes connections for ever and serves each in a task of its own.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    app: &Arc<App>,
    limits: &Arc<Limits>,
    watcher: impl Fn() -> Watcher,
) {
    let mut told: Option<Instant> = None;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A visitor who left while waiting is nobody's fault; anything else will pass, or an operator sees it.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    if told.is_none_or(|last| last.elapsed() > TOLD) {
                        tracing::warn!(%error, "no connection could be taken");
                        told = Some(Instant::now());
                    }
                    tokio::time::sleep(BREATH).await;
                }
                continue;
            }
        };
        let Ok(place) = Arc::clone(&limits.all).try_acquire_owned() else {
            app.metrics.refused("connections");
            turn_away(&stream);
            continue;
        };
        let Some(entry) = limits.enter(peer.ip()) else {
            app.metrics.refused("connections-of-client");
            turn_away(&stream);
            continue;
        };
        let counted = app.metrics.connection();
        let connection = serve(stream, peer, router.clone(), limits, watcher());
        tokio::spawn(async move {
            connection.await;
            drop((place, entry, counted));
        });
    }
}

/// Says so if the socket takes it at once, and never waits.
fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(TOO_MANY);
}

/// One connection, to its end.
fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: &Limits,
    watcher: Watcher,
) -> impl Future<Output = ()> + Send + use<> {
    // A picture is a few small writes; waiting to merge them would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        // Proxies and caches reckon with it (RFC 9112, 3.2).
        let named =
            request.version() != Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1;
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        let router = router.clone();
        async move { if named { router.oneshot(request).await } else { Ok(Refusal::Host.into_response()) } }
    });
    let connection = watcher.watch(limits.http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "a connection broke");
        }
    }
}

/// [`Server::bind`] and [`Server::run`] in one, for those who know their port.
///
/// # Errors
/// See [`Server::bind`] and [`Server::run`].
pub async fn run(
    config: Config,
    generator: Arc<Generator>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    Server::bind(&config, generator).await?.run(shutdown).await
}
