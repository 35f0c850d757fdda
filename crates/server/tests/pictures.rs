//! The addresses of pictures, asked as visitors and bots ask them.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use axum::http::StatusCode;
use common::{SLOW, TINY, ask, config, generator, get, tiny};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn five_seeds_give_five_different_valid_pictures_in_each_format() {
    let router = tiny();
    for (ending, media_type) in [("png", "image/png"), ("webp", "image/webp"), ("jpg", "image/jpeg")] {
        let mut pictures = HashSet::new();
        for seed in ["00000", "00042", "77", "99999", "18446744073709551615"] {
            let answer = get(&router, &format!("/results/psi-1.0/seed{seed}.{ending}")).await;
            assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, media_type));
            let picture = image::load_from_memory(&answer.body).unwrap();
            assert_eq!((picture.width(), picture.height()), (16, 16));
            pictures.insert(picture.to_rgb8().into_raw());
        }
        assert_eq!(pictures.len(), 5, "{ending}");
    }
}

#[tokio::test]
async fn a_second_start_gives_the_same_bytes_and_another_model_does_not() {
    let same = [tiny(), tiny()];
    let other = server::router(&config(), generator(TINY, 2)).unwrap();
    for ending in ["png", "webp", "jpg"] {
        let uri = format!("/results/psi-0.7/seed00042.{ending}");
        let [first, second] = [get(&same[0], &uri).await, get(&same[1], &uri).await];
        assert_eq!(first.body, second.body);
        assert_eq!(first.header("etag"), second.header("etag"));
        let third = get(&other, &uri).await;
        assert_ne!(first.body, third.body);
        assert_ne!(first.header("etag"), third.header("etag"));
    }
}

