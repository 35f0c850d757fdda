//! Directions of `w` along which one thing of a face changes, found by regression: what simple measurements of drawn pictures say
//! of their `w`.
//!
//! With the covariance `S` of `w`, and `C` the covariances of `w` with the measurements, each of variance 1, the smallest move (in
//! standard deviations of `w`) that changes one measurement as predicted and none of the others is a column of `C (C' S^-1 C)^-1`.
//! Each is then given the length of one standard deviation, so that all go equally far from what is usual. It is the linear
//! editing of Shen et al. (arXiv 1907.10786, section 2.2, conditional manipulation), by regression in place of classes.
//!
//! The measurements know where eyes and hair are: they are meant for faces aligned as the training pictures of the shipped model
//! were, eyes in the middle of the height.

use std::ops::Range;

use synth::Picture;

use crate::spectrum::{cholesky, dot, solve};

/// What is measured of a picture, in the order of [`measure`].
pub const NAMES: [&str; 7] = ["hair-light", "hair-warm", "hair-long", "eyes-warm", "mouth-open", "turn", "light"];
/// Added to the diagonal of `S`, as a share of its mean: keeps directions in which `w` hardly varies out.
const RIDGE: f64 = 1e-3;
/// Share of a measurement's variance that `w` must explain: one that it does not could only be held still by moves along noise.
const LEAST: f64 = 0.05;
/// Side of the grid that regions are named in.
const GRID: usize = 64;

/// One direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// Of [`NAMES`].
    pub name: &'static str,
    /// `w_dim` values; its length is one standard deviation of `w` along it.
    pub w: Vec<f32>,
    /// Share of the measurement's variance that `w` explains, 0 to 1.
    pub explained: f64,
}

/// Rows and columns of a region, on a grid of 64 x 64.
struct Region(Range<usize>, Range<usize>);

const HAIR: [Region; 1] = [Region(4..16, 16..48)];
const ENDS: [Region; 2] = [Region(44..62, 2..10), Region(44..62, 54..62)];
const EYES: [Region; 2] = [Region(28..38, 16..24), Region(28..38, 40..48)];
const MOUTH: [Region; 1] = [Region(46..53, 27..37)];
const SKIN: [Region; 1] = [Region(38..44, 28..36)];
const FACE: Region = Region(34..56, 8..56);
const ALL: [Region; 1] = [Region(0..64, 0..64)];

/// The measurements of a picture of any size, in the order of [`NAMES`].
pub fn measure(picture: &Picture) -> [f64; NAMES.len()] {
    let [hair, eyes, mouth, skin] = [&HAIR[..], &EYES, &MOUTH, &SKIN].map(|regions| mean(picture, regions));
    let warm = |[red, _, blue]: [f64; 3]| red - blue;
    // Long hair is where the sides below look like the hair above.
    let long = -mean_of(picture, &ENDS, |pixel| distance(pixel, hair));
    // Where the skin's middle lies tells which way the face looks.
    let (mut sum, mut moment) = (0.0, 0.0);
    each(picture, &FACE, |x, pixel| {
        let share = (-distance(pixel, skin).powi(2) / (2.0 * 30.0 * 30.0)).exp();
        sum += share;
        moment += share * x;
    });
    let turn = if sum > 0.0 { moment / sum } else { GRID as f64 / 2.0 };
    // An open mouth is darker and redder than the skin around it.
    let open = (skin[1] - mouth[1]) + (mouth[0] - mouth[1]) - (skin[0] - skin[1]);
    [luma(hair), warm(hair), long, warm(eyes), open, turn, luma(mean(picture, &ALL))]
}

fn luma([red, green, blue]: [f64; 3]) -> f64 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Calls `visit` with the column on the grid, and the colour, of every pixel of a region.
fn each(picture: &Picture, Region(rows, columns): &Region, mut visit: impl FnMut(f64, [f64; 3])) {
    let Picture { width, height, rgb } = picture;
    let scaled = |range: &Range<usize>, size: usize| range.start * size / GRID..(range.end * size).div_ceil(GRID);
    for y in scaled(rows, *height) {
        for x in scaled(columns, *width) {
            let at = 3 * (y * width + x);
            let colour = [0, 1, 2].map(|k| f64::from(rgb[at + k]));
            visit((x as f64 + 0.5) * GRID as f64 / *width as f64, colour);
        }
    }
}

