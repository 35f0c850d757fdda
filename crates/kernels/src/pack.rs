//! Weights in the order in which the products read them.

use crate::activation::{Block, flat_mut};
use crate::scheme::Scheme;

/// Packs `weight` [output, input, 3, 3]: panels of up to 32 output channels, each [position][tap, for the plain
/// sum][input channel][panel's blocks][16]. Places without a channel are zero.
///
/// # Panics
/// If `weight` is not `9 * output * input` long, or that is zero.
pub(crate) fn pack<X: Scheme>(weight: &[f32], output: usize, input: usize) -> Vec<Block> {
    assert!(output * input > 0 && weight.len() == 9 * output * input, "weight must be [{output}, {input}, 3, 3]");
    let kernels = weight.as_chunks::<9>().0;
    let (depth, matrices) = (input.next_multiple_of(16), X::positions() * X::TAPS);
    let mut packed = vec![Block::default(); matrices * depth * output.div_ceil(16)];
    let mut rest = packed.as_mut_slice();
    let mut transformed = [0.0; MOST];
    for first in (0..output).step_by(32) {
        let columns = (output - first).div_ceil(16).min(2);
        let (panel, after) = rest.split_at_mut(matrices * depth * columns);
        let numbers = flat_mut(panel);
        // All output channels of one input channel together: they are neighbours in every matrix.
        for i in 0..input {
            for o in first..output.min(first + 32) {
                X::weights(&kernels[o * input + i], &mut transformed[..matrices]);
                for (matrix, &value) in transformed[..matrices].iter().enumerate() {
                    numbers[(matrix * depth + i) * columns * 16 + o - first] = value;
                }
            }
        }
        rest = after;
    }
    packed
}

/// Matrices of F(4x4, 3x3), which has the most.
const MOST: usize = 36;
