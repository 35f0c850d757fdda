//! The forward pass written for the eye: planar arrays, plain loops, no SIMD.
//!
//! It defines what a picture is; the fast path in [`crate::Generator`] is tested against it. Notation: `x` is
//! [C, H, W] of one picture, `lrelu(v) = sqrt 2 * max(v, 0.2 v)`. The layers are those of Karras et al., "Analyzing and
//! Improving the Image Quality of `StyleGAN`" (2020), section 2.2, with the choices of [`Architecture`].

use kernels::{Edge, reference};

use crate::formula::{GAIN, SLOPE, normalise};
use crate::latent::selector::{Candidates, Selector};
use crate::model::ConvPlan;
use crate::{Architecture, Ink, LabelNorm, ModelError, ModelFile, Seed, Upsample, latent};

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
        x.extend(&model.class_embeddings()[class * labels.features..][..labels.features]);
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

/// `w' = w_avg + psi (w - w_avg)`, in place.
pub fn truncate(w: &mut [f32], w_avg: &[f32], psi: f32) {
    for (w, &mean) in w.iter_mut().zip(w_avg) {
        *w = mean + psi * (*w - mean);
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
            let doubled = reference::upsample2x(&picture, [height / 2, width / 2], edge);
            rgb.iter_mut().zip(doubled).for_each(|(v, coarse)| *v += coarse);
        }
        picture = rgb;
    }
    Ok(match architecture.ink {
        Some(ink) => redraw(model, Ink::INK, ink, architecture.composed(), &picture),
        None => picture,
    })
}

/// What the model's lens makes of its raw picture, planar [3, H, W]: [3, factor H, factor W]; nothing without one.
///
/// # Errors
/// The model is not valid.
///
/// # Panics
/// If the picture is of another size than [`Architecture::resolution`].
pub fn magnify(model: &ModelFile, picture: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
    model.check()?;
    let size = model.architecture.resolution();
    assert_eq!(picture.len(), 3 * size.0 * size.1, "a picture is [3, H, W]");
    Ok(model.architecture.lens.map(|lens| redraw(model, Ink::LENS, lens, size, picture)))
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
        (false, _) => reference::conv3x3(&x, fine, weight, *output),
        (true, Upsample::UpConv) => {
            reference::conv3x3(&reference::upsample2x(&x, coarse, Edge::Replicate), fine, weight, *output)
        }
        (true, Upsample::ConvUp) => {
            reference::upsample2x(&reference::conv3x3(&x, coarse, weight, *output), coarse, Edge::Replicate)
        }
        (true, Upsample::StyleGan2) => reference::doubling_conv3x3(&x, coarse, weight, *output),
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
    let y = reference::conv1x1(&scaled(x, &styles), x.len() / styles.len(), weight, bias);
    y.into_iter().map(|v| clamp(&model.architecture, v)).collect()
}

/// A picture, planar [3, H, W], as the [`Ink`] called `network` redraws it, [3, factor H, factor W]: the definition, for the eye.
fn redraw(model: &ModelFile, network: &str, ink: Ink, (height, width): (usize, usize), picture: &[f32]) -> Vec<f32> {
    let bounded: Vec<f32> = picture.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
    let mut x = bounded.clone();
    x.extend((0..height * width).map(|pixel| Ink::place(pixel % width, width)));
    x.extend((0..height * width).map(|pixel| Ink::place(pixel / width, height)));
    let conv = |x: &[f32], name: &str| {
        let bias = model.values(&format!("{name}.bias"));
        let mut y = reference::conv3x3(x, [height, width], model.values(&format!("{name}.weight")), bias.len());
        y.iter_mut().enumerate().for_each(|(index, v)| *v += bias[index / (height * width)]);
        y
    };
    let l = |x: Vec<f32>| -> Vec<f32> { x.into_iter().map(|v| v.max(SLOPE * v)).collect() };
    let mut y = l(conv(&x, &format!("{network}.conv_in")));
    for block in 0..ink.blocks {
        let inner = l(conv(&y, &format!("{network}.b{block}.conv0")));
        let residual = l(conv(&inner, &format!("{network}.b{block}.conv1")));
        y.iter_mut().zip(residual).for_each(|(y, v)| *y += v);
    }
    let fine = conv(&y, &format!("{network}.conv_out"));
    reference::enlarge(&bounded, &fine, [height, width], ink.factor)
}

/// `A w + a` for the tensors `{name}.weight` and `{name}.bias`.
fn affine(model: &ModelFile, name: &str, x: &[f32]) -> Vec<f32> {
    reference::linear(model.values(&format!("{name}.weight")), model.values(&format!("{name}.bias")), x)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            for (salt, (name, input, output)) in ink.convs(Ink::INK).into_iter().enumerate() {
                model.tensors.get_mut(&format!("{name}.weight")).unwrap().data = ruled(9 * input * output, salt, 0.4);
                model.tensors.get_mut(&format!("{name}.bias")).unwrap().data = ruled(output, salt + 7, 0.2);
            }
            let found = redraw(&model, Ink::INK, ink, (3, 5), &ruled(3 * 15, 3, 1.3));
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
