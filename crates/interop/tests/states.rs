//! Weights without their checkpoint: bare state dictionaries, those of encoders, safetensors; and files that are no model.

mod common;

use std::collections::BTreeMap;

use common::golden;
use common::torch::{Node, file, safetensors};
use interop::blob::Blob;
use interop::document::Document;
use interop::{Error, ForeignGenerator, WeightSet, open, open_blob};
use synth::{Architecture, Metadata, ModelFile, NoiseInputs, Seed, Upsample};

/// A network of 8 px.
const SMALL: &str = "../../fuzz/corpus/open/rosinality-zip.pt";

/// The weights of a checkpoint's averaged generator, by their names, and the mean of w.
fn rosinality(file: &str) -> (Vec<(String, Node)>, Node) {
    let document = Document::open(&Blob::open(&golden(file)).unwrap()).unwrap();
    let pickle = document.pickle();
    let tensor = |id| {
        let view = document.array(id).unwrap().unwrap();
        Node::Tensor(view.shape().to_vec(), view.values().unwrap())
    };
    let entries = pickle.pairs(pickle.entry(pickle.root(), "g_ema").unwrap()).unwrap();
    let entries = entries.iter().map(|&(key, value)| (pickle.text(key).unwrap(), tensor(value))).collect();
    (entries, tensor(pickle.entry(pickle.root(), "latent_avg").unwrap()))
}

/// The weights of a random network under NVIDIA's names, before their gains; the inverse of what `src/ada.rs` reads.
fn nvidia() -> (Vec<(String, Node)>, ModelFile) {
    let architecture = Architecture {
        upsample: Upsample::StyleGan2,
        noise: NoiseInputs::All,
        mapping_layers: 2,
        ..Architecture::plain(8, 8, &[8, 6, 4])
    };
    let model = ModelFile::random(architecture, Seed(3)).unwrap();
    let entries = model.tensors.iter().map(|(name, tensor)| {
        let inputs: usize = tensor.shape.iter().skip(1).product();
        let fan_in = (inputs as f32).sqrt();
        let factor = match name.as_str() {
            name if name.starts_with("mapping.fc") && name.ends_with("weight") => 100.0 * fan_in,
            name if name.starts_with("mapping.fc") => 100.0,
            name if name.ends_with("affine.weight") || name.ends_with("torgb.weight") => fan_in,
            _ => 1.0,
        };
        let values = tensor.data.iter().map(|value| value * factor).collect();
        (name.clone(), Node::Tensor(tensor.shape.clone(), values))
    });
    (entries.collect(), model)
}

fn prefixed(prefix: &str, entries: &[(String, Node)]) -> Vec<(String, Node)> {
    entries.iter().map(|(name, node)| (format!("{prefix}{name}"), node.clone())).collect()
}

fn opened(bytes: Vec<u8>, which: WeightSet) -> Result<ForeignGenerator, Error> {
    open_blob(&Blob::from(bytes), which)
}

fn loaded(bytes: Vec<u8>, which: WeightSet) -> ModelFile {
    opened(bytes, which).unwrap().load(Metadata::default(), &mut |_| ()).unwrap()
}

fn dict(name: &str, entries: Vec<(String, Node)>) -> (String, Node) {
    (name.to_owned(), Node::Dict(entries))
}

#[test]
fn rosinality_s_weights_are_the_same_network_wherever_they_lie() {
    let expected = open(&golden(SMALL), WeightSet::Ema).unwrap();
    let expected = expected.load(Metadata::default(), &mut |_| ()).unwrap();
    let (weights, mean) = rosinality(SMALL);
    let mean = ("latent_avg".to_owned(), mean);
    let bare = [weights.clone(), vec![mean.clone()]].concat();
    let encoder = ("encoder.input_layer.0.weight".to_owned(), Node::Tensor(vec![2], vec![1.0, 2.0]));
    let psp = [prefixed("decoder.", &weights), vec![encoder]].concat();
    for (what, bytes) in [
        ("bare", file(&bare)),
        ("bare, of several GPUs", file(&[prefixed("module.", &weights), vec![mean.clone()]].concat())),
        ("an encoder's", file(&[dict("state_dict", psp), mean.clone(), dict("opts", vec![])])),
        ("under g_ema, with g", file(&[dict("g", weights.clone()), dict("g_ema", weights.clone()), mean.clone()])),
        ("safetensors", safetensors(&bare)),
        ("safetensors with a prefix", safetensors(&[prefixed("g_ema.", &weights), vec![mean.clone()]].concat())),
    ] {
        assert_eq!(loaded(bytes, WeightSet::Ema), expected, "{what}");
    }
    let network = opened(file(&bare), WeightSet::Ema).unwrap();
    assert!(network.notes.iter().any(|note| note.contains("averaged")), "{:?}", network.notes);
}

