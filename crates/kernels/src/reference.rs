//! The same operations in plain loops over planar [C, H, W] arrays: what the fast ones are tested against.

use crate::Edge;

/// 3x3 convolution (cross-correlation) with zeros outside the picture: [input, H, W] to [output, H, W].
///
/// # Panics
/// If `weight` [output, input, 3, 3] and `x` do not fit together.
pub fn conv3x3(x: &[f32], [height, width]: [usize; 2], weight: &[f32], output: usize) -> Vec<f32> {
    let input = x.len() / (height * width);
    assert_eq!(weight.len(), 9 * input * output, "weight must be [{output}, {input}, 3, 3]");
    // A border of zeros spares the inner loop every question about the edge.
    let (pitch, plane) = (width + 2, (height + 2) * (width + 2));
    let mut bordered = vec![0.0; input * plane];
    for (index, row) in x.chunks_exact(width).enumerate() {
        let start = index / height * plane + (index % height + 1) * pitch + 1;
        bordered[start..start + width].copy_from_slice(row);
    }
    let mut y = vec![0.0; output * height * width];
    for (o, sums) in y.chunks_exact_mut(height * width).enumerate() {
        for (i, source) in bordered.chunks_exact(plane).enumerate() {
            for (tap, &value) in weight[(o * input + i) * 9..][..9].iter().enumerate() {
                for (row, sums) in sums.chunks_exact_mut(width).enumerate() {
                    let shifted = &source[(row + tap / 3) * pitch + tap % 3..][..width];
                    sums.iter_mut().zip(shifted).for_each(|(sum, &x)| *sum += value * x);
                }
            }
        }
    }
    y
}

/// `StyleGAN2`'s doubling convolution: transposed with stride 2, then [1, 3, 3, 1] in both directions with gain 4:
/// [input, H, W] to [output, 2 H, 2 W].
///
/// # Panics
/// If `weight` [output, input, 3, 3] and `x` do not fit together.
pub fn doubling_conv3x3(x: &[f32], [height, width]: [usize; 2], weight: &[f32], output: usize) -> Vec<f32> {
    let input = x.len() / (height * width);
    assert_eq!(weight.len(), 9 * input * output, "weight must be [{output}, {input}, 3, 3]");
    let filter = [0.25_f32, 0.75, 0.75, 0.25];
    let (spread_height, pitch) = (2 * height + 1, 2 * width + 1);
    let mut y = Vec::with_capacity(output * 4 * height * width);
    for o in 0..output {
        let mut spread = vec![0.0; spread_height * pitch];
        for (i, source) in x.chunks_exact(height * width).enumerate() {
            let taps = &weight[(o * input + i) * 9..][..9];
            for (place, &value) in source.iter().enumerate() {
                let corner = 2 * (place / width) * pitch + 2 * (place % width);
                for (tap, &weight) in taps.iter().enumerate() {
                    spread[corner + tap / 3 * pitch + tap % 3] += value * weight;
                }
            }
        }
        // Before the first and after the last value there is one zero.
        let at = |y: usize, x: usize| match (y.checked_sub(1), x.checked_sub(1)) {
            (Some(y), Some(x)) if y < spread_height && x < pitch => spread[y * pitch + x],
            _ => 0.0,
        };
        for place in 0..4 * height * width {
            let (row, column) = (place / (2 * width), place % (2 * width));
            let taps = (0..16).map(|t| filter[t / 4] * filter[t % 4] * at(row + t / 4, column + t % 4));
            y.push(taps.sum());
        }
    }
    y
}

/// Doubles [C, H, W]: each new value is 3/4 of the nearest old one and 1/4 of the next, in both directions.
pub fn upsample2x(x: &[f32], [height, width]: [usize; 2], edge: Edge) -> Vec<f32> {
    // The place of the next value, or none if it lies outside and counts as zero.
    let next = |place: usize, end: usize| {
        let next = (place / 2 + place % 2 * 2).checked_sub(1).filter(|&next| next < end);
        if edge == Edge::Replicate { next.or(Some(place / 2)) } else { next }
    };
    let mut y = Vec::with_capacity(4 * x.len());
    for plane in x.chunks_exact(height * width) {
        let at = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) => plane[row * width + column],
            _ => 0.0,
        };
        for row in 0..2 * height {
            let (near_row, far_row) = (Some(row / 2), next(row, height));
            for column in 0..2 * width {
                let (near_column, far_column) = (Some(column / 2), next(column, width));
                y.push(
                    0.5625 * at(near_row, near_column)
                        + 0.1875 * (at(near_row, far_column) + at(far_row, near_column))
                        + 0.0625 * at(far_row, far_column),
                );
            }
        }
    }
    y
}

/// Enlarges [C, H, W] `factor` times, bilinearly with half-pixel centres and the edge repeated outside, and adds `fine`
/// [C factor^2, H, W], whose channel `c factor^2 + i factor + j` belongs to row `i`, column `j` within an enlarged pixel.
///
/// # Panics
/// If `fine` is too short.
pub fn enlarge(x: &[f32], fine: &[f32], [height, width]: [usize; 2], factor: usize) -> Vec<f32> {
    // The two old places that a new one lies between, and the weight of the second.
    let between = |place: usize, side: usize| {
        let at = (place as f32 + 0.5) / factor as f32 - 0.5;
        let old = |index: f32| index.clamp(0.0, (side - 1) as f32) as usize;
        (old(at.floor()), old(at.floor() + 1.0), at - at.floor())
    };
    let (area, wide) = (height * width, factor * width);
    let mut y = Vec::with_capacity(factor * factor * x.len());
    for (colour, plane) in x.chunks_exact(area).enumerate() {
        for (row, column) in (0..factor * height * wide).map(|place| (place / wide, place % wide)) {
            let ((top, bottom, down), (left, right, across)) = (between(row, height), between(column, width));
            let line = |row: usize| (1.0 - across) * plane[row * width + left] + across * plane[row * width + right];
            let channel = (colour * factor + row % factor) * factor + column % factor;
            let detail = fine[channel * area + row / factor * width + column / factor];
            y.push((1.0 - down) * line(top) + down * line(bottom) + detail);
        }
    }
    y
}

/// `W x + b` with `weight` [output, input].
pub fn linear(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
    weight.chunks_exact(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

/// 1x1 convolution: [input, H, W] to [output, H, W], `weight` [output, input].
pub fn conv1x1(x: &[f32], area: usize, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = Vec::with_capacity(bias.len() * area);
    for (row, &bias) in weight.chunks_exact(x.len() / area).zip(bias) {
        let mut plane = vec![bias; area];
        for (source, &weight) in x.chunks_exact(area).zip(row) {
            plane.iter_mut().zip(source).for_each(|(y, &x)| *y += weight * x);
        }
        y.extend(plane);
    }
    y
}

/// [m, k] times [k, n], both without gaps: [m, n].
///
/// # Panics
/// If `a` or `b` is shorter than that.
pub fn matrix_product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let entry = |row: usize, column: usize| (0..k).map(|i| a[row * k + i] * b[i * n + column]).sum();
    (0..m * n).map(|i| entry(i / n, i % n)).collect()
}
