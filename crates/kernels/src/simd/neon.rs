//! NEON, which every 64-bit ARM processor has: vectors of four.

#[allow(clippy::wildcard_imports, reason = "the names say where they come from")]
use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// The token of NEON; made in [`run`] only.
#[derive(Clone, Copy)]
pub(super) struct Neon(());

/// Runs a kernel with NEON.
pub(super) fn run<K: Kernel>(kernel: K) {
    kernel.run(Neon(()));
}

// SAFETY: every 64-bit ARM processor has NEON; a vector is four numbers, and loads and stores are of one vector.
unsafe impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 12;
    const FUSED: bool = true;

    #[inline(always)]
    fn splat(self, v: f32) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vdupq_n_f32(v) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON; the caller vouches for the numbers.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: every 64-bit ARM processor has NEON; the caller vouches for the numbers.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn neg_mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vfmsq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    fn sum4(self, [a, b, c, d]: [float32x4_t; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: every 64-bit ARM processor has NEON; `out` holds the four numbers written to it.
        unsafe { vst1q_f32(out.as_mut_ptr(), vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))) };
        out
    }
}
