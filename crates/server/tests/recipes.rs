//! Blends, children, mixtures, sizes, animations, archives and cards, asked as the page and its guests ask for them.

mod common;

use std::collections::HashSet;
use std::io::{Cursor, Read};

use axum::http::StatusCode;
use common::{Answer, NOISY, config, generator, get, measured_generator, noisy, tiny};
use image::AnimationDecoder;
use image::codecs::webp::WebPDecoder;

async fn picture(router: &axum::Router, uri: &str) -> image::RgbImage {
    let answer = get(router, uri).await;
    assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.text());
    image::load_from_memory(&answer.body).unwrap().to_rgb8()
}

#[tokio::test]
async fn every_kind_of_recipe_is_a_picture_of_its_own() {
    let router = tiny();
    let mut pictures = HashSet::new();
    for recipe in ["42", "77", "42-0", "42-1", "42-10", "42~77~50", "42~77~51", "42_77_2", "42_77_3", "42-1_77-2_3"] {
        for ending in ["png", "webp"] {
            let drawn = picture(&router, &format!("/api/v1/pictures/{recipe}.{ending}?psi=0.9")).await;
            assert_eq!(drawn.dimensions(), (16, 16));
            pictures.insert(drawn.into_raw());
        }
    }
    assert_eq!(pictures.len(), 10);
}

#[tokio::test]
async fn an_edit_moves_a_picture_its_children_and_its_blends_along_what_the_model_has() {
    let router = server::router(&config(), measured_generator()).unwrap();
    let mut pictures = HashSet::new();
    for recipe in ["42", "42@0p10", "42@0m10", "42@1p10", "42@0p10@1m40", "42-3@0p10", "42@0p10~77~50", "42@0p10_77_2"]
    {
        pictures.insert(picture(&router, &format!("/api/v1/pictures/{recipe}.png")).await.into_raw());
    }
    assert_eq!(pictures.len(), 8);
    // Farther along, farther away.
    let home = picture(&router, "/api/v1/pictures/42.png").await.into_raw();
    let away = async |recipe: &str| -> u32 {
        let there = picture(&router, &format!("/api/v1/pictures/{recipe}.png")).await.into_raw();
        home.iter().zip(there).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
    };
    assert!(away("42@0p5").await < away("42@0p15").await);
    for (uri, words) in [
        ("/api/v1/pictures/42@2p1.png", "2, 0 to 1"),
        ("/api/v1/children/42@2p1.json", "2, 0 to 1"),
        ("/api/v1/like/42@2p1.json", "2, 0 to 1"),
        ("/api/v1/latents/42@2p1.json", "2, 0 to 1"),
    ] {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{uri}: {}", answer.text());
    }
    let none = get(&tiny(), "/api/v1/pictures/42@0p1.png").await;
    assert!(none.text().contains("tadne directions"), "{}", none.text());
    assert_eq!(get(&router, "/p/42@2p1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, "/p/42@1p1").await.status, StatusCode::OK);
    assert_eq!(get(&router, "/api/v1/model").await.json()["directions"], serde_json::json!(["hair-light", "whiskers"]));
}

#[tokio::test]
async fn likenesses_and_kinds_are_named_with_their_pictures() {
    let generator = measured_generator();
    let router = server::router(&config(), generator.clone()).unwrap();
    let named = async |uri: &str, list: &str| -> Vec<u64> {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.text());
        let found = answer.json()[list].as_array().unwrap().clone();
        let first = found[0]["picture"].as_str().unwrap();
        assert_eq!(get(&router, first).await.status, StatusCode::OK, "{first}");
        found.iter().map(|one| one["recipe"].as_str().unwrap().parse().unwrap()).collect()
    };
    let like = named("/api/v1/like/42.json?count=5&psi=0.7", "like").await;
    let index = synth::SeedIndex::new(generator, synth::SeedIndex::DEFAULT_SIZE);
    let expected = index.like(&"42".parse().unwrap(), 5);
    assert_eq!(like.into_iter().map(synth::Seed).collect::<Vec<_>>(), expected);
    assert!(!expected.contains(&synth::Seed(42)), "{expected:?}");
    // A child is no seed, so its parent may be the nearest.
    assert_eq!(named("/api/v1/like/42-3.json", "like").await.len(), 12);
    let kinds = named("/api/v1/kinds", "kinds").await;
    let mut expected = kinds.clone();
    expected.sort_unstable();
    assert_eq!(expected, [0, 1, 2, 3], "the seeds that the centres were made of");
    assert_eq!(named("/api/v1/kinds?count=2", "kinds").await, kinds[..2]);
}

#[tokio::test]
async fn a_seed_is_the_same_at_both_of_its_addresses() {
    let router = tiny();
    let old = get(&router, "/results/psi-0.7/seed00042.png").await;
    let new = get(&router, "/api/v1/pictures/42.png?psi=0.7").await;
    assert_eq!((old.body, old.headers["etag"].clone()), (new.body, new.headers["etag"].clone()));
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 1);
}

