//! The matrix products that layers are made of.

use super::element::{Bf16, Element};
use super::layout::Segments;
use crate::simd::{Isa, Simd};

/// Rows of the largest block.
pub(crate) const MOST_ROWS: usize = 32;

/// The rows of a block that is multiplied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub(crate) count: usize,
    /// Elements from one to the next.
    pub(crate) pitch: usize,
    /// Elements from the first to the seventeenth. Only tiles look at it: elsewhere all rows are `pitch` apart.
    pub(crate) lower: usize,
}

/// How products of bfloat16 numbers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Products {
    /// Widened to `f32` on the way, with vectors: everywhere.
    Plain,
    /// AVX-512-BF16: two products a lane.
    #[cfg(target_arch = "x86_64")]
    Dot,
    /// AMX: 16 x 16 sums of 32 products at a time.
    #[cfg(target_arch = "x86_64")]
    Tiles,
}

impl Products {
    /// The ways that this processor has, the fastest first.
    pub(crate) fn available(isa: Isa) -> Vec<Self> {
        Self::ALL.iter().copied().filter(|way| way.is_available(isa)).collect()
    }

    /// Every way that this architecture knows, the fastest first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Tiles,
        #[cfg(target_arch = "x86_64")]
        Self::Dot,
        Self::Plain,
    ];

    #[allow(unused_variables, reason = "some targets have but one way")]
    fn is_available(self, isa: Isa) -> bool {
        match self {
            Self::Plain => true,
            #[cfg(target_arch = "x86_64")]
            Self::Dot => isa.has_avx512() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Self::Tiles => isa.has_avx512() && super::tiles::permitted(),
        }
    }

    /// Rows of a block.
    #[inline(always)]
    fn rows(self) -> usize {
        match self {
            Self::Plain => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Dot => 12,
            #[cfg(target_arch = "x86_64")]
            Self::Tiles => 32,
        }
    }

    /// As [`multiply`], of bfloat16 bits.
    ///
    /// # Safety
    /// [`Products::rows`] rows of all segments, to the end of their last steps, and both panels (`b` and, beyond 16 columns, `b + panel`)
    /// must be readable; as many rows of `out`, 32 numbers apart, must be writable. The processor has what `self` names, and for
    /// `Products::Tiles` the thread holds `tiles::Tiles`.
    #[allow(clippy::too_many_arguments)]
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, reason = "only tiles have blocks of several heights")
    )]
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        self,
        s: S,
        a: *const u16,
        rows: Rows,
        segments: &Segments,
        b: *const u16,
        panel: usize,
        columns: usize,
        out: *mut f32,
    ) {
        // SAFETY: the caller vouches for the memory, and `self` for the processor.
        unsafe {
            match self {
                Self::Plain => multiply_widened(s, a, rows.pitch, segments, b, panel, columns, out),
                #[cfg(target_arch = "x86_64")]
                Self::Dot => super::tiles::dot(a, rows.pitch, segments, b, panel, columns, out),
                #[cfg(target_arch = "x86_64")]
                Self::Tiles => super::tiles::multiply(a, rows, segments, b, panel, columns, out),
            }
        }
    }
}

/// Rows of the largest block that [`multiply`] makes at once, at most [`MOST_ROWS`].
#[inline(always)]
pub(crate) fn rows<S: Simd, E: Element>(products: Products) -> usize {
    if E::HALF { products.rows() } else { S::ROWS }
}

/// `out[r][c] = sum over segments and k of a[row r + offset + k] b[k][c]`, for [`rows`] rows and 16 or 32 columns; rows of `out` are 32
/// apart.
///
/// # Safety
/// All rows of all segments and both panels (`b` and `b + panel`) must be readable, as many rows of `out` writable; `products` must be what
/// this processor has, and for `Products::Tiles` the thread holds `tiles::Tiles`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, E: Element>(
    s: S,
    products: Products,
    a: *const E,
    rows: Rows,
    segments: &Segments,
    b: *const E,
    panel: usize,
    columns: usize,
    out: *mut f32,
) {
    // SAFETY: the caller vouches for all of it; an element is `Bf16`, which is its bits, or `f32`, as `HALF` says.
    unsafe {
        if E::HALF {
            products.multiply(s, a.cast(), rows, segments, b.cast(), panel, columns, out);
        } else {
            multiply_f32(s, a.cast(), rows.pitch, segments, b.cast(), panel, columns, rows.count, out, 32);
        }
    }
}

/// As [`multiply`], of `f32`, with rows of `out` `width` numbers apart: a block of `S::ROWS` rows, or of four where no more are wanted.
///
/// # Safety
/// The block's rows of all segments and both panels (`b` and, beyond 16 columns, `b + panel`) must be readable; as many rows of `out` must be
/// writable.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn multiply_f32<S: Simd>(
    s: S,
    a: *const f32,
    pitch: usize,
    segments: &Segments,
    b: *const f32,
    panel: usize,
    columns: usize,
    rows: usize,
    out: *mut f32,
    width: usize,
) {
    // Callers step by `S::ROWS`: a set with other rows would leave some out.
    const { assert!(matches!(S::ROWS, 4 | 6 | 12) && matches!(S::LANES, 4 | 8 | 16)) };
    // SAFETY: the caller vouches for all of it.
    unsafe {
        match S::ROWS {
            12 if rows > 4 => row_block::<S, 12>(s, a, pitch, segments, b, panel, columns, out, width),
            6 if rows > 4 => row_block::<S, 6>(s, a, pitch, segments, b, panel, columns, out, width),
            _ => row_block::<S, 4>(s, a, pitch, segments, b, panel, columns, out, width),
        }
    }
}

