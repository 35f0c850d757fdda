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

/// How elements are read and written: the part of [`Element`] that only this crate can write.
#[allow(private_bounds, private_interfaces, reason = "nobody outside can name these")]
pub(crate) mod private {
    use super::{Bf16, Element, Simd};

    #[doc(hidden)]
    pub trait Sealed: Sized {
        /// Whether products may be those that a processor has for bfloat16 numbers: `Self` is [`Bf16`], that is `u16`.
        const HALF: bool;
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
    }

    impl Sealed for f32 {
        const HALF: bool = false;
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
    }

    impl Sealed for Bf16 {
        const HALF: bool = true;
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
