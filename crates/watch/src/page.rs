//! The page and what it asks for: three files that are part of the program, the run as JSON, its grids.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as Segment, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{Error, folder};

const HTML: &str = include_str!("../page/index.html");
const CSS: &str = include_str!("../page/style.css");
const ICON: &str = include_str!("../page/icon.svg");
const SCRIPTS: [(&str, &str); 3] = [
    ("/watch.js", include_str!("../page/watch.js")),
    ("/chart.js", include_str!("../page/chart.js")),
    ("/grids.js", include_str!("../page/grids.js")),
];
/// Nothing from elsewhere, nothing inline.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// A page on a socket.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Page {
    /// Listens on `address` (port 0 takes a free one) for the run in `folder`.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Listen`].
    ///
    /// # Panics
    /// Outside of tokio's runtime.
    pub fn bind(folder: &Path, address: SocketAddr) -> Result<Self, Error> {
        Self::on(listen(address)?, folder)
    }

    /// For the run in `folder`, where [`listen`] listens.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Serve`].
    ///
    /// # Panics
    /// Outside of tokio's runtime.
    pub fn on(listener: std::net::TcpListener, folder: &Path) -> Result<Self, Error> {
        let router = router(folder)?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(listener)?, address, router })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` comes.
    ///
    /// # Errors
    /// [`Error::Serve`] if the socket fails.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        Ok(axum::serve(self.listener, self.router).with_graceful_shutdown(end).await?)
    }
}

/// Listens on `address` (port 0 takes a free one), for a page that comes later.
///
/// # Errors
/// [`Error::Listen`].
pub fn listen(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    std::net::TcpListener::bind(address).map_err(|source| Error::Listen { address, source })
}

/// The page as a router.
///
/// # Errors
/// [`Error::NoRun`] if `folder` holds no configuration.
pub fn router(folder: &Path) -> Result<Router, Error> {
    if !folder.join("config.json").is_file() {
        return Err(Error::NoRun { path: folder.into() });
    }
    let text =
        |kind: &'static str, body: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], body) });
    let mut router = Router::new()
        .route("/", text("text/html; charset=utf-8", HTML))
        .route("/style.css", text("text/css; charset=utf-8", CSS))
        .route("/icon.svg", text("image/svg+xml", ICON))
        .route("/run.json", get(run))
        .route("/grids/{file}", get(grid));
    for (path, script) in SCRIPTS {
        router = router.route(path, text("text/javascript; charset=utf-8", script));
    }
    let fixed = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Ok(router
        .layer(fixed("content-security-policy", POLICY))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("referrer-policy", "no-referrer"))
        .with_state(Arc::new(folder.to_path_buf())))
}

#[derive(Deserialize)]
struct Since {
    /// Ticks after so many kimg are wanted.
    #[serde(default = "beginning")]
    since: f64,
}

fn beginning() -> f64 {
    -1.0
}

async fn run(State(path): State<Arc<PathBuf>>, Query(Since { since }): Query<Since>) -> Response {
    match tokio::task::spawn_blocking(move || folder::read(&path, since)).await {
        Ok(state) => ([(header::CACHE_CONTROL, "no-store")], Json(state)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn grid(State(path): State<Arc<PathBuf>>, Segment(file): Segment<String>) -> Response {
    let Some(path) = folder::grid_path(&path, &file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(png)) => {
            // Of another run, or of this one after another recipe, a file of the same name is another picture.
            let headers = [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "no-store")];
            (headers, png).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
