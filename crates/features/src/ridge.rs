//! Kernel ridge regression of a number, such as somebody's rating of pictures, on rows of others.

use kernels::Crew;
use kernels::matrix::{Matrix, product_f64};

use crate::metrics::{Rows, Wide, each_block};
use crate::spectrum::{cholesky, inverse_diagonal, solve};

/// Added to the diagonal of the kernel's matrix: how little is thought of a single value. 0.03 to 0.3 foretell ratings of 3,000 pictures about as well.
const RIDGE: f64 = 0.2;

/// Steps that a row goes uphill in.
const STEPS: usize = 5;
/// Rows that go together.
const TOGETHER: usize = 500;
/// Added to the diagonal of covariances of columns in their standard deviations when a linear map is found.
const LITTLE: f64 = 1e-3;

/// A map of rows: `x` becomes `matrix x + shift`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// `[width, width]`
    pub matrix: Vec<f64>,
    /// `[width]`
    pub shift: Vec<f64>,
}

impl Affine {
    /// Where it takes rows.
    ///
    /// # Panics
    /// If they are of another width.
    pub fn of(&self, rows: &Rows) -> Rows {
        let width = self.shift.len();
        assert_eq!(rows.width(), width, "rows of another width");
        let moved = |row: &[f32]| -> Vec<f32> {
            let dot = |line: &[f64]| line.iter().zip(row).map(|(m, v)| m * f64::from(*v)).sum::<f64>();
            self.matrix.chunks_exact(width).zip(&self.shift).map(|(line, by)| (dot(line) + by) as f32).collect()
        };
        Rows::new(rows.data().chunks_exact(width).flat_map(moved).collect(), width)
    }
}

/// A smooth function of rows, learnt from some with their values: a mean of those values that weighs near rows more, which is what ridge regression finds with
/// the kernel `exp(-|x - y|^2 / n)` of rows of n numbers, each counted from its mean in its standard deviations (so two rows are at `2 n` from each
/// other, squared, on the whole).
///
/// Time grows with the cube of the rows learnt from and memory with their square: 3,000 take seconds and 72 MB.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelRidge {
    /// Mean of each column, and one over its deviation; 0 for one that never changes, which says nothing.
    columns: Vec<[f64; 2]>,
    rows: Wide,
    factors: Vec<f64>,
    mean: f64,
    correlation: f64,
}

impl KernelRidge {
    /// From a value for each row.
    ///
    /// # Panics
    /// If there are no rows, or not as many values.
    pub fn fit(crew: &Crew, rows: &Rows, values: &[f64]) -> Self {
        assert!(!rows.is_empty() && rows.len() == values.len(), "a value for each row");
        let (n, width) = (rows.len(), rows.width());
        let columns: Vec<_> = (0..width).map(|i| column(rows, i)).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let scaled = scaled(rows, &columns);
        let mut kernel = vec![0.0; n * n];
        each_kernel(crew, &scaled, &scaled, |i, j, value| {
            kernel[i * n + j] = value + if i == j { RIDGE } else { 0.0 };
        });
        let root = cholesky(kernel, n).expect("a kernel with a ridge is positive definite");
        let factors = solve(&root, n, values.iter().map(|v| v - mean).collect());
        // What the others foretell of a row, without solving for the others: its value less its factor over its place in the inverse.
        let inverse = inverse_diagonal(&root, n);
        let others: Vec<f64> = (0..n).map(|i| values[i] - factors[i] / inverse[i]).collect();
        let correlation = correlation(&others, values);
        Self { columns, rows: scaled, factors, mean, correlation }
    }

    /// How well a value is foretold that was not learnt from: the correlation with what all other rows foretell of each, -1 to 1; 0 where either is the
    /// same everywhere.
    pub fn correlation(&self) -> f64 {
        self.correlation
    }

