//! `StyleGAN2`'s doubling convolution, transposed with stride 2, by fewer products than it has taps.
//!
//! In one dimension the transposed convolution puts `x_p W_k` at place `2 p + k`. As polynomials: the even places are
//! the product of `X(z) = sum x_p z^p` and `W_0 + W_2 z`, the odd ones are `W_1 X(z)`. For a tile of `N` inputs the even
//! product has `N + 1` coefficients and is found from its values at as many points (Toom and Cook); the odd one takes `N`
//! products as it stands. In two dimensions that is `(2 N + 1)^2` products for `N^2` inputs instead of `9 N^2`: 81 instead
//! of 144 for `N = 4`. As the odd products share their weights, there are only `(N + 2)^2` matrices of weights.
//!
//! The results of neighbouring tiles overlap by one line, where they are added up. Twice as many places and one more
//! come out; the filter of [`smooth`](crate::smooth) makes the picture of them, strip by strip.

use std::mem::MaybeUninit;

use crate::activation::flat;
use crate::scheme::{Input, Output, Scheme};
use crate::simd::Simd;
use crate::winograd::transform_weight;

/// One-dimensional transforms: `N` inputs, `P = N + 1` points.
trait Points<const N: usize, const P: usize> {
    /// `W_0 + W_2 z` at each point, scaled as `product` expects it; then `W_1`.
    const G: &[[f64; 3]];
    /// `X(z)` at each point.
    fn values<S: Simd>(s: S, x: [S::V; N]) -> [S::V; P];
    /// The coefficients of the even product from its values.
    fn product<S: Simd>(s: S, m: [S::V; P]) -> [S::V; P];
}

/// Single pixels: the plain sum.
pub(crate) struct Spread1;

impl Points<1, 2> for Spread1 {
    const G: &[[f64; 3]] = &[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];

    #[inline(always)]
    fn values<S: Simd>(_: S, [x]: [S::V; 1]) -> [S::V; 2] {
        [x, x]
    }

    #[inline(always)]
    fn product<S: Simd>(_: S, m: [S::V; 2]) -> [S::V; 2] {
        m
    }
}

/// Tiles of 2x2; points 0, 1 and infinity.
pub(crate) struct Spread2;