#[tokio::test]
async fn a_picture_comes_in_the_size_that_was_asked_for() {
    let router = tiny();
    for size in [16, 24, 128, 1024] {
        let drawn = picture(&router, &format!("/api/v1/pictures/5.jpg?size={size}")).await;
        assert_eq!(drawn.dimensions(), (size, size));
    }
    // Enlarging keeps the picture: its mean colour stays.
    let mean = |picture: image::RgbImage| {
        let count = picture.len() as f64;
        picture.into_raw().into_iter().map(f64::from).sum::<f64>() / count
    };
    let own = mean(picture(&router, "/api/v1/pictures/5.png").await);
    let large = mean(picture(&router, "/api/v1/pictures/5.png?size=512").await);
    assert!((own - large).abs() < 3.0, "{own} became {large}");
}

#[tokio::test]
async fn noise_can_be_left_out_where_there_is_any() {
    let without = "/api/v1/pictures/5.png?noise=off";
    let with = "/api/v1/pictures/5.png";
    let (plain, noisy) = (tiny(), noisy());
    assert_eq!(picture(&plain, without).await, picture(&plain, with).await);
    assert_ne!(picture(&noisy, without).await, picture(&noisy, with).await);
    assert_eq!(get(&noisy, "/api/model").await.json()["noise"], true);
    assert!(get(&noisy, "/").await.text().contains("data-noise=\"on\""));
    assert!(NOISY.len() > 1);
}

#[tokio::test]
async fn a_sweep_goes_through_the_eighteen_levels_and_back() {
    let router = tiny();
    let answer = get(&router, "/api/v1/sweeps/42~77~50.webp").await;
    assert_eq!(answer.header("content-type"), "image/webp");
    let frames = WebPDecoder::new(Cursor::new(&answer.body)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 34);
    let level = picture(&router, "/api/v1/pictures/42~77~50.webp?psi=2.0").await;
    let turned = image::DynamicImage::ImageRgba8(frames[17].buffer().clone()).to_rgb8();
    assert_eq!(turned, level);
    let answer = get(&router, "/api/v1/sweeps/42.png").await;
    assert_eq!(answer.header("content-type"), "image/apng");
    assert!(image::load_from_memory(&answer.body).is_ok());
}

