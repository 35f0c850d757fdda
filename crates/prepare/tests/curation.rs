//! A collection with something wrong of every kind: what is thrown out, why, and what comes out of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dataset::{Dataset, Files, Options, Region};
use image::imageops::{FilterType, resize};
use image::{ImageFormat, Rgb, RgbImage};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use prepare::{
    Detector, Done, Error, Face, Faces, Find, Rules, Shards, Verdict, check, crop, decide, do_shard, pack, places,
    report, sheets, survey, tars,
};

/// A picture like no other: shapes and hatching from a number.
fn drawn(number: u64, width: u32, height: u32) -> RgbImage {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    let discs: Vec<_> =
        (0..14).map(|_| (random(), random(), 0.05 + 0.3 * random(), [random(), random(), random()])).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = ((f64::from(x) + 0.5) / f64::from(width), (f64::from(y) + 0.5) / f64::from(height));
        let inside = |disc: &&(f64, f64, f64, [f64; 3])| (u - disc.0).hypot(v - disc.1) < disc.2;
        let colour = discs.iter().rev().find(inside).map_or([0.9, 0.8, 0.6], |disc| disc.3);
        let hatch = if (((u + v) * 50.0) as u32).is_multiple_of(5) { 0.6 } else { 1.0 };
        Rgb(colour.map(|value| (255.0 * hatch * (0.2 + 0.8 * value)) as u8))
    })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// For shards without a detector.
fn none(_: &Path, _: &Faces) -> Result<Box<Find>, String> {
    panic!("no detector was asked for")
}

/// Names and contents.
type Collected = Vec<(String, Vec<u8>)>;
/// How many files there are to each verdict.
type Counts = BTreeMap<&'static str, usize>;

/// The files of the collection: 100 good ones and some that are not.
fn collection() -> (Collected, Counts) {
    let mut files = Vec::new();
    let mut counts = BTreeMap::from([("kept", 100)]);
    let mut add = |word: &'static str, name: String, contents: Vec<u8>| {
        if !word.is_empty() {
            *counts.entry(word).or_insert(0) += 1;
        }
        files.push((name, contents));
    };
    for n in 0..100 {
        add("", format!("good-{n}.png"), encoded(&drawn(n, 160, 160), ImageFormat::Png));
    }
    for n in 0..5 {
        let png = encoded(&drawn(n, 160, 160), ImageFormat::Png);
        add("broken", format!("cut-{n}.png"), png[..png.len() / 2].to_vec());
        add("broken", format!("page-{n}.jpg"), b"<!DOCTYPE html><title>404</title>".to_vec());
        add("duplicate", format!("same-{n}.png"), png);
        let small = resize(&drawn(n + 10, 160, 160), 120, 120, FilterType::Triangle);
        add("near", format!("again-{n}.jpg"), encoded(&small, ImageFormat::Jpeg));
        add("tiny", format!("tiny-{n}.png"), encoded(&drawn(n + 200, 40, 40), ImageFormat::Png));
        add("oblong", format!("strip-{n}.png"), encoded(&drawn(n + 300, 640, 100), ImageFormat::Png));
        let mut grey = drawn(n + 400, 160, 160);
        grey.pixels_mut().for_each(|pixel| pixel.0 = [pixel.0[1]; 3]);
        add("grey", format!("grey-{n}.png"), encoded(&grey, ImageFormat::Png));
        let mut dark = drawn(n + 500, 160, 160);
        dark.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 16));
        add("dark", format!("dark-{n}.png"), encoded(&dark, ImageFormat::Png));
        let soft = resize(&drawn(n + 600, 8, 8), 160, 160, FilterType::CatmullRom);
        add("blurred", format!("soft-{n}.png"), encoded(&soft, ImageFormat::Png));
        let mut barred = drawn(n + 700, 160, 160);
        for (_, y, pixel) in barred.enumerate_pixels_mut() {
            if !(24..136).contains(&y) {
                pixel.0 = [0; 3];
            }
        }
        add("bars", format!("film-{n}.png"), encoded(&barred, ImageFormat::Png));
    }
    (files, counts)
}

/// Half of the files in a folder, the other half in a tar.
fn spread(files: &[(String, Vec<u8>)], root: &Path, prefix: &str) {
    fs::create_dir_all(root).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(root.join("half.tar")).unwrap());
    for (n, (name, contents)) in files.iter().enumerate() {
        let name = format!("{prefix}{name}");
        if n % 2 == 0 {
            fs::write(root.join(name), contents).unwrap();
        } else {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &contents[..]).unwrap();
        }
    }
    builder.finish().unwrap();
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

