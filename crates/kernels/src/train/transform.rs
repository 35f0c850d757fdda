//! The transforms of Winograd's F(4x4, 3x3), with their adjoints, and the packing of weights by them.

use std::mem::MaybeUninit;

use super::element::Element;
use crate::simd::{Kernel, Simd};
use crate::winograd::{F4, Winograd};

/// Side of a tile of results, and of the pixels that it comes from.
pub(crate) const OUT: usize = 4;
pub(crate) const IN: usize = 6;
pub(crate) const POSITIONS: usize = IN * IN;

/// Whether convolutions with windows of `size` are made so: those of 3x3 over maps of whole tiles.
pub(crate) fn serves<E: Element>(size: usize, height: usize, width: usize) -> bool {
    E::WINOGRAD && size == 3 && height.is_multiple_of(OUT) && width.is_multiple_of(OUT)
}

/// One direction of a transform: `FROM` numbers to `TO`, by the matrix that the implementor is named after.
pub(crate) trait Line<const FROM: usize, const TO: usize> {
    fn line<S: Simd>(s: S, v: [S::V; FROM]) -> [S::V; TO];
}

/// `B^T d`
pub(crate) struct Bt;
/// `A^T m`
pub(crate) struct At;
/// `A y`, the adjoint of `A^T`.
pub(crate) struct A;
/// `G g`
struct G;
/// `G^T u`, the adjoint of `G`.
pub(crate) struct Gt;

impl Line<IN, IN> for Bt {
    #[inline(always)]
    fn line<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN] {
        F4::input(s, d)
    }
}

impl Line<IN, OUT> for At {
    #[inline(always)]
    fn line<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT] {
        F4::output(s, m)
    }
}

impl Line<OUT, IN> for A {
    #[inline(always)]
    fn line<S: Simd>(s: S, [y0, y1, y2, y3]: [S::V; OUT]) -> [S::V; IN] {
        let (two, four) = (s.splat(2.0), s.splat(4.0));
        let (even, odd) = (s.add(y0, y2), s.add(y1, y3));
        let (far, half) = (s.mul_add(four, y2, y0), s.mul_add(four, y3, y1));
        [y0, s.add(even, odd), s.sub(even, odd), s.mul_add(two, half, far), s.neg_mul_add(two, half, far), y3]
    }
}

impl Line<3, IN> for G {
    #[inline(always)]
    fn line<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; IN] {
        let (sixth, twelfth) = (s.splat(1.0 / 6.0), s.splat(1.0 / 12.0));
        let ends = s.mul(sixth, s.add(g0, g2));
        let middle = s.mul(sixth, g1);
        let slope = s.mul_add(s.splat(1.0 / 24.0), g0, s.mul(sixth, g2));
        let zero = s.splat(0.0);
        [
            s.mul(s.splat(0.25), g0),
            s.sub(zero, s.add(ends, middle)),
            s.sub(middle, ends),
            s.mul_add(twelfth, g1, slope),
            s.neg_mul_add(twelfth, g1, slope),
            g2,
        ]
    }
}

impl Line<IN, 3> for Gt {
    #[inline(always)]
    fn line<S: Simd>(s: S, [u0, u1, u2, u3, u4, u5]: [S::V; IN]) -> [S::V; 3] {
        let (sixth, twelfth) = (s.splat(1.0 / 6.0), s.splat(1.0 / 12.0));
        let (near, far) = (s.add(u1, u2), s.add(u3, u4));
        let slope = s.mul(s.splat(1.0 / 24.0), far);
        [
            s.mul_add(s.splat(0.25), u0, s.neg_mul_add(sixth, near, slope)),
            s.mul_add(twelfth, s.sub(u3, u4), s.mul(sixth, s.sub(u2, u1))),
            s.mul_add(sixth, s.sub(far, near), u5),
        ]
    }
}

