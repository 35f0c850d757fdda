//! Latent vectors from outside: `z` and `w` of a seed as numbers, and pictures of numbers that somebody sends.

use kernels::Crew;

use crate::mapper::Mapper;
use crate::reference::truncate;
use crate::{Generator, Psi, Seed, Styles};

impl Generator {
    /// `z` of a seed as it enters the network, before any normalisation: `z_dim` values.
    pub fn z(&self, seed: Seed) -> Vec<f32> {
        let mut z = vec![0.0; self.architecture().z_dim];
        self.variation().z(seed, &mut z);
        z
    }

    /// `w` of a `z`, before truncation: `w_dim` values. A model with classes takes the class of seed 0.
    ///
    /// # Panics
    /// If `z` is not `z_dim` long.
    pub fn w_of_z(&self, z: &[f32]) -> Vec<f32> {
        Mapper::new(self).map_z(self, &Crew::alone(self.isa), z).to_vec()
    }
}

impl Styles {
    /// The styles of a `w` before truncation, `w_dim` values: `w_avg + psi (w - w_avg)` in every layer.
    pub fn from_w(mut w: Vec<f32>, generator: &Generator, psi: Psi) -> Self {
        truncate(&mut w, generator.w_avg(), psi);
        Styles { w, fine: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Architecture, ModelFile, NoiseInputs, Recipe, Upsample};

    #[test]
    fn numbers_taken_out_and_given_back_are_the_same_picture() {
        let architecture = Architecture {
            z_dim: 16,
            w_dim: 8,
            mapping_layers: 2,
            normalize_z: true,
            base: [4, 4],
            channels: vec![8, 8],
            upsample: Upsample::UpConv,
            noise: NoiseInputs::None,
            conv_clamp: None,
            labels: None,
        };
        let generator = Arc::new(Generator::new(&ModelFile::random(architecture, Seed(1)).unwrap()).unwrap());
        let psi = Psi::new(0.7).unwrap();
        assert_eq!(generator.w_of_z(&generator.z(Seed(42))), generator.w(Seed(42)));
        let given = Styles::from_w(generator.w(Seed(42)), &generator, psi);
        let named = Recipe::from(Seed(42)).styles(&generator, psi);
        let mut worker = generator.worker();
        let never = || false;
        assert_eq!(worker.draw_styles(&given, None, &never), worker.draw_styles(&named, None, &never));
    }
}