fn whole(data: &Path, rules: &Rules, out: &Path) -> Result<Counts, Error> {
    let stop = AtomicBool::new(false);
    let files = Files::list(&[data])?;
    let rows = survey(&files, rules, None, &stop, &|| ())?;
    let verdicts = decide(&rows, rules);
    let tars = tars(&files, &rows, &verdicts, rules, out)?;
    pack(&files, &rows, &tars, rules, out, &stop, &|| ())?;
    sheets(&files, &rows, &verdicts, &out.join("sheets"))?;
    report(&files, &rows, &verdicts, &places(&tars, rows.len()), &out.join("report.parquet"))?;
    Ok(counted(&verdicts))
}

fn counted(verdicts: &[Verdict]) -> Counts {
    let mut counts = Counts::new();
    for verdict in verdicts {
        *counts.entry(verdict.word).or_insert(0) += 1;
    }
    counts
}

/// What [`whole`] does, in shards of 7 files.
fn in_shards(data: &Path, rules: &Rules, out: &Path) -> Result<Counts, Error> {
    let files = Files::list(&[data])?;
    let looking = Shards::of_files(&files, rules, None, out, 7)?;
    for number in (0..looking.count()).rev() {
        do_shard(looking.folder(), number, &none)?;
    }
    let rows = looking.rows(&files, rules, None)?;
    let verdicts = decide(&rows, rules);
    let tars = tars(&files, &rows, &verdicts, rules, out)?;
    let packing = Shards::of_tars(&files, &rows, &tars, rules, out)?;
    for number in 0..packing.count() {
        assert!(matches!(do_shard(packing.folder(), number, &none)?, Done { files: 100, bytes: Some(1..) }));
        assert_eq!(do_shard(packing.folder(), number, &none)?, Done { files: 100, bytes: None });
    }
    sheets(&files, &rows, &verdicts, &out.join("sheets"))?;
    report(&files, &rows, &verdicts, &places(&tars, rows.len()), &out.join("report.parquet"))?;
    Shards::clear(out)?;
    Ok(counted(&verdicts))
}

#[test]
fn every_kind_of_fault_is_counted_and_what_comes_out_is_what_training_reads() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data"), place.path().join("out"));
    let (files, expected) = collection();
    spread(&files, &data, "");
    let rules = Rules { size: Some(64), ..Rules::default() };
    assert_eq!(whole(&data, &rules, &out).unwrap(), expected);

    let set = Dataset::open(&[out.join("tars")], &Options::new(64)).unwrap();
    assert_eq!(set.len() + set.validation_len(), 100);
    assert!(out.join("sheets/kept.webp").exists() && out.join("sheets/near.webp").exists());
    assert!(!out.join("sheets/format.webp").exists());

    let table = SerializedFileReader::new(fs::File::open(out.join("report.parquet")).unwrap()).unwrap();
    let text = |field: &Field| if let Field::Str(text) = field { text.clone() } else { panic!("{field:?} is no text") };
    let mut told = BTreeMap::new();
    for row in table.get_row_iter(None).unwrap() {
        let fields: Vec<Field> = row.unwrap().into_columns().into_iter().map(|(_, field)| field).collect();
        let (file, verdict, reason, tar) = (text(&fields[0]), text(&fields[1]), text(&fields[2]), text(&fields[3]));
        assert_eq!(verdict == "kept", out.join(&tar).is_file() && !tar.is_empty(), "{file}");
        assert_eq!(verdict == "kept", reason.is_empty(), "{file}: {reason}");
        *told.entry(verdict.clone()).or_insert(0) += 1;
        if file.contains("again-3") {
            assert!(verdict == "near" && reason.contains("good-13.png"), "{file} {verdict} {reason}");
        }
    }
    assert!(told.iter().map(|(word, count)| (word.as_str(), *count)).eq(expected));
}

