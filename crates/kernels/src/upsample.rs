//! Bilinear doubling of an activation, with the element-wise end of a layer on the way out.

use std::ops::Range;

use crate::activation::{Activation, Shape, Target, flat};
use crate::crew::Crew;
use crate::epilogue::{Epilogue, Finish};
use crate::simd::{Kernel, Simd};

/// Doubles height and width: each new value is 3/4 of the nearest old one and 1/4 of the next in both directions (the
/// filter [1, 3, 3, 1]), with the edge repeated outside; then the epilogue.
///
/// This is what other libraries call bilinear with half-pixel centres (`align_corners=False`). `y` is given its shape;
/// the borders of both are unspecified afterwards.
///
/// # Panics
/// If the epilogue is too short.
pub fn upsample2x(crew: &Crew, x: &mut Activation, epilogue: &Epilogue<'_>, y: &mut Activation) {
    x.replicate_border();
    let Shape { height, width, .. } = x.shape();
    y.reshape(Shape { height: 2 * height, width: 2 * width, ..x.shape() });
    let (x, y) = (&*x, y.target());
    let isa = crew.isa();
    crew.in_parts(y.shape.planes() * 2 * height, |lines| isa.run(Upsample { x, epilogue, lines, y }));
}

struct Upsample<'a> {
    /// With its edge repeated in the border.
    x: &'a Activation,
    epilogue: &'a Epilogue<'a>,
    /// Lines of the result, counted over all planes.
    lines: Range<usize>,
    y: Target<'a>,
}

impl Kernel for Upsample<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Upsample { x, epilogue, lines, y } = self;
        let (source, shape) = (x.shape(), y.shape);
        let Shape { height, width, .. } = source;
        epilogue.check(shape);
        assert!(shape == Shape { height: 2 * height, width: 2 * width, ..source } && height * width > 0);
        assert!(x.data().len() >= source.size() && y.data.len() >= shape.size());
        assert!(lines.end <= shape.planes() * shape.height);
        let (near_weight, far_weight) = (s.splat(0.75), s.splat(0.25));
        let blend = |near: S::V, far: S::V| s.mul_add(near_weight, near, s.mul(far_weight, far));
        let from = flat(x.data()).as_ptr();
        for line in lines {
            let (plane, row) = (line / shape.height, line % shape.height);
            // Even rows lean towards the row above, odd ones towards the row below; row -1 is in the border.
            let near = source.place(plane, row / 2, 0);
            let far = if row % 2 == 0 { near - source.pitch() } else { near + source.pitch() };
            let out = shape.place(plane, row, 0);
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: rows `near` and `far` with one pixel of border on either side lie within `x`, row `out`
                // within `y`, and the epilogue covers all planes and pixels of `y`, by the assertions above.
                unsafe {
                    let (picture, channel) = (plane / shape.blocks(), plane % shape.blocks() * 16 + lane);
                    let finish = Finish::new(s, epilogue, shape, picture, channel);
                    let (near, far) = (from.add(near * 16 + lane), from.add(far * 16 + lane));
                    let out = y.data.pointer().add(out * 16 + lane);
                    let mut before = blend(s.load(near.sub(16)), s.load(far.sub(16)));
                    let mut here = blend(s.load(near), s.load(far));
                    for column in 0..width {
                        let next = (column + 1) * 16;
                        let after = blend(s.load(near.add(next)), s.load(far.add(next)));
                        let pixel = row * 2 * width + 2 * column;
                        let (left, right) = (blend(here, before), blend(here, after));
                        s.store(out.add(32 * column), finish.apply(s, left, pixel));
                        s.store(out.add(32 * column + 16), finish.apply(s, right, pixel + 1));
                        (before, here) = (here, after);
                    }
                }
            }
        }
    }
}
