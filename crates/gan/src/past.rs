//! What D meets while G is held: older states of it, what lies between them, and what lies around them.

use std::path::Path;

use synth::{ModelFile, Seed};

use crate::config::GrowthConfig;
use crate::grow;
use crate::params::Layout;
use crate::seeds::step_seed;
use crate::tape::Network;
use crate::{Config, Error};

/// Older states of a held G.
///
/// A discriminator that learns beside one generator alone learns that one's fingerprint, and knows nothing any more as soon as the generator moves. One
/// that has met the way there knows which way is forwards: states of one run can be averaged (arXiv 1803.05407), so that a straight line between two of
/// them is made of generators too. Showing older pictures goes back to arXiv 1612.07828.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Weights, oldest first.
    states: Vec<Vec<f32>>,
    /// [`GrowthConfig::scatter`].
    scatter: f64,
}

/// Whether all of G is held in the step with this seed, the same on all ranks.
pub(crate) fn holds(config: &Config, inherited: f64, seed: u64) -> bool {
    let whole = config.growth.stages == config.architecture.channels.len();
    whole && (inherited <= 0.0 || uniform(seed, REPLAY) < config.growth.replay)
}

impl Past {
    /// Opens what a configuration names; `layout` is G's.
    ///
    /// # Errors
    /// [`Error::Config`] if a file is no generator of this architecture.
    pub(crate) fn open(config: &Config, layout: &Layout) -> Result<Self, Error> {
        let GrowthConfig { past, scatter, .. } = &config.growth;
        let open = |path: &String| -> Result<_, Error> {
            let name = Path::new(path);
            let fail = |what: String| Error::Config { what: format!("growth.past {path}: {what}") };
            let model = ModelFile::open(name).map_err(|e| fail(e.to_string()))?;
            let mut weights = vec![0.0; layout.len()];
            grow::take_weights(layout, &mut weights, &model).map_err(fail)?;
            Ok(weights)
        };
        Ok(Self { states: past.iter().map(open).collect::<Result<_, _>>()?, scatter: *scatter })
    }

    /// The network that D meets in a step with this seed in place of `g`; none where there is nothing but `g`.
    pub(crate) fn met(&self, g: &Network, seed: u64) -> Option<Network> {
        if self.states.is_empty() && self.scatter <= 0.0 {
            return None;
        }
        let mut weights = self.on_the_way(&g.weights, uniform(seed, PLACE));
        let scatter = self.scatter * uniform(seed, DISTANCE);
        if scatter > 0.0 {
            for (i, entry) in g.layout.entries().iter().enumerate() {
                let own = &mut weights[entry.range.clone()];
                let square = own.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / own.len() as f64;
                let by = (scatter * square.sqrt()) as f32;
                let mut noise = vec![0.0; own.len()];
                synth::latent::normal(Seed(step_seed(seed, SCATTER)), i as u32, &mut noise);
                own.iter_mut().zip(noise).for_each(|(v, n)| *v += by * n);
            }
        }
        Some(Network::frozen(g.layout.clone(), weights))
    }

    /// What lies at `place`, from 0 for the oldest state to 1 for `now`, on the line from each to the next.
    fn on_the_way(&self, now: &[f32], place: f64) -> Vec<f32> {
        let at = place * self.states.len() as f64;
        let first = (at as usize).min(self.states.len());
        let share = (at - first as f64) as f32;
        let state = |i: usize| self.states.get(i).map_or(now, Vec::as_slice);
        state(first).iter().zip(state(first + 1)).map(|(from, to)| from + (to - from) * share).collect()
    }
}

/// What is drawn from a step's seed.
const PLACE: u64 = 1 << 40;
const DISTANCE: u64 = PLACE + 1;
const SCATTER: u64 = PLACE + 2;
const REPLAY: u64 = PLACE + 3;

