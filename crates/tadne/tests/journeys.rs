//! One test a journey, on the real binary with the model inside it: draw files, draw a sheet, ask about the model, serve the wall.

mod common;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use common::{fail, network, succeed, tadne, text};
use synth::{Architecture, ModelFile, Seed, WeightDtype};

/// A server of the wall that ends with the test.
struct Wall {
    child: Child,
    addr: String,
}

impl Wall {
    fn start() -> Self {
        let mut child = tadne(&["--addr", "127.0.0.1:0", "--threads", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let addr = lines
            .map_while(Result::ok)
            .find_map(|l| Some(l.split_once("http://")?.1.split_whitespace().next()?.to_owned()))
            .expect("the server prints its address");
        Self { child, addr }
    }

    /// Status and body of a GET.
    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.addr).expect("the server listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("the request goes out");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the answer comes back");
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("the answer has a head");
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("the head has a status");
        (status, answer[end + 4..].to_vec())
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_service_is_asked_whether_it_is_well() {
    let wall = Wall::start();
    succeed(&["health", "--addr", &wall.addr]);
    let addr = wall.addr.clone();
    drop(wall);
    assert!(fail(&["health", "--addr", &addr]).contains(&format!("no service answers at {addr}")));
}

#[test]
fn five_addresses_give_five_valid_pictures_and_the_same_bytes_after_a_restart() {
    let addresses = [
        "/results/psi-1.0/seed00000.png",
        "/results/psi-1.0/seed00001.png",
        "/results/psi-0.3/seed00001.png",
        "/results/psi-2.0/seed18446744073709551615.webp",
        "/results/psi-0.7/seed00042.jpg",
    ];
    let draw = || {
        let wall = Wall::start();
        addresses.map(|address| {
            let (status, body) = wall.get(address);
            assert_eq!(status, 200, "{address}");
            let picture = image::load_from_memory(&body).unwrap_or_else(|e| panic!("{address} is no picture: {e}"));
            assert!(picture.width() >= 64);
            body
        })
    };
    let first = draw();
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), addresses.len(), "two addresses gave the same picture");
    assert!(first == draw(), "a second start drew other bytes");
}

#[test]
fn the_wall_answers_and_bad_addresses_get_a_sentence() {
    let wall = Wall::start();
    let (status, page) = wall.get("/");
    assert_eq!(status, 200);
    assert!(String::from_utf8_lossy(&page).contains("This Anime Does Not Exist"));
    for bad in ["/results/psi-9.0/seed00001.png", "/results/psi-1.0/seedabc.png", "/results/psi-1.0/seed00001.gif"] {
        let (status, body) = wall.get(bad);
        assert_eq!(status, 400, "{bad}");
        assert!(body.len() > 20, "{bad} is not explained");
    }
}

#[test]
fn a_taken_port_is_named() {
    let wall = Wall::start();
    let error = fail(&["serve", "--addr", &wall.addr]);
    assert!(error.contains(&wall.addr), "{error}");
}

#[test]
fn generate_writes_a_file_a_seed_and_draws_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let draw = |name: &str, threads: &str| {
        let out = dir.path().join(name);
        succeed(&["generate", "--seeds", "0-3,77", "--psi", "0.7", "--threads", threads, "--out", text(&out)]);
        ["00000", "00001", "00002", "00003", "00077"].map(|s| fs::read(out.join(format!("seed{s}.png"))).unwrap())
    };
    let pictures = draw("a", "1");
    assert_eq!(pictures.iter().collect::<HashSet<_>>().len(), 5);
    assert!(pictures == draw("b", "3"), "the number of threads changed a picture");
    assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 5);
}

