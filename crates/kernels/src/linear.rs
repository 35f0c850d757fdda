//! A matrix times a vector: mapping layers, styles, demodulation.

use crate::activation::{Block, flat, flat_mut};
use crate::simd::{Isa, Kernel, Simd};

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

    /// Computes `y`.
    ///
    /// # Panics
    /// If `x` is not [`input`](Self::input) long or `y` not [`padded_output`](Self::padded_output).
    pub fn run(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), self.input, "input of a linear layer");
        assert_eq!(y.len(), self.padded_output(), "output of a linear layer");
        isa.run(Product { layer: self, x, y });
    }
}

struct Product<'a> {
    layer: &'a Linear,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { layer, x, y } = self;
        assert!(layer.weights.len() >= layer.bias.len() * x.len() && y.len() == layer.bias.len() * 16);
        let (weights, bias) = (flat(&layer.weights).as_ptr(), flat(&layer.bias).as_ptr());
        let (fours, rest) = x.as_chunks::<4>();
        for block in 0..layer.bias.len() {
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: block `block` has a bias, a place in `y` and `x.len()` rows of weights, by the assertion above.
                unsafe {
                    let mut row = weights.add(block * x.len() * 16 + lane);
                    // Four sums hide the latency of the addition.
                    let mut sums = [s.load(bias.add(block * 16 + lane)), s.splat(0.0), s.splat(0.0), s.splat(0.0)];
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
                    s.store(y.as_mut_ptr().add(block * 16 + lane), sum);
                }
            }
        }
    }
}
