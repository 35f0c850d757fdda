//! `tadne-cluster fetch` from a server of this test's own on 127.0.0.1, which does what servers do: nobody else is asked for anything.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use table::{Kind, Table, Value};

const PICTURE: &[u8] = b"a picture of some bytes";
/// Requests of a test, at most.
const MOST: usize = 300;

/// What has been asked for.
#[derive(Default)]
struct Log {
    /// How often, by path.
    asked: HashMap<String, usize>,
    times: Vec<(String, Instant)>,
    agents: Vec<String>,
}

struct Server {
    port: u16,
    log: Arc<Mutex<Log>>,
}

impl Server {
    /// Answers by the path, and how often it was asked for before.
    fn new(answer: impl Fn(&mut TcpStream, &str, usize) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (port, log, answer) = (listener.local_addr().expect("an address").port(), Arc::default(), Arc::new(answer));
        let shared: Arc<Mutex<Log>> = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming().take(MOST).flatten() {
                let (log, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                thread::spawn(move || {
                    let _ = one(stream, &log, answer.as_ref());
                });
            }
        });
        Self { port, log }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn asked(&self, path: &str) -> usize {
        self.log.lock().unwrap().asked.get(&format!("/{path}")).copied().unwrap_or(0)
    }
}

/// One request to a connection.
fn one(
    mut stream: TcpStream,
    log: &Mutex<Log>,
    answer: &(dyn Fn(&mut TcpStream, &str, usize) -> std::io::Result<()> + Send + Sync),
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let before = {
        let mut log = log.lock().unwrap();
        log.times.push((path.clone(), Instant::now()));
        let count = log.asked.entry(path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    for line in lines.by_ref() {
        let line = line?;
        if let Some(agent) = line.to_ascii_lowercase().strip_prefix("user-agent: ") {
            log.lock().unwrap().agents.push(agent.to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    answer(&mut stream, &path, before)
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

fn fetch(list: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy);
    }
    command.arg("fetch").arg("--list").arg(list).arg("--out").arg(out).args(more).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Names and contents of what was fetched; whatever is unfinished would be among them.
fn files(out: &Path) -> HashMap<String, Vec<u8>> {
    let folders = fs::read_dir(out.join("files")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).expect("a folder")).flatten();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.map(|file| (name(&file.path()), fs::read(file.path()).expect("readable"))).collect()
}

/// What servers do, by the path.
fn answers(stream: &mut TcpStream, path: &str, before: usize) -> std::io::Result<()> {
    match path {
        "/missing" => say(stream, "404 Not Found", "", b"<html>no</html>"),
        "/busy" if before == 0 => say(stream, "503 Service Unavailable", "", b"later"),
        "/good.png" | "/good.jpg" | "/busy" | "/there" => say(stream, "200 OK", "", PICTURE),
        "/broken" => say(stream, "500 Internal Server Error", "", b""),
        "/moved" => say(stream, "301 Moved Permanently", "Location: /there\r\n", b""),
        "/round" => say(stream, "302 Found", "Location: /round\r\n", b""),
        "/off" => say(stream, "302 Found", "Location: file:///etc/passwd\r\n", b""),
        "/empty" => say(stream, "200 OK", "", b""),
        "/cut" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n")?;
            stream.write_all(PICTURE)
        }
        "/cut-once" if before == 0 => {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nabcde\r\n")
        }
        "/cut-once" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
            )
        }
        "/large" => say(stream, "200 OK", "", &[7; 5000]),
        "/endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
            (0..10_000).try_for_each(|_| write!(stream, "5\r\nabcde\r\n"))
        }
        "/silent" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")?;
            sleep(Duration::from_secs(5));
            Ok(())
        }
        "/noise" => write!(stream, "what?\r\n\r\n"),
        other => panic!("nobody was told of {other}"),
    }
}