    /// What it foretells of rows.
    ///
    /// # Panics
    /// If they are of another width than those that it was learnt from.
    pub fn foretell(&self, crew: &Crew, rows: &Rows) -> Vec<f64> {
        assert_eq!(rows.width(), self.columns.len(), "rows of another width");
        let mut foretold = vec![self.mean; rows.len()];
        let scaled = scaled(rows, &self.columns);
        each_kernel(crew, &scaled, &self.rows, |i, j, value| foretold[i] += value * self.factors[j]);
        foretold
    }

    /// The affine map that comes nearest, by least squares, to moving each of `rows` uphill: so far along this function's slope, which is asked anew on
    /// the way. `distance` is a share of the length that rows have on the whole, counted from their mean in their standard deviations.
    ///
    /// # Panics
    /// If there are no rows, or they are of another width than those that it was learnt from.
    pub fn uphill(&self, crew: &Crew, rows: &Rows, distance: f64) -> Affine {
        let width = self.columns.len();
        assert!(!rows.is_empty() && rows.width() == width, "rows of another width");
        let start = scaled(rows, &self.columns);
        let mut at = start.clone();
        for _ in 0..STEPS {
            let mut slopes = self.slopes(crew, &at);
            for slope in slopes.chunks_exact_mut(width) {
                let length = slope.iter().map(|v| v * v).sum::<f64>().sqrt();
                let step = if length > 0.0 { distance / STEPS as f64 / length } else { 0.0 };
                for v in slope {
                    *v *= step;
                }
            }
            let moved = at.data().iter().zip(slopes).map(|(x, step)| x + step).collect();
            at = Wide::of(moved, width);
        }
        let moves: Vec<f64> = at.data().iter().zip(start.data()).map(|(to, from)| to - from).collect();
        self.in_rows_units(linear(crew, start.data(), &moves, width))
    }

    /// The gradient at rows that are scaled, but for a factor.
    fn slopes(&self, crew: &Crew, rows: &Wide) -> Vec<f64> {
        let (width, known) = (self.columns.len(), self.factors.len());
        let mut slopes = Vec::with_capacity(rows.data().len());
        for some in rows.data().chunks(TOGETHER * width) {
            let count = some.len() / width;
            let mut pulls = vec![0.0; count * known];
            each_kernel(crew, &Wide::of(some.to_vec(), width), &self.rows, |i, j, value| {
                pulls[i * known + j] = value * self.factors[j];
            });
            let mut towards = vec![0.0; some.len()];
            let places = Matrix::new(self.rows.data(), known, width);
            product_f64(crew, Matrix::new(&pulls, count, known), places, &mut towards);
            for ((to, from), pulls) in
                towards.chunks_exact_mut(width).zip(some.chunks_exact(width)).zip(pulls.chunks_exact(known))
            {
                let all: f64 = pulls.iter().sum();
                to.iter_mut().zip(from).for_each(|(to, from)| *to -= all * from);
            }
            slopes.extend(towards);
        }
        slopes
    }

    /// A map of rows as they come, of one that says how scaled rows move.
    fn in_rows_units(&self, Affine { mut matrix, shift }: Affine) -> Affine {
        let width = self.columns.len();
        let root = (width as f64).sqrt();
        let unit = |[_, one_over]: [f64; 2]| if one_over > 0.0 { root / one_over } else { 0.0 };
        let mut shift: Vec<f64> = shift.iter().zip(&self.columns).map(|(by, column)| by * unit(*column)).collect();
        for (i, line) in matrix.chunks_exact_mut(width).enumerate() {
            for (v, [mean, one_over]) in line.iter_mut().zip(&self.columns) {
                *v *= unit(self.columns[i]) * one_over / root;
                shift[i] -= *v * mean;
            }
            line[i] += 1.0;
        }
        Affine { matrix, shift }
    }
}

