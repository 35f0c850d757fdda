//! `tadne-cluster prepare`: what two executors make of a collection, with one of them or the scheduler killed, is what one machine makes
//! of it; and metadata that chooses files.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use ::prepare::{Rules, decide, pack, places, report, sheets, survey, tars};
use common::{Cluster, assert_same, files as files_of, said, wait, written};
use dataset::Files;
use image::{Rgb, RgbImage};
use table::{Kind, Table, Value};

/// Pictures of the collection that are good, and shards of all files at three a shard.
const GOOD: u32 = 90;
const SHARDS: usize = 37;
/// Shards that must be there when something is killed.
const BEGUN: usize = 4;

/// A picture like no other.
fn drawn(number: u32, side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let wave = |a: u32, b: u32| (((x * (a + number % 7) + y * (b + number % 5)) * (6 + number) / 9) % 200) as u8;
        Rgb([30 + wave(3, 1), 20 + wave(1, 4), 40 + wave(2, 2) / 2])
    })
}

/// Good pictures, half of them in a tar, and ten each of broken and equal files.
fn collect(data: &Path) {
    fs::create_dir_all(data).expect("a folder");
    let mut tar = tar::Builder::new(fs::File::create(data.join("half.tar")).expect("a tar"));
    for number in 0..GOOD {
        let path = data.join(format!("{number}.png"));
        drawn(number, 160).save(&path).expect("it can be written");
        if number < 10 {
            fs::copy(&path, data.join(format!("again-{number}.png"))).expect("it can be copied");
            fs::write(data.join(format!("cut-{number}.jpg")), b"\xff\xd8\xff").expect("it can be written");
        }
        if number % 2 == 1 {
            tar.append_path_with_name(&path, format!("{number}.png")).expect("it can be packed");
            fs::remove_file(path).expect("it was there");
        }
    }
    tar.finish().expect("a tar");
}

/// A collection, and what `tadne prepare --size 64 --near off` makes of it: its work, without its arguments and its progress.
fn alone() -> &'static (PathBuf, BTreeMap<String, Vec<u8>>) {
    static ALONE: OnceLock<(PathBuf, BTreeMap<String, Vec<u8>>)> = OnceLock::new();
    ALONE.get_or_init(|| {
        let data = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/collected"));
        let _ = fs::remove_dir_all(&data);
        collect(&data);
        let out = tempfile::tempdir().expect("a folder");
        let (out, go_on) = (out.path(), AtomicBool::new(false));
        let rules = Rules { size: Some(64), near: None, ..Rules::default() };
        let files = Files::list(&[&data]).expect("a collection");
        let rows = survey(&files, &rules, None, &go_on, &|| ()).expect("rows");
        let verdicts = decide(&rows, &rules);
        assert_eq!(verdicts.iter().filter(|verdict| verdict.kept()).count(), GOOD as usize);
        let tars = tars(&files, &rows, &verdicts, &rules, out).expect("an empty folder");
        pack(&files, &rows, &tars, &rules, out, &go_on, &|| ()).expect("tars");
        sheets(&files, &rows, &verdicts, &out.join("sheets")).expect("sheets");
        report(&files, &rows, &verdicts, &places(&tars, rows.len()), &out.join("report.parquet")).expect("a report");
        (data, files_of(out))
    })
}

/// The command that has the collection curated.
fn prepare(cluster: &Cluster) -> Command {
    let mut command = cluster.command("prepare");
    command.args(["--shard-files", "3", "--size", "64", "--near", "off", "--data"]).arg(&alone().0);
    command.arg("--out").arg(cluster.path("out"));
    command
}

/// The files of rows that are there.
fn looked(cluster: &Cluster) -> BTreeMap<PathBuf, SystemTime> {
    let folders = fs::read_dir(cluster.path("out/shards")).into_iter().flatten();
    folders.flat_map(|folder| written(&folder.expect("readable").path(), "rows")).collect()
}

fn success(output: &Output) -> String {
    let (out, error) = said(output);
    assert!(output.status.success(), "{out}{error}");
    out
}

#[test]
fn an_executor_that_is_killed_costs_nothing_but_time() {
    let mut cluster = Cluster::new();
    cluster.scheduler();
    let executors = [cluster.executor(&[]), cluster.executor(&[])];
    let client = prepare(&cluster).spawn().expect("the program starts");
    wait("shards", || looked(&cluster).len() >= BEGUN);
    cluster.kill(executors[0]);
    assert!(looked(&cluster).len() < SHARDS, "it was killed after all was done");
    let out = success(&client.wait_with_output().expect("it ends"));
    for said in ["110 files in 37 shards", "kept        90", "broken      10", "duplicate   10", "writing     1 tars"] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert_same(&files_of(&cluster.path("out")), &alone().1);

    // Tars that are there stay; one that was lost is made again.
    let tar = written(&cluster.path("out/tars"), "tar").into_keys().next().expect("a tar");
    let out = success(&prepare(&cluster).output().expect("the program runs"));
    assert!(out.contains("writing     0 tars"), "{out}");
    fs::remove_file(tar).expect("it was there");
    success(&prepare(&cluster).output().expect("the program runs"));
    assert_same(&files_of(&cluster.path("out")), &alone().1);
}

