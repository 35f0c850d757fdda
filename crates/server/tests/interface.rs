//! The interface below `/api/v1`, asked as programs ask.

mod common;

use std::collections::HashSet;
use std::io::{Cursor, Read};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, TINY, ask, config, generator, get, noisy, tiny};
use http_body_util::BodyExt;
use image::AnimationDecoder;
use image::codecs::{gif::GifDecoder, webp::WebPDecoder};
use synth::{Creativity, Seed};
use tower::ServiceExt;

async fn post(router: &axum::Router, uri: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder().method("POST").uri(uri).header("content-type", "application/json");
    let response = router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn every_described_operation_answers_its_own_example_as_described() {
    let router = tiny();
    let document = get(&router, "/api/v1/openapi.json").await.json();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (file, mut query) = (&mut path.clone(), Vec::new());
            for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
                let example = &parameter["example"];
                let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                match parameter["in"].as_str().unwrap() {
                    "path" => *file = file.replace("{file}", &text),
                    _ => query.push(format!("{}={text}", parameter["name"].as_str().unwrap())),
                }
            }
            let answer = if method == "post" {
                post(&router, path, operation["requestBody"]["content"]["application/json"]["example"].to_string())
                    .await
            } else {
                get(&router, &format!("{file}?{}", query.join("&"))).await
            };
            let described = operation["responses"].as_object().unwrap();
            let success = &described[answer.status.as_str()];
            assert!(answer.status.as_u16() < 400, "{method} {file}: {}", answer.text());
            if let Some(content) = success["content"].as_object() {
                assert!(
                    content.contains_key(answer.header("content-type")),
                    "{file}: {}",
                    answer.header("content-type")
                );
            }
            asked += 1;
        }
    }
    // That every route is described is tested beside the description.
    assert!(asked > 0, "nothing is described");
}

