//! Any request at all to the whole service behind its socket, with a model of 8 x 8 pixels: it answers, and with no 5xx
//! but 503.
//!
//! The first line is method and address, header lines follow, then an empty line and the body.
//! `cargo install cargo-fuzz`, then, from `crates/server`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run request -- -max_len=4096 -timeout=20 -rss_limit_mb=1024 -max_total_time=600`
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use synth::{Architecture, Generator, ModelFile, NoiseInputs, Seed, Upsample};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// The service, and what runs it.
struct Service(Runtime, Router);

thread_local! {
    static SERVICE: RefCell<Service> = RefCell::new(Service::start());
}

impl Service {
    fn start() -> Self {
        let architecture = Architecture {
            z_dim: 8,
            w_dim: 8,
            mapping_layers: 2,
            normalize_z: true,
            base: [4, 4],
            channels: vec![8, 8],
            upsample: Upsample::UpConv,
            noise: NoiseInputs::All,
            conv_clamp: None,
            labels: None,
            ink: None,
            lens: None,
        };
        let model = ModelFile::random(architecture, Seed(1)).expect("the architecture is sound");
        let generator = Arc::new(Generator::new(&model).expect("so is the model"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let config = server::Config {
            threads: 1,
            rate: 0,
            cache_bytes: 1 << 20,
            weights: Some(vec![7; 5000].into()),
            proxies: vec!["127.0.0.0/8".parse().expect("a network")],
            ..Default::default()
        };
        let router = runtime.block_on(async { server::router(&config, generator) }).expect("a service");
        Self(runtime, router)
    }

    fn answer(&self, request: Request<Body>) {
        let Self(runtime, router) = self;
        runtime.block_on(async {
            let what = format!("{} {}", request.method(), request.uri());
            let Ok(answer) = router.clone().oneshot(request).await;
            let status = answer.status().as_u16();
            assert!(status < 500 || status == 503, "{status} for {what}");
            answer.into_body().collect().await.expect("a whole answer");
        });
    }
}

/// The bytes as a request, if they are one.
fn read(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    request.body(Body::from(body.to_vec())).ok()
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(request) = read(bytes) {
        SERVICE.with_borrow(|service| service.answer(request));
    }
});
