//! The page of a run: what it answers, and that it shows nothing but the run.

use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// A run folder with two ticks, half a line, a measurement and a grid.
fn run() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("config.json", r#"{"name": "c64", "kimg": 600.0}"#);
    put("stats.jsonl", "{\"kimg\": 1.0}\n{\"kimg\": 2.0}\n{\"kim");
    put("metrics.jsonl", "{\"kimg\": 2.0, \"kd\": 0.03}\n");
    fs::create_dir(dir.path().join("grids")).unwrap();
    put("grids/000002000-psi-0.7.png", "a picture");
    put("grids/000001000-psi-0.7.png", "an earlier one");
    put("grids/notes.txt", "not a grid");
    dir
}

async fn get(dir: &tempfile::TempDir, path: &str) -> (StatusCode, Vec<u8>, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = watch::router(dir.path()).unwrap().oneshot(request).await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec(), policy)
}

#[tokio::test]
async fn the_page_and_all_it_names_are_there() {
    let dir = run();
    let (status, html, policy) = get(&dir, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(policy.contains("default-src 'self'"));
    let html = String::from_utf8(html).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "the page names another host");
    for file in ["style.css", "icon.svg", "watch.js", "chart.js", "grids.js"] {
        let (status, body, _) = get(&dir, &format!("/{file}")).await;
        assert!(status == StatusCode::OK && !body.is_empty(), "{file}");
    }
}

#[tokio::test]
async fn the_run_comes_as_json_from_where_the_reader_stands() {
    let dir = run();
    let (_, body, _) = get(&dir, "/run.json").await;
    let state: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(state["config"]["kimg"], 600.0);
    assert_eq!(state["ticks"].as_array().unwrap().len(), 2);
    assert_eq!(state["measurements"][0]["kd"], 0.03);
    let grids: Vec<_> = state["grids"].as_array().unwrap().iter().map(|g| g["images"].as_u64().unwrap()).collect();
    assert_eq!(grids, [1000, 2000]);
    let (_, body, _) = get(&dir, "/run.json?since=1").await;
    let state: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(state["ticks"], serde_json::json!([{"kimg": 2.0}]));
    let (status, ..) = get(&dir, "/run.json?since=soon").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn grids_are_served_and_nothing_else_of_the_disk() {
    let dir = run();
    let (status, body, _) = get(&dir, "/grids/000002000-psi-0.7.png").await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, b"a picture".as_slice()));
    for path in
        ["/grids/notes.txt", "/grids/..%2Fconfig.json", "/grids/9-psi-0.7.png", "/config.json", "/../config.json"]
    {
        assert_eq!(get(&dir, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = watch::router(dir.path()).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
}
