//! `tadne prepare` on the real binary: a dry run, a list, mistakes, and tars that the program itself can train on.

mod common;

use std::fs;

use common::{succeed, tadne};
use image::{Rgb, RgbImage};

/// A picture like no other.
fn drawn(number: u32) -> RgbImage {
    RgbImage::from_fn(96, 96, |x, y| {
        let wave = |a: u32, b: u32| (((x * (a + number % 7) + y * (b + number % 5)) * (6 + number) / 9) % 200) as u8;
        Rgb([30 + wave(3, 1), 20 + wave(1, 4), 40 + wave(2, 2) / 2])
    })
}

#[test]
fn a_collection_becomes_tars_and_a_report() {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let text = |name: &str| path(name).to_str().expect("test paths are text").to_owned();
    fs::create_dir(path("data")).expect("a folder");
    for number in 0..30 {
        drawn(number).save(path("data").join(format!("{number}.png"))).expect("it can be written");
    }
    fs::copy(path("data/3.png"), path("data/again.png")).expect("it can be copied");
    fs::write(path("data/cut.jpg"), b"\xff\xd8\xff").expect("it can be written");
    fs::write(path("ids.txt"), "1\n2.png\n\n3\nagain\ncut\n404\n").expect("it can be written");
    let base = ["prepare", "--data", &text("data"), "--out", &text("out")].map(str::to_owned);
    let with = |more: &[&str]| base.iter().cloned().chain(more.iter().map(ToString::to_string)).collect::<Vec<_>>();
    let run = |more: &[&str]| succeed(&with(more).iter().map(String::as_str).collect::<Vec<_>>());
    let fail = |more: &[&str]| {
        let output = tadne(&with(more).iter().map(String::as_str).collect::<Vec<_>>()).output().expect("it starts");
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8(output.stderr).expect("text")
    };

    let said = run(&["--dry-run", "--near", "off"]);
    let count = |said: &str, word: &str| {
        let line = said.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("no {word} in {said}"));
        line.split([' ', ',']).find_map(|part| part.parse::<usize>().ok()).expect("a count")
    };
    assert_eq!(["files", "kept", "broken", "duplicate"].map(|word| count(&said, word)), [32, 30, 1, 1]);
    assert!(!path("out").exists());

    let said = run(&["--near", "off", "--only", &text("ids.txt"), "--size", "32"]);
    assert_eq!(["list", "kept", "broken", "duplicate"].map(|word| count(&said, word)), [5, 3, 1, 1]);
    assert!(path("out/report.parquet").exists() && path("out/sheets/kept.webp").exists());
    assert!(fail(&["--near", "off"]).contains("use another folder"));
    let tars = dataset::Files::list(&[path("out/tars")]).expect("tars that training reads");
    assert_eq!(tars.len(), 3);

    // A corner of one picture is too small, and the rest of the pictures are whole.
    fs::write(path("boxes.jsonl"), "{\"id\": 7, \"x0\": 60, \"y0\": 50, \"x1\": 99.5, \"y1\": 90}\n")
        .expect("it can be written");
    let said = run(&["--dry-run", "--near", "off", "--boxes", &text("boxes.jsonl")]);
    assert_eq!(["boxes", "kept", "tiny"].map(|word| count(&said, word)), [1, 29, 1]);
    // That another run would not be let write there is said of the folder, not of the pictures.
    assert!(said.contains("note        ") && said.contains("out holds a selection by other rules"), "{said}");
    assert!(said.contains("7.png: 36 x 40 pixels"), "{said}");
    fs::write(path("boxes.jsonl"), "7,60,50,99,90\n").expect("it can be written");
    assert!(fail(&["--boxes", &text("boxes.jsonl")]).contains("boxes.jsonl, line 1"));

    assert!(fail(&["--near", "8"]).contains("or off"));
    for (option, value, allowed) in [
        ("--max-bars", "2", "use a number from 0 to 1"),
        ("--max-bars", "-0.1", "use a number from 0 to 1"),
        ("--min-chroma", "NaN", "use a number from 0 to 255"),
        ("--min-brightness", "256", "use a number from 0 to 255"),
        ("--min-sharpness", "inf", "use a number, 0 or more"),
        ("--max-aspect", "0.5", "use a number, 1 or more"),
    ] {
        let said = fail(&[option, value]);
        assert!(said.contains(option) && said.contains(allowed), "{said}");
    }
    assert!(fail(&["--only", &text("nowhere.txt")]).contains("nowhere.txt"));
    fs::write(path("none.txt"), "404\n").expect("it can be written");
    assert!(fail(&["--only", &text("none.txt")]).contains("--only"));
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_a_picture_is_read() {
    let place = tempfile::tempdir().expect("a folder");
    let text = |name: &str| place.path().join(name).to_str().expect("test paths are text").to_owned();
    let data = text("data");
    fs::create_dir(&data).expect("a folder");
    // Whoever read it would call it broken.
    fs::write(text("data/1.png"), "no picture").expect("it can be written");
    fs::write(text("file"), "mine").expect("it can be written");
    for out in [text("file"), text("file/deep")] {
        for more in [&[][..], &["--dry-run"]] {
            let arguments = [&["prepare", "--data", &data, "--out", &out][..], more].concat();
            let output = tadne(&arguments).output().expect("it starts");
            let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(!output.status.success() && error.contains("file is no folder; name another place"), "{error}");
            assert!(!said.contains("broken") && !error.contains("again"), "{said}{error}");
        }
    }
    assert_eq!(fs::read_to_string(text("file")).expect("still there"), "mine");
}

