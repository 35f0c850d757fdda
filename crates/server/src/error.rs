//! What can go wrong: [`Error`] when the service starts, [`Refusal`] when a visitor asks for what cannot be.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::page::template::TemplateError;
use crate::pictures::address::AddressError;
use crate::pictures::latent::LatentError;

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
    /// The place for finished pictures is no address of a store, or of a kind this program was built without.
    #[error(
        "{url:?} cannot be a cache: {reason}; use file:///var/cache/tadne (or s3://bucket/folder in a build with `--features s3`)"
    )]
    Store {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder for finished pictures cannot be made, or takes no files.
    #[error(
        "the cache's folder {} cannot be written: {source}; let the user that the service runs as write there, or name \
         another folder (--cache file:///FOLDER)", folder.display()
    )]
    StoreFolder {
        /// Which one.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The place of pictures made ahead cannot be read, or holds others than this model's.
    #[error(
        "{place:?} cannot be served as an archive: {reason}; `tadne archive --out {place}` makes one for this model"
    )]
    Archive {
        /// What was given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The public address is none that the pages can live at.
    #[error("the public address {url}: {reason}")]
    PublicUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A site was to be made without the model's file.
    #[error("a site draws in the browser, which needs the model's file, and none was given")]
    NoWeights,
    /// The picture for shared links could not be made.
    #[error("the picture for shared links could not be drawn")]
    NoCard,
}

/// Why a request is not granted; becomes a problem document (RFC 9457) whose `detail` is one plain sentence.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Latent(#[from] LatentError),
    #[error("the seed is missing: ask for /slider.html?seed=00077")]
    SeedMissing,
    #[error("the request's body cannot be read: {0}")]
    Body(String),
    #[error("the request's body is larger than {0} bytes")]
    BodySize(usize),
    #[error("a request of HTTP/1.1 must have one Host header")]
    Host,
    #[error("the address is longer than {0} bytes")]
    LongAddress(usize),
    #[error("there is nothing at {0}: pictures are at /results/psi-1.0/seed00042.png and below /api/v1/")]
    Nothing(String),
    /// A page's address that is one but for what it names.
    #[error("{0}; pictures are at /results/psi-1.0/seed00042.png and below /api/v1/")]
    NoPage(AddressError),
    #[error("{0} is not possible here: the answer's Allow header says what is")]
    Method(String),
    #[error("no picture of the model {asked} is made here any more: the model is {here}")]
    OtherModel { asked: String, here: String },
    #[error("that range lies outside the file")]
    Range,
    #[error("too many requests from one address: try again in {0} s")]
    Rate(u64),
    #[error("too many pictures are being drawn right now: try again in a second")]
    Busy,
    #[error("too many answers wait to be read: read them, or try again in a second")]
    Unread,
    #[error("the picture took too long: try again in a second")]
    Slow,
    #[error("the service is stopping: try again in a few seconds")]
    Stopping,
    #[error("the picture could not be drawn; the reason is in the server's log")]
    Failed,
}

/// The kinds of problem documents: the fragment that names each in its `type`, its status, and its title. The page that
/// explains the interface lists them.
pub(crate) const PROBLEMS: [(&str, StatusCode, &str); 14] = [
    ("address", StatusCode::BAD_REQUEST, "The address names nothing that can be made"),
    ("body", StatusCode::BAD_REQUEST, "The body cannot be used"),
    ("host", StatusCode::BAD_REQUEST, "The request does not say whom it asks"),
    ("nothing", StatusCode::NOT_FOUND, "There is nothing here"),
    ("other-model", StatusCode::NOT_FOUND, "That model is not here"),
    ("method", StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here"),
    ("body-size", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
    ("long-address", StatusCode::URI_TOO_LONG, "The address is too long"),
    ("range", StatusCode::RANGE_NOT_SATISFIABLE, "The range cannot be given"),
    ("rate", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
    ("failed", StatusCode::INTERNAL_SERVER_ERROR, "Something broke"),
    ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much to do"),
    ("slow", StatusCode::SERVICE_UNAVAILABLE, "It took too long"),
    ("stopping", StatusCode::SERVICE_UNAVAILABLE, "Stopping"),
];

/// The media type of problem documents.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl Refusal {
    /// The name of its kind in [`PROBLEMS`].
    fn kind(&self) -> &'static str {
        match self {
            Refusal::Address(_) | Refusal::SeedMissing => "address",
            Refusal::Latent(_) | Refusal::Body(_) => "body",
            Refusal::BodySize(_) => "body-size",
            Refusal::Host => "host",
            Refusal::LongAddress(_) => "long-address",
            Refusal::Nothing(_) | Refusal::NoPage(_) => "nothing",
            Refusal::Method(_) => "method",
            Refusal::OtherModel { .. } => "other-model",
            Refusal::Range => "range",
            Refusal::Rate(_) => "rate",
            Refusal::Busy | Refusal::Unread => "busy",
            Refusal::Slow => "slow",
            Refusal::Stopping => "stopping",
            Refusal::Failed => "failed",
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::Busy | Refusal::Unread | Refusal::Slow => Some(1),
            Refusal::Stopping => Some(5),
            Refusal::Rate(seconds) => Some(*seconds),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let (status, title) = PROBLEMS
            .iter()
            .find(|(name, ..)| *name == kind)
            .map_or((StatusCode::INTERNAL_SERVER_ERROR, ""), |(_, status, title)| (*status, *title));
        let document = json!({
            "type": format!("/api/#{kind}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        // Other sites' scripts may read why they got nothing, whichever layer said so.
        let headers = [
            (header::CONTENT_TYPE, PROBLEM_JSON),
            (header::CACHE_CONTROL, "no-store"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
        ];
        let mut response = (status, headers, format!("{document}\n")).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_listed_problem_and_every_listed_problem_a_refusal() {
        let refusals = [
            Refusal::SeedMissing,
            Refusal::Body(String::new()),
            Refusal::BodySize(1),
            Refusal::Host,
            Refusal::LongAddress(1),
            Refusal::Nothing(String::new()),
            Refusal::Method(String::new()),
            Refusal::OtherModel { asked: String::new(), here: String::new() },
            Refusal::Range,
            Refusal::Rate(1),
            Refusal::Busy,
            Refusal::Slow,
            Refusal::Stopping,
            Refusal::Failed,
        ];
        let mut kinds: Vec<_> = refusals.iter().map(Refusal::kind).collect();
        let mut listed: Vec<_> = PROBLEMS.iter().map(|(kind, ..)| *kind).collect();
        kinds.sort_unstable();
        listed.sort_unstable();
        assert_eq!(kinds, listed);
        for refusal in refusals {
            let status = refusal.clone().into_response().status();
            assert!(status.is_client_error() || status.is_server_error());
            let waits = matches!(status.as_u16(), 503 | 429);
            assert_eq!(refusal.into_response().headers().contains_key(header::RETRY_AFTER), waits);
        }
    }
}
