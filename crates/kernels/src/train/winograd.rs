//! Convolutions of 3x3 and their gradients by Winograd's F(4x4, 3x3): a quarter of the products of the plain sum, for maps of whole tiles of 4x4 pixels.
//!
//! With the matrices of [`crate::winograd::F4`] a tile of results is `A^T [(G g G^T) * (B^T d B)] A`. Every factor of that is linear, so the gradient of the weights is
//! `G^T [sum over tiles of (B^T d B) * (A dY A^T)] G`; the one at the input is the convolution with the kernel turned around. `*` multiplies position by
//! position: over all tiles and channels, each of the 36 positions is a product of two matrices.

use super::cpu::Core;
use super::element::Element;
use super::layout::{Chunk, Segments};
use super::product::multiply_f32;
use super::scratch::Memory;
use super::transform::{A, At, Bt, Gt, IN, OUT, POSITIONS, both, positions};
use super::weights;
use super::work::{Ending, Work};
use crate::activation::Block;
use crate::simd::{Kernel, Simd};

/// Bytes of factors and products that a run of tiles takes where that is enough: they stay in the second-level cache.
const NEAR: usize = 640 << 10;
/// Tiles of a run at least: all weights are read once a run.
const LEAST: usize = 48;
/// Tiles of a run of a gradient of weights at least: all sums are read and written once a run.
const LEAST_GATHERED: usize = 128;

/// Numbers between one position and the next, so that all positions of a tile do not fall into one set of the cache.
const APART: usize = 16;

/// Tiles that are multiplied together: of shapes only, so that results do not depend on threads.
fn run_of(channels: usize, least: usize) -> usize {
    (NEAR / (4 * POSITIONS * channels)).max(least)
}

/// Tiles of some pictures side by side.
#[derive(Clone, Copy)]
struct Tiles {
    across: usize,
    /// Of one picture.
    each: usize,
    /// Pixels of a row with its border, and of a picture.
    row: usize,
    picture: usize,
}

impl Tiles {
    #[inline(always)]
    fn of(height: usize, width: usize) -> Self {
        let across = width / OUT;
        Self { across, each: height / OUT * across, row: width + 2, picture: (height + 2) * (width + 2) }
    }

    /// The picture of a tile, and in it the first of the 6x6 pixels that the tile comes from.
    #[inline(always)]
    fn at(&self, tile: usize) -> (usize, usize) {
        let (picture, within) = (tile / self.each, tile % self.each);
        (picture, within / self.across * OUT * self.row + within % self.across * OUT)
    }
}

/// Transforms pixels of tiles: `B^T d B` of 6x6 pixels each.
struct Factors<E> {
    from: *const E,
    tiles: Tiles,
    first: usize,
    count: usize,
    channels: usize,
    to: *mut f32,
    /// Tiles that there is room for.
    most: usize,
}

impl<E: Element> Kernel for Factors<E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { from, tiles, first, count, channels, to, most } = self;
        for tile in 0..count {
            let (picture, pixel) = tiles.at(first + tile);
            let from = from.wrapping_add((picture * tiles.picture + pixel) * channels);
            // SAFETY: the tile lies in its picture with the border, for which whoever makes this vouches, and there is room for it.
            unsafe {
                for lane in (0..channels).step_by(S::LANES) {
                    let (from, to) = (from.add(lane), to.add(tile * channels + lane));
                    both::<S, E, Bt, IN, IN>(
                        s,
                        from,
                        [tiles.row * channels, channels],
                        to,
                        positions(apart(most, channels)),
                        false,
                    );
                }
            }
        }
    }
}

/// Transforms gradients of tiles: `A y A^T` of the inner 4x4 pixels of each.
struct Spread<E>(Factors<E>);

