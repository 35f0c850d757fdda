//! What a user does with the projector, from the outside: find a picture, draw it again, ask a service for it, stop half way.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{fail, succeed, tadne, text};
use synth::{Architecture, Ink, ModelFile, Seed, WeightDtype};

/// A small model with weights drawn by lot in `folder`, and the picture of one of its seeds.
fn model(folder: &Path, ink: Option<Ink>) -> (PathBuf, PathBuf) {
    let architecture = Architecture { ink, ..Architecture::plain(8, 8, &[16, 16, 12]) };
    let path = folder.join("model.safetensors");
    ModelFile::random(architecture, Seed(5)).unwrap().save(&path, WeightDtype::F32).unwrap();
    succeed(&["generate", "--model", text(&path), "--seeds", "77", "--psi", "0.7", "--out", text(folder)]);
    (path, folder.join("seed00077.png"))
}

fn pixels(path: &Path) -> image::RgbImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_rgb8()
}

/// What a service with this model answers to a request, `GET /` or `POST /` and so on, with a body.
fn served(model: &Path, request: &str, body: &[u8]) -> Vec<u8> {
    let arguments = ["serve", "--model", text(model), "--addr", "127.0.0.1:0", "--threads", "1"];
    let mut child = tadne(&arguments).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("http://")?.1.split_whitespace().next()?.to_owned()))
        .expect("the server prints its address");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let length = body.len();
    write!(stream, "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
        .and_then(|()| stream.write_all(body))
        .expect("the request goes out");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer comes back");
    let _ = child.kill();
    let _ = child.wait();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(400)]));
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("the answer has a head");
    answer[end + 4..].to_vec()
}

#[test]
fn a_drawing_is_found_and_drawn_again_by_file_and_by_service() {
    let dir = tempfile::tempdir().unwrap();
    let (model, picture) = model(dir.path(), None);
    let out = dir.path().join("found");
    let project = |out: &Path, seed: &str, threads: &str| {
        let arguments = ["project", text(&picture), "--model", text(&model), "--out", text(out), "--pull", "0.0001"];
        succeed(&[&arguments[..], &["--steps", "150", "--seed", seed, "--threads", threads]].concat())
    };
    let said = project(&out, "0", "2");
    assert!(said.contains("pixels alone") && said.contains("after"), "{said}");

    let (target, found) = (pixels(&picture), pixels(&out.join("found.png")));
    let square = target.iter().zip(found.iter()).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    let error = (square / target.len() as f64).sqrt();
    assert!(error < 6.0, "off by {error} of 255");
    let compared = pixels(&out.join("compare.png"));
    assert_eq!((compared.width(), compared.height()), (2 * target.width(), target.height()));
    assert!(compared.enumerate_pixels().all(|(x, y, pixel)| match x.checked_sub(target.width()) {
        None => pixel == target.get_pixel(x, y),
        Some(x) => pixel == found.get_pixel(x, y),
    }));
    let way = image::codecs::webp::WebPDecoder::new(fs::File::open(out.join("way.webp")).map(BufReader::new).unwrap());
    assert!(way.unwrap().has_animation());
    let stats = fs::read_to_string(out.join("stats.jsonl")).unwrap();
    let losses: Vec<f64> = stats
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["starts"][0]["loss"].as_f64().unwrap())
        .collect();
    assert_eq!(losses.len(), 150);
    assert!(losses[149] < 0.1 * losses[0], "{} to {}", losses[0], losses[149]);

    let vectors = out.join("found.safetensors");
    let drawn = dir.path().join("drawn");
    succeed(&["generate", "--model", text(&model), "--w", text(&vectors), "--out", text(&drawn)]);
    assert!(fs::read(drawn.join("found.png")).unwrap() == fs::read(out.join("found.png")).unwrap());
    let request = fs::read(out.join("found.json")).unwrap();
    assert!(served(&model, "POST /api/v1/pictures", &request) == fs::read(out.join("found.png")).unwrap());

    // In its address a w is rounded, so the picture is near, and an address that is passed on is one of the pages.
    let address = fs::read_to_string(out.join("address.txt")).unwrap();
    let page = String::from_utf8(served(&model, &format!("GET {}", address.trim_end()), b"")).unwrap();
    let (name, psi) = address.trim_end().strip_prefix("/p/").unwrap().split_once('?').unwrap();
    assert!(page.contains(name), "{page}");
    let rounded = served(&model, &format!("GET /api/v1/pictures/{name}.png?{psi}"), b"");
    let rounded = image::load_from_memory(&rounded).unwrap().to_rgb8();
    let furthest = rounded.iter().zip(found.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(furthest <= 16, "{furthest} of 255");

    // Equal seeds find the same on any number of threads.
    let again = dir.path().join("again");
    project(&again, "0", "1");
    assert!(fs::read(again.join("found.safetensors")).unwrap() == fs::read(&vectors).unwrap());
    project(&again, "1", "1");
    assert!(fs::read(again.join("found.safetensors")).unwrap() != fs::read(&vectors).unwrap());

    // Vectors of another model are refused where they do not fit.
    assert!(fail(&["generate", "--w", text(&vectors), "--out", text(&drawn)]).contains("not for this model"));
    let refused = fail(&["generate", "--w", text(&vectors), "--seeds", "1", "--out", text(&drawn)]);
    assert!(refused.contains("cannot be used with"), "{refused}");
}

