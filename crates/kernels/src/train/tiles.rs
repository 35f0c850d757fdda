//! Products of bfloat16 numbers by AMX tiles and by AVX-512-BF16.
//!
//! A tile is 16 rows of 64 bytes; one instruction adds the products of a tile of 16 x 32 numbers and one of 32 x 16 to 16 x 16 sums.
//! The instructions are written out, because Rust has stable names for neither them nor their registers. The compiler does not use
//! tiles by itself, so what is in them stays there from one block of assembly to the next.

use std::arch::asm;
#[allow(clippy::wildcard_imports, reason = "the names say where they come from")]
use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::layout::Segments;
use super::product::Rows;

/// Whether this processor has AMX with bfloat16 and the system lets this process use it.
pub(crate) fn permitted() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if cfg!(miri) || !cfg!(target_os = "linux") {
            return false;
        }
        // What `dot_eight` is compiled for, beside the tiles themselves; every processor with AMX has had it so far.
        if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")) {
            return false;
        }
        // Leaf 7: EDX bit 22 is AMX-BF16, bit 24 AMX-TILE.
        let leaf = __cpuid_count(7, 0);
        if leaf.edx >> 22 & 1 == 0 || leaf.edx >> 24 & 1 == 0 {
            return false;
        }
        ask()
    })
}

/// Asks Linux for the tiles' registers: it gives them to nobody who has not asked (`arch_prctl`, `ARCH_REQ_XCOMP_PERM`, feature 18).
fn ask() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: i64 = 0x1023;
    const TILES: i64 = 18;
    let mut answer = ARCH_PRCTL;
    // SAFETY: the call reads its two arguments and changes nothing but this process's permission.
    unsafe {
        asm!("syscall", inlateout("rax") answer, in("rdi") REQUEST, in("rsi") TILES, out("rcx") _, out("r11") _);
    }
    answer == 0
}

/// The shape of all eight tiles: 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shape([u8; 64]);

static SHAPE: Shape = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Shape(bytes)
};

/// This thread's tiles, shaped; given back when dropped, so that the system need not keep them any more.
pub(crate) struct Tiles(());

