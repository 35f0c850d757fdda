//! What truncation and the creativity slider need to know of a trained model: where its `w` lie, and which psi deserve a name.

use std::ops::RangeInclusive;

use kernels::Crew;
use synth::{Calibration, Creativity, Generator, ModelFile, Seed, Tensor};

use crate::metrics::{Clusters, Rows, nearest};
use crate::{Distances, Error};

/// `w` that are looked at.
const SAMPLES: u64 = 20_000;
/// Kinds of picture to tell apart.
const CENTRES: usize = 64;
/// Steps of Lloyd's algorithm; it hardly moves after twenty.
const ROUNDS: usize = 30;
/// The radius that creativity does not go beyond, over the one that all but a two-hundredth of `w` stay within: far enough for
/// faces to come apart.
const BEYOND: f64 = 3.5;
const WITHIN: f64 = 0.995;

/// Measures where the `w` of `model` lie and stores it in the file: 64 centres by k-means, and the radius and temperature that the
/// `synth` crate's truncation asks for. A calibration measured before no longer holds and is removed.
///
/// # Errors
/// [`Error::Model`] if the model is not valid.
pub fn measure_truncation(crew: &Crew, model: &mut ModelFile) -> Result<(), Error> {
    let generator = Generator::new(model)?;
    let dim = model.architecture.w_dim;
    let w = Rows::new((0..SAMPLES).flat_map(|seed| generator.w(Seed(seed))).collect(), dim);
    let (centres, temperature) = clusters(crew, &w);
    let mean = Rows::new(generator.w_avg().to_vec(), dim);
    let radius = BEYOND * quantile(nearest(crew, &w, &mean, 1), WITHIN);
    let tensor = |shape, data| Tensor { shape, data };
    model.tensors.insert("truncation.centres".into(), tensor(vec![CENTRES, dim], centres.data().to_vec()));
    model.tensors.insert("truncation.spread".into(), tensor(vec![2], vec![radius as f32, temperature as f32]));
    model.metadata.calibration = None;
    model.check()?;
    Ok(())
}

/// The number that `share` of the values lie below, on a straight line between the two next to it.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let below = values[place as usize];
    let above = values[(place as usize + 1).min(values.len() - 1)];
    below + (above - below) * place.fract()
}

/// Centres [64, d] of the rows of `w` by Lloyd's algorithm from the first rows, and the mean amount by which the second nearest
/// centre is farther than the nearest, in squared distance: at that temperature both have a say where they are about as near.
fn clusters(crew: &Crew, w: &Rows) -> (Rows, f64) {
    let clusters = Clusters::find(crew, w, w.part(0..CENTRES), ROUNDS);
    let two = nearest(crew, w, &clusters.centres, 2);
    let gap = two.as_chunks::<2>().0.iter().map(|[near, next]| next * next - near * near).sum::<f64>() / w.len() as f64;
    (clusters.centres, gap.max(1e-3))
}

/// One psi of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Plain psi, without a calibration.
    pub psi: Creativity,
    /// From real pictures.
    pub distances: Distances,
    /// How much the pictures differ: the trace of their features' covariance.
    pub variety: f64,
}

impl Step {
    /// From features of the pictures drawn at `psi` and of real ones.
    ///
    /// # Panics
    /// As [`Distances::between`].
    pub fn measure(crew: &Crew, psi: Creativity, real: &Rows, drawn: &Rows) -> Self {
        Self { psi, distances: Distances::between(crew, real, drawn), variety: drawn.variety() }
    }
}

/// What may be called best: creativity 1 is near psi 1.
pub const BEST: RangeInclusive<f32> = 0.5..=1.2;

