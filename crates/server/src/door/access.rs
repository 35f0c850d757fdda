//! The door: who asks, how often, with what name for the log, and how long the answer took.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use ipnet::IpNet;
use tracing::Instrument;

use crate::client::{self, Client, FORWARDED_FOR};
use crate::config::Config;
use crate::door::rate::Rate;
use crate::door::unread::Unread;
use crate::error::Refusal;
use crate::metrics::Metrics;

/// The other end of the connection, which the listener puts beside each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks, proxies seen through, which the door puts beside each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) client: Client,
    /// Whether it sits at this computer.
    pub(crate) local: bool,
}

/// What the door needs to know.
pub(crate) struct RequestGuard {
    proxies: Vec<IpNet>,
    rate: Option<Rate>,
    address_bytes: usize,
    body_bytes: usize,
    metrics: Arc<Metrics>,
    unread: Arc<Unread>,
    /// Request ids are a random start, so that those of two runs differ, and a count.
    run: u32,
    count: AtomicU64,
}

/// Which scheme and host a visitor asked a proxy for; believed of trusted proxies, and taken away from all others' requests.
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Bytes of a body that is too large that are read all the same, and for how long.
const READ_AWAY: usize = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestGuard {
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>, unread: Arc<Unread>) -> Self {
        Self {
            proxies: config.proxies.clone(),
            rate: Rate::new(config.rate),
            address_bytes: config.address_bytes,
            body_bytes: config.body_bytes,
            metrics,
            unread,
            run: RandomState::new().build_hasher().finish() as u32,
            count: AtomicU64::new(0),
        }
    }

    /// A proxy's name for the request, if it is one we believe and the name is harmless; otherwise one of our own.
    fn id(&self, peer: IpAddr, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let harmless = |id: &&str| {
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match given.filter(harmless) {
            Some(id) if client::is_trusted(peer, &self.proxies) => id.to_owned(),
            _ => format!("{:08x}-{:x}", self.run, self.count.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn refusal(&self, request: &Request, client: Client) -> Option<Refusal> {
        let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
        if length > self.address_bytes {
            self.metrics.refused("address");
            return Some(Refusal::LongAddress(self.address_bytes));
        }
        let headers = request.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.body_bytes as u64) {
            self.metrics.refused("body");
            return Some(Refusal::BodySize(self.body_bytes));
        }
        let wait = self.rate.as_ref()?.take(client).err()?;
        self.metrics.refused("rate");
        Some(Refusal::Rate(wait.as_secs() + 1))
    }
}

/// The same address with the characters that never need an escape written plainly (RFC 3986, 6.2.2.2): mail programs and
/// messengers like to send `%7E` for `~`. Nothing if there is nothing to change.
fn unescaped(uri: &Uri) -> Option<Uri> {
    let text = uri.path_and_query()?.as_str();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            plain.push(char::from(byte));
            rest = &after[2..];
        } else {
            plain.push('%');
            rest = after;
        }
    }
    plain.push_str(rest);
    if plain == text {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(plain.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Reads a body that nobody wants, up to a limit.
async fn read_away(body: Body) {
    let mut parts = body.into_data_stream();
    let mut length = 0;
    while let Some(Ok(part)) = parts.next().await {
        length += part.len();
        if length > READ_AWAY {
            return;
        }
    }
}

/// The outermost layer.
pub(crate) async fn pass(State(guard): State<Arc<RequestGuard>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    // Without a listener, as in tests, everybody sits at this computer.
    let peer = request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Peer(address)| *address);
    let address = client::behind(peer, request.headers(), &guard.proxies);
    // A proxy on this computer that we were not told to believe brings anybody, and says so.
    let is_brought =
        [FORWARDED_FOR, header::FORWARDED, header::VIA].iter().any(|name| request.headers().contains_key(name));
    let local = address.is_loopback() && !is_brought;
    let visitor = Visitor { client: Client::from(address), local };
    let id = guard.id(peer, request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    if let Some(plain) = unescaped(request.uri()) {
        *request.uri_mut() = plain;
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());

    if request.method() != Method::GET {
        // A range is a part of what GET gives (RFC 9110, 14.2).
        request.headers_mut().remove(header::RANGE);
    }
    if !client::is_trusted(peer, &guard.proxies) {
        // What anybody could have written.
        for name in [FORWARDED_PROTO, FORWARDED_HOST] {
            request.headers_mut().remove(name);
        }
    }
    let mut response = if let Some(refusal) = guard.refusal(&request, visitor.client) {
        if matches!(refusal, Refusal::BodySize(_)) && !request.headers().contains_key(header::EXPECT) {
            // Many clients read no answer before they have sent all.
            let _ = tokio::time::timeout(PATIENCE, read_away(request.into_body())).await;
        }
        refusal.into_response()
    } else {
        request.extensions_mut().insert(visitor);
        let answer = next.run(request).instrument(tracing::error_span!("request", id)).await;
        guard.unread.hold(visitor.client, answer).await.unwrap_or_else(|refusal| {
            guard.metrics.refused("unread");
            refusal.into_response()
        })
    };

    let (status, time) = (response.status().as_u16(), start.elapsed());
    guard.metrics.answered(route.as_ref().map_or("other", MatchedPath::as_str), status, time);
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let ms = time.as_secs_f64() * 1e3;
    tracing::info!(target: "tadne::access", id, client = %address, %method, path, query, status, ms, "answered");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
