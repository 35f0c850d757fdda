//! Parts of matrices in the order in which products read them.

use std::ops::Range;

use super::{Matrix, PANEL};
use crate::activation::{Block, flat_mut};
use crate::simd::{Kernel, Simd};

/// One panel of the right-hand factor: [row][32 columns], zeros where there is no column.
pub(super) struct PackRight<'a> {
    pub(super) b: Matrix<'a>,
    pub(super) rows: Range<usize>,
    /// The panel's first column.
    pub(super) first: usize,
    pub(super) to: &'a mut [Block],
}

impl Kernel for PackRight<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { b, rows, first, to } = self;
        let to = flat_mut(to);
        let width = PANEL.min(b.columns - first);
        if b.column_step == 1 {
            for (row, to) in rows.zip(to.as_chunks_mut::<PANEL>().0) {
                let from = &b.data[row * b.row_step + first..][..width];
                if let Some(whole) = from.as_array::<PANEL>() {
                    *to = *whole;
                } else {
                    to[..width].copy_from_slice(from);
                    to[width..].fill(0.0);
                }
            }
        } else {
            if width < PANEL {
                to.fill(0.0);
            }
            let lines = Lines { data: b.data, first, step: b.column_step, inner: rows };
            lines.turn(width, PANEL, to);
        }
    }
}

/// Lines of numbers that lie side by side in memory and shall stand one below the other.
pub(super) struct Lines<'a> {
    pub(super) data: &'a [f32],
    /// The first line.
    pub(super) first: usize,
    /// From one line to the next.
    pub(super) step: usize,
    /// The part of the lines that is wanted.
    pub(super) inner: Range<usize>,
}

impl Lines<'_> {
    /// Writes `to[place * pitch + line] = line[place]` for `count` lines.
    #[inline(always)]
    pub(super) fn turn(&self, count: usize, pitch: usize, to: &mut [f32]) {
        let line = |index: usize| &self.data[(self.first + index) * self.step..][self.inner.clone()];
        let length = self.inner.len();
        let fours = count / 4 * 4;
        for index in (0..fours).step_by(4) {
            let lines = [line(index), line(index + 1), line(index + 2), line(index + 3)];
            let squares = lines.map(|line| line.as_chunks::<4>().0);
            let count = squares[0].len();
            let [a, b, c, d] = squares.map(|square| &square[..count]);
            for place in 0..count {
                let square = [a[place], b[place], c[place], d[place]];
                for within in 0..4 {
                    let column = square.map(|line| line[within]);
                    to[(4 * place + within) * pitch + index..][..4].copy_from_slice(&column);
                }
            }
            for place in length / 4 * 4..length {
                to[place * pitch + index..][..4].copy_from_slice(&lines.map(|line| line[place]));
            }
        }
        for index in fours..count {
            for (place, &value) in line(index).iter().enumerate() {
                to[place * pitch + index] = value;
            }
        }
    }
}
