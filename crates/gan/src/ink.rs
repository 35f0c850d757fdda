//! Training of the networks that redraw a picture at a larger size ([`synth::Ink`]): pairs of a reduced picture and the one it came from, and
//! the mean absolute difference between what is redrawn and what was there; then, beside that, a discriminator that sees what becomes of drawn pictures.

use std::path::Path;
use std::sync::Mutex;

use kernels::train::Cpu;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synth::{Architecture, Ink, ModelFile, Picture, Seed};

use crate::adam::{Adam, Rates, move_towards};
use crate::auxiliary::warmth;
use crate::collective::Ranks;
use crate::config::OptimizerConfig;
use crate::cpu::processor;
use crate::seeds::step_seed;
use crate::tape::Network;
use crate::{Checkpoint, Config, Error, Precision, state_file};

mod judge;
mod network;
mod pairs;
mod seen;
#[cfg(test)]
mod tests;

pub(crate) use judge::{GROUP, JudgeLearner};
pub use judge::{InkJudging, InkOpinion};
use network::Redraw;
use pairs::{Difference, Patch, Planes};
pub use seen::InkedConfig;
pub(crate) use seen::InkedLearner;

const FORMAT: &str = "tadne-ink";
/// 2: there may be a judge.
const VERSION: u32 = 2;
/// More would be more patches than can be counted.
const LONGEST_KIMG: f64 = 1e9;

/// How an ink network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InkConfig {
    /// The network.
    pub ink: Ink,
    /// Whether it is a model's lens ([`synth::Architecture::lens`]), which redraws finished pictures, in place of its ink.
    #[serde(default)]
    pub lens: bool,
    /// Side of the small picture's patch that is learnt from at a time, in pixels.
    pub patch: usize,
    /// Patches a step.
    pub batch: usize,
    /// Length of the part that only compares, in thousands of patches.
    pub kimg: f64,
    /// Learning rate after the warm-up of 100 steps; a cosine takes it to a twentieth by the end of that part.
    pub lr: f64,
    /// Noise on the small pictures: its standard deviation is drawn between 0 and this (their range is -1 to 1).
    pub noise: f32,
    /// Blur of the small pictures: the share of a mean of 3x3 pixels is drawn between 0 and this.
    pub blur: f32,
    /// Trembling lines in the small pictures: the deviation of their displacement is drawn between 0 and this, in small pixels.
    #[serde(default)]
    pub waver: f32,
    /// Colours beside their lines in the small pictures: likewise.
    #[serde(default)]
    pub smudge: f32,
    /// Numbers that the layers work with.
    pub precision: Precision,
    /// Seed of weights, noise and order.
    pub seed: u64,
    /// The part with a judge that follows, if any.
    #[serde(default)]
    pub judging: Option<InkJudging>,
}

impl InkConfig {
    /// What a run of `tadne ink` takes for `ink` unless told otherwise; for a lens the same, and [`InkConfig::lens`].
    pub fn new(ink: Ink) -> Self {
        Self {
            ink,
            lens: false,
            patch: 40,
            batch: 16,
            kimg: 150.0,
            lr: 4e-4,
            noise: 0.06,
            blur: 0.5,
            waver: 0.0,
            smudge: 0.0,
            precision: Precision::Auto,
            seed: 0,
            judging: None,
        }
    }