fn mean_of(picture: &Picture, regions: &[Region], value: impl Fn([f64; 3]) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for region in regions {
        each(picture, region, |_, pixel| {
            sum += value(pixel);
            count += 1.0;
        });
    }
    sum / f64::max(count, 1.0)
}

fn mean(picture: &Picture, regions: &[Region]) -> [f64; 3] {
    [0, 1, 2].map(|k| mean_of(picture, regions, |pixel| pixel[k]))
}

/// Directions from the `w` of pictures, `[n, dim]`, and what was measured of each picture. A measurement that is the same for all
/// pictures, or of which `w` says next to nothing, has none.
///
/// # Panics
/// If there are not as many measurements as `w`, or fewer than two.
pub fn find(w: &[f32], dim: usize, measured: &[[f64; NAMES.len()]]) -> Vec<Direction> {
    let n = measured.len();
    assert!(n >= 2 && w.len() == n * dim, "a w of {dim} values for each of {n} pictures, and two pictures at least");
    let mut means = vec![0.0; dim];
    for w in w.chunks_exact(dim) {
        means.iter_mut().zip(w).for_each(|(mean, w)| *mean += f64::from(*w) / n as f64);
    }
    let centred = |i: usize| w[i * dim..][..dim].iter().zip(&means).map(|(w, mean)| f64::from(*w) - mean);
    let (varying, standard) = standardised(measured);
    let (mut s, mut c) = (vec![0.0; dim * dim], vec![vec![0.0; dim]; varying.len()]);
    for (i, y) in standard.iter().enumerate() {
        let w: Vec<f64> = centred(i).collect();
        for (j, wj) in w.iter().enumerate() {
            s[j * dim..][..dim].iter_mut().zip(&w).for_each(|(s, w)| *s += wj * w / n as f64);
        }
        for (c, y) in c.iter_mut().zip(y) {
            c.iter_mut().zip(&w).for_each(|(c, w)| *c += w * y / n as f64);
        }
    }
    let ridge = RIDGE * (0..dim).map(|i| s[i * dim + i]).sum::<f64>() / dim as f64;
    (0..dim).for_each(|i| s[i * dim + i] += ridge.max(f64::MIN_POSITIVE));
    let Some(root) = cholesky(s, dim) else { return Vec::new() };
    // Of each measurement its column of C, that of S^-1 C, and the variance explained, the diagonal of C' S^-1 C.
    let columns = varying.into_iter().zip(c).map(|(k, c)| {
        let solved = solve(&root, dim, c.clone());
        let explained = dot(&c, &solved);
        (k, c, solved, explained)
    });
    let columns: Vec<_> = columns.filter(|(.., explained)| *explained >= LEAST).collect();
    let count = columns.len();
    let inner = columns.iter().flat_map(|(_, c, ..)| columns.iter().map(|(_, _, solved, _)| dot(c, solved)));
    let inner: Vec<f64> = inner.collect();
    let Some(inner_root) = cholesky(inner, count) else { return Vec::new() };
    let directions = columns.iter().enumerate().map(|(i, (k, .., explained))| {
        let mut unit = vec![0.0; count];
        unit[i] = 1.0;
        let shares = solve(&inner_root, count, unit);
        let (mut direction, mut dual) = (vec![0.0; dim], vec![0.0; dim]);
        for ((_, c, solved, _), share) in columns.iter().zip(&shares) {
            direction.iter_mut().zip(c).for_each(|(d, c)| *d += share * c);
            dual.iter_mut().zip(solved).for_each(|(d, c)| *d += share * c);
        }
        let length = dot(&direction, &dual).max(f64::MIN_POSITIVE).sqrt();
        let w = direction.iter().map(|v| (v / length) as f32).collect();
        Direction { name: NAMES[*k], w, explained: explained.min(1.0) }
    });
    directions.collect()
}

