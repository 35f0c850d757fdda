//! Model files: what comes back, and what is refused.

mod common;

use common::{architectures, model};
use proptest::prelude::*;
use synth::{Calibration, Generator, ModelError, ModelFile, ModelHeader, Tensor, WeightDtype};

fn small() -> ModelFile {
    let mut architecture = architectures()[0].clone();
    architecture.channels = vec![3, 2];
    architecture.w_dim = 4;
    let mut model = model(&architecture);
    model.metadata.license = "research only".into();
    model.metadata.provenance = serde_json::json!({ "config": "test", "kimg": 12.5 });
    model.metadata.calibration = Some(Calibration { psi_low: 0.3, psi_best: 0.7, psi_high: 1.4 });
    model
}

#[test]
fn f32_comes_back_bit_for_bit() {
    for architecture in architectures() {
        let model = model(&architecture);
        assert_eq!(ModelFile::from_bytes(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap(), model);
    }
    let model = small();
    assert_eq!(ModelFile::from_bytes(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap(), model);
}

#[test]
fn f16_comes_back_rounded_once() {
    let model = small();
    let bytes = model.to_bytes(WeightDtype::F16).unwrap();
    let back = ModelFile::from_bytes(&bytes).unwrap();
    for (name, tensor) in &model.tensors {
        for (a, b) in tensor.data.iter().zip(&back.tensors[name].data) {
            assert!((a - b).abs() <= a.abs() / 2048.0 + 3e-8, "{name}: {a} {b}");
        }
    }
    assert_eq!(back.metadata, model.metadata);
    assert_eq!(back.to_bytes(WeightDtype::F16).unwrap(), bytes, "a second rounding changes nothing");
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = small().to_bytes(WeightDtype::F16).unwrap();
    for end in 0..bytes.len() {
        assert!(matches!(ModelFile::from_bytes(&bytes[..end]), Err(ModelError::Format(_))), "cut at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn a_corrupted_file_never_panics(place: prop::sample::Index, value: u8, in_header: bool) {
        let mut bytes = small().to_bytes(WeightDtype::F16).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let place = place.index(if in_header { header } else { bytes.len() });
        bytes[place] = value;
        if let Ok(model) = ModelFile::from_bytes(&bytes) {
            prop_assert!(Generator::new(&model).is_ok());
        }
    }
}

/// A safetensors file without tensors whose metadata are those given.
fn empty_file(entries: &[(&str, &str)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(), Some(entries)).unwrap()
}

#[test]
fn absurd_architectures_are_refused_before_any_memory_is_asked_for() {
    for (field, value) in [
        ("w_dim", "18446744073709551615"),
        ("base", "[1000000,1000000]"),
        ("channels", "[]"),
        ("channels", "[4096,4096,4096,4096,4096,4096,4096,4096,4096]"),
        ("conv_clamp", "-1.0"),
    ] {
        let mut json = serde_json::to_value(small().architecture).unwrap();
        json[field] = serde_json::from_str(value).unwrap();
        let file =
            empty_file(&[("format", "tadne-generator"), ("format_version", "1"), ("architecture", &json.to_string())]);
        let error = ModelFile::from_bytes(&file).unwrap_err();
        assert!(matches!(error, ModelError::Architecture(_)), "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn unknown_words_in_the_metadata_are_refused_by_entry() {
    let mut json = serde_json::to_value(small().architecture).unwrap();
    json["upsample"] = "sideways".into();
    let good = serde_json::to_string(&small().architecture).unwrap();
    for (entry, format, version, architecture) in [
        ("format", "something-else", "1", good.as_str()),
        ("format_version", "tadne-generator", "2", good.as_str()),
        ("architecture", "tadne-generator", "1", &json.to_string()),
        ("architecture", "tadne-generator", "1", "{"),
    ] {
        let entries = [("format", format), ("format_version", version), ("architecture", architecture)];
        match ModelFile::from_bytes(&empty_file(&entries)) {
            Err(ModelError::Metadata { entry: found, .. }) => assert_eq!(found, entry),
            other => panic!("{entry}: {other:?}"),
        }
    }
}

#[test]
fn errors_name_the_tensor() {
    type Change = fn(&mut ModelFile);
    let name = "synthesis.b8.conv0.weight";
    let changes: [(&str, Change); 5] = [
        ("missing", |m| drop(m.tensors.remove("synthesis.b8.conv0.weight"))),
        ("shape", |m| m.tensors.get_mut("synthesis.b8.conv0.weight").unwrap().shape.reverse()),
        ("values", |m| m.tensors.get_mut("synthesis.b8.conv0.weight").unwrap().data.truncate(1)),
        ("finite", |m| m.tensors.get_mut("synthesis.b8.conv0.weight").unwrap().data[1] = f32::NAN),
        ("unknown", |m| m.architecture.channels.truncate(1)),
    ];
    for (word, change) in changes {
        let mut model = small();
        change(&mut model);
        let error = Generator::new(&model).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(error.contains(name) || word == "unknown", "{error}");
        assert!(model.to_bytes(WeightDtype::F32).is_err());
    }
}

#[test]
fn a_weight_too_large_for_f16_is_refused_by_name() {
    let mut model = small();
    model.tensors.get_mut("mapping.w_avg").unwrap().data[0] = 1e6;
    let error = model.to_bytes(WeightDtype::F16).unwrap_err().to_string();
    assert!(error.contains("mapping.w_avg") && error.contains("1000000"), "{error}");
    assert!(model.to_bytes(WeightDtype::F32).is_ok());
}

#[test]
fn saving_replaces_the_file_whole_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "an older file").unwrap();
    let model = small();
    model.save(&path, WeightDtype::F32).unwrap();
    assert_eq!(ModelFile::open(&path).unwrap(), model);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // A model that cannot be written leaves the old file as it was.
    let mut broken = model.clone();
    broken.tensors.get_mut("mapping.w_avg").unwrap().data[0] = f32::INFINITY;
    assert!(broken.save(&path, WeightDtype::F32).is_err());
    assert_eq!(ModelFile::open(&path).unwrap(), model);
    let error = model.save(&folder.path().join("none/model.safetensors"), WeightDtype::F32).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("none"), "{error}");
    let error = ModelFile::open(&folder.path().join("absent")).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("absent"), "{error}");
}

#[test]
fn other_safetensors_files_are_refused_with_a_reason() {
    let error = ModelFile::from_bytes(&empty_file(&[("framework", "pt")])).unwrap_err().to_string();
    assert!(error.contains("\"format\"") && error.contains("missing"), "{error}");
}

#[test]
fn the_fingerprint_changes_with_any_weight_and_only_then() {
    let model = small();
    let mut other = model.clone();
    other.metadata.license = "another".into();
    assert_eq!(model.fingerprint(), other.fingerprint());
    for name in model.tensors.keys() {
        let mut other = model.clone();
        let first: &mut Tensor = other.tensors.get_mut(name).unwrap();
        first.data[0] = f32::from_bits(first.data[0].to_bits() ^ 1);
        assert_ne!(model.fingerprint(), other.fingerprint(), "{name}");
    }
    assert_eq!(model.fingerprint().len(), 16);
}

#[test]
fn the_header_tells_the_same_without_the_weights_and_notices_a_cut_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = small();
    model.save(&path, WeightDtype::F16).unwrap();
    let header = ModelHeader::open(&path).unwrap();
    assert_eq!((&header.architecture, &header.metadata), (&model.architecture, &model.metadata));
    assert_eq!(header.parameters, model.tensors.values().map(|t| t.data.len()).sum::<usize>());
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(header.bytes, bytes.len() as u64);
    for end in [0, 4, 8, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(matches!(ModelHeader::open(&path), Err(ModelError::Format(_))), "cut at {end}");
    }
}
