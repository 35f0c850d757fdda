//! What is measured of a picture, on its crop reduced to [`SIDE`] pixels.

use std::f64::consts::PI;

use dataset::{Crop, Decoded};
use serde::{Deserialize, Serialize};

/// Side at which pictures are compared: measures of sharpness mean nothing across sizes.
const SIDE: usize = 256;
/// Side of the picture that is hashed, and of its frequencies that count.
const HASHED: usize = 32;
const FREQUENCIES: usize = 8;
/// A row or column whose values spread less than this (standard deviation, of 255) is part of a bar.
const FLAT: f64 = 3.0;

/// What is known of a picture that can be read. As data it is the bits of its numbers, which text would round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "[u64; 5]", from = "[u64; 5]")]
pub struct Measures {
    /// 64-bit perceptual hash: which of the lowest frequencies of the picture's brightness lie above their median.
    /// Christoph Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
    pub hash: u64,
    /// Variance of the Laplacian of the brightness, above 0; a few tens are blurred, line art has thousands.
    /// Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
    pub sharpness: f64,
    /// Mean distance of red and blue from green, 0 to 255: below 2 or so it is a greyscale picture.
    pub chroma: f64,
    /// Mean brightness (Rec. 601), 0 to 255.
    pub brightness: f64,
    /// Share of the height or width that bars of one colour at opposite edges take, 0 to 1, whichever is more.
    pub bars: f64,
}

impl From<Measures> for [u64; 5] {
    fn from(Measures { hash, sharpness, chroma, brightness, bars }: Measures) -> Self {
        [hash, sharpness.to_bits(), chroma.to_bits(), brightness.to_bits(), bars.to_bits()]
    }
}

impl From<[u64; 5]> for Measures {
    fn from([hash, sharpness, chroma, brightness, bars]: [u64; 5]) -> Self {
        let [sharpness, chroma, brightness, bars] = [sharpness, chroma, brightness, bars].map(f64::from_bits);
        Self { hash, sharpness, chroma, brightness, bars }
    }
}

impl Measures {
    /// Measures a picture as it is cropped.
    pub fn of(picture: &Decoded, crop: Crop) -> Self {
        let pixels = picture.square(SIDE, crop);
        let luma: Vec<f64> = pixels.chunks_exact(3).map(brightness).collect();
        let count = luma.len() as f64;
        let chroma = |rgb: &[u8]| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f64::from);
            f64::midpoint((r - g).abs(), (b - g).abs())
        };
        Self {
            hash: hash(&picture.square(HASHED, crop)),
            sharpness: sharpness(&luma),
            chroma: pixels.chunks_exact(3).map(chroma).sum::<f64>() / count,
            brightness: luma.iter().sum::<f64>() / count,
            bars: bars(&luma),
        }
    }
}

fn brightness(rgb: &[u8]) -> f64 {
    0.299 * f64::from(rgb[0]) + 0.587 * f64::from(rgb[1]) + 0.114 * f64::from(rgb[2])
}

fn sharpness(luma: &[f64]) -> f64 {
    let at = |x: usize, y: usize| luma[y * SIDE + x];
    let inner = 1..SIDE - 1;
    let (mut sum, mut squares) = (0.0, 0.0);
    for y in inner.clone() {
        for x in inner.clone() {
            let value = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y);
            sum += value;
            squares += value * value;
        }
    }
    let count = (inner.len() * inner.len()) as f64;
    squares / count - (sum / count).powi(2)
}

/// How many lines from an edge on, `line(0)` being the edge's own, are a bar: flat, of one colour with the first, and ended by a straight edge. What is
/// drawn on a plain background reaches into it in places only, and is no bar's end.
fn bar(line: impl Fn(usize) -> Vec<f64>) -> usize {
    let mean = |line: &[f64]| line.iter().sum::<f64>() / line.len() as f64;
    let colour = mean(&line(0));
    let flat = |at: &usize| {
        let line = line(*at);
        let mean = mean(&line);
        let spread = line.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / line.len() as f64;
        spread.sqrt() < FLAT && (mean - colour).abs() < FLAT
    };
    let count = (0..SIDE).take_while(flat).count();
    if count == SIDE {
        return SIDE;
    }
    // One line further on, because resizing softens an edge.
    let beyond = line((count + 1).min(SIDE - 1));
    let other = beyond.iter().filter(|&&value| (value - colour).abs() > 2.0 * FLAT).count();
    if 2 * other > SIDE { count } else { 0 }
}

fn bars(luma: &[f64]) -> f64 {
    let row = |y: usize| luma[y * SIDE..][..SIDE].to_vec();
    let column = |x: usize| luma.iter().skip(x).step_by(SIDE).copied().collect::<Vec<_>>();
    let share = |first: usize, last: usize| {
        // A bar at one edge alone is a background.
        if first == 0 || last == 0 { 0.0 } else { (first + last).min(SIDE) as f64 / SIDE as f64 }
    };
    let rows = share(bar(row), bar(|at| row(SIDE - 1 - at)));
    let columns = share(bar(column), bar(|at| column(SIDE - 1 - at)));
    rows.max(columns)
}