#[test]
fn nvidia_s_state_dictionaries_are_read_with_what_is_assumed() {
    let (weights, model) = nvidia();
    for bytes in [
        file(&weights),
        file(&[dict("G_ema", weights.clone())]),
        file(&prefixed("G_ema.", &weights)),
        safetensors(&weights),
    ] {
        let network = opened(bytes, WeightSet::Ema).unwrap();
        assert!(network.notes.iter().any(|note| note.contains("assumed")), "{:?}", network.notes);
        let read = network.load(Metadata::default(), &mut |_| ()).unwrap();
        assert_eq!(read.architecture, model.architecture);
        for (name, tensor) in &model.tensors {
            let far = tensor.data.iter().zip(&read.tensors[name].data).any(|(a, b)| (a - b).abs() > 1e-5 * a.abs());
            assert!(!far, "{name}");
        }
    }
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let (weights, _) = nvidia();
    let without: Vec<_> = weights.iter().filter(|(name, _)| !name.contains("b8.conv1")).cloned().collect();
    let error = opened(file(&without), WeightSet::Ema).err().unwrap().to_string();
    assert!(error.contains("b8.conv1") && error.contains("is missing"), "{error}");
    let extra = ("synthesis.b4.skip.weight".to_owned(), Node::Tensor(vec![1], vec![1.0]));
    let error = opened(file(&[weights.clone(), vec![extra]].concat()), WeightSet::Ema).err().unwrap().to_string();
    assert!(error.contains("synthesis.b4.skip.weight"), "{error}");
    let few: Vec<_> =
        weights.iter().filter(|(name, _)| name.starts_with("mapping") || name.ends_with("const")).cloned().collect();
    let error = opened(file(&few), WeightSet::Ema).err().unwrap().to_string();
    assert!(error.contains("b4.conv1"), "{error}");
}

#[test]
fn the_other_generator_is_offered_where_the_wanted_one_is_not_there() {
    let (weights, _) = rosinality(SMALL);
    let only_g = file(&[dict("g", weights.clone()), dict("d", vec![])]);
    let error = opened(only_g.clone(), WeightSet::Ema).err().unwrap().to_string();
    assert!(error.contains("--which g"), "{error}");
    assert_eq!(opened(only_g, WeightSet::Raw).unwrap().name, "g");
    let only_ema = file(&[dict("g_ema", weights.clone())]);
    let error = opened(only_ema, WeightSet::Raw).err().unwrap().to_string();
    assert!(error.contains("leave --which g out"), "{error}");
    let error = open(&golden("ada-64.pkl"), WeightSet::Raw).err().unwrap().to_string();
    assert!(error.contains("no generator G, but G_ema"), "{error}");
    assert_eq!(opened(file(&weights), WeightSet::Raw).unwrap().name, "the state dictionary");
}

#[test]
fn weights_of_other_families_are_named() {
    let tensor = Node::Tensor(vec![2], vec![1.0, 2.0]);
    for (name, word) in [
        ("synthesis.input.freqs", "StyleGAN3"),
        ("style_convs.0.weight", "no StyleGAN2"),
        ("constant_input.weight", "GFPGAN"),
        ("generator_ema.constant_input.input", "MMGeneration"),
        ("GE.initial_block", "lucidrains"),
        ("generator.progression.0.conv1.conv.weight_orig", "first StyleGAN"),
    ] {
        let entries = [(name.to_owned(), tensor.clone())];
        for bytes in [file(&entries), file(&[dict("params_ema", entries.to_vec())]), safetensors(&entries)] {
            let error = opened(bytes, WeightSet::Ema).err().unwrap().to_string();
            assert!(error.contains(word), "{name}: {error}");
        }
    }
}

