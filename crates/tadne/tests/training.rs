//! The journey of someone who trains: pictures, an interrupted run, its resumption, a model file, a picture.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{fail, network, succeed, tadne};

/// Sixty-four discs, `side` pixels wide and high.
fn pictures(folder: &Path, side: u32) {
    fs::create_dir(folder).unwrap();
    for i in 0..64u32 {
        let picture = image::RgbImage::from_fn(side, side, |x, y| {
            let disc = x.abs_diff(i % 8 * side / 8).pow(2) + y.abs_diff(i / 8 * side / 8).pow(2) < side * 2;
            image::Rgb(if disc { [250, (i * 4) as u8, 40] } else { [20, 40, (i * 3) as u8] })
        });
        picture.save(folder.join(format!("{i}.png"))).unwrap();
    }
}

#[test]
fn from_a_folder_of_pictures_to_a_picture_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, runs, cache, model) = (path("photos"), path("runs"), path("cache"), path("model.safetensors"));
    pictures(Path::new(&photos), 32);

    // A run far too long to end, interrupted once its first line of statistics is out.
    let mut child = tadne(&["train", "--data", &photos, "--config", "tiny", "--kimg", "100000", "--out", &runs])
        .args(["--cache", &cache, "--threads", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("\"channels\"")), "the configuration is printed first");
    assert!(lines.any(|l| l.starts_with("kimg")), "a line a tick");
    let id = i32::try_from(child.id()).unwrap();
    assert!(Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "an interrupted run ends well");
    assert!(rest.iter().any(|l| l.starts_with("saved")), "it saves before it goes: {rest:?}");

    let run = format!("{runs}/00000-tiny");
    let ticks = || fs::read_to_string(format!("{run}/stats.jsonl")).unwrap().lines().count();
    let before = ticks();
    let stopped_at: serde_json::Value =
        serde_json::from_str(fs::read_to_string(format!("{run}/stats.jsonl")).unwrap().lines().last().unwrap())
            .unwrap();
    let kimg = stopped_at["kimg"].as_f64().unwrap() + 1.0;
    let resume = ["train", "--resume", &run, "--data", &photos, "--cache", &cache, "--threads", "1"];
    let said = succeed(&[&resume[..], &["--kimg", &kimg.to_string()]].concat());
    assert!(said.contains("cache reused"), "{said}");
    assert!(ticks() > before);

    succeed(&["export", &run, "--out", &model, "--license", "mine"]);
    let info: serde_json::Value = serde_json::from_str(&succeed(&["info", "--json", "--model", &model])).unwrap();
    assert_eq!(info["license"], "mine");
    assert!(info["provenance"]["kimg"].as_f64().unwrap() >= kimg);
    let sheet = path("sheet.png");
    succeed(&["generate", "--model", &model, "--grid", "2x2", "--psi", "0.7", "--out", &sheet]);
    assert_eq!(image::open(&sheet).unwrap().width(), 32);

    // The run's discriminator says which of several z a seed should take; without that the model is what it was.
    let (chosen, verdicts) = (path("chosen.safetensors"), path("verdicts.png"));
    let select = ["select", &model, "--by", &run, "--samples", "2000", "--candidates", "3", "--threads", "1"];
    let said = succeed(&[&select[..], &["--out", &chosen, "--sheet", &verdicts]].concat());
    assert!(said.contains("2016 pictures judged") && said.contains("the best of 3"), "{said}");
    assert_eq!(image::open(&verdicts).unwrap().height(), 8 * 16);
    let about = |model: &str| -> serde_json::Value {
        serde_json::from_str(&succeed(&["info", "--json", "--fingerprint", "--model", model])).unwrap()
    };
    assert_eq!(about(&chosen)["selection"]["candidates"], 3);
    assert_ne!(about(&chosen)["fingerprint"], about(&model)["fingerprint"]);
    succeed(&["generate", "--model", &chosen, "--grid", "2x2", "--out", &sheet]);
    let by_discriminators = about(&chosen)["fingerprint"].clone();

    // And so do the pictures' features: of what is drawn too seldom there is more then.
    let colours = path("colours.safetensors");
    network(Path::new(&colours));
    let select = ["select", &model, "--data", &photos, "--features", &colours, "--samples", "2000", "--threads", "1"];
    let said = succeed(&[&select[..], &["--cache", &cache, "--out", &chosen]].concat());
    assert!(said.contains("2000 pictures judged") && said.contains("the best of 4"), "{said}");
    assert_ne!(about(&chosen)["fingerprint"], by_discriminators);
    let twice = format!("{colours},{colours}");
    let both = [&select[..4], &["--features", &twice, "--samples", "2000"]].concat();
    let said = succeed(&[&both[..], &["--cache", &cache, "--out", &chosen, "--by", &run]].concat());
    assert!(said.contains("2016 pictures judged"), "{said}");
    let said = fail(&["select", &model, "--data", &photos, "--features", "missing", "--cache", &cache]);
    assert!(said.contains("missing.safetensors"), "{said}");
    let said = fail(&["select", &model]);
    assert!(said.contains("--data"), "{said}");
    // So may a person, who likes light pictures here; what was chosen by before can count as well.
    let rated = path("rated.txt");
    let light = |model: &str| -> Vec<f64> {
        let generator = synth::Generator::new(&synth::ModelFile::open(Path::new(model)).unwrap()).unwrap();
        let mut worker = std::sync::Arc::new(generator).worker();
        let mean = |seed| {
            let picture = worker.draw(synth::Seed(seed), synth::Creativity::default());
            picture.rgb.iter().map(|v| f64::from(*v)).sum::<f64>() / picture.rgb.len() as f64
        };
        (0..600).map(mean).collect()
    };
    let usual = light(&model);
    let lines = usual.iter().enumerate().map(|(seed, light)| format!("{seed} {light}\n"));
    fs::write(&rated, lines.collect::<String>()).unwrap();
    let by_rating = ["select", &model, "--rated", &rated, "--samples", "2000", "--threads", "1"];
    let [lighter, raised, both] = ["lighter", "raised", "both"].map(|name| path(&format!("{name}.safetensors")));
    let said = succeed(&[&by_rating[..], &["--out", &lighter]].concat());
    assert!(said.contains("600 ratings") && said.contains("the best of 4"), "{said}");
    let mean = |light: &[f64]| light.iter().sum::<f64>() / 600.0;
    let one = (usual.iter().map(|v| (v - mean(&usual)).powi(2)).sum::<f64>() / 600.0).sqrt();
    assert!(mean(&light(&lighter)) > mean(&usual) + 0.3 * one, "its pictures are no lighter");
    // Further still where every picture is moved that way.
    let said = succeed(&[&by_rating[..], &["--out", &raised, "--raise", "0.2"]].concat());
    assert!(said.contains("raised by 0.2"), "{said}");
    assert!(mean(&light(&raised)) > mean(&light(&lighter)) + 0.2 * one, "its pictures are no lighter than chosen ones");
    assert!(fail(&[&by_rating[..], &["--raise", "0"]].concat()).contains("'--raise <SHARE>': use a number above 0"));
    let said = fail(&[&by_rating[..], &["--out", &both, "--keep"]].concat());
    assert!(said.contains("chooses by nothing yet"), "{said}");
    succeed(&["select", &chosen, "--rated", &rated, "--samples", "2000", "--keep", "--out", &both]);
    let fingerprints = [&model, &chosen, &lighter, &both].map(|model| about(model)["fingerprint"].clone());
    assert!((1..4).all(|i| !fingerprints[..i].contains(&fingerprints[i])), "{fingerprints:?}");
    fs::write(&rated, "1 2\n2 3\n").unwrap();
    let said = fail(&by_rating);
    assert!(said.contains("rates 2 pictures"), "{said}");
    succeed(&["select", &chosen, "--remove"]);
    assert_eq!(about(&chosen)["fingerprint"], about(&model)["fingerprint"]);

    // Training starts from a model file as well; of one that was cut off it is said what is wrong with it as such.
    let cut = path("cut.safetensors");
    let whole = fs::read(&model).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let said = fail(&["train", "--data", &photos, "--cache", &cache, "--from", &cut]);
    assert!(said.contains("cut.safetensors") && said.contains("as a model file:"), "{said}");
}

