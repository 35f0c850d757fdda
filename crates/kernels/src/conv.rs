//! The 3x3 convolution: weights packed once, then run for any picture and style.

use std::marker::PhantomData;

use crate::activation::{Activation, Block, flat_mut};
use crate::direct::{Gather, Scatter};
use crate::epilogue::{Epilogue, OutputTransform, Target};
use crate::gemm::Gemm;
use crate::simd::Isa;
use crate::winograd::{F2, F4, InputTransform, Tiles, Winograd, transform_weight};

/// How the sums of a convolution are computed. All give the same result up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The plain sum; up to about 4x4 pixels.
    Direct,
    /// Winograd F(2x2, 3x3); about 8x8 pixels, where reading the weights of F(4x4) would cost more than it saves.
    F2,
    /// Winograd F(4x4, 3x3); larger pictures.
    F4,
}

impl Method {
    /// The fastest for a picture of this size, as measured with AVX-512 and 128 to 256 channels: at 8x8 pixels F(2x2)
    /// takes 0.7 of F(4x4)'s time, at 12x12 F(4x4) takes 0.6 of F(2x2)'s. At 4x4 the plain sum is slower than F(2x2)
    /// alone but not within a network, where its weights, half the size, leave the caches to the other layers.
    pub fn for_size(height: usize, width: usize) -> Method {
        match height * width {
            0..=32 => Method::Direct,
            33..=100 => Method::F2,
            _ => Method::F4,
        }
    }

    /// Matrix products that make up one convolution.
    fn positions(self) -> usize {
        match self {
            Method::Direct => 1,
            Method::F2 => 16,
            Method::F4 => 36,
        }
    }
}

/// A 3x3 convolution with zeros outside the picture, its weights packed for one [`Method`].
///
/// Computes `y_o = sum_i W_oi * (style_i x_i)` followed by an [`Epilogue`]. As the style scales the input, one set of
/// weights serves all pictures; demodulation is the epilogue's scale.
#[derive(Clone, Debug)]
pub struct Conv3x3 {
    input: usize,
    output: usize,
    method: Method,
    /// 1, or 2 for a convolution that doubles the size in four phases.
    step: usize,
    panels: Vec<Panel>,
    /// For each panel [position][tap, only if direct][input channel][panel's blocks][16].
    weights: Vec<Block>,
}

/// Up to 32 output channels of one phase.
#[derive(Clone, Copy, Debug)]
struct Panel {
    target: Target,
    /// Index of its first block of weights.
    start: usize,
}

/// Memory for the intermediate results of a convolution. Grows to the largest need and stays.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    inputs: Vec<Block>,
    sums: Vec<Block>,
}

/// Bytes of transformed input and sums worked on at once, chosen to leave room for weights in a second-level cache.
const WORKING_SET: usize = 512 << 10;

impl Conv3x3 {
    /// Packs `weight` [output, input, 3, 3].
    ///
    /// # Panics
    /// If `weight` is not `9 * output * input` long, or that is zero.
    pub fn new(weight: &[f32], output: usize, input: usize, method: Method) -> Self {
        Self::with_phases(&[((0, 0), weight.to_vec())], 1, output, input, method)
    }

