//! What people really bring: damaged downloads, wrong endings, archives, links, oblong and very large photographs.

mod common;
#[path = "common/zip.rs"]
mod zip;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use common::{encoded, entries, folder, name, open, options, picture, put, refusal, stream};
use dataset::{CacheUse, Crop, Dataset, Error, Files, LabelSource, Labels, Options, Place};
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

/// A picture in a format by its number.
fn written(number: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture(number, 24).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn remarks(pictures: &Dataset) -> String {
    pictures.report().remarks(Crop::Centre).join("\n")
}

#[test]
fn damaged_jpegs_are_counted_named_and_skipped() {
    let folder = folder(100);
    let (good, other) = (written(500, ImageFormat::Jpeg), written(501, ImageFormat::Jpeg));
    let half = &good[..good.len() * 3 / 4];
    let mut zeroed = good.clone();
    zeroed[good.len() * 5 / 8..good.len() * 7 / 8].fill(0);
    put(folder.path(), "x-good.jpg", &good);
    put(folder.path(), "x1-end-marker.jpg", &[half, &[0xFF, 0xD9]].concat());
    put(folder.path(), "x2-zeros.jpg", &[half, &[0xFF, 0xD9], &[0; 500]].concat());
    put(folder.path(), "x3-joined.jpg", &[half, &other].concat());
    put(folder.path(), "x4-zeroed.jpg", &zeroed);
    let pictures = open(folder.path());
    assert_eq!((pictures.report().kept, pictures.report().broken.len()), (101, 4));
    let said = remarks(&pictures);
    for part in ["x1-end-marker.jpg: it ends after", "x2-zeros.jpg", "x3-joined.jpg: another JPEG", "x4-zeroed.jpg"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_content_decides_whatever_the_ending() {
    let folder = tempfile::tempdir().unwrap();
    let endings = ["jfif", "jpe", "JPG", "png", "dat", "", "heic", "tar", "zip.part"];
    for (number, ending) in (0..).zip(endings) {
        let format = if number % 2 == 0 { ImageFormat::Jpeg } else { ImageFormat::Png };
        if ending != "tar" {
            put(folder.path(), &format!("{number}.{ending}"), &written(number, format));
        }
    }
    put(folder.path(), "a.gif", &written(100, ImageFormat::Gif));
    put(folder.path(), "b.bmp", &written(101, ImageFormat::Bmp));
    put(folder.path(), "c.jpg", &written(102, ImageFormat::Gif));
    let report = open(folder.path()).report().clone();
    assert_eq!((report.kept, report.broken.len(), report.ignored), (11, 0, 0), "{report:?}");
    // By its path alone, too.
    assert_eq!(
        Dataset::open(&[folder.path().join("4.dat")], &Options { validation: 0.0, ..options(8) }).unwrap().len(),
        1
    );
}

#[test]
fn formats_that_are_not_read_are_counted_by_name_whatever_the_ending() {
    let folder = folder(30);
    let media = |brand: &[u8]| [b"\0\0\0\x18ftyp", brand, b"\0\0\0\0mif1miaf"].concat();
    put(folder.path(), "a.heic", &media(b"heic"));
    put(folder.path(), "b.jpg", &media(b"heic"));
    put(folder.path(), "c.avif", &media(b"avif"));
    put(folder.path(), "d.tif", b"II*\0\x08\0\0\0");
    put(folder.path(), "e.png", b"\xff\x0a and so on");
    let pictures = open(folder.path());
    let report = pictures.report();
    let counts: Vec<(&str, usize)> =
        report.foreign.iter().map(|(format, names)| (format.as_str(), names.len())).collect();
    assert_eq!(counts, [("AVIF", 1), ("HEIC", 2), ("JPEG XL", 1), ("TIFF", 1)]);
    assert!(report.broken.is_empty() && report.to_string().contains("5 of other formats"), "{report}");
    let said = remarks(&pictures);
    assert!(said.contains("1 AVIF, 2 HEIC, 1 JPEG XL, 1 TIFF") && said.contains("convert"), "{said}");
    // Alone they are the reason why there is nothing to train on.
    let only = tempfile::tempdir().unwrap();
    put(only.path(), "a.heic", &media(b"heic"));
    let message = refusal(&[only.path()], &options(8));
    assert!(message.contains("1 HEIC, which is not read") && message.contains("convert"), "{message}");
}

/// Writes a zip as StyleGAN's dataset tool does, or deflated.
fn zip(path: &Path, entries: &[(String, Vec<u8>)], deflated: bool) {
    fs::write(path, zip::packed(entries, deflated)).unwrap();
}

#[test]
fn zips_hold_the_same_pictures_as_the_folder_stored_or_deflated() {
    let whole = open(folder(60).path());
    let elsewhere = tempfile::tempdir().unwrap();
    let mut all: Vec<(String, Vec<u8>)> =
        entries(0..60).into_iter().map(|(name, bytes)| (format!("00000/{name}"), bytes)).collect();
    all.push(("dataset.json".into(), br#"{"labels": [["00000/0000.png", 0], ["00000/0001.webp", 3]]}"#.to_vec()));
    all.push(("__MACOSX/._0000.png".into(), vec![1, 2, 3]));
    for deflated in [false, true] {
        let path = elsewhere.path().join("faces.zip");
        zip(&path, &all, deflated);
        for argument in [path.as_path(), elsewhere.path()] {
            let pictures = open(argument);
            assert_eq!(pictures.fingerprint(), whole.fingerprint(), "deflated: {deflated}");
            assert_eq!(stream(&pictures), stream(&whole));
            assert_eq!(pictures.report().labels, Some(Labels { pictures: 2, classes: 2 }));
            assert!(remarks(&pictures).contains("labels 2 pictures with 2 classes"), "{}", remarks(&pictures));
            assert_eq!(pictures.report().ignored, 1);
        }
    }
}

#[test]
fn files_are_found_again_by_their_places() {
    let folder = folder(6);
    zip(&folder.path().join("stored.zip"), &entries(0..5), false);
    zip(&folder.path().join("deflated.zip"), &entries(0..5), true);
    common::tar(&folder.path().join("all.tar"), &entries(0..5));
    let listed = Files::list(&[folder.path()]).unwrap();
    assert_eq!(listed.len(), 21);
    let places: Vec<Place> = listed.places(0..21).unwrap();
    let travelled = serde_json::from_slice(&serde_json::to_vec(&places).unwrap()).unwrap();
    assert_eq!(places, travelled);
    let found = Files::at(travelled).unwrap();
    for number in 0..21 {
        assert_eq!((found.name(number), found.read(number)), (listed.name(number), listed.read(number)));
    }
    let state = |folder: &Path| Files::list(&[folder]).unwrap().state();
    assert_eq!(listed.state(), state(folder.path()));

    // An archive that is shorter now, and one that is gone.
    fs::write(folder.path().join("all.tar"), [0; 1024]).unwrap();
    let said = Files::at(places.clone()).err().unwrap().to_string();
    assert!(said.contains("all.tar has changed since it was listed"), "{said}");
    fs::remove_file(folder.path().join("all.tar")).unwrap();
    assert!(Files::at(places).err().unwrap().to_string().contains("all.tar"));
    assert_ne!(listed.state(), state(folder.path()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_does_not_travel() {
    let folder = folder(1);
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff.png");
    fs::write(folder.path().join(name), encoded(3, 24)).unwrap();
    let listed = Files::list(&[folder.path()]).unwrap();
    assert!(matches!(listed.places(0..2), Err(Error::NotText { .. })));
}

#[test]
fn damaged_zips_are_errors_and_never_a_panic() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("faces.zip");
    zip(&path, &entries(0..20), false);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&[&path], &options(8)).contains("download it again"));
    // A picture that is another than its checksum says is broken, the others are not.
    let mut changed = whole.clone();
    changed[60] ^= 1;
    fs::write(&path, &changed).unwrap();
    let report = open_leniently(&path).unwrap();
    assert!(report.broken.len() == 1 && report.broken[0].reason.contains("checksum"), "{report:?}");
    let mut word = 1_u32;
    for _ in 0..1000 {
        let mut mutant = whole.clone();
        for _ in 0..3 {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Mostly the tables, which lie at the end.
            let back = (word >> 8) as usize % if word & 1 == 0 { 1800 } else { mutant.len() };
            let place = mutant.len() - 1 - back;
            mutant[place] = (word >> 3) as u8;
        }
        fs::write(&path, &mutant).unwrap();
        if let Err(error) = open_leniently(&path) {
            assert!(error.to_string().len() > 20, "{error}");
        }
    }
}

fn open_leniently(path: &Path) -> Result<dataset::Report, dataset::Error> {
    let options = Options { max_broken: 1.0, ..options(8) };
    Dataset::open(&[path], &options).map(|pictures| pictures.report().clone())
}

#[test]
fn archives_that_are_not_opened_are_named() {
    let folder = folder(30);
    put(folder.path(), "faces.tar.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    put(folder.path(), "more.7z", b"7z\xbc\xaf\x27\x1c\0\0");
    let pictures = open(folder.path());
    let said = remarks(&pictures);
    assert!(said.contains("faces.tar.gz: it is compressed with gzip; run gunzip"), "{said}");
    assert!(said.contains("more.7z"), "{said}");
    let only = tempfile::tempdir().unwrap();
    put(only.path(), "faces.tar.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    let message = refusal(&[only.path()], &options(8));
    assert!(message.contains("1 archives not opened") && message.contains("gunzip"), "{message}");
}

#[test]
#[cfg(unix)]
fn linked_folders_are_followed_once_and_circles_end() {
    use std::os::unix::fs::symlink;
    let (data, elsewhere) = (folder(10), folder_of(10..20));
    symlink(elsewhere.path(), data.path().join("class2")).unwrap();
    symlink(elsewhere.path(), data.path().join("class2-again")).unwrap();
    symlink(data.path(), data.path().join("round")).unwrap();
    symlink(data.path(), elsewhere.path().join("and-round")).unwrap();
    let pictures = open(data.path());
    assert_eq!((pictures.report().kept, pictures.report().duplicates, pictures.report().links), (20, 0, 1));
    assert_eq!(pictures.fingerprint(), open(folder(20).path()).fingerprint());
    assert!(remarks(&pictures).contains("linked folders followed: 1"));
}

#[test]
fn grids_of_runs_are_no_pictures_unless_they_are_named() {
    let (folder, cache) = (folder(30), tempfile::tempdir().unwrap());
    // A run of training below the pictures, one of ink whose folder is theirs, and grids of something else.
    for (name, number) in [("runs/00000-tiny/grids/0.png", 200), ("grids/0.png", 202), ("mine/grids/0.png", 204)] {
        put(folder.path(), name, &encoded(number, 24));
    }
    // One of ink that was killed before it had a state.
    let begun = tempfile::tempdir().unwrap();
    put(begun.path(), "grids/0.png", &encoded(206, 24));
    put(begun.path(), "lock", b"");
    assert_eq!(Files::list(&[begun.path()]).unwrap().skipped().len(), 1);
    put(folder.path(), "runs/00000-tiny/config.json", b"{}");
    put(folder.path(), "runs/00000-tiny/checkpoints/0.safetensors", b"weights");
    put(folder.path(), "ink.safetensors", b"weights");
    let cached = Options { cache: Some(cache.path().into()), ..options(8) };
    let open = || Dataset::open(&[folder.path()], &cached).unwrap();
    let first = open();
    assert_eq!((first.report().kept, first.report().grids.len(), first.report().ignored), (31, 2, 3));
    assert!(remarks(&first).contains("grids of runs left out: 2 (such as"), "{}", remarks(&first));
    let skipped = Files::list(&[folder.path()]).unwrap().skipped().to_vec();
    assert!(skipped.len() == 2 && skipped[0].1.contains("sample grids"), "{skipped:?}");

    let inner = folder.path().join("runs");
    let message = refusal(&[&inner], &options(8));
    assert!(message.contains("1 folders of runs' grids left out") && message.contains("name other data"), "{message}");
    let named = Options { validation: 0.0, ..options(8) };
    assert_eq!(Dataset::open(&[folder.path().join("grids")], &named).unwrap().len(), 1);

    // A run that is gone makes the cache no older.
    fs::remove_dir_all(inner).unwrap();
    let second = open();
    assert_eq!((second.report().grids.len(), second.report().cache.clone()), (1, CacheUse::Reused));
    assert_eq!(second.fingerprint(), first.fingerprint());
}

#[cfg(unix)]
fn folder_of(numbers: std::ops::Range<u32>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in numbers {
        put(folder.path(), &name(number), &encoded(number, 24));
    }
    folder
}

#[test]
fn classes_without_pictures_are_known() {
    let folder = folder(30);
    let labels = folder.path().join("classes.json");
    let file = |class: fn(u32) -> u32| {
        let pairs: Vec<String> = (0..30).map(|number| format!("[\"{}\", {}]", name(number), class(number))).collect();
        fs::write(&labels, format!("{{\"labels\": [{}]}}", pairs.join(", "))).unwrap();
        let options = Options { labels: Some(LabelSource::File(labels.clone())), validation: 0.0, ..options(8) };
        let pictures = Dataset::open(&[folder.path()], &options).unwrap();
        (pictures.classes().len(), pictures.empty_classes())
    };
    assert_eq!(file(|number| number % 3), (3, vec![]));
    assert_eq!(file(|number| 2 * (number % 2)), (3, vec![1]));
    assert_eq!(file(|number| 3 + number % 2), (5, vec![0, 1, 2]));
    assert!(open(folder.path()).empty_classes().is_empty());
}

#[test]
fn strips_are_refused_and_crops_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, width, height| {
        let shade = name.len() as u8;
        RgbImage::from_pixel(width, height, Rgb([shade, width as u8, height as u8]))
            .save(folder.path().join(name))
            .unwrap();
    };
    save("strip.png", 4000, 20);
    for i in 0..6 {
        save(&format!("{}square.png", "a".repeat(i)), 24, 24);
        save(&format!("{}portrait.png", "b".repeat(i)), 24, 32);
    }
    let pictures = Dataset::open(&[folder.path()], &Options { validation: 0.0, ..options(8) }).unwrap();
    assert_eq!((pictures.report().kept, pictures.report().oblong.len()), (12, 1));
    let said = remarks(&pictures);
    assert!(said.contains("strip.png: 4000 x 20 pixels, more than 8 times as long as wide"), "{said}");
    assert!(said.contains("6 of 12 cropped, 25 % of their area on average"), "{said}");
}

#[test]
fn the_crop_is_chosen_and_makes_another_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    // Red above, green in the middle, blue below.
    let tall = RgbImage::from_fn(8, 24, |_, y| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][y as usize / 8]));
    tall.save(folder.path().join("tall.png")).unwrap();
    let options = |crop| Options { crop, validation: 0.0, cache: Some(cache.path().into()), ..options(6) };
    let mut prints = Vec::new();
    for (crop, first, last) in [
        (Crop::Centre, [0, 255, 0], [0, 255, 0]),
        (Crop::Top, [255, 0, 0], [255, 0, 0]),
        (Crop::Pad, [255, 255, 255], [255, 255, 255]),
    ] {
        let pictures = Dataset::open(&[folder.path()], &options(crop)).unwrap();
        let pixels = pictures.training(0).unwrap();
        assert_eq!((&pixels[..3], &pixels[pixels.len() - 3..]), (&first[..], &last[..]), "{crop}");
        assert_eq!(crop.to_string().parse(), Ok(crop));
        prints.push(pictures.fingerprint().to_owned());
        if crop == Crop::Pad {
            // Columns 2 and 3 hold the whole picture: red, then green, then blue.
            let colours: Vec<&[u8]> = [0, 2, 4].map(|row| &pixels[(row * 6 + 2) * 3..][..3]).to_vec();
            assert_eq!(colours, [&[255, 0, 0], &[0, 255, 0], &[0, 0, 255]]);
        }
    }
    prints.dedup();
    assert_eq!(prints.len(), 3);
}

#[test]
fn an_only_picture_that_falls_to_validation_gets_its_own_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0.. {
        let path = put(folder.path(), "only.png", &encoded(2 * number, 24));
        match Dataset::open(&[&path], &options(8)) {
            Ok(_) => {}
            Err(error) => {
                assert!(error.to_string().contains("the only picture was held back for validation"), "{error}");
                break;
            }
        }
    }
}

#[test]
fn the_whole_list_of_what_was_left_out_is_there_with_reasons() {
    let folder = folder(30);
    for number in 0..20 {
        put(folder.path(), &format!("bad{number:02}.jpg"), b"<html>quota exceeded</html>");
    }
    let Err(dataset::Error::TooManyBroken { report, .. }) = Dataset::open(&[folder.path()], &options(8)) else {
        panic!("40 % are broken");
    };
    assert_eq!(report.skipped().count(), 20);
    assert!(report.skipped().all(|skipped| skipped.reason.contains("web page")));
    let message = refusal(&[folder.path()], &options(8));
    assert!(message.contains("--max-broken 0.40") && message.contains("..."), "{message}");
    let lenient = Options { max_broken: 0.4, ..options(8) };
    assert_eq!(Dataset::open(&[folder.path()], &lenient).unwrap().len(), open(self::folder(30).path()).len());
}

/// 108 megapixels, as telephones make them: 324 MB unpacked. The JPEG is put together from one flat row of blocks a restart
/// interval, which needs no such picture in memory.
#[test]
fn a_photograph_of_108_megapixels_is_read_at_an_eighth() {
    let folder = folder(3);
    put(folder.path(), "large.jpg", &flat_jpeg(12_000, 9_000));
    let pictures = Dataset::open(&[folder.path()], &Options { validation: 0.0, ..options(8) }).unwrap();
    assert_eq!((pictures.report().kept, pictures.report().cropped.pictures), (4, 1), "{:?}", pictures.report());
    let grey = (0..4).map(|index| pictures.training(index).unwrap());
    assert_eq!(grey.filter(|pixels| pixels.iter().all(|&value| value == 128)).count(), 1);
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let peak: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(peak < 300 << 10, "{peak} kB");
    }
}

/// A grey baseline JPEG of one flat colour: every block is the code 0 for "no difference" and 0 for "no more".
fn flat_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    let [[w1, w0], [h1, h0]] = [width, height].map(u16::to_be_bytes);
    bytes.extend([0xFF, 0xC0, 0, 17, 8, h1, h0, w1, w0, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for class in [0x00, 0x10] {
        bytes.extend([0xFF, 0xC4, 0, 20, class, 1]);
        bytes.extend([0; 16]);
    }
    bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    let blocks = 3 * usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8));
    bytes.resize(bytes.len() + (2 * blocks).div_ceil(8), 0);
    bytes.extend([0xFF, 0xD9]);
    bytes
}
