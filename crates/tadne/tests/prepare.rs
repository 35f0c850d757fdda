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
    assert!(said.contains("7.png: 36 x 40 pixels"), "{said}");
    fs::write(path("boxes.jsonl"), "7,60,50,99,90\n").expect("it can be written");
    assert!(fail(&["--boxes", &text("boxes.jsonl")]).contains("boxes.jsonl, line 1"));

    assert!(fail(&["--near", "8"]).contains("or off"));
    assert!(fail(&["--min-chroma", "NaN"]).contains("use a number from 0"));
    assert!(fail(&["--only", &text("nowhere.txt")]).contains("nowhere.txt"));
    fs::write(path("none.txt"), "404\n").expect("it can be written");
    assert!(fail(&["--only", &text("none.txt")]).contains("--only"));
}
