//! The filter after `StyleGAN2`'s transposed convolution, with the element-wise end of a layer on the way out.

use std::ops::Range;

use crate::activation::{Activation, Shape, Target, flat};
use crate::epilogue::{Epilogue, Finish};
use crate::simd::{Kernel, Simd};

/// [1, 3, 3, 1] / 4 in both directions, which makes `[2 H, 2 W]` of `[2 H + 1, 2 W + 1]` with zeros outside: output `j` is
/// made of inputs `j - 1` to `j + 2`. Half the filter's weight in each direction is the gain that makes up for the zeros
/// between the transposed convolution's inputs. Then the epilogue.
pub(crate) struct Smooth<'a> {
    /// Some lines of the input for some pictures, with zeros in its border.
    pub(crate) strip: &'a Activation,
    /// The line of the strip from which the first of `rows` takes its first input.
    pub(crate) line: usize,
    /// Which rows of the result to make.
    pub(crate) rows: Range<usize>,
    /// Which blocks of channels.
    pub(crate) blocks: Range<usize>,
    /// The picture of the result that is the strip's first.
    pub(crate) picture: usize,
    pub(crate) epilogue: &'a Epilogue<'a>,
    pub(crate) y: Target<'a>,
}

impl Kernel for Smooth<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Smooth { strip, line, rows, blocks, picture, epilogue, y } = self;
        let (source, shape) = (strip.shape(), y.shape);
        let Shape { pictures, width, .. } = source;
        epilogue.check(shape);
        assert!(source.channels == shape.channels && width == shape.width + 1 && blocks.end <= shape.blocks());
        assert!(rows.end <= shape.height && line + rows.len() + 3 <= source.height);
        assert!(picture + pictures <= shape.pictures);
        assert!(strip.data().len() >= source.size() && y.data.len() >= shape.size());
        let (from_start, pitch) = (flat(strip.data()).as_ptr(), source.pitch() * 16);
        for index in 0..pictures {
            for block in blocks.clone() {
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: the epilogue covers all pictures and channels of `y`.
                    let finish = unsafe { Finish::new(s, epilogue, shape, picture + index, block * 16 + lane) };
                    for (line, row) in (line..).zip(rows.clone()) {
                        let from = source.place(index * source.blocks() + block, line, 0) * 16 + lane;
                        let out = shape.place((picture + index) * shape.blocks() + block, row, 0) * 16 + lane;
                        // SAFETY: four lines of the strip from `line` on and columns -1 to its width lie within it and
                        // its border; the row of the result lies within `y`, and the epilogue covers its pixels.
                        unsafe {
                            let (from, out) = (from_start.add(from).sub(16), y.data.pointer().add(out));
                            // Columns of the filter, counted from the border's; each is used by four results.
                            let (mut a, mut b) = (column(s, from, pitch), column(s, from.add(16), pitch));
                            let mut c = column(s, from.add(32), pitch);
                            for x in 0..shape.width {
                                let d = column(s, from.add(16 * x + 48), pitch);
                                let v = finish.apply(s, weigh(s, [a, b, c, d]), row * shape.width + x);
                                s.store(out.add(16 * x), v);
                                (a, b, c) = (b, c, d);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// [1, 3, 3, 1] / 4
#[inline(always)]
fn weigh<S: Simd>(s: S, [a, b, c, d]: [S::V; 4]) -> S::V {
    s.mul_add(s.splat(0.75), s.add(b, c), s.mul(s.splat(0.25), s.add(a, d)))
}

/// The filter downwards.
///
/// # Safety
/// A vector at `from` and three more, each `pitch` numbers after the one before, must be readable.
#[inline(always)]
unsafe fn column<S: Simd>(s: S, from: *const f32, pitch: usize) -> S::V {
    let mut v = [s.splat(0.0); 4];
    for (i, v) in v.iter_mut().enumerate() {
        // SAFETY: passed on to the caller.
        *v = unsafe { s.load(from.add(i * pitch)) };
    }
    weigh(s, v)
}
