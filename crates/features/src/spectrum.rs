//! Symmetric matrices in `f64`: triangular factors, linear equations, and the eigenvalues.

use kernels::Crew;
use std::sync::Mutex;

use crate::pass::lock;

/// A factor L [n, r] with `L Lᵀ = a` for a symmetric positive semidefinite `a` [n, n], whose rank is r: Cholesky's, the largest
/// remaining diagonal entry first (Higham, "Analysis of the Cholesky decomposition of a semi-definite matrix", 1990). Gives the
/// factor's entries row after row, and r.
pub(crate) fn factor(a: &[f64], n: usize) -> (Vec<f64>, usize) {
    let mut l = vec![0.0; n * n];
    let mut diagonal: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    let mut done = vec![false; n];
    let limit = diagonal.iter().copied().fold(0.0, f64::max) * n as f64 * f64::EPSILON;
    let mut rank = 0;
    while rank < n {
        let left = (0..n).filter(|&i| !done[i]);
        let Some(pivot) = left.max_by(|&i, &j| diagonal[i].total_cmp(&diagonal[j])) else { break };
        // Not `<=`: a matrix that holds no numbers has no factor either.
        if diagonal[pivot].is_nan() || diagonal[pivot] <= limit {
            break;
        }
        let root = diagonal[pivot].sqrt();
        let row: Vec<f64> = l[pivot * n..pivot * n + rank].to_vec();
        for i in (0..n).filter(|&i| !done[i]) {
            let line = &mut l[i * n..(i + 1) * n];
            let entry = (a[i * n + pivot] - dot(&line[..rank], &row)) / root;
            line[rank] = entry;
            diagonal[i] -= entry * entry;
        }
        l[pivot * n + rank] = root;
        done[pivot] = true;
        rank += 1;
    }
    let dense = l.chunks_exact(n.max(1)).flat_map(|line| line[..rank].iter().copied()).collect();
    (dense, rank)
}

/// The eigenvalues, ascending, of a symmetric matrix [n, n] whose lower triangle is in `a`, which is overwritten.
pub(crate) fn eigenvalues(crew: &Crew, a: &mut [f64], n: usize) -> Vec<f64> {
    let (diagonal, beside) = tridiagonal(a, n);
    bisected(crew, &diagonal, &beside)
}

/// The diagonal, and the entries beside it, of a tridiagonal matrix with the same eigenvalues: Householder's reflections from the
/// last row up (Golub and Van Loan, "Matrix Computations", 8.3.1). Entry i beside the diagonal joins places i and i + 1.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n.saturating_sub(1)];
    let (mut v, mut p) = (vec![0.0; n], vec![0.0; n]);
    for i in (1..n).rev() {
        let (before, row) = a.split_at_mut(i * n);
        let (v, p) = (&mut v[..i], &mut p[..i]);
        v.copy_from_slice(&row[..i]);
        let length = dot(v, v).sqrt();
        let last = v[i - 1];
        // Zeros but for the last entry, or as good as: nothing to reflect.
        if dot(&v[..i - 1], &v[..i - 1]) < f64::MIN_POSITIVE {
            beside[i - 1] = last;
            continue;
        }
        // The reflection along v takes the row to one entry, of the sign that loses no digits.
        let entry = -length.copysign(last);
        beside[i - 1] = entry;
        v[i - 1] -= entry;
        let scale = 2.0 / dot(v, v);
        p.fill(0.0);
        for (j, line) in before.chunks_exact(n).enumerate() {
            p[j] += dot(&line[..=j], &v[..=j]);
            add(&mut p[..j], &line[..j], v[j]);
        }
        let half = scale * scale * dot(p, v) / 2.0;
        p.iter_mut().zip(&*v).for_each(|(p, v)| *p = scale * *p - half * v);
        for (j, line) in before.chunks_exact_mut(n).enumerate() {
            let (vj, pj) = (v[j], p[j]);
            for ((entry, v), p) in line[..=j].iter_mut().zip(&*v).zip(&*p) {
                *entry -= vj * p + pj * v;
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Eigenvalues found at once: as many divisions as a processor has under way.
const AT_ONCE: usize = 8;
/// Halvings that leave nothing of an interval but the rounding of its ends.
const HALVINGS: usize = 64;

/// The eigenvalues of a tridiagonal matrix, each by halving an interval: how many lie below a number is the number of negative
/// pivots of the matrix less that number (Sturm; Barth, Martin and Wilkinson, 1967).
fn bisected(crew: &Crew, diagonal: &[f64], beside: &[f64]) -> Vec<f64> {
    let n = diagonal.len();
    let reach = |i: usize| {
        let left = i.checked_sub(1).map_or(0.0, |i| beside[i].abs());
        left + beside.get(i).map_or(0.0, |b| b.abs())
    };
    let low = (0..n).map(|i| diagonal[i] - reach(i)).fold(f64::INFINITY, f64::min);
    let high = (0..n).map(|i| diagonal[i] + reach(i)).fold(f64::NEG_INFINITY, f64::max);
    let squares: Vec<f64> = beside.iter().map(|b| b * b).collect();
    // Stands in for a pivot of zero.
    let least = squares.iter().copied().fold(f64::MIN_POSITIVE, f64::max) * f64::EPSILON * f64::EPSILON;
    let mut values = vec![0.0; n];
    let parts: Vec<_> = values.chunks_mut(AT_ONCE).map(Mutex::new).collect();
    crew.run(parts.len(), |_, part| {
        let (mut lows, mut highs) = ([low; AT_ONCE], [high; AT_ONCE]);
        for _ in 0..HALVINGS {
            let middles: [f64; AT_ONCE] = std::array::from_fn(|k| f64::midpoint(lows[k], highs[k]));
            let below = count_below(diagonal, &squares, least, &middles);
            for k in 0..AT_ONCE {
                if below[k] > part * AT_ONCE + k { highs[k] = middles[k] } else { lows[k] = middles[k] }
            }
        }
        lock(&parts[part]).iter_mut().zip(highs).for_each(|(value, high)| *value = high);
    });
    values
}

/// How many eigenvalues lie below each of some numbers.
fn count_below(diagonal: &[f64], squares: &[f64], least: f64, numbers: &[f64; AT_ONCE]) -> [usize; AT_ONCE] {
    let mut count = [0; AT_ONCE];
    let mut pivots = [1.0; AT_ONCE];
    for (i, d) in diagonal.iter().enumerate() {
        let square = i.checked_sub(1).map_or(0.0, |i| squares[i]);
        for k in 0..AT_ONCE {
            let pivot = d - numbers[k] - square / pivots[k];
            pivots[k] = if pivot.abs() < least { -least } else { pivot };
            count[k] += usize::from(pivots[k] < 0.0);
        }
    }
    count
}

/// The sum of the products, in eight sums so that vectors can be used.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn add(to: &mut [f64], from: &[f64], factor: f64) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

/// The lower triangle L with `L L' = a`, made where `a` [n, n] was, or `None` if that is not positive definite.
pub(crate) fn cholesky(mut a: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for (j, done) in above.chunks_exact(n).enumerate() {
            row[j] = (row[j] - dot(&row[..j], &done[..j])) / done[j];
        }
        let rest = row[i] - dot(&row[..i], &row[..i]);
        if rest.is_nan() || rest <= 0.0 {
            return None;
        }
        row[i] = rest.sqrt();
        row[i + 1..n].fill(0.0);
    }
    Some(a)
}

/// Solves `L L' x = b`.
pub(crate) fn solve(l: &[f64], n: usize, mut b: Vec<f64>) -> Vec<f64> {
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..][..i], &b[..i])) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let below: f64 = (i + 1..n).map(|j| l[j * n + i] * b[j]).sum();
        b[i] = (b[i] - below) / l[i * n + i];
    }
    b
}