#[test]
fn a_grid_is_the_pictures_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let sheet = dir.path().join("sheet.png");
    succeed(&["generate", "--grid", "3x2", "--out", text(&sheet)]);
    succeed(&["generate", "--seeds", "4", "--out", text(dir.path())]);
    let (sheet, single) = (image::open(sheet).unwrap(), image::open(dir.path().join("seed00004.png")).unwrap());
    let (w, h) = (single.width(), single.height());
    assert_eq!((sheet.width(), sheet.height()), (3 * w, 2 * h));
    assert_eq!(
        sheet.crop_imm(w, h, w, h).to_rgb8(),
        single.to_rgb8(),
        "seed 4 stands in the second row, second column"
    );
}

#[test]
fn a_sweep_has_a_row_a_seed_and_a_column_a_level() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep.png");
    succeed(&["generate", "--seeds", "4,5", "--sweep", "--out", text(&sweep)]);
    succeed(&["generate", "--seeds", "5", "--psi", "1.9", "--out", text(dir.path())]);
    let (sweep, single) = (image::open(sweep).unwrap(), image::open(dir.path().join("seed00005.png")).unwrap());
    let (w, h) = (single.width(), single.height());
    assert_eq!((sweep.width(), sweep.height()), (18 * w, 2 * h));
    assert_eq!(sweep.crop_imm(16 * w, h, w, h).to_rgb8(), single.to_rgb8(), "0.3 + 16 x 0.1 = 1.9");
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(dir.path());
    assert!(fail(&["generate", "--seeds", "5-1", "--out", out]).contains("1-5"));
    assert!(fail(&["generate", "--psi", "NaN", "--out", out]).contains("psi"));
    assert!(fail(&["generate", "--grid", "2x2", "--seeds", "0-8", "--out", "sheet.png"]).contains("holds 4 pictures"));
    assert!(fail(&["generate", "--grid", "2x2", "--out", out]).contains("--format"));
    assert!(fail(&["info", "--model", "missing.safetensors"]).contains("missing.safetensors"));
    let broken = dir.path().join("broken.safetensors");
    fs::write(&broken, b"no model").unwrap();
    assert!(fail(&["serve", "--model", text(&broken)]).contains("broken.safetensors"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a failed command left something behind");
}

#[test]
fn info_says_what_the_model_is_and_under_which_terms() {
    let info: serde_json::Value = serde_json::from_str(&succeed(&["info", "--json"])).unwrap();
    assert!(info["width"].as_u64().unwrap() >= 64);
    assert!(info["parameters"].as_u64().unwrap() > 1_000_000);
    assert!(info["license"].as_str().unwrap().contains("non-commercial"));
    assert!(info["provenance"]["kimg"].as_f64().unwrap() > 0.0);
    // People get the same in lines, not as JSON.
    let said = succeed(&["info"]);
    assert!(said.contains("training ") && said.contains("thousand pictures") && !said.contains('{'), "{said}");
    let directions: Vec<_> =
        info["directions"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    assert!(!directions.is_empty() && said.contains(&format!("directions    {}\n", directions.join(", "))), "{said}");
}

#[test]
fn the_environment_is_told_what_counts_for_nothing() {
    let said = |variables: &[(&str, &str)], arguments: &[&str]| {
        let output = tadne(arguments).envs(variables.iter().copied()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (well, warned) = said(&[("TADNE_RATES", "5"), ("TADNE_LOG", "warn")], &["info"]);
    assert!(well && warned.contains("TADNE_RATES (is TADNE_RATE meant?)") && warned.lines().count() == 1, "{warned}");
    // Of an instruction set that there is not, whether anything is drawn or not.
    for command in [&["info"][..], &["health"], &["serve"], &["generate", "--out", "nowhere"]] {
        let (well, error) = said(&[("TADNE_SIMD", "bogus")], command);
        assert!(!well && error.contains("\"bogus\"") && error.contains("one of scalar"), "{command:?}: {error}");
    }
    // What is empty is not set.
    let empty = ["TADNE_RATE", "TADNE_ADDR", "TADNE_MODEL", "TADNE_SIMD", "TADNE_LOG"].map(|name| (name, ""));
    let (well, error) = said(&empty, &["serve", "--model", "missing.safetensors"]);
    assert!(!well && error.contains("missing.safetensors") && !error.contains("TADNE_"), "{error}");
    let (well, error) = said(&empty, &["info"]);
    assert!(well && error.is_empty(), "{error}");
}

#[test]
fn pictures_that_are_written_over_are_told_and_the_same_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("pictures");
    let note = |psi: &str| {
        let output = tadne(&["generate", "--seeds", "0-2", "--psi", psi, "--out", text(&out)]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!note("0.7").contains("note") && !note("0.7").contains("note"));
    let said = note("1.3");
    assert!(said.contains("note: 3 files in") && said.contains("--out"), "{said}");
}

#[test]
#[cfg(not(feature = "s3"))]
fn buckets_that_were_not_built_for_name_the_feature() {
    for option in ["--archive", "--cache"] {
        let said = fail(&["serve", option, "s3://bucket/folder", "--addr", "127.0.0.1:0"]);
        assert!(said.contains(option) && said.contains("--features s3"), "{said}");
    }
    let said = fail(&["archive", "--seeds", "0", "--out", "s3://bucket/folder"]);
    assert!(said.contains("--features s3"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_model_behind_a_link_is_changed_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let (model, link) = (dir.path().join("model.safetensors"), dir.path().join("link.safetensors"));
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tadne.safetensors"), &model).unwrap();
    let before = fs::read(&model).unwrap();
    std::os::unix::fs::symlink("model.safetensors", &link).unwrap();
    succeed(&["select", text(&link), "--remove"]);
    assert!(link.is_symlink() && fs::read(&model).unwrap() != before, "the link was replaced");
}

#[test]
fn a_mean_has_the_terms_of_its_models_and_not_their_measurements() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tadne.safetensors");
    let mean = dir.path().join("mean.safetensors");
    assert!(fail(&["average", shipped, "--out", text(&mean)]).contains("2 values"));
    assert!(fail(&["average", shipped, "missing.safetensors", "--out", text(&mean)]).contains("missing.safetensors"));
    assert!(!mean.exists(), "a failed command left something behind");

    succeed(&["average", shipped, shipped, shipped, "--out", text(&mean)]);
    // What was measured of one model does not hold for another: without its calibration a creativity is a psi.
    let info = |of: &[&str]| -> serde_json::Value {
        serde_json::from_str(&succeed(&[&["info", "--json"], of].concat())).unwrap()
    };
    let (before, after) = (info(&[]), info(&["--model", text(&mean)]));
    assert!(before["calibration"].is_object() && after["calibration"].is_null(), "{after}");
    assert_eq!(after["license"], before["license"]);
    assert_eq!(after["provenance"]["average_of"].as_array().map(Vec::len), Some(3));

    let again = dir.path().join("again.safetensors");
    succeed(&["average", text(&mean), text(&mean), "--out", text(&again)]);
    let draw = |model: &Path, name: &str| {
        let out = dir.path().join(name);
        succeed(&["generate", "--seeds", "0-3", "--model", text(model), "--out", text(&out)]);
        ["00000", "00001", "00002", "00003"].map(|s| fs::read(out.join(format!("seed{s}.png"))).unwrap())
    };
    assert!(draw(&mean, "a") == draw(&again, "b"));
}

#[test]
fn directions_are_found_stored_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tadne.safetensors");
    let (model, strips) = (dir.path().join("model.safetensors"), dir.path().join("strips.png"));
    assert!(fail(&["directions", shipped, "--out", text(&model), "--samples", "100"]).contains("--samples 100"));
    assert!(fail(&["directions", "missing.safetensors"]).contains("missing.safetensors"));
    assert!(!model.exists(), "a failed command left something behind");

    let find = |out: &Path| {
        let strips = text(&strips);
        succeed(&["directions", shipped, "--out", text(out), "--samples", "400", "--strips", strips, "--seeds", "3"])
    };
    let said = find(&model);
    assert!(said.contains("hair-light") && said.contains("turn"), "{said}");
    let sheet = image::open(&strips).unwrap();
    let count = said.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count() as u32;
    assert!(count >= 5, "{said}");
    assert_eq!((sheet.width() / 5, sheet.height()), (sheet.height() / count, sheet.width() / 5 * count));
    // Each row begins and ends with pictures that differ from the one in its middle, which is the same in all.
    let side = sheet.width() / 5;
    let at = |row: u32, column: u32| sheet.crop_imm(column * side, row * side, side, side).to_rgb8().into_raw();
    for row in 0..count {
        assert!(at(row, 2) == at(0, 2) && at(row, 0) != at(row, 2) && at(row, 4) != at(row, 2), "row {row}");
    }
    let again = dir.path().join("again.safetensors");
    find(&again);
    assert!(fs::read(&model).unwrap() == fs::read(&again).unwrap(), "found again the same");
}

#[test]
fn what_could_not_be_written_is_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let [model, odd, nowhere] =
        ["model.safetensors", "a.foo", "none/a.png"].map(|name| text(&dir.path().join(name)).to_owned());
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tadne.safetensors"), &model).unwrap();
    let before = fs::read(&model).unwrap();
    let (model, odd, nowhere, folder) = (&*model, &*odd, &*nowhere, text(dir.path()));
    let (endings, missing) = ("use .png, .webp or .jpg", "there is no folder");
    let lost = "would be lost";
    let (sheet, wide) = (text(&dir.path().join("a.webp")).to_owned(), "16383 a side is the limit");
    let cases: [(&str, &[&str]); 22] = [
        (endings, &["directions", model, "--strips", odd]),
        (missing, &["directions", model, "--strips", nowhere]),
        (missing, &["directions", model, "--out", nowhere]),
        (endings, &["select", model, "--by", "run", "--sheet", odd]),
        (missing, &["select", model, "--by", "run", "--out", nowhere]),
        ("--samples 511: too few pictures", &["select", model, "--by", "run", "--samples", "511"]),
        (missing, &["calibrate", model, "--data", "pictures", "--out", nowhere]),
        (endings, &["metrics", "--data", "pictures", "--neighbours", odd]),
        (missing, &["metrics", "--data", "pictures", "--json", nowhere]),
        (missing, &["import", "network.pkl", "--out", nowhere]),
        (missing, &["average", model, model, "--out", nowhere]),
        (missing, &["export", "run", "--out", nowhere]),
        ("it is a folder", &["export-onnx", "--out", folder]),
        (missing, &["bench", "--network", "stylegan2-512", "--save", nowhere]),
        (lost, &["import", model, "--out", model]),
        (lost, &["average", model, model, "--out", model]),
        (lost, &["export-onnx", model, "--out", model]),
        (missing, &["generate", "--grid", "16x16", "--out", nowhere]),
        (wide, &["generate", "--grid", "65x65", "--out", &sheet]),
        ("pictures go into a folder", &["generate", "--seeds", "1", "--out", &sheet]),
        ("strips of 51 seeds", &["directions", model, "--strips", &sheet, "--seeds", "0-50"]),
        ("it must begin with http", &["site", "export", "--url", "foo", "--out", &format!("{folder}/site")]),
    ];
    for (word, arguments) in cases {
        let said = fail(arguments);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    assert!(fs::read(model).unwrap() == before, "a failed command changed its model");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a failed command left something behind");
}

#[test]
fn of_a_run_and_its_checkpoints_it_is_said_how_they_become_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (run, model, pair) = (path("run"), path("model.safetensors"), path("pair.safetensors"));
    fs::create_dir_all(path("run/checkpoints")).unwrap();
    let checkpoint = path("run/checkpoints/000000000.safetensors");
    let mut config = gan::Config::preset("tiny").unwrap();
    config.architecture.channels = vec![4, 4];
    config.discriminator.channels = vec![4, 4];
    let trainer = gan::Trainer::new(config, 1).unwrap();
    gan::Checkpoint::save(&trainer, "pictures", 0.0, Path::new(&checkpoint)).unwrap();
    succeed(&["export", &run, "--out", &model]);
    succeed(&["export", &run, "--networks", "--out", &pair]);
    for file in [&run, &checkpoint, &pair] {
        for command in [&["info", file][..], &["average", &model, file, "--out", &path("mean.safetensors")]] {
            let said = fail(command);
            assert!(said.contains("tadne export"), "{command:?}: {said}");
        }
    }

    // A model file in place of what a run goes on from would be its end.
    let before = fs::read(&checkpoint).unwrap();
    let (beside, around) = (path("run/checkpoints/model.safetensors"), path("run/../run/checkpoints/m.safetensors"));
    for (from, to, word) in [
        (&run, &checkpoint, "the run's checkpoints are in that folder"),
        (&run, &around, "the run's checkpoints are in that folder"),
        (&checkpoint, &beside, "the run's checkpoints are in that folder"),
        (&checkpoint, &checkpoint, "a file which is read"),
        (&pair, &pair, "a file which is read"),
    ] {
        let said = fail(&["export", from, "--out", to]);
        assert!(said.contains(word), "{from} {to}: {said}");
    }
    assert!(fs::read(&checkpoint).unwrap() == before);
    assert_eq!(fs::read_dir(path("run/checkpoints")).unwrap().count(), 1, "a failed command left something behind");
}

#[test]
fn metrics_show_neighbours_and_say_what_there_are_too_few_pictures_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (photos, model, colours) = (path("photos"), path("model.safetensors"), path("colours.safetensors"));
    fs::create_dir(&photos).unwrap();
    for i in 0..40u8 {
        let picture = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([6 * i, (x * 9) as u8, (y * 7) as u8 + i]));
        picture.save(format!("{photos}/{i}.png")).unwrap();
    }
    ModelFile::random(Architecture::plain(8, 8, &[8, 4]), Seed(1))
        .unwrap()
        .save(Path::new(&model), WeightDtype::F32)
        .unwrap();
    network(Path::new(&colours));
    let cache = path("cache");
    let measure = ["metrics", "--model", &model, "--data", &photos, "--features", &colours, "--cache", &cache];
    let measure = [&measure[..], &["--samples", "10", "--no-floors", "--threads", "1"]].concat();
    for (more, word) in [
        (&["--memorisation"][..], "; --memorisation needs 10"),
        (&["--reference", "held-out"][..], "; --reference held-out needs 10"),
    ] {
        let said = fail(&[&measure[..], more].concat());
        assert!(said.contains("held out") && said.contains(word), "{said}");
    }
    let (sheet, figures) = (path("sheet.webp"), path("figures.json"));
    succeed(&[&measure[..], &["--neighbours", &sheet, "--json", &figures]].concat());
    assert!(fs::read(&sheet).unwrap().starts_with(b"RIFF"), "the ending says what is written");
    assert_eq!(image::image_dimensions(&sheet).unwrap(), (5 * 8, 16 * 8));
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(&figures).unwrap()).unwrap();
    assert_eq!(figures["samples"], 10);
}

#[test]
fn bench_writes_its_figures_as_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("bench.html");
    let quick = ["bench", "--threads", "1", "--seconds", "0.01", "--batch", "2", "--layers", "--report"];
    let said = succeed(&[&quick[..], &[text(&page)]].concat());
    assert!(said.contains("one picture"), "{said}");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("1 thread: one picture") && html.contains("Where the time goes"));
    assert_eq!(html.matches("<svg").count(), 3);
    let nowhere = dir.path().join("none/bench.html");
    assert!(fail(&[&quick[..], &[text(&nowhere)]].concat()).contains("there is no folder"));
}
