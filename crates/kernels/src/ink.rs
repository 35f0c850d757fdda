//! What surrounds the convolutions of a network that redraws a picture at a larger size: its input and the enlarged picture.

use std::ops::Range;

use crate::activation::{Activation, Block, Shape, flat};
use crate::crew::Crew;
use crate::rgb::{Edge, Rgb, Rows};
use crate::simd::{Kernel, Simd};

/// Makes `x` the picture's three colours and two planes more: `x` and `y` from -1 at the centre of the first column and row
/// to 1 at the centre of the last (-1 if there is only one).
pub fn ink_input(picture: &Rgb, x: &mut Activation) {
    let (height, width) = (picture.height(), picture.width());
    let shape = Shape { pictures: 1, channels: 5, height, width };
    x.reshape(shape);
    let place = |index: usize, side: usize| 2.0 * index as f32 / (side.max(2) - 1) as f32 - 1.0;
    let mut pixels = picture.pixels();
    for row in 0..height {
        let start = shape.place(0, row, 0);
        for (column, block) in x.data_mut()[start..start + width].iter_mut().enumerate() {
            let [r, g, b, _] = pixels.next().copied().unwrap_or_default();
            *block = Block::default();
            block.0[..5].copy_from_slice(&[r, g, b, place(column, width), place(row, height)]);
        }
    }
}

/// Makes `y` the picture enlarged `factor` times (2 or 4), bilinearly with half-pixel centres and the edge repeated outside,
/// plus `fine`, whose channel `c factor^2 + i factor + j` is for colour `c` at row `i`, column `j` within an enlarged pixel. Sets
/// the border of `picture`.
///
/// # Panics
/// If `fine` is not one picture of that size with `3 factor^2` channels, or the factor is another.
pub fn enlarge(crew: &Crew, picture: &mut Rgb, fine: &Activation, factor: usize, y: &mut Rgb) {
    let (height, width) = (picture.height(), picture.width());
    let shape = Shape { pictures: 1, channels: 3 * factor * factor, height, width };
    assert_eq!(fine.shape(), shape, "what is added to the enlarged picture");
    assert!(matches!(factor, 2 | 4), "enlarged {factor} times");
    picture.set_border(Edge::Replicate);
    y.reshape(factor * height, factor * width);
    let (isa, picture, out) = (crew.isa(), &*picture, y.rows());
    crew.in_parts(factor * height, |rows| {
        if factor == 2 {
            isa.run(Enlarge::<2> { picture, fine, rows, out });
        } else {
            isa.run(Enlarge::<4> { picture, fine, rows, out });
        }
    });
}

struct Enlarge<'a, const F: usize> {
    /// With its edge repeated in the border.
    picture: &'a Rgb,
    fine: &'a Activation,
    /// Rows of the result to do, which no other thread does.
    rows: Range<usize>,
    out: Rows,
}

impl<const F: usize> Kernel for Enlarge<'_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Enlarge { picture, fine, rows, out } = self;
        let shape = fine.shape();
        let (width, plane) = (shape.width, shape.rows() * shape.pitch() * 16);
        assert!(out.pitch == F * width + 2 && rows.end <= F * shape.height);
        let columns: [Share; F] = std::array::from_fn(|j| share(j, F));
        // Where the first of F neighbouring channels of each colour lies, counted from a pixel's first block.
        let from = flat(fine.data());
        for row in rows {
            // SAFETY: the result has a row more above this one, of `pitch` pixels, and no other thread works on it.
            let out = unsafe { std::slice::from_raw_parts_mut(out.start.add((row + 1) * out.pitch + 1), F * width) };
            let (coarse, within) = (row / F, row % F);
            let down = share(within, F);
            let near = picture.line(coarse);
            let far = if down.before { picture.line_before(coarse) } else { picture.line(coarse + 1) };
            let column = |x: usize| mix(near[x], far[x], down.weight);
            let starts: [usize; 3] = std::array::from_fn(|colour| {
                let channel = (colour * F + within) * F;
                channel / 16 * plane + channel % 16
            });
            let first = shape.place(0, coarse, 0) * 16;
            let (mut before, mut here) = (column(0), column(1));
            for (x, out) in out.as_chunks_mut::<F>().0.iter_mut().enumerate() {
                let after = column(x + 2);
                let details = starts.map(|start| &from[first + x * 16 + start..][..F]);
                for (j, out) in out.iter_mut().enumerate() {
                    let share = columns[j];
                    *out = mix(here, if share.before { before } else { after }, share.weight);
                    for (value, detail) in out.iter_mut().zip(details) {
                        *value += detail[j];
                    }
                }
                (before, here) = (here, after);
            }
        }
    }
}