/// The affine map nearest to giving `y` of `x`, rows of `width` numbers both.
fn linear(crew: &Crew, x: &[f64], y: &[f64], width: usize) -> Affine {
    let count = x.len() / width;
    let centred = |of: &[f64]| {
        let mut mean = vec![0.0; width];
        of.chunks_exact(width).for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, v)| *sum += v / count as f64));
        let rows = of.chunks_exact(width).flat_map(|row| row.iter().zip(&mean).map(|(v, m)| v - m));
        let rows: Vec<f64> = rows.collect();
        (rows, mean)
    };
    let ((x, mean_x), (y, mean_y)) = (centred(x), centred(y));
    let (mut own, mut cross) = (vec![0.0; width * width], vec![0.0; width * width]);
    let (mx, my) = (Matrix::new(&x, count, width), Matrix::new(&y, count, width));
    product_f64(crew, mx.transposed(), mx, &mut own);
    product_f64(crew, my.transposed(), mx, &mut cross);
    let little = LITTLE * (0..width).map(|i| own[i * width + i]).sum::<f64>() / width as f64;
    (0..width).for_each(|i| own[i * width + i] += little.max(f64::MIN_POSITIVE));
    let root = cholesky(own, width).expect("a covariance with a ridge is positive definite");
    let matrix: Vec<f64> = cross.chunks_exact(width).flat_map(|line| solve(&root, width, line.to_vec())).collect();
    let at_mean = |line: &[f64]| line.iter().zip(&mean_x).map(|(v, m)| v * m).sum::<f64>();
    let shift = matrix.chunks_exact(width).zip(mean_y).map(|(line, mean)| mean - at_mean(line)).collect();
    Affine { matrix, shift }
}

fn column(rows: &Rows, index: usize) -> [f64; 2] {
    let values = || rows.data().iter().skip(index).step_by(rows.width()).map(|&v| f64::from(v));
    let count = rows.len() as f64;
    let mean = values().sum::<f64>() / count;
    let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    [mean, if deviation > 1e-9 { 1.0 / deviation } else { 0.0 }]
}

/// Rows counted in standard deviations, over the root of how many numbers they have.
fn scaled(rows: &Rows, columns: &[[f64; 2]]) -> Wide {
    let root = (columns.len() as f64).sqrt();
    let row = |row: &[f32]| -> Vec<f64> {
        row.iter().zip(columns).map(|(v, [mean, one_over])| (f64::from(*v) - mean) * one_over / root).collect()
    };
    Wide::of(rows.data().chunks_exact(rows.width()).flat_map(row).collect(), rows.width())
}

/// Calls `f` with the index of a row of `x`, one of `y`, and their kernel, for all pairs.
fn each_kernel(crew: &Crew, x: &Wide, y: &Wide, mut f: impl FnMut(usize, usize, f64)) {
    each_block(crew, x, y, |first, second, dots| {
        for (i, dots) in first.clone().zip(dots.chunks_exact(second.len())) {
            for (j, dot) in second.clone().zip(dots) {
                f(i, j, (2.0 * dot - x.squares[i] - y.squares[j]).min(0.0).exp());
            }
        }
    });
}