#[test]
fn names_and_places_make_no_difference_and_what_is_cut_off_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (files, _) = collection();
    let (first, second) = (place.path().join("first"), place.path().join("second"));
    spread(&files, &first, "");
    let turned: Vec<_> = files.into_iter().rev().collect();
    spread(&turned, &second, "x-");
    let rules = Rules { size: Some(32), ..Rules::default() };
    let (calm, cut) = (place.path().join("calm"), place.path().join("cut"));
    whole(&first, &rules, &calm).unwrap();

    let stop = AtomicBool::new(false);
    let files = Files::list(&[&second]).unwrap();
    let rows = survey(&files, &rules, None, &stop, &|| ()).unwrap();
    let verdicts = decide(&rows, &rules);
    let begun = tars(&files, &rows, &verdicts, &rules, &cut).unwrap();
    let stopped = pack(&files, &rows, &begun, &rules, &cut, &stop, &|| stop.store(true, Ordering::Relaxed));
    assert!(matches!(stopped, Err(Error::Stopped)));
    // As a process that was killed leaves it.
    fs::write(cut.join("tars/.unfinished-x"), b"half").unwrap();
    whole(&second, &rules, &cut).unwrap();
    assert!(contents(&cut.join("tars")) == contents(&calm.join("tars")), "other tars");

    let other = Rules { size: Some(48), ..rules.clone() };
    assert!(matches!(whole(&second, &other, &cut), Err(Error::Other { .. })));
    // That is known before anything is looked at.
    assert!(matches!(check(&cut, &other), Err(Error::Other { .. })));
    assert!(check(&cut, &rules).is_ok() && check(&place.path().join("none"), &other).is_ok());
    fs::write(second.join("new.png"), encoded(&drawn(999, 160, 160), ImageFormat::Png)).unwrap();
    let said = whole(&second, &rules, &cut).unwrap_err().to_string();
    assert!(said.contains("keep other pictures now"), "{said}");
    assert!(contents(&cut.join("tars")) == contents(&calm.join("tars")));
}

#[test]
fn files_are_kept_as_they_are_without_a_size() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data"), place.path().join("out"));
    let jpeg = encoded(&drawn(5, 200, 120), ImageFormat::Jpeg);
    fs::create_dir(&data).unwrap();
    // A name that lies about the format.
    fs::write(data.join("a.png"), &jpeg).unwrap();
    whole(&data, &Rules::default(), &out).unwrap();
    let tar = contents(&out.join("tars")).into_values().next().unwrap();
    let mut archive = tar::Archive::new(&tar[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert!(entry.path().unwrap().extension().unwrap() == "jpg");
    let mut held = Vec::new();
    std::io::Read::read_to_end(&mut entry, &mut held).unwrap();
    assert!(held == jpeg);
}

#[test]
fn shards_give_the_same_files_to_the_byte() {
    let place = tempfile::tempdir().unwrap();
    let (data, alone, cut) = (place.path().join("data"), place.path().join("alone"), place.path().join("cut"));
    let (files, expected) = collection();
    spread(&files, &data, "");
    // What nobody can read is said in the same words.
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", data.join("gone.png")).unwrap();
    let rules = Rules { size: Some(64), ..Rules::default() };
    let counts = whole(&data, &rules, &alone).unwrap();
    assert_eq!(counts["broken"], expected["broken"] + usize::from(cfg!(unix)));
    assert_eq!(in_shards(&data, &rules, &cut).unwrap(), counts);
    let names =
        |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(&cut).len(), names(&alone).len());
    for part in ["tars", "sheets"] {
        assert!(contents(&cut.join(part)) == contents(&alone.join(part)), "other {part}");
    }
    for file in ["report.parquet", "prepare.json"] {
        assert!(fs::read(cut.join(file)).unwrap() == fs::read(alone.join(file)).unwrap(), "another {file}");
    }
}

