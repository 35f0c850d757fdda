//! Many seeds as one ZIP archive that is sent while it is drawn: nothing waits for the last picture, and nothing of the
//! first is still in memory when the last is drawn.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;
use synth::Seed;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use crate::api;
use crate::api::deliver::{CROSS_ORIGIN, NO_STORE, cache_control};
use crate::api::named::Named;
use crate::app::App;
use crate::door::access::Visitor;
use crate::door::conditional::Known;
use crate::door::unread::Room;
use crate::error::Refusal;
use crate::pictures::address::AddressError;
use crate::pictures::encode::Format;
use crate::pictures::order::{Level, Order};
use crate::pictures::query::Asked;
use crate::request::parameter;

/// Seeds in one archive.
pub(crate) const MOST: usize = 256;
/// Pictures of one archive that wait or are drawn at the same time.
const AHEAD: usize = 4;

/// What all pictures of an archive have in common.
#[derive(Clone, Copy)]
struct Look {
    psi: Level,
    size: Option<u16>,
    noise: bool,
    format: Format,
}

impl Look {
    fn order(self, seed: Seed) -> Order {
        let Self { psi, size, noise, format } = self;
        Order::Picture { recipe: seed.into(), psi, size, noise, format }
    }
}

/// `GET /api/v1/batches/0-63,77.zip?psi=1.1&size=512&format=webp`
pub(crate) async fn named(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Named(file): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Ok(file) = file;
    let list = file.strip_suffix(".zip").unwrap_or(&file);
    let seeds = seeds(list)?;
    let Asked { psi, size, noise, .. } = Asked::read(query.as_deref())?;
    let format = parameter(query.as_deref(), "format").unwrap_or("png");
    let (_, format) = api::checked(1.0, None, format)?;
    let cache_control = cache_control(&app, query.as_deref())?;
    let look = Look { psi, size, noise, format };
    // It holds its pictures and nothing else, so it is the same as long as each of them is.
    let tags: String = seeds.iter().map(|seed| app.studio.etag(&look.order(*seed))).collect();
    let known = Known::by(tags.as_bytes(), cache_control);
    if let Some(unchanged) = known.unchanged(&headers) {
        return Ok(unchanged);
    }
    Ok((known.headers(), archive(app, visitor, seeds, look).await?).into_response())
}

/// The body of `POST /api/v1/batches`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    seeds: String,
    #[serde(default = "api::one")]
    psi: f32,
    size: Option<u16>,
    #[serde(default = "yes")]
    noise: bool,
    #[serde(default = "api::png")]
    format: String,
}

fn yes() -> bool {
    true
}

/// `POST /api/v1/batches`, for lists that are too long for an address.
pub(crate) async fn listed(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let list: List = api::body(&app, sent)?;
    let (psi, format) = api::checked(list.psi, list.size, &list.format)?;
    let look = Look { psi: psi.into(), size: list.size, noise: list.noise, format };
    let archive = archive(app, visitor, seeds(&list.seeds)?, look).await?;
    Ok(([(header::CACHE_CONTROL, NO_STORE)], archive).into_response())
}

/// Reads `0-63,77`: seeds and ranges of seeds, [`MOST`] in all. A seed that is named again is in the archive once.
pub(crate) fn seeds(text: &str) -> Result<Vec<Seed>, AddressError> {
    let wrong = || AddressError::Seeds(text.chars().take(40).collect());
    let number = |digits: &str| digits.parse::<Seed>().map(|seed| seed.0).map_err(|_| wrong());
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        let count = last.checked_sub(first).ok_or_else(wrong)?;
        if count >= (MOST - seeds.len()) as u64 {
            return Err(wrong());
        }
        seeds.extend((first..=last).map(Seed));
    }
    let mut named = HashSet::new();
    seeds.retain(|seed| named.insert(seed.0));
    Ok(seeds)
}

/// The answer: its head when the first picture is drawn, then file by file. It is cut off, which every reader of ZIP
/// files notices, if a picture in its middle cannot be had.
async fn archive(app: Arc<App>, visitor: Visitor, seeds: Vec<Seed>, look: Look) -> Result<Response, Refusal> {
    let name = move |seed: Seed| format!("seed{seed}.{}", look.format.extension());
    let mut room = None;
    if let Some(first) = seeds.first() {
        // A service with too much to do says so before it begins.
        let file = app.studio.file(visitor.client, &look.order(*first)).await?;
        // Those that were drawn ahead, the one that is sent, and one more, as not all are as large as the first.
        room = Some(app.unread.take(visitor.client, file.len() * (AHEAD + 2)).ok_or(Refusal::Unread)?);
    }
    let files = futures_util::stream::iter(seeds).map(move |seed| {
        let app = Arc::clone(&app);
        async move {
            let file = app.studio.file_patiently(visitor.client, &look.order(seed)).await;
            file.map(|bytes| (name(seed), bytes)).map_err(|refusal| io::Error::other(refusal.to_string()))
        }
    });
    let mut growing = Growing::new(room);
    let parts = files.buffered(AHEAD).map(Some).chain(futures_util::stream::iter([None])).map(move |file| match file {
        Some(file) => file.and_then(|(name, bytes)| growing.add(&name, &bytes)),
        None => growing.finish(),
    });
    let about = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"seeds.zip\""),
        CROSS_ORIGIN,
    ];
    Ok((about, Body::from_stream(parts)).into_response())
}

/// What the archive's writer has written and nobody has taken yet.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive of which only the part is in memory that was not taken yet.
struct Growing {
    /// `None` when it is finished.
    writer: Option<ZipWriter<StreamWriter<Shared>>>,
    written: Shared,
    /// What it and the pictures drawn ahead of it take of the memory for answers.
    _room: Option<Room>,
}

impl Growing {
    fn new(room: Option<Room>) -> Self {
        let written = Shared::default();
        Self { writer: Some(ZipWriter::new_stream(written.clone())), written, _room: room }
    }

    fn add(&mut self, name: &str, contents: &[u8]) -> io::Result<Bytes> {
        // Pictures are compressed already; the time of all files is the format's zero, as in other archives here.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        let writer = self.writer.as_mut().ok_or_else(|| io::Error::other("the archive is finished"))?;
        writer.start_file(name, options).map_err(io::Error::other)?;
        writer.write_all(contents)?;
        Ok(self.written.take())
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        if let Some(writer) = self.writer.take() {
            writer.finish().map_err(io::Error::other)?;
        }
        Ok(self.written.take())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<u64> {
        seeds(text).unwrap().into_iter().map(|seed| seed.0).collect()
    }

    #[test]
    fn seeds_and_ranges_make_a_list_of_at_most_256() {
        assert_eq!(read("7"), [7]);
        assert_eq!(read("0-3,77,00042"), [0, 1, 2, 3, 77, 42]);
        assert_eq!(read("18446744073709551615"), [u64::MAX]);
        assert_eq!(read("0-255").len(), 256);
        assert_eq!(read("1-3,2,0-2,3"), [1, 2, 3, 0], "each seed once");
        for text in ["", ",", "1,", "3-1", "0-256", "0-255,1", "-", "1-", "a", "0-18446744073709551615", "1-2-3", "+1"]
        {
            assert!(seeds(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused_within_the_bound(text in "[-0-9,]{0,60}") {
            if let Ok(seeds) = seeds(&text) {
                prop_assert!((1..=MOST).contains(&seeds.len()));
            }
        }
    }
}
