//! Products in `f64`, in plain Rust that is compiled for every instruction set.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{DEPTH, Matrix};
use crate::Crew;
use crate::simd::{Kernel, Simd};

/// Columns of a register tile.
const WIDTH: usize = 8;
/// Rows of C that one task makes.
const LINES: usize = 120;

/// `C = A B` in `f64`; C lies row after row without gaps.
///
/// # Panics
/// If the three do not fit together.
pub fn product_f64(crew: &Crew, a: Matrix<'_, f64>, b: Matrix<'_, f64>, c: &mut [f64]) {
    assert_eq!(a.columns, b.rows, "columns of A and rows of B");
    assert_eq!(c.len(), a.rows * b.columns, "numbers of C");
    c.fill(0.0);
    if c.is_empty() {
        return;
    }
    // A multiple of the register tiles' rows; smaller where that gives every thread something to do.
    let lines = a.rows.div_ceil(2 * crew.threads()).next_multiple_of(12).min(LINES);
    let tasks: Vec<_> = c.chunks_mut(lines * b.columns).map(Mutex::new).collect();
    let isa = crew.isa();
    crew.run(tasks.len(), |_, index| {
        // Locked by nobody else: every task has lines of its own.
        let mut c = tasks[index].lock().unwrap_or_else(PoisonError::into_inner);
        isa.run(Lines { a, b, first: index * lines, c: &mut c });
    });
}

/// Some rows of C.
struct Lines<'a> {
    a: Matrix<'a, f64>,
    b: Matrix<'a, f64>,
    first: usize,
    c: &'a mut [f64],
}

impl Kernel for Lines<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // Twelve rows of eight fill half of 32 large registers and take turns often enough to hide the latency of an
        // addition; six fill 12 of the 16 that AVX2 has.
        match S::LANES {
            16 if S::FUSED => self.tiles::<12, true>(),
            16 => self.tiles::<12, false>(),
            _ if S::FUSED => self.tiles::<6, true>(),
            _ => self.tiles::<6, false>(),
        }
    }
}

impl Lines<'_> {
    /// `FUSED` says that a multiply-add is one instruction.
    #[inline(always)]
    fn tiles<const R: usize, const FUSED: bool>(self) {
        let Lines { a, b, first, c } = self;
        let columns = b.columns;
        let rows = c.len() / columns;
        let mut right = [[0.0; WIDTH]; DEPTH];
        let mut left = vec![[0.0; R]; rows.div_ceil(R) * DEPTH.min(a.columns)];
        for from in (0..a.columns).step_by(DEPTH) {
            let part = from..a.columns.min(from + DEPTH);
            let depth = part.len();
            for (tile, left) in left.chunks_exact_mut(depth).take(rows.div_ceil(R)).enumerate() {
                let lines = first + tile * R..(first + (tile + 1) * R).min(first + rows);
                pack(a.transposed(), part.clone(), lines, left);
            }
            for column in (0..columns).step_by(WIDTH) {
                let width = WIDTH.min(columns - column);
                pack(b, part.clone(), column..column + width, &mut right[..depth]);
                for (tile, left) in left.chunks_exact(depth).take(rows.div_ceil(R)).enumerate() {
                    let sums = sum::<R, FUSED>(left, &right[..depth]);
                    for (line, sums) in c[tile * R * columns..].chunks_exact_mut(columns).zip(&sums) {
                        line[column..column + width].iter_mut().zip(sums).for_each(|(c, sum)| *c += sum);
                    }
                }
            }
        }
    }
}

/// Some columns of some rows, one row after the other, with zeros where there is no column.
#[inline(always)]
fn pack<const N: usize>(m: Matrix<'_, f64>, rows: Range<usize>, columns: Range<usize>, to: &mut [[f64; N]]) {
    for (row, to) in rows.zip(to) {
        let start = row * m.row_step + columns.start * m.column_step;
        for (index, to) in to.iter_mut().enumerate() {
            *to = if index < columns.len() { m.data[start + index * m.column_step] } else { 0.0 };
        }
    }
}

#[inline(always)]
fn sum<const R: usize, const FUSED: bool>(left: &[[f64; R]], right: &[[f64; WIDTH]]) -> [[f64; WIDTH]; R] {
    let mut sum = [[0.0; WIDTH]; R];
    for (left, right) in left.iter().zip(right) {
        for (sum, &factor) in sum.iter_mut().zip(left) {
            for (sum, &value) in sum.iter_mut().zip(right) {
                *sum = if FUSED { factor.mul_add(value, *sum) } else { factor * value + *sum };
            }
        }
    }
    sum
}
