//! Weights of rosinality/stylegan2-pytorch by its names: those of its checkpoints and of encoders built on it (`decoder.`).

use crate::error::Error;
use crate::network::{ForeignGenerator, Origin, Parts};
use crate::state::State;
use crate::tensor::View;
use crate::{check_filter, fan_in_gain};

/// Learning rate of the mapping network relative to the rest; the code has no other.
const MAPPING_RATE: f32 = 0.01;

/// Makes a network of the weights and the mean of `w`, if the file has one.
pub(crate) fn read(state: &mut State, mean: Option<View>, mut parts: Parts) -> Result<ForeignGenerator, Error> {
    parts.origin = Some(Origin::Rosinality);
    weights(state, &mut parts)?;
    // Encoders built on it keep a mean for each layer, all the same; or this one under the name of the network.
    let mean = mean.map(|mean| match mean.shape() {
        [rows, _] if *rows > 0 => mean.narrowed(0, 1).squeezed(1),
        _ => mean.squeezed(1),
    });
    match mean.filter(|mean| mean.shape().len() == 1) {
        Some(mean) => parts.put("mapping.w_avg", mean),
        None => parts.notes.push(crate::no_w_avg()),
    }
    state.finish()?;
    parts.assemble()
}

fn weights(state: &mut State, parts: &mut Parts) -> Result<(), Error> {
    // Layer 0 of the sequence normalises z.
    for layer in 0..64 {
        let (theirs, ours) = (format!("style.{}", layer + 1), format!("mapping.fc{layer}"));
        if !state.has(&format!("{theirs}.weight")) {
            break;
        }
        let weight = state.weight(&format!("{theirs}.weight"))?;
        let gain = MAPPING_RATE * fan_in_gain(&weight);
        parts.put(format!("{ours}.weight"), weight.scaled(gain));
        parts.put(format!("{ours}.bias"), state.weight(&format!("{theirs}.bias"))?.scaled(MAPPING_RATE));
    }
    parts.put("synthesis.b4.const", state.weight("input.input")?.squeezed(3));
    conv(state, "conv1", "synthesis.b4.conv1", 0, parts)?;
    colours(state, "to_rgb1", "synthesis.b4.torgb", parts)?;
    for block in 1..24 {
        let (first, ours) = (2 * (block - 1), format!("synthesis.b{}", 4_u64 << block));
        if !state.has(&format!("convs.{first}.conv.weight")) {
            break;
        }
        conv(state, &format!("convs.{first}"), &format!("{ours}.conv0"), first + 1, parts)?;
        conv(state, &format!("convs.{}", first + 1), &format!("{ours}.conv1"), first + 2, parts)?;
        colours(state, &format!("to_rgbs.{}", block - 1), &format!("{ours}.torgb"), parts)?;
    }
    Ok(())
}

/// A styled convolution; `layer` counts the stored noise.
fn conv(state: &mut State, theirs: &str, ours: &str, layer: usize, parts: &mut Parts) -> Result<(), Error> {
    let weight = modulated(state, theirs, ours, parts)?;
    parts.put(format!("{ours}.weight"), weight);
    parts.put(format!("{ours}.bias"), state.weight(&format!("{theirs}.activate.bias"))?);
    parts.put(format!("{ours}.noise_strength"), state.weight(&format!("{theirs}.noise.weight"))?.squeezed(0));
    if let Some(noise) = state.take(&format!("noises.noise_{layer}"))? {
        parts.put(format!("{ours}.noise_const"), noise.squeezed(2));
    }
    Ok(())
}

fn colours(state: &mut State, theirs: &str, ours: &str, parts: &mut Parts) -> Result<(), Error> {
    let weight = modulated(state, theirs, ours, parts)?;
    let bias = state.weight(&format!("{theirs}.bias"))?;
    // [1, colours, 1, 1]
    let bias = if bias.shape().len() == 4 { bias.permuted(&[0, 2, 3, 1]).squeezed(1) } else { bias };
    if let Some(filter) = state.take(&format!("{theirs}.upsample.kernel"))? {
        check_filter(&filter)?;
    }
    parts.put_colours(ours, weight, bias)
}

/// The style's affine layer, and the weight times its gain.
fn modulated(state: &mut State, theirs: &str, ours: &str, parts: &mut Parts) -> Result<View, Error> {
    let affine = state.weight(&format!("{theirs}.conv.modulation.weight"))?;
    let gain = fan_in_gain(&affine);
    parts.put(format!("{ours}.affine.weight"), affine.scaled(gain));
    parts.put(format!("{ours}.affine.bias"), state.weight(&format!("{theirs}.conv.modulation.bias"))?);
    if let Some(filter) = state.take(&format!("{theirs}.conv.blur.kernel"))? {
        check_filter(&filter)?;
    }
    let weight = state.weight(&format!("{theirs}.conv.weight"))?.squeezed(4);
    let gain = fan_in_gain(&weight);
    Ok(weight.scaled(gain))
}