impl Points<2, 3> for Spread2 {
    const G: &[[f64; 3]] = &[[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];

    #[inline(always)]
    fn values<S: Simd>(s: S, [x0, x1]: [S::V; 2]) -> [S::V; 3] {
        [x0, s.add(x0, x1), x1]
    }

    #[inline(always)]
    fn product<S: Simd>(s: S, [m0, m1, m2]: [S::V; 3]) -> [S::V; 3] {
        [m0, s.sub(s.sub(m1, m0), m2), m2]
    }
}

/// Tiles of 4x4; points 0, 1, -1, 2 and infinity.
pub(crate) struct Spread4;

impl Points<4, 5> for Spread4 {
    const G: &[[f64; 3]] = &[
        [1.0, 0.0, 0.0],
        [0.5, 0.0, 0.5],
        [0.5, 0.0, -0.5],
        [1.0 / 6.0, 0.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
        [0.0, 1.0, 0.0],
    ];

    #[inline(always)]
    fn values<S: Simd>(s: S, [x0, x1, x2, x3]: [S::V; 4]) -> [S::V; 5] {
        let (two, four) = (s.splat(2.0), s.splat(4.0));
        let (even, odd) = (s.add(x0, x2), s.add(x1, x3));
        let doubled = s.mul(two, s.mul_add(four, x3, x1));
        [x0, s.add(even, odd), s.sub(even, odd), s.add(s.mul_add(four, x2, x0), doubled), x3]
    }

    // With e the coefficients: m1 + m2 = e0 + e2 + e4, m1 - m2 = e1 + e3, 6 m3 = e0 + 2 e1 + 4 e2 + 8 e3 + 16 e4.
    #[inline(always)]
    fn product<S: Simd>(s: S, [e0, m1, m2, m3, e4]: [S::V; 5]) -> [S::V; 5] {
        let e2 = s.sub(s.sub(s.add(m1, m2), e0), e4);
        let odd = s.sub(m1, m2);
        let known = s.mul_add(s.splat(4.0), e2, s.mul_add(s.splat(16.0), e4, e0));
        let known = s.mul_add(s.splat(2.0), odd, known);
        let e3 = s.neg_mul_add(s.splat(1.0 / 6.0), known, m3);
        [e0, s.sub(odd, e3), e2, e3, e4]
    }
}

macro_rules! scheme {
    ($name:ident, $n:literal, $p:literal) => {
        impl Scheme for $name {
            const TILE: usize = $n;
            const TAPS: usize = 1;
            const GROUPS: [(usize, usize); 3] = [($p * $p, 1), (2 * $p, $n), (1, $n * $n)];

            fn weights(kernel: &[f32; 9], out: &mut [f32]) {
                let mut all = [0.0; ($p + 1) * ($p + 1)];
                transform_weight(Self::G, kernel, &mut all);
                // From rows and columns of points to groups: both even; odd columns, odd rows; both odd.
                let both = (0..$p * $p).map(|i| (i / $p, i % $p));
                let places = both.chain((0..$p).map(|u| (u, $p))).chain((0..$p).map(|v| ($p, v))).chain([($p, $p)]);
                for (out, (u, v)) in out.iter_mut().zip(places) {
                    *out = all[u * ($p + 1) + v];
                }
            }
            #[inline(always)]
            fn input<S: Simd>(s: S, job: &Input<'_>) {
                input::<S, $n, $p, { $p + $n }, Self>(s, job);
            }
            #[inline(always)]
            fn output<S: Simd>(s: S, job: &Output<'_>) {
                output::<S, $n, $p, { $p + $n }, Self>(s, job);
            }
        }
    };
}
scheme!(Spread1, 1, 2);
scheme!(Spread2, 2, 3);
scheme!(Spread4, 4, 5);

/// The places, in blocks, of the rows of a tile in the groups' memory: even and odd points in both directions.
struct Places {
    /// Where each group starts and how far it is from one position to the next.
    groups: [(usize, usize); 3],
    /// From one row to the next within a position, for rows of one tile.
    step: usize,
}

impl Places {
    /// Block of the row for (u, v); below `P` they are points, from `P` on inputs.
    #[inline(always)]
    fn at<const N: usize, const P: usize>(&self, u: usize, v: usize) -> usize {
        let (group, position, row) = match (u < P, v < P) {
            (true, true) => (0, u * P + v, 0),
            (true, false) => (1, u, v - P),
            (false, true) => (1, P + v, u - P),
            (false, false) => (2, 0, (u - P) * N + v - P),
        };
        let (start, from_one_to_next) = self.groups[group];
        start + position * from_one_to_next + row * self.step
    }
}

/// The values at the points and, behind them, the inputs as they are.
#[inline(always)]
fn values<S: Simd, const N: usize, const P: usize, const M: usize, W: Points<N, P>>(s: S, x: [S::V; N]) -> [S::V; M] {
    let values = W::values(s, x);
    let mut all = [x[0]; M];
    all[..P].copy_from_slice(&values);
    all[P..].copy_from_slice(&x);
    all
}

/// Values of tiles, scaled by their style, at all points and in all inputs: `M = P + N` in each direction.
#[inline(always)]
fn input<S: Simd, const N: usize, const P: usize, const M: usize, W: Points<N, P>>(s: S, job: &Input<'_>) {
    job.check(N);
    let Input { x, style, tiles, layout, .. } = job;
    let (shape, count) = (x.shape(), tiles.count);
    let (blocks, pitch, rows) = (shape.blocks(), shape.pitch(), shape.rows());
    assert!(tiles.down * N < rows && tiles.across * N < pitch && P == N + 1);
    for (group, (positions, tall)) in layout.groups.iter().zip([(P * P, 1), (2 * P, N), (1, N * N)]) {
        assert!(group.positions == positions && group.rows == tall * count && group.factor >= blocks * group.rows);
        assert!(group.factors + positions * group.factor <= layout.factors);
    }
    let (from, to) = (flat(x.data()).as_ptr(), job.out.pointer());
    for block in job.blocks.clone() {
        // Rows of a tile are `count` apart: all tiles' first rows, then all tiles' second rows.
        let place = |group: usize| {
            (layout.groups[group].factors + block * layout.groups[group].rows, layout.groups[group].factor)
        };
        let places = Places { groups: [place(0), place(1), place(2)], step: count };
        for (tile, (picture, ty, tx)) in tiles.places(0..count) {
            let plane = picture * blocks + block;
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: the tile's N x N pixels lie within rows and columns of its plane (one pixel of border is
                // before them), each row of its transform within its position, block and group, by the assertions above. The columns are
                // all written before they are read.
                unsafe {
                    let style = s.load(style.as_ptr().add(plane * 16 + lane));
                    let from = from.add(((plane * rows + ty * N + 1) * pitch + tx * N + 1) * 16 + lane);
                    let to = to.add(tile * 16 + lane);
                    let mut columns = [const { MaybeUninit::<[S::V; M]>::uninit() }; N];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let mut pixels = [style; N];
                        for (y, v) in pixels.iter_mut().enumerate() {
                            *v = s.mul(style, s.load(from.add((y * pitch + x) * 16)));
                        }
                        column.write(values::<S, N, P, M, W>(s, pixels));
                    }
                    for u in 0..M {
                        let mut line = [style; N];
                        for (v, column) in line.iter_mut().zip(&columns) {
                            *v = column.assume_init_ref()[u];
                        }
                        for (v, value) in values::<S, N, P, M, W>(s, line).iter().enumerate() {
                            s.store(to.add(places.at::<N, P>(u, v) * 16), *value);
                        }
                    }
                }
            }
        }
    }
}

