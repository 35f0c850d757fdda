//! Training of the network that redraws a composed picture at a larger size ([`synth::Ink`]): pairs of a reduced picture and the one it came from, and
//! the mean absolute difference between what is redrawn and what was there.

use std::path::Path;
use std::sync::Mutex;

use kernels::train::{Bf16, Cpu};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use synth::{Ink, ModelFile, Picture};

use crate::adam::{Adam, Rates, move_towards};
use crate::config::OptimizerConfig;
use crate::tape::Network;
use crate::trainer::{processor, step_seed};
use crate::{Config, Error, Precision, checkpoint};

mod network;
mod pairs;
#[cfg(test)]
mod tests;

use network::{Native, Redraw};
use pairs::{Pair, Planes};

const FORMAT: &str = "tadne-ink";
const VERSION: u32 = 1;

/// How an ink network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InkConfig {
    /// The network.
    pub ink: Ink,
    /// Side of the small picture's patch that is learnt from at a time, in pixels.
    pub patch: usize,
    /// Patches a step.
    pub batch: usize,
    /// Length of the run in thousands of patches.
    pub kimg: f64,
    /// Learning rate after the warm-up of 100 steps; a cosine takes it to a twentieth by the end.
    pub lr: f64,
    /// Noise on the small pictures: its standard deviation is drawn between 0 and this (their range is -1 to 1).
    pub noise: f32,
    /// Blur of the small pictures: the share of a mean of 3x3 pixels is drawn between 0 and this.
    pub blur: f32,
    /// Numbers that the layers work with.
    pub precision: Precision,
    /// Seed of weights, noise and order.
    pub seed: u64,
}

impl InkConfig {
    /// What a run of `tadne ink` takes for `ink` unless told otherwise.
    pub fn new(ink: Ink) -> Self {
        let (patch, batch, kimg, lr) = (40, 16, 400.0, 4e-4);
        Self { ink, patch, batch, kimg, lr, noise: 0.06, blur: 0.5, precision: Precision::Auto, seed: 0 }
    }

    /// Checks that every value can be trained with.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { ink, patch, batch, kimg, lr, noise, blur, .. } = *self;
        let network =
            (1..=256).contains(&ink.channels) && (1..=32).contains(&ink.blocks) && matches!(ink.factor, 2 | 4);
        let shares = (0.0..=1.0).contains(&noise) && (0.0..=1.0).contains(&blur);
        let what = if !network {
            "ink must have 1 to 256 channels, 1 to 32 blocks and the factor 2 or 4"
        } else if !(8..=256).contains(&patch) || !(1..=1024).contains(&batch) {
            "patches must be of 8 to 256 pixels, 1 to 1024 a step"
        } else if !(kimg.is_finite() && kimg > 0.0 && lr.is_finite() && lr > 0.0 && lr < 1.0) {
            "kimg and lr must be positive, lr below 1"
        } else if !shares {
            "noise and blur must be between 0 and 1"
        } else {
            return Ok(());
        };
        Err(Error::Config { what: what.into() })
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        ((self.kimg * 1000.0 / self.batch as f64).ceil() as u64).max(1)
    }

    /// The learning rate of a step, counted from 0.
    fn rate(&self, step: u64) -> f64 {
        let done = (step as f64 / self.steps() as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.lr * ((step + 1) as f64 / 100.0).min(1.0) * cosine.max(0.05)
    }
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
    optimizer: OptimizerConfig,
}

impl InkTrainer {
    /// A fresh network that is trained by `threads` threads.
    ///
    /// # Errors
    /// [`Error::Config`] where [`InkConfig::validate`] fails.
    pub fn new(config: InkConfig, threads: usize) -> Result<Self, Error> {
        config.validate()?;
        let (cpu, own) = (processor(threads)?, processor(threads)?);
        let passes: Box<dyn Redraw> = if config.precision.is_bf16(&cpu) {
            Box::new(Native::<Bf16>::new(own, config.ink))
        } else {
            Box::new(Native::<f32>::new(own, config.ink))
        };
        let layout = network::layout(config.ink);
        let weights = layout.initial(step_seed(config.seed, u64::MAX));
        let optimizer = OptimizerConfig { beta1: 0.5, ..Config::preset("c64")?.optimizer };
        let (adam, ema) = (Adam::new(weights.len()), weights.clone());
        Ok(Self { config, cpu, passes, net: Network::new(layout, weights), adam, ema, optimizer })
    }

    /// The run's configuration.
    pub fn config(&self) -> &InkConfig {
        &self.config
    }

