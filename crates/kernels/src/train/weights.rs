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

/// Steps of 32 pixels that all taps take in by turns: so much of both factors stays in the first-level cache.
#[cfg(target_arch = "x86_64")]
const STEPS: usize = 16;

/// Adds to `sum` with the processor's own products of bfloat16 numbers: pixels are the inner dimension, so `x` is turned around, and
/// `g` has its pixels in pairs. A tap's row is a place in what was turned, its column one of three copies of the pairs: so nothing is read
/// across the lines of the cache where pictures are 32 pixels wide.
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
    let (inputs, outputs, width) = (chunk.inputs, chunk.outputs, chunk.width);
    // Between pictures lies one line of zeros.
    let steps = ((chunk.pictures * (chunk.height + 1) - 1) * width).div_ceil(32);
    // The taps below read two lines on. Not a multiple of 4096 bytes, or all channels of a pixel would fall on one place of the cache.
    let mut length = (32 * steps + 2 * width).next_multiple_of(32);
    if length % 2048 < 64 {
        length += 64;
    }
    let panel = steps * 512;
    let turned: *mut u32 = scratch.rows.take(length / 2 * inputs);
    let pairs: *mut u32 = scratch.pairs.take(16 * inputs);
    let panels: *mut u16 = scratch.panels.take(2 * chunk.size * panel);
    // SAFETY: the three are as large as the loops go; the caller vouches for the rest.
    unsafe {
        turn(x, chunk, length, pairs, turned);
        let turned = turned.cast::<u16>().cast_const();
        for output in (0..outputs).step_by(32) {
            let right = output + 16 < outputs;
            pair_up(g.add(output), chunk, right, steps, panels);
            for input in (0..inputs).step_by(32) {
                for step in (0..steps).step_by(STEPS) {
                    for tap in 0..chunk.taps() {
                        // One copy of the pairs after another.
                        let (column, row) = (tap / chunk.size, tap % chunk.size);
                        let down = if chunk.size == 1 { 1 } else { row };
                        let block = tiles::Block {
                            a: turned.add(input * length + down * width + 32 * step),
                            a_stride: length * 2,
                            a_lower: 16 * length,
                            b: panels.add(2 * column * panel + 512 * step).cast_const(),
                            panel,
                            steps: STEPS.min(steps - step),
                            lower: input + 16 < inputs,
                            right,
                            sum: sum.add(((row * chunk.size + column) * inputs + input) * outputs + output),
                            width: outputs,
                        };
                        if products == Products::Tiles { block.accumulate() } else { block.accumulate_by_dot() }
                    }
                }
            }
        }
    }
}

/// Where the pixels of a chunk are that a sum runs over, from the corner of the first picture's border: line after line without the borders at the
/// sides, and of those above and below the one above. After the last picture that of the first one goes on and on.
#[cfg(target_arch = "x86_64")]
struct Pixels {
    at: usize,
    column: usize,
    row: usize,
    pictures: usize,
    height: usize,
    width: usize,
}

#[cfg(target_arch = "x86_64")]
impl Pixels {
    /// From a row of the first picture on; 0 is the border above.
    #[inline(always)]
    fn from(chunk: &Chunk, row: usize) -> Self {
        let &Chunk { pictures, height, width, .. } = chunk;
        Self { at: row * chunk.pitch() + 1, column: 0, row, pictures, height, width }
    }

    #[inline(always)]
    fn next(&mut self) -> usize {
        let at = self.at;
        self.column += 1;
        self.at += 1;
        if self.column == self.width {
            self.column = 0;
            self.row += 1;
            self.at += 2;
            if self.row > self.height {
                self.row = 0;
                self.at += self.width + 2;
                self.pictures = self.pictures.saturating_sub(1);
            }
            if self.pictures == 0 {
                self.at = 1;
            }
        }
        at
    }
}

/// Writes `x` as [channels, `length`]: the border above the first picture, then its pixels and those of the others.
///
/// # Safety
/// `x` is the chunk's input; `pairs` holds 16 pairs of all channels, and `turned` all of it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn turn(x: *const u16, chunk: &Chunk, length: usize, pairs: *mut u32, turned: *mut u32) {
    let (channels, half) = (chunk.inputs, length / 2);
    let mut pixels = Pixels::from(chunk, 0);
    for from in (0..half).step_by(16) {
        for pair in 0..16 {
            let [low, high] = [pixels.next(), pixels.next()].map(|at| x.wrapping_add(at * channels));
            for c in (0..channels).step_by(16) {
                // SAFETY: the caller vouches for all three; the pixels lie in the chunk.
                unsafe { tiles::pair(low.add(c), high.add(c), pairs.add(pair * channels + c).cast()) };
            }
        }
        for c in (0..channels).step_by(16) {
            // SAFETY: as above; a length is a multiple of 32.
            unsafe { tiles::transpose(pairs.add(c), channels, turned.add(c * half + from), half) };
        }
    }
}

/// Writes 16 or, with `right`, 32 channels of the gradient as steps of 16 pairs of pixels of 16 channels: for each column of the window two panels of
/// `steps`, moved to where what it is multiplied by lies.
///
/// # Safety
/// `g` is the first of those channels of the chunk's gradient, and `panels` holds all panels.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn pair_up(g: *const u16, chunk: &Chunk, right: bool, steps: usize, panels: *mut u16) {
    let outputs = chunk.outputs;
    let mut pixels = Pixels::from(chunk, 1);
    for pair in 0..16 * steps {
        let [low, high] = [pixels.next(), pixels.next()];
        for column in 0..chunk.size {
            // To the right for the first column, to the left for the last; there is a border of zeros.
            let [low, high] = [low, high].map(|at| g.wrapping_add((at + chunk.size / 2 - column) * outputs));
            let to = panels.wrapping_add(2 * column * steps * 512 + pair * 32);
            // SAFETY: the caller vouches for both; a pixel and its neighbours lie in the chunk.
            unsafe {
                tiles::pair(low, high, to);
                if right {
                    tiles::pair(low.add(16), high.add(16), to.add(steps * 512));
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
