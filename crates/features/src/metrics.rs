//! Distances between two sets of pictures, computed on their features: [`Rows`], one a picture.
//!
//! All sums run in `f64`. None of these is the published FID unless the features come from the network that FID is defined by.

use std::ops::Range;

use kernels::Crew;
use kernels::matrix::{Matrix, product_f64};
use serde::{Deserialize, Serialize};

use crate::spectrum::{self, dot};

/// Rows that are compared at once, so that memory stays bounded however many there are.
const BLOCK: usize = 512;

/// Features of some pictures: one row of numbers each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    width: usize,
    data: Vec<f32>,
}

impl Rows {
    /// Rows of `width` numbers, one after the other.
    ///
    /// # Panics
    /// If `width` is zero or `data` no whole number of rows.
    pub fn new(data: Vec<f32>, width: usize) -> Self {
        assert!(width > 0 && data.len().is_multiple_of(width), "{} numbers are no rows of {width}", data.len());
        Rows { width, data }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All numbers, row after row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Row `index`.
    ///
    /// # Panics
    /// If there is none.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.width..][..self.width]
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Rows {
        Rows { width: self.width, data: self.data[range.start * self.width..range.end * self.width].to_vec() }
    }

    /// The trace of the rows' unbiased covariance: how much they differ. 0 for fewer than two.
    pub fn variety(&self) -> f64 {
        let (_, centred) = centred(self);
        if self.len() < 2 { 0.0 } else { dot(&centred, &centred) / (self.len() - 1) as f64 }
    }
}

/// How well drawn pictures cover the real ones and the reverse; each 0 or more, larger is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prdc {
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
/// `|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2))` with unbiased covariances. Biased upwards for few pictures; not a number for
/// fewer than two.
///
/// # Panics
/// If the rows of the two have different widths.
pub fn frechet_distance(crew: &Crew, a: &Rows, b: &Rows) -> f64 {
    assert_eq!(a.width, b.width, "features of one network");
    let d = a.width;
    let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(crew, a), moments(crew, b));
    // With A = L Lᵀ the eigenvalues of A B are those of Lᵀ B L, which is symmetric.
    let (l, rank) = spectrum::factor(&cov_a, d);
    let (mut product, mut square) = (vec![0.0; d * rank], vec![0.0; rank * rank]);
    let l = Matrix::new(&l, d, rank);
    product_f64(crew, Matrix::new(&cov_b, d, d), l, &mut product);
    product_f64(crew, l.transposed(), Matrix::new(&product, d, rank), &mut square);
    let cross: f64 = spectrum::eigenvalues(crew, &mut square, rank).iter().map(|v| v.max(0.0).sqrt()).sum();
    let apart: f64 = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace = |c: &[f64]| (0..d).map(|i| c[i * d + i]).sum::<f64>();
    apart + trace(&cov_a) + trace(&cov_b) - 2.0 * cross
}

/// The rows' mean, and the rows less their mean.
fn centred(x: &Rows) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; x.width];
    for row in x.data.chunks_exact(x.width.max(1)) {
        mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let n = x.len() as f64;
    for sum in &mut mean {
        *sum /= n;
    }
    let centred = x.data.iter().zip(mean.iter().cycle()).map(|(&x, mean)| f64::from(x) - mean).collect();
    (mean, centred)
}

/// Mean and unbiased covariance of the rows.
pub(crate) fn moments(crew: &Crew, x: &Rows) -> (Vec<f64>, Vec<f64>) {
    let (mean, centred) = centred(x);
    let centred = Matrix::new(&centred, x.len(), x.width);
    let mut covariance = vec![0.0; x.width * x.width];
    product_f64(crew, centred.transposed(), centred, &mut covariance);
    let count = x.len() as f64 - 1.0;
    for entry in &mut covariance {
        *entry /= count;
    }
    (mean, covariance)
}

/// Kernel distance: the unbiased squared maximum mean discrepancy under `k(x, y) = (x.y / d + 1)^3` (KID, arXiv 1801.01401), over
/// all pairs instead of random subsets. May come out slightly below 0 for sets that are alike; not a number for fewer than two.
///
/// # Panics
/// If the rows of the two have different widths.
pub fn kernel_distance(crew: &Crew, a: &Rows, b: &Rows) -> f64 {
    assert_eq!(a.width, b.width, "features of one network");
    let d = a.width as f64;
    let kernel = |dot: f64| (dot / d + 1.0).powi(3);
    let sum = |x: &Rows, y: &Rows| {
        let (x, y) = (Wide::new(x), Wide::new(y));
        let mut total = 0.0;
        each_block(crew, &x, &y, |_, _, dots| total += dots.iter().map(|&dot| kernel(dot)).sum::<f64>());
        total
    };
    let own = |x: &Rows| {
        let n = x.len() as f64;
        let diagonal: f64 = Wide::new(x).squares.iter().map(|&square| kernel(square)).sum();
        (sum(x, x) - diagonal) / (n * (n - 1.0))
    };
    own(a) + own(b) - 2.0 * sum(a, b) / (a.len() as f64 * b.len() as f64)
}

