//! A residual block: two convolutions whose result is added to what went in, some rows at a time, while they are in a cache.

use crate::activation::{Activation, Shape};
use crate::conv::{Conv3x3, Job, Memory, Method, Results, Scratch};
use crate::crew::Crew;
use crate::direct::Direct;
use crate::epilogue::Epilogue;
use crate::scheme::{Scheme, Tiles};
use crate::winograd::{F2, F4};

/// A convolution with what surrounds it, as [`Conv3x3::run`] takes it.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// The weights.
    pub conv: &'a Conv3x3,
    /// A factor for every input channel, rounded up to whole blocks of 16.
    pub style: &'a [f32],
    /// What happens to the sums. Without noise.
    pub epilogue: &'a Epilogue<'a>,
}

impl<'a> Layer<'a> {
    fn job(self, x: &'a Activation) -> Job<'a> {
        Job { conv: self.conv, x, style: self.style, epilogue: self.epilogue }
    }
}

/// Bytes of weights that are read again for every band, as a second-level cache has room for them and for a band.
const LIGHT_WEIGHTS: usize = 320 << 10;
/// Bytes of the lines between the two convolutions of a band.
const BAND: usize = 256 << 10;

/// `x += second(first(x))` for one picture. Sets the border of `x` to zero.
///
/// Where the weights are light, this goes through bands of rows: the second convolution follows the first by one row of tiles, so that what lies between
/// them stays in a cache, and a line of `x` is written back soon after it was read.
///
/// # Panics
/// If `x` is not one picture, the channels of the three do not fit together, the methods differ, a convolution doubles, or there is noise.
pub fn add_residual(crew: &Crew, first: Layer<'_>, second: Layer<'_>, x: &mut Activation, scratch: &mut Scratch) {
    let weights = first.conv.bytes() + second.conv.bytes();
    let lines = if weights > LIGHT_WEIGHTS {
        usize::MAX
    } else {
        BAND / (x.shape().pitch() * first.conv.output.div_ceil(16) * 64)
    };
    in_bands(crew, first, second, x, scratch, lines);
}

/// The same in bands of about so many lines.
fn in_bands(crew: &Crew, first: Layer<'_>, second: Layer<'_>, x: &mut Activation, scratch: &mut Scratch, lines: usize) {
    let (method, channels) = (first.conv.method(), x.shape().channels);
    assert!(x.shape().pictures == 1 && method == second.conv.method(), "one picture and one method");
    assert!(!first.conv.doubles && !second.conv.doubles, "a residual block keeps the size");
    assert!(first.epilogue.noise.is_none() && second.epilogue.noise.is_none(), "a residual block has no noise");
    assert_eq!([first.conv.input, second.conv.output], [channels; 2], "the channels of what is added to");
    assert_eq!(first.conv.output, second.conv.input, "the channels between two convolutions");
    x.zero_border();
    let block = Residual { crew, first, second, lines };
    let Scratch { memory, strip } = scratch;
    match method {
        Method::Direct => block.run::<Direct>(memory, strip, x),
        Method::F2 => block.run::<F2>(memory, strip, x),
        Method::F4 => block.run::<F4>(memory, strip, x),
    }
}

struct Residual<'a> {
    crew: &'a Crew,
    first: Layer<'a>,
    second: Layer<'a>,
    lines: usize,
}