    /// Checks that every value can be trained with.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        self.fault().map_or(Ok(()), |what| Err(Error::Config { what }))
    }

    /// What is wrong with it, if anything.
    fn fault(&self) -> Option<String> {
        let &Self { ink, patch, batch, kimg, lr, noise, blur, waver, smudge, .. } = self;
        let counts = [
            ("channels", ink.channels, 1..=256),
            ("blocks", ink.blocks, 1..=32),
            ("patch", patch, 8..=256),
            ("batch", batch, 1..=1024),
        ];
        if let Some((name, v, range)) = counts.iter().find(|(_, v, range)| !range.contains(v)) {
            return Some(format!("{name} must be {} to {}, not {v}", range.start(), range.end()));
        }
        if !matches!(ink.factor, 2 | 4) {
            return Some(format!("factor must be 2 or 4, not {}", ink.factor));
        }
        if let Some(fault) = length_fault("kimg", kimg).or_else(|| rate_fault("lr", lr)) {
            return Some(fault);
        }
        let spreads = [("noise", noise, 1.0), ("blur", blur, 1.0), ("waver", waver, 8.0), ("smudge", smudge, 8.0)];
        if let Some((name, v, most)) = spreads.iter().find(|(_, v, most)| !(0.0..=*most).contains(v)) {
            return Some(format!("{name} must be 0 to {most}, not {v}"));
        }
        if self.lens && self.judging.is_some() {
            return Some(
                "a lens is not judged: there are no real pictures as large as what it draws to judge beside".into(),
            );
        }
        self.judging.as_ref()?.fault(patch, batch, ink.factor)
    }

    /// Checks that a judge, where there is one, can see what becomes of composed pictures of `side` x `side` pixels: their patches are no larger.
    ///
    /// # Errors
    /// [`Error::Config`] says what must be smaller.
    pub fn validate_for(&self, side: usize) -> Result<(), Error> {
        let Self { patch, batch, ink, .. } = self;
        let fault = self.judging.as_ref().and_then(|judging| judging.fault(side.min(*patch), *batch, ink.factor));
        fault.map_or(Ok(()), |fault| {
            Err(Error::Config { what: format!("{fault}; pictures are of {side} small pixels") })
        })
    }

    /// What the network's tensors begin with in a model file.
    fn network(&self) -> &'static str {
        if self.lens { Ink::LENS } else { Ink::INK }
    }

    /// The name in a model file of one of the network's tensors.
    fn in_file(&self, tensor: &str) -> String {
        tensor.replacen(Ink::INK, self.network(), 1)
    }

    /// Entry of a model's provenance: thousands of patches that the network has seen.
    fn learnt_from(&self) -> String {
        format!("{}_kimg", self.network())
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.comparing() + self.judging.as_ref().map_or(0, |judging| self.steps_of(judging.kimg))
    }

    /// Steps of the part that only compares.
    fn comparing(&self) -> u64 {
        self.steps_of(self.kimg)
    }

    fn steps_of(&self, kimg: f64) -> u64 {
        ((kimg * 1000.0 / self.batch as f64).ceil() as u64).max(1)
    }

    /// The judge, where one is at work in a step, counted from 0.
    fn judged_at(&self, step: u64) -> Option<&InkJudging> {
        self.judging.as_ref().filter(|_| step >= self.comparing())
    }

    /// The learning rate of a step, and that of the judge.
    fn rates(&self, step: u64) -> [f64; 2] {
        let cosine = |done: f64| 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        let first = self.comparing();
        if let Some(judging) = self.judged_at(step) {
            let (step, all) = (step - first, self.steps() - first);
            let share = ((step + 1) as f64 / 100.0).min(1.0) * cosine(step as f64 / all as f64).max(0.1);
            return [judging.lr * share, judging.lr_d * share];
        }
        [self.lr * ((step + 1) as f64 / 100.0).min(1.0) * cosine(step as f64 / first as f64).max(0.05), 0.0]
    }
}

/// What is wrong with a length in thousands of patches, if anything.
fn length_fault(name: &str, kimg: f64) -> Option<String> {
    let fits = kimg > 0.0 && kimg <= LONGEST_KIMG;
    (!fits).then(|| format!("{name} must be above 0 and at most a billion, not {kimg}"))
}

/// What is wrong with a learning rate, if anything.
fn rate_fault(name: &str, lr: f64) -> Option<String> {
    let fits = lr > 0.0 && lr < 1.0;
    (!fits).then(|| format!("{name} must be above 0 and below 1, not {lr}"))
}

/// What a network is trained for and on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InkOrigin {
    /// Fingerprint of the data set.
    pub dataset: String,
    /// Fingerprint of the model without an ink network; none in a state of before it was kept.
    #[serde(default)]
    pub model: Option<String>,
}

/// What a step says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InkStep {
    /// Mean absolute difference to the real patches, in a range of -1 to 1.
    pub loss: f64,
    /// What the judge said, where there is one.
    pub opinion: Option<InkOpinion>,
    /// Gradient entries that were not finite and were dropped.
    pub dropped: u64,
}

/// An ink network in training.
pub struct InkTrainer {
    config: InkConfig,
    cpu: Cpu,
    passes: Box<dyn Redraw>,
    net: Network,
    adam: Adam,
    /// Average of the weights: what is shown and exported.
    ema: Vec<f32>,
    judge: Option<JudgeLearner>,
    optimizer: OptimizerConfig,
    /// Thousands of patches that the network which it began as had seen.
    before_kimg: f64,
}

