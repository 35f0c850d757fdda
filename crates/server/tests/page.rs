//! The page and everything beside the pictures.

mod common;

use axum::http::StatusCode;
use common::{ask, get, tiny};

#[tokio::test]
async fn the_page_allows_nothing_from_elsewhere_and_nothing_inline() {
    let router = tiny();
    for uri in ["/", "/slider.html?seed=00077", "/js/main.js", "/css/base.css", "/icon.svg"] {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{uri}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{uri}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{uri}");
    }
}

#[tokio::test]
async fn every_file_the_page_names_is_there_with_its_type() {
    let router = tiny();
    for page in ["/", "/slider.html?seed=1"] {
        let html = get(&router, page).await;
        assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
        let mut files = 0;
        for attribute in ["href=\"/", "src=\"/"] {
            for (at, _) in html.text().match_indices(attribute) {
                let rest = &html.text()[at + attribute.len() - 1..];
                let path = &rest[..rest.find('"').unwrap()];
                let answer = get(&router, path).await;
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                let media_type = answer.header("content-type");
                let wanted = [
                    (".css", "text/css"),
                    (".js", "text/javascript"),
                    (".json", "application/json"),
                    (".svg", "image/svg+xml"),
                    (".png", "image/png"),
                ];
                if let Some((_, wanted)) = wanted.iter().find(|(ending, _)| path.ends_with(ending)) {
                    assert!(media_type.starts_with(wanted), "{path} is {media_type}");
                }
                files += 1;
            }
        }
        assert!(files > 20, "{page} names only {files} files");
    }
}

#[tokio::test]
async fn files_are_asked_for_again_but_sent_only_when_changed() {
    let router = tiny();
    for uri in ["/", "/js/main.js"] {
        let first = get(&router, uri).await;
        assert_eq!(first.header("cache-control"), "no-cache");
        let again = ask(&router, "GET", uri, &[("if-none-match", first.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{uri}");
    }
}

#[tokio::test]
async fn the_montage_shows_the_eighteen_levels() {
    let answer = get(&tiny(), "/slider.html?seed=00077").await;
    assert_eq!(answer.text().matches("class=\"psi-value\"").count(), 18);
    assert!(answer.text().contains("/results/psi-2.0/seed00077.png"));
}

#[tokio::test]
async fn the_model_describes_itself() {
    let answer = get(&tiny(), "/api/model").await;
    let model = answer.json();
    assert_eq!((&model["width"], &model["height"]), (&16.into(), &16.into()));
    assert_eq!(model["formats"], serde_json::json!(["png", "webp", "jpg"]));
    assert_eq!(model["seed"]["max"], "18446744073709551615");
    assert!(model["fingerprint"].as_str().unwrap().len() >= 16);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_sentence_for_tools() {
    let router = tiny();
    for uri in ["/nowhere", "/index.html", "/../Cargo.toml", "/js/", "/js", "/%2e%2e/Cargo.toml", "/results/"] {
        let tool = get(&router, uri).await;
        assert_eq!(tool.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(tool.text().contains("/results/psi-1.0/seed00042.png"), "{uri}");
        let person = ask(&router, "GET", uri, &[("accept", "text/html,*/*")]).await;
        assert_eq!(person.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(person.text().starts_with("<!doctype html>"), "{uri}");
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let router = tiny();
    for uri in ["/", "/results/psi-1.0/seed00042.png", "/js/main.js", "/api/model"] {
        assert_eq!(ask(&router, "POST", uri, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED, "{uri}");
    }
}
