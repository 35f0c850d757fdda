//! The inner loops: tiles of C that stay in registers while a part of the sums is added up.

use std::ops::Range;

use super::pack::Lines;
use super::{DEPTH, Matrix, PANEL, Target, Update};
use crate::simd::{Kernel, Simd};

/// Most rows of a register tile of any instruction set.
const MOST_ROWS: usize = 12;
/// Up to this many panels, A is read where it lies: packing it would cost more than it saves.
const FEW_PANELS: usize = 3;
/// B is asked for this many numbers before it is used: about the time that a second-level cache takes to answer.
const AHEAD: usize = 16 * PANEL;

/// Some rows and columns of C, and a part of their sums.
pub(super) struct Tiles<'a> {
    pub(super) a: Matrix<'a>,
    pub(super) rows: Range<usize>,
    /// Columns of A that are added up.
    pub(super) part: Range<usize>,
    /// Panels of B: [panel][row of the part][32].
    pub(super) right: &'a [f32],
    /// Columns of C.
    pub(super) columns: Range<usize>,
    pub(super) c: Target,
    pub(super) update: Update,
}

impl Kernel for Tiles<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tiles { a, rows, part, right, columns, c, update } = self;
        let panels = columns.len().div_ceil(PANEL);
        assert!(rows.end <= a.rows && part.end <= a.columns && part.len() <= DEPTH && S::ROWS <= MOST_ROWS);
        assert!(right.len() >= panels * part.len() * PANEL);
        let groups = rows.len().div_ceil(S::ROWS);
        let mut packed = [0.0; MOST_ROWS * DEPTH];
        let direct = panels <= FEW_PANELS;
        for group in 0..groups {
            // Tiles of nearly equal height: 16 rows make 8 and 8, not 12 and 4.
            let first = rows.start + group * rows.len() / groups;
            let height = rows.start + (group + 1) * rows.len() / groups - first;
            let left = if direct {
                let start = a.data[first * a.row_step + part.start * a.column_step..].as_ptr();
                Left { start, row: a.row_step, place: a.column_step }
            } else {
                pack_left(a, first, height, part.clone(), &mut packed);
                Left { start: packed.as_ptr(), row: 1, place: height }
            };
            for (panel, b) in right.chunks_exact(part.len() * PANEL).enumerate() {
                let start = columns.start + panel * PANEL;
                let width = PANEL.min(columns.end - start);
                for column in (0..width).step_by(2 * S::LANES) {
                    let tile = Tile {
                        b: b[column..].as_ptr(),
                        depth: part.len(),
                        // SAFETY: row `first` and column `start + column` are C's, as the owner of the job has seen to.
                        c: unsafe { c.data.add(first * c.stride + start + column) },
                        stride: c.stride,
                        width: width - column,
                        add: update == Update::Add,
                    };
                    // SAFETY: A has `height` rows from `first` on and the columns `part`, by the assertion above and as
                    // `Matrix` was made; `packed` has `height` rows of `part`; the panel of B `part` rows of 32 numbers.
                    unsafe { tile.of_height(simd, height, left) };
                }
            }
        }
    }
}

/// Writes `height` rows of `a` as [place][row].
#[inline(always)]
fn pack_left(a: Matrix<'_>, first: usize, height: usize, part: Range<usize>, to: &mut [f32]) {
    if a.row_step == 1 {
        for (place, to) in part.zip(to.chunks_exact_mut(height)) {
            to.copy_from_slice(&a.data[place * a.column_step + first..][..height]);
        }
    } else {
        Lines { data: a.data, first, step: a.row_step, inner: part }.turn(height, height, to);
    }
}

/// Where the numbers of A that a tile reads lie.
#[derive(Clone, Copy)]
struct Left {
    start: *const f32,
    /// From one row to the next.
    row: usize,
    /// From one term of the sum to the next.
    place: usize,
}