/// The diagonal of the inverse of `L L'`.
pub(crate) fn inverse_diagonal(l: &[f64], n: usize) -> Vec<f64> {
    let mut column = vec![0.0; n];
    let one = |i: usize| {
        // A column of L's inverse, from the diagonal down.
        column[i] = 1.0 / l[i * n + i];
        for k in i + 1..n {
            column[k] = -dot(&l[k * n + i..][..k - i], &column[i..k]) / l[k * n + k];
        }
        dot(&column[i..], &column[i..])
    };
    (0..n).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Values;
    use kernels::Isa;

    /// `X Xᵀ` of [n, r] numbers.
    fn gram(n: usize, r: usize) -> Vec<f64> {
        let mut values = Values::new(11);
        let x: Vec<f64> = (0..n * r).map(|_| values.next() * 2.0 - 1.0).collect();
        let row = |i: usize| &x[i * r..(i + 1) * r];
        (0..n * n).map(|i| dot(row(i / n), row(i % n))).collect()
    }

    #[test]
    fn factors_give_the_matrix_and_its_rank() {
        for (n, r) in [(1, 1), (7, 7), (40, 40), (40, 13), (25, 1)] {
            let a = gram(n, r);
            let (l, rank) = factor(&a, n);
            assert_eq!(rank, r);
            for i in 0..n * n {
                let found = dot(&l[i / n * rank..][..rank], &l[i % n * rank..][..rank]);
                assert!((found - a[i]).abs() < 1e-10, "{found} is not {}", a[i]);
            }
        }
        assert_eq!(factor(&[0.0; 9], 3), (vec![], 0));
        assert_eq!(factor(&[f64::NAN; 9], 3).1, 0);
        assert_eq!(factor(&[], 0).1, 0);
    }

    #[test]
    fn eigenvalues_are_those_of_a_matrix_that_is_known() {
        let crew = Crew::new(Isa::best(), 2);
        // Second differences: 2 - 2 cos(k pi / (n + 1)).
        let n = 50;
        let near = |i: usize| (i / n).abs_diff(i % n);
        let mut a: Vec<f64> = (0..n * n).map(|i| [2.0, -1.0, 0.0][near(i).min(2)]).collect();
        for (k, found) in eigenvalues(&crew, &mut a, n).into_iter().enumerate() {
            let expected = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
            assert!((found - expected).abs() < 1e-13, "{found} is not {expected}");
        }
        assert!(eigenvalues(&crew, &mut [], 0).is_empty());
        assert!((eigenvalues(&crew, &mut [3.0], 1)[0] - 3.0).abs() < 1e-15);
    }

    #[test]
    fn eigenvalues_keep_all_traces() {
        let crew = Crew::alone(Isa::best());
        for (n, r) in [(2, 2), (9, 9), (60, 60), (60, 20)] {
            let a = gram(n, r);
            let values = eigenvalues(&crew, &mut a.clone(), n);
            assert!(values.is_sorted());
            let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
            let squares = dot(&a, &a);
            assert!((values.iter().sum::<f64>() - trace).abs() < 1e-10 * trace);
            assert!((dot(&values, &values) - squares).abs() < 1e-10 * squares);
            assert_eq!(values.iter().filter(|v| v.abs() > 1e-9).count(), r);
        }
    }
}