impl Residual<'_> {
    /// The strip between the convolutions has, above a band's own rows of tiles, two of the band before: the lower one, which the second convolution has
    /// not seen yet because it needs a line from below, and the last line of the upper one.
    fn run<X: Scheme>(&self, memory: &mut Memory, strip: &mut Activation, x: &mut Activation) {
        const ABOVE: usize = 2;
        let (shape, all) = (x.shape(), Tiles::all(x.shape(), X::TILE));
        let rows = (self.lines / X::TILE).clamp(1, all.down);
        strip.reshape(Shape { channels: self.second.conv.input, height: (ABOVE + rows) * X::TILE, ..shape });
        strip.zero_border();
        let between = Tiles::all(strip.shape(), X::TILE);
        let of = |tiles: Tiles, row: usize, rows: usize| Tiles {
            first: row * tiles.across,
            count: rows * tiles.across,
            ..tiles
        };
        for row in (0..all.down).step_by(rows) {
            let here = rows.min(all.down - row);
            let is_last = row + here == all.down;
            for line in X::TILE - 1..ABOVE * X::TILE {
                if row > 0 {
                    strip.copy_line(rows * X::TILE + line, line);
                } else {
                    strip.zero_line(line);
                }
            }
            let results = Results { tiles: of(between, ABOVE, here), y: strip.target(), adds: false };
            self.first.job(x).run_part::<X>(self.crew, memory, of(all, row, here), results);
            if is_last {
                // What lies below the picture.
                for line in ABOVE * X::TILE + shape.height - row * X::TILE..=(ABOVE + here) * X::TILE {
                    strip.zero_line(line);
                }
            }
            // One row of tiles that was left, and all of this band but one, which the last band does as well.
            let (late, early) = (usize::from(row > 0), usize::from(!is_last));
            let count = late + here - early;
            if count > 0 {
                let (tiles, to) = (of(between, ABOVE - late, count), of(all, row - late, count));
                let results = Results { tiles: to, y: x.target(), adds: true };
                self.second.job(strip).run_part::<X>(self.crew, memory, tiles, results);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Isa;
    use crate::testing::numbers;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 32 }))]

        /// However many lines a band has: what the two convolutions make one after the other, and a sum.
        #[test]
        fn a_residual_block_is_two_convolutions_and_a_sum(
            height in 1_usize..23, width in 1_usize..14, outer in 1_usize..40, inner in 1_usize..40,
            lines in 0_usize..24, method in 0_usize..3, threads in 1_usize..4, seed: u64,
        ) {
            let method = [Method::Direct, Method::F2, Method::F4][method];
            let shape = Shape { pictures: 1, channels: outer, height, width };
            let weights = [numbers(9 * outer * inner, seed), numbers(9 * outer * inner, !seed)];
            let convs = [Conv3x3::new(&weights[0], inner, outer, method), Conv3x3::new(&weights[1], outer, inner, method)];
            let (style, scale, bias) = (numbers(48, seed ^ 1), numbers(48, seed ^ 2), numbers(48, seed ^ 3));
            let end = |slope, clamp| Epilogue { scale: &scale, bias: &bias, noise: None, slope, clamp };
            let ends = [end(0.2, 1.0), end(1.0, f32::INFINITY)];
            let [first, second] = [0, 1].map(|i| Layer { conv: &convs[i], style: &style, epilogue: &ends[i] });
            let planar = numbers(outer * height * width, seed ^ 4);
            for isa in Isa::available() {
                let crew = Crew::new(*isa, threads);
                let mut scratch = Scratch::default();
                let (mut x, mut between, mut sum) = (Activation::new(shape), Activation::default(), Activation::default());
                x.fill(&planar);
                convs[0].run(&crew, &mut x, &style, &ends[0], &mut scratch, &mut between);
                convs[1].run(&crew, &mut between, &style, &ends[1], &mut scratch, &mut sum);
                let expected: Vec<f32> = sum.to_planar().iter().zip(&planar).map(|(a, b)| a + b).collect();
                // In other bands afterwards, which find what the first have left in their memory.
                for lines in [lines, 1000, 1] {
                    x.fill(&planar);
                    in_bands(&crew, first, second, &mut x, &mut scratch, lines);
                    for (found, expected) in x.to_planar().iter().zip(&expected) {
                        prop_assert!((found - expected).abs() < 1e-3, "{isa}, {lines} lines: {found} {expected}");
                    }
                }
            }
        }
    }
}