#[test]
fn a_shard_is_done_once_and_anew_where_anything_changed() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data"), place.path().join("out"));
    fs::create_dir(&data).unwrap();
    for n in 0..5 {
        fs::write(data.join(format!("{n}.png")), encoded(&drawn(n, 96, 96), ImageFormat::Png)).unwrap();
    }
    let rules = Rules::default();
    let begin = |rules: &Rules| {
        let files = Files::list(&[&data]).unwrap();
        let shards = Shards::of_files(&files, rules, None, &out, 2).unwrap();
        (files, shards)
    };
    let (files, shards) = begin(&rules);
    assert_eq!((shards.count(), shards.looked()), (3, 0));
    assert!(shards.rows(&files, &rules, None).unwrap_err().to_string().contains("000000.rows"));
    for number in 0..3 {
        assert!(matches!(do_shard(shards.folder(), number, &none).unwrap(), Done { bytes: Some(1..), .. }));
    }
    assert_eq!(shards.looked(), 3);
    // Rules that ask for the same measures find them; others do not.
    let (_, softer) = begin(&Rules { min_sharpness: 1.0, near: None, size: Some(32), ..rules.clone() });
    assert_eq!(do_shard(softer.folder(), 2, &none).unwrap(), Done { files: 1, bytes: None });
    assert_eq!(begin(&Rules { crop: "top".into(), ..rules.clone() }).1.looked(), 0);

    // Rows that were damaged are made again.
    let row = shards.folder().join("000001.rows");
    let good = fs::read(&row).unwrap();
    fs::write(&row, &good[..good.len() / 2]).unwrap();
    assert!(matches!(shards.rows(&files, &rules, None), Err(Error::File { action: "read", .. })));
    assert!(matches!(do_shard(shards.folder(), 1, &none).unwrap(), Done { files: 2, bytes: Some(1..) }));
    assert!(fs::read(&row).unwrap() == good);
    // A file that could not be read elsewhere, and can be read here.
    let text = String::from_utf8(good).unwrap();
    let hash = blake3::hash(&fs::read(data.join("2.png")).unwrap()).to_hex().to_string();
    assert!(text.contains(&hash));
    fs::write(&row, text.replace(&hash, &"0".repeat(64))).unwrap();
    let rows = shards.rows(&files, &rules, None).unwrap();
    let survey = survey(&files, &rules, None, &AtomicBool::new(false), &|| ()).unwrap();
    assert_eq!(rows, survey);

    // Another file.
    fs::write(data.join("3.png"), encoded(&drawn(33, 96, 96), ImageFormat::Png)).unwrap();
    let (files, shards) = begin(&rules);
    assert_eq!(shards.looked(), 0);
    // A machine that does not see the pictures, or the shards.
    fs::rename(&data, place.path().join("elsewhere")).unwrap();
    assert!(matches!(do_shard(shards.folder(), 0, &none), Err(Error::Unseen(folder)) if folder == data));
    fs::rename(place.path().join("elsewhere"), &data).unwrap();
    assert!(matches!(do_shard(&out.join("shards/none"), 0, &none), Err(Error::Unseen(_))));
    assert!(matches!(do_shard(shards.folder(), 3, &none), Err(Error::File { action: "read", .. })));

    // A picture that is another one by the time that it is packed.
    for number in 0..3 {
        do_shard(shards.folder(), number, &none).unwrap();
    }
    let rows = shards.rows(&files, &rules, None).unwrap();
    let tars = tars(&files, &rows, &decide(&rows, &rules), &rules, &out).unwrap();
    let packing = Shards::of_tars(&files, &rows, &tars, &rules, &out).unwrap();
    // In another folder the tars belong elsewhere, so what was begun for this one, if it was moved there, does not count.
    let elsewhere = Shards::of_tars(&files, &rows, &tars, &rules, &place.path().join("moved")).unwrap();
    assert_ne!(elsewhere.folder().file_name(), packing.folder().file_name());
    fs::write(data.join("4.png"), encoded(&drawn(44, 96, 96), ImageFormat::Png)).unwrap();
    assert!(matches!(do_shard(packing.folder(), 0, &none), Err(Error::Changed { .. })));
    assert!(contents(&out.join("tars")).is_empty());
}