impl Tiles {
    /// # Safety
    /// [`permitted`] must have said yes.
    pub(crate) unsafe fn take() -> Self {
        // SAFETY: the processor has tiles, and SHAPE is 64 bytes of a valid shape.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPE, options(nostack, readonly)) };
        Tiles(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a value exists only where the processor has tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

macro_rules! clear {
    ($($tile:literal)*) => { asm!($(concat!("tilezero tmm", $tile)),*, options(nostack, nomem)) };
}
macro_rules! load {
    ($tile:literal, $from:expr, $stride:expr) => {
        asm!(concat!("tileloadd tmm", $tile, ", [{p} + {s}]"), p = in(reg) $from, s = in(reg) $stride, options(nostack, readonly))
    };
}
macro_rules! save {
    ($tile:literal, $to:expr, $stride:expr) => {
        asm!(concat!("tilestored [{p} + {s}], tmm", $tile), p = in(reg) $to, s = in(reg) $stride, options(nostack))
    };
}
macro_rules! dot {
    ($sum:literal, $a:literal, $b:literal) => {
        asm!(concat!("tdpbf16ps tmm", $sum, ", tmm", $a, ", tmm", $b), options(nostack, nomem))
    };
}

/// Bytes between rows of a block of results.
const OUT: usize = 32 * 4;

/// As `Sealed::multiply`. Sums in tiles 0 to 3, rows in 4 and 5, weights in 6 and 7.
///
/// # Safety
/// 16 rows, 32 where there are more, of all segments, to the end of their last steps, and both panels (`b` and, beyond 16 columns,
/// `b + panel`) must be readable; as many rows of `out`, 32 numbers apart, must be writable. The thread holds [`Tiles`].
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn multiply(
    a: *const u16,
    rows: Rows,
    segments: &Segments,
    b: *const u16,
    panel: usize,
    columns: usize,
    out: *mut f32,
) {
    let stride = rows.pitch * 2;
    let (lower, right) = (rows.count > 16, columns > 16);
    // SAFETY: the caller vouches for the rows, the panels and the results; a tile of weights is 512 numbers.
    unsafe {
        clear!(0 1 2 3);
        let mut b = b;
        for &offset in &segments.offsets[..segments.count] {
            let mut a = a.wrapping_offset(offset);
            for _ in 0..segments.steps {
                load!(4, a, stride);
                load!(6, b, 64usize);
                dot!(0, 4, 6);
                if right {
                    load!(7, b.wrapping_add(panel), 64usize);
                    dot!(1, 4, 7);
                }
                if lower {
                    load!(5, a.wrapping_add(rows.lower), stride);
                    dot!(2, 5, 6);
                    if right {
                        dot!(3, 5, 7);
                    }
                }
                a = a.wrapping_add(32);
                b = b.wrapping_add(512);
            }
        }
        save!(0, out, OUT);
        if right {
            save!(1, out.add(16), OUT);
        }
        if lower {
            save!(2, out.add(16 * 32), OUT);
            if right {
                save!(3, out.add(16 * 32 + 16), OUT);
            }
        }
    }
}

/// A block of up to 32 x 32 sums in memory, and the pixels that they run over: `steps` steps of 32 pixels.
pub(crate) struct Block {
    /// Channels by pixels: 16 rows `a_stride` bytes apart.
    pub(crate) a: *const u16,
    pub(crate) a_stride: usize,
    /// From the first 16 channels to the next.
    pub(crate) a_lower: usize,
    /// Steps of 16 pairs of pixels by 16 channels, one after another.
    pub(crate) b: *const u16,
    /// From the first 16 channels to the next.
    pub(crate) panel: usize,
    pub(crate) steps: usize,
    /// Whether there are second 16 channels of `a`, and of `b`.
    pub(crate) lower: bool,
    pub(crate) right: bool,
    /// The sums, rows `width` apart.
    pub(crate) sum: *mut f32,
    pub(crate) width: usize,
}

impl Block {
    /// Adds the products over all pixels to the sums, by tiles.
    ///
    /// # Safety
    /// All of it must be readable and the sums writable; the thread holds [`Tiles`].
    #[inline(always)]
    pub(crate) unsafe fn accumulate(&self) {
        let (stride, sum, width) = (self.width * 4, self.sum, self.width);
        let (lower, right) = (self.lower, self.right);
        // SAFETY: the caller vouches for all of it.
        unsafe {
            load!(0, sum, stride);
            if right {
                load!(1, sum.add(16), stride);
            }
            if lower {
                load!(2, sum.add(16 * width), stride);
                if right {
                    load!(3, sum.add(16 * width + 16), stride);
                }
            }
            let (mut a, mut b) = (self.a, self.b);
            for _ in 0..self.steps {
                load!(4, a, self.a_stride);
                load!(6, b, 64usize);
                dot!(0, 4, 6);
                if right {
                    load!(7, b.wrapping_add(self.panel), 64usize);
                    dot!(1, 4, 7);
                }
                if lower {
                    load!(5, a.wrapping_add(self.a_lower), self.a_stride);
                    dot!(2, 5, 6);
                    if right {
                        dot!(3, 5, 7);
                    }
                }
                a = a.wrapping_add(32);
                b = b.wrapping_add(512);
            }
            save!(0, sum, stride);
            if right {
                save!(1, sum.add(16), stride);
            }
            if lower {
                save!(2, sum.add(16 * width), stride);
                if right {
                    save!(3, sum.add(16 * width + 16), stride);
                }
            }
        }
    }

    /// The same with AVX-512-BF16.
    ///
    /// # Safety
    /// All of it must be readable and the sums writable; the processor has AVX-512-BF16.
    #[inline(always)]
    pub(crate) unsafe fn accumulate_by_dot(&self) {
        for half in 0..=usize::from(self.lower) {
            for r in [0, 8] {
                for n in 0..=usize::from(self.right) {
                    let a = self.a.wrapping_add(half * self.a_lower + r * self.a_stride / 2);
                    let (b, sum) = (
                        self.b.wrapping_add(n * self.panel),
                        self.sum.wrapping_add((half * 16 + r) * self.width + n * 16),
                    );
                    // SAFETY: the caller vouches for all of it.
                    unsafe { self.dot_eight(a, b, sum) };
                }
            }
        }
    }

    /// Eight channels of `a` by sixteen of `b`.
    ///
    /// # Safety
    /// As [`Block::accumulate_by_dot`].
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn dot_eight(&self, a: *const u16, b: *const u16, sum: *mut f32) {
        const ROWS: usize = 8;
        // SAFETY: the caller vouches for all of it; both types are 512 bits without meaning of their own.
        unsafe {
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for (r, v) in sums.iter_mut().enumerate() {
                *v = _mm512_loadu_ps(sum.add(r * self.width));
            }
            for pair in 0..self.steps * 16 {
                let row = std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(b.add(pair * 32).cast()));
                for (r, v) in sums.iter_mut().enumerate() {
                    let x =
                        a.wrapping_byte_add(r * self.a_stride).wrapping_add(2 * pair).cast::<i32>().read_unaligned();
                    *v = _mm512_dpbf16_ps(*v, std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(x)), row);
                }
            }
            for (r, v) in sums.iter().enumerate() {
                _mm512_storeu_ps(sum.add(r * self.width), *v);
            }
        }
    }
}

/// As `Sealed::multiply`, with AVX-512-BF16: 12 rows.
///
/// # Safety
/// 12 rows of all segments, to the end of their last steps, and both panels (`b` and, beyond 16 columns, `b + panel`) must be readable;
/// 12 rows of `out`, 32 numbers apart, must be writable. The processor has AVX-512-BF16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) unsafe fn dot(
    a: *const u16,
    pitch: usize,
    segments: &Segments,
    b: *const u16,
    panel: usize,
    columns: usize,
    out: *mut f32,
) {
    // SAFETY: the caller vouches for the rows, the panels and the results.
    unsafe {
        if columns > 16 {
            dot_block::<2>(a, pitch, segments, b, panel, out);
        } else {
            dot_block::<1>(a, pitch, segments, b, panel, out);
        }
    }
}