impl InkTrainer {
    /// A fresh network that is trained by `threads` threads.
    ///
    /// # Errors
    /// [`Error::Config`] where [`InkConfig::validate`] fails.
    pub fn new(config: InkConfig, threads: usize) -> Result<Self, Error> {
        config.validate()?;
        let cpu = processor(threads)?;
        let passes = network::redraw(processor(threads)?, config.precision, config.ink);
        let layout = network::layout(config.ink);
        let weights = layout.initial(step_seed(config.seed, u64::MAX));
        let optimizer = OptimizerConfig { beta1: 0.5, ..Config::preset("c64")?.optimizer };
        let (adam, ema) = (Adam::new(weights.len()), weights.clone());
        let net = Network::new(layout, weights);
        let judge = Self::fresh_judge(&config, &cpu)?;
        Ok(Self { config, cpu, passes, net, adam, ema, judge, optimizer, before_kimg: 0.0 })
    }

    fn fresh_judge(config: &InkConfig, cpu: &Cpu) -> Result<Option<JudgeLearner>, Error> {
        let InkConfig { judging, precision, seed, .. } = config;
        let (threads, seed) = (cpu.crew().threads(), step_seed(*seed, u64::MAX - 1));
        let fresh =
            |judging: &InkJudging| JudgeLearner::new(&judging.channels, judging.gamma, *precision, threads, seed);
        judging.as_ref().map(fresh).transpose()
    }

    /// The run's configuration.
    pub fn config(&self) -> &InkConfig {
        &self.config
    }

    /// Goes on with other numbers: lengths, learning rates, noise, the judge. The network stays what it is; a judge of another shape starts afresh.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` cannot be trained or changes what a run keeps: network, arithmetic, patches a step, seed. The trainer keeps
    /// its own then.
    pub fn reconfigure(&mut self, config: InkConfig) -> Result<(), Error> {
        config.validate()?;
        let kept = |c: &InkConfig| (c.ink, c.lens, c.precision, c.batch, c.seed);
        if kept(&config) != kept(&self.config) {
            return Err(Error::Config {
                what: "a run of ink keeps its network, arithmetic, batch and seed; start a new one".into(),
            });
        }
        let channels = |c: &InkConfig| c.judging.as_ref().map(|judging| judging.channels.clone());
        if channels(&config) != channels(&self.config) {
            self.judge = Self::fresh_judge(&config, &self.cpu)?;
        }
        if let (Some(judge), Some(judging)) = (&mut self.judge, &config.judging) {
            judge.loss.gamma = judging.gamma;
        }
        self.config = config;
        Ok(())
    }

    /// Begins, before the first step, with the network that `model` has. A larger one draws what that one draws: its further channels and blocks
    /// are fresh, and nothing reads them yet (arXiv 1511.05641).
    ///
    /// # Errors
    /// [`Error::Config`] if the model has none, one with more channels or blocks or of another factor, or steps were taken; [`Error::Model`] if it
    /// is damaged.
    pub fn begin_as(&mut self, model: &ModelFile) -> Result<(), Error> {
        let fail = |what: String| Err(Error::Config { what });
        if self.adam.steps > 0 {
            return fail("the run has begun already and cannot begin as another".into());
        }
        let Architecture { ink, lens, .. } = model.architecture;
        let (asked, has) = (self.config.ink, if self.config.lens { lens } else { ink });
        let holds =
            |has: &Ink| has.factor == asked.factor && has.channels <= asked.channels && has.blocks <= asked.blocks;
        let Some(has) = has.filter(holds) else {
            let said =
                |ink: Ink| format!("{} channels, {} blocks and the factor {}", ink.channels, ink.blocks, ink.factor);
            let no = if self.config.lens { "has no lens" } else { "has no ink network" };
            let has = has.map_or(no.into(), |ink| format!("has one of {}", said(ink)));
            return fail(format!(
                "the model {has}; the run's is of {}, and can begin as one that is no larger",
                said(asked)
            ));
        };
        model.check()?;
        for e in self.net.layout.entries() {
            let mut values = e.to_file(&self.net.weights);
            let row = e.shape[1..].iter().product();
            if let Some(tensor) = model.tensors.get(&self.config.in_file(&e.name)) {
                let known = tensor.shape[1..].iter().product();
                for (to, from) in values.chunks_exact_mut(row).zip(tensor.data.chunks_exact(known)) {
                    to[..known].copy_from_slice(from);
                    to[known..].fill(0.0);
                }
            } else if e.name.contains("conv1") {
                // The last layer of a block that the model lacks: to what is there it adds nothing.
                values[..has.channels * row].fill(0.0);
            }
            e.set_from_file(&values, &mut self.net.weights);
        }
        self.ema.clone_from(&self.net.weights);
        self.passes.weights_changed();
        self.before_kimg =
            model.metadata.provenance.get(self.config.learnt_from()).and_then(Value::as_f64).unwrap_or(0.0);
        Ok(())
    }

