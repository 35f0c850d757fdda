//! What truncation and the creativity slider need to know of a trained model: where its `w` lie, and which psi deserve a name.

use synth::{Calibration, Generator, ModelFile, Psi, Seed, Tensor as ModelTensor};
use tch::{Kind, Tensor, no_grad};

use crate::{Distances, Error};

/// `w` that are looked at.
const SAMPLES: u64 = 20_000;
/// Kinds of picture to tell apart.
const CENTRES: i64 = 64;
/// Steps of Lloyd's algorithm; it hardly moves after twenty.
const ROUNDS: usize = 30;
/// The radius that creativity does not go beyond, over the one that all but a two-hundredth of `w` stay within.
const BEYOND: f64 = 1.3;
const WITHIN: f64 = 0.995;

/// Measures where the `w` of `model` lie and stores it in the file: 64 centres by k-means, and the radius and temperature that the
/// `synth` crate's truncation asks for. A calibration measured before no longer holds and is removed.
///
/// # Errors
/// [`Error::Model`] if the model is not valid.
pub fn measure_spread(model: &mut ModelFile) -> Result<(), Error> {
    let generator = Generator::new(model)?;
    let dim = model.architecture.w_dim;
    let rows: Vec<f32> = (0..SAMPLES).flat_map(|seed| generator.w(Seed(seed))).collect();
    let w = Tensor::from_slice(&rows).view([SAMPLES as i64, dim as i64]);
    let mean = Tensor::from_slice(generator.w_avg());
    let (centres, temperature) = no_grad(|| clusters(&w));
    let length = (&w - mean).square().sum_dim_intlist(1i64, false, Kind::Float).sqrt();
    let radius = BEYOND * f64::try_from(length.quantile_scalar(WITHIN, 0i64, false, "linear"))?;
    let centres = Vec::<f32>::try_from(centres.contiguous().view([-1]))?;
    let tensor = |shape, data| ModelTensor { shape, data };
    model.tensors.insert("truncation.centres".into(), tensor(vec![CENTRES as usize, dim], centres));
    model.tensors.insert("truncation.spread".into(), tensor(vec![2], vec![radius as f32, temperature as f32]));
    model.metadata.calibration = None;
    model.check()?;
    Ok(())
}

/// Centres [64, d] of the rows of `w` by Lloyd's algorithm from the first rows, and the mean amount by which the second nearest
/// centre is farther than the nearest, in squared distance: at that temperature both have a say where they are about as near.
fn clusters(w: &Tensor) -> (Tensor, f64) {
    let mut centres = w.narrow(0, 0, CENTRES).copy();
    let distances = |centres: &Tensor| {
        let square = |x: &Tensor| x.square().sum_dim_intlist(1i64, true, Kind::Float);
        square(w) + square(centres).tr() - w.matmul(&centres.tr()) * 2.0
    };
    for _ in 0..ROUNDS {
        let own = distances(&centres).argmin(1, false);
        let members = own.one_hot(CENTRES).to_kind(Kind::Float);
        let count = members.sum_dim_intlist(0i64, false, Kind::Float).unsqueeze(1);
        // A centre that nothing is near stays where it is.
        let moved = members.tr().matmul(w) / count.clamp_min(1.0);
        centres = moved.where_self(&count.gt(0.0), &centres);
    }
    let (nearest, _) = distances(&centres).topk(2, 1, false, true);
    let gap = (nearest.select(1, 1) - nearest.select(1, 0)).mean(Kind::Float);
    (centres, f64::try_from(gap).unwrap_or(0.0).max(1e-3))
}

/// One psi of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Plain psi, without a calibration.
    pub psi: Psi,
    /// From real pictures.
    pub distances: Distances,
    /// How much the pictures differ: the trace of their features' covariance.
    pub variety: f64,
}

impl Step {
    /// From features of the pictures drawn at `psi` and of real ones.
    pub fn measure(psi: Psi, real: &Tensor, drawn: &Tensor) -> Self {
        let variety = drawn.to_kind(Kind::Double).var_dim(0, true, false).sum(Kind::Double);
        let variety = f64::try_from(variety).unwrap_or(0.0);
        Self { psi, distances: Distances::between(real, drawn), variety }
    }
}

/// The psi that deserve to be called calm, best and strange: best has the smallest kernel distance of those up to 1.2, calm is the
/// smallest whose pictures are half as varied as the best, strange the largest that is at least half as precise as the best.
///
/// # Panics
/// If `sweep` has no psi from 0.5 to 1.2.
pub fn landmarks(sweep: &[Step]) -> Calibration {
    let near = |s: &&Step| (0.5..=1.2).contains(&s.psi.get());
    let best = sweep.iter().filter(near).min_by(|a, b| a.distances.kd.total_cmp(&b.distances.kd));
    let best = best.expect("a sweep has psi near 1");
    let psi = |s: &Step| s.psi.get();
    let calm = sweep.iter().filter(|s| psi(s) <= psi(best) && s.variety >= best.variety / 2.0);
    let precise = best.distances.coverage.precision / 2.0;
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
    use crate::metrics::Coverage;
    use tch::Device;

    #[test]
    fn clusters_find_the_heaps_that_are_there() {
        tch::manual_seed(3);
        let options = (Kind::Float, Device::Cpu);
        let heaps = Tensor::randn([CENTRES, 8], options) * 10.0;
        // In turns, so that the first rows are one of each heap.
        let w = heaps.repeat([20, 1]) + Tensor::randn([CENTRES * 20, 8], options) * 0.1;
        let (centres, temperature) = clusters(&w);
        let far = f64::try_from((centres - heaps).abs().max()).unwrap();
        assert!(far < 0.15, "{far}");
        assert!(temperature > 10.0, "{temperature}");
    }

    #[test]
    fn landmarks_follow_their_rules() {
        let step = |psi: f32, kd, precision, variety| {
            let coverage = Coverage { precision, recall: 0.0, density: 0.0, coverage: 0.0 };
            Step { psi: Psi::new(psi).unwrap(), distances: Distances { fd: 1.0, kd, coverage }, variety }
        };
        let sweep = [
            step(0.2, 9.0, 0.9, 1.0),
            step(0.4, 5.0, 0.8, 5.0),
            step(0.8, 2.0, 0.6, 9.0),
            step(1.0, 3.0, 0.5, 10.0),
            step(1.4, 4.0, 0.31, 11.0),
            step(1.8, 1.0, 0.2, 12.0),
        ];
        assert_eq!(landmarks(&sweep), Calibration { psi_low: 0.4, psi_best: 0.8, psi_high: 1.4 });
    }
}
