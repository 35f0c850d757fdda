//! `tadne-cluster` as real processes on this computer: one scheduler, two executors, and some of them killed.

#[path = "../../tadne/tests/common/files.rs"]
mod written;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use archive::{Hooks, Maker, Part, Plan, Target, write_manifest};
use server::Format;
use synth::{Generator, ModelFile};
use written::files;

const SHARDS: usize = 24;
/// Shards that must be there when something is killed.
const BEGUN: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors")
}

/// A scheduler's port with executors' processes; all end with it, and say what they logged if the test failed.
struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
    processes: Vec<Child>,
}

impl Cluster {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: free_port(), processes: Vec::new() }
    }

    fn address(&self) -> String {
        format!("df://127.0.0.1:{}", self.port)
    }

    /// Starts a process that goes on; gives its place.
    fn start(&mut self, arguments: &[&str]) -> usize {
        let log = File::create(self.folder.path().join(format!("{}.log", self.processes.len()))).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
        // What is killed cannot take its folder for results away.
        command.args(arguments).env("TADNE_LOG", "info").env("TMPDIR", self.folder.path());
        command.stdout(Stdio::null()).stderr(log);
        self.processes.push(command.spawn().expect("the program starts"));
        self.processes.len() - 1
    }

    fn scheduler(&mut self) -> usize {
        let listen = format!("127.0.0.1:{}", self.port);
        let place = self.start(&["scheduler", "--listen", &listen, "--executor-timeout", "4"]);
        wait("the scheduler listens", || TcpStream::connect(&listen).is_ok());
        place
    }

    fn executor(&mut self, more: &[&str]) -> usize {
        let (address, port, task_port) = (self.address(), free_port().to_string(), free_port().to_string());
        let mut arguments = vec!["executor", "--scheduler", &address, "--port", &port, "--task-port", &task_port];
        arguments.extend(["--threads", "1", "--heartbeat", "1"]);
        arguments.extend(more);
        self.start(&arguments)
    }

    fn kill(&mut self, place: usize) {
        // SIGKILL, where there are signals.
        self.processes[place].kill().expect("it runs");
        self.processes[place].wait().expect("it ended");
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The command that has the archive made.
    fn archive(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
        command.args(["archive", "--cluster", &self.address(), "--seeds", "0-95", "--shard-seeds", "4"]);
        command.args(["--levels", "0.7,1.0", "--size", "64"]).arg("--out").arg(self.out());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn records(&self) -> BTreeMap<PathBuf, SystemTime> {
        let entries = fs::read_dir(self.out().join("records")).into_iter().flatten();
        let paths = entries.map(|entry| entry.expect("readable").path());
        let modified = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).expect("a time");
        paths
            .filter(|path| path.extension().is_some())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), modified(&path)))
            .collect()
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

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20));
    }
}

fn said(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What `tadne archive` makes of the same arguments: its work, without its arguments and its progress.
fn alone() -> &'static BTreeMap<String, Vec<u8>> {
    static ALONE: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    ALONE.get_or_init(|| {
        let file = ModelFile::open(&model()).expect("the shipped model");
        let generator = Arc::new(Generator::new(&file).expect("a sound model"));
        let plan = Plan::new(generator.fingerprint(), vec![0..=95], vec![7, 10], Format::Webp, Some(64));
        let plan = plan.with_seeds_a_shard(4);
        let folder = tempfile::tempdir().expect("a folder");
        let target = Target::open(folder.path().to_str().expect("text")).expect("a folder");
        target.claim(&plan.kind()).expect("an empty folder");
        let hooks = Hooks { drawn: &|| (), stop: &AtomicBool::new(false) };
        let mut maker = Maker::new(&plan, &target, &generator, 2, hooks);
        for shard in plan.part(Part::default()) {
            maker.shard(&shard, false).expect("a shard");
        }
        assert_eq!(write_manifest(&target, &plan, true).expect("a manifest"), Some(192));
        files(folder.path())
    })
}

fn same_as_alone(out: &Path) {
    let (alone, cluster) = (alone(), files(out));
    assert_eq!(alone.keys().collect::<Vec<_>>(), cluster.keys().collect::<Vec<_>>());
    for (path, contents) in alone {
        assert!(cluster[path] == *contents, "{path} differs");
    }
}

