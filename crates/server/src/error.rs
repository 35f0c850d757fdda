//! What can go wrong: [`Error`] when the service starts, [`Refusal`] when a visitor asks for what cannot be.

use std::io;
use std::net::SocketAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::address::AddressError;
use crate::template::TemplateError;

/// Why the service could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens there.
    #[error("{0} is already in use: stop the other program, or choose another address (port 0 takes any free port)")]
    AddressInUse(SocketAddr),
    /// The system does not let us listen there.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no threads.
    #[error("the drawing threads could not be started: {0}")]
    Threads(io::Error),
    /// A page is broken (found when starting, not when a visitor comes).
    #[error(transparent)]
    Page(#[from] TemplateError),
    /// A site was to be made without the model's file.
    #[error("a site draws in the browser, which needs the model's file, and none was given")]
    NoWeights,
    /// The picture for shared links could not be made.
    #[error("the picture for shared links could not be drawn")]
    NoCard,
    /// Serving ended by itself.
    #[error("serving stopped: {0}")]
    Serve(io::Error),
}

/// Why a request is not granted; becomes a status and one plain sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the seed is missing: ask for /slider.html?seed=00077")]
    SeedMissing,
    #[error("too many pictures are being drawn right now: try again in a second")]
    Busy,
    #[error("the picture took too long: try again in a second")]
    Slow,
    #[error("the picture could not be drawn; the reason is in the server's log")]
    Failed,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Address(_) | Refusal::SeedMissing => StatusCode::BAD_REQUEST,
            Refusal::Busy | Refusal::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