/// How much of its neighbour a place within an enlarged pixel takes.
#[derive(Clone, Copy)]
struct Share {
    /// Whether that is the neighbour before, not the one after.
    before: bool,
    weight: f32,
}

#[inline(always)]
fn share(place: usize, factor: usize) -> Share {
    let off = (place as f32 + 0.5) / factor as f32 - 0.5;
    Share { before: off < 0.0, weight: off.abs() }
}

#[inline(always)]
fn mix(near: [f32; 4], far: [f32; 4], weight: f32) -> [f32; 4] {
    std::array::from_fn(|c| (1.0 - weight) * near[c] + weight * far[c])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Isa;
    use crate::testing::numbers;
    use crate::{ToRgb, reference};

    /// A picture of numbers beyond -1 to 1, and the same numbers planar.
    fn picture(crew: &Crew, height: usize, width: usize) -> (Rgb, Vec<f32>) {
        let planar: Vec<f32> = numbers(3 * height * width, 5).iter().map(|v| 1.5 * v).collect();
        let mut x = Activation::new(Shape { pictures: 1, channels: 3, height, width });
        x.fill(&planar);
        let weight: Vec<f32> = (0..48).map(|i| f32::from(i % 16 == i / 16)).collect();
        let mut picture = Rgb::default();
        ToRgb { weight: &weight, bias: [0.0; 3], clamp: f32::INFINITY }.run(crew, &x, 0, None, &mut picture);
        (picture, planar)
    }

    #[test]
    fn the_input_is_the_bounded_picture_and_the_places() {
        let (mut picture, planar) = picture(&Crew::alone(Isa::SCALAR), 2, 3);
        picture.bound(1.0);
        let mut x = Activation::new(Shape { pictures: 1, channels: 16, height: 4, width: 4 });
        x.fill(&[7.0; 256]);
        ink_input(&picture, &mut x);
        let found = x.to_planar();
        let bounded: Vec<f32> = planar.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
        assert!(bounded != planar && found[..18] == bounded[..]);
        assert_eq!(found[18..], [-1.0, 0.0, 1.0, -1.0, 0.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0]);
        assert!(x.data()[x.shape().place(0, 0, 0)].0[5..].iter().all(|v| v.abs() < f32::MIN_POSITIVE));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn enlarging_is_what_the_plain_loops_say(
            height in 1_usize..9, width in 1_usize..9, doubled: bool, threads in 1_usize..4, seed: u64,
        ) {
            let factor = if doubled { 2 } else { 4 };
            for isa in Isa::available() {
                let crew = Crew::new(*isa, threads);
                let (mut picture, planar) = picture(&crew, height, width);
                let shape = Shape { pictures: 1, channels: 3 * factor * factor, height, width };
                let details = numbers(shape.channels * height * width, seed);
                let mut fine = Activation::new(shape);
                fine.fill(&details);
                let mut y = Rgb::default();
                enlarge(&crew, &mut picture, &fine, factor, &mut y);
                let mut found = vec![0.0; 3 * factor * factor * height * width];
                y.write_planar(&mut found);
                let expected = reference::enlarge(&planar, &details, [height, width], factor);
                for (found, expected) in found.iter().zip(&expected) {
                    prop_assert!((found - expected).abs() < 1e-5, "{isa}: {found} {expected}");
                }
            }
        }
    }
}
