//! Where pictures may come from, which are left out, and what is said when nothing can be read.

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{encoded, entries, folder, name, open, options, put, refusal, stream, tar};
use dataset::{Dataset, Error, Options, Source, Stage};

#[test]
fn a_tar_holds_the_same_pictures_as_the_folder() {
    let folder = folder(60);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("all.tar");
    tar(&path, &entries(0..60));
    let (from_folder, from_tar) = (open(folder.path()), open(&path));
    assert_eq!(from_folder.fingerprint(), from_tar.fingerprint());
    assert_eq!(stream(&from_folder), stream(&from_tar));
}

#[test]
fn several_tars_a_pattern_and_a_folder_of_tars_are_one_data_set() {
    let shards = tempfile::tempdir().unwrap();
    let paths = [0, 1, 2].map(|shard| shards.path().join(format!("faces-{shard}.tar")));
    for (shard, path) in (0..).zip(&paths) {
        tar(path, &entries((0..60).filter(|number| number % 3 == shard)));
    }
    let whole = open(folder(60).path());
    let [a, b, c] = &paths;
    let (pattern, all) = (shards.path().join("faces-?.tar"), shards.path().to_owned());
    for arguments in [&[a, b, c][..], &[c, a, b], &[&pattern], &[&all], &[&pattern, a], &[&all, b]] {
        let pictures = Dataset::open(arguments, &options(8)).unwrap();
        assert_eq!(pictures.fingerprint(), whole.fingerprint(), "{arguments:?}");
        assert_eq!(stream(&pictures), stream(&whole), "{arguments:?}");
        assert_eq!(pictures.report().duplicates, 0, "{arguments:?}");
    }
}

#[test]
fn names_and_folders_make_no_difference() {
    let original = folder(60);
    let renamed = tempfile::tempdir().unwrap();
    for number in 0..60 {
        let extension = if number % 3 == 0 { "JPEG" } else { "webp" }; // wrong for most: the content decides
        put(
            renamed.path(),
            &format!("{}/{}/{}.{extension}", number % 7, number % 2, 1000 - number),
            &encoded(number, 24),
        );
    }
    let (original, renamed) = (open(original.path()), open(renamed.path()));
    assert_eq!(original.fingerprint(), renamed.fingerprint());
    assert_eq!(stream(&original), stream(&renamed));
    assert_eq!(original.validation(0).unwrap(), renamed.validation(0).unwrap());
}

#[test]
fn the_pixels_are_those_of_the_file() {
    let one = tempfile::tempdir().unwrap();
    common::picture(5, 8).save(one.path().join("only.png")).unwrap();
    let all_training = Options { validation: 0.0, ..options(8) };
    let pictures = Dataset::open(&[one.path()], &all_training).unwrap();
    assert_eq!(pictures.training(0).unwrap(), common::picture(5, 8).into_raw());
}

#[test]
fn equal_files_count_once() {
    let folder = folder(30);
    put(folder.path(), "again/copy.png", &encoded(0, 24));
    let pictures = open(folder.path());
    assert_eq!((pictures.report().read, pictures.report().kept, pictures.report().duplicates), (31, 30, 1));
    assert_eq!(pictures.fingerprint(), open(self::folder(30).path()).fingerprint());
}

#[test]
fn hidden_and_foreign_files_are_counted_and_ignored() {
    let folder = folder(30);
    put(folder.path(), "._0001.webp", b"left by a Mac");
    put(folder.path(), "labels.csv", b"1,2,3");
    let shard = folder.path().join("more.tar");
    tar(
        &shard,
        &[("x/".to_owned() + &name(99), encoded(99, 24)), ("x/._a.png".into(), vec![1]), ("x/a.json".into(), vec![2])],
    );
    let report = open(folder.path()).report().clone();
    assert_eq!((report.read, report.kept, report.ignored), (31, 31, 4));
    assert!(report.broken.is_empty());
}