#[test]
fn inked_models_are_compared_as_they_compose_and_drawn_as_they_ink() {
    let dir = tempfile::tempdir().unwrap();
    let (model, picture) = model(dir.path(), Some(Ink { channels: 4, blocks: 1, factor: 2 }));
    let out = dir.path().join("found");
    let said = succeed(&["project", text(&picture), "--model", text(&model), "--steps", "5", "--out", text(&out)]);
    assert!(said.contains("compared at 16 x 16"), "{said}");
    assert_eq!(pixels(&out.join("found.png")).dimensions(), (32, 32));
}

#[test]
fn networks_of_others_are_projected_into_in_w_plus_too() {
    let dir = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/tests/golden");
    for (file, class) in [("ada-64.pkl", None), ("tensorflow-64.pkl", None), ("ada-conditional-32.pkl", Some("2"))] {
        let model = golden.join(file);
        let class = class.map_or(vec![], |class| vec!["--class", class]);
        succeed(
            &[&["generate", "--model", text(&model), "--seeds", "3", "--out", text(dir.path())], &class[..]].concat(),
        );
        let out = dir.path().join(file);
        // As an earlier search for one w leaves it.
        fs::create_dir(&out).unwrap();
        fs::write(out.join("found.json"), "{}").unwrap();
        fs::write(out.join("address.txt"), "/p/0").unwrap();
        let picture = dir.path().join("seed00003.png");
        let arguments = ["project", text(&picture), "--model", text(&model), "--space", "w+", "--out", text(&out)];
        let more = ["--steps", "30", "--starts", "2", "--frames", "3"];
        succeed(&[&arguments[..], &more, &class].concat());
        assert!(!out.join("found.json").exists() && !out.join("address.txt").exists(), "they hold one vector");
        let vectors = out.join("found.safetensors");
        let drawn = dir.path().join("drawn");
        succeed(
            &[&["generate", "--model", text(&model), "--w", text(&vectors), "--out", text(&drawn)], &class[..]]
                .concat(),
        );
        assert!(fs::read(drawn.join("found.png")).unwrap() == fs::read(out.join("found.png")).unwrap(), "{file}");
    }
}

#[test]
fn what_cannot_be_projected_is_named_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (model, picture) = model(dir.path(), None);
    let words = dir.path().join("words.png");
    fs::write(&words, b"words").unwrap();
    let out = dir.path().join("found");
    let with = |picture: &str, more: &[&str]| {
        fail(&[&["project", picture, "--model", text(&model), "--out", text(&out)], more].concat())
    };
    for (error, word) in [
        (with("missing.png", &[]), "missing.png"),
        (with(text(&words), &[]), "no WebP, JPEG, PNG"),
        (with(text(dir.path()), &[]), "no regular file"),
        (with(text(&picture), &["--features", "missing"]), "missing.safetensors"),
        (with(text(&picture), &["--features", text(&model)]), "no feature network"),
        (with(text(&picture), &["--starts", "0"]), "'--starts <N>': 0 is not in 1..=64"),
        (with(text(&picture), &["--steps", "0"]), "'--steps <N>': 0 is not in 1..=1000000"),
        (with(text(&picture), &["--pull=-1"]), "'--pull <WEIGHT>': use a number"),
        (with(text(&picture), &["--feature-weight", "inf"]), "'--feature-weight <WEIGHT>': use a number"),
        (with(text(&picture), &["--noise-strength", "NaN"]), "'--noise-strength <DEVIATIONS>': use a number"),
        (with(text(&picture), &["--lr", "0"]), "'--lr <RATE>': use a number above 0"),
        (with(text(&picture), &["--space", "z"]), "possible values: w, w+"),
        (fail(&["project", text(&picture), "--model", text(&words), "--out", text(&out)]), "words.png"),
        (fail(&["generate", "--w", text(&model), "--out", text(&out)]), "tadne project"),
        (fail(&["generate", "--w", "missing.safetensors", "--out", text(&out)]), "missing.safetensors"),
    ] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(!out.exists(), "a failed command left something behind");
    // A file where the folder should be.
    assert!(fail(&["project", text(&picture), "--model", text(&model), "--out", text(&words)]).contains("words.png"));
}

#[cfg(unix)]
#[test]
fn what_was_found_before_ctrl_c_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (model, picture) = model(dir.path(), None);
    let out = dir.path().join("found");
    let arguments = ["project", text(&picture), "--model", text(&model), "--steps", "1000000", "--out", text(&out)];
    let mut child = tadne(&arguments).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("machine")), "it says what computes");
    // The handler stands once the line after it is out.
    assert!(lines.any(|line| line.starts_with("folder")), "it says where it writes");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "an interrupted search ends well: {rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("found")), "{rest:?}");
    assert!(pixels(&out.join("found.png")).dimensions() == pixels(&picture).dimensions());
    assert!(out.join("found.safetensors").exists() && out.join("way.webp").exists());
}
