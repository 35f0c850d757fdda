//! The gradient of a convolution's weights: for every tap, the sum over pixels of what went in times what came back.

use super::element::{Element, private};
use super::layout::Chunk;
use super::product::Products;
use super::scratch::Scratch;
#[cfg(target_arch = "x86_64")]
use super::tiles;
use crate::simd::Simd;

/// Pixels that one pass over all weights takes in.
const PIXELS: usize = 256;

/// Adds a chunk's sum over pixels of `x` times `g` to `sum`, [taps, inputs, outputs].
///
/// # Safety
/// As [`plain`]; the processor has `products`, and with tiles the thread holds them.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, E: Element>(
    s: S,
    products: Products,
    x: *const E,
    g: *const E,
    chunk: &Chunk,
    sum: *mut f32,
    scratch: &mut Scratch,
) {
    // SAFETY: the caller vouches for all of it; an element that is `HALF` is `Bf16`, which is its bits.
    unsafe {
        if E::HALF && products != Products::Plain {
            paired(products, x.cast(), g.cast(), chunk, sum, scratch);
        } else {
            plain(s, x, g, chunk, sum);
        }
    }
}

/// Adds to `sum` [taps, inputs, outputs] with multiply-adds of `f32`.
///
/// # Safety
/// `x` and `g` point to the chunk's first picture, border included, with the space after the last one that maps have; `sum` is writable.
#[inline(always)]
unsafe fn plain<S: Simd, E: Element>(s: S, x: *const E, g: *const E, chunk: &Chunk, sum: *mut f32) {
    let (first, count) = (chunk.first(), chunk.count());
    let (inputs, outputs) = (chunk.inputs, chunk.outputs);
    for from in (0..count).step_by(PIXELS) {
        let pixels = PIXELS.min(count - from);
        for tap in 0..chunk.taps() {
            let at = (first + from) as isize + chunk.tap(tap);
            let x = x.wrapping_offset(at * inputs as isize);
            let g = g.wrapping_add((first + from) * outputs);
            // SAFETY: the caller vouches for the pictures and the sums.
            unsafe { multiply(s, x, g, [inputs, outputs], pixels, sum.add(tap * inputs * outputs), true) };
        }
    }
}

/// The sum over `pixels` pixels of `x` [pixels, inputs] times `g` [pixels, outputs] goes to `sum` [inputs, outputs], added to what is there if `add`.
///
/// # Safety
/// All of it must be readable, and the sums writable; channels are multiples of 16.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, E: Element>(
    s: S,
    x: *const E,
    g: *const E,
    [inputs, outputs]: [usize; 2],
    pixels: usize,
    sum: *mut f32,
    add: bool,
) {
    let rows = if S::LANES == 16 { 8 } else { 4 };
    // A few columns of `g` stay near while all of `x` goes by.
    for output in (0..outputs).step_by(2 * S::LANES) {
        for input in (0..inputs).step_by(rows) {
            let (x, g) = (x.wrapping_add(input), g.wrapping_add(output));
            let sum = sum.wrapping_add(input * outputs + output);
            // SAFETY: inputs and outputs are multiples of 16, so every block lies inside; the caller vouches for the rest.
            unsafe {
                match (S::LANES, output + S::LANES < outputs) {
                    (16, true) => block::<S, E, 8, 2>(s, x, g, [inputs, outputs], pixels, sum, add),
                    (16, false) => block::<S, E, 8, 1>(s, x, g, [inputs, outputs], pixels, sum, add),
                    _ => block::<S, E, 4, 2>(s, x, g, [inputs, outputs], pixels, sum, add),
                }
            }
        }
    }
}

