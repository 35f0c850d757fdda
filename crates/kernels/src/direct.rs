//! Convolution by the plain sum, as one matrix product: windows of the input gathered into rows (im2col).
//!
//! For the smallest pictures, where transformed weights would cost more to read than they save, and to check the others.

use crate::activation::flat;
use crate::epilogue::Finish;
use crate::scheme::{Input, Output, Scheme};
use crate::simd::Simd;

/// The plain sum; its tiles are pixels.
pub(crate) struct Direct;

impl Scheme for Direct {
    const TILE: usize = 1;
    const TAPS: usize = 9;
    const GROUPS: [(usize, usize); 3] = [(1, 1), (0, 0), (0, 0)];

    fn weights(kernel: &[f32; 9], out: &mut [f32]) {
        out.copy_from_slice(kernel);
    }

    /// Gathers the 3x3 windows of an activation scaled by its style.
    #[inline(always)]
    fn input<S: Simd>(s: S, job: &Input<'_>) {
        job.check(1);
        let Input { x, style, tiles, layout, .. } = job;
        let (shape, count) = (x.shape(), tiles.count);
        let (blocks, pitch, rows) = (shape.blocks(), shape.pitch(), shape.rows());
        assert!(layout.factors >= 9 * blocks * count);
        let (from, to) = (flat(x.data()).as_ptr(), job.out.pointer());
        for block in job.blocks.clone() {
            for (pixel, (picture, y, x)) in tiles.places(0..count) {
                let plane = picture * blocks + block;
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: a window around a pixel of the picture lies within the border, the style within its
                    // planes, and the pixel's place in the last tap within `out`, by the assertions above.
                    unsafe {
                        let style = s.load(style.as_ptr().add(plane * 16 + lane));
                        let from = from.add(((plane * rows + y) * pitch + x) * 16 + lane);
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

    /// Finishes the sums of a panel and writes them to the picture.
    #[inline(always)]
    fn output<S: Simd>(s: S, job: &Output<'_>) {
        job.check();
        let &Output { sums, tiles, layout, block, ref epilogue, y, adds, .. } = job;
        let (shape, columns) = (y.shape, layout.columns);
        epilogue.check(shape);
        tiles.check(shape, 1);
        assert!(layout.products >= tiles.count * columns);
        let (from, to) = (flat(sums).as_ptr(), y.data.pointer());
        tiles.by_picture(job.part.clone(), |picture, part| {
            for sub in 0..columns {
                let plane = picture * shape.blocks() + block + sub;
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: the epilogue covers all of the result's pictures and blocks, `block + sub` among them.
                    let finish = unsafe { Finish::new(s, epilogue, shape, picture, (block + sub) * 16 + lane) };
                    for (pixel, (_, py, px)) in tiles.places(part.clone()) {
                        // SAFETY: (py, px) is a pixel of the picture, so it has noise and memory; `sums` has all pixels.
                        unsafe {
                            let sum = s.load(from.add((pixel * columns + sub) * 16 + lane));
                            let v = finish.apply(s, sum, py * shape.width + px);
                            let to = to.add(shape.place(plane, py, px) * 16 + lane);
                            s.store(to, if adds { s.add(s.load(to), v) } else { v });
                        }
                    }
                }
            }
        });
    }
}