/// The measurements that vary, and of each picture their values with mean 0 and variance 1.
fn standardised(measured: &[[f64; NAMES.len()]]) -> (Vec<usize>, Vec<Vec<f64>>) {
    let n = measured.len() as f64;
    let mean = |k: usize| measured.iter().map(|m| m[k]).sum::<f64>() / n;
    let means: Vec<f64> = (0..NAMES.len()).map(mean).collect();
    let deviation = |k: usize| (measured.iter().map(|m| (m[k] - means[k]).powi(2)).sum::<f64>() / n).sqrt();
    let deviations: Vec<f64> = (0..NAMES.len()).map(deviation).collect();
    let kept: Vec<usize> = (0..NAMES.len()).filter(|&k| deviations[k] > 1e-9).collect();
    let values = measured.iter().map(|m| kept.iter().map(|&k| (m[k] - means[k]) / deviations[k]).collect());
    let values = values.collect();
    (kept, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    /// Correlated `w`, and measurements that follow from three of its numbers, two of them sharing one.
    fn sample(n: usize) -> (Vec<f32>, Vec<[f64; NAMES.len()]>) {
        let dim = 6;
        let mut w: Vec<f32> = normal(7, n * dim);
        for w in w.chunks_exact_mut(dim) {
            w[1] = 0.8 * w[0] + 0.6 * w[1];
            w[2] *= 5.0;
        }
        let noise = normal(8, n * NAMES.len());
        let measured = w.chunks_exact(dim).zip(noise.chunks_exact(NAMES.len())).map(|(w, noise)| {
            let [a, b, c] = [w[0], w[1], w[2]].map(f64::from);
            let e = |k: usize| 0.1 * f64::from(noise[k]);
            [10.0 * a + e(0), 3.0 * b + e(1), c + e(2), a + c + e(3), f64::from(noise[4]), 4.0, e(6)]
        });
        let measured = measured.collect();
        (w, measured)
    }

    #[test]
    fn a_direction_changes_its_own_measurement_and_no_other() {
        let (w, mut measured) = sample(5000);
        // Noise, and what never varies.
        for m in &mut measured {
            (m[3], m[4], m[6]) = (m[4], 0.0, 0.0);
        }
        let found = find(&w, 6, &measured);
        let names: Vec<_> = found.iter().map(|d| d.name).collect();
        assert_eq!(names, ["hair-light", "hair-warm", "hair-long"]);
        let by = |name: &str| &found.iter().find(|d| d.name == name).unwrap().w;
        // The first measurement is w[0], the second w[1], the third w[2]: nothing else may move.
        for (name, moved, still) in [("hair-light", 0, [1, 2]), ("hair-warm", 1, [0, 2]), ("hair-long", 2, [0, 1])] {
            let w = by(name);
            assert!(w[moved] > 0.3, "{name}: {w:?}");
            assert!(still.iter().all(|&k| w[k].abs() < 0.05 * w[moved]), "{name}: {w:?}");
        }
        // One standard deviation of w[2] is 5; of w[0], with w[1] held, 0.6.
        assert!((by("hair-long")[2] - 5.0).abs() < 0.3, "{:?}", by("hair-long"));
        assert!((by("hair-light")[0] - 0.6).abs() < 0.05, "{:?}", by("hair-light"));
        let explained: Vec<f64> = found.iter().map(|d| d.explained).collect();
        assert!(explained.iter().all(|e| (0.95..=1.0).contains(e)), "{explained:?}");
        // What follows from others has no direction of its own.
        for m in &mut measured {
            m[3] = m[0];
        }
        assert!(find(&w, 6, &measured).is_empty());
    }

    #[test]
    fn pictures_are_measured_where_faces_have_their_parts() {
        let painted = |colour: &dyn Fn(usize, usize) -> [u8; 3]| {
            let rgb = (0..128 * 128).flat_map(|i| colour(i % 128 / 2, i / 128 / 2)).collect();
            measure(&Picture { width: 128, height: 128, rgb })
        };
        let skin = [250, 230, 215];
        let plain = painted(&|_, _| skin);
        let blonde = painted(&|_, y| if y < 20 { [240, 220, 120] } else { skin });
        let blue = painted(&|_, y| if y < 20 { [60, 80, 200] } else { skin });
        assert!(blonde[0] > blue[0] && blonde[1] > blue[1]);
        let long = painted(&|x, y| if y < 20 || !(10..54).contains(&x) { [60, 80, 200] } else { skin });
        assert!(long[2] > blue[2]);
        let mouth = painted(&|x, y| if (46..53).contains(&y) && (27..37).contains(&x) { [150, 40, 50] } else { skin });
        assert!(mouth[4] > plain[4]);
        let right = painted(&|x, _| if x < 30 { [20, 20, 20] } else { skin });
        assert!(right[5] > plain[5]);
        assert!(plain[6] > right[6]);
    }
}
