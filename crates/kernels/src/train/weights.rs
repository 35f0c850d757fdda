//! The gradient of a convolution's weights: for every tap, the sum over pixels of what went in times what came back.

use super::element::{Element, private};
use super::map::Room;
use super::product::Products;
use crate::simd::Simd;

/// Pictures side by side in memory that a sum runs over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) pictures: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Side of the window: 1 or 3.
    pub(crate) size: usize,
}

impl Chunk {
    /// Pixels of a row with its border.
    #[inline(always)]
    pub(crate) fn pitch(&self) -> usize {
        self.width + 2
    }
    /// Pixels of a picture with its border.
    #[inline(always)]
    pub(crate) fn picture(&self) -> usize {
        (self.height + 2) * self.pitch()
    }
    /// The first pixel inside.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        self.pitch() + 1
    }
    /// Pixels from the first one inside to the last, over all pictures.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        (self.pictures - 1) * self.picture() + (self.height - 1) * self.pitch() + self.width
    }
    /// Where a tap's pixel is, from the one in the middle.
    #[inline(always)]
    pub(crate) fn tap(&self, tap: usize) -> isize {
        if self.size == 1 {
            return 0;
        }
        (tap / 3) as isize * self.pitch() as isize + (tap % 3) as isize - self.first() as isize
    }
    #[inline(always)]
    pub(crate) fn taps(&self) -> usize {
        self.size * self.size
    }
}

/// A thread's own memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Whole pictures of elements.
    pub(crate) maps: [Room; 3],
    pairs: Room,
    rows: Room,
    panels: Room,
}

/// Pixels that one pass over all weights takes in.
const PIXELS: usize = 256;

/// Adds to `sum` [taps, inputs, outputs] with multiply-adds of `f32`.
///
/// # Safety
/// `x` and `g` point to the chunk's first picture, border included, with the space after the last one that maps have; `sum` is writable.
#[inline(always)]
pub(crate) unsafe fn plain<S: Simd, E: Element>(s: S, x: *const E, g: *const E, chunk: &Chunk, sum: *mut f32) {
    let (first, count) = (chunk.first(), chunk.count());
    let mut from = 0;
    while from < count {
        let pixels = PIXELS.min(count - from);
        for tap in 0..chunk.taps() {
            let x = x
                .wrapping_offset((first + from) as isize * chunk.inputs as isize)
                .wrapping_offset(chunk.tap(tap) * chunk.inputs as isize);
            let g = g.wrapping_add((first + from) * chunk.outputs);
            let sum = sum.wrapping_add(tap * chunk.inputs * chunk.outputs);
            let rows = if S::LANES == 16 { 8 } else { 4 };
            for input in (0..chunk.inputs).step_by(rows) {
                for output in (0..chunk.outputs).step_by(2 * S::LANES) {
                    let (x, g) = (x.wrapping_add(input), g.wrapping_add(output));
                    let sum = sum.wrapping_add(input * chunk.outputs + output);
                    // SAFETY: inputs and outputs are multiples of 16, so every block lies inside; the caller vouches for the rest.
                    unsafe {
                        match (S::LANES, output + S::LANES < chunk.outputs) {
                            (16, true) => block::<S, E, 8, 2>(s, x, g, chunk, pixels, sum),
                            (16, false) => block::<S, E, 8, 1>(s, x, g, chunk, pixels, sum),
                            _ => block::<S, E, 4, 2>(s, x, g, chunk, pixels, sum),
                        }
                    }
                }
            }
        }
        from += pixels;
    }
}

/// `R` inputs by `N` vectors of outputs.
///
/// # Safety
/// As [`plain`].
#[inline(always)]
unsafe fn block<S: Simd, E: Element, const R: usize, const N: usize>(
    s: S,
    x: *const E,
    g: *const E,
    chunk: &Chunk,
    pixels: usize,
    sum: *mut f32,
) {
    // SAFETY: the caller vouches for all of it.
    unsafe {
        let mut sums = [[s.splat(0.0); N]; R];
        for (r, row) in sums.iter_mut().enumerate() {
            for (n, v) in row.iter_mut().enumerate() {
                *v = s.load(sum.add(r * chunk.outputs + n * S::LANES));
            }
        }
        for pixel in 0..pixels {
            let (x, g) = (x.add(pixel * chunk.inputs), g.add(pixel * chunk.outputs));
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
                s.store(sum.add(r * chunk.outputs + n * S::LANES), *v);
            }
        }
    }
}