#[test]
fn an_executor_that_is_killed_costs_nothing_but_time() {
    let mut cluster = Cluster::new();
    cluster.scheduler();
    let executors = [cluster.executor(&[]), cluster.executor(&[])];
    let client = cluster.archive().spawn().expect("the program starts");
    wait("shards", || cluster.records().len() >= BEGUN);
    cluster.kill(executors[0]);
    assert!(cluster.records().len() < SHARDS, "it was killed after all was done");
    let output = client.wait_with_output().expect("it ends");
    let (out, error) = said(&output);
    assert!(output.status.success(), "{out}{error}");
    assert!(
        out.contains("24 shards for df://127.0.0.1") && out.contains("manifest.parquet lists 192 pictures"),
        "{out}"
    );
    same_as_alone(&cluster.out());

    let again = cluster.archive().output().expect("the program runs");
    let (out, error) = said(&again);
    assert!(again.status.success() && out.contains("0 shards made, 24 kept"), "{out}{error}");
    // A picture that was lost is made again where it is asked for.
    let lost = cluster.out().join("results/psi-1.0/seed00042.webp");
    fs::remove_file(&lost).expect("it was there");
    let mended = cluster.archive().arg("--verify").output().expect("the program runs");
    let (out, error) = said(&mended);
    assert!(mended.status.success() && out.contains("24 kept, 1 files of them made again"), "{out}{error}");
    same_as_alone(&cluster.out());
}

#[test]
fn after_the_scheduler_was_killed_the_same_command_goes_on() {
    let mut cluster = Cluster::new();
    let scheduler = cluster.scheduler();
    cluster.executor(&[]);
    cluster.executor(&[]);
    let client = cluster.archive().spawn().expect("the program starts");
    wait("shards", || cluster.records().len() >= BEGUN);
    cluster.kill(scheduler);
    let output = client.wait_with_output().expect("it ends");
    let (out, error) = said(&output);
    assert!(!output.status.success() && error.contains("run the same command again"), "{out}{error}");

    let nobody = cluster.archive().output().expect("the program runs");
    let (out, error) = said(&nobody);
    assert!(!nobody.status.success() && error.contains("there is no scheduler at df://127.0.0.1"), "{out}{error}");

    let before = cluster.records();
    assert!(before.len() < SHARDS, "it was killed after all was done");
    cluster.scheduler();
    let again = cluster.archive().output().expect("the program runs");
    let (out, error) = said(&again);
    assert!(again.status.success(), "{out}{error}");
    same_as_alone(&cluster.out());
    let after = cluster.records();
    assert!(before.iter().all(|(path, time)| after.get(path) == Some(time)), "a finished shard was made again");
}

#[test]
fn an_executor_with_another_model_makes_nothing() {
    let mut cluster = Cluster::new();
    cluster.scheduler();
    cluster.executor(&["--noise", "none"]);
    let output = cluster.archive().output().expect("the program runs");
    let (out, error) = said(&output);
    assert!(!output.status.success() && cluster.records().is_empty(), "{out}{error}");
    assert!(
        error.contains("24 of 24 shards were not made") && error.contains("start both with the same --model"),
        "{error}"
    );
}

#[test]
fn addresses_that_are_none_are_refused() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tadne-cluster")).args(arguments).output().expect("it runs");
        assert!(!output.status.success());
        said(&output).1
    };
    for bad in [
        &["archive", "--seeds", "0", "--out", "a", "--cluster", "http://127.0.0.1:1"][..],
        &["executor", "--scheduler", "127.0.0.1:1"],
    ] {
        let error = run(bad);
        assert!(error.contains("write df://HOST:PORT"), "{error}");
    }
    let port = free_port();
    let error = run(&[
        "executor",
        "--wait",
        "0",
        "--scheduler",
        &format!("df://127.0.0.1:{port}"),
        "--port",
        &free_port().to_string(),
        "--task-port",
        &free_port().to_string(),
    ]);
    assert!(error.contains("there is no scheduler at"), "{error}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("an address").to_string();
    let error = run(&["scheduler", "--listen", &listen]);
    assert!(error.contains(&format!("cannot listen on {listen}")), "{error}");
}