#[tokio::test]
async fn every_described_answer_says_how_long_it_may_be_kept_and_is_known_again() {
    let router = tiny();
    let document = get(&router, "/api/v1/openapi.json").await.json();
    let mut uris: Vec<_> = [
        "/",
        "/api/",
        "/api/model",
        "/api/v1/openapi.json",
        "/manifest.webmanifest",
        "/robots.txt",
        "/sitemap.xml",
        "/healthz",
        "/readyz",
        "/metrics",
    ]
    .map(str::to_owned)
    .into();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(operation) = methods.get("get") else { continue };
        let first = &operation["parameters"][0];
        uris.push(if first["in"] == "path" {
            path.replace("{file}", first["example"].as_str().unwrap())
        } else {
            path.clone()
        });
    }
    let mut known = 0;
    for uri in uris {
        let first = get(&router, &uri).await;
        let [etag, keep] = ["etag", "cache-control"].map(|name| first.header(name));
        // What is another one every time, or about now.
        if ["/random/", "health", "ready", "/metrics"].iter().any(|part| uri.contains(part)) {
            assert_eq!((etag, keep), ("", "no-store"), "{uri}");
            continue;
        }
        assert!(etag.starts_with('"') && etag.ends_with('"') && !keep.is_empty(), "{uri}: {etag} {keep}");
        let again = ask(&router, "GET", &uri, &[("if-none-match", etag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{uri}");
        assert_eq!((again.header("etag"), again.header("cache-control")), (etag, keep), "{uri}");
        known += 1;
    }
    assert!(known > 15, "only {known} answers are known again");
}

#[tokio::test]
async fn what_follows_from_model_and_address_is_kept_as_long_as_pictures_are() {
    let (router, other) = (tiny(), server::router(&config(), generator(TINY, 2)).unwrap());
    let m = get(&router, "/api/v1/model").await.json()["m"].as_str().unwrap().to_owned();
    for uri in ["children/42.json", "latents/42.json", "like/42.json", "batches/0-1.zip"] {
        let uri = format!("/api/v1/{uri}");
        let plain = get(&router, &uri).await;
        assert_eq!(plain.header("cache-control"), "public, max-age=3600", "{uri}");
        let named = get(&router, &format!("{uri}?m={m}")).await;
        assert_eq!(named.header("cache-control"), "public, max-age=31536000, immutable", "{uri}");
        assert_eq!(named.header("etag"), plain.header("etag"), "{uri}");
        assert_ne!(get(&other, &uri).await.header("etag"), plain.header("etag"), "{uri}");
        assert_eq!(get(&other, &format!("{uri}?m={m}")).await.status, StatusCode::NOT_FOUND, "{uri}");
    }
    for uri in ["/api/model", "/api/v1/version", "/api/v1/openapi.json"] {
        let (here, there) = (get(&router, uri).await, get(&other, uri).await);
        assert_eq!(here.header("cache-control"), "no-cache", "{uri}");
        assert_ne!(here.header("etag"), there.header("etag"), "{uri}");
    }
    let [one, other] = ["0-1.zip", "0-1.zip?psi=0.7"].map(|file| format!("/api/v1/batches/{file}"));
    assert_ne!(get(&router, &one).await.header("etag"), get(&router, &other).await.header("etag"));
    let sent = post(&router, "/api/v1/batches", r#"{"seeds":"0-1"}"#).await;
    assert_eq!((sent.header("etag"), sent.header("cache-control")), ("", "no-store"));
}

#[tokio::test]
async fn a_noise_that_cannot_be_added_is_refused_and_not_left_out() {
    let router = noisy();
    for uri in [
        "/api/v1/pictures/42.png?noise_seed=3",
        "/api/v1/pictures/42.png?psi=0.7&noise-seed=3",
        "/results/psi-1.0/seed00042.png?noise_seed=3",
        "/random.png?noise_seed=3",
    ] {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.text().contains("leave noise_seed out"), "{uri}: {}", answer.text());
    }
    // Other names are somebody else's.
    assert_eq!(get(&router, "/api/v1/pictures/42.png?utm_source=x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_random_picture_is_another_one_every_time_and_is_never_kept() {
    let router = tiny();
    let mut places = HashSet::new();
    for uri in ["/random.png?size=32", "/random.png?size=32", "/api/v1/random/picture.webp", "/random.jpg?psi=0.5"] {
        let answer = get(&router, uri).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::FOUND, "no-store"));
        let place = answer.header("location").to_owned();
        let picture = get(&router, &place).await;
        assert_eq!(picture.header("cache-control"), "public, max-age=31536000, immutable");
        let side = if uri.contains("size=32") { 32 } else { 16 };
        assert_eq!(image::load_from_memory(&picture.body).unwrap().width(), side, "{place}");
        places.insert(place);
    }
    assert_eq!(places.len(), 4);
    assert_eq!(get(&router, "/random.png?size=9").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_address_keeps_to_its_model() {
    let (one, other) = (tiny(), server::router(&config(), generator(TINY, 2)).unwrap());
    let m = get(&one, "/api/v1/model").await.json()["m"].as_str().unwrap().to_owned();
    let uri = format!("/api/v1/pictures/42.png?m={m}");
    assert_eq!(get(&one, &uri).await.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(get(&one, "/api/v1/pictures/42.png").await.header("cache-control"), "public, max-age=3600");
    let refused = get(&other, &uri).await;
    assert_eq!((refused.status, refused.header("cache-control")), (StatusCode::NOT_FOUND, "no-store"));
    assert_eq!(refused.json()["type"], "/api/#other-model");
    assert!(refused.json()["detail"].as_str().unwrap().contains(&m));
    assert_eq!(get(&one, "/api/v1/pictures/42.png?m=").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_originals_addresses_lead_elsewhere_if_so_configured() {
    let config = server::Config { redirect_results: true, ..config() };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    let answer = get(&router, "/results/psi-0.7/seed00042.png").await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let there = get(&router, answer.header("location")).await;
    assert_eq!(there.body, get(&tiny(), "/results/psi-0.7/seed00042.png").await.body);
    assert_eq!(get(&router, "/results/psi-9/seed00042.png").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn numbers_taken_out_and_sent_back_are_the_same_picture() {
    let router = tiny();
    let latents = get(&router, "/api/v1/latents/42.json").await.json();
    let picture = get(&router, "/api/v1/pictures/42.png?psi=0.7&noise=off").await.body;
    for space in ["w", "z"] {
        let values = latents[space].as_str().unwrap();
        assert_eq!(STANDARD.decode(values).unwrap().len(), 64);
        let body = serde_json::json!({ "space": space, "values": values, "psi": 0.7 }).to_string();
        let answer = post(&router, "/api/v1/pictures", body).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
        assert_eq!((answer.header("content-type"), answer.header("etag")), ("image/png", ""));
        assert_eq!(answer.body, picture, "{space}");
    }
    let values = STANDARD.decode(latents["w"].as_str().unwrap()).unwrap();
    let w: Vec<f32> = values.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    let request = server::picture_request(&w, Creativity::new(0.7).unwrap(), None);
    assert_eq!(post(&router, "/api/v1/pictures", request.to_string()).await.body, picture);
    let with_noise = server::picture_request(&w, Creativity::new(0.7).unwrap(), Some(Seed(3))).to_string();
    assert_eq!(post(&noisy(), "/api/v1/pictures", with_noise.clone()).await.status, StatusCode::OK);
    let refused = post(&router, "/api/v1/pictures", with_noise).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("none is added here"), "{}", refused.text());
    let mixed = get(&router, "/api/v1/latents/42_77_2.json").await.json();
    assert_eq!((&mixed["fine"]["layer"], mixed["z"].is_null()), (&serde_json::json!(2), true));
}

#[tokio::test]
async fn numbers_that_make_no_picture_are_refused_by_name() {
    let router = tiny();
    let spelled = |values: &[f32]| STANDARD.encode(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let body = |values: String| serde_json::json!({ "space": "w", "values": values }).to_string();
    for (body, word) in [
        (body("?".to_owned()), "base64"),
        (body(spelled(&[0.0; 15])), "16 values"),
        (body(spelled(&[f32::NAN; 16])), "finite"),
        (body(spelled(&[1e9; 16])), "10000"),
        ("{".to_owned(), "cannot be read"),
        ("[1]".to_owned(), "cannot be read"),
        (r#"{"space":"q","values":""}"#.to_owned(), "unknown variant"),
        (r#"{"space":"w","values":"","more":1}"#.to_owned(), "unknown field"),
        (r#"{"space":"w","values":"","psi":3}"#.to_owned(), "from 0.0 to 2.0"),
        (r#"{"space":"w","values":"","psi":1,"size":4}"#.to_owned(), "from 16 to 1024"),
    ] {
        let answer = post(&router, "/api/v1/pictures", body.clone()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::BAD_REQUEST, "application/problem+json")
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{body}: {}", answer.text());
    }
    let large = post(&router, "/api/v1/pictures", vec![b' '; 70_000]).await;
    assert_eq!((large.status, large.json()["type"].clone()), (StatusCode::PAYLOAD_TOO_LARGE, "/api/#body-size".into()));
}

#[tokio::test]
async fn an_archive_holds_the_pictures_of_its_seeds() {
    let router = tiny();
    let named = get(&router, "/api/v1/batches/0-9,42.zip?psi=0.7&format=webp").await;
    let listed = post(&router, "/api/v1/batches", r#"{"seeds":"0-9,42","psi":0.7,"format":"webp"}"#).await;
    assert_eq!(named.header("content-type"), "application/zip");
    assert_eq!(named.body, listed.body, "the same archive, byte by byte");
    let mut archive = zip::ZipArchive::new(Cursor::new(named.body)).unwrap();
    assert_eq!(archive.len(), 11);
    for (at, seed) in [(0, 0), (9, 9), (10, 42)] {
        let mut file = archive.by_index(at).unwrap();
        assert_eq!(file.name().unwrap(), format!("seed{seed:05}.webp"));
        let mut picture = Vec::new();
        file.read_to_end(&mut picture).unwrap();
        assert_eq!(picture, get(&router, &format!("/api/v1/pictures/{seed}.webp?psi=0.7")).await.body);
    }
    for uri in ["/api/v1/batches/0-256.zip", "/api/v1/batches/a.zip", "/api/v1/batches/0.zip?format=gif"] {
        assert_eq!(get(&router, uri).await.status, StatusCode::BAD_REQUEST, "{uri}");
    }
}

#[tokio::test]
async fn a_batch_larger_than_the_queue_still_comes_whole() {
    let config = server::Config { threads: 1, queue: 1, ..config() };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    let answer = get(&router, "/api/v1/batches/0-255.zip").await;
    assert_eq!(zip::ZipArchive::new(Cursor::new(answer.body)).unwrap().len(), 256);
}

#[tokio::test]
async fn a_morph_goes_from_one_to_the_other_and_back() {
    let router = tiny();
    let answer = get(&router, "/api/v1/morphs/42~77.webp?frames=5&psi=0.7").await;
    let frames = WebPDecoder::new(Cursor::new(&answer.body)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 8);
    for (frame, seed) in [(0, 42), (4, 77)] {
        let end = get(&router, &format!("/api/v1/pictures/{seed}.webp?psi=0.7")).await.body;
        let end = image::load_from_memory(&end).unwrap().to_rgb8();
        let shown = image::DynamicImage::ImageRgba8(frames[frame].buffer().clone()).to_rgb8();
        assert!(shown.iter().zip(end.iter()).all(|(a, b)| a.abs_diff(*b) <= 1), "frame {frame} is not {seed}");
    }
    let gif = get(&router, "/api/v1/morphs/42~77.gif?frames=3").await;
    assert_eq!(gif.header("content-type"), "image/gif");
    assert_eq!(GifDecoder::new(Cursor::new(gif.body)).unwrap().into_frames().count(), 4);
}

#[tokio::test]
async fn a_montage_tiles_the_eighteen_levels() {
    let router = tiny();
    let answer = get(&router, "/api/v1/montages/42.png?columns=6&size=32").await;
    let sheet = image::load_from_memory(&answer.body).unwrap().to_rgb8();
    assert_eq!(sheet.dimensions(), (6 * 32, 3 * 32));
    let last = get(&router, "/api/v1/pictures/42.png?psi=2.0&size=32").await.body;
    let last = image::load_from_memory(&last).unwrap().to_rgb8();
    assert_eq!(image::imageops::crop_imm(&sheet, 5 * 32, 2 * 32, 32, 32).to_image(), last);
}

#[tokio::test]
async fn children_are_named_and_have_pictures() {
    let router = tiny();
    let family = get(&router, "/api/v1/children/42-3.json?psi=0.7").await.json();
    let children = family["children"].as_array().unwrap();
    assert_eq!((children.len(), children[15]["recipe"].as_str()), (16, Some("42-3f")));
    let picture = get(&router, children[15]["picture"].as_str().unwrap()).await;
    assert_eq!(picture.body, get(&router, "/api/v1/pictures/42-3f.png?psi=0.7").await.body);
}

#[tokio::test]
async fn a_download_that_broke_off_goes_on() {
    let router = tiny();
    let uri = "/api/v1/levels/42.zip";
    let whole = get(&router, uri).await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag").to_owned();
    let rest = ask(&router, "GET", uri, &[("range", "bytes=1000-"), ("if-range", &etag)]).await;
    assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.header("content-range"), format!("bytes 1000-{}/{}", whole.body.len() - 1, whole.body.len()));
    assert_eq!(rest.body, whole.body[1000..]);
    let outside = ask(&router, "GET", uri, &[("range", "bytes=99999999-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.body.len()));
}

#[tokio::test]
async fn other_sites_may_read_and_send() {
    let router = tiny();
    let asked = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = ask(&router, "OPTIONS", "/api/v1/pictures", &asked).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert_eq!(answer.header("access-control-allow-headers"), "content-type,range,if-none-match");
}

#[tokio::test]
async fn what_is_not_there_or_not_so_is_a_problem_document() {
    let router = tiny();
    for (method, uri, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/pictures/42.png", 404),
        ("POST", "/nothing", 404),
        ("DELETE", "/api/v1/pictures/42.png", 405),
        ("PUT", "/results/psi-1.0/seed00042.png", 405),
        ("POST", "/", 405),
    ] {
        let answer = ask(&router, method, uri, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, "application/problem+json"),
            "{method} {uri}"
        );
        assert_eq!(answer.json()["status"], status);
    }
}

#[tokio::test]
async fn the_figures_count_what_happened_and_are_nobody_elses() {
    let router = tiny();
    get(&router, "/results/psi-1.0/seed00042.png").await;
    get(&router, "/results/psi-1.0/seed00042.png").await;
    get(&router, "/results/psi-9/seed00042.png").await;
    let figures = get(&router, "/metrics").await;
    for line in [
        r#"tadne_requests_total{route="/results/{*address}",status="200"} 2"#,
        r#"tadne_requests_total{route="/results/{*address}",status="400"} 1"#,
        r#"tadne_files_total{kind="drawn"} 1"#,
        r#"tadne_files_total{kind="from-memory"} 1"#,
        "tadne_queue 0",
        "# EOF",
    ] {
        assert!(figures.text().lines().any(|there| there == line), "{line} is not in\n{}", figures.text());
    }
    let config = server::Config { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..config() };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    let stranger = ask(&router, "GET", "/metrics", &[("x-forwarded-for", "203.0.113.9")]).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_answer_has_a_name_of_its_own_and_a_proxys_name_is_kept() {
    let config = server::Config { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..config() };
    let believing = server::router(&config, generator(TINY, 1)).unwrap();
    let given = ask(&believing, "GET", "/healthz", &[("x-request-id", "abc-1")]).await;
    assert_eq!(given.header("x-request-id"), "abc-1");
    let odd = ask(&believing, "GET", "/healthz", &[("x-request-id", "a b")]).await;
    let [one, two] =
        [get(&tiny(), "/healthz").await, ask(&tiny(), "GET", "/healthz", &[("x-request-id", "abc-1")]).await];
    let names: HashSet<_> = [&given, &odd, &one, &two].map(|answer| answer.header("x-request-id").to_owned()).into();
    assert_eq!(names.len(), 4);
}

#[tokio::test]
async fn one_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let config = server::Config { rate: 1, proxies: vec!["127.0.0.0/8".parse().unwrap()], ..config() };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    let from = async |client: &str| ask(&router, "GET", "/api/v1/version", &[("x-forwarded-for", client)]).await;
    for _ in 0..4 {
        assert_eq!(from("203.0.113.9").await.status, StatusCode::OK);
    }
    let refused = from("203.0.113.9").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(from("203.0.113.10").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_endless_address_is_refused() {
    let answer = get(&tiny(), &format!("/results/psi-1.0/seed{}.png", "0".repeat(6000))).await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (StatusCode::URI_TOO_LONG, "/api/#long-address".into()));
}

#[tokio::test]
async fn a_restart_finds_its_pictures_and_damage_is_drawn_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = server::Config { store: Some(format!("file://{}", folder.path().display())), ..config() };
    let uri = "/api/v1/pictures/42.png";
    let first = {
        let router = server::router(&config, generator(TINY, 1)).unwrap();
        let first = get(&router, uri).await.body;
        while !get(&router, "/metrics").await.text().contains(r#"tadne_store_total{kind="written"} 1"#) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        first
    };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    assert_eq!(get(&router, uri).await.body, first);
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 0);

    damage(folder.path());
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    assert_eq!(get(&router, uri).await.body, first);
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 1);
}

/// Changes the last byte of every file below a folder.
fn damage(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn the_interface_has_a_page_of_its_own_files() {
    let router = tiny();
    let page = get(&router, "/api/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let document = get(&router, "/api/v1/openapi.json").await.json();
    for kind in document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].as_array().unwrap() {
        let id = kind.as_str().unwrap().trim_start_matches("/api/#");
        assert!(page.text().contains(&format!("id=\"{id}\"")), "{id} is not explained");
    }
    for file in ["/api/page.js", "/api/page.css"] {
        assert!(page.text().contains(file) && get(&router, file).await.status == StatusCode::OK, "{file}");
    }
}

/// Chat programs and link shorteners encode what need not be encoded.
#[tokio::test]
async fn names_may_be_percent_encoded() {
    let router = tiny();
    for (plain, encoded) in [
        ("/api/v1/pictures/42~77~50.png", "/api/v1/pictures/42%7E77%7e50.png"),
        ("/api/v1/pictures/42_77_2.png", "/api/v1/pictures/42%5F77%5F2%2Epng"),
        ("/api/v1/morphs/42~77.gif?frames=2", "/api/v1/morphs/42%7E77.gif?frames=2"),
        ("/api/v1/children/42-3b.json", "/api/v1/children/42%2D3b.json"),
        ("/api/v1/latents/42~77~50.json", "/api/v1/latents/42%7E77%7E50.json"),
        ("/api/v1/batches/1,2.zip", "/api/v1/batches/1%2C2.zip"),
        ("/results/psi-1.0/seed00042.png", "/results/psi%2D1.0/seed00042%2Epng"),
        ("/p/42~77~50", "/p/42%7E77%7E50"),
        ("/walk/42-3b", "/walk/42%2D3b"),
    ] {
        let (one, other) = (get(&router, plain).await, get(&router, encoded).await);
        assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK), "{encoded}");
        assert!(one.body == other.body, "{encoded} is not {plain}");
    }
    // What decodes to no text, or to nothing that is drawn, is refused like anything else.
    for (uri, status) in [
        ("/api/v1/pictures/%FF.png", StatusCode::BAD_REQUEST),
        ("/api/v1/pictures/42%00.png", StatusCode::BAD_REQUEST),
        ("/api/v1/pictures/..%2F42.png", StatusCode::BAD_REQUEST),
        ("/api/v1/children/%C3%28.json", StatusCode::BAD_REQUEST),
        ("/results/psi-1.0/seed%FF.png", StatusCode::BAD_REQUEST),
        ("/p/%FF", StatusCode::NOT_FOUND),
        ("/walk/42%2F", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get(&router, uri).await.status, status, "{uri}");
    }
}
