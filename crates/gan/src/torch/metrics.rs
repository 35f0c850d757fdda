//! Distances between two sets of pictures, computed on their features: tensors [n, d], one row a picture.
//!
//! All sums run in f64. None of these is the published FID unless the features come from the network that FID is defined by.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

/// Rows that are compared at once, so that memory stays bounded however many there are.
const BLOCK: i64 = 1024;

/// How well drawn pictures cover the real ones and the reverse; each 0 or more, larger is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Share of drawn pictures within reach of a real one (improved precision, arXiv 1904.06991, k = 3).
    pub precision: f64,
    /// Share of real pictures within reach of a drawn one (improved recall, same source).
    pub recall: f64,
    /// Real neighbourhoods a drawn picture lies in, over k (arXiv 2002.09797, k = 5). May exceed 1.
    pub density: f64,
    /// Share of real pictures that have a drawn one within their own reach (same source).
    pub coverage: f64,
}

/// Fréchet distance between normal distributions fitted to both sets (arXiv 1706.08500):
/// `|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2))` with unbiased covariances. Biased upwards for few pictures.
pub fn frechet_distance(a: &Tensor, b: &Tensor) -> f64 {
    no_grad(|| {
        let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(a), moments(b));
        let root = square_root(&cov_a);
        // tr (A B)^(1/2) = tr (A^(1/2) B A^(1/2))^(1/2), which is symmetric.
        let (values, _) = root.matmul(&cov_b).matmul(&root).linalg_eigh("L");
        let cross = values.clamp_min(0.0).sqrt().sum(Kind::Double);
        scalar(&((mean_a - mean_b).square().sum(Kind::Double) + cov_a.trace() + cov_b.trace() - cross * 2.0))
    })
}

/// Mean and unbiased covariance of the rows.
fn moments(x: &Tensor) -> (Tensor, Tensor) {
    let x = x.to_kind(Kind::Double);
    let mean = x.mean_dim(0, false, Kind::Double);
    let centred = &x - &mean;
    let covariance = centred.tr().matmul(&centred) / (x.size()[0] - 1) as f64;
    (mean, covariance)
}

/// The symmetric square root of a symmetric positive matrix.
fn square_root(a: &Tensor) -> Tensor {
    let (values, vectors) = a.linalg_eigh("L");
    (&vectors * values.clamp_min(0.0).sqrt()).matmul(&vectors.tr())
}

/// Kernel distance: the unbiased squared maximum mean discrepancy under `k(x, y) = (x.y / d + 1)^3` (KID, arXiv 1801.01401), over
/// all pairs instead of random subsets. May come out slightly below 0 for sets that are alike.
pub fn kernel_distance(a: &Tensor, b: &Tensor) -> f64 {
    no_grad(|| {
        let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
        let d = a.size()[1] as f64;
        let kernel = |dot: &Tensor| (dot / d + 1.0).pow_tensor_scalar(3);
        let sum = |x: &Tensor, y: &Tensor| -> f64 {
            blocks(x).map(|rows| scalar(&kernel(&rows.matmul(&y.tr())).sum(Kind::Double))).sum()
        };
        let own = |x: &Tensor| {
            let n = x.size()[0] as f64;
            let diagonal = kernel(&x.square().sum_dim_intlist(1i64, false, Kind::Double)).sum(Kind::Double);
            (sum(x, x) - scalar(&diagonal)) / (n * (n - 1.0))
        };
        own(&a) + own(&b) - 2.0 * sum(&a, &b) / (a.size()[0] * b.size()[0]) as f64
    })
}

/// Precision and recall with k = 3, density and coverage with k = 5. Both sets need at least 6 pictures.
pub fn coverage(real: &Tensor, fake: &Tensor) -> Coverage {
    no_grad(|| {
        let (real, fake) = (real.to_kind(Kind::Double), fake.to_kind(Kind::Double));
        let reach = |x: &Tensor, k: i64| nearest(x, x, k + 1).narrow(1, k, 1).squeeze_dim(1);
        let (real3, fake3, real5) = (reach(&real, 3), reach(&fake, 3), reach(&real, 5));
        let (n, m) = (real.size()[0] as f64, fake.size()[0] as f64);
        let (mut precise, mut dense) = (0.0, 0.0);
        for rows in blocks(&fake) {
            let apart = distances(&rows, &real);
            precise += count(&apart.le_tensor(&real3).any_dim(1, false));
            dense += count(&apart.le_tensor(&real5));
        }
        let (mut recalled, mut covered) = (0.0, 0.0);
        let mut at = 0;
        for rows in blocks(&real) {
            let apart = distances(&rows, &fake);
            recalled += count(&apart.le_tensor(&fake3).any_dim(1, false));
            let own = real5.narrow(0, at, rows.size()[0]).unsqueeze(1);
            covered += count(&apart.le_tensor(&own).any_dim(1, false));
            at += rows.size()[0];
        }
        Coverage { precision: precise / m, recall: recalled / n, density: dense / (5.0 * m), coverage: covered / n }
    })
}