/// `R` inputs by `N` vectors of outputs.
///
/// # Safety
/// As [`multiply`].
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn block<S: Simd, E: Element, const R: usize, const N: usize>(
    s: S,
    x: *const E,
    g: *const E,
    [inputs, outputs]: [usize; 2],
    pixels: usize,
    sum: *mut f32,
    add: bool,
) {
    // SAFETY: the caller vouches for all of it.
    unsafe {
        let mut sums = [[s.splat(0.0); N]; R];
        if add {
            for (r, row) in sums.iter_mut().enumerate() {
                for (n, v) in row.iter_mut().enumerate() {
                    *v = s.load(sum.add(r * outputs + n * S::LANES));
                }
            }
        }
        for pixel in 0..pixels {
            let (x, g) = (x.add(pixel * inputs), g.add(pixel * outputs));
            let mut back = [s.splat(0.0); N];
            for (n, v) in back.iter_mut().enumerate() {
                *v = E::load(s, g.add(n * S::LANES));
            }
            for (r, row) in sums.iter_mut().enumerate() {
                let factor = private::splat(s, x.add(r));
                for (v, back) in row.iter_mut().zip(back) {
                    *v = s.mul_add(factor, back, *v);
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (n, v) in row.iter().enumerate() {
                s.store(sum.add(r * outputs + n * S::LANES), *v);
            }
        }
    }
}

/// Adds to `sum` with the processor's own products of bfloat16 numbers: pixels are the inner dimension, so `x` is turned around, and
/// `g` has its pixels in pairs. Steps of 32 pixels run along rows of the pictures where those are as wide, else along all pixels with their borders.
///
/// # Safety
/// As [`plain`]; the processor has `products`, and with tiles the thread holds them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn paired(
    products: Products,
    x: *const u16,
    g: *const u16,
    chunk: &Chunk,
    sum: *mut f32,
    scratch: &mut Scratch,
) {
    let way = if chunk.width.is_multiple_of(32) { Cut::by_rows(chunk) } else { Cut::by_pixels(chunk) };
    let (inputs, outputs) = (chunk.inputs, chunk.outputs);
    let panel = way.lines * way.steps * 512;
    let turned: *mut u32 = scratch.rows.take(way.parts * way.length / 2 * inputs);
    let pairs: *mut u32 = scratch.pairs.take(way.length / 2 * inputs);
    let panels: *mut u16 = scratch.panels.take(panel * (outputs / 16));
    // SAFETY: the three are as large as the loops go; `x` and `g` may be read beyond the last picture as maps may.
    unsafe {
        turn(x, inputs, &way, pairs, turned);
        pair_up(g, chunk, &way, panels);
        let (turned, panels) = (turned.cast::<u16>().cast_const(), panels.cast_const());
        for output in (0..outputs).step_by(32) {
            for input in (0..inputs).step_by(32) {
                for tap in 0..chunk.taps() {
                    let block = tiles::Block {
                        a: turned.wrapping_add(input * way.parts * way.length).wrapping_offset(way.place(chunk, tap)),
                        a_stride: way.length * 2,
                        a_line: 16 * way.length,
                        a_lower: 16 * way.parts * way.length,
                        b: panels.add(output / 16 * panel),
                        panel,
                        lines: way.lines,
                        steps: way.steps,
                        lower: input + 16 < inputs,
                        right: output + 16 < outputs,
                        sum: sum.add((tap * inputs + input) * outputs + output),
                        width: outputs,
                    };
                    if products == Products::Tiles { block.accumulate() } else { block.accumulate_by_dot() }
                }
            }
        }
    }
}

/// How the pixels of a chunk are cut into steps of 32.
#[cfg(target_arch = "x86_64")]
struct Cut {
    /// Parts that are turned one by one: rows of all pictures with their borders, or all pixels at once.
    parts: usize,
    /// Pixels of a part, and from the start of one to the start of the next where it is read.
    pixels: usize,
    /// Numbers of a channel's part once turned.
    length: usize,
    /// Parts that a sum runs over, and steps in each.
    lines: usize,
    steps: usize,
    /// Whether a part is a row.
    rows: bool,
}

#[cfg(target_arch = "x86_64")]
impl Cut {
    /// Parts are rows. A chunk of several pictures is one of rows too: those between pictures have a gradient of zero.
    fn by_rows(chunk: &Chunk) -> Self {
        let parts = chunk.pictures * (chunk.height + 2);
        let length = chunk.pitch().next_multiple_of(32);
        Self { parts, pixels: chunk.pitch(), length, lines: parts - 2, steps: chunk.width / 32, rows: true }
    }

    fn by_pixels(chunk: &Chunk) -> Self {
        let pixels = chunk.pictures * chunk.picture();
        let mut length = pixels.next_multiple_of(32) + 96;
        // Not a multiple of 4096 bytes, or all channels of a pixel would fall on one place of the cache.
        if length % 2048 < 64 {
            length += 64;
        }
        Self { parts: 1, pixels, length, lines: 1, steps: chunk.count().div_ceil(32), rows: false }
    }

    /// Where the pixel that a tap pairs with the first gradient is, from the start of a channel's first part.
    fn place(&self, chunk: &Chunk, tap: usize) -> isize {
        if self.rows {
            let (dy, dx) = if chunk.size == 1 { (1, 1) } else { (tap / 3, tap % 3) };
            (dy * 16 * self.length + dx) as isize
        } else {
            chunk.first() as isize + chunk.tap(tap)
        }
    }
}

/// Writes every part of `x`, [pixels, channels], as [16 channels, pixels], parts of the same channels one after another.
///
/// # Safety
/// `x` may be read to the end of the last part, rounded up to 32 pixels; `pairs` holds a part and `turned` all of them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn turn(x: *const u16, channels: usize, way: &Cut, pairs: *mut u32, turned: *mut u32) {
    let half = way.length / 2;
    let read = way.pixels.next_multiple_of(32) / 2;
    for part in 0..way.parts {
        // SAFETY: the caller vouches for all three.
        unsafe {
            let x = x.add(part * way.pixels * channels);
            for pair in 0..read {
                for c in (0..channels).step_by(16) {
                    let low = x.add(2 * pair * channels + c);
                    tiles::pair(low, low.add(channels), pairs.add(pair * channels + c).cast());
                }
            }
            for c in (0..channels).step_by(16) {
                let to = turned.add((c * way.parts + 16 * part) * half);
                for pair in (0..read).step_by(16) {
                    tiles::transpose(pairs.add(pair * channels + c), channels, to.add(pair), half);
                }
                // What is read beyond meets gradients of zero, but must be a number.
                for c in 0..16 {
                    to.add(c * half + read).write_bytes(0, half - read);
                }
            }
        }
    }
}

