//! What feature maps are made of.

use crate::simd::{Simd, rounded};

/// A number of a feature map: `f32` or [`Bf16`].
pub trait Element: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + private::Sealed + 'static {
    /// The nearest element.
    fn from_f32(v: f32) -> Self;
    /// Its value.
    fn to_f32(self) -> f32;
}

/// The upper half of an `f32`: 8 bits of exponent, 8 of precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub(crate) u16);

impl Element for f32 {
    #[inline(always)]
    fn from_f32(v: f32) -> Self {
        v
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Element for Bf16 {
    #[inline(always)]
    fn from_f32(v: f32) -> Self {
        Bf16(rounded(v))
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// How elements are read, written and multiplied: the part of [`Element`] that only this crate can write.
#[allow(private_bounds, private_interfaces, reason = "nobody outside can name these")]
pub(crate) mod private {
    use super::{Bf16, Element, Simd};
    use crate::train::product::{Products, Segments, multiply_f32};
    use crate::train::weights::{self, Chunk, Scratch};

    #[doc(hidden)]
    pub trait Sealed: Sized {
        /// Elements of the inner dimension that a packed filter keeps side by side for each output channel: 1, or 2 in groups of 32.
        const STEP: usize;
        /// Whether maps of whole tiles are convolved by Winograd: not bfloat16 ones, whose factors would be rounded once more.
        const WINOGRAD: bool;

        /// Reads `S::LANES` elements.
        ///
        /// # Safety
        /// They must be readable.
        unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V;
        /// Writes `S::LANES` elements.
        ///
        /// # Safety
        /// They must be writable.
        unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V);
        /// Rows of the largest block that [`Sealed::multiply`] makes at once, at most [`crate::train::product::MOST_ROWS`].
        fn rows<S: Simd>(products: Products) -> usize;
        /// `out[r][c] = sum over segments and k of a[r pitch + offset + k] b[k][c]`, for [`Sealed::rows`] rows and 16 or 32 columns;
        /// rows of `out` are 32 apart.
        ///
        /// # Safety
        /// All rows of all segments and both panels (`b` and `b + panel`) must be readable; `products` must be what this processor has.
        #[allow(clippy::too_many_arguments)]
        unsafe fn multiply<S: Simd>(
            s: S,
            products: Products,
            a: *const Self,
            pitch: usize,
            segments: &Segments,
            b: *const Self,
            panel: usize,
            columns: usize,
            rows: usize,
            out: *mut f32,
        );
        /// Adds a chunk's sum over pixels of `x` times `g` to `sum`, [taps, inputs, outputs].
        ///
        /// # Safety
        /// As [`weights::plain`].
        unsafe fn accumulate<S: Simd>(
            s: S,
            products: Products,
            x: *const Self,
            g: *const Self,
            chunk: &Chunk,
            sum: *mut f32,
            scratch: &mut Scratch,
        );
    }

    impl Sealed for f32 {
        const STEP: usize = 1;
        const WINOGRAD: bool = true;

        #[inline(always)]
        unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V {
            // SAFETY: the caller vouches for the numbers.
            unsafe { s.load(p) }
        }
        #[inline(always)]
        unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V) {
            // SAFETY: the caller vouches for the numbers.
            unsafe { s.store(p, v) }
        }
        #[inline(always)]
        fn rows<S: Simd>(_: Products) -> usize {
            S::ROWS
        }
        #[inline(always)]
        unsafe fn multiply<S: Simd>(
            s: S,
            _: Products,
            a: *const Self,
            pitch: usize,
            segments: &Segments,
            b: *const Self,
            panel: usize,
            columns: usize,
            rows: usize,
            out: *mut f32,
        ) {
            // SAFETY: the caller vouches for all of it.
            unsafe { multiply_f32(s, a, pitch, segments, b, panel, columns, rows, out, 32) }
        }
        #[inline(always)]
        unsafe fn accumulate<S: Simd>(
            s: S,
            _: Products,
            x: *const Self,
            g: *const Self,
            chunk: &Chunk,
            sum: *mut f32,
            _: &mut Scratch,
        ) {
            // SAFETY: the caller vouches for all of it.
            unsafe { weights::plain(s, x, g, chunk, sum) }
        }
    }

    impl Sealed for Bf16 {
        const STEP: usize = 32;
        const WINOGRAD: bool = false;

        #[inline(always)]
        unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V {
            // SAFETY: the caller vouches for the numbers; a `Bf16` is its bits.
            unsafe { s.load_bf16(p.cast()) }
        }
        #[inline(always)]
        unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V) {
            // SAFETY: the caller vouches for the numbers; a `Bf16` is its bits.
            unsafe { s.store_bf16(p.cast(), v) }
        }
        #[inline(always)]
        fn rows<S: Simd>(products: Products) -> usize {
            products.rows()
        }
        #[inline(always)]
        unsafe fn multiply<S: Simd>(
            _: S,
            products: Products,
            a: *const Self,
            pitch: usize,
            segments: &Segments,
            b: *const Self,
            panel: usize,
            columns: usize,
            rows: usize,
            out: *mut f32,
        ) {
            // SAFETY: the caller vouches for all of it; a `Bf16` is its bits.
            unsafe { products.multiply(a.cast(), pitch, segments, b.cast(), panel, columns, rows, out) }
        }
        #[inline(always)]
        unsafe fn accumulate<S: Simd>(
            s: S,
            products: Products,
            x: *const Self,
            g: *const Self,
            chunk: &Chunk,
            sum: *mut f32,
            scratch: &mut Scratch,
        ) {
            // SAFETY: the caller vouches for all of it; a `Bf16` is its bits.
            unsafe {
                if products == Products::Plain {
                    weights::plain(s, x, g, chunk, sum);
                } else {
                    weights::paired(products, x.cast(), g.cast(), chunk, sum, scratch);
                }
            }
        }
    }

    /// Reads one element as a vector of equal lanes.
    ///
    /// # Safety
    /// It must be readable.
    #[inline(always)]
    pub(crate) unsafe fn splat<S: Simd, E: Element>(s: S, p: *const E) -> S::V {
        // SAFETY: the caller vouches for the number.
        s.splat(unsafe { p.read() }.to_f32())
    }
}
