//! Pictures for tests: of every kind that can be damaged, and the ways in which downloads and disks do it.

use image::{Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Discs, waves and grain of the given strength.
pub(crate) fn noisy(width: u32, height: u32, detail: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let grain = (x * 7919 + y * 104_729 + x * y * 31) % 256 * detail / 255;
        let disc =
            if x.abs_diff(width / 2).pow(2) + y.abs_diff(height / 3).pow(2) < width * height / 9 { 90 } else { 0 };
        Rgb([(x * 2 + disc + grain) as u8, (y + disc) as u8, (100 + grain / 2 + disc / 3) as u8])
    })
}

/// How to encode a JPEG.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) sampling: SamplingFactor,
    pub(crate) progressive: bool,
    pub(crate) restart: u16,
    pub(crate) optimised: bool,
    pub(crate) grey: bool,
}

/// Every combination of the encoder's choices that changes the order of the data.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1] {
        for progressive in [false, true] {
            for restart in [0, 3] {
                // The encoder's own tables are right only here (version 0.7.1).
                let plain = sampling == SamplingFactor::F_1_1 && !progressive && restart == 0;
                for optimised in if plain { &[false, true][..] } else { &[false] } {
                    kinds.push(Kind { sampling, progressive, restart, optimised: *optimised, grey: false });
                }
            }
        }
    }
    let plain = Kind { sampling: SamplingFactor::F_1_1, progressive: false, restart: 0, optimised: false, grey: true };
    kinds.extend([plain, Kind { progressive: true, ..plain }]);
    kinds
}

/// Encodes a picture.
pub(crate) fn jpeg(picture: &RgbImage, kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(kind.sampling);
    encoder.set_progressive(kind.progressive);
    encoder.set_optimized_huffman_tables(kind.optimised);
    if kind.restart > 0 {
        encoder.set_restart_interval(kind.restart);
    }
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    if kind.grey {
        let grey: Vec<u8> = picture.pixels().map(|pixel| pixel[1]).collect();
        encoder.encode(&grey, width, height, ColorType::Luma).unwrap();
    } else {
        encoder.encode(picture.as_raw(), width, height, ColorType::Rgb).unwrap();
    }
    bytes
}

/// Where the first scan's data begin in a JPEG.
pub(crate) fn scan_start(bytes: &[u8]) -> usize {
    let sos = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    sos + 2 + usize::from(u16::from_be_bytes([bytes[sos + 2], bytes[sos + 3]]))
}

/// JPEGs of libjpeg, which `tests/golden/make.py` drew.
pub(crate) const LIBJPEG: [(&str, &[u8]); 6] = [
    ("progressive", include_bytes!("../tests/golden/progressive.jpg")),
    ("progressive-420", include_bytes!("../tests/golden/progressive-420.jpg")),
    ("optimised-420", include_bytes!("../tests/golden/optimised-420.jpg")),
    ("restarts-422", include_bytes!("../tests/golden/restarts-422.jpg")),
    ("grey-progressive", include_bytes!("../tests/golden/grey-progressive.jpg")),
    ("cmyk", include_bytes!("../tests/golden/cmyk.jpg")),
];

/// Lossy files, which `tests/golden/make.py` drew: the project has no encoder for them.
pub(crate) const LOSSY: [(&str, &[u8]); 7] = [
    ("lossy", include_bytes!("../tests/golden/lossy.webp")),
    ("grain", include_bytes!("../tests/golden/grain.webp")),
    ("smooth", include_bytes!("../tests/golden/smooth.webp")),
    ("tiny", include_bytes!("../tests/golden/tiny.webp")),
    ("flat", include_bytes!("../tests/golden/flat.webp")),
    ("alpha", include_bytes!("../tests/golden/alpha.webp")),
    ("partitions", include_bytes!("../tests/golden/partitions.webp")),
];
