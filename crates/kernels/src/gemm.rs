//! Many small matrix products, `C[p] = A[p] B[p]`: the inner loop of every convolution.

use crate::activation::{Block, flat, flat_mut};
use crate::simd::{Kernel, Simd};

/// For each position p: `rows` x (16 `chunks`) times (16 `chunks`) x (16 `columns`).
///
/// All lengths and strides count blocks of 16 numbers. The rows of `a` are side by side: 16 numbers of row 0, 16 of
/// row 1, ...; the next 16 numbers of row 0 follow `a_chunk` blocks later. One pointer with constant offsets then
/// reaches all rows of a register tile.
pub(crate) struct Gemm<'a> {
    /// How many products.
    pub(crate) positions: usize,
    /// Rows of A and C.
    pub(crate) rows: usize,
    /// Sixteenths of the inner dimension.
    pub(crate) chunks: usize,
    /// Sixteenths of a row of B and C: 1 or 2.
    pub(crate) columns: usize,
    /// [position][chunk][row][16]
    pub(crate) a: &'a [Block],
    /// From one chunk of A to the next.
    pub(crate) a_chunk: usize,
    /// From one position of A to the next.
    pub(crate) a_position: usize,
    /// [position][inner][columns][16], without gaps.
    pub(crate) b: &'a [Block],
    /// [position][row][columns][16]
    pub(crate) c: &'a mut [Block],
    /// From one position of C to the next.
    pub(crate) c_position: usize,
}

impl Kernel for Gemm<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Gemm { positions, rows, chunks, columns, a, a_chunk, a_position, b, c, c_position } = self;
        assert!(positions > 0 && rows > 0 && chunks > 0 && (1..=2).contains(&columns));
        assert!(rows <= a_chunk && a.len() >= (positions - 1) * a_position + (chunks - 1) * a_chunk + rows);
        assert!(b.len() >= positions * chunks * 16 * columns);
        assert!(c.len() >= (positions - 1) * c_position + rows * columns);
        let (a, b, c) = (flat(a).as_ptr(), flat(b).as_ptr(), flat_mut(c).as_mut_ptr());
        // Tiles of nearly equal height: 16 rows make 8 and 8, not 12 and 4. The first ones are a row higher.
        let groups = rows.div_ceil(S::ROWS);
        let (low, higher) = (rows / groups, rows % groups);
        let width = 16 * columns;
        for position in 0..positions {
            let mut first = 0;
            for group in 0..groups {
                let height = low + usize::from(group < higher);
                // One vector wide if the columns leave no room for two.
                let step = (2 * S::LANES).min(width);
                for column in (0..width).step_by(step) {
                    // SAFETY: row `first` of this position starts inside A and C, column `column` inside B and C, and
                    // the assertions above say that each reaches to its last position, chunk, row and column.
                    unsafe {
                        let tile = Tile {
                            a: a.add((position * a_position + first) * 16),
                            a_chunk: a_chunk * 16,
                            b: b.add(position * chunks * 16 * width + column),
                            c: c.add(position * c_position * 16 + first * width + column),
                            width,
                            chunks,
                        };
                        if step == 2 * S::LANES {
                            tile.of_height::<S, 2>(simd, height);
                        } else {
                            tile.of_height::<S, 1>(simd, height);
                        }
                    }
                }
                first += height;
            }
        }
    }
}

/// Weights are asked for this many numbers before they are used: 8 KiB, the time that a third-level cache takes to answer.
const AHEAD: usize = 2048;

/// A part of C small enough to stay in registers: `R` rows, `N` vectors wide. Strides count numbers.
struct Tile {
    a: *const f32,
    a_chunk: usize,
    b: *const f32,
    c: *mut f32,
    /// From one row of B, and of C, to the next.
    width: usize,
    chunks: usize,
}

impl Tile {
    /// # Safety
    /// See [`Tile::multiply`]; `height` is at most twelve.
    #[inline(always)]
    unsafe fn of_height<S: Simd, const N: usize>(self, simd: S, height: usize) {
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    // SAFETY: passed on to the caller. Taller tiles than the set's registers hold are not compiled.
                    $($rows if $rows <= S::ROWS => unsafe { self.multiply::<S, $rows, N>(simd) },)*
                    _ => unreachable!("a register tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// # Safety
    /// A must be readable for `R` rows of 16 numbers in each chunk, B for 16 `chunks` rows of `N` vectors, and C
    /// writable for `R` rows of `N` vectors.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const R: usize, const N: usize>(self, simd: S) {
        let mut sum = [[simd.splat(0.0); N]; R];
        let (mut a, mut b) = (self.a, self.b);
        for _ in 0..self.chunks {
            for k in 0..16 {
                // SAFETY: the row of B and the R numbers of A at place k of this chunk are readable, says the caller.
                unsafe {
                    simd.prefetch(b.wrapping_add(AHEAD));
                    if N * S::LANES > 16 {
                        simd.prefetch(b.wrapping_add(AHEAD + 16));
                    }
                    let mut row = [simd.splat(0.0); N];
                    for (n, vector) in row.iter_mut().enumerate() {
                        *vector = simd.load(b.add(n * S::LANES));
                    }
                    // From here on offsets are constant, and a part of the instructions.
                    let a = a.add(k);
                    for (r, sum) in sum.iter_mut().enumerate() {
                        let factor = simd.splat(*a.add(16 * r));
                        for n in 0..N {
                            sum[n] = simd.mul_add(factor, row[n], sum[n]);
                        }
                    }
                }
                // Not `add`: behind the last row, a tile that starts within the row would end beyond the matrix.
                b = b.wrapping_add(self.width);
            }
            a = a.wrapping_add(self.a_chunk);
        }
        for (r, sum) in sum.iter().enumerate() {
            for (n, &vector) in sum.iter().enumerate() {
                // SAFETY: row r, vector n of C is writable, says the caller.
                unsafe { simd.store(self.c.add(r * self.width + n * S::LANES), vector) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Isa;
    use crate::testing::numbers;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 24 }))]
        #[test]
        fn products_equal_the_plain_sum(
            positions in 1_usize..4, rows in 1_usize..40, chunks in 1_usize..4, columns in 1_usize..3, gap in 0_usize..3,
        ) {
            let (a_chunk, k, width) = (rows + gap, chunks * 16, columns * 16);
            let (a_position, c_position) = (chunks * a_chunk + gap, rows * columns + gap);
            let blocks = |n: usize, seed| -> Vec<Block> {
                numbers(n * 16, seed).as_chunks().0.iter().map(|&b| Block(b)).collect()
            };
            let a = blocks(positions * a_position, 1);
            let b = blocks(positions * k * columns, 2);
            for isa in Isa::available() {
                let mut c = vec![Block([7.0; 16]); positions * c_position];
                isa.run(Gemm { positions, rows, chunks, columns, a: &a, a_chunk, a_position, b: &b, c: &mut c, c_position });
                for p in 0..positions {
                    for r in 0..rows {
                        for n in 0..width {
                            let sum: f32 = (0..k).map(|i| {
                                a[p * a_position + i / 16 * a_chunk + r].0[i % 16] * flat(&b)[(p * k + i) * width + n]
                            }).sum();
                            let found = flat(&c)[p * c_position * 16 + r * width + n];
                            prop_assert!((found - sum).abs() < 1e-4, "{isa} {found} {sum}");
                        }
                    }
                    // The gap after each position is not ours to write.
                    for block in &c[p * c_position + rows * columns..(p + 1) * c_position] {
                        prop_assert!(block.0.iter().all(|v| v.to_bits() == 7.0_f32.to_bits()));
                    }
                }
            }
        }
    }
}
