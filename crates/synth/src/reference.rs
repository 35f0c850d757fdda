//! The forward pass written for the eye: planar arrays, plain loops, no SIMD.
//!
//! It defines what a picture is; the fast path in [`crate::Generator`] is tested against it. Notation: `x` is
//! [C, H, W] of one picture, `lrelu(v) = sqrt 2 * max(v, 0.2 v)`. The layers are those of Karras et al., "Analyzing and
//! Improving the Image Quality of `StyleGAN`" (2020), section 2.2, with the choices of [`Architecture`].

use crate::architecture::{Architecture, ConvPlan, NoiseInputs, Upsample};
use crate::model::{ModelError, ModelFile};
use crate::{Psi, Seed, latent};

/// A planar activation: `channels` planes of `height * width`.
struct Planes {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<f32>,
}

impl Planes {
    fn zeros(channels: usize, height: usize, width: usize) -> Self {
        Planes { channels, height, width, data: vec![0.0; channels * height * width] }
    }

    /// The value at a place that may lie outside, where everything is zero.
    fn at(&self, channel: usize, y: isize, x: isize) -> f32 {
        if (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x) {
            self.data[(channel * self.height + y as usize) * self.width + x as usize]
        } else {
            0.0
        }
    }
}

/// `w` of a seed: z, normalised if the architecture says so, through the mapping network.
///
/// # Errors
/// The model is not valid.
pub fn w(model: &ModelFile, seed: Seed) -> Result<Vec<f32>, ModelError> {
    model.check()?;
    let architecture = &model.architecture;
    let mut x = latent::z(seed, architecture.z_dim);
    if architecture.normalize_z {
        let mean = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
        let scale = (mean + 1e-8).sqrt().recip();
        for v in &mut x {
            *v *= scale;
        }
    }
    for layer in 0..architecture.mapping_layers {
        let name = format!("mapping.fc{layer}");
        x = affine(model, &name, &x).into_iter().map(lrelu).collect();
    }
    Ok(x)
}

/// `w' = w_avg + psi (w - w_avg)`.
pub(crate) fn truncate(w: &mut [f32], w_avg: &[f32], psi: Psi) {
    for (w, &mean) in w.iter_mut().zip(w_avg) {
        *w = mean + psi.get() * (*w - mean);
    }
}

/// The raw picture, planar [3, H, W], about -1 to 1, of `w`; `seed` matters only to noise.
///
/// # Errors
/// The model is not valid.
///
/// # Panics
/// If `w` is not `w_dim` long.
pub fn synthesize(model: &ModelFile, w: &[f32], seed: Seed) -> Result<Vec<f32>, ModelError> {
    model.check()?;
    let architecture = &model.architecture;
    assert_eq!(w.len(), architecture.w_dim, "w must hold w_dim values");
    let [height, width] = architecture.base;
    let mut x =
        Planes { channels: architecture.channels[0], height, width, data: model.values("synthesis.b4.const").to_vec() };
    let mut picture: Option<Planes> = None;
    let mut convs = architecture.convs().into_iter().enumerate();
    for block in 0..architecture.channels.len() {
        for (index, conv) in convs.by_ref().take(if block == 0 { 1 } else { 2 }) {
            x = modulated_conv(model, &conv, index, &x, w, seed);
        }
        let mut rgb = to_rgb(model, block, &x, w);
        if let Some(coarse) = picture {
            let finer = match architecture.upsample {
                Upsample::StyleGan2 => upsample(&coarse, Edge::Zero),
                Upsample::UpConv | Upsample::ConvUp => upsample(&coarse, Edge::Replicate),
            };
            rgb.data.iter_mut().zip(finer.data).for_each(|(a, b)| *a += b);
        }
        picture = Some(rgb);
    }
    Ok(picture.map_or_else(Vec::new, |picture| picture.data))
}

