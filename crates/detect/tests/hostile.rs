//! Files that are damaged, foreign or too large: an error that says what is wrong, never a panic.

use std::path::PathBuf;

use dataset::Decoded;
use detect::Detector;
use fastrand::Rng;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

fn refusal(bytes: impl Into<Vec<u8>>) -> String {
    Detector::of_bytes(bytes.into()).err().expect("it is no detector")
}

#[test]
fn what_is_no_detector_says_what_it_is() {
    let lbp = text("lbp.xml");
    let with = |from: &str, to: &str| {
        assert!(lbp.contains(from), "{from}");
        refusal(lbp.replacen(from, to, 1))
    };
    for (said, expected) in [
        (refusal(""), "it is empty"),
        (refusal("a text"), "no ONNX file"),
        (refusal(golden("faces.png")), "no ONNX file"),
        (refusal("<svg/>"), "without a cascade"),
        (refusal("<html><body>404</html>"), "no whole XML"),
        (refusal(&lbp.as_bytes()[..lbp.len() / 2]), "no whole XML"),
        (refusal(b"<a>\xff</a>".to_vec()), "UTF-8"),
        (refusal("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "no whole XML"),
        (refusal(vec![b'<'; 33 << 20]), "too large"),
        (with("opencv-cascade-classifier", "opencv-haar-classifier"), "before OpenCV 2.4"),
        (with(">LBP<", ">HOG<"), "where LBP and HAAR are read"),
        (with(">BOOST<", ">OTHER<"), "not boosted"),
        (with("<width>20<", "<width>2<"), "its width is 2"),
        (with("<width>20<", "<width>99999999999999999999<"), "stands in its width"),
        (with("<height>20<", "<height>8<"), "reaches out of the window"),
        (with("<internalNodes>0 -1 0 ", "<internalNodes>0 -1 99 "), "the feature 99 of"),
        (with("<internalNodes>0 -1 0 ", "<internalNodes>0 -2 0 "), "goes on at -2"),
        // A tree that would never end.
        (with("<internalNodes>0 -1 0 ", "<internalNodes>0 1 0 "), "goes on at 1"),
        (with("<internalNodes>0 -1 0 ", "<internalNodes>0 -1 0 7 "), "where each has 11"),
        (with("<rect>", "<rect>18446744073709551615 "), "a feature has 5 numbers"),
        (with("<stageThreshold>", "<stageThreshold>x"), "stands in its stageThreshold"),
        (refusal(text("haar.xml").replacen("<tilted>0", "<tilted>1", 1)), "tilted"),
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let nowhere = Detector::open("nowhere.onnx".as_ref()).err().expect("there is none");
    assert!(nowhere.to_string().contains("cannot read the detector nowhere.onnx"), "{nowhere}");
    let folder = tempfile::tempdir().unwrap();
    assert!(Detector::open(folder.path()).is_err());
    let path = folder.path().join("cut.onnx");
    let onnx = golden("wide.onnx");
    std::fs::write(&path, &onnx[..onnx.len() / 2]).unwrap();
    let cut = Detector::open(&path).err().expect("half a network");
    assert!(cut.to_string().contains("cut.onnx cannot be used as a detector"), "{cut}");
}

#[test]
fn mutants_are_errors_or_detectors_but_never_a_panic() {
    let mut rng = Rng::with_seed(2026);
    let picture = Decoded::of_rgb(70, 50, (0..70 * 50 * 3).map(|n| (n * 7 % 256) as u8).collect()).unwrap();
    for (name, mutants) in [("lbp.xml", 1500), ("haar.xml", 1500), ("wide.onnx", 150), ("final.onnx", 150)] {
        let bytes = golden(name);
        let (mut errors, mut detectors) = (0, 0);
        for _ in 0..mutants {
            let mut mutant = bytes.clone();
            for _ in 0..=rng.usize(..3) {
                let place = rng.usize(..mutant.len());
                let stretch = place..(place + 1 + rng.usize(..20)).min(mutant.len());
                match rng.usize(..7) {
                    0 => mutant.truncate(place.max(1)),
                    1 => mutant[place] ^= 1 << rng.usize(..8),
                    2 => mutant[place] = rng.u8(..),
                    3 => drop(mutant.drain(stretch)),
                    4 => mutant[place] = b"0123456789-.<>_"[rng.usize(..15)],
                    5 => {
                        let copy = mutant[stretch].to_vec();
                        mutant.splice(place..place, copy);
                    }
                    _ => mutant[stretch].fill(b' '),
                }
                if mutant.is_empty() {
                    mutant.push(0);
                }
            }
            match Detector::of_bytes(mutant) {
                Ok(detector) => {
                    detectors += 1;
                    for found in detector.detect(&picture, 0.0).unwrap_or_default() {
                        let [left, top, right, bottom] = found.edges;
                        assert!(0.0 <= left && left < right && right <= 70.0, "{found:?}");
                        assert!(0.0 <= top && top < bottom && bottom <= 50.0, "{found:?}");
                    }
                }
                Err(reason) => {
                    assert!(reason.len() > 10, "{reason}");
                    errors += 1;
                }
            }
        }
        assert!(errors > mutants / 10 && detectors > mutants / 100, "{name}: {errors} errors, {detectors} detectors");
    }
}
