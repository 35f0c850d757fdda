//! `tadne archive` on the real binary with a tiny model: killed, cut into parts, damaged and mended.

mod common;
#[path = "common/files.rs"]
mod written;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{succeed, tadne};
use server::{FileMaker, PictureAddress};
use synth::{Architecture, Generator, ModelFile, Seed, WeightDtype};
use written::files;

struct Place {
    folder: tempfile::TempDir,
    model: PathBuf,
}

impl Place {
    /// A folder with an untrained model of 32 x 32 pixels.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("tiny.safetensors");
        let architecture = Architecture::plain(16, 16, &[16, 16, 8, 8]);
        let file = ModelFile::random(architecture, Seed(1)).expect("a sound architecture");
        file.save(&model, WeightDtype::F32).expect("the model can be written");
        Self { folder, model }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of an archive of 40 seeds at 18 levels in 10 shards.
    fn arguments<'a>(&'a self, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let text = |path: &'a Path| path.to_str().expect("test paths are text");
        let mut arguments = vec!["archive", "--model", text(&self.model), "--seeds", "0-39", "--shard-seeds", "4"];
        arguments.extend(["--threads", "2", "--out", text(out)]);
        arguments.extend(more);
        arguments
    }
}

fn records(out: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let entries = fs::read_dir(out.join("records")).into_iter().flatten().map(|entry| entry.expect("readable").path());
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).expect("a time");
    entries.filter(|path| path.is_file()).map(|path| (path.clone(), modified(&path))).collect()
}