#[test]
fn what_servers_do_ends_in_whole_files_or_in_reasons() {
    let server = Server::new(answers);
    // Who wants to be left alone for longer than anybody waits is asked for nothing else.
    let weary = Server::new(|stream, _, _| say(stream, "429 Too Many Requests", "Retry-After: 9999\r\n", b""));
    let place = tempfile::tempdir().unwrap();
    let (list, out) = (place.path().join("list.txt"), place.path().join("out"));
    // MD5 of the picture, by md5sum.
    let (right, wrong) = ("c0bbc96e3d3da2f77ec8ec626ca7508a", "00000000000000000000000000000000");
    let names = [
        "good.png", "missing", "busy", "broken", "moved", "round", "off", "empty", "cut", "cut-once", "large",
        "endless", "silent", "noise",
    ];
    let mut lines: Vec<String> = names.iter().map(|name| format!("{} {name}", server.url(name))).collect();
    lines.push(format!("{} checked {right}", server.url("good.jpg")));
    lines.push(format!("{} unlike {wrong}", server.url("good.jpg")));
    lines.push(server.url("good.png"));
    lines.push("ftp://127.0.0.1/a.png".into());
    lines.extend((0..3).map(|number| weary.url(&number.to_string())));
    fs::write(&list, lines.join("\n")).unwrap();

    let dry = fetch(&list, &out, &["--dry-run"]);
    assert!(
        dry.status.success() && said(&dry).contains("21 of 2 hosts") && said(&dry).contains("unfit"),
        "{}",
        said(&dry)
    );
    assert!(!out.exists() && server.log.lock().unwrap().asked.is_empty());

    let more = ["--tries", "2", "--timeout", "1", "--max-bytes", "4000", "--per-host", "2"];
    let output = fetch(&list, &out, &more);
    assert!(output.status.success(), "{}", said(&output));
    let there = files(&out);
    let mut known: Vec<_> = there.keys().map(String::as_str).filter(|name| name.len() < 30).collect();
    known.sort_unstable();
    assert_eq!(known, ["busy", "checked.jpg", "cut-once", "good.png", "moved"]);
    assert_eq!(there.len(), 6, "one is called by its address's hash: {:?}", there.keys());
    assert!(there.iter().all(|(name, contents)| *contents == if name == "cut-once" { b"abcde" } else { PICTURE }));
    assert_eq!(
        ["busy", "missing", "broken", "cut", "round", "large"].map(|name| server.asked(name)),
        [2, 1, 2, 2, 6, 1]
    );
    assert!(server.log.lock().unwrap().agents.iter().all(|agent| agent.starts_with("tadne-cluster/")));
    assert!(
        said(&output).contains("fetched     6\n") && said(&output).contains("failed      15, such as"),
        "{}",
        said(&output)
    );

    // A row for each, in order.
    let rows = report(&out);
    assert_eq!(rows.len(), lines.len());
    for (at, reason) in [
        (1, "404"),
        (3, "500"),
        (5, "sent on more than 5 times"),
        (6, "no address of http or https"),
        (7, "nothing came"),
        (10, "more than 4000 bytes"),
        (11, "more than 4000 bytes"),
        (12, "does not go on"),
        (15, "its MD5 is"),
        (17, "no address of http or https"),
        (18, "9999 s of peace"),
        (20, "9999 s of peace"),
    ] {
        assert!(rows[at].1 == "failed" && rows[at].2.contains(reason), "{at}: {:?}", rows[at]);
    }
    assert!([8, 13].iter().all(|&at| rows[at].1 == "failed" && !rows[at].2.is_empty()), "{rows:?}");
    assert!([0, 2, 4, 9, 14, 16].iter().all(|&at| rows[at].1 == "fetched"), "{rows:?}");

    // The same again asks for nothing that is there, and what is damaged comes anew.
    let before = ["good.png", "busy", "moved"].map(|name| server.asked(name));
    let damaged = fs::read_dir(out.join("files")).unwrap().flatten().map(|folder| folder.path().join("checked.jpg"));
    let damaged = damaged.into_iter().find(|path| path.exists()).unwrap();
    fs::write(&damaged, "half").unwrap();
    // As a process that was killed leaves it.
    fs::write(damaged.with_file_name(".unfinished-x"), "half").unwrap();
    let output = fetch(&list, &out, &more);
    assert!(
        said(&output).contains("there       5\n") && said(&output).contains("fetched     1\n"),
        "{}",
        said(&output)
    );
    assert_eq!(["good.png", "busy", "moved"].map(|name| server.asked(name)), before);
    assert_eq!(files(&out)["checked.jpg"], PICTURE);
    assert_eq!((report(&out)[0].1.as_str(), files(&out).len()), ("there", 6));
    assert!(weary.log.lock().unwrap().times.len() <= 4, "two are asked at once, twice");
}

