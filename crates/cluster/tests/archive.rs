//! `tadne-cluster archive` with one scheduler, two executors, and some of them killed.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use ::archive::{Hooks, Maker, Part, Plan, Target, write_manifest};
use common::{Cluster, assert_same, files, free_port, said, wait, written};
use server::Format;
use synth::{Generator, ModelFile};

const SHARDS: usize = 24;
/// Shards that must be there when something is killed.
const BEGUN: usize = 4;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors")
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

fn same_as_alone(cluster: &Cluster) {
    assert_same(&files(&cluster.path("out")), alone());
}

/// The command that has the archive made.
fn archive(cluster: &Cluster) -> Command {
    let mut command = cluster.command("archive");
    command.args(["--seeds", "0-95", "--shard-seeds", "4", "--levels", "0.7,1.0", "--size", "64"]);
    command.arg("--out").arg(cluster.path("out"));
    command
}

fn records(cluster: &Cluster) -> BTreeMap<PathBuf, SystemTime> {
    written(&cluster.path("out/records"), "jsonl")
}

#[test]
fn an_executor_that_is_killed_costs_nothing_but_time() {
    let mut cluster = Cluster::new();
    cluster.scheduler();
    let executors = [cluster.executor(&[]), cluster.executor(&[])];
    let client = archive(&cluster).spawn().expect("the program starts");
    wait("shards", || records(&cluster).len() >= BEGUN);
    cluster.kill(executors[0]);
    assert!(records(&cluster).len() < SHARDS, "it was killed after all was done");
    let output = client.wait_with_output().expect("it ends");
    let (out, error) = said(&output);
    assert!(output.status.success(), "{out}{error}");
    assert!(
        out.contains("24 shards for df://127.0.0.1") && out.contains("manifest.parquet lists 192 pictures"),
        "{out}"
    );
    same_as_alone(&cluster);

    let again = archive(&cluster).output().expect("the program runs");
    let (out, error) = said(&again);
    assert!(again.status.success() && out.contains("0 shards made, 24 kept"), "{out}{error}");
    // A picture that was lost is made again where it is asked for.
    let lost = cluster.path("out/results/psi-1.0/seed00042.webp");
    fs::remove_file(&lost).expect("it was there");
    let mended = archive(&cluster).arg("--verify").output().expect("the program runs");
    let (out, error) = said(&mended);
    assert!(mended.status.success() && out.contains("24 kept, 1 files of them made again"), "{out}{error}");
    same_as_alone(&cluster);
}

#[test]
fn after_the_scheduler_was_killed_the_same_command_goes_on() {
    let mut cluster = Cluster::new();
    let scheduler = cluster.scheduler();
    cluster.executor(&[]);
    cluster.executor(&[]);
    let client = archive(&cluster).spawn().expect("the program starts");
    wait("shards", || records(&cluster).len() >= BEGUN);
    cluster.kill(scheduler);
    let output = client.wait_with_output().expect("it ends");
    let (out, error) = said(&output);
    assert!(!output.status.success() && error.contains("run the same command again"), "{out}{error}");

    let nobody = archive(&cluster).output().expect("the program runs");
    let (out, error) = said(&nobody);
    assert!(!nobody.status.success() && error.contains("there is no scheduler at df://127.0.0.1"), "{out}{error}");

    let before = records(&cluster);
    assert!(before.len() < SHARDS, "it was killed after all was done");
    cluster.scheduler();
    let again = archive(&cluster).output().expect("the program runs");
    let (out, error) = said(&again);
    assert!(again.status.success(), "{out}{error}");
    same_as_alone(&cluster);
    let after = records(&cluster);
    assert!(before.iter().all(|(path, time)| after.get(path) == Some(time)), "a finished shard was made again");
}

#[test]
fn an_executor_with_another_model_makes_nothing() {
    let mut cluster = Cluster::new();
    cluster.scheduler();
    cluster.executor(&["--noise", "none"]);
    let output = archive(&cluster).output().expect("the program runs");
    let (out, error) = said(&output);
    assert!(!output.status.success() && records(&cluster).is_empty(), "{out}{error}");
    assert!(
        error.contains("24 of 24 shards were not done") && error.contains("start both with the same --model"),
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
