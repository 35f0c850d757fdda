//! Which `z` a seed takes, of several that it could: the one whose picture promises to be the best.
//!
//! A generator has latents whose pictures fall between two kinds, with one half of a pair of glasses or two hairlines. A discriminator
//! sees that in the picture; a small network that learnt to foretell the discriminator's verdict sees it in `w`, before anything is drawn.
//! A seed then offers several `z` and takes the one with the best verdict foretold (discriminator rejection sampling, arXiv 1810.06758, with a
//! fixed number of candidates and before drawing).
//!
//! The choice is made in plain loops, in an order that no instruction set changes: two machines that rounded differently would now and
//! then draw different pictures of one seed.

use crate::formula::{GAIN, SLOPE, normalise};
use crate::model::selection::MOST_LAYERS;
use crate::{ModelFile, Selection};

/// The mapping network and that which judges its `w`, as one.
#[derive(Debug)]
pub(crate) struct Selector {
    candidates: u32,
    /// Whether `z` is normalised first.
    normalize: bool,
    layers: Vec<Layer>,
    /// How many of them are the mapping network's.
    mapping: usize,
}

#[derive(Debug)]
struct Layer {
    /// [inputs, outputs]: the loop over outputs is the inner one.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Memory for a choice.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    z: Vec<f32>,
    turns: [Vec<f32>; 2],
}

impl Selector {
    /// From a checked model; none if it does not choose.
    pub(crate) fn new(model: &ModelFile) -> Option<Self> {
        let candidates = model.metadata.selection?.candidates;
        let mapping = (0..model.architecture.mapping_layers).map(|index| format!("mapping.fc{index}"));
        let layers = mapping.chain((0..MOST_LAYERS).map(Selection::layer)).map_while(|name| {
            let rows = &model.tensors.get(&format!("{name}.weight"))?.data;
            let bias = model.values(&format!("{name}.bias")).to_vec();
            let inputs = rows.len() / bias.len();
            let weight = (0..inputs).flat_map(|i| rows.iter().skip(i).step_by(inputs).copied()).collect();
            Some(Layer { weight, bias })
        });
        let (normalize, mapping) = (model.architecture.normalize_z, model.architecture.mapping_layers);
        Some(Self { candidates, normalize, layers: layers.collect(), mapping })
    }

    /// Fills `z` with the best candidate; `fill` gives each by its number. Of equal ones the first is taken.
    pub(crate) fn choose(&self, memory: &mut Candidates, z: &mut [f32], mut fill: impl FnMut(u32, &mut [f32])) {
        let mut best = f32::NEG_INFINITY;
        for candidate in 0..self.candidates {
            memory.z.resize(z.len(), 0.0);
            fill(candidate, &mut memory.z);
            let verdict = self.verdict(&memory.z, &mut memory.turns);
            if candidate == 0 || verdict > best {
                best = verdict;
                z.copy_from_slice(&memory.z);
            }
        }
    }

    /// What the network foretells of a `z`.
    fn verdict(&self, z: &[f32], [x, y]: &mut [Vec<f32>; 2]) -> f32 {
        x.clear();
        x.extend(z);
        if self.normalize {
            normalise(x);
        }
        Self::run(&self.layers, [x, y])
    }

    /// What it foretells of a `w`.
    pub(crate) fn foretold(&self, w: &[f32]) -> f32 {
        Self::run(&self.layers[self.mapping..], [&mut w.to_vec(), &mut Vec::new()])
    }

    /// The last output of some layers, with an activation before each but the first.
    fn run(layers: &[Layer], [x, y]: [&mut Vec<f32>; 2]) -> f32 {
        for (index, Layer { weight, bias }) in layers.iter().enumerate() {
            if index > 0 {
                for v in x.iter_mut() {
                    *v = GAIN * v.max(SLOPE * *v);
                }
            }
            y.clear();
            y.extend(bias);
            for (x, weights) in x.iter().zip(weight.chunks_exact(bias.len())) {
                // A product and a sum, rounded twice, everywhere.
                y.iter_mut().zip(weights).for_each(|(y, weight)| *y += x * weight);
            }
            std::mem::swap(x, y);
        }
        x.first().copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Architecture, Creativity, Generator, Seed, SeedStyle, Tensor, Variation, WeightDtype, latent, reference,
    };

    fn tensor(shape: &[usize], stream: u32) -> Tensor {
        let mut data = vec![0.0; shape.iter().product()];
        latent::normal(Seed(9), stream, &mut data);
        Tensor { shape: shape.to_vec(), data }
    }

    fn layers(shapes: &[[usize; 2]]) -> Vec<[Tensor; 2]> {
        let layer = |(i, &[outputs, inputs]): (usize, &[usize; 2])| {
            [tensor(&[outputs, inputs], 2 * i as u32), tensor(&[outputs], 2 * i as u32 + 1)]
        };
        shapes.iter().enumerate().map(layer).collect()
    }

