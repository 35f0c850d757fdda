//! A second discriminator of G's training, which sees pictures as an ink network redraws them.

use std::path::Path;

use kernels::train::Cpu;
use serde::{Deserialize, Serialize};
use synth::{Ink, ModelFile};

use super::each;
use super::judge::{GROUP, JudgeLearner, are_stages, side_of};
use super::network::{self, Redraw};
use super::pairs::{Patch, Planes};
use crate::auxiliary::{Auxiliary, Read, Said, Scene, add_at_length, warmth};
use crate::cpu::processor;
use crate::seeds::step_seed;
use crate::tape::Network;
use crate::{Config, Error};

/// Small pixels that are redrawn around a judged square, where the picture goes on there: what the network sees of a pixel's surroundings.
const MARGIN: usize = 8;

/// A second discriminator, which sees pictures, real and drawn ones alike, as a frozen ink network redraws them. What is uneven within a few composed
/// pixels becomes plain lines there, and what the ink network itself cannot do is the same on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InkedConfig {
    /// Path of the model file whose ink network it is; its other networks do not matter.
    pub model: String,
    /// Channels of the discriminator from 4 pixels up; each further entry doubles what it sees of a square. With those of the run's own discriminator it
    /// begins as a copy of that: what lines and shadows are it knows already.
    pub channels: Vec<usize>,
    /// It sees means of so many by so many redrawn pixels.
    pub reduced: usize,
    /// Share of the batch that it sees, a square of each picture.
    pub fraction: f64,
    /// Length of its gradient at the drawn pictures it sees as a multiple of the discriminator's.
    pub weight: f64,
    /// The weight rises linearly over so many kimg from when it joins.
    pub warmup_kimg: f64,
    /// Weight of its gradient penalty, as [`crate::LossConfig::gamma`].
    pub gamma: f64,
    /// Its learning rate, before the schedule.
    pub lr: f64,
}

impl Default for InkedConfig {
    fn default() -> Self {
        Self {
            model: String::new(),
            channels: vec![128, 128, 128, 96, 48],
            reduced: 2,
            fraction: 0.5,
            weight: 1.0,
            warmup_kimg: 30.0,
            gamma: 0.3,
            lr: 1.5e-3,
        }
    }
}

impl InkedConfig {
    /// Pictures of a batch that it sees.
    pub(crate) fn pictures(&self, batch: usize) -> usize {
        (batch as f64 * self.fraction).round() as usize
    }

    /// Side of what it judges, as it sees it.
    fn seen(&self) -> usize {
        side_of(&self.channels)
    }

    /// What is wrong with it for batches of `batch`, if anything.
    pub(crate) fn fault(&self, batch: usize) -> Option<String> {
        let Self { channels, reduced, fraction, lr, .. } = self;
        let numbers = [("weight", self.weight), ("warmup_kimg", self.warmup_kimg), ("gamma", self.gamma)];
        let pictures = self.pictures(batch);
        if !are_stages(channels) {
            Some(format!("inked.channels must be 2 to 8 numbers from 1 to 1024, not {channels:?}"))
        } else if !(1..=8).contains(reduced) {
            Some(format!("inked.reduced must be 1 to 8, not {reduced}"))
        } else if let Some((name, v)) = numbers.iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
            Some(format!("inked.{name} must be 0 or more, not {v}"))
        } else if !(0.0..=1.0).contains(fraction) {
            Some(format!("inked.fraction must be 0 to 1, not {fraction}"))
        } else if !(0.0..1.0).contains(lr) {
            Some(format!("inked.lr must be 0 or more and below 1, not {lr}"))
        } else if pictures == 0 || !pictures.is_multiple_of(GROUP) {
            Some(format!("inked.fraction must leave a multiple of {GROUP} pictures of {batch}, not {pictures}"))
        } else {
            None
        }
    }
}

/// The names of what a checkpoint keeps of it.
const NAMES: [&str; 3] = ["inked.weights", "inked.adam.first", "inked.adam.second"];