/// One 3x3 convolution with everything around it, doubling the size if `conv.doubles`.
fn modulated_conv(model: &ModelFile, conv: &ConvPlan, index: usize, x: &Planes, w: &[f32], seed: Seed) -> Planes {
    let weight = model.values(&format!("{}.weight", conv.name));
    let styles = affine(model, &format!("{}.affine", conv.name), w);
    let x = scaled(x, &styles);
    let demodulate = demodulation(weight, &styles);
    let mut y = match (conv.doubles, model.architecture.upsample) {
        (false, _) => conv3x3(&x, weight, conv.output),
        (true, Upsample::UpConv) => conv3x3(&upsample(&x, Edge::Replicate), weight, conv.output),
        (true, Upsample::ConvUp) => upsample(&conv3x3(&x, weight, conv.output), Edge::Replicate),
        (true, Upsample::StyleGan2) => transposed_conv(&x, weight, conv.output),
    };
    let (noise, strength) = noise(model, conv, index, seed);
    let bias = model.values(&format!("{}.bias", conv.name));
    let area = y.height * y.width;
    for (o, plane) in y.data.chunks_mut(area).enumerate() {
        for (value, noise) in plane.iter_mut().zip(&noise) {
            *value = clamp(&model.architecture, lrelu(*value * demodulate[o] + strength * noise + bias[o]));
        }
    }
    y
}

/// `d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8)`.
fn demodulation(weight: &[f32], styles: &[f32]) -> Vec<f32> {
    let of_output = |kernel: &[f32]| {
        let taps = kernel.chunks(9).zip(styles);
        let energy: f32 = taps.map(|(taps, s)| s * s * taps.iter().map(|v| v * v).sum::<f32>()).sum();
        (energy + 1e-8).sqrt().recip()
    };
    weight.chunks(9 * styles.len()).map(of_output).collect()
}

/// Noise [H, W] of a layer and its strength: stored noise if the file has it, the seed's otherwise.
fn noise(model: &ModelFile, conv: &ConvPlan, index: usize, seed: Seed) -> (Vec<f32>, f32) {
    let mut noise = vec![0.0; conv.size.0 * conv.size.1];
    if model.architecture.noise == NoiseInputs::None {
        return (noise, 0.0);
    }
    match model.tensors.get(&format!("{}.noise_const", conv.name)) {
        Some(stored) => noise.copy_from_slice(&stored.data),
        None => latent::normal(seed, 1 + index as u32, &mut noise),
    }
    (noise, model.values(&format!("{}.noise_strength", conv.name))[0])
}

/// 1x1 convolution to three channels: modulated, not demodulated.
fn to_rgb(model: &ModelFile, block: usize, x: &Planes, w: &[f32]) -> Planes {
    let name = format!("synthesis.b{}.torgb", 4 << block);
    let styles = affine(model, &format!("{name}.affine"), w);
    let x = scaled(x, &styles);
    let mut y = Planes::zeros(3, x.height, x.width);
    let area = y.height * y.width;
    let weight = model.values(&format!("{name}.weight")).chunks(x.channels);
    for ((plane, weight), &bias) in y.data.chunks_mut(area).zip(weight).zip(model.values(&format!("{name}.bias"))) {
        for (input, &weight) in x.data.chunks(area).zip(weight) {
            plane.iter_mut().zip(input).for_each(|(y, &x)| *y += weight * x);
        }
        for v in plane {
            *v = clamp(&model.architecture, *v + bias);
        }
    }
    y
}

/// 3x3 convolution (cross-correlation) with zeros outside; weight [Cout, Cin, 3, 3].
fn conv3x3(x: &Planes, weight: &[f32], output: usize) -> Planes {
    let (h, w) = (x.height, x.width);
    // A border of zeros spares the inner loop every question about the edge.
    let pitch = w + 2;
    let mut padded = vec![0.0; x.channels * (h + 2) * pitch];
    for (index, row) in x.data.chunks(w).enumerate() {
        let start = (index / h * (h + 2) + index % h + 1) * pitch + 1;
        padded[start..start + w].copy_from_slice(row);
    }
    let mut y = Planes::zeros(output, h, w);
    for (o, plane) in y.data.chunks_mut(h * w).enumerate() {
        for (i, input) in padded.chunks((h + 2) * pitch).enumerate() {
            let taps = &weight[(o * x.channels + i) * 9..][..9];
            for (tap, &value) in taps.iter().enumerate() {
                for (row, out) in plane.chunks_mut(w).enumerate() {
                    let shifted = &input[(row + tap / 3) * pitch + tap % 3..][..w];
                    out.iter_mut().zip(shifted).for_each(|(y, &x)| *y += value * x);
                }
            }
        }
    }
    y
}

