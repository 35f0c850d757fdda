//! Ridge regression of a number, such as somebody's rating of pictures, on rows of others.

use kernels::{Crew, Isa};

use crate::metrics::{Rows, moments};
use crate::spectrum::{cholesky, solve};

/// Added to the diagonal of the columns' correlations. It holds back directions that so few rows say nothing of; 0.07 to 6 foretell ratings of 1,500
/// pictures from 256 columns about as well.
const RIDGE: f64 = 0.65;
/// Parts of the rows that are kept back by turns, to tell how well the others foretell them.
const PARTS: usize = 10;

/// A linear function of rows, learnt from some with their values; the same on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    slopes: Vec<f64>,
    constant: f64,
}

impl Ridge {
    /// From a value for each row.
    ///
    /// # Panics
    /// If there are fewer than two rows, or not as many values.
    pub fn fit(rows: &Rows, values: &[f64]) -> Self {
        assert_eq!(rows.len(), values.len(), "a value for each row");
        let (n, count) = (rows.width(), rows.len() as f64);
        let (mean, s) = moments(&Crew::alone(Isa::SCALAR), rows);
        let mean_value = values.iter().sum::<f64>() / count;
        let mut with_value = vec![0.0; n];
        for (row, value) in rows.data().chunks_exact(n).zip(values) {
            with_value
                .iter_mut()
                .zip(row)
                .zip(&mean)
                .for_each(|((sum, x), m)| *sum += (f64::from(*x) - m) * (value - mean_value));
        }
        let with_value: Vec<f64> = with_value.into_iter().map(|sum| sum / (count - 1.0)).collect();
        let slopes = slopes(s, &with_value, RIDGE);
        let constant = mean_value - slopes.iter().zip(&mean).map(|(slope, m)| slope * m).sum::<f64>();
        Self { slopes, constant }
    }

    /// What it foretells of a row.
    ///
    /// # Panics
    /// If it is of another width than those that it was learnt from.
    pub fn foretell(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.slopes.len(), "a row of another width");
        self.constant + row.iter().zip(&self.slopes).map(|(x, slope)| f64::from(*x) * slope).sum::<f64>()
    }

    /// How well such functions foretell values that they were not learnt from: the correlation with what the rest of the rows foretells of each tenth
    /// of them (every tenth row), -1 to 1; 0 where either is the same everywhere.
    ///
    /// # Panics
    /// As [`Ridge::fit`] does, and if there are fewer than 20 rows.
    pub fn correlation(rows: &Rows, values: &[f64]) -> f64 {
        assert!(rows.len() >= 2 * PARTS, "rows enough to keep some back");
        let mut foretold = vec![0.0; values.len()];
        for part in 0..PARTS {
            let learnt: Vec<usize> = (0..rows.len()).filter(|i| i % PARTS != part).collect();
            let some = learnt.iter().flat_map(|&i| rows.row(i).to_vec()).collect();
            let own: Vec<f64> = learnt.iter().map(|&i| values[i]).collect();
            let fit = Self::fit(&Rows::new(some, rows.width()), &own);
            (part..rows.len()).step_by(PARTS).for_each(|i| foretold[i] = fit.foretell(rows.row(i)));
        }
        correlation(&foretold, values)
    }
}

/// Solves `S x = b` for a covariance S [n, n] of columns that are counted in their standard deviations, with `ridge` on its diagonal there.
pub(crate) fn slopes(mut s: Vec<f64>, b: &[f64], ridge: f64) -> Vec<f64> {
    let n = b.len();
    // A column that never changes says nothing: it keeps its scale.
    let scales: Vec<f64> = (0..n).map(|i| s[i * n + i].sqrt()).map(|d| if d > 1e-9 { d } else { 1.0 }).collect();
    for (row, down) in s.chunks_exact_mut(n).zip(&scales) {
        row.iter_mut().zip(&scales).for_each(|(v, across)| *v /= down * across);
    }
    (0..n).for_each(|i| s[i * n + i] += ridge);
    let scaled = b.iter().zip(&scales).map(|(v, scale)| v / scale).collect();
    let root = cholesky(&s, n).expect("a covariance with a ridge is positive definite");
    solve(&root, n, scaled).iter().zip(&scales).map(|(slope, scale)| slope / scale).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let products =
        |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
    let lengths = (products(a, ma, a, ma) * products(b, mb, b, mb)).sqrt();
    if lengths > 0.0 { products(a, ma, b, mb) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    const WIDTH: usize = 5;

    /// Normal rows of unlike scales, one column of which never changes, and the value that follows from each.
    fn rows(seed: u64, n: usize) -> (Rows, Vec<f64>) {
        let mut data = normal(seed, n * WIDTH);
        for row in data.chunks_exact_mut(WIDTH) {
            (row[1], row[2], row[4]) = (row[1] * 100.0 + 7.0, row[2] * 0.01, 3.0);
        }
        let value = |row: &[f32]| 2.0 + f64::from(row[0]) - f64::from(row[1] - 7.0) / 50.0;
        let values = data.chunks_exact(WIDTH).map(value).collect();
        (Rows::new(data, WIDTH), values)
    }

    #[test]
    fn it_foretells_what_follows_less_what_the_ridge_takes() {
        let (known, values) = rows(1, 4000);
        let fit = Ridge::fit(&known, &values);
        let (others, expected) = rows(2, 50);
        for (i, expected) in expected.iter().enumerate() {
            // The columns are independent, so each slope is divided by 1 and the ridge.
            let expected = 2.0 + (expected - 2.0) / (1.0 + RIDGE);
            assert!(
                (fit.foretell(others.row(i)) - expected).abs() < 0.15,
                "{} {expected}",
                fit.foretell(others.row(i))
            );
        }
        assert!(Ridge::correlation(&known, &values) > 0.99);
    }

    #[test]
    fn nothing_is_foretold_of_noise() {
        let (known, _) = rows(1, 2000);
        let noise: Vec<f64> = normal(9, 2000).into_iter().map(f64::from).collect();
        assert!(Ridge::correlation(&known, &noise).abs() < 0.08);
        assert!(Ridge::correlation(&known, &[4.0; 2000]).abs() < 1e-9);
    }
}
