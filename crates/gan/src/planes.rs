//! Pictures as planes of numbers, rows one after another: from and to bytes, doubled and halved.

use kernels::Edge;
use synth::Picture;

/// Bytes of pictures, red, green and blue of each pixel, as planes of numbers in -1..1.
pub(crate) fn planar(pixels: &[u8], area: usize) -> Vec<f32> {
    let mut all = vec![0.0; pixels.len()];
    let pictures = all.chunks_exact_mut(3 * area).zip(pixels.chunks_exact(3 * area));
    pictures.for_each(|(to, from)| planes(from, to));
    all
}

/// Bytes of one picture as planes of numbers in -1..1, into `to`.
pub(crate) fn planes(pixels: &[u8], to: &mut [f32]) {
    let area = pixels.len() / 3;
    for (i, rgb) in pixels.chunks_exact(3).enumerate() {
        for k in 0..3 {
            to[k * area + i] = f32::from(rgb[k]) / 127.5 - 1.0;
        }
    }
}

/// A raw picture [3, size, size] as bytes: `floor(clamp(127.5 v + 128, 0, 255))`.
pub(crate) fn picture(planes: &[f32], size: usize) -> Picture {
    let byte = |i: usize| (planes[i % 3 * size * size + i / 3] * 127.5 + 128.0).clamp(0.0, 255.0).floor() as u8;
    Picture { width: size, height: size, rgb: (0..planes.len()).map(byte).collect() }
}

/// Means of 2x2 of a plane of `height` x `width`.
pub(crate) fn halve(from: &[f32], [height, width]: [usize; 2], to: &mut [f32]) {
    for y in 0..height / 2 {
        let (upper, lower) = (&from[2 * y * width..][..width], &from[(2 * y + 1) * width..][..width]);
        let row = &mut to[y * (width / 2)..][..width / 2];
        for (x, v) in row.iter_mut().enumerate() {
            *v = 0.25 * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]);
        }
    }
}

/// The adjoint of [`halve`], added to `to` of `height` x `width`.
pub(crate) fn halve_adjoint(from: &[f32], [height, width]: [usize; 2], to: &mut [f32]) {
    for y in 0..height {
        let row = &from[y / 2 * (width / 2)..][..width / 2];
        for (x, v) in to[y * width..][..width].iter_mut().enumerate() {
            *v += 0.25 * row[x / 2];
        }
    }
}

/// Adds to `to` a plane of `height` x `width` at twice the size: bilinear, half-pixel centres; `edge` is what lies outside.
pub(crate) fn add_doubled(from: &[f32], [height, width]: [usize; 2], edge: Edge, to: &mut [f32]) {
    // A row of the small plane's height with what lies on either side.
    let mut row = vec![0.0; width + 2];
    for y in 0..2 * height {
        let (own, other, share) = neighbours(y, height, edge);
        let (own, other) = (&from[own * width..][..width], &from[other * width..][..width]);
        for ((v, a), b) in row[1..].iter_mut().zip(own).zip(other) {
            *v = 0.75 * a + share * b;
        }
        if edge == Edge::Replicate {
            (row[0], row[width + 1]) = (row[1], row[width]);
        }
        let to = &mut to[y * 2 * width..][..2 * width];
        for (to, three) in to.chunks_exact_mut(2).zip(row.windows(3)) {
            to[0] += 0.75 * three[1] + 0.25 * three[0];
            to[1] += 0.75 * three[1] + 0.25 * three[2];
        }
    }
}

/// The adjoint of [`add_doubled`], added to `to` of `height` x `width`.
pub(crate) fn doubled_adjoint(from: &[f32], [height, width]: [usize; 2], edge: Edge, to: &mut [f32]) {
    let mut row = vec![0.0; width + 2];
    for y in 0..2 * height {
        let from = &from[y * 2 * width..][..2 * width];
        row.fill(0.0);
        for (x, pair) in from.chunks_exact(2).enumerate() {
            row[x] += 0.25 * pair[0];
            row[x + 1] += 0.75 * (pair[0] + pair[1]);
            row[x + 2] += 0.25 * pair[1];
        }
        if edge == Edge::Replicate {
            row[1] += row[0];
            row[width] += row[width + 1];
        }
        let (own, other, share) = neighbours(y, height, edge);
        for (x, v) in row[1..=width].iter().enumerate() {
            to[own * width + x] += 0.75 * v;
            to[other * width + x] += share * v;
        }
    }
}

/// The small rows that row `y` of twice the height lies between, the nearer one first, and the share of the other.
fn neighbours(y: usize, height: usize, edge: Edge) -> (usize, usize, f32) {
    let own = y / 2;
    let other = if y.is_multiple_of(2) { own.checked_sub(1) } else { Some(own + 1).filter(|row| *row < height) };
    let beyond = if edge == Edge::Replicate { 0.25 } else { 0.0 };
    (own, other.unwrap_or(own), if other.is_some() { 0.25 } else { beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        synth::latent::normal(synth::Seed(seed), 0, &mut out);
        out
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// `<A x, y> = <x, A^T y>` for both.
    #[test]
    fn adjoints_are_adjoint() {
        for size in [[1, 1], [2, 6], [5, 3]] {
            let [h, w] = size;
            let (small, large) = (numbers(h * w, 1), numbers(4 * h * w, 2));
            for edge in [Edge::Replicate, Edge::Zero] {
                let (mut doubled, mut back) = (vec![0.0; 4 * h * w], vec![0.0; h * w]);
                add_doubled(&small, size, edge, &mut doubled);
                doubled_adjoint(&large, size, edge, &mut back);
                assert!((dot(&doubled, &large) - dot(&small, &back)).abs() < 1e-4);
            }
            let (mut halved, mut spread) = (vec![0.0; h * w], vec![0.0; 4 * h * w]);
            halve(&large, [2 * h, 2 * w], &mut halved);
            halve_adjoint(&small, [2 * h, 2 * w], &mut spread);
            assert!((dot(&halved, &small) - dot(&large, &spread)).abs() < 1e-4);
        }
    }

    #[test]
    fn doubling_is_that_of_the_plain_loops() {
        for size in [[1, 1], [2, 6], [5, 3]] {
            let small = numbers(size[0] * size[1], 1);
            for edge in [Edge::Replicate, Edge::Zero] {
                let mut to = vec![1.0; 4 * small.len()];
                add_doubled(&small, size, edge, &mut to);
                let expected = kernels::reference::upsample2x(&small, size, edge);
                assert!(to.iter().zip(&expected).all(|(a, b)| (a - 1.0 - b).abs() < 1e-6), "{size:?} {edge:?}");
            }
        }
    }
}