/// Writes the gradient as steps of 16 pairs of pixels of 16 channels, zeros where a step goes beyond the last pixel.
///
/// # Safety
/// `g` is the chunk's gradient, and `panels` holds all steps.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn pair_up(g: *const u16, chunk: &Chunk, way: &Cut, panels: *mut u16) {
    let (first, count, outputs) = (chunk.first(), chunk.count(), chunk.outputs);
    let zeros = [0u16; 16];
    let line_pairs = way.steps * 16;
    for c in (0..outputs).step_by(16) {
        // SAFETY: the caller vouches for both.
        unsafe {
            let to = panels.add(c / 16 * way.lines * way.steps * 512);
            for line in 0..way.lines {
                let start = if way.rows { line * way.pixels } else { 0 };
                for pair in 0..line_pairs {
                    let pixel = start + 2 * pair;
                    let low = if pixel < count { g.add((first + pixel) * outputs + c) } else { zeros.as_ptr() };
                    let high =
                        if pixel + 1 < count { g.add((first + pixel + 1) * outputs + c) } else { zeros.as_ptr() };
                    tiles::pair(low, high, to.add((line * line_pairs + pair) * 32));
                }
            }
        }
    }
}

/// On other processors nobody has products of their own.
///
/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn paired(_: Products, _: *const u16, _: *const u16, _: &Chunk, _: *mut f32, _: &mut Scratch) {
    unreachable!("only x86-64 has products of bfloat16 here");
}