#[test]
fn broken_pictures_are_named_and_skipped() {
    let folder = folder(60);
    put(folder.path(), "page.jpg", b"<html>404</html>");
    let cut = encoded(1, 24);
    put(folder.path(), "cut.webp", &cut[..cut.len() / 2]);
    put(folder.path(), "empty.png", b"");
    let report = open(folder.path()).report().clone();
    assert_eq!((report.read, report.kept, report.broken.len()), (63, 60, 3));
    for (broken, name) in report.broken.iter().zip(["cut.webp", "empty.png", "page.jpg"]) {
        assert!(broken.name.ends_with(name), "{broken}");
        assert!(!broken.reason.is_empty());
    }
}

#[test]
fn more_than_five_percent_broken_stops() {
    let folder = folder(57);
    for number in 0..3 {
        put(folder.path(), &format!("bad{number}.png"), b"no picture");
    }
    assert_eq!(open(folder.path()).report().broken.len(), 3); // 3 of 60: five percent exactly
    put(folder.path(), "bad3.png", b"no picture");
    let message = refusal(&[folder.path()], &options(8));
    for part in ["4 of 61 pictures", "5.0 %", "bad0.png", "bad3.png", "no WebP, JPEG, PNG", "delete or replace"] {
        assert!(message.contains(part), "{part} is missing in: {message}");
    }
    let lenient = Options { max_broken: 0.1, ..options(8) };
    assert_eq!(Dataset::open(&[folder.path()], &lenient).unwrap().report().kept, 57);
}

#[test]
#[cfg(unix)]
fn a_dangling_link_and_a_pipe_are_broken_pictures() {
    let folder = folder(60);
    std::os::unix::fs::symlink("nowhere.png", folder.path().join("link.png")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.png")).status();
    let report = open(folder.path()).report().clone();
    assert!(report.broken[0].name.ends_with("link.png"));
    if pipe.is_ok_and(|status| status.success()) {
        assert_eq!(report.broken[1].reason, "it is no regular file");
    }
}

#[test]
fn tiny_pictures_are_skipped_and_do_not_count_as_broken() {
    let folder = folder(10);
    for number in 100..110 {
        put(folder.path(), &format!("small{number}.png"), &encoded(number, 15));
    }
    let report = |options: &Options| {
        let report = Dataset::open(&[folder.path()], options).unwrap().report().clone();
        (report.kept, report.tiny.len(), report.tiny.first().map(|tiny| tiny.reason.clone()))
    };
    assert_eq!(report(&options(30)), (20, 0, None)); // 15 px is half of 30
    let reason = "15 x 15 pixels, the shorter side must have 16";
    assert_eq!(report(&options(32)), (10, 10, Some(reason.into())));
    assert_eq!(report(&Options { min_side: Some(16), ..options(8) }).1, 10);
    assert_eq!(report(&Options { min_side: Some(1), ..options(64) }).1, 0);
}

#[test]
fn five_percent_are_held_back_by_content() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        put(folder.path(), &format!("{number}.png"), &encoded(number, 8));
    }
    let held_back = |options: &Options| {
        let pictures = Dataset::open(&[folder.path()], options).unwrap();
        let held: Vec<_> = (0..pictures.validation_len()).map(|i| pictures.validation(i).unwrap()).collect();
        assert_eq!(pictures.len() + held.len(), 1000);
        held
    };
    let usual = held_back(&options(8));
    assert!((30..=70).contains(&usual.len()), "{}", usual.len()); // 50, standard deviation 7
    assert_eq!(held_back(&Options { seed: 9, ..options(8) }), usual);
    assert_eq!(held_back(&options(4)).len(), usual.len());
    let more = held_back(&Options { validation: 0.1, ..options(8) });
    assert!(usual.iter().all(|picture| more.contains(picture)));
    assert!(held_back(&Options { validation: 0.0, ..options(8) }).is_empty());
}

#[test]
fn the_fingerprint_tells_other_pictures_sizes_and_splits() {
    let folder = folder(60);
    let print = |options: &Options| Dataset::open(&[folder.path()], options).unwrap().fingerprint().to_owned();
    let usual = print(&options(8));
    assert_eq!(usual.len(), 64);
    assert_eq!(print(&Options { seed: 3, mirror: false, ..options(8) }), usual);
    assert_ne!(print(&options(4)), usual);
    assert_ne!(print(&Options { validation: 0.5, ..options(8) }), usual);
    fs::remove_file(folder.path().join(name(0))).unwrap();
    assert_ne!(print(&options(8)), usual);
}