#[tokio::test]
async fn a_found_w_stands_wherever_a_seed_does() {
    let router = tiny();
    let found = format!("0w2400{}", "407f81c0".repeat(4));
    let mut pictures = HashSet::new();
    for recipe in ["0", &found, &format!("{found}-3"), &format!("{found}~42~50"), &format!("42~{found}~20")] {
        pictures.insert(picture(&router, &format!("/api/v1/pictures/{recipe}.png")).await.into_raw());
    }
    assert_eq!(pictures.len(), 5);
    // A tag of two lines of descent is short, for proxies that take answers of a few thousand bytes at most, and still that of one picture alone.
    let line = format!("{found}-{}", "3b7f".repeat(16));
    let mut tags = HashSet::new();
    for percent in [10, 11] {
        let answer = get(&router, &format!("/api/v1/pictures/{line}~{line}~{percent}.png?size=16")).await;
        tags.insert(answer.header("etag").to_owned());
        let again = [("if-none-match", answer.header("etag"))];
        let uri = format!("/api/v1/pictures/{line}~{line}~{percent}.png?size=16");
        assert_eq!(common::ask(&router, "GET", &uri, &again).await.status, StatusCode::NOT_MODIFIED);
    }
    assert!(tags.len() == 2 && tags.iter().all(|tag| tag.len() < 120), "{tags:?}");
    let latents = get(&router, &format!("/api/v1/latents/{found}.json")).await.json();
    assert!(latents["w"].is_string() && latents["z"].is_null(), "{latents}");
    let family = get(&router, &format!("/api/v1/children/{found}.json")).await.json();
    assert_eq!(family["children"][15]["recipe"], format!("{found}-f"));
    let archive = get(&router, &format!("/api/v1/levels/{found}.zip")).await;
    let mut archive = zip::ZipArchive::new(Cursor::new(&archive.body)).unwrap();
    assert!(archive.by_name("found-407f81c0-psi-1.1.png").is_ok());
    let page = get(&router, &format!("/p/{found}")).await;
    assert!(page.text().contains("A found face, 407f81c0") && page.text().contains("noindex"));
    assert!(!page.text().contains("href=\"/p/1?"), "what was found has no seed beside it");
    let other = format!("0w2400{}", "40".repeat(15));
    for uri in [format!("pictures/{other}.png"), format!("children/{other}.json"), format!("like/{other}.json")] {
        let answer = get(&router, &format!("/api/v1/{uri}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.text().contains("15 numbers"), "{uri}: {}", answer.text());
    }
    assert_eq!(get(&router, &format!("/p/{other}")).await.status, StatusCode::NOT_FOUND);
    // The largest that there are: of another model, but not too long for an address.
    let largest = format!("0w2400{}", "40".repeat(synth::LARGEST_FOUND));
    let answer = get(&router, &format!("/api/v1/pictures/{largest}~{largest}~50.png")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_archive_holds_the_eighteen_levels() {
    let router = tiny();
    let answer = get(&router, "/api/v1/levels/42.zip").await;
    assert_eq!(answer.header("content-type"), "application/zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&answer.body)).unwrap();
    assert_eq!(archive.len(), 18);
    let mut file = Vec::new();
    archive.by_name("42-psi-1.1.png").unwrap().read_to_end(&mut file).unwrap();
    assert_eq!(file, get(&router, "/results/psi-1.1/seed00042.png").await.body);
}

#[tokio::test]
async fn cards_have_the_size_that_networks_show() {
    let router = tiny();
    for card in ["42", "42-3", "42~7~1", "42_7_1", "wall"] {
        let drawn = picture(&router, &format!("/api/v1/cards/{card}.jpg?psi=0.8")).await;
        assert_eq!(drawn.dimensions(), (1200, 630));
    }
}

fn kept_for_ever(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("etag").starts_with('"'));
}

#[tokio::test]
async fn what_is_made_may_be_kept_for_ever_by_everybody() {
    let router = tiny();
    let model = get(&router, "/api/v1/model").await.json();
    for uri in ["pictures/42-1.png", "sweeps/1.webp", "levels/1.zip", "cards/1.jpg"] {
        let uri = format!("/api/v1/{uri}?m={}", model["m"].as_str().unwrap());
        let answer = get(&router, &uri).await;
        kept_for_ever(&answer);
        let again = common::ask(&router, "GET", &uri, &[("if-none-match", answer.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[tokio::test]
async fn bad_orders_get_a_sentence_and_draw_nothing() {
    let router = tiny();
    for (uri, sentence) in [
        ("/api/v1/pictures/abc.png", "names no picture"),
        ("/api/v1/pictures/42~77~101.png", "names no picture"),
        ("/api/v1/pictures/42_77_200.png", "layers"),
        ("/api/v1/pictures/42.png?psi=NaN", "from 0.0 to 2.0"),
        ("/api/v1/pictures/42.png?size=1e9", "from 16 to 1024"),
        ("/api/v1/pictures/42.png?noise=2", "noise=on or noise=off"),
        ("/api/v1/sweeps/42.avi", ".webp, .gif or .png"),
        ("/api/v1/cards/42.png", "/api/v1/"),
        ("/api/v1/pictures/../../etc/passwd", "there is nothing at"),
        ("/api/v1/x", "there is nothing at"),
    ] {
        let answer = get(&router, uri).await;
        let status = if sentence.starts_with("there") { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        assert_eq!(answer.status, status, "{uri}");
        assert!(answer.text().contains(sentence) && answer.text().lines().count() == 1, "{uri}: {}", answer.text());
    }
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 0);
    let config = server::Config { public_url: Some("https://example.org/".to_owned()), ..config() };
    let named = server::router(&config, generator(common::TINY, 1)).unwrap();
    let page = get(&named, "/p/42").await;
    assert!(page.text().contains("content=\"https://example.org/api/v1/cards/42.jpg?psi=1.0"));
}
