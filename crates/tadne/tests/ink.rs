//! The journey of someone who teaches a model to redraw its pictures: an interrupted run, its resumption, and what is refused.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{succeed, tadne};
use synth::{Architecture, Ink, ModelFile, Seed, WeightDtype};

/// Twenty-four pictures of rings, 16 pixels wide and high.
fn pictures(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for i in 0..24u32 {
        let picture = image::RgbImage::from_fn(16, 16, |x, y| {
            let far = x.abs_diff(i % 5 * 3).pow(2) + y.abs_diff(i / 5 * 3).pow(2);
            image::Rgb(if (20..70).contains(&far) { [240, (i * 9) as u8, 60] } else { [30, 50, (i * 7) as u8] })
        });
        picture.save(folder.join(format!("{i}.png"))).unwrap();
    }
}

/// An untrained model of 8 x 8 pixels.
fn model(seed: u64, path: &str) -> ModelFile {
    let model = ModelFile::random(Architecture::plain(8, 8, &[8, 4]), Seed(seed)).unwrap();
    model.save(Path::new(path), WeightDtype::F32).unwrap();
    model
}

#[test]
fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, cache, base) = (path("photos"), path("cache"), path("base.safetensors"));
    pictures(Path::new(&photos));
    let plain = model(1, &base);
    let common = ["ink", "--data", &photos, "--model", &base, "--cache", &cache, "--threads", "1"];
    let shape = ["--factor", "2", "--channels", "4", "--blocks", "1", "--precision", "f32", "--seed", "7"];
    let begin = |out: &str, more: &[&str]| tadne(&[&common[..], &shape, &["--out", out], more].concat());
    let fail = |arguments: &[&str]| {
        let output = tadne(&[&common[..], arguments].concat()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let lines = |out: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(format!("{out}/stats.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };

    let whole = path("whole");
    let ended = begin(&whole, &["--kimg", "48"]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    // The same run, interrupted at its first snapshot.
    let halves = path("halves");
    let mut child = begin(&halves, &["--kimg", "48", "--minutes", "0.001"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.starts_with("kimg")), "a line a snapshot");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    said.for_each(drop);
    assert!(child.wait().unwrap().success(), "an interrupted run ends well");
    let stopped = lines(&halves).last().unwrap()["kimg"].as_f64().unwrap();
    assert!(stopped > 0.0 && stopped < 48.0, "{stopped}");

    // It goes on with what it began with, and refuses anything else; nothing is lost by asking.
    let state = || fs::read(format!("{halves}/ink.safetensors")).unwrap();
    let before = state();
    for (option, value) in [("channels", "8"), ("blocks", "2"), ("factor", "4"), ("precision", "bf16"), ("seed", "8")] {
        let said = fail(&["--out", &halves, &format!("--{option}"), value]);
        assert!(said.contains(&format!("begun with --{option}")) && said.contains(value), "{said}");
    }
    let other = path("other.safetensors");
    model(2, &other);
    let swapped = ["ink", "--data", &photos, "--model", &other, "--cache", &cache, "--out", &halves];
    let output = tadne(&swapped).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("begun for another model"));
    assert_eq!(state(), before);

    let resumed = [&common[..], &["--out", &halves]].concat();
    assert!(succeed(&resumed).contains("done"));
    assert!(state() == fs::read(format!("{whole}/ink.safetensors")).unwrap(), "a resumed run is another");
    let drawn = |out: &str| fs::read(format!("{out}/model.safetensors")).unwrap();
    assert!(drawn(&halves) == drawn(&whole));
    let inked = ModelFile::open(Path::new(&format!("{whole}/model.safetensors"))).unwrap();
    assert_eq!(inked.architecture.ink, Some(Ink { channels: 4, blocks: 1, factor: 2 }));
    assert_eq!(inked.without_ink().architecture, plain.architecture);

    // Run again, a finished run says so and adds nothing.
    let told = lines(&halves);
    assert!(succeed(&resumed).contains("goes on"));
    assert_eq!(lines(&halves), told);
    assert!(told.iter().all(|line| line["difference"].as_f64().unwrap() > 0.0), "{told:?}");
    assert!(told.is_sorted_by(|a, b| a["kimg"].as_f64() < b["kimg"].as_f64()));
}

/// A lens learns from pictures no larger than what the model draws, and its own are drawn where somebody asks for more.
#[test]
fn a_closer_look_is_learnt_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, cache, base, runs) = (path("photos"), path("cache"), path("base.safetensors"), path("lens"));
    pictures(Path::new(&photos));
    let model = ModelFile::random(Architecture::plain(8, 8, &[8, 4, 4]), Seed(1)).unwrap();
    model.save(Path::new(&base), WeightDtype::F32).unwrap();
    let common = ["ink", "--data", &photos, "--model", &base, "--cache", &cache, "--threads", "1", "--out", &runs];
    let lens = |more: &[&str]| tadne(&[&common[..], more].concat()).output().unwrap();
    let first = lens(&["--lens", "--channels", "4", "--blocks", "1", "--kimg", "0.064", "--set", "patch=8"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    for refused in [&["--kimg", "1"][..], &["--lens", "--judged", "1"]] {
        let output = lens(refused);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && (said.contains("a run of a lens") || said.contains("--judged")), "{said}");
    }
    assert!(lens(&["--lens", "--kimg", "0.128"]).status.success(), "it goes on");
    let made = format!("{runs}/model.safetensors");
    let with = ModelFile::open(Path::new(&made)).unwrap();
    assert_eq!(with.architecture.lens, Some(Ink { channels: 4, blocks: 1, factor: 2 }));
    // The weights of a run's model are rounded, those of the one that it began with are not.
    let plain = path("plain.safetensors");
    with.without_lens().save(Path::new(&plain), WeightDtype::F16).unwrap();
    assert!(succeed(&["info", &made]).contains("through its lens 2 times as large"));
    let drawn = |model: &str, size: &str| {
        let (out, file) = (path("drawn"), path("drawn/seed00003.png"));
        succeed(&["generate", "--model", model, "--seeds", "3", "--size", size, "--out", &out]);
        let picture = image::open(file).unwrap().to_rgb8();
        fs::remove_dir_all(out).unwrap();
        picture
    };
    assert!(drawn(&made, "16") == drawn(&plain, "16"));
    for size in ["32", "24"] {
        assert!(drawn(&made, size) != drawn(&plain, size), "at {size}");
        assert_eq!(drawn(&made, size).width().to_string(), size);
    }
}

/// Its grids would else be pictures of another data set.
#[test]
fn a_run_among_its_pictures_goes_on_with_the_same_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, cache, base) = (path("photos"), path("cache"), path("base.safetensors"));
    pictures(Path::new(&photos));
    model(1, &base);
    let places = ["ink", "--data", &photos, "--out", &photos, "--model", &base, "--cache", &cache, "--threads", "1"];
    let shape = ["--factor", "2", "--channels", "4", "--blocks", "1"];
    let ink = |kimg: &str| succeed(&[&places[..], &shape, &["--kimg", kimg]].concat());
    assert!(!ink("0.032").contains("left out"));
    assert!(fs::read_dir(format!("{photos}/grids")).unwrap().count() > 0);
    let said = ink("0.064");
    assert!(said.contains("24 pictures") && said.contains("grids of runs left out: 1"), "{said}");
}

