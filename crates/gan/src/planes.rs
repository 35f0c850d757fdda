//! Doubling and halving of single planes of numbers, rows one after another.

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

/// Adds to `to` a plane of `height` x `width` at twice the size: bilinear, half-pixel centres, borders repeating.
pub(crate) fn add_doubled(from: &[f32], [height, width]: [usize; 2], to: &mut [f32]) {
    let mut row = vec![0.0; width];
    for y in 0..2 * height {
        let (own, other) = neighbours(y, height);
        let (own, other) = (&from[own * width..][..width], &from[other * width..][..width]);
        for ((v, a), b) in row.iter_mut().zip(own).zip(other) {
            *v = 0.75 * a + 0.25 * b;
        }
        let to = &mut to[y * 2 * width..][..2 * width];
        for x in 0..width {
            let (before, after) = (row[x.saturating_sub(1)], row[(x + 1).min(width - 1)]);
            to[2 * x] += 0.75 * row[x] + 0.25 * before;
            to[2 * x + 1] += 0.75 * row[x] + 0.25 * after;
        }
    }
}

/// The adjoint of [`add_doubled`], added to `to` of `height` x `width`.
pub(crate) fn doubled_adjoint(from: &[f32], [height, width]: [usize; 2], to: &mut [f32]) {
    let mut row = vec![0.0; width];
    for y in 0..2 * height {
        let from = &from[y * 2 * width..][..2 * width];
        row.fill(0.0);
        for x in 0..width {
            row[x] += 0.75 * (from[2 * x] + from[2 * x + 1]);
            row[x.saturating_sub(1)] += 0.25 * from[2 * x];
            row[(x + 1).min(width - 1)] += 0.25 * from[2 * x + 1];
        }
        let (own, other) = neighbours(y, height);
        for (x, v) in row.iter().enumerate() {
            to[own * width + x] += 0.75 * v;
            to[other * width + x] += 0.25 * v;
        }
    }
}

/// The small rows that row `y` of twice the height lies between, the nearer one first.
fn neighbours(y: usize, height: usize) -> (usize, usize) {
    let own = y / 2;
    (own, if y.is_multiple_of(2) { own.saturating_sub(1) } else { (own + 1).min(height - 1) })
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
            let (mut doubled, mut back) = (vec![0.0; 4 * h * w], vec![0.0; h * w]);
            add_doubled(&small, size, &mut doubled);
            doubled_adjoint(&large, size, &mut back);
            assert!((dot(&doubled, &large) - dot(&small, &back)).abs() < 1e-4);
            let (mut halved, mut spread) = (vec![0.0; h * w], vec![0.0; 4 * h * w]);
            halve(&large, [2 * h, 2 * w], &mut halved);
            halve_adjoint(&small, [2 * h, 2 * w], &mut spread);
            assert!((dot(&halved, &small) - dot(&large, &spread)).abs() < 1e-4);
        }
    }

    #[test]
    fn an_even_plane_stays_even() {
        let mut to = vec![0.0; 24];
        add_doubled(&[2.0; 6], [2, 3], &mut to);
        assert!(to.iter().all(|v| (v - 2.0).abs() < 1e-6));
    }
}
