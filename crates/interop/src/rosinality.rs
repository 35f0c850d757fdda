//! Checkpoints of rosinality/stylegan2-pytorch: state dictionaries under `g_ema` and `g`, perhaps `latent_avg`.

use std::collections::BTreeMap;

use crate::arrays::Arrays;
use crate::document::Document;
use crate::error::Error;
use crate::network::{Layout, Network, Parts};
use crate::tensor::View;
use crate::{Which, check_filter};

/// Learning rate of the mapping network relative to the rest; the code has no other.
const MAPPING_RATE: f32 = 0.01;

/// Whether the file holds networks of this kind.
pub(crate) fn is_one(document: &Document) -> bool {
    let pickle = document.pickle();
    ["g_ema", "g"].iter().any(|key| {
        pickle
            .entry(pickle.root(), key)
            .is_some_and(|id| ["input.input", "module.input.input"].iter().any(|name| pickle.entry(id, name).is_some()))
    })
}

/// Finds the generator.
pub(crate) fn find(document: &Document, which: Which) -> Result<Network, Error> {
    let pickle = document.pickle();
    let root = pickle.root();
    let name = which.pick("g_ema", "g");
    let mut parts =
        Parts { layout: Some(Layout::Rosinality), name: name.into(), normalize_z: true, ..Parts::default() };
    let Some(network) = pickle.entry(root, name) else {
        return Err(Error::Unknown(format!("the checkpoint holds no generator {name}")));
    };
    for &(key, _) in pickle.pairs(root).unwrap_or_default() {
        parts.dropped.extend(pickle.text(key).filter(|key| key != name && key != "latent_avg"));
    }
    let mut state = Arrays { document, all: BTreeMap::new() };
    for &(key, value) in pickle.pairs(network).unwrap_or_default() {
        if let Some(key) = pickle.text(key) {
            // Saved from a wrapper for several GPUs, every name begins with this.
            state.all.insert(key.strip_prefix("module.").unwrap_or(&key).to_owned(), value);
        }
    }
    read(&mut state, &mut parts)?;
    let mean = pickle.entry(root, "latent_avg").map(|id| document.array(id)).transpose()?.flatten();
    match mean.map(|mean| mean.squeezed(1)).filter(|mean| mean.shape().len() == 1) {
        Some(mean) => parts.put("mapping.w_avg", mean),
        None => parts.notes.push(crate::no_w_avg()),
    }
    match state.all.keys().next() {
        None => parts.assemble(),
        Some(other) => Err(Error::unsupported(format!("the network has a layer that is not StyleGAN2's: {other:?}"))),
    }
}

fn read(state: &mut Arrays<'_>, parts: &mut Parts) -> Result<(), Error> {
    // Layer 0 of the sequence normalises z.
    for layer in 0..64 {
        let (theirs, ours) = (format!("style.{}", layer + 1), format!("mapping.fc{layer}"));
        if !state.all.contains_key(&format!("{theirs}.weight")) {
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
        if !state.all.contains_key(&format!("convs.{first}.conv.weight")) {
            break;
        }
        conv(state, &format!("convs.{first}"), &format!("{ours}.conv0"), first + 1, parts)?;
        conv(state, &format!("convs.{}", first + 1), &format!("{ours}.conv1"), first + 2, parts)?;
        colours(state, &format!("to_rgbs.{}", block - 1), &format!("{ours}.torgb"), parts)?;
    }
    Ok(())
}

/// A styled convolution; `layer` counts the stored noise.
fn conv(state: &mut Arrays<'_>, theirs: &str, ours: &str, layer: usize, parts: &mut Parts) -> Result<(), Error> {
    let weight = modulated(state, theirs, ours, parts)?;
    parts.put(format!("{ours}.weight"), weight);
    parts.put(format!("{ours}.bias"), state.weight(&format!("{theirs}.activate.bias"))?);
    parts.put(format!("{ours}.noise_strength"), state.weight(&format!("{theirs}.noise.weight"))?.squeezed(0));
    if let Some(noise) = state.take(&format!("noises.noise_{layer}"))? {
        parts.put(format!("{ours}.noise_const"), noise.squeezed(2));
    }
    Ok(())
}

fn colours(state: &mut Arrays<'_>, theirs: &str, ours: &str, parts: &mut Parts) -> Result<(), Error> {
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
fn modulated(state: &mut Arrays<'_>, theirs: &str, ours: &str, parts: &mut Parts) -> Result<View, Error> {
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

/// `1 / sqrt(inputs)`.
fn fan_in_gain(weight: &View) -> f32 {
    (weight.shape().iter().skip(1).product::<usize>() as f32).sqrt().recip()
}
