//! A matrix times some vectors: mapping layers, styles, demodulation.

use std::ops::Range;

use crate::activation::{Block, flat, flat_mut};
use crate::crew::Crew;
use crate::simd::{Kernel, Simd};

/// `y = W x + b`, packed once.
#[derive(Clone, Debug)]
pub struct Linear {
    input: usize,
    /// [output / 16][input][16]
    weights: Vec<Block>,
    bias: Vec<Block>,
}

impl Linear {
    /// Packs `weight` [output, input] and `bias`, one number for each output.
    ///
    /// # Panics
    /// If the lengths do not fit, or are zero.
    pub fn new(weight: &[f32], bias: &[f32]) -> Self {
        assert!(!bias.is_empty() && weight.len().is_multiple_of(bias.len()) && !weight.is_empty(), "weight [out, in]");
        let (output, input) = (bias.len(), weight.len() / bias.len());
        let blocks = output.div_ceil(16);
        let mut linear =
            Linear { input, weights: vec![Block::default(); blocks * input], bias: vec![Block::default(); blocks] };
        flat_mut(&mut linear.bias)[..output].copy_from_slice(bias);
        for (o, row) in weight.chunks_exact(input).enumerate() {
            for (i, &value) in row.iter().enumerate() {
                linear.weights[o / 16 * input + i].0[o % 16] = value;
            }
        }
        linear
    }

    /// Numbers in `x`.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Numbers in `y`: the outputs rounded up to whole blocks of 16; those beyond the real ones become zero.
    pub fn padded_output(&self) -> usize {
        self.bias.len() * 16
    }

    /// Computes `y` for one vector or several, one after the other in `x` and in `y`.
    ///
    /// # Panics
    /// If `x` does not hold vectors of [`input`](Self::input) numbers and `y` as many of
    /// [`padded_output`](Self::padded_output).
    pub fn run(&self, crew: &Crew, x: &[f32], y: &mut [f32]) {
        self.run_part(crew, 0..self.padded_output(), x, y);
    }

    /// Computes only some of the outputs; `y` holds those alone.
    ///
    /// # Panics
    /// If the outputs are not whole blocks of 16 of [`padded_output`](Self::padded_output), `x` does not hold vectors of
    /// [`input`](Self::input) numbers, or `y` not as many of those outputs.
    pub fn run_part(&self, crew: &Crew, outputs: Range<usize>, x: &[f32], y: &mut [f32]) {
        assert!(
            outputs.start.is_multiple_of(16) && outputs.end.is_multiple_of(16) && outputs.end <= self.padded_output(),
            "whole blocks of outputs"
        );
        assert!(x.len().is_multiple_of(self.input), "inputs of a linear layer");
        assert_eq!(y.len(), x.len() / self.input * outputs.len(), "outputs of a linear layer");
        let (isa, y) = (crew.isa(), Places(y.as_mut_ptr()));
        let (first, count) = (outputs.start / 16, outputs.len() / 16);
        crew.in_parts(count, |blocks| isa.run(Product { layer: self, x, first, count, blocks, y }));
    }
}

/// The outputs that several threads write to.
#[derive(Clone, Copy)]
struct Places(*mut f32);

// SAFETY: each thread writes the outputs of blocks of its own, while they are borrowed by `Linear::run_part`.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

struct Product<'a> {
    layer: &'a Linear,
    x: &'a [f32],
    /// The blocks of outputs that are computed at all.
    first: usize,
    count: usize,
    /// Those of them to do, counted from the first, which no other thread does.
    blocks: Range<usize>,
    /// As many vectors of `count` blocks as `x` has inputs.
    y: Places,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { layer, x, first, count, blocks, y } = self;
        let input = layer.input;
        assert!(
            layer.weights.len() >= layer.bias.len() * input && blocks.end <= count && first + count <= layer.bias.len()
        );
        let (weights, bias) = (flat(&layer.weights).as_ptr(), flat(&layer.bias).as_ptr());
        for place in blocks {
            let block = first + place;
            for (index, x) in x.chunks_exact(input).enumerate() {
                let (fours, rest) = x.as_chunks::<4>();
                for lane in (0..16).step_by(S::LANES) {
                    // SAFETY: block `block` has a bias, `input` rows of weights and, for each vector, a place in `y`, by
                    // the assertions above and in `Linear::run_part`.
                    unsafe {
                        let mut row = weights.add(block * input * 16 + lane);
                        // Four sums hide the latency of the addition.
                        let zero = s.splat(0.0);
                        let mut sums = [s.load(bias.add(block * 16 + lane)), zero, zero, zero];
                        for four in fours {
                            for (i, sum) in sums.iter_mut().enumerate() {
                                *sum = s.mul_add(s.splat(four[i]), s.load(row.add(16 * i)), *sum);
                            }
                            row = row.add(64);
                        }
                        for (i, &value) in rest.iter().enumerate() {
                            sums[0] = s.mul_add(s.splat(value), s.load(row.add(16 * i)), sums[0]);
                        }
                        let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
                        s.store(y.0.add((index * count + place) * 16 + lane), sum);
                    }
                }
            }
        }
    }
}
