//! The layers of a [`Generator`](crate::Generator), packed for the kernels from the tensors of a model.

use std::borrow::Cow;
use std::ops::Range;

use kernels::{Conv3x3, Linear, Method, padded};

use crate::formula::GAIN;
use crate::model::ConvPlan;
use crate::{Architecture, ModelFile, Upsample};

/// The layers of one resolution.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) convs: Vec<Conv>,
    pub(crate) rgb: RgbLayer,
    /// Bytes of one picture's activation.
    pub(crate) activation: usize,
}

impl Block {
    /// Whether its weights take much more memory than what a picture reads and writes in it.
    pub(crate) fn weighs_more_than_pictures(&self) -> bool {
        self.convs.iter().map(|conv| conv.kernel.bytes()).sum::<usize>() > 4 * self.activation
    }
}

/// A 3x3 convolution and what surrounds it.
#[derive(Debug)]
pub(crate) struct Conv {
    /// `synthesis.b8.conv0` and so on.
    pub(crate) name: String,
    pub(crate) kernel: Conv3x3,
    /// None if the size stays.
    pub(crate) doubles: Option<Upsample>,
    /// Where its style lies among all styles.
    pub(crate) style: Range<usize>,
    /// `sum_k W_oik^2`: times the squared style it gives the energy of each output channel.
    pub(crate) energy: Linear,
    /// Padded, times [`GAIN`].
    pub(crate) bias: Vec<f32>,
    pub(crate) noise: Option<Noise>,
}

/// Noise of a layer.
#[derive(Debug)]
pub(crate) struct Noise {
    /// Times [`GAIN`].
    pub(crate) strength: f32,
    /// The stream of random numbers that it is drawn from.
    pub(crate) stream: u32,
    /// Numbers of noise of the layers before.
    pub(crate) before: usize,
    /// Stored noise, which takes the place of the seed's.
    pub(crate) stored: Option<Vec<f32>>,
    /// Pixels.
    pub(crate) area: usize,
}

/// The 1x1 convolution to colours.
#[derive(Debug)]
pub(crate) struct RgbLayer {
    /// `synthesis.b8.torgb` and so on.
    pub(crate) name: String,
    /// [3, padded channels]
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: [f32; 3],
    pub(crate) style: Range<usize>,
}

/// A checked model whose weights are asked for once each.
pub(crate) enum Weights<'a> {
    /// It stays whole.
    Borrowed(&'a ModelFile),
    /// It gives each of them up.
    Owned(Box<ModelFile>),
}

impl<'a> Weights<'a> {
    pub(crate) fn model(&self) -> &ModelFile {
        match self {
            Weights::Borrowed(model) => model,
            Weights::Owned(model) => model,
        }
    }

    /// A tensor's values. The name must be one of the architecture's, and not have been asked for before.
    pub(crate) fn take(&mut self, name: &str) -> Cow<'a, [f32]> {
        match self {
            Weights::Borrowed(model) => Cow::Borrowed(model.values(name)),
            Weights::Owned(model) => {
                Cow::Owned(std::mem::take(&mut model.tensors.get_mut(name).expect("a checked model has it").data))
            }
        }
    }
}

/// Collects affine layers into one.
#[derive(Default)]
pub(crate) struct Affine {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Affine {
    /// Appends the tensors `{layer}.affine.*`, [channels, `w_dim`]; gives the place of their style.
    fn add(&mut self, weights: &mut Weights<'_>, layer: &str) -> Range<usize> {
        let start = self.bias.len();
        self.bias.extend_from_slice(&weights.take(&format!("{layer}.affine.bias")));
        let channels = self.bias.len() - start;
        let weight = weights.take(&format!("{layer}.affine.weight"));
        let w_dim = weight.len() / channels;
        self.weight.extend_from_slice(&weight);
        let end = start + padded(channels);
        self.weight.resize(end * w_dim, 0.0);
        self.bias.resize(end, 0.0);
        start..end
    }

    pub(crate) fn packed(self) -> Linear {
        Linear::new(&self.weight, &self.bias)
    }
}

pub(crate) fn conv(
    weights: &mut Weights<'_>,
    architecture: &Architecture,
    plan: &ConvPlan,
    styles: &mut Affine,
) -> Conv {
    let ConvPlan { name, input, output, size: (height, width), doubles } = plan;
    let upsample = architecture.upsample;
    let method = match (doubles, upsample) {
        (true, Upsample::ConvUp | Upsample::StyleGan2) => Method::for_size(height / 2, width / 2),
        _ => Method::for_size(*height, *width),
    };
    let weight = weights.take(&format!("{name}.weight"));
    let kernel = if *doubles && upsample == Upsample::StyleGan2 {
        Conv3x3::doubling(&weight, *output, *input, method)
    } else {
        Conv3x3::new(&weight, *output, *input, method)
    };
    let energy: Vec<f32> = weight.as_chunks::<9>().0.iter().map(|taps| taps.iter().map(|v| v * v).sum()).collect();
    drop(weight);
    let mut bias: Vec<f32> = weights.take(&format!("{name}.bias")).iter().map(|v| v * GAIN).collect();
    bias.resize(padded(*output), 0.0);
    Conv {
        name: name.clone(),
        kernel,
        doubles: doubles.then_some(upsample),
        style: styles.add(weights, name),
        energy: Linear::new(&energy, &vec![0.0; *output]),
        bias,
        noise: architecture.noise.at(plan.size.0).then(|| noise(weights, architecture, plan)),
    }
}

/// The noise of a convolution.
fn noise(weights: &mut Weights<'_>, architecture: &Architecture, plan: &ConvPlan) -> Noise {
    let convs = architecture.convs();
    let before: Vec<_> = convs.iter().take_while(|conv| conv.name != plan.name).collect();
    let stored = format!("{}.noise_const", plan.name);
    Noise {
        strength: GAIN * weights.take(&format!("{}.noise_strength", plan.name))[0],
        stream: 1 + before.len() as u32,
        before: before.iter().map(|conv| conv.size.0 * conv.size.1).sum(),
        stored: weights.model().tensors.contains_key(&stored).then(|| weights.take(&stored).into_owned()),
        area: plan.size.0 * plan.size.1,
    }
}

pub(crate) fn rgb(weights: &mut Weights<'_>, block: usize, channels: usize, styles: &mut Affine) -> RgbLayer {
    let name = format!("synthesis.b{}.torgb", 4 << block);
    let mut weight = vec![0.0; 3 * padded(channels)];
    let rows = weights.take(&format!("{name}.weight"));
    for (packed, row) in weight.chunks_exact_mut(padded(channels)).zip(rows.chunks_exact(channels)) {
        packed[..channels].copy_from_slice(row);
    }
    drop(rows);
    let bias = weights.take(&format!("{name}.bias"));
    let bias = [bias[0], bias[1], bias[2]];
    RgbLayer { weight, bias, style: styles.add(weights, &name), name }
}
