//! The socket's limits, tried by clients that misbehave: over real connections, with raw bytes.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{SLOW, TINY, config, generator, get, tiny};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A service on a port of its own.
struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), server::Error>>,
}

async fn start(config: server::Config, channels: &[usize]) -> Running {
    let service = server::Server::bind(&config, generator(channels, 1)).await.unwrap();
    let addr = service.local_addr();
    let (stop, stopped) = oneshot::channel();
    Running { addr, stop, ended: tokio::spawn(service.run(async { drop(stopped.await) })) }
}

const SOON: Duration = Duration::from_secs(10);

/// Sends bytes and reads to the end of the connection.
async fn say(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // A service that has heard enough may close before all is said.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection stays open");
    answer
}

async fn status(addr: SocketAddr, request: &[u8]) -> String {
    String::from_utf8_lossy(&say(addr, request).await).split(' ').nth(1).unwrap_or_default().to_owned()
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_has_its_share_of_connections_and_no_more() {
    let running = start(server::Config { client_connections: 3, ..config() }, TINY).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(running.addr).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(say(running.addr, b"").await.starts_with(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n"));
    drop(held);
    // The places are free again as soon as the closed connections are noticed.
    for attempt in 0.. {
        if status(running.addr, HEALTH).await == "200" {
            break;
        }
        assert!(attempt < 100, "the places never became free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn connections_in_all_are_bounded_too() {
    let running = start(server::Config { connections: 2, ..config() }, TINY).await;
    let held = [TcpStream::connect(running.addr).await.unwrap(), TcpStream::connect(running.addr).await.unwrap()];
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(say(running.addr, b"").await.starts_with(b"HTTP/1.1 503 "));
    drop(held);
    let running = start(server::Config { connections: 0, ..config() }, TINY).await;
    assert_eq!(status(running.addr, HEALTH).await, "200", "one is always possible");
}

#[tokio::test]
async fn who_never_finishes_the_question_is_shown_the_door() {
    let running = start(server::Config { header_timeout: Duration::from_millis(100), ..config() }, TINY).await;
    for start in [&b""[..], b"GET", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: "] {
        say(running.addr, start).await;
    }
    assert_eq!(status(running.addr, HEALTH).await, "200");
}

#[tokio::test]
async fn who_never_finishes_the_body_is_told_that_it_took_too_long() {
    let running = start(server::Config { timeout: Duration::from_millis(200), ..config() }, TINY).await;
    let request = b"POST /api/v1/batches HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 50\r\n\r\n{";
    assert_eq!(status(running.addr, request).await, "503");
}

#[tokio::test]
async fn who_stops_reading_is_let_go() {
    let running = start(server::Config { stall: Duration::from_millis(200), ..config() }, TINY).await;
    // A pipeline of large answers fills all buffers on the way; nobody reads.
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let request = b"GET /api/v1/pictures/1.png?size=1024 HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200);
    stream.write_all(&request).await.unwrap();
    for attempt in 0.. {
        let figures = say(running.addr, b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        // Only the connection that asks.
        if String::from_utf8_lossy(&figures).contains("\ntadne_connections 1\n") {
            break;
        }
        assert!(attempt < 400, "the stalled connection was never closed");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_in_bytes() {
    let running = start(server::Config { unread_bytes: 1, ..config() }, TINY).await;
    let picture = |seed: usize| format!("GET /api/v1/pictures/{seed}.png?size=1024 HTTP/1.1\r\nhost: a\r\n");
    let mut stuck = TcpStream::connect(running.addr).await.unwrap();
    stuck.write_all(format!("{}\r\n", picture(1)).repeat(400).as_bytes()).await.unwrap();
    let other = format!("{}connection: close\r\n\r\n", picture(2));
    // Sooner or later an answer fits into no buffer on the way.
    for attempt in 0.. {
        let answer = say(running.addr, other.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        if answer.starts_with("HTTP/1.1 503 ") {
            assert!(answer.contains("\r\nretry-after: 1\r\n") && answer.contains("wait to be read"), "{answer}");
            break;
        }
        assert!(attempt < 400, "nothing was ever refused");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(status(running.addr, HEALTH).await, "200", "small answers are no matter");
    drop(stuck);
    for attempt in 0.. {
        if status(running.addr, other.as_bytes()).await == "200" {
            break;
        }
        assert!(attempt < 400, "there is never room again");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn too_much_before_the_body_is_refused() {
    let running = start(config(), TINY).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "a".repeat(6000));
    assert_eq!(status(running.addr, long.as_bytes()).await, "414");
    let wide = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(status(running.addr, wide.as_bytes()).await, "431");
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert_eq!(status(running.addr, many.as_bytes()).await, "431");
}

#[tokio::test]
async fn a_request_under_way_is_answered_when_the_service_stops() {
    let running = start(server::Config { threads: 1, ..config() }, SLOW).await;
    // An idle connection and a half-sent request must not hold it up for long.
    let _idle = TcpStream::connect(running.addr).await.unwrap();
    let mut asking = TcpStream::connect(running.addr).await.unwrap();
    asking.write_all(b"GET /api/v1/levels/42.zip HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    running.stop.send(()).unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, asking.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(80)]));
    tokio::time::timeout(SOON, running.ended).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(running.addr).await.is_err());
}

#[tokio::test]
async fn stopping_never_takes_longer_than_the_grace() {
    let running = start(server::Config { grace: Duration::from_millis(200), ..config() }, TINY).await;
    let mut half = TcpStream::connect(running.addr).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    running.stop.send(()).unwrap();
    tokio::time::timeout(SOON, running.ended).await.unwrap().unwrap().unwrap();
}

/// Requests as they could come from anywhere: noise, and requests with one thing wrong or odd.
/// `described` are the addresses that the interface's description has.
fn bytes(described: &[String]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let word = "[ -~]{0,30}";
    let known = prop::sample::select(described.to_vec());
    let named = (known, "[-0-9~_,.a-z%]{0,24}").prop_map(|(path, file)| path.replace("{file}", &file));
    let path = prop_oneof![
        "/[ -~]{0,60}",
        named,
        "/results/psi-[-0-9.e]{0,5}/seed[-0-9]{0,22}\\.(png|webp|jpg|gif)?",
        "/(p|walk|slider\\.html)[-/?=0-9a-z~_%]{0,20}",
    ];
    let query = "(\\?(psi|size|columns|frames|noise|count|m|seed|lang|from)=[-0-9.a-z&=%]{0,16})?";
    let line = (prop_oneof![Just("GET"), Just("POST"), Just("HEAD"), Just("OPTIONS"), Just("QUERY")], path, query);
    let sane = (line, word, word, prop::collection::vec(any::<u8>(), 0..80)).prop_map(|((method, path, query), a, b, body)| {
        let head = format!("{method} {path}{query} HTTP/1.1\r\nhost: a\r\nrange: {a}\r\nif-none-match: {b}\r\n\
            x-forwarded-for: {a}\r\nx-request-id: {b}\r\naccept-language: {a}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..200), 6 => sane]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_whatever_break_the_service() {
    let config = server::Config { rate: 0, header_timeout: Duration::from_millis(300), ..config() };
    let document = get(&tiny(), "/api/v1/openapi.json").await.json();
    let described: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let running = start(config, TINY).await;
    let addr = running.addr;
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Cases { cases: 600, failure_persistence: None, ..Cases::default() });
        let tried = runner.run(&bytes(&described), |request| {
            let answer = handle.block_on(async {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                let _ = stream.write_all(&request).await;
                let _ = stream.shutdown().await;
                let mut answer = Vec::new();
                let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("no end");
                answer
            });
            prop_assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
            Ok(())
        });
        tried.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(status(addr, HEALTH).await, "200");
}

#[tokio::test]
async fn a_request_says_whom_it_asks_and_a_range_is_for_get_alone() {
    let running = start(config(), TINY).await;
    for request in [
        &b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"[..],
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
    ] {
        assert_eq!(status(running.addr, request).await, "400", "{}", String::from_utf8_lossy(request));
    }
    assert_eq!(status(running.addr, b"GET /healthz HTTP/1.0\r\n\r\n").await, "200");
    for (method, expected) in [("GET", "206"), ("HEAD", "200")] {
        let request = format!(
            "{method} /api/v1/pictures/42.png HTTP/1.1\r\nhost: a\r\nrange: bytes=0-9\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(status(running.addr, request.as_bytes()).await, expected, "{method}");
    }
}

/// What a client that reads no answer before it has sent all, as most libraries' do, gets to read.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_or_after_it_is_sent() {
    let running = start(config(), TINY).await;
    let head = |more: &str| {
        format!(
            "POST /api/v1/batches HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n{more}connection: close\r\n\r\n"
        )
    };
    let mut sent = head("").into_bytes();
    sent.resize(sent.len() + 10_000_000, b' ');
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    stream.write_all(&sent).await.expect("all of it is taken");
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    // Whoever asks first is told at once.
    let asked = say(running.addr, head("expect: 100-continue\r\n").as_bytes()).await;
    assert!(asked.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&asked));
}
