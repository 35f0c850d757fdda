//! NVIDIA's `StyleGAN2` as a state dictionary (`G_ema.state_dict()`), whose modules' attributes are lost: the values that all of
//! NVIDIA's configurations have are taken for them, and said.

use synth::LabelNorm;

use crate::error::Error;
use crate::network::{ForeignGenerator, Origin, Parts};
use crate::state::State;
use crate::{check_filter, fan_in_gain};

/// Learning rate of the mapping network relative to the rest, in every configuration of stylegan2-ada-pytorch.
const MAPPING_RATE: f32 = 0.01;

/// Makes a network of the weights.
pub(crate) fn read(state: &mut State, mut parts: Parts) -> Result<ForeignGenerator, Error> {
    parts.origin = Some(Origin::NvidiaTorch);
    parts.notes.push(
        "a state dictionary without its settings: leaky ReLU, a mapping network at rate 0.01 and no clamping are assumed".into(),
    );
    mapping(state, &mut parts)?;
    for block in 0..24 {
        let name = format!("synthesis.b{}", 4_u64 << block);
        if block > 0 && !state.has_any(&format!("{name}.")) {
            break;
        }
        if block == 0 {
            parts.put("synthesis.b4.const", state.weight("synthesis.b4.const")?);
        } else {
            conv(state, &format!("{name}.conv0"), &mut parts)?;
        }
        conv(state, &format!("{name}.conv1"), &mut parts)?;
        filter(state, &name)?;
        let torgb = format!("{name}.torgb");
        affine(state, &torgb, &mut parts)?;
        let weight = state.weight(&format!("{torgb}.weight"))?;
        let (gain, bias) = (fan_in_gain(&weight), state.weight(&format!("{torgb}.bias"))?);
        parts.put_colours(&torgb, weight.scaled(gain), bias)?;
    }
    state.finish()?;
    parts.assemble()
}

fn mapping(state: &mut State, parts: &mut Parts) -> Result<(), Error> {
    if state.has("mapping.embed.weight") {
        parts.labels = Some(LabelNorm::Apart);
        dense(state, "mapping.embed", 1.0, parts)?;
    }
    for layer in 0..64 {
        let name = format!("mapping.fc{layer}");
        if !state.has(&format!("{name}.weight")) {
            break;
        }
        dense(state, &name, MAPPING_RATE, parts)?;
    }
    match state.take("mapping.w_avg")? {
        Some(mean) => parts.put("mapping.w_avg", mean),
        None => parts.notes.push(crate::no_w_avg()),
    }
    Ok(())
}

fn dense(state: &mut State, name: &str, rate: f32, parts: &mut Parts) -> Result<(), Error> {
    let weight = state.weight(&format!("{name}.weight"))?;
    let gain = rate * fan_in_gain(&weight);
    parts.put(format!("{name}.weight"), weight.scaled(gain));
    parts.put(format!("{name}.bias"), state.weight(&format!("{name}.bias"))?.scaled(rate));
    Ok(())
}

fn affine(state: &mut State, name: &str, parts: &mut Parts) -> Result<(), Error> {
    dense(state, &format!("{name}.affine"), 1.0, parts)
}

/// A modulated convolution. Demodulation takes any gain away, so the weights stay as they are.
fn conv(state: &mut State, name: &str, parts: &mut Parts) -> Result<(), Error> {
    affine(state, name, parts)?;
    for part in ["weight", "bias"] {
        parts.put(format!("{name}.{part}"), state.weight(&format!("{name}.{part}"))?);
    }
    if let Some(strength) = state.take(&format!("{name}.noise_strength"))? {
        parts.put(format!("{name}.noise_strength"), strength.squeezed(0));
    }
    if let Some(noise) = state.take(&format!("{name}.noise_const"))? {
        parts.put(format!("{name}.noise_const"), noise);
    }
    filter(state, name)
}

fn filter(state: &mut State, name: &str) -> Result<(), Error> {
    state.take(&format!("{name}.resample_filter"))?.map_or(Ok(()), |filter| check_filter(&filter))
}
