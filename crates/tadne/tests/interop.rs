//! What a user does with other people's networks, from the outside: import, info, draw, serve, export.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fail, succeed, text};

/// A small network that its authors' code wrote.
fn golden(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/tests/golden");
    folder.join(file).to_str().expect("test paths are text").to_owned()
}

#[test]
fn an_imported_file_draws_what_the_network_draws() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.safetensors");
    let said = succeed(&["import", &golden("tensorflow-64.pkl"), "--out", text(&model)]);
    for word in ["Gs", "64 x 64", "TensorFlow", "noise stored", "not imported  G, D"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let draw = |name: &str, model: &str, more: &[&str]| {
        let out = dir.path().join(name);
        succeed(&[&["generate", "--model", model, "--seeds", "5", "--out", text(&out)], more].concat());
        fs::read(out.join("seed00005.png")).unwrap()
    };
    let numpy = ["--seed-style", "numpy"];
    let imported = draw("a", text(&model), &numpy);
    assert!(imported == draw("b", &golden("tensorflow-64.pkl"), &numpy), "a .pkl can be drawn from as it is");
    assert!(imported != draw("c", text(&model), &[]), "philox and numpy seeds are the same");
    let random = ["--seed-style", "numpy", "--noise", "random"];
    assert!(imported != draw("d", text(&model), &random));
    assert!(draw("e", text(&model), &random) == draw("f", text(&model), &random));
    let seeded = [&random[..], &["--noise-seed", "3"]].concat();
    assert!(draw("g", text(&model), &seeded) != draw("h", text(&model), &random));
    assert!(draw("i", text(&model), &["--noise", "none"]) != draw("j", text(&model), &[]));
    // Where it would count for nothing it is refused.
    let out = dir.path().join("k");
    let refused = |more: &[&str]| {
        fail(&[&["generate", "--model", text(&model), "--noise-seed", "3", "--out", text(&out)], more].concat())
    };
    assert!(refused(&[]).contains("--noise-seed 3: ") && refused(&[]).contains("add --noise random"));
    assert!(refused(&["--noise", "none"]).contains("use --noise random"));
    assert!(!out.exists());
}

#[test]
fn classes_are_chosen_by_number_and_wrong_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = golden("ada-conditional-32.pkl");
    let draw = |class: &str| {
        let out = dir.path().join(class);
        succeed(&["generate", "--model", &model, "--class", class, "--out", text(&out)]);
        fs::read(out.join("seed00000.png")).unwrap()
    };
    assert!(draw("0") != draw("4"));
    let out = text(dir.path());
    assert!(fail(&["generate", "--model", &model, "--class", "5", "--out", out]).contains("0 to 4"));
    assert!(fail(&["generate", "--class", "0", "--out", out]).contains("knows no classes"));
}

#[test]
fn info_tells_of_any_file_without_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.safetensors");
    succeed(&["import", &golden("ada-64.pkl"), "--f16", "--license", "CC0", "--out", text(&model)]);
    let about =
        |file: &str| -> serde_json::Value { serde_json::from_str(&succeed(&["info", file, "--json"])).unwrap() };
    let (imported, original) = (about(text(&model)), about(&golden("ada-64.pkl")));
    for key in ["architecture", "parameters", "width", "macs"] {
        assert_eq!(imported[key], original[key], "{key}");
    }
    assert_eq!((&imported["license"], &imported["provenance"]["network"]), (&"CC0".into(), &"G_ema".into()));
    assert!(imported["fingerprint"].is_null(), "the weights were read");
    assert!(succeed(&["info", text(&model), "--fingerprint"]).contains("fingerprint"));
    assert!(succeed(&["info", &golden("rosinality-64.pt")]).contains("GFLOP"));
}

#[test]
fn what_cannot_be_imported_says_why_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    let import = |file: &str| fail(&["import", file, "--out", text(&out)]);
    assert!(import(&golden("stylegan3-t.pkl")).contains("StyleGAN3-T"));
    assert!(import(&golden("lucidrains.pt")).contains("lucidrains"));
    assert!(import("absent.pkl").contains("absent.pkl"));
    let own = import(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tadne.safetensors"));
    assert!(own.contains("nothing has to be imported") && own.contains("tadne serve --model"), "{own}");
    assert!(fail(&["import", &golden("ada-64.pkl"), "--which", "g", "--out", text(&out)]).contains("no generator G"));
    let hostile = dir.path().join("hostile.pkl");
    fs::write(&hostile, b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00truetR.").unwrap();
    assert!(import(text(&hostile)).contains("os.system"));
    assert!(!out.exists());
}

#[test]
fn a_graph_is_written_whole_and_says_what_it_takes() {
    let dir = tempfile::tempdir().unwrap();
    let graph = dir.path().join("g.onnx");
    let said = succeed(&["export-onnx", &golden("ada-conditional-32.pkl"), "--out", text(&graph)]);
    assert!(said.contains("z [N, 16], c [N, 5], psi [P, 1]"), "{said}");
    let bytes = fs::read(&graph).unwrap();
    // The version of the format, then the producer.
    assert!(bytes.starts_with(b"\x08\x08\x12\x05tadne"));
    let said = succeed(&["export-onnx", "--input", "w", "--out", text(&graph)]);
    assert!(said.contains("w [N,"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// The script in docs/format.md reads a model file. Without Python 3 it is left out, which `TADNE_TEST_ALL` makes an error.
#[test]
fn the_documented_script_reads_a_model_file() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("TADNE_TEST_ALL").is_none(), "no python3 in $PATH, and TADNE_TEST_ALL is set");
        eprintln!("left out: no python3 in $PATH");
        return;
    }
    let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let document = fs::read_to_string(document).unwrap();
    let script = document.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(script.lines().count() <= 30, "the document promises a short script");
    let dir = tempfile::tempdir().unwrap();
    let (program, model) = (dir.path().join("read.py"), dir.path().join("model.safetensors"));
    fs::write(&program, script).unwrap();
    for precision in [&[][..], &["--f16"]] {
        let import = ["import", &golden("ada-conditional-32.pkl"), "--license", "CC0", "--out", text(&model)];
        succeed(&[&import[..], precision].concat());
        let output = Command::new("python3").args([&program, &model]).output().expect("Python 3 is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("32 x 32 pixels, licence: CC0\n"), "{said}");
        let model = synth::ModelFile::open(&model).unwrap();
        for (name, tensor) in &model.tensors {
            let line = said.lines().find(|line| line.starts_with(&format!("{name} ["))).unwrap();
            let mean = tensor.data.iter().map(|&v| f64::from(v)).sum::<f64>() / tensor.data.len() as f64;
            let told: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!((told - mean).abs() < 1e-3, "{line}: {mean}");
        }
        assert_eq!(said.lines().count(), 1 + model.tensors.len());
    }
}