impl<E: Element> Kernel for Spread<E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Factors { from, tiles, first, count, channels, to, most } = self.0;
        for tile in 0..count {
            let (picture, pixel) = tiles.at(first + tile);
            let from = from.wrapping_add((picture * tiles.picture + pixel + tiles.row + 1) * channels);
            // SAFETY: as for `Factors`.
            unsafe {
                for lane in (0..channels).step_by(S::LANES) {
                    let (from, to) = (from.add(lane), to.add(tile * channels + lane));
                    both::<S, E, A, OUT, IN>(
                        s,
                        from,
                        [tiles.row * channels, channels],
                        to,
                        positions(apart(most, channels)),
                        false,
                    );
                }
            }
        }
    }
}

/// At every position, factors [tiles, inputs] times weights [inputs, outputs].
struct Multiply {
    factors: *const f32,
    products: *mut f32,
    tiles: usize,
    /// Tiles that there is room for.
    most: usize,
    inputs: usize,
    outputs: usize,
    weights: *const f32,
}

/// From one position's matrix of `tiles` rows to the next.
#[inline(always)]
fn apart(tiles: usize, channels: usize) -> usize {
    tiles * channels + APART
}

/// Numbers of 36 matrices of `tiles` rows, and of rows after the last one that blocks reach.
fn room(tiles: usize, channels: usize) -> usize {
    POSITIONS * apart(tiles, channels) + 16 * channels
}

impl Kernel for Multiply {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (ci, co) = (self.inputs, self.outputs);
        let segment = Segments { offsets: [0; 3], count: 1, length: ci, steps: ci };
        let panel = ci * 16;
        // Positions in their order: the last block of one may write rows of the next, which come after it.
        for position in 0..POSITIONS {
            // SAFETY: `convolve` has made room for all tiles at every position and for as many rows after the last as a block has; the filter was packed for
            // these channels.
            unsafe {
                let a = self.factors.add(position * apart(self.most, ci));
                let c = self.products.add(position * apart(self.most, co));
                let b = self.weights.add(position * co * ci);
                for output in (0..co).step_by(32) {
                    let columns = (co - output).min(32);
                    let b = b.add(output / 16 * panel);
                    for tile in (0..self.tiles).step_by(S::ROWS) {
                        let (a, c, rows) = (a.add(tile * ci), c.add(tile * co + output), self.tiles - tile);
                        multiply_f32(s, a, ci, &segment, b, panel, columns, rows, c, co);
                    }
                }
            }
        }
    }
}

/// Convolves pictures of whole tiles.
///
/// # Safety
/// As [`Work::run`]; the filter was packed for whole tiles.
#[inline(always)]
pub(crate) unsafe fn convolve<S: Simd, E: Element, X: Ending>(
    s: S,
    work: &Work<'_, E, X>,
    core: &Core,
    memory: &mut Memory,
) {
    let (ci, co) = (work.filter.inputs, work.filter.outputs);
    let tiles = Tiles::of(work.height, work.width);
    let total = work.pictures * tiles.each;
    let most = run_of(ci + co, LEAST).min(total);
    let factors: *mut f32 = memory.factors.take(room(most, ci));
    let products: *mut f32 = memory.others.take(room(most, co));
    let mut square = [Block::default(); OUT * OUT];
    for first in (0..total).step_by(most) {
        let count = most.min(total - first);
        core.isa.run(Factors { from: work.x, tiles, first, count, channels: ci, to: factors, most });
        let weights = work.filter.start().cast();
        core.isa.run(Multiply { factors, products, tiles: count, most, inputs: ci, outputs: co, weights });
        for tile in 0..count {
            let (picture, pixel) = tiles.at(first + tile);
            for channel in (0..co).step_by(16) {
                // SAFETY: the products of all tiles have been written; every pixel of the tile lies inside the picture.
                unsafe {
                    let from = products.add(tile * co + channel);
                    for lane in (0..16).step_by(S::LANES) {
                        let to = square.as_mut_ptr().cast::<f32>().add(lane);
                        both::<S, f32, At, IN, OUT>(
                            s,
                            from.add(lane),
                            positions(apart(most, co)),
                            to,
                            [OUT * 16, 16],
                            false,
                        );
                    }
                    for (i, values) in square.iter().enumerate() {
                        let pixel = pixel + (i / OUT + 1) * tiles.row + i % OUT + 1;
                        work.ending.finish(s, work.picture + picture, pixel, channel, values.0.as_ptr());
                    }
                }
            }
        }
    }
}