/// That discriminator in training, with the frozen network in front of it.
pub(crate) struct InkedLearner {
    pub(crate) judge: JudgeLearner,
    front: Option<Front>,
    /// A checksum (CRC-32C) of the frozen network that the judge has learnt behind, once one was opened.
    pub(crate) network: Option<u32>,
}

/// The frozen network.
struct Front {
    ink: Ink,
    net: Network,
    passes: Box<dyn Redraw>,
    /// Side of the redrawn squares, and of the patches of small pixels that they are cut from.
    square: usize,
    patch: usize,
    /// Side of the pictures.
    side: usize,
    /// [`InkedConfig::reduced`].
    reduced: usize,
}

impl InkedLearner {
    /// A fresh one, where there is to be one.
    pub(crate) fn of(config: &Config, threads: usize) -> Result<Option<Self>, Error> {
        let seed = step_seed(config.seed, u64::MAX - 3);
        let fresh = |c: &InkedConfig| JudgeLearner::new(&c.channels, c.gamma, config.precision, threads, seed);
        let judge = config.inked.as_ref().map(fresh).transpose()?;
        Ok(judge.map(|judge| Self { judge, front: None, network: None }))
    }

    /// Whether it can take a step.
    pub(crate) fn is_prepared(&self) -> bool {
        self.front.is_some()
    }

    /// What it says of a square of each planar picture.
    ///
    /// # Panics
    /// If [`InkedLearner::prepare`] has not been called.
    pub(crate) fn opinion(&mut self, cpu: &Cpu, pictures: &[f32], seed: u64) -> Result<Vec<f32>, Error> {
        let front = self.front.as_mut().expect("the ink network is opened before it is asked");
        let (squares, _) = front.squares(cpu, pictures, seed);
        self.judge.opinion(&squares)
    }
}

impl Auxiliary for InkedLearner {
    fn prepare(&mut self, config: &Config, threads: usize) -> Result<(), Error> {
        let Some(c) = &config.inked else { return Ok(()) };
        let fail = |what: String| Error::Config { what: format!("inked.model {}: {what}", c.model) };
        let model = ModelFile::open(Path::new(&c.model)).map_err(|e| fail(e.to_string()))?;
        let ink = model.architecture.ink.ok_or_else(|| fail("it has no ink network; tadne ink makes one".into()))?;
        let square = c.reduced * c.seen();
        let size = config.resolution();
        if !square.is_multiple_of(ink.factor) || square > size * ink.factor {
            return Err(fail(format!("squares of {square} pixels do not fit into pictures of {}", size * ink.factor)));
        }
        let layout = network::layout(ink);
        let mut weights = vec![0.0; layout.len()];
        for e in layout.entries() {
            let tensor = model.tensors.get(&e.name).ok_or_else(|| fail(format!("tensor {} is missing", e.name)))?;
            e.set_from_file(&tensor.data, &mut weights);
        }
        let network = crc32c::crc32c(bytemuck::cast_slice(&weights));
        if self.network.replace(network).is_some_and(|before| before != network) {
            tracing::warn!("{} has another ink network than the one that the run has learnt behind so far", c.model);
        }
        self.judge.loss.gamma = c.gamma;
        self.front = Some(Front {
            ink,
            net: Network::frozen(layout, weights),
            passes: network::redraw(processor(threads)?, config.precision, ink),
            square,
            patch: (square / ink.factor + 2 * MARGIN).min(size),
            side: size,
            reduced: c.reduced,
        });
        Ok(())
    }

