//! Files that are damaged, malformed or mean harm: an error in bounded time and memory, never a panic, nothing run.

mod common;

use std::path::PathBuf;

use common::golden;
use fastrand::Rng;
use interop::blob::Blob;
use interop::document::Document;
use interop::pickle::{Limits, read};
use interop::{Error, WeightSet, find};
use proptest::prelude::*;
use synth::Metadata;

/// The smallest files of every kind, and the hostile ones, that the fuzzer starts from.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/open");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// Opens bytes as a model and loads it if there is a small one.
fn import(bytes: Vec<u8>) -> Result<synth::ModelFile, Error> {
    let network = interop::open_blob(&Blob::from(bytes), WeightSet::Ema)?;
    assert!(network.parameters() < 1 << 24, "the file grew to {} weights", network.parameters());
    network.load(Metadata::default(), &mut |_| ())
}

#[test]
fn the_smallest_files_of_every_kind_can_be_drawn_from() {
    let mut drawn = 0;
    for (name, bytes) in corpus().into_iter().filter(|(name, _)| !name.starts_with("hostile")) {
        let model = import(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(model.architecture.resolution(), (8, 8), "{name}");
        synth::Generator::new(&model).unwrap();
        drawn += 1;
    }
    assert_eq!(drawn, 11);
}

#[test]
fn every_protocol_says_the_same() {
    let files = corpus();
    let load = |name: &str| import(files.iter().find(|(n, _)| n == name).unwrap().1.clone()).unwrap();
    let first = load("nvidia-4.pkl");
    for name in ["nvidia-0.pkl", "nvidia-2.pkl", "nvidia-5.pkl"] {
        assert_eq!(first, load(name), "{name}");
    }
    assert_eq!(load("rosinality-zip.pt"), load("rosinality-legacy.pt"));
}

#[test]
fn a_thousand_mutations_are_errors_or_models_but_never_a_panic_or_much_memory() {
    let mut rng = Rng::with_seed(2026);
    let (mut errors, mut models) = (0, 0);
    for (name, bytes) in corpus().into_iter().filter(|(name, _)| !name.starts_with("hostile")) {
        for _ in 0..150 {
            let mut mutant = bytes.clone();
            for _ in 0..=rng.usize(..3) {
                let place = rng.usize(..mutant.len());
                match rng.usize(..6) {
                    0 => mutant.truncate(place),
                    1 => mutant[place] ^= 1 << rng.usize(..8),
                    2 => mutant[place] = rng.u8(..),
                    // Lengths and counts that are far too large.
                    3 => mutant[place..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                    4 => {
                        let copy = mutant[place..(place + rng.usize(..64)).min(mutant.len())].to_vec();
                        let to = rng.usize(..mutant.len());
                        mutant.splice(to..to, copy);
                    }
                    _ => drop(mutant.drain(place..(place + rng.usize(..64)).min(mutant.len()))),
                }
                if mutant.is_empty() {
                    break;
                }
            }
            match import(mutant) {
                Ok(_) => models += 1,
                Err(error) => {
                    assert!(error.to_string().len() > 10, "{name}: {error}");
                    errors += 1;
                }
            }
        }
    }
    assert_eq!(errors + models, 11 * 150);
    assert!(errors > 300 && models > 50, "{errors} errors, {models} models: the mutations are too tame or too wild");
    // The most this process ever held, all tests of this file together.
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let peak: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(peak < 1 << 20, "{peak} kB");
    }
}

#[test]
fn every_truncation_of_a_pickle_is_an_error() {
    let files = corpus();
    for name in ["tensorflow-4.pkl", "rosinality-zip.pt", "rosinality-legacy.pt"] {
        let bytes = &files.iter().find(|(n, _)| n == name).unwrap().1;
        for end in 0..bytes.len() {
            assert!(import(bytes[..end].to_vec()).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn files_that_mean_harm_are_refused_with_a_reason() {
    let files = corpus();
    let mut hostile: Vec<(String, String)> = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("hostile")) {
        hostile.push((name.clone(), import(bytes.clone()).unwrap_err().to_string()));
    }
    assert_eq!(hostile.len(), 7);
    let error = |name: &str| &hostile.iter().find(|(n, _)| n == name).unwrap().1;
    assert!(error("hostile-system.pkl").contains("os.system"), "the call is named, and was not made");
    assert!(error("hostile-system-0.pkl").contains("bytes") || error("hostile-system-0.pkl").contains("os.system"));
    assert!(error("hostile-long-length.pkl").contains("bytes should follow"));
}

#[test]
fn a_call_hidden_in_an_honest_file_is_told_and_not_made() {
    let (_, mut bytes) = corpus().into_iter().find(|(name, _)| name == "tensorflow-4.pkl").unwrap();
    // Before the last instruction: call os.system and forget the result.
    bytes.pop();
    let file = tempfile::tempdir().unwrap();
    let trace = file.path().join("harm");
    let command = format!("touch {}", trace.display());
    bytes.extend(b"cos\nsystem\n(X");
    bytes.extend((command.len() as u32).to_le_bytes());
    bytes.extend(command.as_bytes());
    bytes.extend(b"tR0.");
    let document = Document::open(&Blob::from(bytes)).unwrap();
    let network = find(&document, WeightSet::Ema).unwrap();
    assert!(network.notes.iter().any(|note| note.contains("os.system")), "{:?}", network.notes);
    network.load(Metadata::default(), &mut |_| ()).unwrap();
    assert!(!trace.exists());
}

#[test]
fn limits_hold() {
    let tight = Limits { values: 1000, steps: 5000, text: 1000 };
    let refused = |bytes: Vec<u8>| match read(&Blob::from(bytes), tight) {
        Err(Error::TooMuch(what)) => what,
        other => panic!("{other:?}"),
    };
    refused([b"\x80\x04".to_vec(), b"N".repeat(2000)].concat());
    refused([b"\x80\x04".to_vec(), b"(".repeat(2000)].concat());
    refused([b"\x80\x04N".to_vec(), b"20".repeat(6000)].concat());
    refused([b"\x80\x04N".to_vec(), b"2".repeat(2000)].concat());
    refused([b"\x80\x04(".to_vec(), b"X\x10\x00\x00\x000123456789abcdef0".repeat(100)].concat());
    // Each round doubles what a list refers to.
    refused([b"\x80\x04]q\x00(NNNNNNNNe".to_vec(), b"(h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00e".repeat(400)].concat());
}

#[test]
fn other_networks_are_named_and_refused() {
    let refuse = |file: &str| interop::open(&golden(file), WeightSet::Ema).unwrap_err().to_string();
    let error = refuse("stylegan3-t.pkl");
    assert!(error.contains("StyleGAN3-T") && error.contains("--cfg=stylegan2"), "{error}");
    let error = refuse("lucidrains.pt");
    assert!(error.contains("lucidrains"), "{error}");
    let error = import(b"\x1f\x8b\x08\x00 and more".to_vec()).unwrap_err().to_string();
    assert!(error.contains("gzip"), "{error}");
    let error = refuse("make.py");
    assert!(error.contains("neither a pickle"), "{error}");
    assert!(interop::open(&golden("absent.pkl"), WeightSet::Ema).is_err());
    assert!(interop::open(&golden(""), WeightSet::Ema).is_err(), "a folder");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_end_in_bounded_time(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = import([b"\x80\x04".as_slice(), &bytes].concat());
        let _ = import(bytes);
    }

    /// Instructions that exist, in any order, with small payloads.
    #[test]
    fn any_instructions_end_in_bounded_time(
        codes in prop::collection::vec((prop::sample::select(b"().012]}abdehlostuqRNKMXUCQ\x81\x85\x86\x87\x88\x8f\x90\x91\x92\x93\x94".to_vec()), 0_u8..4), 0..200),
    ) {
        let mut bytes = b"\x80\x04".to_vec();
        for (code, payload) in codes {
            bytes.push(code);
            match code {
                b'K' | b'h' | b'q' | b'U' | b'C' => bytes.push(payload),
                b'M' => bytes.extend([payload, 0]),
                b'X' => bytes.extend([1, 0, 0, 0, b'a' + payload]),
                _ => {}
            }
            bytes.resize(bytes.len() + if matches!(code, b'U' | b'C') { usize::from(payload) } else { 0 }, b'x');
        }
        bytes.push(b'.');
        let _ = import(bytes);
    }
}
