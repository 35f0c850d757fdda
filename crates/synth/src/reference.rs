//! The forward pass written for the eye: planar arrays, plain loops, no SIMD.
//!
//! It defines what a picture is; the fast path in [`crate::Generator`] is tested against it. Notation: `x` is
//! [C, H, W] of one picture, `lrelu(v) = sqrt 2 * max(v, 0.2 v)`. The layers are those of Karras et al., "Analyzing and
//! Improving the Image Quality of `StyleGAN`" (2020), section 2.2, with the choices of [`Architecture`].

use kernels::{Edge, scalar};

use crate::architecture::{Architecture, ConvPlan, LabelNorm, Upsample};
use crate::generator::{GAIN, SLOPE};
use crate::model::{ModelError, ModelFile};
use crate::selection::{Candidates, Selector};
use crate::{Psi, Seed, latent};

/// `w` of a seed: z and, in a conditional model, the class that the seed chooses, through the mapping network.
///
/// # Errors
/// The model is not valid.
pub fn w(model: &ModelFile, seed: Seed) -> Result<Vec<f32>, ModelError> {
    model.check()?;
    let architecture = &model.architecture;
    let mut x = z(model, seed);
    if let Some(labels) = architecture.labels {
        let class = latent::class(seed, labels.classes);
        x.extend(&embeddings(model)[class * labels.features..][..labels.features]);
    }
    if architecture.normalize_z {
        let joined = architecture.labels.is_some_and(|labels| labels.normalize == LabelNorm::Joined);
        let end = if joined { x.len() } else { architecture.z_dim };
        normalise(&mut x[..end]);
    }
    for layer in 0..architecture.mapping_layers {
        x = affine(model, &format!("mapping.fc{layer}"), &x).into_iter().map(lrelu).collect();
    }
    Ok(x)
}

/// The `z` that a seed takes in a sound model.
fn z(model: &ModelFile, seed: Seed) -> Vec<f32> {
    let mut z = latent::z(seed, model.architecture.z_dim);
    if let Some(selector) = Selector::new(model) {
        let fill = |candidate, z: &mut [f32]| latent::candidate(seed, candidate, z);
        selector.choose(&mut Candidates::default(), &mut z, fill);
    }
    z
}

/// What each class puts behind `z`, [`classes`, `features`]: column k of the embedding plus its bias, divided by its own
/// root mean square if classes are normalised apart.
pub(crate) fn embeddings(model: &ModelFile) -> Vec<f32> {
    let Some(labels) = model.architecture.labels else { return Vec::new() };
    let (weight, bias) = (model.values("mapping.embed.weight"), model.values("mapping.embed.bias"));
    let mut table = Vec::with_capacity(labels.classes * labels.features);
    for class in 0..labels.classes {
        let start = table.len();
        table.extend(bias.iter().enumerate().map(|(i, bias)| weight[i * labels.classes + class] + bias));
        if labels.normalize == LabelNorm::Apart {
            normalise(&mut table[start..]);
        }
    }
    table
}

/// Divides by the root mean square, `x * rsqrt(mean(x^2) + 1e-8)`, in place.
pub(crate) fn normalise(x: &mut [f32]) {
    let mean = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
    let scale = (mean + 1e-8).sqrt().recip();
    for v in x {
        *v *= scale;
    }
}

/// `w' = w_avg + psi (w - w_avg)`, in place.
pub fn truncate(w: &mut [f32], w_avg: &[f32], psi: Psi) {
    for (w, &mean) in w.iter_mut().zip(w_avg) {
        *w = mean + psi.get() * (*w - mean);
    }
}

/// The raw picture, planar [3, H, W], about -1 to 1, of `w`: `w_dim` values, or as many for each convolution one behind the other,
/// where `toRGB` follows the convolution before it. `seed` matters only to noise.
///
/// # Errors
/// The model is not valid.
///
/// # Panics
/// If `w` is of neither length.
pub fn synthesize(model: &ModelFile, w: &[f32], seed: Seed) -> Result<Vec<f32>, ModelError> {
    model.check()?;
    let architecture = &model.architecture;
    let (length, layers) = (architecture.w_dim, architecture.convs().len());
    assert!(
        w.len() == length || w.len() == layers * length,
        "w must hold w_dim values, or as many for each convolution"
    );
    let of = |index: usize| &w[index.min(w.len() / length - 1) * length..][..length];
    let edge = if architecture.upsample == Upsample::StyleGan2 { Edge::Zero } else { Edge::Replicate };
    let mut x = model.values("synthesis.b4.const").to_vec();
    let mut picture = Vec::new();
    let mut convs = architecture.convs().into_iter().enumerate();
    for block in 0..architecture.channels.len() {
        for (index, conv) in convs.by_ref().take(if block == 0 { 1 } else { 2 }) {
            x = modulated_conv(model, &conv, index, &x, of(index), seed);
        }
        let (height, width) = architecture.block_size(block);
        let mut rgb = to_rgb(model, block, &x, of(2 * block));
        if block > 0 {
            let doubled = scalar::upsample2x(&picture, [height / 2, width / 2], edge);
            rgb.iter_mut().zip(doubled).for_each(|(v, coarse)| *v += coarse);
        }
        picture = rgb;
    }
    Ok(match architecture.ink {
        Some(ink) => crate::ink::redraw(model, ink, &picture),
        None => picture,
    })
}