/// The hash of a picture of [`HASHED`] pixels a side.
fn hash(pixels: &[u8]) -> u64 {
    let luma: Vec<f64> = pixels.chunks_exact(3).map(brightness).collect();
    // Rows of a DCT-II; the zeroth, the mean, says nothing about the picture.
    let cosines: Vec<f64> = (1..=FREQUENCIES)
        .flat_map(|k| (0..HASHED).map(move |x| ((2 * x + 1) as f64 * k as f64 * PI / (2 * HASHED) as f64).cos()))
        .collect();
    let wave = |k: usize| &cosines[k * HASHED..][..HASHED];
    let across: Vec<f64> = (0..HASHED)
        .flat_map(|y| {
            let row = &luma[y * HASHED..][..HASHED];
            (0..FREQUENCIES).map(move |k| (k, row))
        })
        .map(|(k, row)| row.iter().zip(wave(k)).map(|(value, cosine)| value * cosine).sum())
        .collect();
    let frequencies: Vec<f64> = (0..FREQUENCIES * FREQUENCIES)
        .map(|at| {
            let (k, l) = (at / FREQUENCIES, at % FREQUENCIES);
            (0..HASHED).map(|y| across[y * FREQUENCIES + l] * wave(k)[y]).sum()
        })
        .collect();
    let mut sorted = frequencies.clone();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[31], sorted[32]);
    frequencies.iter().fold(0, |hash, &value| (hash << 1) | u64::from(value > median))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(side: usize, colour: impl Fn(f64, f64) -> [u8; 3]) -> Decoded {
        let at = |n: usize| (n as f64 + 0.5) / side as f64;
        let rgb = (0..side * side).flat_map(|n| colour(at(n % side), at(n / side))).collect();
        Decoded::of_rgb(side, side, rgb).unwrap()
    }

    fn waves(phase: f64) -> impl Fn(f64, f64) -> [u8; 3] {
        move |x, y| {
            let wave = (9.0 * x + 5.0 * y * y + phase).sin() + (4.0 * x * y + phase).cos() + (17.0 * y - 3.0 * x).sin();
            [(128.0 + 40.0 * wave) as u8, (120.0 + 30.0 * wave) as u8, 90]
        }
    }

    #[test]
    fn the_hash_is_the_same_at_another_size_and_brightness_and_another_for_another_picture() {
        let of = |picture: &Decoded| Measures::of(picture, Crop::Centre).hash;
        let base = of(&picture(300, waves(0.0)));
        assert!((base ^ of(&picture(512, waves(0.0)))).count_ones() <= 3);
        let brighter = |x, y| waves(0.0)(x, y).map(|value| value.saturating_add(15));
        assert!((base ^ of(&picture(300, brighter))).count_ones() <= 3);
        assert!((base ^ of(&picture(300, waves(2.0)))).count_ones() > 10);
    }

    #[test]
    fn blur_grey_darkness_and_bars_are_told() {
        let of = |picture: &Decoded| Measures::of(picture, Crop::Centre);
        let checks = |x: f64, y: f64| if ((x * 40.0) as u32 + (y * 40.0) as u32).is_multiple_of(2) { 230 } else { 20 };
        let sharp = of(&picture(320, |x, y| [checks(x, y); 3]));
        let soft = of(&picture(320, waves(0.0)));
        assert!(sharp.sharpness > 1000.0 && soft.sharpness < 20.0, "{sharp:?} {soft:?}");
        assert!(sharp.chroma < 0.5 && soft.chroma > 10.0);
        let dark = of(&picture(320, |x, y| waves(0.0)(x, y).map(|value| value / 12)));
        assert!(dark.brightness < 12.0 && soft.brightness > 60.0);
        let barred = of(&picture(320, |x, y| if (0.2..0.8).contains(&y) { waves(0.0)(x, y) } else { [0; 3] }));
        assert!((barred.bars - 0.4).abs() < 0.02, "{barred:?}");
        let sky = of(&picture(320, |x, y| if y > 0.3 { waves(0.0)(x, y) } else { [200; 3] }));
        assert!(sky.bars.max(soft.bars) < 1e-9);
        let disc = |x: f64, y: f64| if (x - 0.5).hypot(y - 0.5) < 0.35 { waves(0.0)(x, y) } else { [250; 3] };
        assert!(of(&picture(320, disc)).bars < 1e-9, "a figure on a plain background");
        let pillars = of(&picture(320, |x, y| if (0.1..0.9).contains(&x) { waves(0.0)(x, y) } else { [250; 3] }));
        assert!((pillars.bars - 0.2).abs() < 0.02, "{pillars:?}");
        assert!((of(&picture(320, |_, _| [7; 3])).bars - 1.0).abs() < 1e-9);
    }
}