/// Adds to `sum` with the processor's own products of bfloat16 numbers: pixels are the inner dimension, so `x` is turned around, and
/// `g` has its pixels in pairs.
///
/// # Safety
/// As [`plain`]; the processor has `products`, and with tiles the thread holds them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn paired(
    products: Products,
    x: *const u16,
    g: *const u16,
    chunk: &Chunk,
    sum: *mut f32,
    scratch: &mut Scratch,
) {
    use super::tiles;
    let (inputs, outputs, first, count) = (chunk.inputs, chunk.outputs, chunk.first(), chunk.count());
    let pixels = (chunk.pictures * chunk.picture()).next_multiple_of(32);
    // Not a multiple of 4096 bytes, or all channels of a pixel would fall on one place of the cache.
    let mut row = pixels + 96;
    if row % 2048 < 64 {
        row += 64;
    }
    let steps = count.div_ceil(32);
    let panel = steps * 512;
    let pairs: *mut u32 = scratch.pairs.take(pixels / 2 * inputs);
    let rows: *mut u32 = scratch.rows.take(row / 2 * inputs);
    let panels: *mut u16 = scratch.panels.take(panel * (outputs / 16));
    // SAFETY: the three are as large as the loops below go; `x` and `g` may be read beyond the last picture as maps may.
    unsafe {
        for pair in 0..pixels / 2 {
            for c in (0..inputs).step_by(16) {
                let low = x.add(2 * pair * inputs + c);
                tiles::pair(low, low.add(inputs), pairs.add(pair * inputs + c).cast());
            }
        }
        for c in (0..inputs).step_by(16) {
            let to = rows.add(c * (row / 2));
            for pair in (0..pixels / 2).step_by(16) {
                tiles::transpose(pairs.add(pair * inputs + c), inputs, to.add(pair), row / 2);
            }
            for c in 0..16 {
                to.add(c * (row / 2) + pixels / 2).write_bytes(0, (row - pixels) / 2);
            }
        }
        let zeros = [0u16; 16];
        for c in (0..outputs).step_by(16) {
            let to = panels.add(c / 16 * panel);
            for pair in 0..steps * 16 {
                let row = |k: usize| {
                    if 2 * pair + k < count { g.add((first + 2 * pair + k) * outputs + c) } else { zeros.as_ptr() }
                };
                tiles::pair(row(0), row(1), to.add(pair * 32));
            }
        }
        let rows = rows.cast::<u16>().cast_const();
        let panels = panels.cast_const();
        for output in (0..outputs).step_by(32) {
            let right = output + 16 < outputs;
            for input in (0..inputs).step_by(32) {
                let lower = input + 16 < inputs;
                for tap in 0..chunk.taps() {
                    let a = rows.wrapping_offset((input * row + first) as isize + chunk.tap(tap));
                    let b = panels.add(output / 16 * panel);
                    let sum = sum.add((tap * inputs + input) * outputs + output);
                    if products == Products::Tiles {
                        tiles::accumulate(a, row * 2, b, panel, steps, lower, right, sum, outputs);
                    } else {
                        for r in (0..if lower { 32 } else { 16 }).step_by(8) {
                            for n in 0..=usize::from(right) {
                                let a = a.wrapping_add(r * row);
                                tiles::dot_accumulate(
                                    a,
                                    row * 2,
                                    b.add(n * panel),
                                    steps,
                                    sum.add(r * outputs + n * 16),
                                    outputs,
                                );
                            }
                        }
                    }
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
pub(crate) unsafe fn paired(_: Products, _: *const u16, _: *const u16, _: &Chunk, _: *mut f32, _: &mut Scratch) {
    unreachable!("only x86-64 has products of bfloat16 here");
}
