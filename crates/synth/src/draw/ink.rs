//! The networks that redraw a picture, ink and lens: their layers, and the memory that they draw in.

use kernels::{Activation, Conv3x3, Crew, Epilogue, Method, Rgb, Scratch, add, enlarge, ink_input, padded};

use super::layers::Weights;
use super::watch::Watch;
use crate::Ink;
use crate::formula::SLOPE;

/// The convolutions of such a network, packed.
#[derive(Debug)]
pub(crate) struct InkLayers {
    ink: Ink,
    convs: Vec<InkConv>,
    /// The neutral style of an input and scale of a result.
    ones: Vec<f32>,
}

/// One of them.
#[derive(Debug)]
struct InkConv {
    /// `ink.b0.conv1` and so on.
    name: String,
    kernel: Conv3x3,
    /// Padded.
    bias: Vec<f32>,
}

impl InkLayers {
    /// Packs the weights of the network that is called `network`, for pictures of that height and width.
    pub(crate) fn packed(weights: &mut Weights<'_>, network: &str, ink: Ink, (height, width): (usize, usize)) -> Self {
        let method = Method::for_size(height, width);
        let mut ones = Vec::new();
        let conv = |(name, input, output): (String, usize, usize)| {
            ones.resize(ones.len().max(padded(input)).max(padded(output)), 1.0);
            let kernel = Conv3x3::new(&weights.take(&format!("{name}.weight")), output, input, method);
            let mut bias = weights.take(&format!("{name}.bias")).into_owned();
            bias.resize(padded(output), 0.0);
            InkConv { name, kernel, bias }
        };
        let convs = ink.convs(network).into_iter().map(conv).collect();
        InkLayers { ink, convs, ones }
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> usize {
        self.convs.iter().map(|conv| conv.kernel.bytes()).sum()
    }
}

/// What such a network writes to. It grows while the first picture is drawn and stays.
#[derive(Debug, Default)]
pub(crate) struct InkCanvas {
    input: Activation,
    /// The state that every block adds to.
    y: Activation,
    /// Between the two convolutions of a block.
    inner: Activation,
    /// The result of a block's second convolution, and of the last one.
    residual: Activation,
}

impl InkCanvas {
    /// Redraws a picture, which it bounds, at the larger size; false if it was cancelled.
    pub(crate) fn run(
        &mut self,
        layers: &InkLayers,
        crew: &Crew,
        scratch: &mut Scratch,
        picture: &mut Rgb,
        larger: &mut Rgb,
        watch: &mut Watch<'_>,
    ) -> bool {
        let InkCanvas { input, y, inner, residual } = self;
        let mut run = |conv: &InkConv, slope, x: &mut Activation, y: &mut Activation| {
            let end = Epilogue { scale: &layers.ones, bias: &conv.bias, noise: None, slope, clamp: f32::INFINITY };
            conv.kernel.run(crew, x, &layers.ones, &end, scratch, y);
        };
        let [first, blocks @ .., last] = layers.convs.as_slice() else {
            unreachable!("a first and a last convolution")
        };
        if (watch.cancelled)() {
            return false;
        }
        picture.bound(1.0);
        ink_input(picture, input);
        run(first, SLOPE, input, y);
        (watch.finished)(&first.name);
        for [conv0, conv1] in blocks.as_chunks().0 {
            if (watch.cancelled)() {
                return false;
            }
            run(conv0, SLOPE, y, inner);
            (watch.finished)(&conv0.name);
            if (watch.cancelled)() {
                return false;
            }
            run(conv1, SLOPE, inner, residual);
            add(crew, residual, y);
            (watch.finished)(&conv1.name);
        }
        if (watch.cancelled)() {
            return false;
        }
        run(last, 1.0, y, residual);
        enlarge(crew, picture, residual, layers.ink.factor, larger);
        (watch.finished)(&last.name);
        true
    }
}