/// Transforms `S::LANES` squares along both directions, and adds to what is there if `add`. Rows and columns are as far apart as the pairs say.
///
/// # Safety
/// All `FROM` x `FROM` vectors must be readable, and `TO` x `TO` writable.
#[inline(always)]
pub(crate) unsafe fn both<S: Simd, E: Element, L: Line<FROM, TO>, const FROM: usize, const TO: usize>(
    s: S,
    from: *const E,
    [from_row, from_column]: [usize; 2],
    to: *mut f32,
    [to_row, to_column]: [usize; 2],
    add: bool,
) {
    let mut columns = [const { MaybeUninit::<[S::V; TO]>::uninit() }; FROM];
    for (x, column) in columns.iter_mut().enumerate() {
        let mut v = [s.splat(0.0); FROM];
        for (y, v) in v.iter_mut().enumerate() {
            // SAFETY: the caller vouches for the numbers.
            *v = unsafe { E::load(s, from.add(y * from_row + x * from_column)) };
        }
        column.write(L::line(s, v));
    }
    for y in 0..TO {
        let mut v = [s.splat(0.0); FROM];
        for (v, column) in v.iter_mut().zip(&columns) {
            // SAFETY: all columns have been written above.
            *v = unsafe { column.assume_init_ref()[y] };
        }
        for (x, v) in L::line(s, v).iter().enumerate() {
            // SAFETY: the caller vouches for the places.
            unsafe {
                let to = to.add(y * to_row + x * to_column);
                s.store(to, if add { s.add(s.load(to), *v) } else { *v });
            }
        }
    }
}

/// How far rows and columns of the 36 positions are apart, where a position is `apart` from the next.
pub(crate) const fn positions(apart: usize) -> [usize; 2] {
    [IN * apart, apart]
}

/// Transforms the weights of sixteen outputs, `G g G^T`: `taps` [inputs, 9, 16] to 36 matrices [inputs, 16], `apart` apart.
pub(crate) struct Pack<'a> {
    pub(crate) taps: &'a [f32],
    pub(crate) to: *mut f32,
    pub(crate) apart: usize,
}

impl Kernel for Pack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (input, taps) in self.taps.chunks_exact(144).enumerate() {
            // SAFETY: `Filter` has made room for all inputs at every position.
            unsafe {
                for lane in (0..16).step_by(S::LANES) {
                    let (taps, to) = (taps.as_ptr().add(lane), self.to.add(input * 16 + lane));
                    both::<S, f32, G, 3, IN>(s, taps, [48, 16], to, positions(self.apart), false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of `A`, `G` and `G^T` against the matrices that they stand for.
    struct Adjoints;

    impl Kernel for Adjoints {
        fn run<S: Simd>(self, s: S) {
            fn first<S: Simd>(s: S, v: S::V) -> f32 {
                let mut lanes = [0.0; 16];
                // SAFETY: no vector has more than sixteen lanes.
                unsafe { s.store(lanes.as_mut_ptr(), v) };
                lanes[0]
            }
            fn unit<S: Simd, const N: usize>(s: S, at: usize) -> [S::V; N] {
                let mut v = [s.splat(0.0); N];
                v[at] = s.splat(1.0);
                v
            }
            for row in 0..IN {
                let back = F4::output(s, unit(s, row)).map(|v| first(s, v));
                for (column, back) in back.into_iter().enumerate() {
                    let found = first(s, A::line(s, unit(s, column))[row]);
                    assert!((found - back).abs() < 1e-7, "A, row {row}, column {column}: {found}");
                }
                let folded = Gt::line(s, unit(s, row)).map(|v| first(s, v));
                for (column, folded) in folded.into_iter().enumerate() {
                    let expected = F4::G[row][column] as f32;
                    let found = first(s, G::line(s, unit(s, column))[row]);
                    assert!((found - expected).abs() < 1e-7, "G, row {row}, column {column}: {found}");
                    assert!((folded - expected).abs() < 1e-7, "G^T, row {column}, column {row}: {folded}");
                }
            }
        }
    }

    #[test]
    fn the_transforms_are_the_matrices_and_their_adjoints() {
        for isa in crate::Isa::available() {
            isa.run(Adjoints);
        }
    }
}