    fn step(&mut self, scene: Scene<'_>) -> Result<Said, Error> {
        let Scene { cpu, config, schedule, seed, count, area, pictures, gradient, ranks } = scene;
        let Some(c) = &config.inked else { return Ok(Said::default()) };
        let (lr, seen) = (c.lr * schedule.lr, c.pictures(count) * area);
        let weight = c.weight * warmth(self.steps(), config.batch, c.warmup_kimg);
        let [real, drawn] = pictures.map(|of| &of[..seen]);
        let front = self.front.as_mut().expect("the ink network is opened before the first step");
        let (real, _) = front.squares(cpu, real, seed);
        let (fake, patches) = front.squares(cpu, drawn, seed);
        let (opinion, at_squares, dropped) = self.judge.learn(cpu, real, &fake, lr, ranks)?;
        let wanted = front.back(cpu, &patches, &at_squares, drawn);
        add_at_length(&mut gradient[..seen], &wanted, weight);
        Ok(Said { loss: opinion.loss_d, real: opinion.real, drawn: opinion.fake, dropped })
    }

    fn forget(&mut self) {
        self.judge.net.gradient.fill(0.0);
    }

    fn steps(&self) -> u64 {
        self.judge.adam.steps
    }

    fn state(&self) -> Vec<(&'static str, &[f32])> {
        let JudgeLearner { net, adam, .. } = &self.judge;
        NAMES.into_iter().zip([net.weights.as_slice(), &adam.first, &adam.second]).collect()
    }

    fn restore(&mut self, steps: u64, read: Read<'_>) -> Result<(), String> {
        let JudgeLearner { net, adam, .. } = &mut self.judge;
        adam.steps = steps;
        for (name, to) in NAMES.into_iter().zip([&mut net.weights, &mut adam.first, &mut adam.second]) {
            *to = read(name, Some(to.len()))?;
        }
        Ok(())
    }
}

impl Front {
    /// A redrawn square of each picture, planar, reduced, one behind the other, and the patches that they are of. The same seed takes the same places.
    fn squares(&mut self, cpu: &Cpu, pictures: &[f32], seed: u64) -> (Vec<f32>, Vec<Patch>) {
        let &mut Self { ink, square, patch, side, reduced, .. } = self;
        let area = 3 * side * side;
        let count = pictures.len() / area;
        let mut inputs = vec![0.0; count * patch * patch * Ink::INPUTS];
        let mut slots: Vec<_> = inputs.chunks_exact_mut(patch * patch * Ink::INPUTS).map(|i| (i, None)).collect();
        each(cpu, &mut slots, |i, (inputs, made)| {
            let small = Planes { side, values: pictures[i * area..][..area].to_vec() }.bounded();
            *made = Some(Patch::alone(&small, patch, ink.factor, step_seed(seed, i as u64), inputs));
        });
        let patches: Vec<Patch> = slots.into_iter().map(|(_, made)| made.expect("every patch was made")).collect();
        let added = self.passes.forward(&self.net, &inputs, [count, patch, patch]);
        let (length, seen) = (added.len() / count, 3 * (square / reduced).pow(2));
        let mut squares = vec![0.0; count * seen];
        let mut slots: Vec<_> = squares.chunks_exact_mut(seen).collect();
        each(cpu, &mut slots, |i, to| {
            to.copy_from_slice(&patches[i].redrawn(square, &added[i * length..][..length]).reduced(reduced).values);
        });
        (squares, patches)
    }