#[test]
fn boxes_are_what_is_measured_and_packed() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data"), place.path().join("out"));
    fs::create_dir(&data).unwrap();
    // A good picture in the corner of a black one, which as a whole is dark.
    let (mut framed, good) = (RgbImage::new(400, 400), drawn(1, 100, 120));
    image::imageops::replace(&mut framed, &good, 300, 50);
    for name in ["whole.png", "boxed.png", "beyond.png", "outside.png"] {
        framed.put_pixel(0, 399, Rgb([name.len() as u8; 3]));
        fs::write(data.join(name), encoded(&framed, ImageFormat::Png)).unwrap();
    }
    let rules = Rules { near: None, ..Rules::default() };
    let cropped = |right| {
        let mut files = Files::list(&[&data]).unwrap();
        let region = |left, right| Some(Region { left, top: 50, right, bottom: 170 });
        let of = |name: &str| match name.rsplit('/').next() {
            Some("boxed.png") => region(300, right),
            Some("beyond.png") => region(300, 9999),
            Some("outside.png") => region(400, 500),
            _ => None,
        };
        assert_eq!(files.crop(of), 3);
        files
    };
    let stop = AtomicBool::new(false);
    let pack_all = |files: &Files, out: &Path| {
        let rows = survey(files, &rules, None, &stop, &|| ()).unwrap();
        let verdicts = decide(&rows, &rules);
        let words: Vec<_> = verdicts.iter().map(|verdict| verdict.word).collect();
        // In the order of their names: beyond, boxed, outside, whole.
        assert_eq!(words, ["kept", "kept", "broken", "dark"]);
        assert!(verdicts[2].reason.contains("(400, 50, 500, 170) lies outside of its 400 x 400 pixels"));
        let tars = tars(files, &rows, &verdicts, &rules, out)?;
        pack(files, &rows, &tars, &rules, out, &stop, &|| ()).map(|()| tars)
    };
    let tars = pack_all(&cropped(400), &out).unwrap();
    let tar = fs::read(out.join(&tars[0].path)).unwrap();
    let mut archive = tar::Archive::new(&tar[..]);
    for entry in archive.entries().unwrap() {
        let mut held = Vec::new();
        std::io::Read::read_to_end(&mut entry.unwrap(), &mut held).unwrap();
        assert!(image::load_from_memory(&held).unwrap().into_rgb8() == good);
    }
    // Other boxes are another selection, though the files are the same.
    assert!(matches!(pack_all(&cropped(390), &out), Err(Error::Other { .. })));
    // Boxes travel with their files.
    let shards = Shards::of_files(&cropped(400), &rules, None, &out, 3).unwrap();
    for number in 0..2 {
        do_shard(shards.folder(), number, &none).unwrap();
    }
    let rows = shards.rows(&cropped(400), &rules, None).unwrap();
    assert_eq!(rows, survey(&cropped(400), &rules, None, &stop, &|| ()).unwrap());
    assert_ne!(Shards::of_files(&cropped(390), &rules, None, &out, 3).unwrap().folder(), shards.folder());
}

/// What is red in a picture, as a detector that needs no file's contents.
fn reddest() -> Box<Find> {
    Box::new(|picture| {
        let red = |(_, colour): &(usize, &[u8])| colour[0] > 200 && colour[1] < 50 && colour[2] < 50;
        let all: Vec<_> = picture.rgb().chunks_exact(3).enumerate().filter(red).map(|(at, _)| at).collect();
        let (x, y) = (|at: &usize| (at % picture.width) as f32, |at: &usize| (at / picture.width) as f32);
        let most = |of: &dyn Fn(&usize) -> f32| all.iter().map(of).fold(0.0, f32::max) + 1.0;
        let least = |of: &dyn Fn(&usize) -> f32| all.iter().map(of).fold(f32::MAX, f32::min);
        if all.len() == 1 {
            return Err("the detector fails: one pixel".into());
        }
        Ok((!all.is_empty())
            .then(|| Face { edges: [least(&x), least(&y), most(&x), most(&y)], score: all.len() as f32 }))
    })
}

