//! Spectral norm (arXiv 1802.05957): a weight over its largest singular value, which a power iteration follows.

/// A weight [rows, columns] as used: `weight / sigma` with `sigma = v weight u`, for vectors `u` [columns] and `v` [rows] that are
/// held to be constant.
pub(super) fn sigma(weight: &[f32], u: &[f32], v: &[f32]) -> f32 {
    let rows = weight.chunks_exact(u.len()).zip(v);
    rows.map(|(row, v)| f64::from(*v) * product(row, u)).sum::<f64>() as f32
}

/// One step of the power iteration: `v` towards `weight u`, then `u` towards `v weight`.
pub(super) fn advance(weight: &[f32], u: &mut [f32], v: &mut [f32]) {
    for (row, v) in weight.chunks_exact(u.len()).zip(&mut *v) {
        *v = product(row, u) as f32;
    }
    normalise(v);
    let mut sums = vec![0.0_f64; u.len()];
    for (row, v) in weight.chunks_exact(u.len()).zip(&*v) {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += f64::from(*v) * f64::from(*w));
    }
    u.iter_mut().zip(sums).for_each(|(u, sum)| *u = sum as f32);
    normalise(u);
}

/// Turns a gradient to `weight / sigma` into one to `weight`.
pub(super) fn gradient(weight: &[f32], u: &[f32], v: &[f32], gradient: &mut [f32]) {
    let sigma = sigma(weight, u, v);
    let along = product(gradient, weight) as f32 / sigma;
    for (row, v) in gradient.chunks_exact_mut(u.len()).zip(v) {
        for (g, u) in row.iter_mut().zip(u) {
            *g = (*g - along * u * v) / sigma;
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Gives a vector length 1; zeros stay zeros.
pub(super) fn normalise(x: &mut [f32]) {
    let length = product(x, x).sqrt().max(1e-12) as f32;
    for x in x {
        *x /= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    #[test]
    fn power_iterations_find_the_largest_singular_value() {
        // Rows times 1, 2, 3, 4 of an orthogonal matrix.
        let h = [1.0_f32, 1.0, 1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0];
        let weight: Vec<f32> = h.iter().enumerate().map(|(i, h)| h / 2.0 * (i / 4 + 1) as f32).collect();
        let (mut u, mut v) = (normal(1, 4), vec![0.0; 4]);
        for _ in 0..60 {
            advance(&weight, &mut u, &mut v);
        }
        assert!((sigma(&weight, &u, &v) - 4.0).abs() < 1e-4);
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let (weight, u, v, given) = (normal(1, 15), normal(2, 3), normal(3, 5), normal(4, 15));
        let value = |w: &[f32]| product(w, &given) / f64::from(sigma(w, &u, &v));
        let mut found = given.clone();
        gradient(&weight, &u, &v, &mut found);
        for i in 0..15 {
            let moved = |by: f32| {
                let mut w = weight.clone();
                w[i] += by;
                value(&w)
            };
            let difference = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!(
                (difference - f64::from(found[i])).abs() < 2e-3 * difference.abs().max(0.1),
                "{difference} {}",
                found[i]
            );
        }
    }
}
