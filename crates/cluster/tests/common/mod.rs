//! `tadne-cluster` as real processes on this computer.

// Each test program uses its own part of this.
#![allow(dead_code)]

#[path = "../../../tadne/tests/common/files.rs"]
mod output;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use output::files;

const PATIENCE: Duration = Duration::from_mins(1);

/// A scheduler's port with executors' processes; all end with it, and say what they logged if the test failed.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
    processes: Vec<Child>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: free_port(), processes: Vec::new() }
    }

    pub(crate) fn address(&self) -> String {
        format!("df://127.0.0.1:{}", self.port)
    }

    /// Starts a process that goes on; gives its place.
    pub(crate) fn start(&mut self, arguments: &[&str]) -> usize {
        let log = File::create(self.folder.path().join(format!("{}.log", self.processes.len()))).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
        // What is killed cannot take its folder for results away.
        command.args(arguments).env("TADNE_LOG", "info").env("TMPDIR", self.folder.path());
        command.stdout(Stdio::null()).stderr(log);
        self.processes.push(command.spawn().expect("the program starts"));
        self.processes.len() - 1
    }

    pub(crate) fn scheduler(&mut self) -> usize {
        let listen = format!("127.0.0.1:{}", self.port);
        let place = self.start(&["scheduler", "--listen", &listen, "--executor-timeout", "4"]);
        wait("the scheduler listens", || TcpStream::connect(&listen).is_ok());
        place
    }

    pub(crate) fn executor(&mut self, more: &[&str]) -> usize {
        let (address, port, task_port) = (self.address(), free_port().to_string(), free_port().to_string());
        let mut arguments = vec!["executor", "--scheduler", &address, "--port", &port, "--task-port", &task_port];
        arguments.extend(["--threads", "1", "--heartbeat", "1"]);
        arguments.extend(more);
        self.start(&arguments)
    }

    pub(crate) fn kill(&mut self, place: usize) {
        // SIGKILL, where there are signals.
        self.processes[place].kill().expect("it runs");
        self.processes[place].wait().expect("it ended");
    }

    /// The program, not yet started, with its output caught.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
        command.args([name, "--cluster", &self.address()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A path that goes away with it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Files of an ending in a folder, and when they were written.
pub(crate) fn written(folder: &Path, ending: &str) -> BTreeMap<PathBuf, SystemTime> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("readable").path());
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).expect("a time");
    let ends = |path: &PathBuf| path.extension().is_some_and(|its| its == ending) && path.is_file();
    paths.filter(ends).map(|path| (path.clone(), modified(&path))).collect()
}

/// Whether two folders hold the same files, to the byte.
pub(crate) fn assert_same(out: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(out.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, contents) in expected {
        assert!(out[path] == *contents, "{path} differs");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            for number in 0..self.processes.len() {
                let log = fs::read_to_string(self.folder.path().join(format!("{number}.log"))).unwrap_or_default();
                eprintln!("--- process {number}\n{log}");
            }
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20));
    }
}

pub(crate) fn said(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}