/// File, status and reason of each row of the report, read as metadata is.
fn report(out: &Path) -> Vec<(String, String, String)> {
    use datafusion::arrow::array::AsArray;
    use datafusion::prelude::{ParquetReadOptions, SessionContext};
    let path = out.join("fetched.parquet");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = runtime.block_on(async {
        let context = SessionContext::new();
        let rows = context.read_parquet(path.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
        rows.select_columns(&["file", "status", "reason"]).unwrap().collect().await.unwrap()
    });
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| {
                datafusion::arrow::compute::cast(column, &datafusion::arrow::datatypes::DataType::Utf8).unwrap()
            })
            .collect();
        for row in 0..batch.num_rows() {
            let text = |at: usize| columns[at].as_string::<i32>().value(row).to_owned();
            rows.push((text(0), text(1), text(2)));
        }
    }
    rows
}

#[test]
fn hosts_are_asked_for_little_at_once_and_left_alone_when_they_say_so() {
    let at_once = Arc::new(Mutex::new((0, 0)));
    let counted = Arc::clone(&at_once);
    let server = Server::new(move |stream, path, before| {
        if path == "/0" && before == 0 {
            return say(stream, "429 Too Many Requests", "Retry-After: 2\r\n", b"");
        }
        {
            let mut counted = counted.lock().unwrap();
            counted.0 += 1;
            counted.1 = counted.0.max(counted.1);
        }
        sleep(Duration::from_millis(50));
        // Before the answer: who has it may ask on.
        counted.lock().unwrap().0 -= 1;
        say(stream, "200 OK", "", PICTURE)
    });
    let place = tempfile::tempdir().unwrap();
    let (list, out) = (place.path().join("list.parquet"), place.path().join("out"));
    let columns = vec![("file_url", Kind::Text), ("post", Kind::U64), ("score", Kind::U64)];
    let mut table = Table::begin(Vec::new(), columns, 100).unwrap();
    for number in 0..24 {
        table
            .row(&[Value::Text(&server.url(&number.to_string())), Value::U64(number), Value::U64(number % 2)])
            .unwrap();
    }
    fs::write(&list, table.end(&[]).unwrap()).unwrap();
    let more = ["--url", "file_url", "--id", "post", "--where", "score = 0", "--per-host", "3"];
    let output = fetch(&list, &out, &more);
    assert!(output.status.success() && said(&output).contains("fetched     12\n"), "{}", said(&output));
    let log = server.log.lock().unwrap();
    let most: usize = at_once.lock().unwrap().1;
    assert!(most <= 3, "{most} at once");
    assert_eq!(log.times.len(), 13);
    // Who were asked for already may come; after that it is quiet for two seconds.
    let asked = log.times.iter().find(|(path, _)| path == "/0").unwrap().1;
    let quiet = |time: Instant| time > asked + Duration::from_millis(900) && time < asked + Duration::from_millis(1900);
    assert!(!log.times.iter().any(|(_, time)| quiet(*time)), "{:?}", log.times);
    let again = log.times.iter().filter(|(path, _)| path == "/0").nth(1).unwrap().1;
    assert!(again >= asked + Duration::from_millis(1900));
    assert!(files(&out).contains_key("22"));
    drop(log);

    let output = fetch(&list, &out, &["--id", "post"]);
    assert!(!output.status.success() && said(&output).contains("has no column \"url\""), "{}", said(&output));
    let none = place.path().join("none.txt");
    fs::write(&none, "# nothing\n").unwrap();
    assert!(said(&fetch(&none, &out, &[])).contains("there are no addresses"));
    assert!(said(&fetch(&none, &out, &["--where", "a = 1"])).contains("asks a table"));
    assert!(said(&fetch(&place.path().join("nowhere.txt"), &out, &[])).contains("cannot read"));
}
