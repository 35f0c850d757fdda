//! The cache saves the second start, is never believed blindly, and stands in for memory.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{encoded, folder, open, options, put, refusal, stream};
use dataset::{CacheUse, Dataset, Error, Options, Stage};
use tempfile::TempDir;

fn cached(cache: &TempDir) -> Options {
    Options { cache: Some(cache.path().join("new/folder")), ..options(8) }
}

/// The only file in the cache.
fn file(cache: &TempDir) -> PathBuf {
    let files: Vec<_> =
        fs::read_dir(cache.path().join("new/folder")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn the_second_start_decodes_nothing() {
    let (folder, cache) = (folder(60), tempfile::tempdir().unwrap());
    put(folder.path(), "bad.png", b"no picture");
    let first = Dataset::open(&[folder.path()], &cached(&cache)).unwrap();
    assert_eq!(first.report().cache, CacheUse::Written);

    let decoded = Arc::new(AtomicBool::new(false));
    let listener = Arc::clone(&decoded);
    let progress = Arc::new(move |step: dataset::Progress| {
        listener.fetch_or(step.stage != Stage::Loading, Ordering::Relaxed);
    });
    let second = Dataset::open(&[folder.path()], &Options { progress: Some(progress), ..cached(&cache) }).unwrap();
    assert_eq!(second.report().cache, CacheUse::Reused);
    assert!(!decoded.load(Ordering::Relaxed));
    assert_eq!(second.report().broken, first.report().broken);
    assert_eq!(second.fingerprint(), first.fingerprint());
    assert_eq!(stream(&second), stream(&first));
    file(&cache); // and no temporary file stays behind
}

#[test]
fn changed_data_size_or_limits_are_noticed() {
    let (folder, cache) = (folder(20), tempfile::tempdir().unwrap());
    let outcome = |options: &Options| Dataset::open(&[folder.path()], options).unwrap().report().cache.clone();
    let usual = cached(&cache);
    assert_eq!(outcome(&usual), CacheUse::Written);
    assert_eq!(outcome(&Options { size: 4, ..usual.clone() }), CacheUse::Written);
    assert_eq!(outcome(&Options { min_side: Some(7), ..usual.clone() }), CacheUse::Written);
    assert_eq!(outcome(&Options { seed: 5, mirror: false, validation: 0.2, ..usual.clone() }), CacheUse::Reused);
    put(folder.path(), "0003.webp", &encoded(77, 24));
    assert_eq!(outcome(&usual), CacheUse::Written);
    put(folder.path(), "new.png", &encoded(78, 24));
    assert_eq!(outcome(&usual), CacheUse::Written);
    let touched = fs::File::options().write(true).open(folder.path().join("new.png")).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(outcome(&usual), CacheUse::Written);
    assert_eq!(outcome(&usual), CacheUse::Reused);
}

#[test]
fn a_damaged_cache_is_remade() {
    let (folder, cache) = (folder(20), tempfile::tempdir().unwrap());
    let sound = stream(&Dataset::open(&[folder.path()], &cached(&cache)).unwrap());
    let path = file(&cache);
    let bytes = fs::read(&path).unwrap();
    let pixels = 20 * 8 * 8 * 3;
    let flipped = |at: usize| {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        damaged
    };
    for (damaged, reason) in [
        (flipped(0), "no cache of pictures"),
        (flipped(8), "version"),
        (flipped(12), "other pictures"),
        (flipped(16), "truncated"),
        (flipped(24), "truncated"),
        (flipped(40), "other pictures"),
        (flipped(70), "table is damaged"),
        (flipped(96), "checksum"),
        (flipped(96 + pixels - 1), "checksum"),
        (flipped(96 + pixels), "table is damaged"),
        (flipped(bytes.len() - 1), "table is damaged"),
        (bytes[..bytes.len() - 1].to_vec(), "truncated"),
        (bytes[..200].to_vec(), "truncated"),
        (bytes[..50].to_vec(), "header"),
        (Vec::new(), "header"),
        ([&bytes[..], &[0]].concat(), "truncated"),
    ] {
        for memory_budget in [u64::MAX, 0] {
            fs::write(&path, &damaged).unwrap();
            let pictures = Dataset::open(&[folder.path()], &Options { memory_budget, ..cached(&cache) }).unwrap();
            let CacheUse::Remade(said) = &pictures.report().cache else { panic!("{:?}", pictures.report().cache) };
            assert!(said.contains(reason), "{said}, not {reason}");
            assert_eq!(stream(&pictures), sound, "{reason}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{reason}");
        }
    }
}

#[test]
fn beyond_the_memory_budget_a_file_gives_the_same_bytes() {
    let (folder, cache) = (folder(60), tempfile::tempdir().unwrap());
    let in_memory = open(folder.path());
    let poor = Options { memory_budget: 60 * 192 - 1, ..options(8) };
    for options in [
        poor.clone(),                                            // unnamed file
        Options { cache: cached(&cache).cache, ..poor.clone() }, // written
        Options { cache: cached(&cache).cache, ..poor },         // reused
    ] {
        let pictures = Dataset::open(&[folder.path()], &options).unwrap();
        assert_eq!(stream(&pictures), stream(&in_memory));
        assert_eq!(pictures.validation(0).unwrap(), in_memory.validation(0).unwrap());
        assert_eq!(pictures.fingerprint(), in_memory.fingerprint());
    }
}

#[test]
fn damage_during_the_training_is_an_error() {
    let (folder, cache) = (folder(20), tempfile::tempdir().unwrap());
    let options = Options { memory_budget: 0, ..cached(&cache) };
    let pictures = Dataset::open(&[folder.path()], &options).unwrap();
    let path = file(&cache);
    let mut bytes = fs::read(&path).unwrap();
    bytes[96..96 + 20 * 192].fill(1);
    fs::write(&path, &bytes).unwrap();
    let error = pictures.batch(0, 1, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::DamagedCache { .. }), "{error}");
    fs::write(&path, b"").unwrap();
    assert!(pictures.training(0).unwrap_err().to_string().contains("is damaged"));
}

#[test]
fn an_unwritable_cache_matters_only_beyond_the_memory_budget() {
    let folder = folder(20);
    let nowhere = put(folder.path(), "occupied", b"a file, not a folder");
    let options = Options { cache: Some(nowhere), ..options(8) };
    let pictures = Dataset::open(&[folder.path()], &options).unwrap();
    let CacheUse::Failed(reason) = &pictures.report().cache else { panic!("{:?}", pictures.report().cache) };
    assert!(reason.contains("occupied"), "{reason}");
    let message = refusal(&[folder.path()], &Options { memory_budget: 0, ..options });
    assert!(message.contains("cannot write the cache in") && message.contains("another cache folder"), "{message}");
}

#[test]
fn a_cached_report_is_judged_anew() {
    let (folder, cache) = (folder(39), tempfile::tempdir().unwrap());
    put(folder.path(), "bad.png", b"no picture");
    Dataset::open(&[folder.path()], &cached(&cache)).unwrap();
    let strict = Options { max_broken: 0.0, ..cached(&cache) };
    assert!(refusal(&[folder.path()], &strict).contains("1 of 40 pictures are unreadable"));
}

#[test]
fn a_refused_data_set_leaves_no_cache() {
    let (folder, cache) = (folder(5), tempfile::tempdir().unwrap());
    put(folder.path(), "bad.png", b"no picture");
    refusal(&[folder.path()], &cached(&cache));
    assert_eq!(fs::read_dir(Path::new(&cached(&cache).cache.unwrap())).unwrap().count(), 0);
}