/// A run of ink is all that the discriminator behind ink is told: its network, and its judge where one was at work.
#[test]
fn training_goes_on_behind_a_run_of_ink() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, cache, base) = (path("photos"), path("cache"), path("base.safetensors"));
    pictures(Path::new(&photos));
    model(1, &base);
    let common = ["--data", &photos, "--cache", &cache, "--threads", "1"];
    let shape = ["--model", &base, "--factor", "2", "--channels", "4", "--blocks", "1", "--kimg", "0.032"];
    let ink = |out: &str, more: &[&str]| succeed(&[&["ink"], &common[..], &shape, &["--out", out], more].concat());
    let train = |inked: &str, out: &str| {
        let asked = ["train", "--config", "tiny", "--kimg", "0.032", "--inked", inked, "--out", out];
        tadne(&[&asked[..], &common].concat()).output().unwrap()
    };
    let (compared, judged) = (path("compared"), path("judged"));
    ink(&compared, &[]);
    ink(&judged, &["--judged", "0.032", "--set", "judging.channels=[8,8]"]);
    for (run, channels) in [(&compared, vec![48, 32, 24]), (&judged, vec![8, 8])] {
        let out = format!("{run}-runs");
        let output = train(run, &out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let config = fs::read(format!("{out}/00000-tiny/config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["inked"]["channels"], serde_json::json!(channels));
        assert_eq!(config["inked"]["model"], serde_json::json!(format!("{run}/model.safetensors")));
    }
    let output = train(&photos, &path("none"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("no folder of tadne ink"), "{said}");
}

#[test]
fn what_cannot_be_used_is_named_and_a_network_that_is_left_out_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, cache, base) = (path("photos"), path("cache"), path("model.safetensors"));
    pictures(Path::new(&photos));
    model(1, &base);
    let ink = |model: &str, out: &str, more: &[&str]| {
        let arguments = ["ink", "--data", &photos, "--model", model, "--cache", &cache, "--out", out, "--threads", "1"];
        let output = tadne(&[&arguments[..], more].concat()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let short = ["--factor", "2", "--channels", "4", "--blocks", "1", "--kimg", "0.032"];
    let refused = |model: &str, out: &str, more: &[&str], why: &str| {
        let (well, said) = ink(model, out, more);
        assert!(!well && said.contains(why), "{said}");
    };
    refused(&path("none.safetensors"), &path("out"), &[], "none.safetensors");
    refused(&base, &path("out"), &["--factor", "3"], "factor must be 2 or 4, not 3");
    // The judge would see more than there is, once all else is done.
    let judged = ["--judged", "0.032", "--set", "judging.scales=[1]"];
    refused(&base, &path("out"), &[&short[..], &judged].concat(), "pictures are of 8 small pixels");
    // Pictures of 16 pixels are too small for four times 8.
    refused(&base, &path("out"), &[], "--min-side");
    // The folder of the model itself.
    let before = fs::read(&base).unwrap();
    refused(&base, dir.path().to_str().unwrap(), &short, "it is not replaced");
    assert_eq!(fs::read(&base).unwrap(), before);

    let (first, second) = (path("first"), path("second"));
    let (well, said) = ink(&base, &first, &short);
    assert!(well && !said.contains("is left out"), "{said}");
    let (well, said) = ink(&format!("{first}/model.safetensors"), &second, &short);
    assert!(well && said.contains("(4 channels, 1 blocks, 2 x) is left out"), "{said}");

    let held = gan::Run::lock(Path::new(&first)).unwrap();
    refused(&base, &first, &short, "another process");
    drop(held);
    fs::write(format!("{first}/ink.safetensors"), b"half a file").unwrap();
    refused(&base, &first, &short, "ink.safetensors");
}