#[test]
fn after_the_scheduler_was_killed_the_same_command_goes_on() {
    let mut cluster = Cluster::new();
    let scheduler = cluster.scheduler();
    cluster.executor(&[]);
    cluster.executor(&[]);
    let client = prepare(&cluster).arg("--dry-run").spawn().expect("the program starts");
    wait("shards", || looked(&cluster).len() >= BEGUN);
    cluster.kill(scheduler);
    let output = client.wait_with_output().expect("it ends");
    let (out, error) = said(&output);
    assert!(!output.status.success() && error.contains("run the same command again"), "{out}{error}");

    let before = looked(&cluster);
    assert!(before.len() < SHARDS, "it was killed after all was done");
    cluster.scheduler();
    let out = success(&prepare(&cluster).arg("--dry-run").output().expect("the program runs"));
    assert!(out.contains("kept        90") && !cluster.path("out/prepare.json").exists(), "{out}");
    let after = looked(&cluster);
    assert_eq!(after.len(), SHARDS);
    assert!(before.iter().all(|(path, time)| after.get(path) == Some(time)), "a finished shard was done again");
    // What writes goes on from what only looked.
    let out = success(&prepare(&cluster).output().expect("the program runs"));
    assert!(out.contains("0 shards made, 37 kept"), "{out}");
    assert_same(&files_of(&cluster.path("out")), &alone().1);
}

/// The program without a cluster.
fn here(out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
    command.env_remove("TADNE_CLUSTER_SCHEDULER").args(["prepare", "--near", "off", "--data"]).arg(&alone().0);
    command.arg("--out").arg(out).args(more).output().expect("the program runs")
}

#[test]
fn metadata_chooses_files_by_sql() {
    let place = tempfile::tempdir().expect("a folder");
    let out = place.path().join("out");
    let path = |name: &str| place.path().join(name).to_str().expect("text").to_owned();
    let (lines, parquet) = (path("posts.jsonl"), path("posts.parquet"));
    // The score of the first thousands says nothing of the last.
    let post = |id: u32| {
        let rating = if id.is_multiple_of(3) { "g" } else { "q" };
        let score = if id < 60 { "null".to_owned() } else { id.to_string() };
        format!("{{\"id\": {id}, \"rating\": \"{rating}\", \"score\": {score}, \"tags\": [\"a\", \"t{id}\"]}}\n")
    };
    fs::write(&lines, (0..GOOD).map(post).collect::<String>()).expect("it can be written");
    let columns = vec![("md5", Kind::Text), ("score", Kind::U64)];
    let mut table = Table::begin(Vec::new(), columns, 100).expect("a table");
    for id in 0..GOOD {
        table.row(&[Value::Text(&format!("{id}.png")), Value::U64(id.into())]).expect("a row");
    }
    fs::write(&parquet, table.end(&[]).expect("a table")).expect("it can be written");

    let dry = |more: &[&str]| success(&here(&out, &[&["--dry-run", "--metadata"], more].concat()));
    // 60, 63, … 87; files of a folder and of a tar.
    let said = dry(&[&lines, "--where", "rating = 'g' and score > 20"]);
    assert!(said.contains("10 of 110 files are named in") && said.contains("kept        10"), "{said}");
    let said = dry(&[&lines]);
    assert!(said.contains("90 of 110 files"), "{said}");
    let said = dry(&[&lines, "--where", "array_has(tags, 't7') or id in (1, 2) or rating like 'x%'"]);
    assert!(said.contains("3 of 110 files"), "{said}");
    let said = dry(&[&parquet, "--id", "md5", "--where", "score between 5 and 8"]);
    assert!(said.contains("4 of 110 files"), "{said}");
    let said = dry(&[&parquet, "--id", "md5", "--where", "md5 ~ '^1[0-9][.]png$'"]);
    assert!(said.contains("10 of 110 files"), "{said}");
    #[cfg(unix)]
    for (table, link, more) in
        [(&lines, "linked.jsonl", &[] as &[&str]), (&parquet, "linked.parquet", &["--id", "md5"])]
    {
        // What a link leads to may be called anything.
        let blob = path(&format!("blob-of-{link}").replace('.', "-"));
        fs::copy(table, &blob).expect("it can be copied");
        std::os::unix::fs::symlink(&blob, path(link)).expect("a link");
        let said = dry(&[&[path(link).as_str()], more].concat());
        assert!(said.contains("90 of 110 files"), "{said}");
    }
    assert!(!out.exists());

    let fail = |more: &[&str]| {
        let output = here(&out, more);
        assert!(!output.status.success(), "{more:?}");
        common::said(&output).1
    };
    let error = fail(&["--metadata", &parquet]);
    assert!(error.contains("has no column \"id\"") && error.contains("md5, score"), "{error}");
    for bad in ["score >", "score > 20 20", "likes > 3", "score", "score > 1; drop table posts"] {
        let error = fail(&["--metadata", &lines, "--where", bad]);
        assert!(error.contains("is no condition on"), "{bad}: {error}");
    }
    assert!(fail(&["--metadata", &path("nowhere.jsonl")]).contains("cannot read"));
    assert!(fail(&["--where", "score > 3"]).contains("--metadata"));
    fs::write(path("posts.csv"), "id\n1\n").expect("it can be written");
    assert!(fail(&["--metadata", &path("posts.csv")]).contains("must end in .jsonl or .parquet"));
    fs::write(path("cut.jsonl"), "{\"id\": 1}\n{\"id\": ").expect("it can be written");
    assert!(fail(&["--metadata", &path("cut.jsonl")]).contains("cut.jsonl"));
    fs::write(path("cut.parquet"), "PAR1").expect("it can be written");
    assert!(fail(&["--metadata", &path("cut.parquet")]).contains("cut.parquet"));
    assert!(fail(&["--metadata", &lines, "--where", "score > 1000"]).contains("there are no pictures"));
    assert!(!out.exists());
}