#[test]
fn progress_counts_up_to_the_total() {
    let folder = folder(200);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let progress = Arc::new(move |progress| listener.lock().unwrap().push(progress));
    Dataset::open(&[folder.path()], &Options { progress: Some(progress), ..options(8) }).unwrap();
    let heard: Vec<_> = heard.lock().unwrap().iter().filter(|step| step.stage == Stage::Decoding).copied().collect();
    assert!(heard.len() > 1);
    assert!(heard.is_sorted_by_key(|step| step.done));
    assert!(heard.iter().all(|step| step.total == Some(200)));
    assert_eq!(heard.last().unwrap().done, 200);
}

#[test]
fn missing_data_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("faces.tar");
    assert!(refusal(&[&missing], &options(8)).contains(&format!("there is no {}", missing.display())));
    let pattern = folder.path().join("faces-*.tar");
    assert!(refusal(&[&pattern], &options(8)).contains("nothing matches the pattern"));
    let malformed = folder.path().join("faces-***.tar");
    assert!(refusal(&[&malformed], &options(8)).contains("cannot be understood"));
    assert!(refusal(&[], &options(8)).contains("no training data given"));
}

#[test]
fn an_empty_data_set_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "notes.txt", b"later");
    let message = refusal(&[folder.path()], &options(8));
    assert!(message.contains("0 picture files found") && message.contains("1 other files"), "{message}");
    put(folder.path(), "a.png", &encoded(1, 8));
    let message = refusal(&[folder.path()], &options(64));
    assert!(message.contains("1 with a side below 32 pixels"), "{message}");
    assert!(message.contains("--min-side") && !message.contains("--config"), "{message}");
}

#[test]
fn what_is_no_tar_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    for (content, advice) in [
        (&b""[..], "it is empty"),
        (b"hello", "shorter than the header"),
        (&[7; 2000], "no tar header"),
        (&[0x1f, 0x8b, 8, 0, 0], "run gunzip"),
        (b"PK\x03\x04", "unpack it"),
    ] {
        let path = put(folder.path(), "faces.tar", content);
        let message = refusal(&[&path], &options(8));
        assert!(message.contains(advice) && message.contains("faces.tar"), "{message}");
    }
}

#[test]
fn a_cut_off_tar_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faces.tar");
    tar(&path, &entries(0..10));
    let whole = fs::read(&path).unwrap();
    // Within the content of an entry, and within a header.
    for length in [512 + 100, 700 + whole.len() / 2, whole.len() - 1024 - 100] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Dataset::open(&[&path], &options(8)).unwrap_err();
        assert!(matches!(error, Error::BrokenTar { .. }), "{length}: {error}");
        assert!(error.to_string().contains("again"), "{error}");
    }
}

#[test]
fn options_outside_their_range_are_refused() {
    let folder = folder(10);
    for (wrong, field) in [
        (options(0), "size"),
        (options(1 << 20), "size"),
        (Options { validation: 1.0, ..options(8) }, "validation"),
        (Options { validation: f32::NAN, ..options(8) }, "validation"),
        (Options { max_broken: -0.1, ..options(8) }, "max_broken"),
    ] {
        let message = refusal(&[folder.path()], &wrong);
        assert!(message.contains(&format!("the data option {field} is")), "{message}");
    }
}

#[test]
fn sources_keep_the_order_of_the_arguments_and_forget_repetitions() {
    let folder = folder(3);
    let file = folder.path().canonicalize().unwrap().join(name(1));
    let path = folder.path().canonicalize().unwrap();
    let arguments = [file.as_path(), &path, Path::new(&path), &file];
    assert_eq!(Source::parse(&arguments).unwrap(), [Source::Picture(file.clone()), Source::Folder(path.clone())]);
}