/// Distance from each row of `from` to its `k` nearest rows of `to`, ascending: [n, k]. A row that is in both finds itself first.
pub fn nearest(from: &Tensor, to: &Tensor, k: i64) -> Tensor {
    nearest_with_places(from, to, k).0
}

/// As [`nearest`], and which rows they are: [n, k] of integers.
pub fn nearest_with_places(from: &Tensor, to: &Tensor, k: i64) -> (Tensor, Tensor) {
    let (from, to) = (from.to_kind(Kind::Double), to.to_kind(Kind::Double));
    let found: Vec<_> = blocks(&from).map(|rows| distances(&rows, &to).topk(k, 1, false, true)).collect();
    let (distances, places): (Vec<Tensor>, Vec<Tensor>) = found.into_iter().unzip();
    (Tensor::cat(&distances, 0), Tensor::cat(&places, 0))
}

/// Euclidean distances between all rows.
fn distances(x: &Tensor, y: &Tensor) -> Tensor {
    Tensor::cdist(x, y, 2.0, None)
}

fn blocks(x: &Tensor) -> impl Iterator<Item = Tensor> {
    x.split(BLOCK, 0).into_iter()
}

fn count(x: &Tensor) -> f64 {
    scalar(&x.sum(Kind::Double))
}

fn scalar(x: &Tensor) -> f64 {
    f64::try_from(x).expect("a sum is one number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that any language can make: a linear congruential generator, values in -2..2 moved by `shift`.
    fn set(n: i64, d: i64, seed: u64, shift: f64) -> Tensor {
        let mut x = seed;
        let values: Vec<f32> = (0..n * d)
            .map(|_| {
                x = (x * 1_103_515_245 + 12345) % (1 << 31);
                (x as f64 / f64::from(1u32 << 31) * 4.0 - 2.0 + shift) as f32
            })
            .collect();
        Tensor::from_slice(&values).view([n, d])
    }

    fn close(a: f64, b: f64, relative: f64) {
        assert!((a - b).abs() <= relative * b.abs().max(1e-3), "{a} is not {b}");
    }

    /// Golden values: `numpy`, `scipy.linalg.sqrtm` and scikit-learn's nearest neighbours, on the same rows.
    #[test]
    fn all_figures_equal_an_independent_implementation() {
        let (a, b) = (set(300, 8, 1, 0.0), set(200, 8, 2, 0.25));
        close(frechet_distance(&a, &b), GOLDEN_FD, 1e-6);
        close(kernel_distance(&a, &b), GOLDEN_KD, 1e-6);
        let c = coverage(&a, &b);
        let found = [c.precision, c.recall, c.density, c.coverage];
        for (f, g) in found.iter().zip(GOLDEN_COVERAGE) {
            close(*f, g, 1e-9);
        }
    }

    const GOLDEN_FD: f64 = 0.819_949_969_831_3;
    const GOLDEN_KD: f64 = 0.305_234_268_669_895_9;
    const GOLDEN_COVERAGE: [f64; 4] = [0.92, 0.92, 0.891, 0.863_333_333_333_333_3];

    #[test]
    fn a_set_is_at_no_distance_from_itself_and_covers_itself() {
        let a = set(100, 8, 1, 0.0);
        assert!(frechet_distance(&a, &a).abs() < 1e-6);
        // The unbiased estimate on one and the same set is below 0 by the diagonal's share.
        assert!(kernel_distance(&a, &a) <= 0.0);
        let c = coverage(&a, &a);
        close(c.precision, 1.0, 1e-12);
        close(c.recall, 1.0, 1e-12);
        close(c.coverage, 1.0, 1e-12);
    }

    #[test]
    fn blocks_do_not_change_the_result() {
        let (a, b) = (set(2500, 4, 1, 0.0), set(1100, 4, 2, 0.1));
        let whole = distances(&a.to_kind(Kind::Double), &b.to_kind(Kind::Double)).topk(3, 1, false, true).0;
        assert_eq!(nearest(&a, &b, 3), whole);
    }
}
