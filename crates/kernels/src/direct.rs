//! Convolution by the plain sum, as one matrix product: windows of the input gathered into rows (im2col).
//!
//! For the smallest pictures, where transformed weights would cost more to read than they save, and to check the others.

use crate::activation::{Activation, Block, flat, flat_mut};
use crate::epilogue::{Epilogue, Finish, Target};
use crate::simd::{Kernel, Simd};

/// Gathers the 3x3 windows of an activation scaled by its style, to [tap][channels / 16][pixel][16].
pub(crate) struct Gather<'a> {
    pub(crate) x: &'a Activation,
    /// A factor for every channel, rounded up to whole blocks.
    pub(crate) style: &'a [f32],
    /// First pixel, and how many, in rows from the top left.
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) out: &'a mut [Block],
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { x, style, first, count, out } = self;
        let (blocks, pitch, rows) = (x.blocks(), x.pitch(), x.rows());
        assert!(style.len() >= blocks * 16 && x.data().len() >= blocks * rows * pitch);
        assert!(first + count <= x.height() * x.width() && out.len() >= 9 * blocks * count);
        let (from, to) = (flat(x.data()).as_ptr(), flat_mut(out).as_mut_ptr());
        for block in 0..blocks {
            for pixel in 0..count {
                let (y, x) = ((first + pixel) / x.width(), (first + pixel) % x.width());
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: a window around a pixel of the picture lies within the border, the style within its
                    // blocks, and the pixel's place in the last tap within `out`, by the assertions above.
                    unsafe {
                        let style = s.load(style.as_ptr().add(block * 16 + lane));
                        let from = from.add(((block * rows + y) * pitch + x) * 16 + lane);
                        let to = to.add((block * count + pixel) * 16 + lane);
                        for tap in 0..9 {
                            let v = s.mul(style, s.load(from.add((tap / 3 * pitch + tap % 3) * 16)));
                            s.store(to.add(tap * blocks * count * 16), v);
                        }
                    }
                }
            }
        }
    }
}

/// Finishes the sums of a panel and writes them to the picture.
pub(crate) struct Scatter<'a> {
    /// [pixel][blocks][16]
    pub(crate) sums: &'a [Block],
    /// First pixel, and how many, of the picture that was convolved.
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) target: Target,
    pub(crate) epilogue: Epilogue<'a>,
    pub(crate) y: &'a mut Activation,
}

impl Kernel for Scatter<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Scatter { sums, first, count, target, epilogue, y } = self;
        let Target { block, blocks, step, phase } = target;
        let (height, width) = (y.height(), y.width());
        epilogue.check(y.channels(), height, width);
        let across = width / step;
        assert!(block + blocks <= y.blocks() && phase.0 < step && phase.1 < step);
        assert!(sums.len() >= count * blocks && first + count <= height / step * across);
        let (places, pitch) = (y.place(0, 0, 0), y.pitch());
        let plane = y.rows() * pitch;
        let (from, to) = (flat(sums).as_ptr(), flat_mut(y.data_mut()).as_mut_ptr());
        for sub in 0..blocks {
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: the epilogue covers all of the result's blocks, `block + sub` among them.
                let finish = unsafe { Finish::new(s, &epilogue, (block + sub) * 16 + lane) };
                for pixel in 0..count {
                    let py = (first + pixel) / across * step + phase.0;
                    let px = (first + pixel) % across * step + phase.1;
                    // SAFETY: (py, px) is a pixel of the picture, so it has noise and memory; `sums` has `count` pixels.
                    unsafe {
                        let v = finish.apply(s, s.load(from.add((pixel * blocks + sub) * 16 + lane)), py * width + px);
                        let place = (block + sub) * plane + places + py * pitch + px;
                        s.store(to.add(place * 16 + lane), v);
                    }
                }
            }
        }
    }
}
