//! The filter after `StyleGAN2`'s transposed convolution, with the element-wise end of a layer on the way out.

use std::ops::Range;

use crate::activation::{Activation, Shape, Target, flat};
use crate::crew::Crew;
use crate::epilogue::{Epilogue, Finish};
use crate::simd::{Kernel, Simd};

/// [1, 3, 3, 1] / 4 in both directions, which makes `[2 H, 2 W]` of `[2 H + 1, 2 W + 1]` with zeros outside: output `j` is
/// made of inputs `j - 1` to `j + 2`. Half the filter's weight in each direction is the gain that makes up for the zeros
/// between the transposed convolution's inputs. Then the epilogue.
///
/// `y` is given its shape; its border is unspecified afterwards.
///
/// # Panics
/// If the epilogue is too short, or a size of `x` is even.
pub(crate) fn smooth(crew: &Crew, x: &mut Activation, epilogue: &Epilogue<'_>, y: &mut Activation) {
    x.zero_border();
    let Shape { height, width, .. } = x.shape();
    assert!(!height.is_multiple_of(2) && !width.is_multiple_of(2), "twice as many places and one more");
    y.reshape(Shape { height: height - 1, width: width - 1, ..x.shape() });
    let (isa, x, y) = (crew.isa(), &*x, y.target());
    crew.by_lines(y.shape.planes() * y.shape.height, |lines| isa.run(Smooth { x, epilogue, lines, y }));
}

struct Smooth<'a> {
    /// With zeros in its border.
    x: &'a Activation,
    epilogue: &'a Epilogue<'a>,
    /// Lines of the result, counted over all planes.
    lines: Range<usize>,
    y: Target<'a>,
}

impl Kernel for Smooth<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Smooth { x, epilogue, lines, y } = self;
        let (source, shape) = (x.shape(), y.shape);
        epilogue.check(shape);
        assert!(source == Shape { height: shape.height + 1, width: shape.width + 1, ..shape });
        assert!(x.data().len() >= source.size() && y.data.len() >= shape.size());
        assert!(lines.end <= shape.planes() * shape.height);
        let (near, far) = (s.splat(0.75), s.splat(0.25));
        let weigh = |a: S::V, b: S::V, c: S::V, d: S::V| s.mul_add(near, s.add(b, c), s.mul(far, s.add(a, d)));
        let (from, pitch) = (flat(x.data()).as_ptr(), source.pitch() * 16);
        for line in lines {
            let (plane, row) = (line / shape.height, line % shape.height);
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: rows `row - 1` to `row + 2` of the source, columns -1 to its width, lie within its border;
                // the row of the result lies within `y`, and the epilogue covers all planes and pixels of `y`.
                unsafe {
                    let (picture, channel) = (plane / shape.blocks(), plane % shape.blocks() * 16 + lane);
                    let finish = Finish::new(s, epilogue, shape, picture, channel);
                    let from = from.add((source.place(plane, row, 0) - source.pitch()) * 16 + lane);
                    let out = y.data.pointer().add(shape.place(plane, row, 0) * 16 + lane);
                    let column = |x: usize| {
                        // `x` counts from the border's column on.
                        let at = from.add(16 * x).sub(16);
                        weigh(s.load(at), s.load(at.add(pitch)), s.load(at.add(2 * pitch)), s.load(at.add(3 * pitch)))
                    };
                    let (mut a, mut b, mut c) = (column(0), column(1), column(2));
                    for x in 0..shape.width {
                        let d = column(x + 3);
                        let v = finish.apply(s, weigh(a, b, c, d), row * shape.width + x);
                        s.store(out.add(16 * x), v);
                        (a, b, c) = (b, c, d);
                    }
                }
            }
        }
    }
}