/// Even and odd places from the products of one direction: `M = 2 N + 1` of them.
#[inline(always)]
fn interleave<S: Simd, const N: usize, const P: usize, const M: usize, W: Points<N, P>>(
    s: S,
    m: &[S::V; M],
) -> [S::V; M] {
    let mut points = [m[0]; P];
    points.copy_from_slice(&m[..P]);
    let mut all = *m;
    for (i, even) in W::product(s, points).iter().enumerate() {
        all[2 * i] = *even;
    }
    for i in 0..N {
        all[2 * i + 1] = m[P + i];
    }
    all
}

/// The lines of a strip before those of its first row of tiles: what the filter needs of the lines above.
pub(crate) const LINES_ABOVE: usize = 3;

/// The spread results of a panel, added where tiles overlap, into a strip: the lines of the rows of tiles of the run, after
/// [`LINES_ABOVE`] others. The epilogue is left to the filter that follows.
///
/// A row of tiles adds its first line to what is there unless it is its picture's first. Within a run, even rows come before
/// odd ones, which also add to the line below; the first row of a run finds the line of the run before.
#[inline(always)]
fn output<S: Simd, const N: usize, const P: usize, const M: usize, W: Points<N, P>>(s: S, job: &Output<'_>) {
    job.check();
    let Output { sums, tiles, part, layout, block, y, .. } = job;
    let (shape, columns, across) = (y.shape, layout.columns, tiles.across);
    assert!([tiles.first, part.start, part.end].iter().all(|n| n.is_multiple_of(across)), "whole rows of tiles");
    assert!(2 * N * (across - 1) < shape.width && P == N + 1 && M == P + N);
    let first_picture = tiles.at(0).0;
    // A run is a part of one picture, or some whole pictures.
    let rows = (tiles.count / across).min(tiles.down);
    assert!(shape.height > LINES_ABOVE + 2 * N * rows && tiles.at(tiles.count - 1).0 - first_picture < shape.pictures);
    for (group, (positions, tall)) in layout.groups.iter().zip([(P * P, 1), (2 * P, N), (1, N * N)]) {
        assert!(group.positions == positions && group.rows == tall * tiles.count);
        assert!(group.product >= group.rows * columns && group.products + positions * group.product <= layout.products);
    }
    let place = |group: usize| (layout.groups[group].products, layout.groups[group].product);
    let places = Places { groups: [place(0), place(1), place(2)], step: tiles.count * columns };
    let (from, to) = (flat(sums).as_ptr(), y.data.pointer());
    for start in part.clone().step_by(across) {
        let (picture, ty, _) = tiles.at(start);
        let row = start / across % rows;
        // Whether the first and the last line of this row of tiles hold another row's results already.
        let (above, below) = if row % 2 == 0 { (ty > 0 && row == 0, false) } else { (true, row + 1 < rows) };
        for sub in 0..columns {
            let plane = (picture - first_picture) * shape.blocks() + block + sub;
            for lane in (0..16).step_by(S::LANES) {
                // The last column of the tile to the left, which is this tile's first. Added before anything is written,
                // so that a corner is always (left + right) + (left + right), whichever row of tiles comes first.
                let mut carried = [s.splat(0.0); M];
                for tile in start..start + across {
                    let tx = tile - start;
                    // SAFETY: `sums` reaches to the tile's last row of each position, by the assertions above.
                    let m = unsafe { from.add((tile * columns + sub) * 16 + lane) };
                    let mut columns = [const { MaybeUninit::<[S::V; M]>::uninit() }; M];
                    for (v, column) in columns.iter_mut().enumerate() {
                        let mut products = carried;
                        for (u, product) in products.iter_mut().enumerate() {
                            // SAFETY: as for `m`.
                            *product = unsafe { s.load(m.add(places.at::<N, P>(u, v) * 16)) };
                        }
                        column.write(interleave::<S, N, P, M, W>(s, &products));
                    }
                    let (top, left) = (LINES_ABOVE + 2 * N * row, 2 * N * tx);
                    // A tile's last column is written by its right neighbour, if it has one.
                    let width = if tx + 1 < across { 2 * N } else { (2 * N + 1).min(shape.width - left) };
                    for i in 0..=2 * N {
                        let seam = (i == 0 && above) || (i == 2 * N && below);
                        let mut products = carried;
                        for (product, column) in products.iter_mut().zip(&columns) {
                            // SAFETY: all columns have been written above.
                            *product = unsafe { column.assume_init_ref()[i] };
                        }
                        let mut line = interleave::<S, N, P, M, W>(s, &products);
                        line[0] = s.add(line[0], carried[i]);
                        carried[i] = line[2 * N];
                        let out = shape.place(plane, top + i, left) * 16 + lane;
                        for (j, &v) in line.iter().enumerate().take(width) {
                            // SAFETY: (top + i, left + j) is a pixel of the strip.
                            unsafe {
                                let out = to.add(out + 16 * j);
                                s.store(out, if seam { s.add(v, s.load(out)) } else { v });
                            }
                        }
                    }
                }
            }
        }
    }
}
