//! The discriminator that judges redrawn squares, beside real ones of the same place.

use std::rc::Rc;

use kernels::train::{Bf16, Cpu};
use serde::{Deserialize, Deserializer, Serialize};

use super::{length_fault, rate_fault};
use crate::adam::{Adam, Rates};
use crate::collective::Ranks;
use crate::config::{DiscriminatorConfig, Downsample, LossConfig, OptimizerConfig};
use crate::cpu::processor;
use crate::discriminator::{Discriminator, Shown};
use crate::loss::along_gradient;
use crate::params::Entry;
use crate::passes::{DiscriminatorPasses, NativeDiscriminator};
use crate::tape::Network;
use crate::{Config, Error, Precision, loss};

/// Pictures that share one minibatch standard deviation; every so many are penalised.
pub(crate) const GROUP: usize = 4;
/// Side of the discriminator's last stage.
pub(crate) const BASE: usize = 4;

/// The adversarial part of a run of ink, which follows the part that only compares. Half of each batch are pairs, half are pictures that the model
/// drew: those have no counterpart, and only the discriminator says what they should look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InkJudging {
    /// Channels of the discriminator from 4 pixels up; each further entry doubles what it sees of a square.
    pub channels: Vec<usize>,
    /// It sees means of so many by so many pixels, the squares of a batch by turns: what is fine at 1, how strokes run at 2.
    #[serde(alias = "reduced", deserialize_with = "one_or_many")]
    pub scales: Vec<usize>,
    /// Length in thousands of patches.
    pub kimg: f64,
    /// Weight of the adversarial loss, where the mean absolute difference of pairs weighs 1.
    pub weight: f64,
    /// That weight rises linearly over so many thousand patches: what a judge asks for that does not know redrawn pictures yet is a halftone.
    #[serde(default)]
    pub warmup_kimg: f64,
    /// Weight of the mean absolute difference between a drawn picture and what was redrawn, reduced again.
    pub faithful: f64,
    /// Weight of the errors of pairs that repeat from one small pixel to the next: of a grid, which the judge hardly sees.
    #[serde(default)]
    pub grid: f64,
    /// Weight of the gradient penalty, as [`LossConfig::gamma`].
    pub gamma: f64,
    /// Learning rate of the ink network; a cosine takes it to a tenth by the end.
    pub lr: f64,
    /// Learning rate of the discriminator, likewise.
    pub lr_d: f64,
}

impl InkJudging {
    /// What `tadne ink` takes for `kimg` thousand patches.
    pub fn new(kimg: f64) -> Self {
        let channels = vec![128, 128, 128, 96, 48];
        let (weight, warmup_kimg, faithful, grid, gamma) = (0.2, 4.0, 0.1, 0.5, 0.5);
        Self { channels, scales: vec![1, 2], kimg, weight, warmup_kimg, faithful, grid, gamma, lr: 5e-5, lr_d: 2e-3 }
    }

    /// The scale of the `i`-th square of a batch, and its side in pixels of the redrawn picture.
    pub(crate) fn square(&self, i: usize) -> (usize, usize) {
        let scale = self.scales[i % self.scales.len()];
        (scale, scale * self.seen())
    }

    /// Their side as the judge sees them.
    pub(crate) fn seen(&self) -> usize {
        side_of(&self.channels)
    }

    /// What is wrong with it for patches of `patch` pixels, `batch` a step, redrawn at `factor` times the size.
    pub(crate) fn fault(&self, patch: usize, batch: usize, factor: usize) -> Option<String> {
        let Self { channels, scales, .. } = self;
        if !are_stages(channels) {
            return Some(format!("judging.channels must be 2 to 8 numbers from 1 to 1024, not {channels:?}"));
        }
        if scales.is_empty() || scales.iter().any(|scale| !(1..=8).contains(scale)) {
            return Some(format!("judging.scales must be one or more numbers from 1 to 8, not {scales:?}"));
        }
        let fits = |side: usize| side <= patch * factor && side.is_multiple_of(factor);
        if let Some(side) = (0..scales.len()).map(|i| self.square(i).1).find(|side| !fits(*side)) {
            return Some(format!(
                "judging.channels ({} of them) and judging.scales ({scales:?}) make squares of {side} pixels, which must be a multiple of the \
                 factor, {factor}, and fit into redrawn patches of {}",
                channels.len(),
                patch * factor
            ));
        }
        let share = 2 * GROUP;
        if !batch.is_multiple_of(share) {
            return Some(format!("batch must be a multiple of {share} with a judge, not {batch}"));
        }
        let fault = length_fault("judging.kimg", self.kimg)
            .or_else(|| rate_fault("judging.lr", self.lr))
            .or_else(|| rate_fault("judging.lr_d", self.lr_d));
        if fault.is_some() {
            return fault;
        }
        let weights = [
            ("weight", self.weight),
            ("warmup_kimg", self.warmup_kimg),
            ("faithful", self.faithful),
            ("grid", self.grid),
            ("gamma", self.gamma),
        ];
        let (name, v) = weights.iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0))?;
        Some(format!("judging.{name} must be 0 or more, not {v}"))
    }
}

/// Side of what a discriminator of such stages sees.
pub(crate) fn side_of(channels: &[usize]) -> usize {
    BASE << channels.len().saturating_sub(1)
}

/// Whether a discriminator can have such stages: 2 to 8 of 1 to 1024 channels.
pub(crate) fn are_stages(channels: &[usize]) -> bool {
    (2..=8).contains(&channels.len()) && channels.iter().all(|c| (1..=1024).contains(c))
}

