use fastrand::Rng;

use super::*;
use crate::damage::{LIBJPEG, jpeg as encode, kinds, noisy, scan_start};

/// One picture of every kind, by name.
fn all(width: u32, height: u32, detail: u32) -> Vec<(String, Vec<u8>)> {
    let ours = kinds().into_iter().map(|kind| (format!("{kind:?}"), encode(&noisy(width, height, detail), kind)));
    ours.chain(LIBJPEG.iter().map(|(name, bytes)| (format!("libjpeg's {name}"), bytes.to_vec()))).collect()
}

const LIMIT: u64 = 1 << 28;

fn verdict(bytes: &[u8]) -> Result<(), String> {
    read(bytes, LIMIT).map(drop)
}

#[test]
fn whole_pictures_of_every_kind_pass() {
    for (width, height, detail) in [(64, 48, 200), (33, 17, 40), (1, 1, 0), (200, 150, 0), (130, 70, 255)] {
        for (name, bytes) in all(width, height, detail) {
            assert_eq!(verdict(&bytes), Ok(()), "{name}, {width} x {height}, {detail}");
            // Without its end marker nothing of the picture is missing.
            assert_eq!(verdict(&bytes[..bytes.len() - 2]), Ok(()), "{name}");
            // What cameras add at the end is none of the picture's business.
            assert_eq!(verdict(&[&bytes[..], b"\0\0\0\x18ftypmp42", &bytes].concat()), Ok(()), "{name}");
        }
    }
}

#[test]
fn a_cut_picture_is_told_whatever_follows_the_cut() {
    let other = encode(&noisy(90, 90, 10), kinds()[0]);
    for (kind, bytes) in all(130, 100, 60) {
        let start = scan_start(&bytes);
        for part in [10, 35, 60, 85] {
            let half = &bytes[..start + (bytes.len() - start) * part / 100];
            for (tail, name) in [
                (&b""[..], "nothing"),
                (&[0xFF, 0xD9], "an end marker"),
                (&[[0xFF, 0xD9].as_slice(), &[0; 5000]].concat(), "an end marker and zeros"),
                (&[0; 5000], "zeros"),
                (&other, "another picture"),
                (&[0xFF; 40], "ones"),
            ] {
                let error = verdict(&[half, tail].concat()).expect_err(&format!("{kind}, {part} %, then {name}"));
                assert!(!error.is_empty());
            }
        }
    }
}

#[test]
fn the_reasons_say_what_happened() {
    let kind = kinds()[0];
    let bytes = encode(&noisy(130, 100, 60), kind);
    let start = scan_start(&bytes);
    let half = &bytes[..start + (bytes.len() - start) / 2];
    let told = |bytes: &[u8]| verdict(bytes).unwrap_err();
    let cut = told(half);
    assert!(cut.contains("cut off after") && cut.contains('%'), "{cut}");
    assert!(told(&[half, &[0xFF, 0xD9]].concat()).contains("though its end marker is there"));
    assert!(told(&[half, &bytes].concat()).contains("another JPEG begins within it"));
    assert!(told(&bytes[..100]).contains("within its headers"));
    assert!(told(&bytes[..2]).contains("before its picture begins"));
}

#[test]
fn a_zeroed_middle_is_told() {
    for (kind, bytes) in all(200, 160, 60) {
        let start = scan_start(&bytes);
        let length = bytes.len() - start;
        let mut damaged = bytes.clone();
        damaged[start + length / 3..start + length * 2 / 3].fill(0);
        assert!(verdict(&damaged).is_err(), "{kind}");
    }
}

#[test]
fn some_flipped_bits_are_told() {
    let mut rng = Rng::with_seed(7);
    let (mut told, mut all) = (0, 0);
    for kind in kinds().into_iter().filter(|kind| !kind.progressive) {
        let bytes = encode(&noisy(130, 100, 60), kind);
        let start = scan_start(&bytes);
        for _ in 0..50 {
            let mut damaged = bytes.clone();
            damaged[start + rng.usize(..bytes.len() - start - 2)] ^= 1 << rng.usize(..8);
            told += usize::from(verdict(&damaged).is_err());
            all += 1;
        }
    }
    // Most change a coefficient and nothing after it, which nothing in the file can tell.
    assert!(told * 3 > all, "{told} of {all}");
}

#[test]
fn an_eighth_is_the_mean_of_every_block() {
    for kind in kinds().into_iter().filter(|kind| !kind.grey) {
        // A picture without detail finer than the blocks of the coarsest component.
        let picture = RgbImage::from_fn(320, 192, |x, y| {
            Rgb([(40 + x / 32 * 12) as u8, (60 + y / 32 * 20) as u8, (200 - x / 32 * 9) as u8])
        });
        let whole = read(&encode(&picture, kind), LIMIT).unwrap();
        let small = whole.eighth().unwrap();
        assert_eq!(small.dimensions(), (40, 24));
        for (x, y, pixel) in small.enumerate_pixels() {
            let expected = picture.get_pixel(x * 8 + 4, y * 8 + 4);
            let far = pixel.0.iter().zip(expected.0).any(|(a, b)| a.abs_diff(b) > 6);
            assert!(!far, "{kind:?} at {x}, {y}: {pixel:?}, not {expected:?}");
        }
    }
}

#[test]
fn memory_is_bounded_by_the_limit() {
    let bytes = encode(&noisy(200, 160, 0), kinds()[0]);
    assert!(read(&bytes, 1000).err().unwrap().contains("scale it down"));
}