/// The psi that deserve to be called calm, best and strange: best has the smallest kernel distance of those in [`BEST`], or is the
/// one that is given; calm is the smallest whose pictures are half as varied as the best, strange the largest that is at least a
/// fifth as precise as the best: there most faces come apart.
///
/// # Panics
/// If `sweep` has no psi in [`BEST`], or not the given one there.
pub fn landmarks(sweep: &[Step], best: Option<Creativity>) -> Calibration {
    let near = |s: &&Step| BEST.contains(&s.psi.get()) && best.is_none_or(|best| s.psi == best);
    let best = sweep.iter().filter(near).min_by(|a, b| a.distances.kd.total_cmp(&b.distances.kd));
    let best = best.expect("a sweep has psi near 1");
    let psi = |s: &Step| s.psi.get();
    let calm = sweep.iter().filter(|s| psi(s) <= psi(best) && s.variety >= best.variety / 2.0);
    let precise = best.distances.coverage.precision / 5.0;
    let strange = sweep.iter().filter(|s| psi(s) >= psi(best) && s.distances.coverage.precision >= precise);
    Calibration {
        psi_low: calm.map(psi).fold(psi(best), f32::min),
        psi_best: psi(best),
        psi_high: strange.map(psi).fold(psi(best), f32::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Prdc;
    use crate::testing::normal;
    use kernels::Isa;
    use synth::Architecture;

    #[test]
    fn clusters_find_the_heaps_that_are_there() {
        let heaps: Vec<f32> = normal(3, CENTRES * 8).iter().map(|v| v * 10.0).collect();
        // In turns, so that the first rows are one of each heap.
        let noise = normal(4, CENTRES * 20 * 8);
        let w = heaps.iter().cycle().zip(&noise).map(|(heap, noise)| heap + 0.1 * noise).collect();
        let (centres, temperature) = clusters(&Crew::new(Isa::best(), 2), &Rows::new(w, 8));
        for (centre, heap) in centres.data().iter().zip(&heaps) {
            assert!((centre - heap).abs() < 0.15);
        }
        assert!(temperature > 10.0, "{temperature}");
    }

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        assert!((quantile(vec![3.0, 1.0, 2.0], 0.75) - 2.5).abs() < 1e-12);
        assert!((quantile(vec![3.0, 1.0, 2.0], 1.0) - 3.0).abs() < 1e-12);
        assert!((quantile(vec![7.0], 0.3) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_measured_model_is_valid_and_says_where_its_w_lie() {
        let mut model = ModelFile::random(Architecture::plain(16, 16, &[16, 8]), Seed(1)).unwrap();
        measure_truncation(&Crew::new(Isa::best(), 2), &mut model).unwrap();
        let centres = &model.tensors["truncation.centres"];
        assert_eq!(centres.shape, [CENTRES, model.architecture.w_dim]);
        let spread = &model.tensors["truncation.spread"].data;
        let generator = Generator::new(&model).unwrap();
        let length = |seed: u64| -> f32 {
            generator.w(Seed(seed)).iter().zip(generator.w_avg()).map(|(w, m)| (w - m).powi(2)).sum::<f32>().sqrt()
        };
        let mut lengths: Vec<f32> = (0..1000).map(length).collect();
        lengths.sort_by(f32::total_cmp);
        let within = spread[0] / BEYOND as f32;
        assert!(lengths[960] < within && within < lengths[999] * 1.1, "{within} {}", lengths[999]);
        assert!(spread[1] > 0.0);
    }

    #[test]
    fn landmarks_follow_their_rules() {
        let step = |psi: f32, kd, precision, variety| {
            let coverage = Prdc { precision, recall: 0.0, density: 0.0, coverage: 0.0 };
            Step { psi: Creativity::new(psi).unwrap(), distances: Distances { fd: 1.0, kd, coverage }, variety }
        };
        let sweep = [
            step(0.2, 9.0, 0.9, 1.0),
            step(0.4, 5.0, 0.8, 5.0),
            step(0.8, 2.0, 0.6, 9.0),
            step(1.0, 3.0, 0.5, 10.0),
            step(1.4, 4.0, 0.31, 11.0),
            step(1.6, 4.0, 0.2, 11.5),
            step(1.8, 1.0, 0.1, 12.0),
        ];
        assert_eq!(landmarks(&sweep, None), Calibration { psi_low: 0.4, psi_best: 0.8, psi_high: 1.6 });
        let given = Some(Creativity::new(1.0).unwrap());
        assert_eq!(landmarks(&sweep, given), Calibration { psi_low: 0.4, psi_best: 1.0, psi_high: 1.8 });
    }
}