#[test]
fn downloads_that_are_not_the_model_are_named_with_the_next_step() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 363984112\n";
    let quota = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>";
    let mut npz = Vec::new();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut npz));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let archive = |name: &str| {
        let mut bytes = Vec::new();
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut bytes));
        writer.start_file(name, stored).unwrap();
        writer.finish().unwrap();
        bytes
    };
    writer.start_file("w.npy", stored).unwrap();
    writer.finish().unwrap();
    let cases: BTreeMap<&str, (Vec<u8>, &[&str])> = BTreeMap::from([
        ("empty", (vec![], &["empty", "download it again"][..])),
        ("quota", (quota.to_vec(), &["web page", "Google Drive", "tomorrow"])),
        ("login", (b"\n<html><body>Please log in".to_vec(), &["web page", "open the link in a browser"])),
        ("lfs", (pointer.to_vec(), &["git LFS pointer", "364.0 MB", "git lfs pull"])),
        ("gzip", (b"\x1f\x8b\x08\x00 and more".to_vec(), &["gzip", "gunzip"])),
        ("xz", (b"\xfd7zXZ\x00 and more".to_vec(), &["xz", "unxz"])),
        ("onnx", (b"\x08\x08\x12\x05tadne".to_vec(), &["ONNX", "exported from"])),
        ("png", (b"\x89PNG\r\n\x1a\n".to_vec(), &["picture"])),
        ("xml", (b"<?xml version='1.0'?><Error><Code>AccessDenied".to_vec(), &["XML", "denied"])),
        ("json", (b"{\"error\": \"not found\"}".to_vec(), &["JSON"])),
        ("zeros", (vec![0; 5000], &["zeros", "not finished"])),
        ("zipped", (archive("models/network.pkl"), &["models/network.pkl", "unzip"])),
        ("script", (archive("model/code/__torch__.py"), &["TorchScript"])),
        ("npz", (npz, &["npz"])),
        ("dataset", (archive("00000/img00000000.png"), &["zip of pictures", "tadne train"])),
    ]);
    for (name, (bytes, words)) in cases {
        let error = opened(bytes, WeightSet::Ema).err().unwrap_or_else(|| panic!("{name} opens")).to_string();
        for word in words {
            assert!(error.contains(word), "{name}: {word} is missing in: {error}");
        }
    }
}

#[test]
fn what_is_foreign_is_everything_but_our_model_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let foreign = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        interop::is_importable(&path).unwrap()
    };
    let ours = ModelFile::random(Architecture::plain(8, 8, &[8, 8]), Seed(1)).unwrap();
    assert!(!foreign(&ours.to_bytes(synth::WeightDtype::F16).unwrap()));
    assert!(foreign(&safetensors(&nvidia().0)) && foreign(b"") && foreign(b"<html>") && foreign(b"PK\x03\x04"));
}

#[test]
fn our_own_files_are_not_taken_for_somebody_else_s() {
    let ours = ModelFile::random(Architecture::plain(8, 8, &[8, 8]), Seed(1)).unwrap();
    let error = opened(ours.to_bytes(synth::WeightDtype::F32).unwrap(), WeightSet::Ema).err().unwrap().to_string();
    assert!(error.contains("nothing has to be imported") && error.contains("tadne serve"), "{error}");
    for (format, word) in [
        ("tadne-checkpoint", "tadne export"),
        ("tadne-ink", "model.safetensors"),
        ("tadne-w", "tadne generate --w"),
        ("tadne-features", "feature network"),
        ("pt", "no StyleGAN2 generator was found"),
    ] {
        let header = serde_json::json!({ "__metadata__": { "format": format } }).to_string();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        let error = opened(bytes, WeightSet::Ema).err().unwrap().to_string();
        assert!(error.contains(word), "{format}: {error}");
    }
}

#[test]
fn mutated_state_dictionaries_and_safetensors_are_errors_or_models() {
    let (weights, _) = nvidia();
    let mut word = 20_u64;
    let mut roll = |sides: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((word >> 33) % sides.max(1) as u64) as usize
    };
    let (mut errors, mut models) = (0, 0);
    let (decoder, mean) = rosinality(SMALL);
    let decoder = file(&[dict("state_dict", prefixed("decoder.", &decoder)), ("latent_avg".to_owned(), mean)]);
    for bytes in [file(&weights), safetensors(&weights), decoder] {
        for _ in 0..400 {
            let mut mutant = bytes.clone();
            // Mostly the structure: the header of safetensors, the pickle at the start of an archive.
            let reach = if roll(4) == 0 { mutant.len() } else { mutant.len().min(8000) };
            for _ in 0..=roll(3) {
                let place = roll(reach.min(mutant.len()));
                match roll(5) {
                    0 => mutant.truncate(place),
                    1 => mutant[place] ^= 1 << roll(8),
                    2 => mutant[place] = roll(256) as u8,
                    3 => mutant[place..].iter_mut().take(4).for_each(|byte| *byte = b'9'),
                    _ => drop(mutant.drain(place..(place + roll(64)).min(mutant.len()))),
                }
                if mutant.is_empty() {
                    break;
                }
            }
            let load = |network: ForeignGenerator| match network.parameters() {
                // Strides of zero make many weights of few numbers, up to a limit.
                0..0x0008_0000 => network.load(Metadata::default(), &mut |_| ()).map(drop),
                _ => Ok(()),
            };
            match opened(mutant, WeightSet::Ema).and_then(load) {
                Ok(()) => models += 1,
                Err(error) => {
                    assert!(error.to_string().len() > 10, "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 400 && models > 50, "{errors} errors, {models} models");
}