/// A part of C small enough to stay in registers.
struct Tile {
    b: *const f32,
    depth: usize,
    c: *mut f32,
    /// From one row of C to the next.
    stride: usize,
    /// Columns of C from `c` on that may be written.
    width: usize,
    /// Whether C's numbers are added to.
    add: bool,
}

impl Tile {
    /// # Safety
    /// See [`Tile::multiply`]; `height` is at least one and at most `S::ROWS`.
    #[inline(always)]
    unsafe fn of_height<S: Simd>(self, simd: S, height: usize, a: Left) {
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    $($rows if $rows <= S::ROWS => {
                        if self.width > S::LANES {
                            // SAFETY: passed on to the caller. Taller tiles than the set's registers hold are not compiled.
                            unsafe { self.multiply::<S, $rows, 2>(simd, a) }
                        } else {
                            // SAFETY: as above.
                            unsafe { self.multiply::<S, $rows, 1>(simd, a) }
                        }
                    })*
                    _ => unreachable!("a register tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// # Safety
    /// A must be readable for `R` rows and `depth` places, B for `depth` rows of `N` vectors, and C writable for `R` rows
    /// of `width` numbers, or of `N` vectors if that is less.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const R: usize, const N: usize>(self, simd: S, a: Left) {
        let mut sum = [[simd.splat(0.0); N]; R];
        // Packed rows are side by side: with the distance known, one pointer and constant offsets reach them all.
        // SAFETY: passed on to the caller.
        unsafe {
            if a.row == 1 {
                self.sum::<S, R, N>(simd, Left { row: 1, ..a }, &mut sum);
            } else {
                self.sum::<S, R, N>(simd, a, &mut sum);
            }
        }
        let whole = N * S::LANES;
        if self.width >= whole {
            for (r, sum) in sum.iter().enumerate() {
                for (n, &vector) in sum.iter().enumerate() {
                    // SAFETY: row r, vector n of C is writable, says the caller.
                    unsafe {
                        let c = self.c.add(r * self.stride + n * S::LANES);
                        simd.store(c, if self.add { simd.add(simd.load(c), vector) } else { vector });
                    }
                }
            }
        } else {
            let mut line = [0.0; PANEL];
            for (r, sum) in sum.iter().enumerate() {
                for (n, &vector) in sum.iter().enumerate() {
                    // SAFETY: two vectors of any set fit into 32 numbers.
                    unsafe { simd.store(line.as_mut_ptr().add(n * S::LANES), vector) };
                }
                for (column, &value) in line[..self.width].iter().enumerate() {
                    // SAFETY: row r of C is writable for `width` numbers, says the caller.
                    unsafe {
                        let c = self.c.add(r * self.stride + column);
                        *c = if self.add { *c + value } else { value };
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`Tile::multiply`].
    #[inline(always)]
    unsafe fn sum<S: Simd, const R: usize, const N: usize>(&self, simd: S, a: Left, sum: &mut [[S::V; N]; R]) {
        let (mut left, mut right) = (a.start, self.b);
        for _ in 0..self.depth {
            // SAFETY: this place of A's R rows and this row of B are readable, says the caller.
            unsafe {
                simd.prefetch(right.wrapping_add(AHEAD));
                if N * S::LANES > 16 {
                    simd.prefetch(right.wrapping_add(AHEAD + 16));
                }
                let mut row = [simd.splat(0.0); N];
                for (n, vector) in row.iter_mut().enumerate() {
                    *vector = simd.load(right.add(n * S::LANES));
                }
                for (r, sum) in sum.iter_mut().enumerate() {
                    let factor = simd.splat(*left.add(r * a.row));
                    for n in 0..N {
                        sum[n] = simd.mul_add(factor, row[n], sum[n]);
                    }
                }
            }
            // Not `add`: the last step may lead beyond the end.
            left = left.wrapping_add(a.place);
            right = right.wrapping_add(PANEL);
        }
    }
}
