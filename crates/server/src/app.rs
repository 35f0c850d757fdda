//! What all requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName, header};
use synth::{Generator, SeedIndex};
use url::Url;

use crate::config::Config;
use crate::door::access::{FORWARDED_HOST, FORWARDED_PROTO};
use crate::door::unread::Unread;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::page::Pages;
use crate::page::drawn_by::{ModelFacts, short};
use crate::pictures::studio::PictureService;

/// What all requests share.
pub(crate) struct App {
    pub(crate) generator: Arc<Generator>,
    pub(crate) metadata: synth::Metadata,
    pub(crate) studio: PictureService,
    pub(crate) pages: Pages,
    pub(crate) facts: ModelFacts,
    /// The model's file, for browsers that draw.
    pub(crate) weights: Option<bytes::Bytes>,
    /// What addresses begin with, if it was said.
    pub(crate) public_url: Option<String>,
    pub(crate) metrics: Arc<Metrics>,
    /// Answers that are not sent yet.
    pub(crate) unread: Arc<Unread>,
    pub(crate) redirect_results: bool,
    /// Whether the figures have an address of their own.
    pub(crate) metrics_elsewhere: bool,
    pub(crate) body_bytes: usize,
    stopping: AtomicBool,
    /// Seeds to look for likenesses among, made when first asked for.
    pub(crate) seed_index: OnceLock<SeedIndex>,
}

impl App {
    /// The state of a service that draws with this generator. Starts the drawing threads.
    ///
    /// # Errors
    /// The threads cannot be started, the store's or the public address is none, the store's folder cannot be written, or a page of
    /// the binary is broken.
    pub(crate) fn new(config: &Config, generator: Arc<Generator>) -> Result<Self, Error> {
        let facts = ModelFacts::new(&generator, config);
        Ok(Self {
            pages: Pages::open(facts.clone())?,
            studio: PictureService::open(&generator, config)?,
            metadata: config.metadata.clone(),
            public_url: config.public_url.as_deref().map(public_origin).transpose()?,
            metrics: Arc::new(Metrics::new()),
            unread: Arc::new(Unread::new(config.unread_bytes)),
            redirect_results: config.redirect_results,
            metrics_elsewhere: config.metrics_addr.is_some(),
            body_bytes: config.body_bytes,
            stopping: AtomicBool::new(false),
            seed_index: OnceLock::new(),
            weights: config.weights.clone(),
            generator,
            facts,
        })
    }

    /// From now on the service says that it is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The first eight digits of the model's fingerprint, which addresses carry as `m`.
    pub(crate) fn model(&self) -> &str {
        short(&self.facts.fingerprint)
    }

    /// What the addresses of this service begin with, `https://example.org`; empty if it is not known.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> String {
        let origin = self.public_url.clone().or_else(|| {
            // The name goes into the page, so it must be one: a host and perhaps a port.
            let name = |host: &&str| {
                host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
            };
            let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
            // The door lets these two through from proxies it trusts only.
            let host = text(FORWARDED_HOST).or_else(|| text(header::HOST));
            let scheme = if text(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
            host.filter(name).map(|host| format!("{scheme}://{host}"))
        });
        origin.unwrap_or_default()
    }
}

/// A public address, of which no more is known than that it is one.
pub(crate) fn public_address(url: &str) -> Result<Url, Error> {
    let parsed = Url::parse(url).ok().filter(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.has_host());
    let refuse = |reason| Error::PublicUrl { url: url.to_owned(), reason };
    let parsed = parsed.ok_or_else(|| refuse("it must begin with http:// or https:// and a host"))?;
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(refuse("files have addresses below it, so it must end without ? and #"));
    }
    Ok(parsed)
}

/// The scheme, host and port of the service's public address. Its pages name each other and their files from the root, so a
/// path is refused now rather than met as a page without style and scripts.
fn public_origin(url: &str) -> Result<String, Error> {
    let parsed = public_address(url)?;
    if parsed.path() != "/" {
        let reason = "the pages name their files from the root of a host, so they cannot live below a path; give the service a host name of \
                      its own, such as https://gallery.example.org, or use `tadne site export`, whose files work in any folder";
        return Err(Error::PublicUrl { url: url.to_owned(), reason });
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}