#[test]
fn killed_five_times_it_ends_with_the_same_bytes_and_makes_no_finished_shard_again() {
    let place = Place::new();
    let (calm, killed) = (place.out("calm"), place.out("killed"));
    let start = Instant::now();
    succeed(&place.arguments(&calm, &[]));
    let whole = start.elapsed();
    let mut kept = BTreeMap::new();
    let mut cut_off = 0;
    for attempt in 1u32..=5 {
        let mut child = tadne(&place.arguments(&killed, &[]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // Moments that differ from run to run, all before the work can be done.
        let noise = Duration::from_nanos(u64::from(start.elapsed().subsec_nanos()) % 20_000_000);
        thread::sleep(whole * attempt / 16 + noise);
        child.kill().expect("it can be killed");
        cut_off += u32::from(!child.wait().expect("it ends").success());
        let now = records(&killed);
        assert!(kept.iter().all(|(path, time)| now.get(path) == Some(time)), "a finished shard was made again");
        kept = now;
    }
    assert!(cut_off > 0, "no run was cut off");
    let said = succeed(&place.arguments(&killed, &[]));
    assert!(said.starts_with(&format!("{} shards made", 10 - kept.len())), "{said}, {} were there", kept.len());
    assert!(kept.iter().all(|(path, time)| records(&killed).get(path) == Some(time)));
    let (calm, killed) = (files(&calm), files(&killed));
    assert_eq!(calm.len(), 40 * 18 + 10 + 2, "pictures, records, archive.json and manifest.parquet");
    assert!(calm == killed, "the archives differ");
}

#[test]
fn what_killed_processes_left_of_the_archives_own_files_is_taken_away() {
    let place = Place::new();
    let (calm, out) = (place.out("calm"), place.out("killed"));
    let leave = |name: &str| {
        let folder = out.join("records").join(format!(".unfinished-{name}"));
        fs::create_dir_all(&folder).expect("it can be made");
        fs::write(folder.join(".tmp1"), b"half").expect("it can be written");
    };
    let few = ["--levels", "1.0"];
    succeed(&place.arguments(&calm, &few));
    let calm = files(&calm);
    // Killed before the file was in its place, and after.
    for _ in 0..2 {
        leave("archive.json");
        leave("manifest.parquet");
        let _ = fs::remove_file(out.join("manifest.parquet"));
        succeed(&place.arguments(&out, &few));
        assert!(files(&out) == calm);
    }
}

#[test]
fn three_parts_are_the_whole_and_every_picture_is_the_servers() {
    let place = Place::new();
    let (one, three) = (place.out("one"), place.out("three"));
    succeed(&place.arguments(&one, &[]));
    succeed(&place.arguments(&three, &["--part", "1/3"]));
    for id in ["6", "7"] {
        let task = [("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "3")];
        assert!(!three.join("manifest.parquet").exists(), "not all is there");
        let done = tadne(&place.arguments(&three, &[])).envs(task).output().expect("it starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let files = files(&one);
    assert!(files == self::files(&three), "parts differ from the whole");
    let generator = Arc::new(Generator::new(&ModelFile::open(&place.model).expect("the model")).expect("the model"));
    let mut maker = FileMaker::new(&generator);
    let mut pictures = 0;
    for (path, contents) in &files {
        let Some(address) = path.strip_prefix("results/") else { continue };
        let address: PictureAddress = address.parse().expect("an address of the server");
        assert_eq!(maker.make(address, None).expect("a picture"), contents[..], "{path}");
        pictures += 1;
    }
    assert_eq!(pictures, 40 * 18);
}

#[test]
fn what_is_removed_cut_off_or_changed_is_made_again() {
    let place = Place::new();
    let out = place.out("pictures");
    succeed(&place.arguments(&out, &[]));
    let before = files(&out);
    fs::remove_file(out.join("results/psi-1.0/seed00007.webp")).expect("it was there");
    fs::write(out.join("results/psi-0.3/seed00007.webp"), b"RIFF").expect("it can be cut");
    let flipped = out.join("results/psi-2.0/seed00039.webp");
    let mut contents = fs::read(&flipped).expect("it was there");
    contents[40] ^= 1;
    fs::write(&flipped, contents).expect("it can be changed");
    let record = records(&out).into_keys().next().expect("a record");
    let text = fs::read(&record).expect("it was there");
    // By records alone, the shards are done.
    assert!(succeed(&place.arguments(&out, &[])).starts_with("0 shards made"));
    assert!(files(&out) != before);
    let said = succeed(&place.arguments(&out, &["--verify"]));
    assert!(said.contains("0 shards made") && said.contains("3 files of them made again"), "{said}");
    assert!(files(&out) == before, "not mended");
    fs::write(&record, &text[..text.len() / 2]).expect("it can be cut");
    assert!(succeed(&place.arguments(&out, &[])).starts_with("1 shards made"));
    assert!(files(&out) == before, "a record that was cut off is not whole again");
    // As if it had been killed after the last shard.
    fs::remove_file(out.join("manifest.parquet")).expect("it was there");
    assert!(succeed(&place.arguments(&out, &[])).contains("lists 720 pictures"));
    assert!(files(&out) == before, "the manifest is not back");
    assert!(!succeed(&place.arguments(&out, &[])).contains("lists"), "it is written again for nothing");
}

#[test]
fn tars_hold_the_same_pictures_and_are_mended() {
    let place = Place::new();
    let (loose, tars) = (place.out("loose"), place.out("tars"));
    let few = ["--levels", "0.7,1.0", "--format", "png", "--size", "48"];
    succeed(&place.arguments(&loose, &few));
    let tarred: Vec<&str> = few.iter().copied().chain(["--tar"]).collect();
    succeed(&place.arguments(&tars, &tarred));
    let before = files(&tars);
    assert_eq!(before.len(), 20 + 2, "ten tars and their records, archive.json and manifest.parquet");
    let pictures = files(&loose);
    let tar = before.keys().find(|path| path.starts_with("tars/")).expect("a tar");
    // In a tar, a file begins 512 bytes after its name.
    let name = b"results/psi-0.7/seed00000.png";
    let found = before.values().find_map(|tar| tar.starts_with(name).then(|| &tar[512..])).expect("the first tar");
    assert!(found.starts_with(&pictures["results/psi-0.7/seed00000.png"]));
    fs::write(tars.join(tar), b"cut off").expect("it can be cut");
    let verify: Vec<&str> = tarred.iter().copied().chain(["--verify"]).collect();
    assert!(succeed(&place.arguments(&tars, &verify)).starts_with("1 shards made"));
    assert!(files(&tars) == before);
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_whole_files_only_and_the_next_run_goes_on() {
    let place = Place::new();
    let (out, calm) = (place.out("interrupted"), place.out("calm"));
    succeed(&place.arguments(&calm, &[]));
    let child = tadne(&place.arguments(&out, &[])).stderr(Stdio::piped()).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_mins(1);
    while records(&out).is_empty() {
        assert!(Instant::now() < deadline, "no shard was made");
        thread::sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill is there").success());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("run the same command again to go on"), "{said}");
    let (whole, left) = (files(&calm), files(&out));
    assert!(left.len() > 18 && left.len() < whole.len());
    assert!(
        left.iter().all(|(path, contents)| whole.get(path) == Some(contents)),
        "a file that is not whole, or no picture"
    );
    assert!(!fs::read_dir(out.join("records")).expect("records").any(|entry| entry.expect("readable").path().is_dir()));
    succeed(&place.arguments(&out, &[]));
    assert!(files(&out) == whole);
}

#[test]
fn another_model_or_size_is_kept_out_of_an_archive_and_other_formats_and_levels_are_not() {
    let place = Place::new();
    let out = place.out("pictures");
    succeed(&place.arguments(&out, &["--levels", "1.0"]));
    let before = files(&out);
    let fail = |more: &[&str]| {
        let output = tadne(&place.arguments(&out, more)).output().expect("it starts");
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    // A dry run says what the other would.
    for dry in [&["--dry-run"][..], &[]] {
        assert!(fail(&[&["--size", "48"][..], dry].concat()).contains("not size 48"));
        assert!(fail(&[&["--noise", "none"][..], dry].concat()).contains("of the model"));
    }
    assert!(succeed(&place.arguments(&out, &["--levels", "1.0", "--dry-run"])).contains("pictures    40 in 10 shards"));
    assert!(files(&out) == before);
    // 32 pixels are the model's own.
    assert!(succeed(&place.arguments(&out, &["--levels", "1.0", "--size", "32"])).starts_with("0 shards made"));
    let said = succeed(&place.arguments(&out, &["--levels", "0.7,1.0", "--format", "jpg"]));
    assert!(said.contains("manifest.parquet lists 120 pictures"), "{said}");
    let said = succeed(&place.arguments(&out, &["--levels", "0.9-1.0"]));
    assert!(said.contains("manifest.parquet lists 160 pictures"), "the same picture twice: {said}");
}

#[test]
fn a_dry_run_counts_everything_and_makes_nothing() {
    let place = Place::new();
    let out = place.out("none");
    let (out_text, model) = (out.to_str().expect("text"), place.model.to_str().expect("text"));
    let all = ["archive", "--model", model, "--seeds", "0-18446744073709551615", "--out", out_text, "--dry-run"];
    assert!(succeed(&all).contains("332041393326771929088 in 288230376151711744 shards"));
    assert!(succeed(&[&all[..], &["--part", "3/1000"]].concat()).contains("about 332041393326771929 in"));
    assert!(succeed(&place.arguments(&out, &["--dry-run", "--part", "2/3"])).contains("pictures    216 in 10 shards"));
    assert!(!out.exists());
}

#[test]
fn mistakes_are_named_and_make_nothing() {
    let place = Place::new();
    let out = place.out("none");
    let fail = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = tadne(arguments).envs(variables.iter().copied()).output().expect("it starts");
        assert!(!output.status.success(), "{arguments:?} should fail");
        String::from_utf8(output.stderr).expect("errors are text")
    };
    for (more, says) in [
        (&["--levels", "0.75"][..], "is no level"),
        (&["--part", "4/3"], "is no part"),
        (&["--parts", "3"], "--part 1/3"),
        (&["--format", "gif"], "png, webp or jpg"),
        (&["--size", "8"], "16..=1024"),
    ] {
        let said = fail(&place.arguments(&out, more), &[]);
        assert!(said.contains(says), "{said}");
    }
    assert!(fail(&place.arguments(&out, &[]), &[("JOB_COMPLETION_INDEX", "2")]).contains("--parts N"));
    for bad in ["", "ftp://host/x", "gopher://"] {
        assert!(fail(&place.arguments(Path::new(bad), &[]), &[]).contains("cannot hold an archive"), "{bad:?}");
    }
    let file = place.out("file");
    fs::write(&file, b"mine").expect("a file");
    for (place_of, more) in [(file.join("deep"), &["--dry-run"][..]), (file.clone(), &[])] {
        let said = fail(&place.arguments(&place_of, more), &[]);
        assert!(said.contains("file is no folder; name another place") && !said.contains("again"), "{said}");
    }
    assert_eq!(fs::read(&file).expect("still there"), b"mine");
    assert!(!out.exists());
}