#[test]
fn with_few_pictures_and_no_flags_it_starts_from_the_shipped_networks_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, runs, cache, pair) = (path("photos"), path("runs"), path("cache"), path("pair.safetensors"));
    pictures(Path::new(&photos), 80);
    // As short as a run can be: one step.
    let short = ["--kimg", "0.004", "--batch", "4", "--set", "loss.penalty_fraction=1", "--set", "metric.kimg=0"];
    let start = ["train", "--data", &photos, "--out", &runs, "--cache", &cache, "--threads", "1"];
    let said = succeed(&[&start[..], &short].concat());
    assert!(said.contains("64 pictures") && said.contains("start"), "{said}");
    assert!(Path::new(&format!("{runs}/00000-few-shot/checkpoints/000000004.safetensors")).is_file(), "{said}");

    // The shipped networks come from another machine, whose numbers this one may be slow with.
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(format!("{runs}/00000-few-shot/config.json")).unwrap()).unwrap();
    assert_eq!(config["precision"], "auto");

    // What one run learnt is handed on as a file of weights.
    succeed(&["export", &format!("{runs}/00000-few-shot"), "--networks", "--out", &pair]);
    let said = succeed(&[&start[..], &["--from", &pair], &short].concat());
    assert!(said.contains("00001-few-shot"), "{said}");
    // Others are refused before any picture is made ready.
    let cold = path("cold");
    let said = fail(&["train", "--data", &photos, "--cache", &cold, "--from", &pair, "--config", "tiny"]);
    assert!(said.contains("architecture.channels must begin with"), "{said}");
    assert!(!Path::new(&cold).exists());
}

