//! Winograd's minimal filtering F(2x2, 3x3) and F(4x4, 3x3).
//!
//! `Y = A^T [(G g G^T) * (B^T d B)] A` with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016), sections 4.1 and 4.2. `IN` is the side of an input tile, `OUT` that of an output tile.

use std::mem::MaybeUninit;

use crate::activation::flat;
use crate::epilogue::Finish;
use crate::scheme::{Input, Output, Scheme};
use crate::simd::Simd;

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

macro_rules! scheme {
    ($name:ident, $in:literal, $out:literal) => {
        impl Scheme for $name {
            const TILE: usize = $out;
            const TAPS: usize = 1;
            const GROUPS: [(usize, usize); 3] = [($in * $in, 1), (0, 0), (0, 0)];

            fn weights(kernel: &[f32; 9], out: &mut [f32]) {
                transform_weight(&Self::G, kernel, out);
            }
            #[inline(always)]
            fn input<S: Simd>(s: S, job: &Input<'_>) {
                input::<S, $in, $out, Self>(s, job);
            }
            #[inline(always)]
            fn output<S: Simd>(s: S, job: &Output<'_>) {
                output::<S, $in, $out, Self>(s, job);
            }
        }
    };
}
scheme!(F2, 4, 2);
scheme!(F4, 6, 4);

/// `G g G^T` of one 3x3 kernel, in f64, in row-major order.
pub(crate) fn transform_weight(matrix: &[[f64; 3]], kernel: &[f32; 9], out: &mut [f32]) {
    for (row, out) in matrix.iter().zip(out.chunks_exact_mut(matrix.len())) {
        let tap = |y: usize, x: usize| f64::from(kernel[3 * y + x]);
        let line = [0, 1, 2].map(|x| row[0] * tap(0, x) + row[1] * tap(1, x) + row[2] * tap(2, x));
        for (column, out) in matrix.iter().zip(out) {
            *out = (line[0] * column[0] + line[1] * column[1] + line[2] * column[2]) as f32;
        }
    }
}

/// `B^T d B` of tiles scaled by their style.
#[inline(always)]
fn input<S: Simd, const IN: usize, const OUT: usize, W: Winograd<IN, OUT>>(s: S, job: &Input<'_>) {
    job.check(OUT);
    let Input { x, style, tiles, layout, .. } = job;
    let (shape, position, count) = (x.shape(), layout.groups[0].factor, tiles.count);
    let (pitch, rows) = (shape.pitch(), shape.rows());
    assert!(tiles.down * OUT + 2 <= rows && tiles.across * OUT + 2 <= pitch && IN == OUT + 2);
    assert!(layout.factors >= (IN * IN - 1) * position + shape.blocks() * count);
    let (from, to) = (flat(x.data()).as_ptr(), job.out.pointer());
    for block in job.blocks.clone() {
        for (tile, (picture, ty, tx)) in tiles.places(0..count) {
            let plane = picture * shape.blocks() + block;
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: the tile's IN x IN pixels lie within rows and columns of its plane, its transform within the
                // last position of `out`, and the style within its planes, by the assertions above.
                unsafe {
                    let style = s.load(style.as_ptr().add(plane * 16 + lane));
                    let from = from.add(((plane * rows + ty * OUT) * pitch + tx * OUT) * 16 + lane);
                    let to = to.add((block * count + tile) * 16 + lane);
                    let mut columns = [const { MaybeUninit::<[S::V; IN]>::uninit() }; IN];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let mut d = [style; IN];
                        for (y, d) in d.iter_mut().enumerate() {
                            *d = s.mul(style, s.load(from.add((y * pitch + x) * 16)));
                        }
                        column.write(W::input(s, d));
                    }
                    for y in 0..IN {
                        let mut d = [style; IN];
                        for (d, column) in d.iter_mut().zip(&columns) {
                            *d = column.assume_init_ref()[y];
                        }
                        for (x, v) in W::input(s, d).iter().enumerate() {
                            s.store(to.add((y * IN + x) * position * 16), *v);
                        }
                    }
                }
            }
        }
    }
}

/// `A^T m A` of a panel, finished and written to the picture.
#[inline(always)]
fn output<S: Simd, const IN: usize, const OUT: usize, W: Winograd<IN, OUT>>(s: S, job: &Output<'_>) {
    job.check();
    let &Output { sums, tiles, layout, block, ref epilogue, y, adds, .. } = job;
    let (shape, position, columns) = (y.shape, layout.groups[0].product, layout.columns);
    epilogue.check(shape);
    tiles.check(shape, OUT);
    assert!(layout.products >= (IN * IN - 1) * position + tiles.count * columns);
    let (from, to) = (flat(sums).as_ptr(), y.data.pointer());
    tiles.by_picture(job.part.clone(), |picture, part| {
        for sub in 0..columns {
            let plane = picture * shape.blocks() + block + sub;
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: the epilogue covers all of the result's pictures and blocks, `block + sub` among them.
                let finish = unsafe { Finish::new(s, epilogue, shape, picture, (block + sub) * 16 + lane) };
                for (tile, (_, ty, tx)) in tiles.places(part.clone()) {
                    // SAFETY: `sums` reaches to this tile of the last position, by the assertion above.
                    let m = unsafe { from.add((tile * columns + sub) * 16 + lane) };
                    let mut columns = [const { MaybeUninit::<[S::V; OUT]>::uninit() }; IN];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let mut sums = [s.splat(0.0); IN];
                        for (y, v) in sums.iter_mut().enumerate() {
                            // SAFETY: as for `m`.
                            *v = unsafe { s.load(m.add((y * IN + x) * position * 16)) };
                        }
                        column.write(W::output(s, sums));
                    }
                    // Tiles at the right and lower edge may reach beyond the picture.
                    for i in 0..OUT.min(shape.height - ty * OUT) {
                        let (py, px) = (ty * OUT + i, tx * OUT);
                        let mut line = [s.splat(0.0); IN];
                        for (v, column) in line.iter_mut().zip(&columns) {
                            // SAFETY: all columns have been written above.
                            *v = unsafe { column.assume_init_ref()[i] };
                        }
                        let line = W::output(s, line);
                        for (j, &v) in line.iter().enumerate() {
                            if px + j < shape.width {
                                // SAFETY: (py, px + j) is a pixel of the picture, so it has noise and memory.
                                unsafe {
                                    let to = to.add(shape.place(plane, py, px + j) * 16 + lane);
                                    let v = finish.apply(s, v, py * shape.width + px + j);
                                    s.store(to, if adds { s.add(s.load(to), v) } else { v });
                                }
                            }
                        }
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;
    use crate::activation::{Block, flat_mut};
    use crate::simd::Kernel;

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
                        let mut lanes = [Block::default()];
                        // SAFETY: no vector has more than sixteen lanes.
                        unsafe { s.store(flat_mut(&mut lanes).as_mut_ptr(), y) };
                        assert!((f64::from(lanes[0].0[0]) - expected).abs() < 1e-6, "{unit} {place}");
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