    /// Makes the run longer or shorter; the learning rate follows.
    ///
    /// # Errors
    /// [`Error::Config`] if `kimg` is not a positive number.
    pub fn set_length(&mut self, kimg: f64) -> Result<(), Error> {
        let config = InkConfig { kimg, ..self.config };
        config.validate()?;
        self.config = config;
        Ok(())
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

    /// One step on a batch of real pictures, `config.batch` times side x side x 3 bytes.
    ///
    /// # Panics
    /// If `pixels` has another length, or the side is no multiple of the factor.
    pub fn step(&mut self, pixels: &[u8], side: usize) -> InkStep {
        let InkConfig { ink, batch: n, .. } = self.config;
        assert_eq!(pixels.len(), n * side * side * 3, "a batch is {n} pictures of {side} x {side} x 3 bytes");
        assert_eq!(side % ink.factor, 0, "pictures of a side that the factor divides");
        let patch = self.config.patch.min(side / ink.factor);
        let seed = step_seed(self.config.seed, self.adam.steps);
        let mut inputs = vec![0.0; n * patch * patch * Ink::INPUTS];
        let pairs = self.pairs(pixels, side, seed, &mut inputs);
        let added = self.passes.forward(&self.net, &inputs, [n, patch, patch]);
        let mut slopes = vec![0.0; added.len()];
        let length = added.len() / n;
        let slots = pairs.iter().zip(added.chunks_exact(length).zip(slopes.chunks_exact_mut(length)));
        let slots: Vec<_> = slots.map(|slot| Mutex::new((slot, (0.0, 0)))).collect();
        self.cpu.crew().in_parts(n, |range| {
            for slot in &slots[range] {
                let mut slot = slot.lock().expect("nobody else has this pair");
                let ((pair, (added, slopes)), sums) = &mut *slot;
                *sums = pair.compare(ink.factor, patch, added, slopes);
            }
        });
        let sums = slots.into_iter().map(|slot| slot.into_inner().expect("nobody else has this pair").1);
        let (sum, count) = sums.fold((0.0, 0), |(sum, count), (s, c)| (sum + s, count + c));
        let share = 1.0 / count.max(1) as f32;
        for v in &mut slopes {
            *v *= share;
        }
        self.passes.backward(&mut self.net, &slopes);
        let rates = Rates { lr: self.config.rate(self.adam.steps), factors: None, beta2: 0.99 };
        let Network { weights, gradient, .. } = &mut self.net;
        let dropped = self.adam.step(self.cpu.crew(), weights, gradient, rates, &self.optimizer).entries;
        let kept = (self.adam.steps as f64 / (self.adam.steps as f64 + 10.0)).min(0.999);
        move_towards(self.cpu.crew(), &mut self.ema, &self.net.weights, 1.0 - kept);
        self.passes.weights_changed();
        InkStep { loss: sum / count.max(1) as f64, dropped }
    }

    fn pairs(&self, pixels: &[u8], side: usize, seed: u64, inputs: &mut [f32]) -> Vec<Pair> {
        let n = self.config.batch;
        let size = inputs.len() / n;
        let slots: Vec<_> = inputs.chunks_exact_mut(size).map(|inputs| Mutex::new((inputs, None))).collect();
        let config = &self.config;
        self.cpu.crew().in_parts(n, |range| {
            for i in range {
                let mut slot = slots[i].lock().expect("nobody else has this pair");
                let bytes = &pixels[i * side * side * 3..][..side * side * 3];
                let (inputs, pair) = &mut *slot;
                *pair = Some(Pair::of(config, bytes, side, step_seed(seed, i as u64), inputs));
            }
        });
        let pair = |slot: Mutex<(&mut [f32], Option<Pair>)>| slot.into_inner().expect("nobody else has this pair").1;
        slots.into_iter().map(|slot| pair(slot).expect("every pair was made")).collect()
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
        let mut model = model.clone().without_ink();
        model.architecture.ink = Some(self.config.ink);
        for e in self.net.layout.entries() {
            model.tensors.insert(e.name.clone(), synth::Tensor { shape: e.shape.clone(), data: e.to_file(&self.ema) });
        }
        if let Some(provenance) = model.metadata.provenance.as_object_mut() {
            provenance.insert("ink_kimg".into(), (self.patches() as f64 / 1000.0).into());
        }
        model.check()?;
        Ok(model)
    }

    /// Writes the whole state to `path`, or leaves what is there as it is.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, origin: &InkOrigin, path: &Path) -> Result<(), Error> {
        let header = Header { version: VERSION, config: self.config, steps: self.adam.steps, origin: origin.clone() };
        let tensors = self.state().map(|(name, values)| (name, values.len(), bytemuck::cast_slice(values)));
        checkpoint::write_file(path, FORMAT, &header, Dtype::F32, &tensors)
    }

    /// Reads what [`InkTrainer::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, [`Error::Checkpoint`] if it is damaged or something else.
    pub fn load(path: &Path, threads: usize) -> Result<(Self, InkOrigin), Error> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let fail = |what: String| Error::Checkpoint { path: path.into(), what };
        let header = checkpoint::header(&bytes, FORMAT).map_err(fail)?;
        let header: Header = serde_json::from_str(&header).map_err(|e| fail(format!("its header is damaged: {e}")))?;
        if header.version != VERSION {
            return Err(fail(format!("it has version {}, this program reads version {VERSION}", header.version)));
        }
        let mut trainer = Self::new(header.config, threads)?;
        trainer.adam.steps = header.steps;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(e.to_string()))?;
        for (name, values) in trainer.state_mut() {
            *values = checkpoint::tensor(&file, name, Dtype::F32, values.len()).map_err(fail)?;
        }
        Ok((trainer, header.origin))
    }

    fn state(&self) -> [(&'static str, &[f32]); 4] {
        let Self { net, adam, ema, .. } = self;
        [("weights", &net.weights), ("adam.first", &adam.first), ("adam.second", &adam.second), ("ema", ema)]
    }

    fn state_mut(&mut self) -> [(&'static str, &mut Vec<f32>); 4] {
        let Self { net, adam, ema, .. } = self;
        let Adam { first, second, .. } = adam;
        [("weights", &mut net.weights), ("adam.first", first), ("adam.second", second), ("ema", ema)]
    }
}

/// What a checkpoint says besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    config: InkConfig,
    steps: u64,
    #[serde(flatten)]
    origin: InkOrigin,
}
