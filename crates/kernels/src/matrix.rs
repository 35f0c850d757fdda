//! Products of whole matrices: `C = A B`, `A Bᵀ`, `Aᵀ B` on row-major slices.
//!
//! B is packed into panels of 32 columns (once and for all in [`Packed`], or block by block in [`Scratch`]), A into as many
//! rows as the registers hold, and C is made in tiles that stay in registers (the scheme of `GotoBLAS` and BLIS: Van Zee
//! and van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", 2015). Threads share C's rows and
//! columns, never the sum of one number, so the result is the same to the bit however many there are. [`product_f64`] is the
//! same for statistics, which need the digits more than the last bit of speed.
//!
//! ```
//! use kernels::matrix::{Matrix, MatrixMut, Scratch, Update, product};
//! use kernels::{Crew, Isa};
//!
//! let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 1.0]);
//! let mut c = [10.0; 2];
//! // [2, 3] times the transpose of [1, 3].
//! let (a, b) = (Matrix::new(&a, 2, 3), Matrix::new(&b, 1, 3).transposed());
//! product(&Crew::alone(Isa::best()), a, b, MatrixMut::new(&mut c, 2, 1), Update::Add, &mut Scratch::default());
//! assert_eq!(c, [14.0, 20.0]);
//! ```

mod double;
mod pack;
mod tile;

use std::ops::Range;

use crate::Crew;
use crate::activation::{Block, Shared, flat};
pub use double::product_f64;
use pack::PackRight;
use tile::Tiles;

/// Columns of a panel of B.
const PANEL: usize = 32;
/// Blocks of 16 in one row of a panel.
const PANEL_BLOCKS: usize = PANEL / 16;
/// Terms of a sum that are added up at once: a panel of B and the rows of A that meet it stay in the first-level cache.
const DEPTH: usize = 256;
/// Panels that are packed at once: 768 KiB, within the second-level cache of most machines with room for A.
const PANELS: usize = 24;

/// A matrix in a slice, of `f32` or `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    /// From one row to the next; 1 if transposed.
    row_step: usize,
    /// From one column to the next; 1 unless transposed.
    column_step: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// `rows` x `columns`, row after row without gaps.
    ///
    /// # Panics
    /// If `data` is shorter than that.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from the start of one row to the start of the next.
    ///
    /// # Panics
    /// If rows overlap, or `data` ends before the last one does.
    pub fn strided(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        assert_reaches(data.len(), rows, columns, stride);
        Matrix { data, rows, columns, row_step: stride, column_step: 1 }
    }

    /// The same numbers with rows and columns exchanged; nothing is moved.
    #[must_use]
    pub fn transposed(self) -> Self {
        let Matrix { data, rows, columns, row_step, column_step } = self;
        Matrix { data, rows: columns, columns: rows, row_step: column_step, column_step: row_step }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// A matrix in a slice, to be written.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` x `columns`, row after row without gaps.
    ///
    /// # Panics
    /// If `data` is shorter than that.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from the start of one row to the start of the next. What lies between the
    /// rows is not touched.
    ///
    /// # Panics
    /// If rows overlap, or `data` ends before the last one does.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert_reaches(data.len(), rows, columns, stride);
        MatrixMut { data, rows, columns, stride }
    }
}

fn assert_reaches(len: usize, rows: usize, columns: usize, stride: usize) {
    assert!(stride >= columns, "rows of {columns} numbers overlap at a stride of {stride}");
    let end = rows.checked_sub(1).map_or(Some(0), |last| last.checked_mul(stride)?.checked_add(columns));
    assert!(
        end.is_some_and(|end| end <= len),
        "{len} numbers are too few for {rows} x {columns} at a stride of {stride}"
    );
}

/// What happens to the numbers that C holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// Memory that products use, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    right: Vec<Block>,
}

/// A right-hand factor in the order in which products read it: for weights that are used more than once.
#[derive(Clone, Debug)]
pub struct Packed {
    rows: usize,
    columns: usize,
    /// [rows in parts of `DEPTH`][panel][row of the part][32]
    data: Vec<Block>,
}

impl Packed {
    /// Packs `b`.
    pub fn new(crew: &Crew, b: Matrix<'_>) -> Self {
        let mut packed = Packed { rows: 0, columns: 0, data: Vec::new() };
        packed.set(crew, b);
        packed
    }

    /// Packs `b` into the memory of another matrix; allocates only if that is too small.
    pub fn set(&mut self, crew: &Crew, b: Matrix<'_>) {
        (self.rows, self.columns) = (b.rows, b.columns);
        let panels = b.columns.div_ceil(PANEL);
        self.data.resize(b.rows * panels * PANEL_BLOCKS, Block::default());
        for from in (0..b.rows).step_by(DEPTH) {
            let rows = from..b.rows.min(from + DEPTH);
            let place = from * panels * PANEL_BLOCKS;
            let len = rows.len() * panels * PANEL_BLOCKS;
            pack_panels(crew, b, rows, 0..panels, &mut self.data[place..place + len]);
        }
    }