/// Precision and recall with k = 3, density and coverage with k = 5.
///
/// # Panics
/// If one of the sets has fewer than 6 rows, or their widths differ.
pub fn prdc(crew: &Crew, real: &Rows, fake: &Rows) -> Prdc {
    assert!(real.len() >= 6 && fake.len() >= 6, "coverage needs 6 pictures of each kind");
    let reach =
        |x: &Rows, k: usize| -> Vec<f64> { nearest(crew, x, x, k + 1).chunks_exact(k + 1).map(|row| row[k]).collect() };
    let (real3, fake3, real5) = (reach(real, 3), reach(fake, 3), reach(real, 5));
    let (n, m) = (real.len(), fake.len());
    let (mut precise, mut dense) = (vec![false; m], 0_usize);
    let (mut recalled, mut covered) = (vec![false; n], vec![false; n]);
    let (real, fake) = (Wide::new(real), Wide::new(fake));
    each_block(crew, &real, &fake, |first, second, dots| {
        for (i, row) in (first.clone()).zip(dots.chunks_exact(second.len())) {
            for (j, &dot) in second.clone().zip(row) {
                let apart = distance(real.squares[i], fake.squares[j], dot);
                precise[j] |= apart <= real3[i];
                dense += usize::from(apart <= real5[i]);
                recalled[i] |= apart <= fake3[j];
                covered[i] |= apart <= real5[i];
            }
        }
    });
    let share = |marks: &[bool]| marks.iter().filter(|&&mark| mark).count() as f64 / marks.len() as f64;
    Prdc {
        precision: share(&precise),
        recall: share(&recalled),
        density: dense as f64 / (5 * m) as f64,
        coverage: share(&covered),
    }
}

/// Distance from each row of `from` to its `k` nearest rows of `to`, ascending: [n, k]. A row that is in both finds itself first.
///
/// # Panics
/// As [`nearest_with_places`].
pub fn nearest(crew: &Crew, from: &Rows, to: &Rows, k: usize) -> Vec<f64> {
    nearest_with_places(crew, from, to, k).0
}

/// As [`nearest`], and which rows they are: [n, k] of indices; of equal ones the first.
///
/// # Panics
/// If `to` has fewer than `k` rows, or the widths differ.
pub fn nearest_with_places(crew: &Crew, from: &Rows, to: &Rows, k: usize) -> (Vec<f64>, Vec<usize>) {
    assert!(to.len() >= k, "the {k} nearest of {} rows", to.len());
    let mut best: Vec<Vec<(f64, usize)>> = vec![Vec::with_capacity(k + 1); from.len()];
    let (from, to) = (Wide::new(from), Wide::new(to));
    each_block(crew, &from, &to, |first, second, dots| {
        for (i, row) in first.clone().zip(dots.chunks_exact(second.len())) {
            let best = &mut best[i];
            for (j, &dot) in second.clone().zip(row) {
                let apart = distance(from.squares[i], to.squares[j], dot);
                if best.len() < k || best.last().is_some_and(|last| apart < last.0) {
                    let place = best.partition_point(|known| known.0 <= apart);
                    best.insert(place, (apart, j));
                    best.truncate(k);
                }
            }
        }
    });
    best.into_iter().flatten().unzip()
}

/// Euclidean distance of two rows from their squared lengths and their product.
fn distance(a: f64, b: f64, dot: f64) -> f64 {
    (a + b - 2.0 * dot).max(0.0).sqrt()
}

/// Rows in `f64`, with their squared lengths.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wide {
    width: usize,
    data: Vec<f64>,
    pub(crate) squares: Vec<f64>,
}

impl Wide {
    fn new(x: &Rows) -> Self {
        Self::of(x.data.iter().map(|&v| f64::from(v)).collect(), x.width)
    }

    /// Rows of `width` numbers.
    pub(crate) fn of(data: Vec<f64>, width: usize) -> Self {
        let squares = data.chunks_exact(width.max(1)).map(|row| dot(row, row)).collect();
        Wide { width, data, squares }
    }

    pub(crate) fn data(&self) -> &[f64] {
        &self.data
    }

    fn matrix(&self, range: &Range<usize>) -> Matrix<'_, f64> {
        Matrix::new(&self.data[range.start * self.width..], range.len(), self.width)
    }
}

/// Calls `f(rows of x, rows of y, their products)` for blocks that cover all pairs.
pub(crate) fn each_block(crew: &Crew, x: &Wide, y: &Wide, mut f: impl FnMut(&Range<usize>, &Range<usize>, &[f64])) {
    assert_eq!(x.width, y.width, "features of one network");
    let blocks = |n: usize| (0..n).step_by(BLOCK).map(move |from| from..n.min(from + BLOCK));
    let mut dots = vec![0.0; BLOCK * BLOCK];
    for first in blocks(x.squares.len()) {
        for second in blocks(y.squares.len()) {
            let dots = &mut dots[..first.len() * second.len()];
            product_f64(crew, x.matrix(&first), y.matrix(&second).transposed(), dots);
            f(&first, &second, dots);
        }
    }
}