/// A list, or the number that older states have in its place.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        One(usize),
        Many(Vec<usize>),
    }
    Ok(match Read::deserialize(from)? {
        Read::One(scale) => vec![scale],
        Read::Many(scales) => scales,
    })
}

/// What the discriminator said of a batch: means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct InkOpinion {
    /// Its loss, with penalty.
    pub loss_d: f64,
    /// The redrawing network's adversarial loss.
    pub loss_g: f64,
    /// Its output on real squares.
    pub real: f64,
    /// Its output on redrawn squares.
    pub fake: f64,
}

/// The discriminator in training.
pub(crate) struct JudgeLearner {
    passes: Box<dyn DiscriminatorPasses>,
    pub(crate) net: Network,
    pub(crate) adam: Adam,
    optimizer: OptimizerConfig,
    pub(crate) loss: LossConfig,
}

impl JudgeLearner {
    /// What it says of planar squares, without learning from them.
    pub(crate) fn opinion(&mut self, squares: &[f32]) -> Result<Vec<f32>, Error> {
        let said = self.passes.logits(&self.net, Shown::plain(squares))?;
        self.passes.finish(&mut self.net)?;
        Ok(said)
    }

    /// A fresh one, drawn from `seed`.
    pub(crate) fn new(
        channels: &[usize],
        gamma: f64,
        precision: Precision,
        threads: usize,
        seed: u64,
    ) -> Result<Self, Error> {
        let shape = DiscriminatorConfig {
            channels: channels.to_vec(),
            downsample: Downsample::PoolConv,
            group: GROUP,
            features: 1,
            entrances: 0,
            classes: 0,
        };
        let discriminator = Discriminator::new(&shape, [BASE; 2]);
        let layout = discriminator.layout();
        let weights = layout.initial(seed);
        let cpu: Rc<Cpu> = Rc::new(processor(threads)?);
        let passes: Box<dyn DiscriminatorPasses> = if precision.is_bf16(&cpu) {
            Box::new(NativeDiscriminator::<Bf16>::new(cpu, &discriminator))
        } else {
            Box::new(NativeDiscriminator::<f32>::new(cpu, &discriminator))
        };
        let usual = Config::preset("c64")?;
        let loss = LossConfig { gamma, ..usual.loss };
        Ok(Self {
            passes,
            adam: Adam::new(weights.len()),
            net: Network::new(layout, weights),
            optimizer: usual.optimizer,
            loss,
        })
    }

    /// Takes the weights of another discriminator that has all of its layers; false where one is missing or of another shape. Entrances for smaller
    /// pictures, which a judge lacks, are left out.
    pub(crate) fn begin_as(&mut self, other: &Network) -> bool {
        let Network { layout, weights, .. } = &mut self.net;
        let theirs = |e: &Entry| other.layout.entries().iter().find(|o| (&o.name, &o.shape) == (&e.name, &e.shape));
        let Some(same): Option<Vec<_>> = layout.entries().iter().map(|e| Some((e, theirs(e)?))).collect() else {
            return false;
        };
        for (own, theirs) in same {
            weights[own.range.clone()].copy_from_slice(&other.weights[theirs.range.clone()]);
        }
        true
    }

    /// Takes all that another one of the same layers has learnt, and its place in the run.
    pub(crate) fn go_on_as(&mut self, other: &Self) {
        self.net.weights.clone_from(&other.net.weights);
        self.adam.clone_from(&other.adam);
    }

    /// One step on squares, planar, real ones and as many redrawn ones, each beside a real one of its place. Gives what was said, the gradient of
    /// the redrawing network's adversarial loss at the redrawn squares, and how many entries of the gradient were not finite. All ranks take the same
    /// step.
    pub(crate) fn learn(
        &mut self,
        cpu: &Cpu,
        mut squares: Vec<f32>,
        fake: &[f32],
        lr: f64,
        ranks: &mut Ranks,
    ) -> Result<(InkOpinion, Vec<f32>, u64), Error> {
        let half = squares.len();
        squares.extend_from_slice(fake);
        let logits = self.passes.logits(&self.net, Shown::plain(&squares))?;
        let n = logits.len() / 2;
        let (real, drawn) = logits.split_at(n);
        let said = loss::discriminator(&self.loss, real, drawn);
        let gradient = self.passes.backward(&mut self.net, &said.slopes, 0..2 * n, true)?;

        let of: Vec<usize> = (0..GROUP).chain(n..n + GROUP).collect();
        let slopes = self.passes.jvp(&self.net, &along_gradient(cpu, &gradient, &of, half / n), None, &of)?;
        let (penalty, back) = loss::penalty(self.loss.gamma, &slopes, GROUP);
        self.passes.jvp_backward(&mut self.net, &back)?;

        let (loss_g, back) = loss::generator(self.loss.pairing, real, drawn);
        let back = [vec![0.0; n], back].concat();
        let gradient = self.passes.backward(&mut self.net, &back, n..2 * n, false)?.split_off(half);
        self.passes.finish(&mut self.net)?;
        ranks.mean(&mut self.net.gradient)?;
        let rates = Rates { lr, factors: None, beta2: self.optimizer.beta2 };
        let Network { weights, gradient: slope, .. } = &mut self.net;
        let dropped = self.adam.step(cpu.crew(), weights, slope, rates, &self.optimizer).entries;
        let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let loss_d = said.total + penalty * self.loss.gamma / 2.0;
        Ok((InkOpinion { loss_d, loss_g, real: mean(real), fake: mean(drawn) }, gradient, dropped))
    }
}