    /// The matrix as it was, row after row.
    pub fn unpack(&self) -> Vec<f32> {
        let panels = self.columns.div_ceil(PANEL);
        let data = flat(&self.data);
        let entry = |row: usize, column: usize| {
            let from = row / DEPTH * DEPTH;
            let depth = DEPTH.min(self.rows - from);
            data[(from * panels + column / PANEL * depth + row - from) * PANEL + column % PANEL]
        };
        (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| entry(row, column))).collect()
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// `C = A B` or `C += A B`.
///
/// # Panics
/// If the three do not fit together.
pub fn product(crew: &Crew, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, update: Update, scratch: &mut Scratch) {
    let mut job = Job::new(a, [b.rows, b.columns], c, update);
    let panels = b.columns.div_ceil(PANEL);
    for first in (0..panels).step_by(PANELS) {
        let group = first..panels.min(first + PANELS);
        for part in job.parts() {
            let len = part.len() * group.len() * PANEL_BLOCKS;
            if scratch.right.len() < len {
                scratch.right.resize(len, Block::default());
            }
            pack_panels(crew, b, part.clone(), group.clone(), &mut scratch.right[..len]);
            job.multiply(crew, &scratch.right[..len], part, group.clone());
        }
    }
}

/// As [`product`], with a right-hand factor that was packed before.
///
/// # Panics
/// If the three do not fit together.
pub fn product_packed(crew: &Crew, a: Matrix<'_>, b: &Packed, c: MatrixMut<'_>, update: Update) {
    let mut job = Job::new(a, [b.rows, b.columns], c, update);
    let panels = b.columns.div_ceil(PANEL);
    for first in (0..panels).step_by(PANELS) {
        let group = first..panels.min(first + PANELS);
        for part in job.parts() {
            let depth = part.len() * PANEL_BLOCKS;
            let place = part.start * panels * PANEL_BLOCKS + group.start * depth;
            job.multiply(crew, &b.data[place..place + group.len() * depth], part, group.clone());
        }
    }
}

/// Packs some panels of some rows of `b`, on all threads.
fn pack_panels(crew: &Crew, b: Matrix<'_>, rows: Range<usize>, panels: Range<usize>, to: &mut [Block]) {
    let each = rows.len() * PANEL_BLOCKS;
    let (isa, first, to) = (crew.isa(), panels.start, Shared::new(to));
    crew.in_parts(panels.len(), |part| {
        for panel in part {
            // SAFETY: every panel has a place of its own and is packed by one thread.
            let to = unsafe { to.part(panel * each..(panel + 1) * each) };
            isa.run(PackRight { b, rows: rows.clone(), first: (first + panel) * PANEL, to });
        }
    });
}

/// A product under way.
struct Job<'a> {
    a: Matrix<'a>,
    c: MatrixMut<'a>,
    update: Update,
}

impl<'a> Job<'a> {
    fn new(a: Matrix<'a>, [rows, columns]: [usize; 2], c: MatrixMut<'a>, update: Update) -> Self {
        assert_eq!(a.columns, rows, "columns of A and rows of B");
        assert_eq!((c.rows, c.columns), (a.rows, columns), "rows and columns of C");
        if rows == 0 && update == Update::Replace && columns > 0 {
            // A sum of nothing.
            c.data.chunks_mut(c.stride).take(c.rows).for_each(|row| row[..columns].fill(0.0));
        }
        Job { a, c, update }
    }

    /// The parts in which sums are added up.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let depth = self.a.columns;
        (0..depth).step_by(DEPTH).map(move |from| from..depth.min(from + DEPTH))
    }

    /// Adds one part of the sums to one group of columns of C; `right` holds the panels.
    fn multiply(&mut self, crew: &Crew, right: &[Block], part: Range<usize>, panels: Range<usize>) {
        let (rows, threads) = (self.a.rows, crew.threads());
        // Rows in steps that all register tiles divide; columns too where there are few rows.
        let (lines, columns) = if threads == 1 {
            (rows.max(1), panels.len())
        } else {
            let lines = rows.div_ceil(4 * threads).next_multiple_of(12);
            let groups = rows.div_ceil(lines.max(1)).max(1);
            (lines.max(1), panels.len().div_ceil((4 * threads).div_ceil(groups)).max(1))
        };
        let (down, across) = (rows.div_ceil(lines), panels.len().div_ceil(columns));
        let update = if part.start == 0 { self.update } else { Update::Add };
        let depth = part.len() * PANEL;
        let c = Target { data: self.c.data.as_mut_ptr(), stride: self.c.stride };
        let (a, isa, width) = (self.a, crew.isa(), self.c.columns);
        crew.run(down * across, |_, task| {
            let (line, column) = (task % down * lines, task / down * columns);
            let count = columns.min(panels.len() - column);
            let first = (panels.start + column) * PANEL;
            let tiles = Tiles {
                a,
                rows: line..rows.min(line + lines),
                part: part.clone(),
                right: &flat(right)[column * depth..(column + count) * depth],
                columns: first..width.min(first + count * PANEL),
                c,
                update,
            };
            isa.run(tiles);
        });
    }
}

/// C, which several threads write to.
#[derive(Clone, Copy)]
struct Target {
    data: *mut f32,
    stride: usize,
}

// SAFETY: each thread writes rows and columns of its own, while the matrix is borrowed by `Job::multiply`.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

#[cfg(test)]
mod tests;
