//! WebAssembly's simd128: vectors of four. With relaxed-simd, multiply-adds are one instruction and one rounding where the
//! processor has them.
//!
//! A WebAssembly module is compiled for one set of features, so this is chosen when it is built.

use core::arch::wasm32::{
    f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat, f32x4_sub, i32x4_shuffle, v128,
    v128_load, v128_store,
};
#[cfg(target_feature = "relaxed-simd")]
use core::arch::wasm32::{f32x4_relaxed_madd, f32x4_relaxed_nmadd};

use super::{Kernel, Simd};

/// The token of simd128; made in [`run`] only.
#[derive(Clone, Copy)]
pub(super) struct Simd128(());

/// Runs a kernel with simd128.
pub(super) fn run<K: Kernel>(kernel: K) {
    kernel.run(Simd128(()));
}

// SAFETY: this module is compiled only where simd128 is enabled, which a WebAssembly module cannot be run without; a vector is four numbers, and loads and stores are of one vector.
unsafe impl Simd for Simd128 {
    type V = v128;
    const LANES: usize = 4;
    // Browsers have 16 registers at most, keep one to themselves, and put into memory what does not fit: a sixth row made
    // the products take almost twice the time.
    const ROWS: usize = 4;
    // Of f64 not even relaxed-simd promises one rounding.
    const FUSED: bool = false;

    #[inline(always)]
    fn splat(self, v: f32) -> v128 {
        f32x4_splat(v)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> v128 {
        // SAFETY: the caller vouches for four readable numbers; the instruction asks for no alignment.
        unsafe { v128_load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: v128) {
        // SAFETY: the caller vouches for four writable numbers; the instruction asks for no alignment.
        unsafe { v128_store(p.cast(), v) }
    }
    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: v128, b: v128, c: v128) -> v128 {
        #[cfg(target_feature = "relaxed-simd")]
        return f32x4_relaxed_madd(a, b, c);
        #[cfg(not(target_feature = "relaxed-simd"))]
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    fn neg_mul_add(self, a: v128, b: v128, c: v128) -> v128 {
        #[cfg(target_feature = "relaxed-simd")]
        return f32x4_relaxed_nmadd(a, b, c);
        #[cfg(not(target_feature = "relaxed-simd"))]
        f32x4_sub(c, f32x4_mul(a, b))
    }
    // Of equal or unordered numbers these give the first, as x86's single instruction does.
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn sum4(self, [a, b, c, d]: [v128; 4]) -> [f32; 4] {
        // (a0 + a2, a1 + a3, b0 + b2, b1 + b3), the same for c and d, then (a, b, c, d).
        let fold = |a, b| f32x4_add(i32x4_shuffle::<0, 1, 4, 5>(a, b), i32x4_shuffle::<2, 3, 6, 7>(a, b));
        let (ab, cd) = (fold(a, b), fold(c, d));
        let sum = f32x4_add(i32x4_shuffle::<0, 2, 4, 6>(ab, cd), i32x4_shuffle::<1, 3, 5, 7>(ab, cd));
        [
            f32x4_extract_lane::<0>(sum),
            f32x4_extract_lane::<1>(sum),
            f32x4_extract_lane::<2>(sum),
            f32x4_extract_lane::<3>(sum),
        ]
    }
}