#[test]
#[cfg(unix)]
fn a_collection_may_have_more_archives_than_a_shell_lets_be_open() {
    let place = tempfile::tempdir().expect("a folder");
    let picture = place.path().join("1.png");
    drawn(1, 160).save(&picture).expect("it can be written");
    for number in 0..200 {
        let path = place.path().join(format!("data/{number}.tar"));
        fs::create_dir_all(place.path().join("data")).expect("a folder");
        let mut tar = tar::Builder::new(fs::File::create(path).expect("a tar"));
        tar.append_path_with_name(&picture, "1.png").expect("it can be packed");
        tar.finish().expect("a tar");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 100 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tadne-cluster"), "prepare"]);
    command.env_remove("TADNE_CLUSTER_SCHEDULER").arg("--dry-run").arg("--data").arg(place.path().join("data"));
    let said = success(&command.arg("--out").arg(place.path().join("out")).output().expect("the program runs"));
    assert!(said.contains("files       200") && said.contains("kept        1\n"), "{said}");
}

#[test]
fn without_a_cluster_it_is_what_tadne_prepare_makes() {
    let out = tempfile::tempdir().expect("a folder");
    let said = success(&here(&out.path().join("out"), &["--size", "64"]));
    assert!(said.contains("kept        90"), "{said}");
    assert_same(&files_of(&out.path().join("out")), &alone().1);
}

#[test]
fn faces_that_executors_find_are_those_that_one_machine_finds() {
    let place = tempfile::tempdir().expect("a folder");
    let data = place.path().join("data");
    fs::create_dir(&data).expect("a folder");
    for number in 0..20 {
        let mut picture = drawn(number, 160);
        picture.pixels_mut().for_each(|pixel| pixel.0[0] /= 2);
        if number % 4 > 0 {
            // To the detector of these tests a face is what is red.
            let spot = RgbImage::from_pixel(40, 40, Rgb([250, 0, (10 * number) as u8]));
            image::imageops::replace(&mut picture, &spot, i64::from(number) * 6, 50);
        }
        picture.save(data.join(format!("{number}.png"))).expect("it can be written");
    }
    let detector = concat!(env!("CARGO_MANIFEST_DIR"), "/../detect/tests/golden/wide.onnx");
    let arguments = ["--near", "off", "--min-sharpness", "0", "--detector", detector, "--detector-margin", "6"];
    let alone = place.path().join("alone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tadne-cluster"));
    command.env_remove("TADNE_CLUSTER_SCHEDULER").arg("prepare").args(arguments).arg("--data").arg(&data);
    let out = success(&command.arg("--out").arg(&alone).output().expect("the program runs"));
    assert!(out.contains("kept        15") && out.contains("faceless    5"), "{out}");

    let mut cluster = Cluster::new();
    cluster.scheduler();
    cluster.executor(&[]);
    cluster.executor(&[]);
    let mut command = cluster.command("prepare");
    command.args(arguments).args(["--shard-files", "3", "--data"]).arg(&data).arg("--out").arg(cluster.path("out"));
    success(&command.output().expect("the program runs"));
    assert_same(&files_of(&cluster.path("out")), &files_of(&alone));
}
