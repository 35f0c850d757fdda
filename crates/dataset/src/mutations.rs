//! Ten thousand damaged pictures: none panics, and none is taken with a part that the decoder made up.

#[path = "../tests/common/zip.rs"]
mod zip;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;
use image::{ImageFormat, RgbImage};

use crate::damage::{LIBJPEG, LOSSY, jpeg, kinds, noisy};
use crate::decode::picture;
use crate::{Files, Options};

/// Mutants of each file, times the files below: ten thousand in all.
const MUTANTS: usize = 10_000;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let drawn = noisy(120, 96, 90);
    let mut files: Vec<(String, Vec<u8>)> =
        kinds().into_iter().map(|kind| (format!("{kind:?}"), jpeg(&drawn, kind))).collect();
    files.extend(LIBJPEG.iter().chain(&LOSSY).map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = Cursor::new(Vec::new());
        drawn.write_to(&mut bytes, format).unwrap();
        files.push((format!("{format:?}"), bytes.into_inner()));
    }
    files
}

/// What happens to files: cut, with or without an end marker; joined; a stretch of zeros or of another place; bits and
/// bytes changed; bytes lost and doubled.
fn mutate(bytes: &[u8], rng: &mut Rng) -> (u8, Vec<u8>) {
    let mut mutant = bytes.to_vec();
    let place = rng.usize(..bytes.len());
    let stretch = place..(place + 1 + rng.usize(..bytes.len() / 3)).min(bytes.len());
    let kind = rng.u8(..8);
    match kind {
        0 => mutant.truncate(place),
        1 => {
            mutant.truncate(place);
            mutant.extend([0xFF, 0xD9]);
        }
        2 => {
            mutant.truncate(place);
            mutant.extend(bytes);
        }
        3 => mutant[stretch].fill(0),
        4 => drop(mutant.drain(stretch)),
        5 => mutant[place] ^= 1 << rng.usize(..8),
        6 => mutant[place] = rng.u8(..),
        _ => {
            let copy = mutant[stretch].to_vec();
            mutant.splice(place..place, copy);
        }
    }
    (kind, mutant)
}

/// Rows that are one flat grey from side to side, as decoders fill what they do not know.
fn grey_rows(picture: &RgbImage) -> usize {
    let width = picture.width() as usize;
    let flat = |row: &[u8]| row.iter().all(|value| value.abs_diff(128) <= 1);
    // Rows of a few pixels prove nothing.
    if width < 4 { 0 } else { picture.as_raw().chunks_exact(3 * width).filter(|row| flat(row)).count() }
}

#[test]
fn ten_thousand_mutants_neither_panic_nor_pass_with_grey_in_them() {
    let options = Options { min_side: Some(1), ..Options::new(8) };
    let files = corpus();
    let mut rng = Rng::with_seed(20);
    let (mut refused, mut taken, mut cut_taken) = (0, 0, 0);
    for number in 0..MUTANTS {
        let (name, bytes) = &files[number % files.len()];
        let (kind, mutant) = mutate(bytes, &mut rng);
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| picture(&mutant, &options))) else {
            panic!("mutant {number} of {name} makes the decoder panic");
        };
        let Ok(picture) = result else {
            refused += 1;
            continue;
        };
        taken += 1;
        cut_taken += usize::from(kind < 3 && mutant.len() * 10 < bytes.len() * 9);
        let grey = grey_rows(&picture.pixels);
        assert!(
            grey * 10 <= picture.pixels.height() as usize,
            "mutant {number} of {name}, kind {kind}: {grey} grey rows"
        );
    }
    assert!(refused > MUTANTS / 2 && taken > MUTANTS / 20, "{refused} refused, {taken} taken");
    assert_eq!(cut_taken, 0, "pictures cut by a tenth or more were taken");
}

/// Zips of a few files, stored and deflated, each with a `dataset.json`, and the files' contents.
fn zips() -> [(Vec<u8>, Vec<Vec<u8>>); 2] {
    let contents: Vec<_> = corpus().into_iter().map(|(_, bytes)| bytes).filter(|b| b.len() < 4000).take(4).collect();
    let names = (0..).map(|number| format!("00000/img{number:08}.png"));
    let mut entries: Vec<_> = names.zip(contents.clone()).collect();
    let labels = br#"{"labels": [["00000/img00000000.png", 3], ["00000/img00000001.png", 1]]}"#;
    entries.push(("dataset.json".into(), labels.to_vec()));
    [false, true].map(|deflated| (zip::packed(&entries, deflated), contents.clone()))
}

#[test]
fn four_thousand_damaged_zips_neither_panic_nor_give_other_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pictures.zip");
    let zips = zips();
    let mut rng = Rng::with_seed(21);
    let (mut refused, mut whole, mut read, mut broken) = (0, 0, 0, 0);
    for number in 0..4000 {
        let (zip, contents) = &zips[number % zips.len()];
        let (kind, mutant) = mutate(zip, &mut rng);
        std::fs::write(&path, &mutant).unwrap();
        let Ok(files) = catch_unwind(|| Files::list(&[&path])) else { panic!("mutant {number}, kind {kind}, panics") };
        let Ok(files) = files else {
            refused += 1;
            continue;
        };
        whole += 1;
        for file in 0..files.len() {
            match files.read(file) {
                Ok(content) => {
                    read += 1;
                    assert!(contents.contains(&content), "mutant {number}, kind {kind}: {}", files.name(file));
                }
                Err(_) => broken += 1,
            }
        }
    }
    assert!(refused > 400 && whole > 400 && read > 400 && broken > 100, "{refused} {whole} {read} {broken}");
}
