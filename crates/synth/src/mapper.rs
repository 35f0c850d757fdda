//! From a seed to `w`: the latent vector, its normalisation and the mapping network.

use crate::generator::{GAIN, SLOPE};
use crate::latent::{self, Z_STREAM};
use crate::{Generator, Seed};

/// Memory for the mapping network.
#[derive(Debug)]
pub(crate) struct Mapper {
    z: Vec<f32>,
    /// Inputs and outputs of the layers by turns; the outputs are padded to whole blocks.
    turns: [Vec<f32>; 2],
}

impl Mapper {
    pub(crate) fn new(generator: &Generator) -> Self {
        let widest = generator.mapping.iter().map(kernels::Linear::padded_output).max().unwrap_or(0);
        Mapper { z: vec![0.0; generator.architecture().z_dim], turns: [vec![0.0; widest], vec![0.0; widest]] }
    }

    /// `w` of a seed, before truncation.
    pub(crate) fn map(&mut self, generator: &Generator, seed: Seed) -> &[f32] {
        latent::normal(seed, Z_STREAM, &mut self.z);
        if generator.architecture().normalize_z {
            let mean = self.z.iter().map(|v| v * v).sum::<f32>() / self.z.len() as f32;
            let scale = (mean + 1e-8).sqrt().recip();
            for v in &mut self.z {
                *v *= scale;
            }
        }
        let [source, target] = &mut self.turns;
        for (index, layer) in generator.mapping.iter().enumerate() {
            let x = if index == 0 { &self.z } else { &source[..layer.input()] };
            let y = &mut target[..layer.padded_output()];
            layer.run(generator.isa, x, y);
            for v in y {
                *v = GAIN * v.max(SLOPE * *v);
            }
            std::mem::swap(source, target);
        }
        &source[..generator.architecture().w_dim]
    }
}
