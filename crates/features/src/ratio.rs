//! How much more often real pictures look like one than drawn ones do: estimates of the logarithm of that ratio of densities, in the space of features.

use kernels::Crew;

use crate::metrics::{Kinds, Rows, moments};
use crate::spectrum::{cholesky, solve};

/// Added to the diagonal of covariances of features that are each of unit variance. It decides between trusting directions in which pictures
/// hardly differ and leaving them out; 0.03 to 1 give the same choice of pictures within what two samples differ by.
const RIDGE: f64 = 0.3;
/// Pictures that each kind is taken to have besides, so that one with few of them has a ratio that means something.
const PRIOR: f64 = 2.0;

/// Two estimates for each of some drawn pictures; more where pictures like it are missing. They differ by unknown constants from the logarithm, and in
/// scale.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRatios {
    /// By Fisher's linear discriminant: `x . S^-1 (m - m')`, with the means m of real and m' of drawn pictures and the mean S of their covariances. For two
    /// normal distributions of one covariance that is the logarithm.
    pub linear: Vec<f64>,
    /// Of the kind of picture that it belongs to ([`Kinds`]): the share of real pictures in it over that of drawn ones.
    pub kinds: Vec<f64>,
}

impl LogRatios {
    /// For each row of `drawn`.
    ///
    /// # Panics
    /// If either has fewer than two rows, or they are features of different networks.
    pub fn of(crew: &Crew, real: &Rows, drawn: &Rows) -> Self {
        assert!(real.len() > 1 && drawn.len() > 1, "two pictures of each sort at least");
        assert_eq!(real.width(), drawn.width(), "features of one network");
        Self { linear: linear(crew, real, drawn), kinds: of_kinds(crew, real, drawn) }
    }
}

fn linear(crew: &Crew, real: &Rows, drawn: &Rows) -> Vec<f64> {
    let n = real.width();
    let ((mean, mut s), (mean_drawn, s_drawn)) = (moments(crew, real), moments(crew, drawn));
    s.iter_mut().zip(s_drawn).for_each(|(s, other)| *s = f64::midpoint(*s, other));
    let apart: Vec<f64> = mean.iter().zip(&mean_drawn).map(|(real, drawn)| real - drawn).collect();
    let slopes = slopes(s, &apart);
    let said = |row: &[f32]| row.iter().zip(&slopes).map(|(x, slope)| f64::from(*x) * slope).sum();
    drawn.data().chunks_exact(n).map(said).collect()
}

/// Solves `S x = b` for a covariance S [n, n] of columns that are counted in their standard deviations, with the ridge on its diagonal there.
fn slopes(mut s: Vec<f64>, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    // A column that never changes says nothing: it keeps its scale.
    let scales: Vec<f64> = (0..n).map(|i| s[i * n + i].sqrt()).map(|d| if d > 1e-9 { d } else { 1.0 }).collect();
    for (row, down) in s.chunks_exact_mut(n).zip(&scales) {
        row.iter_mut().zip(&scales).for_each(|(v, across)| *v /= down * across);
    }
    (0..n).for_each(|i| s[i * n + i] += RIDGE);
    let scaled = b.iter().zip(&scales).map(|(v, scale)| v / scale).collect();
    let root = cholesky(s, n).expect("a covariance with a ridge is positive definite");
    solve(&root, n, scaled).iter().zip(&scales).map(|(slope, scale)| slope / scale).collect()
}

fn of_kinds(crew: &Crew, real: &Rows, drawn: &Rows) -> Vec<f64> {
    let kinds = Kinds::find(crew, real);
    let own = kinds.assign(crew, drawn);
    let mut counts = vec![0.0; kinds.shares().len()];
    for &kind in &own {
        counts[kind] += 1.0;
    }
    let share = |count: f64, all: usize| (count + PRIOR) / (all as f64 + PRIOR * counts.len() as f64);
    let ratios: Vec<f64> = (kinds.shares().iter().zip(&counts))
        .map(|(real_share, count)| {
            (share(real_share * real.len() as f64, real.len()) / share(*count, drawn.len())).ln()
        })
        .collect();
    own.into_iter().map(|kind| ratios[kind]).collect()
}

#[cfg(test)]
mod tests {
    use kernels::Isa;

    use super::*;
    use crate::testing::normal;

    const WIDTH: usize = 6;

    /// Normal rows, the first number of each moved.
    fn rows(seed: u64, n: usize, by: f32) -> Rows {
        let mut data = normal(seed, n * WIDTH);
        data.iter_mut().step_by(WIDTH).for_each(|v| *v += by);
        // One feature never changes, and one hardly does.
        data.iter_mut().skip(4).step_by(WIDTH).for_each(|v| *v = 3.0);
        data.iter_mut().skip(5).step_by(WIDTH).for_each(|v| *v *= 1e-3);
        Rows::new(data, WIDTH)
    }

    #[test]
    fn the_linear_estimate_is_the_logarithm_for_normal_distributions() {
        let crew = Crew::alone(Isa::SCALAR);
        let (real, drawn) = (rows(1, 4000, 0.5), rows(2, 4000, 0.0));
        let found = LogRatios::of(&crew, &real, &drawn).linear;
        // log p / p' is half the first number and a constant; the ridge takes its share of the slope.
        let x: Vec<f64> = (0..drawn.len()).map(|i| f64::from(drawn.row(i)[0])).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (mx, mf) = (mean(&x), mean(&found));
        let products =
            |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
        let slope = products(&x, mx, &found, mf) / products(&x, mx, &x, mx);
        assert!((slope - 0.5 / (1.0 + RIDGE)).abs() < 0.05, "{slope}");
        let correlation = crate::correlation(&x, &found);
        assert!(correlation > 0.97, "{correlation}");
    }

    #[test]
    fn a_kind_that_is_drawn_too_seldom_has_a_ratio_above_one() {
        // Forty heaps; of the drawn pictures the first heap has a tenth of its share.
        let heap = |n: usize, rare: usize, seed: u64| {
            let noise = normal(seed, n * WIDTH);
            let data = (0..n).flat_map(|i| {
                let of = if i % 40 == 0 && i % (40 * rare) != 0 { 1 } else { i % 40 };
                let noise = &noise[i * WIDTH..][..WIDTH];
                (0..WIDTH).map(move |k| 20.0 * ((of * 7 + k * 13) % 40) as f32 + noise[k]).collect::<Vec<_>>()
            });
            (Rows::new(data.collect(), WIDTH), (0..n).filter(|i| i % (40 * rare) == 0).collect::<Vec<_>>())
        };
        let crew = Crew::alone(Isa::SCALAR);
        let ((real, _), (drawn, rare)) = (heap(2000, 1, 3), heap(4000, 10, 4));
        let found = LogRatios::of(&crew, &real, &drawn).kinds;
        let mean = |which: &dyn Fn(usize) -> bool| {
            let some: Vec<f64> = (0..found.len()).filter(|&i| which(i)).map(|i| found[i]).collect();
            some.iter().sum::<f64>() / some.len() as f64
        };
        let (seldom, usual) = (mean(&|i| rare.contains(&i)), mean(&|i| i % 40 > 1));
        assert!((1.4..2.5).contains(&seldom) && usual.abs() < 0.2, "{seldom} {usual}");
    }
}
