//! The ink network: plain loops that say what it is, and the layers and the memory that draw it.

use kernels::{Activation, Conv3x3, Crew, Epilogue, Method, Rgb, Scratch, add, enlarge, ink_input, padded, scalar};

use crate::architecture::{Architecture, Ink};
use crate::canvas::Watch;
use crate::generator::SLOPE;
use crate::model::ModelFile;
use crate::pack::Weights;

/// The composed picture, planar [3, H, W], as [`Ink`] redraws it, [3, factor H, factor W]: the definition, for the eye.
pub(crate) fn redraw(model: &ModelFile, ink: Ink, picture: &[f32]) -> Vec<f32> {
    let (height, width) = model.architecture.composed();
    let bounded: Vec<f32> = picture.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
    let mut x = bounded.clone();
    x.extend((0..height * width).map(|pixel| Ink::place(pixel % width, width)));
    x.extend((0..height * width).map(|pixel| Ink::place(pixel / width, height)));
    let conv = |x: &[f32], name: &str| {
        let bias = model.values(&format!("{name}.bias"));
        let mut y = scalar::conv3x3(x, [height, width], model.values(&format!("{name}.weight")), bias.len());
        y.iter_mut().enumerate().for_each(|(index, v)| *v += bias[index / (height * width)]);
        y
    };
    let l = |x: Vec<f32>| -> Vec<f32> { x.into_iter().map(|v| v.max(SLOPE * v)).collect() };
    let mut y = l(conv(&x, "ink.conv_in"));
    for block in 0..ink.blocks {
        let inner = l(conv(&y, &format!("ink.b{block}.conv0")));
        let residual = l(conv(&inner, &format!("ink.b{block}.conv1")));
        y.iter_mut().zip(residual).for_each(|(y, v)| *y += v);
    }
    let fine = conv(&y, "ink.conv_out");
    scalar::enlarge(&bounded, &fine, [height, width], ink.factor)
}

/// The convolutions of an ink network, packed.
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
    /// Packs the weights of an architecture's ink network, if it has one.
    pub(crate) fn packed(weights: &mut Weights<'_>, architecture: &Architecture) -> Option<Self> {
        let ink = architecture.ink?;
        let (height, width) = architecture.composed();
        let method = Method::for_size(height, width);
        let mut ones = Vec::new();
        let conv = |(name, input, output): (String, usize, usize)| {
            ones.resize(ones.len().max(padded(input)).max(padded(output)), 1.0);
            let kernel = Conv3x3::new(&weights.take(&format!("{name}.weight")), output, input, method);
            let mut bias = weights.take(&format!("{name}.bias")).into_owned();
            bias.resize(padded(output), 0.0);
            InkConv { name, kernel, bias }
        };
        let convs = ink.convs().into_iter().map(conv).collect();
        Some(InkLayers { ink, convs, ones })
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> usize {
        self.convs.iter().map(|conv| conv.kernel.bytes()).sum()
    }
}

/// What an ink network writes to. It grows while the first picture is drawn and stays.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    /// Numbers of a rule that is easy to repeat elsewhere.
    fn ruled(count: usize, salt: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + salt * 13) % 101) as f32 - 50.0).map(|v| v / 50.0 * scale).collect()
    }

    /// The numbers are PyTorch's (f64; `conv2d`, `leaky_relu`, `pixel_shuffle`, `interpolate` bilinear without
    /// `align_corners`, `linspace`), for weights and a picture of the same rule: every `every`th value and the mean square.
    #[test]
    fn a_redrawn_picture_equals_pytorchs() {
        let two = [
            -0.91421, 0.234_029, -0.09148, -1.424_033, -0.744_929, 0.865_862, -0.192_997, -2.971_973, -0.855_895,
            0.083_028, 1.119_266, -1.676_909, 2.373_888, -2.247_547, 2.506_027, 1.85177, -0.709_526,
        ];
        let four = [
            -0.91421, -0.852_174, -2.744_342, 5.668_775, 1.56112, -1.470_243, -1.143_292, -0.479_443, -1.982_396,
            -0.065_422, 2.293_547, 0.404_803, -1.147_607, 1.051_955, 4.646_625, 2.62305, -3.014_448, -0.752_259,
            1.057_963, -3.141_562, -0.948_388, 1.028_743, -1.629_438, -4.769_643,
        ];
        let cases: [(usize, usize, &[f32], f32); 2] = [(2, 11, &two, 4.047_989), (4, 31, &four, 4.126_878)];
        for (factor, every, values, mean_square) in cases {
            let ink = Ink { channels: 4, blocks: 2, factor };
            let architecture = Architecture { base: [3, 5], ink: Some(ink), ..Architecture::plain(2, 2, &[1]) };
            let mut model = ModelFile::random(architecture, Seed(1)).unwrap();
            for (salt, (name, input, output)) in ink.convs().into_iter().enumerate() {
                model.tensors.get_mut(&format!("{name}.weight")).unwrap().data = ruled(9 * input * output, salt, 0.4);
                model.tensors.get_mut(&format!("{name}.bias")).unwrap().data = ruled(output, salt + 7, 0.2);
            }
            let found = redraw(&model, ink, &ruled(3 * 15, 3, 1.3));
            assert_eq!(found.len(), 3 * 15 * factor * factor);
            assert_eq!(found.len().div_ceil(every), values.len());
            for (found, value) in found.iter().step_by(every).zip(values) {
                assert!((found - value).abs() < 2e-5, "{factor}: {found} {value}");
            }
            let mean = found.iter().map(|v| v * v).sum::<f32>() / found.len() as f32;
            assert!((mean - mean_square).abs() < 1e-4, "{factor}: {mean}");
        }
    }
}