    /// The gradient at the pictures of the last squares, from that at the squares.
    fn back(&mut self, cpu: &Cpu, patches: &[Patch], at_squares: &[f32], pictures: &[f32]) -> Vec<f32> {
        let &mut Self { ink, square, patch, side, reduced, .. } = self;
        let (area, count) = (3 * side * side, patches.len());
        let (length, inputs) = (patch * patch * 3 * ink.factor.pow(2), patch * patch * Ink::INPUTS);
        let seen = at_squares.len() / count;
        let mut slopes = vec![0.0; count * length];
        let mut slots: Vec<_> = slopes.chunks_exact_mut(length).zip(at_squares.chunks_exact(seen)).collect();
        each(cpu, &mut slots, |i, (slopes, at_square)| patches[i].spread(square, reduced, at_square, 1.0, slopes));
        let at_inputs = self.passes.back_to_inputs(&mut self.net, &slopes);
        let mut wanted = vec![0.0; pictures.len()];
        let mut slots: Vec<_> = wanted.chunks_exact_mut(area).zip(pictures.chunks_exact(area)).collect();
        each(cpu, &mut slots, |i, (to, picture)| {
            let at_inputs = &at_inputs[i * inputs..][..inputs];
            let back = patches[i].back(square, reduced, &at_squares[i * seen..][..seen], at_inputs);
            for ((to, v), pixel) in to.iter_mut().zip(back.values).zip(*picture) {
                // What lies beyond the bounds does not change what is redrawn.
                *to = if pixel.abs() <= 1.0 { v } else { 0.0 };
            }
        });
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;

    const SIDE: usize = 24;

    fn front(cpu: Cpu) -> Front {
        let ink = Ink { channels: 6, blocks: 1, factor: 4 };
        let layout = network::layout(ink);
        let mut weights = layout.initial(3);
        // The last layer begins at zero; here it must say something.
        synth::latent::normal(synth::Seed(8), 0, &mut weights);
        for v in &mut weights {
            *v *= 0.15;
        }
        let passes = network::redraw(cpu, Precision::F32, ink);
        Front { ink, net: Network::frozen(layout, weights), passes, square: 64, patch: 22, side: SIDE, reduced: 2 }
    }

    fn normal(count: usize, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; count];
        synth::latent::normal(synth::Seed(seed), 0, &mut values);
        values
    }

    #[test]
    fn the_gradient_at_the_pictures_is_that_of_difference_quotients() {
        let cpu = processor(2).unwrap();
        let mut front = front(processor(2).unwrap());
        let mut pictures: Vec<f32> =
            normal(2 * 3 * SIDE * SIDE, 1).iter().map(|v| (v * 0.3).clamp(-0.9, 0.9)).collect();
        pictures[100] = 1.5;
        let (squares, patches) = front.squares(&cpu, &pictures, 5);
        assert_eq!(squares.len(), 2 * 3 * 32 * 32);
        let wanted = normal(squares.len(), 2);
        let gradient = front.back(&cpu, &patches, &wanted, &pictures);
        assert_eq!(gradient[100].to_bits(), 0f32.to_bits(), "beyond the bounds nothing is redrawn differently");

        let score = |front: &mut Front, pictures: &[f32]| -> f64 {
            let (squares, _) = front.squares(&cpu, pictures, 5);
            squares.iter().zip(&wanted).map(|(a, b)| f64::from(a * b)).sum()
        };
        let largest = gradient.iter().fold(0f32, |m, v| m.max(v.abs()));
        let mut reached = 0;
        for at in (0..pictures.len()).step_by(29) {
            let step = 2e-3;
            let mut moved = |by: f32| {
                let mut pictures = pictures.clone();
                pictures[at] += by;
                score(&mut front, &pictures)
            };
            let quotient = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            assert!((quotient as f32 - gradient[at]).abs() < 0.02 * largest, "{at}: {quotient} {}", gradient[at]);
            reached += usize::from(gradient[at].abs() > 0.01 * largest);
        }
        assert!(reached > 30, "squares cover much of the pictures: {reached}");
    }

    #[test]
    fn what_cannot_be_trained_is_named() {
        let of = |change: fn(&mut InkedConfig)| {
            let mut c = InkedConfig::default();
            change(&mut c);
            c.fault(32)
        };
        assert_eq!(of(|_| ()), None);
        for (change, what) in [
            ((|c| c.channels.clear()) as fn(&mut InkedConfig), "channels"),
            (|c| c.reduced = 0, "reduced"),
            (|c| c.fraction = 0.01, "fraction"),
            (|c| c.fraction = -1.0, "inked.fraction must be 0 to 1, not -1"),
            (|c| c.weight = f64::NAN, "inked.weight must be 0 or more, not NaN"),
            (|c| c.lr = 1.0, "lr"),
        ] {
            assert!(of(change).unwrap().contains(what), "{what}");
        }
    }
}
