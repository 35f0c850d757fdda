//! From the tensors of a model to the layers of a [`Generator`](crate::Generator).

use std::borrow::Cow;
use std::ops::Range;

use kernels::{Conv3x3, Linear, Method, padded};

use crate::architecture::{Architecture, ConvPlan, Upsample};
use crate::generator::{Conv, GAIN, Noise, RgbLayer};
use crate::model::ModelFile;

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
pub(crate) struct Styles {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Styles {
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
    styles: &mut Styles,
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

pub(crate) fn rgb(weights: &mut Weights<'_>, block: usize, channels: usize, styles: &mut Styles) -> RgbLayer {
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