    /// Packs `weight` [output, input, 3, 3] for `StyleGAN2`'s doubling convolution: transposed with stride 2 (no
    /// padding), then the filter [1, 3, 3, 1] x [1, 3, 3, 1] / 16 with one zero outside. `method` runs at the low
    /// resolution: both filters together are a 3x3 kernel for each of the four places an output pixel can have
    /// relative to the input's.
    ///
    /// # Panics
    /// If `weight` is not `9 * output * input` long, or that is zero.
    pub fn doubling(weight: &[f32], output: usize, input: usize, method: Method) -> Self {
        let phases = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|phase| (phase, phase_weight(weight, phase)));
        Self::with_phases(&phases, 2, output, input, method)
    }

    fn with_phases(
        phases: &[((usize, usize), Vec<f32>)],
        step: usize,
        output: usize,
        input: usize,
        method: Method,
    ) -> Self {
        let (mut panels, mut weights) = (Vec::new(), Vec::new());
        for (phase, weight) in phases {
            assert!(
                output * input > 0 && weight.len() == 9 * output * input,
                "weight must be [{output}, {input}, 3, 3]"
            );
            for block in (0..output.div_ceil(16)).step_by(2) {
                let blocks = (output.div_ceil(16) - block).min(2);
                let start = weights.len();
                panels.push(Panel { target: Target { block, blocks, step, phase: *phase }, start });
                pack(weight, output, input, method, block..block + blocks, &mut weights);
            }
        }
        Conv3x3 { input, output, method, step, panels, weights }
    }

    /// Convolves one picture.
    ///
    /// `style` holds a factor for every input channel, rounded up to whole blocks of 16. `x` is read with zeros
    /// outside; its border is set by this. `y` is given its shape; its border is unspecified afterwards.
    ///
    /// # Panics
    /// If `x` has another number of channels, or `style` or the epilogue are too short.
    pub fn run(
        &self,
        isa: Isa,
        x: &mut Activation,
        style: &[f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
        y: &mut Activation,
    ) {
        assert_eq!(x.channels(), self.input, "the convolution's input channels");
        x.zero_border();
        y.reshape(self.output, x.height() * self.step, x.width() * self.step);
        match self.method {
            Method::Direct => self.direct(isa, x, style, epilogue, scratch, y),
            Method::F2 => self.winograd::<4, 2, F2>(isa, x, style, epilogue, scratch, y),
            Method::F4 => self.winograd::<6, 4, F4>(isa, x, style, epilogue, scratch, y),
        }
    }

    fn direct(
        &self,
        isa: Isa,
        x: &Activation,
        style: &[f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
        y: &mut Activation,
    ) {
        let (chunks, pixels) = (9 * x.blocks(), x.height() * x.width());
        let most = at_once(chunks + 2, pixels);
        for first in (0..pixels).step_by(most) {
            let count = most.min(pixels - first);
            let inputs = space(&mut scratch.inputs, chunks * count);
            isa.run(Gather { x, style, first, count, out: inputs });
            for panel in &self.panels {
                let columns = panel.target.blocks;
                let sums = space(&mut scratch.sums, count * columns);
                isa.run(Gemm {
                    positions: 1,
                    rows: count,
                    chunks,
                    columns,
                    a: inputs,
                    a_chunk: count,
                    a_position: chunks * count,
                    b: &self.weights[panel.start..],
                    c: sums,
                    c_position: count * columns,
                });
                isa.run(Scatter { sums, first, count, target: panel.target, epilogue: *epilogue, y });
            }
        }
    }

    fn winograd<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>>(
        &self,
        isa: Isa,
        x: &Activation,
        style: &[f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
        y: &mut Activation,
    ) {
        let (chunks, across) = (x.blocks(), x.width().div_ceil(OUT));
        let all = x.height().div_ceil(OUT) * across;
        let most = at_once(IN * IN * (chunks + 2), all);
        for first in (0..all).step_by(most) {
            let count = most.min(all - first);
            let tiles = Tiles { first, count, across };
            // One block between positions, so that they do not all fall into the same set of the cache.
            let a_position = chunks * count + 1;
            let inputs = space(&mut scratch.inputs, IN * IN * a_position);
            isa.run(InputTransform { x, style, tiles, out: inputs, position: a_position, method: PhantomData::<W> });
            for panel in &self.panels {
                let columns = panel.target.blocks;
                let c_position = count * columns + 1;
                let sums = space(&mut scratch.sums, IN * IN * c_position);
                isa.run(Gemm {
                    positions: IN * IN,
                    rows: count,
                    chunks,
                    columns,
                    a: inputs,
                    a_chunk: count,
                    a_position,
                    b: &self.weights[panel.start..],
                    c: sums,
                    c_position,
                });
                isa.run(OutputTransform {
                    sums,
                    position: c_position,
                    tiles,
                    target: panel.target,
                    epilogue: *epilogue,
                    y,
                    method: PhantomData::<W>,
                });
            }
        }
    }
}

/// How many of `all` rows to work on at once when each takes `blocks` blocks: parts of nearly equal size.
fn at_once(blocks: usize, all: usize) -> usize {
    let most = (WORKING_SET / (blocks * size_of::<Block>())).max(12);
    all.div_ceil(all.div_ceil(most))
}

/// The first `blocks` blocks of a memory that grows if it must.
fn space(memory: &mut Vec<Block>, blocks: usize) -> &mut [Block] {
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    &mut memory[..blocks]
}

/// Appends the weights of some blocks of output channels, in the order of [`Conv3x3::weights`].
fn pack(
    weight: &[f32],
    output: usize,
    input: usize,
    method: Method,
    blocks: std::ops::Range<usize>,
    out: &mut Vec<Block>,
) {
    let (chunks, columns) = (input.div_ceil(16), blocks.len());
    let (start, positions) = (out.len(), method.positions());
    let taps = if method == Method::Direct { 9 } else { 1 };
    let inner = taps * chunks * 16;
    out.resize(start + positions * inner * columns, Block::default());
    let numbers = flat_mut(&mut out[start..]);
    for o in blocks.start * 16..output.min(blocks.end * 16) {
        for i in 0..input {
            let kernel = &weight[(o * input + i) * 9..][..9];
            let transformed = match method {
                Method::Direct => kernel.to_vec(),
                Method::F2 => transform_weight::<4, 2, F2>(kernel),
                Method::F4 => transform_weight::<6, 4, F4>(kernel),
            };
            for (k, value) in transformed.into_iter().enumerate() {
                // For the direct method k is a tap, part of the inner dimension; otherwise it is a position.
                let row = if method == Method::Direct { k * chunks * 16 + i } else { k * inner + i };
                numbers[row * columns * 16 + o - blocks.start * 16] = value;
            }
        }
    }
}

/// The 3x3 kernel, at the low resolution, of one phase of the doubling convolution.
///
/// In one dimension: the transposed convolution puts `x_i W_k` at place `2 i + k`, and the filter f = [1, 3, 3, 1] / 4
/// (half its weight for each dimension's gain of 2) reads place `j + t - 1` with `f_t`. So output `j = 2 p + phase`
/// takes from input `i = p + d` the sum of `W_k f_t` over `t = 2 d + k + 1 - phase`.
fn phase_weight(weight: &[f32], phase: (usize, usize)) -> Vec<f32> {
    let mut matrix = [[[0.0_f64; 3]; 3]; 2];
    for (phase, matrix) in matrix.iter_mut().enumerate() {
        for (d, row) in matrix.iter_mut().enumerate() {
            for (k, value) in row.iter_mut().enumerate() {
                let t = 2 * (d as isize - 1) + k as isize + 1 - phase as isize;
                *value = if (0..4).contains(&t) { [0.25, 0.75, 0.75, 0.25][t as usize] } else { 0.0 };
            }
        }
    }
    let (rows, columns) = (matrix[phase.0], matrix[phase.1]);
    let mut out = Vec::with_capacity(weight.len());
    for kernel in weight.as_chunks::<9>().0 {
        for row in &rows {
            for column in &columns {
                let sum: f64 = (0..9).map(|k| row[k / 3] * f64::from(kernel[k]) * column[k % 3]).sum();
                out.push(sum as f32);
            }
        }
    }
    out
}
