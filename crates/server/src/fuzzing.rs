//! For the fuzz targets in `fuzz/`, and compiled for them only: every parser of what visitors send, by itself.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderValue, header};

use crate::api::batch;
use crate::client;
use crate::door::conditional;
use crate::door::range::{self, Part};
use crate::page::language::Language;
use crate::page::template;
use crate::pictures::address::PictureAddress;
use crate::pictures::order::{Bounds, Order};
use crate::request;

/// What the model has.
const BOUNDS: Bounds = Bounds { layers: 11, directions: 3, dimensions: 2 };
/// Bytes of the file that is asked for.
const LENGTH: usize = 1000;

/// Hands the text to all parsers, its lines as path, query and header, and checks what they promise.
///
/// # Panics
/// If one of them breaks its promise.
pub fn parse(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let path = lines.next().unwrap_or_default();
    let query = lines.next();
    let value = lines.next().unwrap_or_default();

    if let Ok(order) = Order::parse(path, query, BOUNDS) {
        let spelled = order.to_string();
        let (path, query) = spelled.split_once('?').map_or((&*spelled, None), |(path, query)| (path, Some(query)));
        assert_eq!(Order::parse(path, query, BOUNDS).as_ref(), Ok(&order), "{spelled}");
    }
    if let Ok(address) = path.parse::<PictureAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(seeds) = batch::seeds(path) {
        assert!((1..=batch::MOST).contains(&seeds.len()));
    }
    let accept = (!value.is_empty()).then_some(value);
    Language::choose(request::parameter(query, "lang"), accept);

    let mut escaped = String::new();
    template::escape(text, &mut escaped);
    assert!(!escaped.contains(['<', '>', '"', '\'']));

    let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { return };
    let mut headers = HeaderMap::new();
    for name in ["x-forwarded-for", "range", "if-range", "if-none-match"] {
        headers.insert(name, value.clone());
    }
    let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
    client::behind(proxy, &headers, &[proxy.into()]);
    conditional::has(&headers, "\"a-1\"");
    headers.remove(header::IF_RANGE);
    if let Part::Bytes(part) = range::wanted(&headers, "\"a-1\"", LENGTH) {
        assert!(part.start < part.end && part.end <= LENGTH);
    }
}