/// Centres that rows gather around.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// One row a cluster.
    pub centres: Rows,
}

impl Clusters {
    /// Lloyd's algorithm from the given centres, `rounds` times over: each row goes to its nearest centre, each centre to the mean
    /// of its rows. A centre that nothing is near stays where it is. Nothing is random.
    ///
    /// # Panics
    /// If there are no centres, or their rows have another width.
    pub fn find(crew: &Crew, rows: &Rows, centres: Rows, rounds: usize) -> Self {
        let mut clusters = Clusters { centres };
        let width = rows.width;
        for _ in 0..rounds {
            let own = clusters.assign(crew, rows);
            let mut sums = vec![0.0; clusters.centres.data.len()];
            let mut counts = vec![0_usize; clusters.centres.len()];
            for (row, &cluster) in rows.data.chunks_exact(width).zip(&own) {
                counts[cluster] += 1;
                sums[cluster * width..][..width].iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let centres = clusters.centres.data.chunks_exact_mut(width);
            for ((centre, sums), count) in centres.zip(sums.chunks_exact(width)).zip(counts) {
                if count > 0 {
                    centre.iter_mut().zip(sums).for_each(|(c, sum)| *c = (sum / count as f64) as f32);
                }
            }
        }
        clusters
    }

    /// The cluster of each row: that of its nearest centre, of equally near ones the first.
    ///
    /// # Panics
    /// As [`Clusters::find`].
    pub fn assign(&self, crew: &Crew, rows: &Rows) -> Vec<usize> {
        nearest_with_places(crew, rows, &self.centres, 1).1
    }

    /// Share of the rows in each cluster.
    ///
    /// # Panics
    /// As [`Clusters::find`].
    pub fn shares(&self, crew: &Crew, rows: &Rows) -> Vec<f64> {
        let mut shares = vec![0.0; self.centres.len()];
        let one = 1.0 / rows.len() as f64;
        for cluster in self.assign(crew, rows) {
            shares[cluster] += one;
        }
        shares
    }
}

/// The kinds of picture that real ones fall into: clusters of their features, and the share of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinds {
    clusters: Clusters,
    shares: Vec<f64>,
}

/// Which kinds of picture are drawn too seldom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Kullback-Leibler divergence of the drawn pictures' shares from the real ones', in nats: 0 if they are the same. Few pictures
    /// have shares that differ by chance, so it means something only beside that of other real pictures.
    pub divergence: f64,
    /// Kinds that get less than a quarter of their share.
    pub starved: usize,
    /// Share of the drawn pictures in each kind.
    pub shares: Vec<f64>,
}

impl Kinds {
    /// How many kinds are told apart.
    pub const CLUSTERS: usize = 64;
    /// Steps of Lloyd's algorithm; it hardly moves after twenty.
    const ROUNDS: usize = 30;

    /// Puts real pictures into [`Kinds::CLUSTERS`] kinds, found from the first rows on; fewer if there are fewer pictures.
    ///
    /// # Panics
    /// If there are none.
    pub fn find(crew: &Crew, real: &Rows) -> Self {
        assert!(!real.is_empty(), "kinds of no pictures");
        let first = real.part(0..Self::CLUSTERS.min(real.len()));
        let clusters = Clusters::find(crew, real, first, Self::ROUNDS);
        let shares = clusters.shares(crew, real);
        Kinds { clusters, shares }
    }

    /// Share of the real pictures in each kind.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The kind of each picture, counted as [`Kinds::shares`] are.
    ///
    /// # Panics
    /// If they are features of another network.
    pub fn assign(&self, crew: &Crew, pictures: &Rows) -> Vec<usize> {
        self.clusters.assign(crew, pictures)
    }

    /// Sees which kinds drawn pictures are of.
    ///
    /// # Panics
    /// If there are none, or they are features of another network.
    pub fn missing(&self, crew: &Crew, drawn: &Rows) -> Missing {
        assert!(!drawn.is_empty(), "kinds of no pictures");
        missing(&self.shares, self.clusters.shares(crew, drawn))
    }
}

fn missing(real: &[f64], drawn: Vec<f64>) -> Missing {
    let pairs = || real.iter().zip(&drawn).filter(|(real, _)| **real > 0.0);
    let divergence = pairs().filter(|(_, drawn)| **drawn > 0.0).map(|(real, drawn)| drawn * (drawn / real).ln()).sum();
    let starved = pairs().filter(|(real, drawn)| **drawn < **real / 4.0).count();
    Missing { divergence, starved, shares: drawn }
}

#[cfg(test)]
mod tests;