#[test]
fn data_that_cannot_be_read_is_named() {
    let output = tadne(&["train", "--data", "no/such/folder", "--config", "tiny"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no/such/folder"));
    let output = tadne(&["train", "--data", ".", "--config", "c65"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("c64"));
}

#[test]
fn small_pictures_and_broken_ones_are_taken_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, runs, cache) = (path("photos"), path("runs"), path("cache"));
    pictures(Path::new(&photos), 24);
    fs::write(format!("{photos}/page.jpg"), "<html>quota exceeded</html>").unwrap();
    let start = ["train", "--data", &photos, "--out", &runs, "--cache", &cache, "--threads", "1"];
    let short = ["--kimg", "0.004", "--batch", "4", "--set", "loss.penalty_fraction=1", "--set", "metric.kimg=0"];

    // Chosen for them, and the choice is kept with the run.
    let said = succeed(&[&start[..], &short].concat());
    assert!(said.contains("enlarged") && said.contains("64 pictures, 1 broken"), "{said}");
    assert!(said.contains("page.jpg: it is a web page"), "{said}");
    let run = format!("{runs}/00000-few-shot");
    assert!(fs::read_to_string(format!("{run}/skipped.txt")).unwrap().contains("page.jpg: it is a web page"));
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(format!("{run}/data.json")).unwrap()).unwrap();
    assert_eq!((&kept["min_side"], &kept["crop"]), (&24.into(), &"centre".into()));
    let more = ["train", "--resume", &run, "--data", &photos, "--cache", &cache, "--threads", "1", "--kimg", "0.008"];
    assert!(succeed(&more).contains("cache reused"));

    // Refused with the options that would take them.
    let fail = |more: &[&str]| {
        let output = tadne(&[&start[..], &["--config", "c64"], more].concat()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = fail(&[]);
    assert!(said.contains("64 with a side below 32 pixels") && said.contains("--min-side"), "{said}");
    let said = fail(&["--max-broken", "0"]);
    assert!(said.contains("allow more with --max-broken 0.02") && said.contains("whole list is in"), "{said}");
    assert!(fs::read_to_string(format!("{runs}/skipped.txt")).unwrap().contains("page.jpg"));
    assert!(fail(&["--crop", "left"]).contains("centre, top or pad"));
}

/// What is wrong is said by the name that it was given, before a run's folder is there.
#[test]
fn arguments_that_cannot_be_meant_are_told_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, runs, cache) = (path("photos"), path("runs"), path("cache"));
    pictures(Path::new(&photos), 24);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let start = ["train", "--data", &photos, "--out", &runs, "--cache", &cache, "--config", "tiny"];
    let told: [(&[&str], &[&str]); 10] = [
        (&["--set", "loss.drift=abc", "--set", "batch=16"], &["--set loss.drift=abc", "expected f64"]),
        (&["--gamma", "nan"], &["--gamma", "0 or more"]),
        (&["--kimg", "inf"], &["--kimg", "0 or more"]),
        (&["--threads", "0"], &["--threads", "1..=256"]),
        (&["--kimg", "-5"], &["--kimg", "0 or more"]),
        (&["--max-broken", "1.5"], &["--max-broken", "from 0 to 1"]),
        (&["--set", "name=a/b"], &["name must be a word", "a/b"]),
        (&["--from", &path("nope")], &["cannot read", "nope"]),
        (&["--watch", &address], &["cannot listen on", &address]),
        (&["--batch", "100000000"], &["this training needs", "--batch"]),
    ];
    for (arguments, words) in told {
        let said = fail(&[&start[..], arguments].concat());
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
        assert!(!Path::new(&runs).exists(), "{arguments:?} left a run");
    }
    let said = fail(&["train", "--data", &photos, "--resume", &path("nope")]);
    assert!(said.contains("there is no ") && said.contains("nope"), "{said}");
    // Before pictures are made ready, too.
    let (file, cold) = (format!("{photos}/0.png"), path("cold"));
    let said = fail(&["train", "--data", &photos, "--out", &file, "--cache", &cold, "--config", "tiny"]);
    assert!(said.contains("0.png is no folder") && !Path::new(&cold).exists(), "{said}");
}

/// A generator that would be held to the end is told of, and so is how a run that was stopped goes on.
#[test]
fn a_run_that_is_shorter_than_its_hold_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (photos, runs, cache, model) = (path("photos"), path("runs"), path("cache"), path("model.safetensors"));
    pictures(Path::new(&photos), 24);
    let start = ["train", "--data", &photos, "--out", &runs, "--cache", &cache, "--config", "tiny", "--kimg", "0.032"];
    let start = [&start[..], &["--batch", "16", "--set", "metric.kimg=0"]].concat();
    assert!(!succeed(&start).contains("is held"));
    succeed(&["export", &format!("{runs}/00000-tiny"), "--out", &model]);
    let said = succeed(&[&start[..], &["--from", &model]].concat());
    assert!(said.contains("held for 40 kimg") && said.contains("--kimg"), "{said}");
}