/// A number in 0..1.
fn uniform(seed: u64, of: u64) -> f64 {
    (step_seed(seed, of) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Precision, Trainer};

    fn tiny() -> Config {
        Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() }
    }

    /// Two states and the present: each of them, and the middles between.
    #[test]
    fn the_way_leads_from_the_oldest_state_to_the_present() {
        let past = Past { states: vec![vec![0.0, 8.0], vec![2.0, 4.0]], scatter: 0.0 };
        let now = [6.0, 4.0];
        for (place, expected) in
            [(0.0, [0.0, 8.0]), (0.25, [1.0, 6.0]), (0.5, [2.0, 4.0]), (0.75, [4.0, 4.0]), (1.0, now)]
        {
            assert_eq!(past.on_the_way(&now, place), expected, "at {place}");
        }
    }

    /// While G is held D meets others, and G and the mean of w stay what they are; without a past or scatter, nobody else is met.
    #[test]
    fn a_held_generator_stays_while_others_are_met() {
        let dir = tempfile::tempdir().unwrap();
        let config = tiny();
        let old = Trainer::new(Config { seed: 7, ..config.clone() }, 1).unwrap();
        let path = dir.path().join("old.safetensors");
        let model = crate::export::model(&old, None, "").unwrap();
        model.save(&path, synth::WeightDtype::F32).unwrap();
        let alone = crate::Checkpoint::of_generator(
            &crate::export::model(&Trainer::new(config.clone(), 1).unwrap(), None, "").unwrap(),
            Path::new("m"),
            1,
        )
        .unwrap();
        let pixels: Vec<u8> = (0..config.batch * 16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
        let after = |past: Vec<String>, scatter: f64| {
            let growth = GrowthConfig { past, scatter, ..GrowthConfig::default() };
            let mut run = Trainer::grow(&alone.trainer, Config { growth, ..config.clone() }, 1).unwrap();
            run.step(&pixels, &[]).unwrap();
            run
        };
        let plain = after(Vec::new(), 0.0);
        let name = path.to_str().unwrap().to_owned();
        for run in [after(vec![name.clone()], 0.0), after(Vec::new(), 0.2), after(vec![name], 0.2)] {
            assert_eq!(run.g.net.weights, plain.g.net.weights);
            assert_ne!(run.d.net.weights, plain.d.net.weights, "D has met the same generator");
            assert_eq!(run.w_avg, alone.trainer.w_avg, "the mean of w is the held generator's");
        }
    }

    /// Once it has been let go, G stands still in the share of steps that was asked for, and in no other.
    #[test]
    fn a_share_of_the_steps_is_replayed() {
        let mut config = tiny();
        config.growth = GrowthConfig { stages: config.architecture.channels.len(), replay: 0.25, ..config.growth };
        let share = |config: &Config, inherited: f64| {
            (0..4000).filter(|step| holds(config, inherited, step_seed(3, *step))).count() as f64 / 4000.0
        };
        assert!((share(&config, 1.0) - 0.25).abs() < 0.03, "{}", share(&config, 1.0));
        assert!((share(&config, 0.0) - 1.0).abs() < 1e-9);
        config.growth.stages -= 1;
        assert!(share(&config, 0.0).abs() < 1e-9, "a G of which a part learns is not held");
    }

    /// Random numbers are as large as was asked, for each tensor by its own measure.
    #[test]
    fn scatter_is_a_share_of_each_tensor() {
        let g = Trainer::new(tiny(), 1).unwrap().g.net;
        let past = Past { states: Vec::new(), scatter: 0.5 };
        let seed = 3;
        let met = past.met(&g, seed).unwrap();
        let rms = |values: &[f32]| (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
        let share = (0.5 * uniform(seed, DISTANCE)) as f32;
        let mut large = 0;
        for entry in g.layout.entries().iter().filter(|e| e.range.len() > 500) {
            let (was, is) = (&g.weights[entry.range.clone()], &met.weights[entry.range.clone()]);
            let moved: Vec<f32> = was.iter().zip(is).map(|(a, b)| b - a).collect();
            assert!((rms(&moved) / rms(was) / share - 1.0).abs() < 0.15, "{}", entry.name);
            large += 1;
        }
        assert!(large > 3);
        assert!(Past::default().met(&g, seed).is_none());
    }

    #[test]
    fn what_is_no_such_generator_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.safetensors");
        let mut config = tiny();
        let layout = Trainer::new(config.clone(), 1).unwrap().g.net.layout;
        let said = |config: &Config| Past::open(config, &layout).unwrap_err().to_string();
        config.growth.past = vec![path.to_str().unwrap().into()];
        assert!(said(&config).contains("other.safetensors"), "{}", said(&config));
        let mut other = config.architecture.clone();
        other.channels[0] += 8;
        ModelFile::random(other, Seed(3)).unwrap().save(&path, synth::WeightDtype::F32).unwrap();
        let words = said(&config);
        assert!(words.contains("other.safetensors: tensor ") && words.contains("architecture"), "{words}");
    }
}
