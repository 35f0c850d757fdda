//! From a seed to `w`: the latent vector, the class, their normalisation and the mapping network.

use kernels::Crew;

use crate::formula::{GAIN, SLOPE, normalise};
use crate::latent::selector::Candidates;
use crate::{Architecture, Generator, LabelNorm, ModelError, ModelFile, NoiseInputs, Seed};

/// Memory for the mapping network.
#[derive(Debug)]
pub(crate) struct Mapper {
    /// `z`, and behind it the embedding of the class.
    z: Vec<f32>,
    /// Inputs and outputs of the layers by turns; the outputs are padded to whole blocks.
    turns: [Vec<f32>; 2],
    candidates: Candidates,
}

impl Mapper {
    pub(crate) fn new(generator: &Generator) -> Self {
        let widest = generator.mapping.iter().map(kernels::Linear::padded_output).max().unwrap_or(0);
        let input = generator.architecture().mapping_input();
        Mapper { z: vec![0.0; input], turns: [vec![0.0; widest], vec![0.0; widest]], candidates: Candidates::default() }
    }

    /// `w` of a seed, before truncation.
    pub(crate) fn map(&mut self, generator: &Generator, crew: &Crew, seed: Seed) -> &[f32] {
        generator.fill_z(seed, &mut self.z[..generator.architecture().z_dim], &mut self.candidates);
        self.run(generator, crew, seed)
    }

    /// `w` of a `z` of `z_dim` values, before truncation.
    pub(crate) fn map_z(&mut self, generator: &Generator, crew: &Crew, z: &[f32]) -> &[f32] {
        self.z[..generator.architecture().z_dim].copy_from_slice(z);
        self.run(generator, crew, Seed(0))
    }

    /// The network on the `z` that lies in `self`, with the class of a seed.
    fn run(&mut self, generator: &Generator, crew: &Crew, seed: Seed) -> &[f32] {
        let (architecture, variation) = (generator.architecture(), generator.variation());
        let (z, embedding) = self.z.split_at_mut(architecture.z_dim);
        if let Some(labels) = architecture.labels {
            let class = variation.class(seed, labels.classes);
            embedding.copy_from_slice(&generator.embeddings[class * labels.features..][..labels.features]);
        }
        if architecture.normalize_z {
            let joined = architecture.labels.is_some_and(|labels| labels.normalize == LabelNorm::Joined);
            normalise(if joined { &mut self.z } else { z });
        }
        let [source, target] = &mut self.turns;
        for (index, layer) in generator.mapping.iter().enumerate() {
            let x = if index == 0 { &self.z } else { &source[..layer.input()] };
            let y = &mut target[..layer.padded_output()];
            layer.run(crew, x, y);
            for v in y {
                *v = GAIN * v.max(SLOPE * *v);
            }
            std::mem::swap(source, target);
        }
        &source[..generator.architecture().w_dim]
    }
}

impl Generator {
    /// `w` of a seed, before truncation: `w_dim` values.
    pub fn w(&self, seed: Seed) -> Vec<f32> {
        let mut mapper = Mapper::new(self);
        mapper.map(self, &Crew::alone(self.isa), seed).to_vec()
    }

    /// `w` of the seeds 0 to `count` - 1, before truncation, one after the other.
    pub(crate) fn each_w(&self, count: u64, mut take: impl FnMut(&[f32])) {
        let (mut mapper, crew) = (Mapper::new(self), Crew::alone(self.isa));
        (0..count).for_each(|seed| take(mapper.map(self, &crew, Seed(seed))));
    }

    /// `z` of a seed as it enters the network, before any normalisation: `z_dim` values.
    pub fn z(&self, seed: Seed) -> Vec<f32> {
        let mut z = vec![0.0; self.architecture().z_dim];
        self.fill_z(seed, &mut z, &mut Candidates::default());
        z
    }

    /// [`Generator::z`] into `z`: the only one that the seed offers, or the best of several.
    pub(crate) fn fill_z(&self, seed: Seed, z: &mut [f32], memory: &mut Candidates) {
        let fill = |candidate, z: &mut [f32]| self.variation().z(seed, candidate, z);
        match &self.selector {
            Some(selector) => selector.choose(memory, z, fill),
            None => fill(0, z),
        }
    }

    /// What the network by which the model chooses among the `z` of a seed foretells of the picture of a `w`: more for better ones. `None` if it does
    /// not choose.
    ///
    /// # Panics
    /// If `w` is not `w_dim` long.
    pub fn foretold(&self, w: &[f32]) -> Option<f32> {
        assert_eq!(w.len(), self.architecture().w_dim, "w must hold w_dim values");
        self.selector.as_ref().map(|selector| selector.foretold(w))
    }

    /// `w` of a `z`, before truncation: `w_dim` values. A model with classes takes the class of seed 0.
    ///
    /// # Panics
    /// If `z` is not `z_dim` long.
    pub fn w_of_z(&self, z: &[f32]) -> Vec<f32> {
        Mapper::new(self).map_z(self, &Crew::alone(self.isa), z).to_vec()
    }
}

/// The mean of `w` over the seeds 0 to `samples` - 1, for models that come without one. Their `mapping.w_avg` and
/// everything but the mapping network is left unused.
///
/// # Errors
/// The model is not valid, or `TADNE_SIMD` names a set this machine lacks.
pub fn mean_w(model: &ModelFile, samples: usize) -> Result<Vec<f32>, ModelError> {
    // The same mapping network under the smallest synthesis network there is.
    let architecture =
        Architecture { base: [1, 1], channels: vec![1], noise: NoiseInputs::None, ..model.architecture.clone() };
    let mut small = ModelFile::random(architecture, Seed(0))?;
    for (name, tensor) in &mut small.tensors {
        if let Some(own) = model.tensors.get(name).filter(|_| name.starts_with("mapping.")) {
            tensor.clone_from(own);
        }
    }
    let generator = Generator::new(&small)?;
    let mut sum = vec![0.0_f64; model.architecture.w_dim];
    generator.each_w(samples as u64, |w| sum.iter_mut().zip(w).for_each(|(sum, w)| *sum += f64::from(*w)));
    Ok(sum.into_iter().map(|sum| (sum / samples.max(1) as f64) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Upsample;

    #[test]
    fn a_z_taken_out_and_given_back_is_the_same_w() {
        let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 8, &[8, 8]) };
        let generator = Generator::new(&ModelFile::random(architecture, Seed(1)).unwrap()).unwrap();
        assert_eq!(generator.w_of_z(&generator.z(Seed(42))), generator.w(Seed(42)));
    }
}
