//! The journey of someone whose pictures are of several classes: found by what they look like or given by folders, trained with, and drawn one by one.

mod common;

use std::fs;
use std::path::Path;

use common::{fail, network, succeed, text};
use serde_json::{Value, json};

/// Thirty pictures each of two characters, in a folder of their own: dark ones and bright ones.
fn characters(folder: &Path) {
    for (name, shade) in [("bright", 200), ("dark", 20)] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..30u8 {
            let disc = |x: u32, y: u32| x.abs_diff(u32::from(i) % 6 * 5).pow(2) + y.abs_diff(u32::from(i)).pow(2) < 60;
            let pixel = |x, y| image::Rgb(if disc(x, y) { [shade, 100 + i, 40] } else { [shade, shade, shade + i] });
            image::RgbImage::from_fn(32, 32, pixel).save(folder.join(format!("{i}.png"))).unwrap();
        }
    }
}

#[test]
fn from_pictures_of_two_characters_to_a_picture_of_one_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (photos, runs, cache) = (path("photos"), path("runs"), path("cache"));
    characters(Path::new(&photos));

    // Classes by what the pictures look like are those that they have.
    let (colours, labels, sheet) = (path("colours.safetensors"), path("labels.json"), path("classes.png"));
    network(Path::new(&colours));
    let label =
        ["label", "--data", &photos, "--classes", "2", "--size", "32", "--features", &colours, "--out", &labels];
    let said = succeed(&[&label[..], &["--sheet", &sheet, "--cache", &cache]].concat());
    assert!(said.contains("60 pictures in 2 classes, of 30 to 30 pictures"), "{said}");
    assert_eq!(image::image_dimensions(&sheet).unwrap(), (8 * 32, 2 * 32));
    let found: Value = serde_json::from_slice(&fs::read(&labels).unwrap()).unwrap();
    let found = found["labels"].as_array().unwrap();
    assert_eq!(found.len(), 60);
    let bright = |pair: &Value| pair[0].as_str().unwrap().starts_with("bright/");
    assert!(found.iter().all(|pair| (pair[1] == found[0][1]) == (bright(pair) == bright(&found[0]))), "{found:?}");
    // They hold wherever the pictures are.
    let moved = path("moved");
    fs::rename(&photos, &moved).unwrap();
    let photos = moved;

    // A run with those, and one with the folders' classes.
    let train = ["train", "--data", &photos, "--out", &runs, "--cache", &cache, "--threads", "1"];
    let short = ["--config", "tiny", "--batch", "16", "--kimg", "0.032", "--set", "metric.kimg=0"];
    for (from, run) in [(labels.as_str(), "00000-tiny"), ("folders", "00001-tiny")] {
        let said = succeed(&[&train[..], &short, &["--labels", from]].concat());
        assert!(said.contains("classes   2"), "{said}");
        // It remembers where they come from.
        let run = format!("{runs}/{run}");
        let resume = ["train", "--resume", &run, "--data", &photos, "--cache", &cache, "--threads", "1"];
        let said = succeed(&[&resume[..], &["--kimg", "0.048"]].concat());
        assert!(said.contains("classes   2") && said.contains("0.0 kimg"), "{said}");
        let model = format!("{run}.safetensors");
        succeed(&["export", &run, "--out", &model]);
        let drawn = ["0", "1"].map(|class| {
            let out = format!("{run}-{class}.png");
            succeed(&["generate", "--model", &model, "--grid", "2x2", "--class", class, "--out", &out]);
            fs::read(out).unwrap()
        });
        assert_ne!(drawn[0], drawn[1], "classes look different");
        // What a run draws is not for the next one to learn.
        let listed = |folder: &str| dataset::Files::list(&[folder]).unwrap().len();
        assert_eq!((listed(&run), listed(&format!("{run}/grids")) > 0), (0, true));
        let said = fail(&["generate", "--model", &model, "--grid", "1x1", "--class", "2", "--out", &path("no.png")]);
        assert!(said.contains("classes 0 to 1"), "{said}");
    }

    // A class that no picture is of is told.
    let gaps = fs::read_to_string(&labels).unwrap().replace(",1]", ",2]");
    fs::write(&labels, gaps).unwrap();
    let said = succeed(&[&train[..], &short, &["--labels", &labels]].concat());
    assert!(said.contains("classes   3") && said.contains("1 of the classes (1)"), "{said}");

    // What cannot be: pictures without a class, networks that were told of none.
    fs::write(&labels, json!({"labels": [["bright/0.png", 0], ["dark/0.png", 1]]}).to_string()).unwrap();
    let said = fail(&[&train[..], &short, &["--labels", &labels]].concat());
    assert!(said.contains("no class for 58 of 60 pictures"), "{said}");
    let said = fail(&[&train[..], &["--from", "shipped", "--min-side", "32", "--labels", "folders"]].concat());
    assert!(said.contains("0 classes") && said.contains("--config"), "{said}");
    assert!(!Path::new(&format!("{runs}/00003-tiny")).exists());
}

#[test]
fn labels_that_could_not_be_written_are_refused_before_a_picture_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (labels, model) = (path("labels.json"), path("model.safetensors"));
    fs::write(&model, "weights").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--out", &path("none/labels.json")], "there is no folder"),
        (&["--out", text(dir.path())], "it is a folder"),
        (&["--out", &model], "use .json"),
        (&["--out", &labels, "--sheet", &path("classes.foo")], "use .png, .webp or .jpg"),
        (&["--out", &labels, "--sheet", &path("none/classes.png")], "there is no folder"),
    ];
    for (arguments, word) in cases {
        let said = fail(&[&["label", "--data", "no such pictures"], arguments].concat());
        assert!(said.contains(word) && !said.contains("no such pictures"), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(&model).unwrap(), "weights");
}
