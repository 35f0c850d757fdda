//! Winograd's minimal filtering F(2x2, 3x3) and F(4x4, 3x3): the transforms of inputs, weights and outputs.
//!
//! `Y = A^T [(G g G^T) * (B^T d B)] A` with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016), sections 4.1 and 4.2. `IN` is the side of an input tile, `OUT` that of an output tile.

use std::marker::PhantomData;

use crate::activation::{Activation, Block, flat, flat_mut};
use crate::simd::{Kernel, Simd};

/// One-dimensional transforms of a tile size.
pub(crate) trait Winograd<const IN: usize, const OUT: usize> {
    /// `G`
    const G: [[f64; 3]; IN];
    /// `B^T d`
    fn input<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN];
    /// `A^T m`
    fn output<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT];
}

/// F(2x2, 3x3): 16 products for 4 outputs, 2.25 times fewer than the plain sum.
pub(crate) struct F2;

impl Winograd<4, 2> for F2 {
    const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn input<S: Simd>(s: S, [d0, d1, d2, d3]: [S::V; 4]) -> [S::V; 4] {
        [s.sub(d0, d2), s.add(d1, d2), s.sub(d2, d1), s.sub(d1, d3)]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2, m3]: [S::V; 4]) -> [S::V; 2] {
        [s.add(m0, s.add(m1, m2)), s.sub(s.sub(m1, m2), m3)]
    }
}

/// F(4x4, 3x3): 36 products for 16 outputs, 4 times fewer than the plain sum.
pub(crate) struct F4;

impl Winograd<6, 4> for F4 {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input<S: Simd>(s: S, [d0, d1, d2, d3, d4, d5]: [S::V; 6]) -> [S::V; 6] {
        let (two, four, five) = (s.splat(2.0), s.splat(4.0), s.splat(5.0));
        let (even, odd) = (s.neg_mul_add(four, d2, d4), s.neg_mul_add(four, d1, d3));
        let (far, near) = (s.sub(d4, d2), s.sub(d3, d1));
        [
            s.mul_add(four, d0, s.neg_mul_add(five, d2, d4)),
            s.add(even, odd),
            s.sub(even, odd),
            s.mul_add(two, near, far),
            s.neg_mul_add(two, near, far),
            s.mul_add(four, d1, s.neg_mul_add(five, d3, d5)),
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2, m3, m4, m5]: [S::V; 6]) -> [S::V; 4] {
        let (sum1, difference1) = (s.add(m1, m2), s.sub(m1, m2));
        let (sum2, difference2) = (s.add(m3, m4), s.sub(m3, m4));
        [
            s.add(m0, s.add(sum1, sum2)),
            s.mul_add(s.splat(2.0), difference2, difference1),
            s.mul_add(s.splat(4.0), sum2, sum1),
            s.add(m5, s.mul_add(s.splat(8.0), difference2, difference1)),
        ]
    }
}

/// `G g G^T` of one 3x3 kernel, in f64: `IN * IN` numbers in row-major order.
pub(crate) fn transform_weight<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>>(g: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(IN * IN);
    for row in &W::G {
        for column in &W::G {
            let sum: f64 = (0..9).map(|k| row[k / 3] * f64::from(g[k]) * column[k % 3]).sum();
            out.push(sum as f32);
        }
    }
    out
}

/// A run of tiles of a picture, counted in rows from the top left, and where their transforms lie.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    /// The first tile.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
    /// Tiles in a row of the picture.
    pub(crate) across: usize,
}

/// `B^T d B` of the tiles of an activation scaled by its style, to [position][channels / 16][tile][16].
pub(crate) struct InputTransform<'a, const IN: usize, const OUT: usize, W> {
    pub(crate) x: &'a Activation,
    /// A factor for every channel, rounded up to whole blocks.
    pub(crate) style: &'a [f32],
    pub(crate) tiles: Tiles,
    pub(crate) out: &'a mut [Block],
    /// Blocks from one position of `out` to the next.
    pub(crate) position: usize,
    pub(crate) method: PhantomData<W>,
}

impl<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>> Kernel for InputTransform<'_, IN, OUT, W> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let InputTransform { x, style, tiles, out, position, .. } = self;
        let (blocks, pitch, rows) = (x.blocks(), x.pitch(), x.rows());
        let down = (tiles.first + tiles.count).div_ceil(tiles.across);
        assert!(style.len() >= blocks * 16 && x.data().len() >= blocks * rows * pitch);
        assert!(down * OUT + 2 <= rows && tiles.across * OUT + 2 <= pitch && IN == OUT + 2);
        assert!(tiles.count > 0 && position >= blocks * tiles.count);
        assert!(out.len() >= (IN * IN - 1) * position + blocks * tiles.count);
        let (from, to) = (flat(x.data()).as_ptr(), flat_mut(out).as_mut_ptr());
        for block in 0..blocks {
            for tile in 0..tiles.count {
                let (ty, tx) = ((tiles.first + tile) / tiles.across, (tiles.first + tile) % tiles.across);
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: the tile's IN x IN pixels lie within rows and columns of block `block`, its transform
                    // within the last position of `out`, and the style within its blocks, by the assertions above.
                    unsafe {
                        let style = s.load(style.as_ptr().add(block * 16 + lane));
                        let from = from.add(((block * rows + ty * OUT) * pitch + tx * OUT) * 16 + lane);
                        let to = to.add((block * tiles.count + tile) * 16 + lane);
                        let mut columns = [[style; IN]; IN];
                        for (x, column) in columns.iter_mut().enumerate() {
                            let mut d = [style; IN];
                            for (y, d) in d.iter_mut().enumerate() {
                                *d = s.mul(style, s.load(from.add((y * pitch + x) * 16)));
                            }
                            *column = W::input(s, d);
                        }
                        for y in 0..IN {
                            let mut d = [style; IN];
                            for (d, column) in d.iter_mut().zip(&columns) {
                                *d = column[y];
                            }
                            for (x, v) in W::input(s, d).into_iter().enumerate() {
                                s.store(to.add((y * IN + x) * position * 16), v);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transforms as matrices, found by feeding unit vectors, satisfy Winograd's identity in one dimension:
    /// `A^T ((G g) * (B^T d))` is the correlation of d with g.
    fn identity_holds<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>>() {
        struct Check<const IN: usize, const OUT: usize, W>(PhantomData<W>);
        impl<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>> Kernel for Check<IN, OUT, W> {
            fn run<S: Simd>(self, s: S) {
                let g = [0.3_f64, -1.2, 0.7];
                for unit in 0..IN {
                    let mut d = [s.splat(0.0); IN];
                    d[unit] = s.splat(1.0);
                    let mut m = W::input(s, d);
                    for (m, row) in m.iter_mut().zip(&W::G) {
                        let weight: f64 = row.iter().zip(g).map(|(a, b)| a * b).sum();
                        *m = s.mul(*m, s.splat(weight as f32));
                    }
                    for (place, y) in W::output(s, m).into_iter().enumerate() {
                        let expected = if (place..place + 3).contains(&unit) { g[unit - place] } else { 0.0 };
                        let mut lanes = [0.0_f32; 16];
                        // SAFETY: no vector has more than sixteen lanes.
                        unsafe { s.store(lanes.as_mut_ptr(), y) };
                        assert!((f64::from(lanes[0]) - expected).abs() < 1e-6, "{unit} {place}");
                    }
                }
            }
        }
        crate::Isa::best().run(Check::<IN, OUT, W>(PhantomData));
    }

    #[test]
    fn both_sizes_compute_the_correlation() {
        identity_holds::<4, 2, F2>();
        identity_holds::<6, 4, F4>();
    }
}