    fn plain() -> ModelFile {
        ModelFile::random(Architecture::plain(6, 8, &[8, 8]), Seed(1)).unwrap()
    }

    fn choosing(candidates: u32) -> ModelFile {
        let mut model = plain();
        model.set_selection(Some((Selection { candidates }, layers(&[[5, 8], [1, 5]])))).unwrap();
        model
    }

    /// What the network says of a `w`, written for the eye.
    fn verdict(model: &ModelFile, w: &[f32]) -> f64 {
        let mut x: Vec<f64> = w.iter().map(|&v| v.into()).collect();
        for index in 0..2 {
            let of = |part: &str| &model.tensors[&format!("selection.fc{index}.{part}")].data;
            let sum = |(row, bias): (&[f32], &f32)| {
                row.iter().zip(&x).map(|(weight, x)| f64::from(*weight) * x).sum::<f64>() + f64::from(*bias)
            };
            let y: Vec<f64> = of("weight").chunks(x.len()).zip(of("bias")).map(sum).collect();
            x = y.into_iter().map(|v| if index == 0 { 2_f64.sqrt() * v.max(0.2 * v) } else { v }).collect();
        }
        x[0]
    }

    #[test]
    fn the_candidate_with_the_best_verdict_is_taken() {
        let (model, free) = (choosing(5), Generator::new(&plain()).unwrap());
        let generator = Generator::new(&model).unwrap();
        let mut later = 0;
        for seed in (0..200).map(Seed) {
            let offered = (0..5).map(|candidate| {
                let mut z = vec![0.0; 6];
                latent::candidate(seed, candidate, &mut z);
                z
            });
            let best = offered.max_by(|a, b| {
                let [a, b] = [a, b].map(|z| verdict(&model, &free.w_of_z(z)));
                a.total_cmp(&b)
            });
            assert_eq!(Some(generator.z(seed)), best, "{seed}");
            later += usize::from(best != Some(free.z(seed)));
        }
        for w in (0..20).map(|seed| free.w(Seed(seed))) {
            let foretold = f64::from(generator.foretold(&w).unwrap());
            assert!((foretold - verdict(&model, &w)).abs() < 1e-3, "{foretold}");
            assert_eq!(free.foretold(&w), None);
        }
        assert!((130..190).contains(&later), "four of five seeds take a later one, not {later} of 200");
    }

    #[test]
    fn every_way_to_a_picture_takes_the_same_candidate() {
        let model = choosing(7);
        let generator = Arc::new(Generator::new(&model).unwrap());
        let mut worker = generator.worker();
        for seed in (0..20).map(Seed) {
            let w = generator.w(seed);
            assert_eq!(w, generator.w_of_z(&generator.z(seed)));
            assert_eq!(worker.draw(seed, Creativity::default()), worker.draw_w(&w, Some(seed)));
            let plain = reference::w(&model, seed).unwrap();
            assert!(w.iter().zip(&plain).all(|(w, plain)| (w - plain).abs() < 1e-4), "{seed}");
        }
    }

    #[test]
    fn seeds_of_numpy_offer_the_rows_of_one_generator() {
        let variation = Variation { seeds: SeedStyle::Numpy, ..Variation::default() };
        let generator = Generator::new(&choosing(3)).unwrap().with_variation(variation).unwrap();
        let mut rows = vec![0.0; 18];
        crate::numpy::RandomState::new(Seed(4)).fill(&mut rows);
        assert!(rows.chunks(6).any(|row| row == generator.z(Seed(4))));
    }

    #[test]
    fn a_file_keeps_it_and_it_changes_the_fingerprint() {
        let model = choosing(4);
        assert_eq!(ModelFile::from_bytes(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap(), model);
        let mut other = model.clone();
        other.metadata.selection = Some(Selection { candidates: 5 });
        assert_ne!(other.fingerprint(), model.fingerprint());
        other.set_selection(None).unwrap();
        assert_eq!(other, plain());
    }

    #[test]
    fn networks_that_do_not_fit_are_refused_with_a_sentence() {
        let refused = |candidates, shapes: &[[usize; 2]], says: &str| {
            let mut model = plain();
            let error = model.set_selection(Some((Selection { candidates }, layers(shapes)))).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(model, plain());
        };
        refused(1, &[[1, 8]], "2 to 64");
        refused(65, &[[1, 8]], "2 to 64");
        refused(4, &[], "0 tensors begin");
        refused(4, &[[1, 7]], "selection.fc0.weight");
        refused(4, &[[5, 8], [2, 5]], "selection.fc1.weight");
        refused(4, &[[5, 8], [1, 4]], "selection.fc1.weight");
        refused(4, &[[1025, 8], [1, 1025]], "1025 outputs");
        let mut half = choosing(4);
        half.tensors.remove("selection.fc0.bias");
        assert!(half.check().unwrap_err().to_string().contains("3 tensors begin"));
        let mut stray = choosing(4);
        stray.metadata.selection = None;
        assert!(stray.check().unwrap_err().to_string().contains("unknown"));
    }
}
