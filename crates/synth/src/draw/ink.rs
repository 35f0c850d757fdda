//! The networks that redraw a picture, ink and lens: their layers, and the memory that they draw in.

use kernels::{
    Activation, Conv3x3, Crew, Epilogue, Layer, Method, Rgb, Scratch, add_residual, enlarge, ink_input, padded,
};

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

    /// The end of one of the convolutions.
    fn end<'a>(&'a self, conv: &'a InkConv, slope: f32) -> Epilogue<'a> {
        Epilogue { scale: &self.ones, bias: &conv.bias, noise: None, slope, clamp: f32::INFINITY }
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
    /// The result of the last convolution.
    fine: Activation,
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
        let InkCanvas { input, y, fine } = self;
        let ones = layers.ones.as_slice();
        let [first, blocks @ .., last] = layers.convs.as_slice() else {
            unreachable!("a first and a last convolution")
        };
        if (watch.cancelled)() {
            return false;
        }
        picture.bound(1.0);
        ink_input(picture, input);
        first.kernel.run(crew, input, ones, &layers.end(first, SLOPE), scratch, y);
        (watch.finished)(&first.name);
        for [conv0, conv1] in blocks.as_chunks().0 {
            if (watch.cancelled)() {
                return false;
            }
            let ends = [conv0, conv1].map(|conv| layers.end(conv, SLOPE));
            let [first, second] = [(conv0, &ends[0]), (conv1, &ends[1])].map(|(conv, epilogue)| Layer {
                conv: &conv.kernel,
                style: ones,
                epilogue,
            });
            add_residual(crew, first, second, y, scratch);
            (watch.finished)(conv0.name.trim_end_matches(".conv0"));
        }
        if (watch.cancelled)() {
            return false;
        }
        last.kernel.run(crew, y, ones, &layers.end(last, 1.0), scratch, fine);
        enlarge(crew, picture, fine, layers.ink.factor, larger);
        (watch.finished)(&last.name);
        true
    }
}