/// A gradient of weights under way: the factors of tiles are gathered until there are enough to multiply.
pub(crate) struct Gather {
    inputs: usize,
    outputs: usize,
    factors: *mut f32,
    others: *mut f32,
    sums: *mut f32,
    /// Tiles in hand, and how many there is room for.
    tiles: usize,
    most: usize,
    /// Whether there are sums to add to.
    begun: bool,
}

/// Adds the products of the tiles in hand to the sums.
struct Products<'a>(&'a Gather);

impl Kernel for Products<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { inputs, outputs, factors, others, sums, tiles, most, begun } = *self.0;
        for position in 0..POSITIONS {
            let x = factors.wrapping_add(position * apart(most, inputs));
            let g = others.wrapping_add(position * apart(most, outputs));
            let sums = sums.wrapping_add(position * apart(inputs, outputs));
            // SAFETY: the factors of all tiles have been written at every position, and there are as many sums.
            unsafe { weights::multiply(s, x, g, [inputs, outputs], tiles, sums, begun) };
        }
    }
}

/// Adds what was summed to the gradient.
struct Fold<'a>(&'a Gather, *mut f32);

impl Kernel for Fold<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { inputs, outputs, sums, .. } = *self.0;
        for at in (0..inputs * outputs).step_by(S::LANES) {
            // SAFETY: channels are multiples of 16, so all vectors lie in the sums and in the gradient.
            unsafe {
                let (from, to, tap) = (sums.add(at), self.1.add(at), inputs * outputs);
                both::<S, f32, Gt, IN, 3>(s, from, positions(apart(inputs, outputs)), to, [3 * tap, tap], true);
            }
        }
    }
}

impl Gather {
    /// Of `pictures` pictures in all.
    pub(crate) fn new(shape: &Chunk, pictures: usize, memory: &mut Memory) -> Self {
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let total = pictures * Tiles::of(shape.height, shape.width).each;
        let most = run_of(inputs + outputs, LEAST_GATHERED).min(total);
        let sums: *mut f32 = memory.sums.take(POSITIONS * apart(inputs, outputs));
        let (factors, others) = (memory.factors.take(room(most, inputs)), memory.others.take(room(most, outputs)));
        Self { inputs, outputs, factors, others, sums, tiles: 0, most, begun: false }
    }

    /// Takes in a chunk of pictures: what went in, and the gradient at what came out.
    ///
    /// # Safety
    /// As [`weights::accumulate`]; the chunk is of the shape that this was made for, and the memory is still its own.
    pub(crate) unsafe fn add<E: Element>(&mut self, core: &Core, x: *const E, g: *const E, chunk: &Chunk) {
        let tiles = Tiles::of(chunk.height, chunk.width);
        let total = chunk.pictures * tiles.each;
        let mut first = 0;
        while first < total {
            let count = (total - first).min(self.most - self.tiles);
            let (channels, most) = (self.inputs, self.most);
            let to = self.factors.wrapping_add(self.tiles * channels);
            core.isa.run(Factors { from: x, tiles, first, count, channels, to, most });
            let channels = self.outputs;
            let to = self.others.wrapping_add(self.tiles * channels);
            core.isa.run(Spread(Factors { from: g, tiles, first, count, channels, to, most }));
            first += count;
            self.tiles += count;
            if self.tiles == self.most {
                self.multiply(core);
            }
        }
    }

    fn multiply(&mut self, core: &Core) {
        core.isa.run(Products(self));
        (self.tiles, self.begun) = (0, true);
    }

    /// Adds the gradient to `sum`, [9, inputs, outputs].
    ///
    /// # Safety
    /// The sums must be writable, and the memory still this gradient's own.
    pub(crate) unsafe fn finish(mut self, core: &Core, sum: *mut f32) {
        if self.tiles > 0 {
            self.multiply(core);
        }
        core.isa.run(Fold(&self, sum));
    }
}
