//! What the tests share: a tiny untrained model behind the real router.
// Each test program uses its own part of this.
#![allow(dead_code)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use synth::{Architecture, Generator, ModelFile, NoiseInputs, Seed, Tensor, Upsample};
use tower::ServiceExt;

/// Draws 16 x 16 pixels in well under a millisecond.
pub(crate) const TINY: &[usize] = &[8, 8, 8];
/// Draws 32 x 32 pixels, slowly enough to be caught at it.
pub(crate) const SLOW: &[usize] = &[96, 96, 96, 64];

/// As quick, with noise between the layers.
pub(crate) const NOISY: &[usize] = &[8, 8, 8, 8];

/// A generator with random weights; `seed` tells models apart.
pub(crate) fn generator(channels: &[usize], seed: u64) -> Arc<Generator> {
    with_noise(channels, seed, NoiseInputs::None)
}

fn with_noise(channels: &[usize], seed: u64, noise: NoiseInputs) -> Arc<Generator> {
    let architecture = Architecture { upsample: Upsample::UpConv, noise, ..Architecture::plain(16, 16, channels) };
    let model = ModelFile::random(architecture, Seed(seed)).unwrap();
    Arc::new(Generator::new(&model).unwrap())
}

/// A model with two directions, named as those that the page has words for and one that it has not, and four kinds of pictures.
pub(crate) fn measured_generator() -> Arc<Generator> {
    let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 16, TINY) };
    let mut model = ModelFile::random(architecture, Seed(1)).unwrap();
    let along = |place: usize| (0..16).map(|i| if i == place { 2.0 } else { 0.0 }).collect();
    model.set_directions(&[("hair-light", along(0)), ("whiskers", along(1))]).unwrap();
    let drawn = Generator::new(&model).unwrap();
    let tensor = |shape, data| Tensor { shape, data };
    let centres = (0..4).flat_map(|seed| drawn.w(Seed(seed))).collect();
    model.tensors.insert("truncation.centres".into(), tensor(vec![4, 16], centres));
    model.tensors.insert("truncation.spread".into(), tensor(vec![2], vec![9.0, 1.0]));
    Arc::new(Generator::new(&model).unwrap())
}

/// A configuration for tests: any free port, two threads.
pub(crate) fn config() -> server::Config {
    server::Config { addr: "127.0.0.1:0".parse().unwrap(), threads: 2, ..Default::default() }
}

/// The whole service but its socket, with the tiny model.
pub(crate) fn tiny() -> Router {
    server::router(&config(), generator(TINY, 1)).unwrap()
}

/// The same with a model that has noise.
pub(crate) fn noisy() -> Router {
    server::router(&config(), noisy_generator()).unwrap()
}

/// A model that has noise.
pub(crate) fn noisy_generator() -> Arc<Generator> {
    with_noise(NOISY, 1, NoiseInputs::All)
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Asks with a method and headers.
pub(crate) async fn ask(router: &Router, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Asks plainly.
pub(crate) async fn get(router: &Router, uri: &str) -> Answer {
    ask(router, "GET", uri, &[]).await
}