/// `StyleGAN2`'s doubling: transposed convolution with stride 2, then [1, 3, 3, 1] in both directions with gain 4.
fn transposed_conv(x: &Planes, weight: &[f32], output: usize) -> Planes {
    let (h, w) = (2 * x.height + 1, 2 * x.width + 1);
    let mut spread = Planes::zeros(output, h, w);
    for (o, plane) in spread.data.chunks_mut(h * w).enumerate() {
        for (i, input) in x.data.chunks(x.height * x.width).enumerate() {
            let taps = &weight[(o * x.channels + i) * 9..][..9];
            for (place, &value) in input.iter().enumerate() {
                let corner = (2 * (place / x.width)) * w + 2 * (place % x.width);
                for (tap, &weight) in taps.iter().enumerate() {
                    plane[corner + tap / 3 * w + tap % 3] += value * weight;
                }
            }
        }
    }
    let filter = [0.25_f32, 0.75, 0.75, 0.25];
    let mut y = Planes::zeros(output, 2 * x.height, 2 * x.width);
    let (h, w) = (y.height, y.width);
    for (place, out) in y.data.iter_mut().enumerate() {
        let (o, row, column) = (place / (h * w), (place / w % h) as isize, (place % w) as isize);
        for (dy, fy) in (-1..).zip(filter) {
            for (dx, fx) in (-1..).zip(filter) {
                *out += fy * fx * spread.at(o, row + dy, column + dx);
            }
        }
    }
    y
}

/// What lies outside a picture that is upsampled.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Replicate,
    Zero,
}

/// Doubles height and width: each new value is 3/4 of the nearest old one and 1/4 of the next, in both directions.
fn upsample(x: &Planes, edge: Edge) -> Planes {
    let mut y = Planes::zeros(x.channels, 2 * x.height, 2 * x.width);
    let (h, w) = (y.height as isize, y.width as isize);
    let inside = |v: isize, end: usize| if edge == Edge::Replicate { v.clamp(0, end as isize - 1) } else { v };
    for (place, out) in y.data.iter_mut().enumerate() {
        let place = place as isize;
        let (channel, row, column) = ((place / (h * w)) as usize, place / w % h, place % w);
        let near = (row / 2, column / 2);
        // Even places lean towards the previous value, odd ones towards the next.
        let far = (inside(near.0 - 1 + row % 2 * 2, x.height), inside(near.1 - 1 + column % 2 * 2, x.width));
        *out = 0.5625 * x.at(channel, near.0, near.1)
            + 0.1875 * (x.at(channel, near.0, far.1) + x.at(channel, far.0, near.1))
            + 0.0625 * x.at(channel, far.0, far.1);
    }
    y
}

/// `A w + a` for the tensors `{name}.weight` and `{name}.bias`.
fn affine(model: &ModelFile, name: &str, x: &[f32]) -> Vec<f32> {
    let rows = model.values(&format!("{name}.weight")).chunks(x.len());
    let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
    rows.zip(model.values(&format!("{name}.bias"))).map(|(row, bias)| dot(row) + bias).collect()
}

fn scaled(x: &Planes, styles: &[f32]) -> Planes {
    let planes = x.data.chunks(x.height * x.width).zip(styles);
    let data = planes.flat_map(|(plane, &s)| plane.iter().map(move |v| v * s)).collect();
    Planes { data, ..*x }
}

fn lrelu(v: f32) -> f32 {
    std::f32::consts::SQRT_2 * v.max(0.2 * v)
}

fn clamp(architecture: &Architecture, v: f32) -> f32 {
    architecture.conv_clamp.map_or(v, |bound| v.clamp(-bound, bound))
}