    /// Whether a judge is at work already.
    pub fn is_judged(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.adam.steps > 0)
    }

    /// Begins the judge, which has not taken a step yet, as a copy of the discriminator in a training checkpoint: of the one behind ink, which knows
    /// redrawn strokes, where the run has one. It gets that one's channels, unless its own are the first of them and that one was grown from a
    /// discriminator of its size.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no judge, it is at work already, or its layers are others than that discriminator's.
    pub fn begin_judge(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let fail = |what: &str| Err(Error::Config { what: what.into() });
        let Some(judging) = self.config.judging.clone() else { return fail("there is no judge to begin") };
        if self.is_judged() {
            return fail("the judge is at work already and cannot begin as another");
        }
        let trainer = &checkpoint.trainer;
        let (channels, net) = match (&trainer.config.inked, &trainer.auxiliaries.inked) {
            (Some(config), Some(side)) => (&config.channels, &side.judge.net),
            _ => (&trainer.config.discriminator.channels, &trainer.d.net),
        };
        // A grown one has an entrance for smaller pictures too, and with it a smaller judge.
        if channels.starts_with(&judging.channels) && self.judge.as_mut().is_some_and(|judge| judge.begin_as(net)) {
            return Ok(());
        }
        self.reconfigure(InkConfig {
            judging: Some(InkJudging { channels: channels.clone(), ..judging }),
            ..self.config.clone()
        })?;
        if !self.judge.as_mut().is_some_and(|judge| judge.begin_as(net)) {
            return fail("that discriminator has other layers than a judge: its discriminator.features is not 1");
        }
        Ok(())
    }

    /// What a discriminator behind this run's network is to be, to begin as its judge: as large, of the judge's coarsest scale, and at work almost at
    /// once, since it knows redrawn pictures. It names no model yet. Nothing where no judge is at work; see [`crate::Trainer::begin_inked`].
    pub fn inked(&self) -> Option<InkedConfig> {
        let judging = self.config.judging.as_ref().filter(|_| self.is_judged())?;
        let (channels, reduced) = (judging.channels.clone(), judging.scales.iter().copied().max()?);
        Some(InkedConfig { channels, reduced, warmup_kimg: 2.0, lr: 1e-3, ..InkedConfig::default() })
    }

    /// The judge's network, once it is at work.
    pub(crate) fn learnt_judge(&self) -> Option<&Network> {
        self.judge.as_ref().filter(|_| self.is_judged()).map(|judge| &judge.net)
    }

    /// Seeds of the pictures that the model is to draw for the next step: none while pairs are compared only.
    pub fn drawings(&self) -> Vec<Seed> {
        let (step, half) = (self.adam.steps, self.config.batch / 2);
        let count = if self.config.judged_at(step).is_some() { half } else { 0 };
        (0..count as u64).map(|i| Seed(step_seed(!self.config.seed, step * half as u64 + i))).collect()
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.adam.steps
    }

    /// Patches seen.
    pub fn patches(&self) -> u64 {
        self.adam.steps * self.config.batch as u64
    }

    /// Weights of the network.
    pub fn parameters(&self) -> usize {
        self.net.weights.len()
    }

    /// Threads that compute, and what they multiply with.
    pub fn processor(&self) -> (usize, &'static str) {
        self.config.precision.processor(&self.cpu)
    }

    /// One step on a batch of real pictures, `config.batch` times side x side x 3 bytes, and raw pictures drawn from the seeds of
    /// [`InkTrainer::drawings`], [3, side / factor, side / factor] each.
    ///
    /// # Panics
    /// If either has another length, the side is no multiple of the factor, or [`InkConfig::validate_for`] refuses it.
    pub fn step(&mut self, pixels: &[u8], side: usize, drawn: &[f32]) -> InkStep {
        let (ink, n, step) = (self.config.ink, self.config.batch, self.adam.steps);
        assert_eq!(pixels.len(), n * side * side * 3, "a batch is {n} pictures of {side} x {side} x 3 bytes");
        assert_eq!(side % ink.factor, 0, "pictures of a side that the factor divides");
        let small = 3 * (side / ink.factor).pow(2);
        assert_eq!(drawn.len(), self.drawings().len() * small, "a drawn picture is [3, side, side], for each seed");
        let patch = self.config.patch.min(side / ink.factor);
        assert!(self.config.validate_for(side / ink.factor).is_ok(), "the judge's squares fit into the pictures");
        let mut inputs = vec![0.0; n * patch * patch * Ink::INPUTS];
        let patches = self.patches_of(pixels, side, drawn, &mut inputs);
        let added = self.passes.forward(&self.net, &inputs, [n, patch, patch]);
        let mut slopes = vec![0.0; added.len()];
        let loss = self.compare(&patches, &added, &mut slopes);
        let [lr, lr_d] = self.config.rates(step);
        let (opinion, mut dropped) = match self.config.judged_at(step).cloned() {
            Some(judging) => {
                let (opinion, dropped) = self.judge_step(&judging, &patches, &added, lr_d, &mut slopes);
                (Some(opinion), dropped)
            }
            None => (None, 0),
        };
        self.passes.backward(&mut self.net, &slopes);
        let rates = Rates { lr, factors: None, beta2: 0.99 };
        let Network { weights, gradient, .. } = &mut self.net;
        dropped += self.adam.step(self.cpu.crew(), weights, gradient, rates, &self.optimizer).entries;
        let kept = (self.adam.steps as f64 / (self.adam.steps as f64 + 10.0)).min(0.999);
        move_towards(self.cpu.crew(), &mut self.ema, &self.net.weights, 1.0 - kept);
        self.passes.weights_changed();
        InkStep { loss, opinion, dropped }
    }

    /// Cuts a batch into patches; the last ones are of drawn pictures.
    fn patches_of(&self, pixels: &[u8], side: usize, drawn: &[f32], inputs: &mut [f32]) -> Vec<Patch> {
        let (n, config) = (self.config.batch, &self.config);
        let seed = step_seed(config.seed, self.adam.steps);
        let (size, small) = (inputs.len() / n, 3 * (side / config.ink.factor).pow(2));
        let pairs = n - drawn.len() / small;
        let mut slots: Vec<_> = inputs.chunks_exact_mut(size).map(|inputs| (inputs, None)).collect();
        each(&self.cpu, &mut slots, |i, (inputs, patch)| {
            let bytes = &pixels[i * side * side * 3..][..side * side * 3];
            let drawn = (i >= pairs).then(|| &drawn[(i - pairs) * small..][..small]);
            *patch = Some(Patch::of(config, bytes, side, drawn, step_seed(seed, i as u64), inputs));
        });
        slots.into_iter().map(|(_, patch)| patch.expect("every patch was made")).collect()
    }

    /// Slopes of the mean absolute differences, of pairs and, by its weight, of drawn pictures, and of the grid. Gives the difference of the pairs.
    fn compare(&self, patches: &[Patch], added: &[f32], slopes: &mut [f32]) -> f64 {
        let length = added.len() / patches.len();
        let slots = added.chunks_exact(length).zip(slopes.chunks_exact_mut(length));
        let mut slots: Vec<_> = slots.map(|(added, slopes)| (added, slopes, Difference::default())).collect();
        each(&self.cpu, &mut slots, |i, (added, slopes, difference)| *difference = patches[i].compare(added, slopes));
        let total = |drawn: bool| {
            let of = patches.iter().zip(&slots).filter(|(patch, _)| patch.is_drawn() == drawn);
            of.fold((0.0, 0), |(sum, count), (_, (.., d))| (sum + d.sum, (count + d.count).max(1)))
        };
        let [(sum, pairs), (_, drawings)] = [total(false), total(true)];
        let judging = self.config.judged_at(self.adam.steps);
        let [faithful, grid] = judging.map_or([0.0; 2], |judging| [judging.faithful, judging.grid]);
        let shares = [1.0 / pairs.max(1) as f64, faithful / drawings.max(1) as f64].map(|share| share as f32);
        let grid = grid as f32 * shares[0];
        each(&self.cpu, &mut slots, |i, (added, slopes, _)| {
            let share = shares[usize::from(patches[i].is_drawn())];
            slopes.iter_mut().for_each(|v| *v *= share);
            if grid > 0.0 && !patches[i].is_drawn() {
                patches[i].add_grid_slopes(added, grid, slopes);
            }
        });
        sum / pairs.max(1) as f64
    }

    /// One step of the judge; the slopes of what it says are added to `slopes`.
    fn judge_step(
        &mut self,
        judging: &InkJudging,
        patches: &[Patch],
        added: &[f32],
        lr: f64,
        slopes: &mut [f32],
    ) -> (InkOpinion, u64) {
        let (seen, length) = (judging.seen(), added.len() / patches.len());
        let area = 3 * seen * seen;
        let [mut real, mut redrawn] = [(); 2].map(|()| vec![0.0; patches.len() * area]);
        let mut slots: Vec<_> = real.chunks_exact_mut(area).zip(redrawn.chunks_exact_mut(area)).collect();
        each(&self.cpu, &mut slots, |i, (real, redrawn)| {
            let (scale, size) = judging.square(i);
            let squares = patches[i].squares(size, &added[i * length..][..length]);
            let [seen_real, seen_redrawn] = squares.map(|square| square.reduced(scale).values);
            real.copy_from_slice(&seen_real);
            redrawn.copy_from_slice(&seen_redrawn);
        });
        let judge = self.judge.as_mut().expect("a judge was made with the configuration");
        let weight = judging.weight * warmth(judge.adam.steps, self.config.batch, judging.warmup_kimg);
        let (opinion, gradient, dropped) =
            judge.learn(&self.cpu, real, &redrawn, lr, &mut Ranks::default()).expect("the native passes do not fail");
        let mut slots: Vec<_> = gradient.chunks_exact(area).zip(slopes.chunks_exact_mut(length)).collect();
        each(&self.cpu, &mut slots, |i, (gradient, slopes)| {
            let (scale, size) = judging.square(i);
            patches[i].spread(size, scale, gradient, weight as f32, slopes);
        });
        (opinion, dropped)
    }

    /// Redraws a small picture with the average of the weights.
    fn redraw(&mut self, small: Planes) -> Planes {
        let (factor, side) = (self.config.ink.factor, small.side);
        let small = small.bounded();
        let mut inputs = vec![0.0; side * side * Ink::INPUTS];
        small.inputs([0, 0], side, &mut inputs);
        std::mem::swap(&mut self.net.weights, &mut self.ema);
        self.passes.weights_changed();
        let added = self.passes.forward(&self.net, &inputs, [1, side, side]);
        std::mem::swap(&mut self.net.weights, &mut self.ema);
        self.passes.weights_changed();
        let mut picture = small.enlarged(factor);
        pairs::add(&mut picture, factor, &added);
        picture
    }

    /// What the average of the weights makes of a picture reduced by the factor, beside what bilinear enlargement makes of it: the pictures
    /// (enlarged, redrawn), and the mean absolute differences to `real` (range -1 to 1) of either.
    ///
    /// # Panics
    /// If `real` is not side x side x 3 bytes with a side that the factor divides.
    pub fn show(&mut self, real: &[u8], side: usize) -> ([Picture; 2], [f64; 2]) {
        assert_eq!(real.len(), side * side * 3, "a picture is side x side x 3 bytes");
        let real = Planes::of(real, side);
        let small = real.reduced(self.config.ink.factor);
        let both = [small.enlarged(self.config.ink.factor), self.redraw(small)];
        let difference = |planes: &Planes| {
            let differences = planes.values.iter().zip(&real.values).map(|(a, b)| f64::from((a - b).abs()));
            differences.sum::<f64>() / real.values.len() as f64
        };
        (both.each_ref().map(Planes::picture), both.each_ref().map(difference))
    }

    /// A drawn picture, `[3, side, side]` with about -1 to 1, enlarged and redrawn.
    ///
    /// # Panics
    /// If `drawn` has another length.
    pub fn show_drawn(&mut self, drawn: &[f32], side: usize) -> [Picture; 2] {
        assert_eq!(drawn.len(), 3 * side * side, "a picture is [3, side, side]");
        let small = Planes { side, values: drawn.to_vec() };
        [small.enlarged(self.config.ink.factor), self.redraw(small)].each_ref().map(Planes::picture)
    }

    /// `model` with this network behind its last block, in place of one that it may have.
    ///
    /// # Errors
    /// [`Error::Model`] if the two do not fit.
    pub fn added_to(&self, model: &ModelFile) -> Result<ModelFile, Error> {
        let mut model = model.clone();
        if self.config.lens {
            model = model.without_lens();
            model.architecture.lens = Some(self.config.ink);
        } else {
            model = model.without_ink();
            model.architecture.ink = Some(self.config.ink);
        }
        for e in self.net.layout.entries() {
            model.tensors.insert(
                self.config.in_file(&e.name),
                synth::Tensor { shape: e.shape.clone(), data: e.to_file(&self.ema) },
            );
        }
        if let Some(provenance) = model.metadata.provenance.as_object_mut() {
            provenance.insert(self.config.learnt_from(), (self.before_kimg + self.patches() as f64 / 1000.0).into());
        }
        model.check()?;
        Ok(model)
    }

    /// Writes the whole state to `path`, or leaves what is there as it is.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, origin: &InkOrigin, path: &Path) -> Result<(), Error> {
        let steps = self.adam.steps;
        let judge_steps = self.judge.as_ref().map_or(0, |judge| judge.adam.steps);
        let (config, origin, before_kimg) = (self.config.clone(), origin.clone(), self.before_kimg);
        let header = Header { version: VERSION, config, steps, judge_steps, before_kimg, origin };
        state_file::write_file(path, FORMAT, &header, Dtype::F32, &self.state())
    }

    /// Reads what [`InkTrainer::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, [`Error::Checkpoint`] if it is damaged or something else.
    pub fn load(path: &Path, threads: usize) -> Result<(Self, InkOrigin), Error> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let fail = |what: String| Error::Checkpoint { path: path.into(), what };
        let header = state_file::header(&bytes, FORMAT).map_err(fail)?;
        let header: Header = serde_json::from_str(&header).map_err(|e| fail(format!("its header is damaged: {e}")))?;
        state_file::readable(header.version, VERSION).map_err(fail)?;
        let mut trainer = Self::new(header.config, threads).map_err(|e| fail(e.to_string()))?;
        (trainer.adam.steps, trainer.before_kimg) = (header.steps, header.before_kimg);
        if let Some(judge) = &mut trainer.judge {
            judge.adam.steps = header.judge_steps;
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(e.to_string()))?;
        for (name, values) in trainer.state_mut() {
            *values = state_file::tensor(&file, name, Dtype::F32, values.len()).map_err(fail)?;
        }
        Ok((trainer, header.origin))
    }

    fn state(&self) -> Vec<(&'static str, &[f32])> {
        let Self { net, adam, ema, .. } = self;
        let mut state: Vec<(_, &[f32])> =
            vec![("weights", &net.weights), ("adam.first", &adam.first), ("adam.second", &adam.second), ("ema", ema)];
        if let Some(JudgeLearner { net, adam, .. }) = &self.judge {
            state.push(("judge.weights", &net.weights));
            state.push(("judge.adam.first", &adam.first));
            state.push(("judge.adam.second", &adam.second));
        }
        state
    }

    fn state_mut(&mut self) -> Vec<(&'static str, &mut Vec<f32>)> {
        let Self { net, adam, ema, .. } = self;
        let mut state = vec![
            ("weights", &mut net.weights),
            ("adam.first", &mut adam.first),
            ("adam.second", &mut adam.second),
            ("ema", ema),
        ];
        if let Some(JudgeLearner { net, adam, .. }) = &mut self.judge {
            state.push(("judge.weights", &mut net.weights));
            state.push(("judge.adam.first", &mut adam.first));
            state.push(("judge.adam.second", &mut adam.second));
        }
        state
    }
}

/// Works on each of `items`, shared out among the threads.
fn each<T: Send>(cpu: &Cpu, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
    let slots: Vec<_> = items.iter_mut().map(Mutex::new).collect();
    cpu.crew().in_parts(slots.len(), |range| {
        for i in range {
            work(i, &mut slots[i].lock().expect("nobody else has this one"));
        }
    });
}

/// What a checkpoint says besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    config: InkConfig,
    steps: u64,
    #[serde(default)]
    judge_steps: u64,
    #[serde(default)]
    before_kimg: f64,
    #[serde(flatten)]
    origin: InkOrigin,
}