#[tokio::test]
async fn a_picture_may_be_kept_for_ever_and_read_by_everybody() {
    let answer = get(&tiny(), "/results/psi-1.0/seed00042.png").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_visitor_who_has_the_picture_is_told_so_without_drawing_it() {
    let router = tiny();
    let uri = "/results/psi-1.0/seed00042.png";
    let etag = get(&tiny(), uri).await.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is not a strong tag");
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let answer = ask(&router, "GET", uri, &[("if-none-match", &tags)]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(answer.header("etag"), etag);
    }
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 0);
    let other = ask(&router, "GET", uri, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn head_tells_what_get_would() {
    let router = tiny();
    let uri = "/results/psi-1.0/seed00042.webp";
    let (head, get) = (ask(&router, "HEAD", uri, &[]).await, get(&router, uri).await);
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    for name in ["etag", "content-type", "cache-control", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(get.header("content-length"), get.body.len().to_string());
}

#[tokio::test]
async fn equal_requests_are_drawn_once_whatever_their_spelling() {
    let router = tiny();
    let first = get(&router, "/results/psi-1.0/seed00042.png").await;
    for uri in ["/results/psi-1/seed42.png", "/results/psi-1.00/seed0000042.png", "/results/psi-1.0/seed00042.png?m=1"]
    {
        assert_eq!(get(&router, uri).await.body, first.body, "{uri}");
    }
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 1);
}

#[tokio::test]
async fn creativity_changes_the_picture_and_zero_makes_all_alike() {
    let router = tiny();
    let body = async |psi: &str, seed: u64| get(&router, &format!("/results/psi-{psi}/seed{seed}.png")).await.body;
    assert_eq!(body("0.0", 1).await, body("0", 2).await);
    assert_ne!(body("2.0", 1).await, body("2.0", 2).await);
    assert_ne!(body("0.7", 1).await, body("0.75", 1).await);
}

#[tokio::test]
async fn bad_values_get_a_sentence_that_says_what_is_allowed() {
    let router = tiny();
    let table = [
        ("/results/psi-NaN/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-9/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-2.01/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi--0.1/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-1e0/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-inf/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-/seed00042.png", "from 0.0 to 2.0"),
        ("/results/psi-1.0/seedabc.png", "from 0 to 18446744073709551615"),
        ("/results/psi-1.0/seed.png", "from 0 to 18446744073709551615"),
        ("/results/psi-1.0/seed-1.png", "from 0 to 18446744073709551615"),
        ("/results/psi-1.0/seed18446744073709551616.png", "from 0 to 18446744073709551615"),
        ("/results/psi-1.0/seed00042.gif", ".png, .webp or .jpg"),
        ("/results/psi-1.0/seed00042.", ".png, .webp or .jpg"),
        ("/results/psi-1.0/seed00042", "/results/psi-1.0/seed00042.png"),
        ("/results/psi-1.0/../seed00042.png", "/results/psi-1.0/seed00042.png"),
        ("/results/%00%ff%2e", "/results/psi-1.0/seed00042.png"),
        ("/results/seed00042.png", "/results/psi-1.0/seed00042.png"),
        ("/results/psi-1.0/seed00042.png?size=1e9", "size cannot be chosen"),
        ("/slider.html", "/slider.html?seed="),
        ("/slider.html?seed=abc", "from 0 to 18446744073709551615"),
    ];
    for (uri, sentence) in table {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{uri}");
        assert!(answer.text().contains(sentence), "{uri}: {}", answer.text());
        assert_eq!(answer.text().lines().count(), 1, "{uri}: {}", answer.text());
    }
    assert_eq!(get(&router, "/healthz").await.json()["drawn"], 0);
}

#[tokio::test]
async fn the_edges_of_creativity_are_allowed() {
    let router = tiny();
    for psi in ["0", "0.0", "0.3", "2.0", "2", "2.000"] {
        assert_eq!(get(&router, &format!("/results/psi-{psi}/seed1.png")).await.status, StatusCode::OK, "{psi}");
    }
}

#[tokio::test]
async fn a_full_queue_is_told_with_a_time_to_come_back() {
    let config = server::Config { threads: 1, queue: 1, ..config() };
    let router = server::router(&config, generator(SLOW, 1)).unwrap();
    let visitors: Vec<_> = (0..40)
        .map(|seed| {
            let router = router.clone();
            tokio::spawn(async move { get(&router, &format!("/results/psi-1.0/seed{seed}.png")).await })
        })
        .collect();
    let mut refused = 0;
    for visitor in visitors {
        let answer = visitor.await.unwrap();
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            refused += 1;
            assert_eq!(answer.header("retry-after"), "1");
            assert!(answer.header("cache-control") == "no-store" && answer.text().contains("try again"));
        } else {
            assert_eq!(answer.status, StatusCode::OK);
        }
    }
    assert!((1..40).contains(&refused), "{refused} of 40 refused");
}

#[tokio::test]
async fn limits_of_nothing_leave_room_for_one() {
    let config = server::Config { queue: 0, concurrency: 0, ..config() };
    let router = server::router(&config, generator(TINY, 1)).unwrap();
    assert_eq!(get(&router, "/results/psi-1.0/seed00042.png").await.status, StatusCode::OK);
}

/// Waits until nothing is queued, and returns (drawn, cancelled).
async fn settled(router: &axum::Router) -> (u64, u64) {
    for _ in 0..500 {
        let health = get(router, "/healthz").await.json();
        if health["queued"] == 0 {
            return (health["drawn"].as_u64().unwrap(), health["cancelled"].as_u64().unwrap());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the queue never emptied");
}

#[tokio::test]
async fn requests_that_are_dropped_are_not_drawn() {
    let config = server::Config { threads: 1, ..config() };
    let router = server::router(&config, generator(SLOW, 1)).unwrap();
    let visitors: Vec<_> = (0..200)
        .map(|seed| {
            let router = router.clone();
            tokio::spawn(async move { get(&router, &format!("/results/psi-1.0/seed{seed}.png")).await.status })
        })
        .collect();
    // A crowd is waiting; then all of them leave.
    while get(&router, "/healthz").await.json()["queued"].as_u64() < Some(50) {
        tokio::task::yield_now().await;
    }
    for visitor in &visitors {
        visitor.abort();
    }
    for visitor in visitors {
        let _ = visitor.await;
    }
    let (drawn, cancelled) = settled(&router).await;
    assert!(cancelled >= 40 && drawn + cancelled <= 200, "{drawn} drawn, {cancelled} cancelled");
}

#[tokio::test]
async fn a_connection_that_closes_withdraws_its_picture() {
    let config = server::Config { threads: 1, ..config() };
    let service = server::Server::bind(&config, generator(SLOW, 1)).await.unwrap();
    let addr = service.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(service.run(async { drop(stopped.await) }));

    let mut visitors = Vec::new();
    for seed in 0..100 {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = format!("GET /results/psi-1.0/seed{seed}.png HTTP/1.1\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        visitors.push(stream);
    }
    drop(visitors);

    let mut cancelled = 0;
    for _ in 0..500 {
        let health = health(addr).await;
        cancelled = health["cancelled"].as_u64().unwrap();
        if cancelled > 0 && health["queued"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(cancelled > 0, "nothing was cancelled");

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap().unwrap();
}

/// `/healthz` over a real connection.
async fn health(addr: std::net::SocketAddr) -> serde_json::Value {
    use tokio::io::AsyncReadExt;
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let first = server::Server::bind(&config(), generator(TINY, 1)).await.unwrap();
    let config = server::Config { addr: first.local_addr(), ..config() };
    let error = server::Server::bind(&config, generator(TINY, 1)).await.unwrap_err();
    assert!(matches!(error, server::Error::AddressInUse(addr) if addr == first.local_addr()));
    assert!(error.to_string().contains("already in use"), "{error}");
}
