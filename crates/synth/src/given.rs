//! Latent vectors from outside: the `z` of a seed as numbers, and the `w` of a `z` that somebody sends.

use kernels::Crew;

use crate::mapper::Mapper;
use crate::{Generator, Seed};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, ModelFile, Upsample};

    #[test]
    fn a_z_taken_out_and_given_back_is_the_same_w() {
        let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 8, &[8, 8]) };
        let generator = Generator::new(&ModelFile::random(architecture, Seed(1)).unwrap()).unwrap();
        assert_eq!(generator.w_of_z(&generator.z(Seed(42))), generator.w(Seed(42)));
    }
}