/// `R` rows of results, `width` numbers apart, by 16 or 32 columns.
///
/// # Safety
/// `R` rows of all segments and both panels (`b` and, beyond 16 columns, `b + panel`) must be readable, `R` rows of `out` writable.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn row_block<S: Simd, const R: usize>(
    s: S,
    a: *const f32,
    pitch: usize,
    segments: &Segments,
    b: *const f32,
    panel: usize,
    columns: usize,
    out: *mut f32,
    width: usize,
) {
    let mut column = 0;
    while column < columns {
        // SAFETY: `columns` is 16 or 32 and LANES divides 16, so both vectors lie in the panels; the caller vouches for the rest.
        unsafe {
            let first = b.add(column / 16 * panel + column % 16);
            let after = column + S::LANES;
            if after < columns {
                let second = b.add(after / 16 * panel + after % 16);
                block::<S, R, 2>(s, a, pitch, segments, [first, second], out.add(column), width);
            } else {
                block::<S, R, 1>(s, a, pitch, segments, [first], out.add(column), width);
            }
        }
        column += 2 * S::LANES;
    }
}

/// `R` rows by `N` vectors.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn block<S: Simd, const R: usize, const N: usize>(
    s: S,
    a: *const f32,
    pitch: usize,
    segments: &Segments,
    mut b: [*const f32; N],
    out: *mut f32,
    width: usize,
) {
    let mut sums = [[s.splat(0.0); N]; R];
    for &offset in &segments.offsets[..segments.count] {
        let mut a = a.wrapping_offset(offset);
        for _ in 0..segments.length {
            // SAFETY: the caller vouches for the rows and the panels.
            unsafe {
                let row = b.map(|p| s.load(p));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let factor = s.splat(a.add(r * pitch).read());
                    for (sum, v) in sum.iter_mut().zip(row) {
                        *sum = s.mul_add(factor, v, *sum);
                    }
                }
            }
            a = a.wrapping_add(1);
            b = b.map(|p| p.wrapping_add(16));
        }
    }
    // SAFETY: the caller vouches for rows of `out` that are `width` apart.
    unsafe { write_rows(s, &sums, out, width) };
}

/// Writes sums in rows `width` numbers apart.
///
/// # Safety
/// As many rows of `N` vectors must be writable.
#[inline(always)]
unsafe fn write_rows<S: Simd, const N: usize>(s: S, sums: &[[S::V; N]], out: *mut f32, width: usize) {
    for (r, row) in sums.iter().enumerate() {
        for (n, sum) in row.iter().enumerate() {
            // SAFETY: the caller vouches for the rows.
            unsafe { s.store(out.add(r * width + n * S::LANES), *sum) };
        }
    }
}

/// As [`multiply`], of bfloat16 bits that are widened on the way: what the processors' own products are compared with.
///
/// # Safety
/// As [`Products::multiply`].
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn multiply_widened<S: Simd>(
    s: S,
    a: *const u16,
    pitch: usize,
    segments: &Segments,
    b: *const u16,
    panel: usize,
    columns: usize,
    out: *mut f32,
) {
    let mut column = 0;
    while column < columns {
        // SAFETY: `columns` is 16 or 32 and LANES divides 16, so both vectors lie in the panels; the caller vouches for the rest.
        unsafe {
            let first = b.add(column / 16 * panel + column % 16 * 2);
            let after = column + S::LANES;
            if after < columns {
                let second = b.add(after / 16 * panel + after % 16 * 2);
                widened_block::<S, 2>(s, a, pitch, segments, [first, second], out.add(column));
            } else {
                widened_block::<S, 1>(s, a, pitch, segments, [first], out.add(column));
            }
        }
        column += 2 * S::LANES;
    }
}

/// Four rows by `N` vectors.
///
/// # Safety
/// As [`Products::multiply`].
#[inline(always)]
unsafe fn widened_block<S: Simd, const N: usize>(
    s: S,
    a: *const u16,
    pitch: usize,
    segments: &Segments,
    mut b: [*const u16; N],
    out: *mut f32,
) {
    const ROWS: usize = 4;
    let mut sums = [[s.splat(0.0); N]; ROWS];
    for &offset in &segments.offsets[..segments.count] {
        let a = a.wrapping_offset(offset);
        // A step is 16 pairs of numbers by 16 columns; beyond `length` its weights are zero.
        for pair in 0..segments.length.div_ceil(2) {
            // SAFETY: the caller vouches for the rows and the panels to the end of the last step.
            unsafe {
                // A closure that loads them, for `map`, was compiled without the instruction set.
                let mut columns = [[s.splat(0.0); 2]; N];
                for (columns, p) in columns.iter_mut().zip(b) {
                    *columns = s.load_bf16_pairs(p.wrapping_add(pair * 32));
                }
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = a.wrapping_add(r * pitch + pair * 2);
                    let (first, second) = (Bf16(x.read()).to_f32(), Bf16(x.add(1).read()).to_f32());
                    let (first, second) = (s.splat(first), s.splat(second));
                    for (sum, [even, odd]) in sum.iter_mut().zip(columns) {
                        *sum = s.mul_add(second, odd, s.mul_add(first, even, *sum));
                    }
                }
            }
        }
        b = b.map(|p| p.wrapping_add(segments.steps * 512));
    }
    // SAFETY: rows of `out` are 32 apart, and the caller vouches for them.
    unsafe { write_rows(s, &sums, out, 32) };
}
