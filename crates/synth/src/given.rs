//! Latent vectors from outside: the `z` of a seed as numbers, and the `w` of a `z` that somebody sends.

use kernels::Crew;

use crate::generator::Noise;
use crate::mapper::Mapper;
use crate::selection::Candidates;
use crate::{Generator, NoiseMode, Seed};

impl Generator {
    /// `z` of a seed as it enters the network, before any normalisation: `z_dim` values.
    pub fn z(&self, seed: Seed) -> Vec<f32> {
        let mut z = vec![0.0; self.architecture().z_dim];
        self.fill_z(seed, &mut z, &mut Candidates::default());
        z
    }

    /// The same into `z`: the only one that the seed offers, or the best of several.
    pub(crate) fn fill_z(&self, seed: Seed, z: &mut [f32], memory: &mut Candidates) {
        let fill = |candidate, z: &mut [f32]| self.variation().z(seed, candidate, z);
        match &self.selector {
            Some(selector) => selector.choose(memory, z, fill),
            None => fill(0, z),
        }
    }

    /// `w` of a `z`, before truncation: `w_dim` values. A model with classes takes the class of seed 0.
    ///
    /// # Panics
    /// If `z` is not `z_dim` long.
    pub fn w_of_z(&self, z: &[f32]) -> Vec<f32> {
        Mapper::new(self).map_z(self, &Crew::alone(self.isa), z).to_vec()
    }

    /// For each convolution the noise [height, width] that a seed's picture wears, before the layer's strength; `None` where there
    /// is none.
    pub fn noise(&self, seed: Seed) -> Vec<Option<Vec<f32>>> {
        let layers = self.blocks.iter().flat_map(|block| &block.convs);
        let of = |noise: &Noise| {
            let mut values = vec![0.0; noise.area];
            noise.fill(self, Some(seed), &mut values);
            values
        };
        let wanted = self.variation().noise != NoiseMode::None;
        layers.map(|conv| conv.noise.as_ref().filter(|_| wanted).map(of)).collect()
    }

    /// How many rows of `w_dim` values `w` is: 1, for all layers, or one for each convolution; `None` for any other length.
    pub fn rows(&self, w: &[f32]) -> Option<usize> {
        let rows = w.len() / self.architecture().w_dim;
        let whole = w.len().is_multiple_of(self.architecture().w_dim);
        (whole && (rows == 1 || rows == self.layers())).then_some(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Architecture, ModelFile, NoiseInputs, Styles, Tensor, Upsample, Variation};

    #[test]
    fn a_z_taken_out_and_given_back_is_the_same_w() {
        let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 8, &[8, 8]) };
        let generator = Generator::new(&ModelFile::random(architecture, Seed(1)).unwrap()).unwrap();
        assert_eq!(generator.w_of_z(&generator.z(Seed(42))), generator.w(Seed(42)));
    }

    #[test]
    fn rows_rule_their_own_convolutions() {
        let model = ModelFile::random(Architecture::plain(8, 8, &[8, 8, 8]), Seed(1)).unwrap();
        let generator = Arc::new(Generator::new(&model).unwrap());
        let (coarse, fine) = (generator.w(Seed(1)), generator.w(Seed(2)));
        let mut worker = generator.worker();
        let same = coarse.repeat(5);
        assert_eq!(worker.draw_w(&same, None), worker.draw_w(&coarse, None));
        let mixed = [coarse.repeat(3), fine.repeat(2)].concat();
        let styles = Styles { w: coarse.clone(), fine: Some((3, fine)) };
        assert_eq!(Some(worker.draw_w(&mixed, None)), worker.draw_styles(&styles, None, &|| false));
        assert_ne!(worker.draw_w(&mixed, None), worker.draw_w(&coarse, None));
        let all = [1, 2, 3, 4, 5].map(|seed| generator.w(Seed(seed))).concat();
        let raw = crate::reference::synthesize(&model, &all, Seed(0)).unwrap();
        let drawn = worker.draw_w(&all, None);
        for (i, byte) in drawn.rgb.iter().enumerate() {
            let v = raw[i % 3 * 256 + i / 3];
            assert!((f32::from(*byte) - (127.5 * v + 127.5).clamp(0.0, 255.0)).abs() <= 1.0, "{byte} {v}");
        }
        assert_eq!([5, 1, 4].map(|rows| generator.rows(&coarse.repeat(rows))), [Some(5), Some(1), None]);
        assert_eq!(generator.rows(&same[1..]), None);
    }

    #[test]
    fn noise_is_that_of_the_picture() {
        let architecture = Architecture { noise: NoiseInputs::Coarse, ..Architecture::plain(8, 8, &[8, 8, 8, 8]) };
        let mut model = ModelFile::random(architecture, Seed(1)).unwrap();
        let stored = Tensor { shape: vec![8, 8], data: (0..64_u8).map(f32::from).collect() };
        model.tensors.insert("synthesis.b8.conv1.noise_const".into(), stored.clone());
        let mut generator = Generator::new(&model).unwrap();
        let noise = generator.noise(Seed(5));
        assert_eq!(noise.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, true, true, true, false, false]);
        assert_eq!(noise[2].as_ref(), Some(&stored.data));
        let mut own = vec![0.0; 64];
        crate::latent::normal(Seed(5), 2, &mut own);
        assert_eq!(noise[1], Some(own));
        generator = generator.with_variation(Variation { noise: NoiseMode::None, ..Variation::default() }).unwrap();
        assert!(generator.noise(Seed(5)).iter().all(Option::is_none));
    }
}