#[test]
fn of_a_picture_with_a_face_the_face_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let (data, alone, cut) = (place.path().join("data"), place.path().join("alone"), place.path().join("cut"));
    fs::create_dir(&data).unwrap();
    let add = |name: &str, width, height, spots: &[(i64, i64, u32)]| {
        let mut picture = drawn(name.len() as u64, width, height);
        picture.pixels_mut().for_each(|pixel| pixel.0[0] /= 2);
        for &(x, y, side) in spots {
            image::imageops::replace(&mut picture, &RgbImage::from_pixel(side, side, Rgb([250, 0, 0])), x, y);
        }
        fs::write(data.join(name), encoded(&picture, ImageFormat::Png)).unwrap();
        picture
    };
    let middle = add("middle.png", 400, 300, &[(180, 130, 40)]);
    add("corner.png", 400, 300, &[(0, 0, 90)]);
    add("face-less.png", 400, 300, &[]);
    add("failing.png", 400, 300, &[(9, 9, 1)]);
    add("small-face.png", 400, 300, &[(99, 99, 4)]);
    // As a whole it would be oblong, and small as it is it is not looked at.
    add("a-strip.png", 800, 100, &[(400, 20, 50)]);
    add("smallest.png", 40, 40, &[(9, 9, 20)]);
    let path = place.path().join("detector");
    fs::write(&path, "").unwrap();
    let faces = Faces { detector: "a hash".into(), margin: 2.0, score: 16.0 };
    let rules = Rules { near: None, min_sharpness: 0.0, faces: Some(faces), ..Rules::default() };
    let detector = Detector { path: path.clone(), find: reddest() };
    let stop = AtomicBool::new(false);
    let mut files = Files::list(&[&data]).unwrap();
    let rows = survey(&files, &rules, Some(&detector), &stop, &|| ()).unwrap();
    let verdicts = decide(&rows, &rules);
    let words: Vec<_> = verdicts.iter().map(|verdict| verdict.word).collect();
    assert_eq!(words, ["kept", "kept", "faceless", "broken", "kept", "tiny", "tiny"]);
    assert_eq!(verdicts[2].reason, "no face in 400 x 300 pixels has a score of 16 or more");
    assert_eq!(verdicts[3].reason, "the detector fails: one pixel");
    crop(&mut files, &rows);
    let region = |left, top, right, bottom| Some(Region { left, top, right, bottom });
    let regions: Vec<_> = (0..files.len()).map(|at| files.region(at)).collect();
    assert_eq!(regions[..5], [region(375, 0, 475, 95), region(0, 0, 135, 135), None, None, region(160, 110, 240, 190)]);
    let packed = tars(&files, &rows, &verdicts, &rules, &alone).unwrap();
    pack(&files, &rows, &packed, &rules, &alone, &stop, &|| ()).unwrap();
    report(&files, &rows, &verdicts, &places(&packed, rows.len()), &alone.join("report.parquet")).unwrap();
    let tar = fs::read(alone.join(&packed[0].path)).unwrap();
    let expected = image::imageops::crop_imm(&middle, 160, 110, 80, 80).to_image();
    let is_middle = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut held = Vec::new();
        std::io::Read::read_to_end(&mut entry.unwrap(), &mut held).unwrap();
        image::load_from_memory(&held).unwrap().into_rgb8() == expected
    };
    assert_eq!(
        tar::Archive::new(&tar[..]).entries().unwrap().filter_map(|entry| is_middle(entry).then_some(())).count(),
        1
    );

    // In shards the same; who has another detector, or none, says so.
    let mut files = Files::list(&[&data]).unwrap();
    let looking = Shards::of_files(&files, &rules, Some(&detector), &cut, 3).unwrap();
    let other = |_: &Path, _: &Faces| Err("it is another one".to_owned());
    let refused = do_shard(looking.folder(), 0, &other).unwrap_err().to_string();
    assert!(refused.contains("detector cannot be used: it is another one"), "{refused}");
    let open = |at: &Path, faces: &Faces| {
        assert_eq!((at, &*faces.detector), (&*path, "a hash"));
        Ok(reddest())
    };
    for number in 0..looking.count() {
        do_shard(looking.folder(), number, &open).unwrap();
    }
    assert_eq!(looking.rows(&files, &rules, Some(&detector)).unwrap(), rows);
    crop(&mut files, &rows);
    let again = tars(&files, &rows, &verdicts, &rules, &cut).unwrap();
    let packing = Shards::of_tars(&files, &rows, &again, &rules, &cut).unwrap();
    do_shard(packing.folder(), 0, &none).unwrap();
    assert!(contents(&cut.join("tars")) == contents(&alone.join("tars")));
    fs::remove_file(&path).unwrap();
    fs::remove_file(looking.folder().join("000000.rows")).unwrap();
    assert!(matches!(do_shard(looking.folder(), 0, &open), Err(Error::Unseen(_))));

    // A detector that was moved is found where it is now.
    let moved = Detector { path: place.path().join("moved"), find: reddest() };
    let [here, there] = [&detector, &moved].map(|one| Shards::of_files(&files, &rules, Some(one), &cut, 3).unwrap());
    assert_ne!(here.folder(), there.folder());

    // Each part of the rule asks for other shards, and is another selection.
    let faces = rules.faces.clone().unwrap();
    for faces in [
        None,
        Some(Faces { margin: 2.5, ..faces.clone() }),
        Some(Faces { score: 9.0, ..faces.clone() }),
        Some(Faces { detector: "another".into(), ..faces }),
    ] {
        let other = Rules { faces, ..rules.clone() };
        assert_ne!(Shards::of_files(&files, &other, Some(&detector), &cut, 3).unwrap().folder(), looking.folder());
        assert!(matches!(tars(&files, &rows, &verdicts, &other, &alone), Err(Error::Other { .. })));
    }
}