/// Pearson's correlation of as many numbers, -1 to 1; 0 where either are all the same.
///
/// # Panics
/// If there are not as many of both.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "pairs of numbers");
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let products =
        |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
    let lengths = (products(a, ma, a, ma) * products(b, mb, b, mb)).sqrt();
    if lengths > 1e-12 { products(a, ma, b, mb) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use kernels::Isa;

    use super::*;
    use crate::testing::normal;

    const WIDTH: usize = 5;

    /// Normal rows of unlike scales, one column of which never changes, and a value that bends with them.
    fn rows(seed: u64, n: usize) -> (Rows, Vec<f64>) {
        let mut data = normal(seed, n * WIDTH);
        for row in data.chunks_exact_mut(WIDTH) {
            (row[1], row[2], row[4]) = (row[1] * 100.0 + 7.0, row[2] * 0.01, 3.0);
        }
        let value = |row: &[f32]| 2.0 + f64::from(row[0]) * f64::from(row[1] - 7.0) / 100.0;
        let values = data.chunks_exact(WIDTH).map(value).collect();
        (Rows::new(data, WIDTH), values)
    }

    fn alone() -> Crew {
        Crew::alone(Isa::SCALAR)
    }

    #[test]
    fn it_foretells_what_bends_with_the_rows() {
        let (known, values) = rows(1, 900);
        let fit = KernelRidge::fit(&alone(), &known, &values);
        let (others, expected) = rows(2, 300);
        let foretold = fit.foretell(&alone(), &others);
        let found = correlation(&foretold, &expected);
        assert!(found > 0.95, "{found}");
        assert!((found - fit.correlation()).abs() < 0.05, "what it says of itself: {}", fit.correlation());
    }

    #[test]
    fn what_the_others_foretell_is_what_they_foretell_alone() {
        let (known, mut values) = rows(3, 40);
        // The mean and the columns' scales are those of all rows there; here they do not change with the row that is left out.
        values.iter_mut().zip(normal(4, 40)).for_each(|(v, noise)| *v += f64::from(noise));
        let fit = KernelRidge::fit(&alone(), &known, &values);
        let foretold: Vec<f64> = (0..40)
            .map(|out| {
                let some: Vec<usize> = (0..40).filter(|&i| i != out).collect();
                let kernel = |i: usize, j: usize| {
                    let apart = |k: usize| (known.row(i)[k] - known.row(j)[k]) * fit.columns[k][1] as f32;
                    let squared: f64 = (0..WIDTH).map(|k| f64::from(apart(k)).powi(2)).sum();
                    (-squared / WIDTH as f64).exp()
                };
                let matrix = some.iter().flat_map(|&i| some.iter().map(move |&j| (i, j)));
                let matrix = matrix.map(|(i, j)| kernel(i, j) + if i == j { RIDGE } else { 0.0 }).collect();
                let apart = some.iter().map(|&i| values[i] - fit.mean).collect();
                let factors = solve(&cholesky(matrix, 39).unwrap(), 39, apart);
                fit.mean + some.iter().zip(factors).map(|(&i, factor)| kernel(out, i) * factor).sum::<f64>()
            })
            .collect();
        let expected = correlation(&foretold, &values);
        assert!((fit.correlation() - expected).abs() < 1e-6, "{} {expected}", fit.correlation());
    }

    #[test]
    fn uphill_is_where_values_are_larger() {
        let (known, _) = rows(5, 600);
        let value = |row: &[f32]| 2.0 + f64::from(row[0]) - f64::from(row[1]) / 50.0;
        let values: Vec<f64> = (0..600).map(|i| value(known.row(i))).collect();
        let fit = KernelRidge::fit(&alone(), &known, &values);
        let (others, _) = rows(6, 300);
        let moved = fit.uphill(&alone(), &others, 0.5).of(&others);
        let mut gains = 0.0;
        for i in 0..300 {
            let (row, to) = (others.row(i), moved.row(i));
            assert!((to[4] - 3.0).abs() < 1e-6, "a column that never changes stays: {}", to[4]);
            gains += (value(to) - value(row)) / 300.0;
        }
        // Half of the root of five, split as the slopes are, 1 and 2 of a deviation: 0.5 sqrt 5 (1 / sqrt 5 + 2 * 2 / sqrt 5) if it were exact.
        assert!((1.9..2.55).contains(&gains), "{gains}");
    }

    #[test]
    fn nothing_is_foretold_of_noise() {
        let (known, _) = rows(1, 900);
        let noise: Vec<f64> = normal(9, 900).into_iter().map(f64::from).collect();
        let found = KernelRidge::fit(&alone(), &known, &noise).correlation();
        assert!(found.abs() < 0.12, "{found}");
        let same = KernelRidge::fit(&alone(), &known, &[4.0; 900]);
        assert!(same.correlation().abs() < 1e-9);
        assert!((same.foretell(&alone(), &known)[7] - 4.0).abs() < 1e-9);
    }
}
