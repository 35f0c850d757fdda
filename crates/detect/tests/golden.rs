//! What OpenCV and ONNX Runtime find with the same files on the same pictures; `golden/make.py` made all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dataset::{Decoded, decode};
use detect::{Detector, Found};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn picture(name: &str) -> Decoded {
    decode(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// By the detector and the picture or the least score; edges and scores.
fn expected(part: &str) -> BTreeMap<String, Vec<[f32; 5]>> {
    let text = std::fs::read(golden("found.json")).unwrap();
    let mut all: BTreeMap<String, BTreeMap<String, Vec<[f32; 5]>>> = serde_json::from_slice(&text).unwrap();
    all.remove(part).unwrap()
}

fn numbers(found: Found) -> [f32; 5] {
    let [left, top, right, bottom] = found.edges;
    [left, top, right, bottom, found.score]
}

#[test]
fn cascades_find_what_opencv_finds() {
    let picture = picture("faces.png");
    let mut many = 0;
    for (name, expected) in expected("cascades") {
        let (kind, least) = name.split_once(' ').unwrap();
        let detector = Detector::open(&golden(&format!("{kind}.xml"))).unwrap();
        let mut found: Vec<_> =
            detector.detect(&picture, least.parse().unwrap()).unwrap().into_iter().map(numbers).collect();
        assert!(found.is_sorted_by(|a, b| a[4] >= b[4]), "{name}: the best come first");
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(found, expected, "{name}");
        many += found.len();
    }
    assert!(many > 20, "{many}");
}

#[test]
fn networks_find_what_onnx_runtime_finds() {
    for (name, expected) in expected("networks") {
        let (network, picture) = name.split_once(' ').unwrap();
        let detector = Detector::open(&golden(&format!("{network}.onnx"))).unwrap();
        let found = detector.detect(&self::picture(&format!("{picture}.png")), 0.5).unwrap();
        assert_eq!(found.len(), expected.len(), "{name}: {found:?} {expected:?}");
        for (found, expected) in found.into_iter().map(numbers).zip(expected) {
            let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-3, "{name}: {found:?} {expected:?}");
        }
    }
}

#[test]
fn an_open_input_has_the_usual_size() {
    let detector = Detector::open(&golden("open.onnx")).unwrap();
    // At ten times its size, in cells of 8 pixels of 640, faces are many; the best lies in the reddest disc.
    let found = detector.detect(&picture("square.png"), 0.5).unwrap();
    let [left, top, right, bottom] = found[0].edges;
    let inside = |a: f32, b: f32, from: f32, to: f32| a >= from && b <= to;
    assert!(inside(left, right, 30.0, 60.0) && inside(top, bottom, 20.0, 50.0), "{:?}", found[0]);
    assert!((detector.usual_score() - 0.5).abs() < f64::EPSILON && detector.hash().len() == 64);
}

#[test]
fn the_same_picture_gives_the_same_bits_on_any_number_of_threads() {
    let picture = picture("across.png");
    let detector = Detector::open(&golden("wide.onnx")).unwrap();
    let once = detector.detect(&picture, 0.1).unwrap();
    assert!(!once.is_empty());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| detector.detect(&picture, 0.1).unwrap())).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap() == once));
    });
}

#[test]
fn a_large_picture_is_looked_at_smaller() {
    let small = picture("faces.png");
    let (width, height) = (small.width * 10, small.height * 10);
    let large = Decoded::of_rgb(width, height, small.scaled(width, height).into_vec()).unwrap();
    let detector = Detector::open(&golden("lbp.xml")).unwrap();
    let best = detector.detect(&small, 4.0).unwrap()[0].edges;
    let near = |found: &Found| found.edges.iter().zip(best).all(|(large, small)| (large / 10.0 - small).abs() < 12.0);
    let found = detector.detect(&large, 4.0).unwrap();
    assert!(found.iter().any(near), "{best:?} {found:?}");
}