/// One 3x3 convolution with everything around it, doubling the size if `conv.doubles`.
fn modulated_conv(model: &ModelFile, conv: &ConvPlan, index: usize, x: &[f32], w: &[f32], seed: Seed) -> Vec<f32> {
    let ConvPlan { name, input, output, size: (height, width), doubles } = conv;
    let (fine, coarse) = ([*height, *width], [height / 2, width / 2]);
    let weight = model.values(&format!("{name}.weight"));
    let styles = affine(model, &format!("{name}.affine"), w);
    let x = scaled(x, &styles);
    debug_assert_eq!(styles.len(), *input);
    let y = match (doubles, model.architecture.upsample) {
        (false, _) => scalar::conv3x3(&x, fine, weight, *output),
        (true, Upsample::UpConv) => {
            scalar::conv3x3(&scalar::upsample2x(&x, coarse, Edge::Replicate), fine, weight, *output)
        }
        (true, Upsample::ConvUp) => {
            scalar::upsample2x(&scalar::conv3x3(&x, coarse, weight, *output), coarse, Edge::Replicate)
        }
        (true, Upsample::StyleGan2) => scalar::doubling_conv3x3(&x, coarse, weight, *output),
    };
    let demodulation = demodulation(weight, &styles);
    let noise = noise(model, conv, index, seed);
    let bias = model.values(&format!("{name}.bias"));
    let area = height * width;
    let end = |(place, v): (usize, f32)| {
        let linear = v * demodulation[place / area] + noise[place % area] + bias[place / area];
        clamp(&model.architecture, lrelu(linear))
    };
    y.into_iter().enumerate().map(end).collect()
}

/// `d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8)`.
fn demodulation(weight: &[f32], styles: &[f32]) -> Vec<f32> {
    let of_output = |kernel: &[f32]| {
        let taps = kernel.chunks_exact(9).zip(styles);
        let energy: f32 = taps.map(|(taps, s)| s * s * taps.iter().map(|v| v * v).sum::<f32>()).sum();
        (energy + 1e-8).sqrt().recip()
    };
    weight.chunks_exact(9 * styles.len()).map(of_output).collect()
}

/// Noise [H, W] of a layer times its strength: stored noise if the file has it, the seed's otherwise.
fn noise(model: &ModelFile, conv: &ConvPlan, index: usize, seed: Seed) -> Vec<f32> {
    let mut noise = vec![0.0; conv.size.0 * conv.size.1];
    if model.architecture.noise.at(conv.size.0) {
        match model.tensors.get(&format!("{}.noise_const", conv.name)) {
            Some(stored) => noise.copy_from_slice(&stored.data),
            None => latent::normal(seed, 1 + index as u32, &mut noise),
        }
        let strength = model.values(&format!("{}.noise_strength", conv.name))[0];
        for v in &mut noise {
            *v *= strength;
        }
    }
    noise
}

/// 1x1 convolution to three channels: modulated, not demodulated.
fn to_rgb(model: &ModelFile, block: usize, x: &[f32], w: &[f32]) -> Vec<f32> {
    let name = format!("synthesis.b{}.torgb", 4 << block);
    let styles = affine(model, &format!("{name}.affine"), w);
    let (weight, bias) = (model.values(&format!("{name}.weight")), model.values(&format!("{name}.bias")));
    let y = scalar::conv1x1(&scaled(x, &styles), x.len() / styles.len(), weight, bias);
    y.into_iter().map(|v| clamp(&model.architecture, v)).collect()
}

/// `A w + a` for the tensors `{name}.weight` and `{name}.bias`.
fn affine(model: &ModelFile, name: &str, x: &[f32]) -> Vec<f32> {
    scalar::linear(model.values(&format!("{name}.weight")), model.values(&format!("{name}.bias")), x)
}

/// Each channel of [C, H, W] times its style.
fn scaled(x: &[f32], styles: &[f32]) -> Vec<f32> {
    let area = x.len() / styles.len();
    x.iter().enumerate().map(|(place, v)| v * styles[place / area]).collect()
}

fn lrelu(v: f32) -> f32 {
    GAIN * v.max(SLOPE * v)
}

fn clamp(architecture: &Architecture, v: f32) -> f32 {
    architecture.conv_clamp.map_or(v, |bound| v.clamp(-bound, bound))
}