/// Twelve rows by `N` panels.
///
/// # Safety
/// As [`dot`].
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot_block<const N: usize>(
    a: *const u16,
    pitch: usize,
    segments: &Segments,
    b: *const u16,
    panel: usize,
    out: *mut f32,
) {
    const ROWS: usize = 12;
    let mut sums = [[_mm512_setzero_ps(); N]; ROWS];
    let mut b = b;
    for &offset in &segments.offsets[..segments.count] {
        let mut a = a.wrapping_offset(offset);
        for _ in 0..segments.steps * 16 {
            // SAFETY: the caller vouches for the rows and the panels; both types are 512 bits without meaning of their own.
            unsafe {
                let mut row: [__m512bh; N] = [std::mem::zeroed(); N];
                for (n, row) in row.iter_mut().enumerate() {
                    *row = std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(b.add(n * panel).cast()));
                }
                for (r, sum) in sums.iter_mut().enumerate() {
                    let pair = _mm512_set1_epi32(a.add(r * pitch).cast::<i32>().read_unaligned());
                    let pair = std::mem::transmute::<__m512i, __m512bh>(pair);
                    for (sum, row) in sum.iter_mut().zip(row) {
                        *sum = _mm512_dpbf16_ps(*sum, pair, row);
                    }
                }
            }
            a = a.wrapping_add(2);
            b = b.wrapping_add(32);
        }
    }
    for (r, row) in sums.iter().enumerate() {
        for (n, sum) in row.iter().enumerate() {
            // SAFETY: rows of `out` are 32 apart, and the caller vouches for them.
            unsafe { _mm512_storeu_ps(out.add(r * 32 + n * 16), *sum) };
        }
    }
}

/// Turns 16 x 16 numbers of 32 bits: row `r` of `from` is `from_stride` numbers after the one before, of `to` likewise.
///
/// # Safety
/// All of that must be readable and writable; the processor has AVX-512F.
#[inline(always)]
pub(crate) unsafe fn transpose(from: *const u32, from_stride: usize, to: *mut u32, to_stride: usize) {
    // SAFETY: the caller vouches for all of it.
    unsafe {
        let mut a = [_mm512_setzero_si512(); 16];
        for (r, v) in a.iter_mut().enumerate() {
            *v = _mm512_loadu_si512(from.add(r * from_stride).cast());
        }
        // Pairs of rows, then fours, interleave within 128 bits; then the 128-bit parts change places.
        let mut b = a;
        for i in 0..8 {
            b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
            b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
        }
        for i in 0..4 {
            a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
            a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
        }
        for i in 0..4 {
            b[i] = _mm512_shuffle_i32x4::<0x88>(a[i], a[i + 4]);
            b[i + 4] = _mm512_shuffle_i32x4::<0xDD>(a[i], a[i + 4]);
            b[i + 8] = _mm512_shuffle_i32x4::<0x88>(a[i + 8], a[i + 12]);
            b[i + 12] = _mm512_shuffle_i32x4::<0xDD>(a[i + 8], a[i + 12]);
        }
        for i in 0..4 {
            let rows = [
                (i, _mm512_shuffle_i32x4::<0x88>(b[i], b[i + 8])),
                (i + 8, _mm512_shuffle_i32x4::<0xDD>(b[i], b[i + 8])),
                (i + 4, _mm512_shuffle_i32x4::<0x88>(b[i + 4], b[i + 12])),
                (i + 12, _mm512_shuffle_i32x4::<0xDD>(b[i + 4], b[i + 12])),
            ];
            for (r, v) in rows {
                _mm512_storeu_si512(to.add(r * to_stride).cast(), v);
            }
        }
    }
}

/// Pairs rows of pixels: `to[c][2]` takes channel `c` of the two rows `low` and `high`, 16 channels at once.
///
/// # Safety
/// 16 numbers of each must be readable, and 32 of `to` writable; the processor has AVX-512F.
#[inline(always)]
pub(crate) unsafe fn pair(low: *const u16, high: *const u16, to: *mut u16) {
    // SAFETY: the caller vouches for all of it.
    unsafe {
        let low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(low.cast()));
        let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(high.cast())));
        _mm512_storeu_si512(to.cast(), _mm512_or_si512(low, high));
    }
}