/// The detectors that the crate `detect` tests with: to one a face is what is red, to the other two eyes and a mouth.
fn detector(name: &str) -> String {
    format!("{}/../detect/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
#[cfg(feature = "detect")]
fn of_pictures_with_faces_the_faces_are_kept() {
    let place = tempfile::tempdir().expect("a folder");
    let text = |name: &str| place.path().join(name).to_str().expect("test paths are text").to_owned();
    std::fs::create_dir(place.path().join("data")).expect("a folder");
    for number in 0..30 {
        let mut picture = drawn(number);
        picture.pixels_mut().for_each(|pixel| pixel.0[0] /= 2);
        if number % 3 == 0 {
            image::imageops::replace(&mut picture, &RgbImage::from_pixel(30, 30, Rgb([250, 0, 0])), 33, 33);
        }
        picture.save(place.path().join(format!("data/{number}.png"))).expect("it can be written");
    }
    let (data, out, network) = (text("data"), text("out"), detector("wide.onnx"));
    let base = ["prepare", "--data", &data, "--near", "off", "--min-sharpness", "0", "--detector"];
    let with = |more: &[&str]| base.iter().chain(more).map(ToString::to_string).collect::<Vec<_>>();
    let run = |more: &[&str]| succeed(&with(more).iter().map(String::as_str).collect::<Vec<_>>());
    let fail = |more: &[&str]| {
        let output = tadne(&with(more).iter().map(String::as_str).collect::<Vec<_>>()).output().expect("it starts");
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let said = run(&[&network, "--detector-margin", "10", "--out", &out, "--size", "64"]);
    for line in ["faces with a score of 0.5 or more", "kept        10", "faceless    20, such as"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(place.path().join("out/sheets/faceless.webp").exists());
    let rules = std::fs::read_to_string(place.path().join("out/prepare.json")).expect("rules");
    assert!(rules.contains("\"margin\": 10.0") && rules.contains("\"detector\": \""), "{rules}");
    // With another margin it is another selection; the same goes on.
    run(&[&network, "--detector-margin", "10", "--out", &out, "--size", "64"]);
    assert!(fail(&[&network, "--detector-margin", "11", "--out", &out, "--size", "64"]).contains("use another folder"));
    // The usual margin leaves too few pixels of faces that small.
    assert!(run(&[&network, "--out", &out, "--dry-run"]).contains("tiny        10"));
    std::fs::copy(detector("faces.png"), place.path().join("data/faces.png")).expect("it can be copied");
    let said = run(&[&detector("lbp.xml"), "--detector-score", "20", "--out", &text("faces")]);
    assert!(said.contains("kept        1\n") && said.contains("faceless    30"), "{said}");

    assert!(fail(&[&text("nowhere.onnx"), "--out", &out]).contains("cannot read the detector"));
    assert!(fail(&[&text("data/3.png"), "--out", &out]).contains("3.png cannot be used as a detector"));
    assert!(fail(&[&network, "--detector-margin", "0.5", "--out", &out]).contains("from 1 to 20"));
    assert!(fail(&[&network, "--detector-score", "NaN", "--out", &out]).contains("use a number, 0 or more"));
    assert!(fail(&[&network, "--detector-score", "5", "--out", &out]).contains("scores are from 0 to 1"));
    assert!(fail(&[&network, "--boxes", &out, "--out", &out]).contains("--boxes"));
}

#[test]
#[cfg(not(feature = "detect"))]
fn a_program_without_detectors_says_how_to_have_them() {
    let place = tempfile::tempdir().expect("a folder");
    drawn(1).save(place.path().join("1.png")).expect("it can be written");
    let text = place.path().to_str().expect("test paths are text");
    let output = tadne(&["prepare", "--data", text, "--out", "nowhere", "--detector", &detector("wide.onnx")]).output();
    let output = output.expect("it starts");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success() && said.contains("--features detect"), "{said}");
}
