//! One training step after another: G, D, their optimisers and averages, and nothing that touches files or clocks.

use kernels::train::Cpu;
use serde::{Deserialize, Serialize};
use synth::{Picture, Seed};

use crate::adam::{Adam, Dropped, Rates, move_towards};
use crate::augment::Augmentation;
use crate::auxiliaries::Auxiliaries;
use crate::auxiliary::{Auxiliary, Said, Scene};
use crate::backend::passes;
use crate::collective::{Collective, Ranks};
use crate::config::{AugmentConfig, OptimizerConfig, Penalty, Precision};
use crate::cpu::processor;
use crate::device::Device;
use crate::discriminator::{Discriminator, Shown};
use crate::generator::{Generator, Latents};
use crate::ink::InkTrainer;
use crate::params::Layout;
use crate::passes::Passes;
use crate::past::{self, Past};
use crate::planes::{picture, planes};
use crate::schedule::Schedule;
use crate::seeds::{rank_seed, step_seed};
use crate::tape::{Context, Network, share};
use crate::{Config, Error, loss, schedule};

/// Streams of a step's seed: z, and the random penalty's directions. Augmentation has another.
const Z_STREAM: u32 = 0;
const DIRECTION_STREAM: u32 = 1;
/// Samples that are drawn at once: what their layers take comes on top of what a step keeps.
const AT_ONCE: usize = 8;

/// How far a run has come. With the configuration and the weights this is all a resumed run needs: the position in the data is the
/// number of pictures seen, and all random numbers follow from the seed and the step's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub steps: u64,
    /// Real pictures seen.
    pub images: u64,
    /// Gradient entries that were not finite and were dropped, in all.
    pub dropped: u64,
    /// Real pictures seen by the smaller networks that these were grown from.
    #[serde(default)]
    pub images_before: u64,
    /// Probability of augmentation in millionths, where it follows D's overfitting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment_millionths: Option<u32>,
}

impl Progress {
    /// Thousands of real pictures seen in this run.
    pub fn kimg(self) -> f64 {
        self.images as f64 / 1000.0
    }

    /// Thousands of real pictures seen in all, growth included.
    pub fn total_kimg(self) -> f64 {
        (self.images_before + self.images) as f64 / 1000.0
    }
}

/// A network's weights and the state of its optimiser.
#[derive(Debug)]
pub(crate) struct Learner {
    pub(crate) net: Network,
    pub(crate) adam: Adam,
    /// 1 for each weight that a grown network did not inherit, 0 for each that it did.
    new: Option<Vec<f32>>,
}

impl Learner {
    fn new(layout: Layout, inherited_stages: usize, seed: u64) -> Self {
        let weights = layout.initial(seed);
        let new = (inherited_stages > 0).then(|| layout.belongs_from(inherited_stages));
        Self { adam: Adam::new(weights.len()), new, net: Network::new(layout, weights) }
    }

    /// One step of Adam; `inherited` multiplies the learning rate of what came from a smaller network.
    /// Gives the number of gradient entries that were not finite; `fault` then holds the name of the first tensor that had some.
    fn descend(
        &mut self,
        cpu: &Cpu,
        lr: f64,
        inherited: f64,
        beta2: f64,
        o: &OptimizerConfig,
        fault: &mut Option<String>,
    ) -> u64 {
        let restrained = self.new.as_ref().filter(|_| inherited < 1.0);
        let factors: Option<Vec<f32>> =
            restrained.map(|new| new.iter().map(|n| n + (1.0 - n) * inherited as f32).collect());
        let Network { layout, weights, gradient } = &mut self.net;
        let rates = Rates { lr, factors: factors.as_deref(), beta2 };
        let Dropped { entries, first } = self.adam.step(cpu.crew(), weights, gradient, rates, o);
        if let Some(place) = first {
            *fault = Some(layout.at(place).name.clone());
        }
        entries
    }
}

/// Means over the steps since the last call of [`Trainer::take_means`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMeans {
    /// D's loss with penalty and drift.
    pub loss_d: f64,
    /// G's loss.
    pub loss_g: f64,
    /// D's output on real pictures.
    pub real: f64,
    /// D's output on drawn pictures.
    pub fake: f64,
    /// Squared gradient norm of D at real plus at drawn pictures.
    pub penalty: f64,
    /// Pairs that D tells apart rightly less those that it tells apart wrongly, as a share of all: near 1 it may know its pictures by heart.
    #[serde(default)]
    pub apart: f64,
    /// The feature critic's loss; 0 without one, as the next two.
    #[serde(default)]
    pub critic: f64,
    /// The feature critic's output on real pictures.
    #[serde(default)]
    pub critic_real: f64,
    /// The feature critic's output on drawn pictures.
    #[serde(default)]
    pub critic_fake: f64,
    /// The loss of the discriminator behind an ink network; 0 without one, as the next two.
    #[serde(default)]
    pub inked: f64,
    /// Its output on real pictures.
    #[serde(default)]
    pub inked_real: f64,
    /// Its output on drawn pictures.
    #[serde(default)]
    pub inked_fake: f64,
}

impl StepMeans {
    fn values(&mut self) -> [&mut f64; 12] {
        [
            &mut self.loss_d,
            &mut self.loss_g,
            &mut self.real,
            &mut self.fake,
            &mut self.penalty,
            &mut self.apart,
            &mut self.critic,
            &mut self.critic_real,
            &mut self.critic_fake,
            &mut self.inked,
            &mut self.inked_real,
            &mut self.inked_fake,
        ]
    }

    fn add(&mut self, mut other: Self) {
        self.values().into_iter().zip(other.values()).for_each(|(a, b)| *a += *b);
    }
}

/// An average of G's weights whose memory is a fraction of the whole run: step `t` weighs as `t^exponent`.
#[derive(Debug)]
pub(crate) struct WideAverage {
    /// Its standard deviation in steps over the number of steps.
    pub(crate) width: f64,
    exponent: f64,
    pub(crate) weights: Vec<f32>,
}

impl WideAverage {
    fn new(width: f64, weights: Vec<f32>) -> Self {
        Self { width, exponent: schedule::exponent(width), weights }
    }

    /// Takes in the weights after step `t`, counted from 1.
    fn update(&mut self, cpu: &Cpu, weights: &[f32], t: u64) {
        let kept = (1.0 - 1.0 / t as f64).powf(self.exponent + 1.0);
        move_towards(cpu.crew(), &mut self.weights, weights, 1.0 - kept);
    }
}

/// The state of a run in memory.
pub struct Trainer {
    pub(crate) config: Config,
    /// For all that is not the networks' bodies.
    cpu: Cpu,
    pub(crate) passes: Box<dyn Passes>,
    device: Device,
    /// Those that train with this one, if any.
    ranks: Ranks,
    generator: Generator,
    discriminator: Discriminator,
    pub(crate) g: Learner,
    pub(crate) d: Learner,
    pub(crate) auxiliaries: Auxiliaries,
    /// Whom D meets besides, while G is held.
    past: Past,
    /// Average of G's weights.
    pub(crate) ema: Vec<f32>,
    /// Further averages, one for each of the configuration's widths.
    pub(crate) wide: Vec<WideAverage>,
    /// Running mean of w.
    pub(crate) w_avg: Vec<f32>,
    pub(crate) progress: Progress,
    /// The last tensor whose gradient had entries that were not finite, since it was asked for.
    fault: Option<String>,
    /// Sums since the last tick.
    sums: StepMeans,
    summed_steps: u64,
}

impl Trainer {
    /// Fresh networks, drawn from the configuration's seed, that are trained by `threads` threads.
    ///
    /// # Errors
    /// [`Error::Config`] where [`Config::validate`] fails, [`Error::Features`] where the feature critic's network is missing.
    pub fn new(config: Config, threads: usize) -> Result<Self, Error> {
        let mut trainer = Self::bare(config, threads)?;
        trainer.prepare()?;
        Ok(trainer)
    }

    /// Fresh networks that cannot take a step yet: the feature critic's frozen network is not opened. An export needs no more.
    pub(crate) fn bare(config: Config, threads: usize) -> Result<Self, Error> {
        config.validate()?;
        Generator::check(&config.architecture)?;
        let cpu = processor(threads)?;
        let generator = Generator::new(&config.architecture);
        let discriminator = Discriminator::new(&config.discriminator, config.architecture.base);
        let g = Learner::new(generator.layout(), config.growth.stages, step_seed(config.seed, u64::MAX));
        let d = Learner::new(discriminator.layout(), 0, step_seed(config.seed, u64::MAX - 1));
        let wide = config.ema.widths.iter().map(|&w| WideAverage::new(w, g.net.weights.clone())).collect();
        Ok(Self {
            passes: passes(&config, Device::Cpu, processor(threads)?, &generator, &discriminator)?,
            device: Device::Cpu,
            ranks: Ranks::default(),
            cpu,
            wide,
            ema: g.net.weights.clone(),
            w_avg: vec![0.0; config.architecture.w_dim],
            sums: StepMeans::default(),
            summed_steps: 0,
            fault: None,
            progress: Progress::default(),
            generator,
            discriminator,
            g,
            d,
            auxiliaries: Auxiliaries::new(&config, threads)?,
            past: Past::default(),
            config,
        })
    }

    /// Numbers of G's and of D's weights.
    ///
    /// # Errors
    /// As [`Config::validate`].
    pub(crate) fn lengths(config: &Config) -> Result<[usize; 2], Error> {
        config.validate()?;
        Generator::check(&config.architecture)?;
        let discriminator = Discriminator::new(&config.discriminator, config.architecture.base);
        Ok([Generator::new(&config.architecture).layout().len(), discriminator.layout().len()])
    }

    /// Opens what only steps need.
    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        let threads = self.cpu.crew().threads();
        self.past = Past::open(&self.config, &self.g.net.layout)?;
        self.auxiliaries.prepare(&self.config, threads)
    }

    /// Goes on with another recipe: anything may change but the networks themselves and the seed, of which the order of pictures follows. A critic
    /// beside D may join, leave or change; it starts afresh then.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` cannot be trained, asks for other networks or has another seed, [`Error::Features`] where a feature critic's network
    /// is missing; the trainer keeps its own then.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), Error> {
        config.validate()?;
        config.part(self.ranks.size())?;
        let old = &self.config;
        if config.architecture != old.architecture || config.discriminator != old.discriminator {
            return Err(Error::Config {
                what: "a run keeps its architecture and its discriminator; start a new one".into(),
            });
        }
        if config.seed != old.seed {
            return Err(Error::Config { what: "a run keeps its seed; start a new one".into() });
        }
        // All that may fail comes first.
        let other = config.precision != old.precision;
        let passes = other.then(|| self.passes_on(self.device, &config)).transpose()?;
        let past = Past::open(&config, &self.g.net.layout)?;
        let threads = self.cpu.crew().threads();
        self.auxiliaries.change([&self.config, &config], threads, &self.d.net)?;
        if let Some(passes) = passes {
            self.passes = passes;
        }
        self.past = past;
        let stages = config.growth.stages;
        self.g.new = (stages > 0).then(|| self.g.net.layout.belongs_from(stages));
        let wide = config.ema.widths.iter().map(|&width| {
            // One that is new begins at the weights as they are.
            let kept = self.wide.iter().find(|old| old.width.to_bits() == width.to_bits());
            WideAverage::new(width, kept.map_or(&self.g.net.weights, |old| &old.weights).clone())
        });
        self.wide = wide.collect();
        self.config = config;
        Ok(())
    }

    /// Begins the discriminator behind ink, which has not taken a step yet, as the judge of a run of ink; its Adam begins afresh. False where it is at
    /// work already, and stays as it is. [`InkTrainer::inked`] says what it has to be.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such discriminator, that run's judge is not at work, or has other layers.
    pub fn begin_inked(&mut self, ink: &InkTrainer) -> Result<bool, Error> {
        let fail = |what: &str| Err(Error::Config { what: what.into() });
        let Some(inked) = &mut self.auxiliaries.inked else {
            return fail("there is no discriminator behind ink to begin");
        };
        let Some(judge) = ink.learnt_judge() else {
            return fail("that run of ink has no judge at work: tadne ink --judged");
        };
        if inked.judge.adam.steps > 0 {
            return Ok(false);
        }
        if !inked.judge.begin_as(judge) {
            return fail("that judge has other layers than the discriminator behind ink: see inked.channels");
        }
        Ok(true)
    }

    /// Runs the networks' passes on `device` from the next step on. All that a checkpoint holds is the same on every device.
    ///
    /// # Errors
    /// [`Error::Device`] if it is not there, or this program was built without libtorch; the trainer stays where it is then.
    pub fn move_to(&mut self, device: Device) -> Result<(), Error> {
        self.passes = self.passes_on(device, &self.config)?;
        self.device = device;
        Ok(())
    }

    /// Trains together with others from the next step on, who hold the same state: `config.batch` pictures are a step of all of them, of which each takes
    /// an equal part, and all take the same step. Every rank is to make the same calls from now on. `pictures` is the fingerprint of the data set.
    ///
    /// # Errors
    /// [`Error::Config`] if the batch cannot be shared out among so many, [`Error::Apart`] if another one holds something else, [`Error::Peer`] if one
    /// is gone. The trainer should be dropped then.
    #[allow(clippy::missing_panics_doc, reason = "plain data always serialises")]
    pub fn join(&mut self, ranks: Box<dyn Collective>, pictures: &str) -> Result<(), Error> {
        self.config.part(ranks.size())?;
        self.ranks = Ranks::new(ranks);
        let config = serde_json::to_vec(&self.config).expect("a configuration is plain data");
        let advice = "give all of them the same arguments";
        self.same(crc32c::crc32c(&config), "configuration", advice)?;
        self.same(crc32c::crc32c(pictures.as_bytes()), "pictures", "give all of them the same --data and options")?;
        let advice = "they must find the same run folder, by --resume or --from: on a file system that all machines see, or as a copy";
        self.same(self.checksum(), "networks", advice)
    }

    /// This one's rank among those that train together; 0 alone.
    pub fn rank(&self) -> usize {
        self.ranks.rank()
    }

    /// How many train together; 1 alone.
    pub fn ranks(&self) -> usize {
        self.ranks.size()
    }

    /// Pictures of a batch that this rank takes: all of them alone.
    pub fn part(&self) -> usize {
        self.config.batch / self.ranks.size()
    }

    /// Whether any rank has `flag` set.
    ///
    /// # Errors
    /// [`Error::Peer`] if another one is gone.
    pub(crate) fn any(&mut self, flag: bool) -> Result<bool, Error> {
        self.ranks.any(flag)
    }

    /// Compares a checksum with that of the others.
    fn same(&mut self, checksum: u32, what: &'static str, advice: &'static str) -> Result<(), Error> {
        let ranks = self.ranks.that_differ(checksum)?;
        let kimg = self.progress.kimg();
        if ranks.is_empty() { Ok(()) } else { Err(Error::Apart { kimg, ranks, what, advice }) }
    }

    fn passes_on(&self, device: Device, config: &Config) -> Result<Box<dyn Passes>, Error> {
        let cpu = processor(self.cpu.crew().threads())?;
        passes(config, device, cpu, &self.generator, &self.discriminator)
    }

    /// Where the networks' passes run, and in which numbers.
    pub fn device(&self) -> (Device, Precision) {
        let bf16 = self.config.precision.is_bf16_on(self.device, &self.cpu);
        (self.device, if bf16 { Precision::Bf16 } else { Precision::F32 })
    }

    /// The configuration of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How far the run has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Scheduled values of the step that comes next.
    pub fn schedule(&self) -> Schedule {
        Schedule::at(&self.config, self.progress)
    }

    /// Number of values in G and in D.
    pub fn parameters(&self) -> (usize, usize) {
        (self.g.net.weights.len(), self.d.net.weights.len())
    }

    /// Threads, and what products are made with.
    pub fn processor(&self) -> (usize, &'static str) {
        self.config.precision.processor(&self.cpu)
    }

    /// One step of D and one of G on a batch of real pictures: `config.batch` times h x w x 3 bytes, or this rank's part of them, and of each, where the
    /// networks are told of classes, its own, counted from 0.
    ///
    /// # Errors
    /// [`Error::Device`] if the device that trains fails, which this program's own engine does not, and [`Error::Peer`] if another rank is gone. The step
    /// is lost; go on from a checkpoint.
    ///
    /// # Panics
    /// If `pixels` or `classes` has another length, or there is no such class.
    pub fn step(&mut self, pixels: &[u8], classes: &[u32]) -> Result<(), Error> {
        let (n, size, known) = (self.part(), self.config.resolution(), self.config.classes());
        assert_eq!(pixels.len(), n * size * size * 3, "a batch is {n} pictures of {size} x {size} x 3 bytes");
        assert_eq!(classes.len(), if known > 0 { n } else { 0 }, "a class for each picture, where there are classes");
        assert!(classes.iter().all(|class| (*class as usize) < known), "classes are counted from 0 to {known}");
        let mut real = vec![0.0; pixels.len()];
        let pictures = real.chunks_exact_mut(3 * size * size).zip(pixels.chunks_exact(3 * size * size));
        share(&self.cpu, pictures, |(to, from)| planes(from, to));
        let (averages, dropped) = self.step_on(real, classes).inspect_err(|_| {
            // What has come of it must not be part of another step.
            for side in [&mut self.g, &mut self.d] {
                side.net.gradient.fill(0.0);
            }
            self.auxiliaries.all_mut().into_iter().flatten().for_each(Auxiliary::forget);
        })?;
        self.adapt_augmentation(averages.apart);
        self.sums.add(averages);
        self.summed_steps += 1;
        self.progress.dropped += dropped;
        self.progress.steps += 1;
        self.progress.images += self.config.batch as u64;
        Ok(())
    }

    /// Moves the probability of augmentation by what one step tells of D's overfitting. It counts in whole millionths: a file holds them exactly.
    fn adapt_augmentation(&mut self, apart: f64) {
        let augment = &self.config.augment;
        let Some(target) = augment.target else {
            self.progress.augment_millionths = None;
            return;
        };
        let now = (self.schedule().p * 1e6).round() as i64;
        let change = (self.config.batch as f64 * 1e3 / augment.rise_kimg).ceil() as i64;
        let change = if apart > target { change } else { -change };
        let highest = (AugmentConfig::HIGHEST * 1e6) as i64;
        self.progress.augment_millionths = Some((now + change).clamp(0, highest) as u32);
    }

    fn step_on(&mut self, mut real: Vec<f32>, classes: &[u32]) -> Result<(StepMeans, u64), Error> {
        let schedule = self.schedule();
        let (n, size) = (self.part(), self.config.resolution());
        let g_is_held = past::holds(&self.config, schedule.inherited, step_seed(self.config.seed, self.progress.steps));
        let seed = Seed(step_seed(rank_seed(self.config.seed, self.rank()), self.progress.steps));
        let mut z = vec![0.0; n * self.config.architecture.z_dim];
        synth::latent::normal(seed, Z_STREAM, &mut z);
        // Each picture's noise has a seed of its own.
        let seeds: Vec<Seed> = (0..n as u64).map(|i| Seed(step_seed(seed.0, i))).collect();
        let fade = schedule.fade.map(|share| share as f32);
        let augmentation = Augmentation::sample(&self.config.augment, &schedule, n, size, seed);
        let (passes, g, d) = (&mut self.passes, &mut self.g.net, &mut self.d.net);

        let other = if g_is_held { self.past.met(g, seed.0) } else { None };
        let latents = Latents { z: &z, classes, seeds: &seeds };
        let (mut fake, w) = passes.draw(other.as_ref().unwrap_or(g), &latents, fade)?;
        augmentation.apply(&self.cpu, &mut real);
        augmentation.apply(&self.cpu, &mut fake);
        let half = real.len();
        real.append(&mut fake);
        // A drawn picture is of the class of the real one that it is compared with.
        let both = classes.repeat(2);
        let logits = passes.d().logits(d, Shown { pictures: &real, classes: &both, fade })?;
        let (logits_real, logits_fake) = logits.split_at(n);
        let loss = loss::discriminator(&self.config.loss, logits_real, logits_fake);
        let gradient = passes.d().backward(d, &loss.slopes, 0..2 * n, true)?;

        let q = self.config.penalty_of(n);
        let sides = if self.config.loss.penalty == Penalty::R1 { 1 } else { 2 };
        let of: Vec<usize> = (0..sides).flat_map(|side| side * n..side * n + q).collect();
        let directions = directions(&self.cpu, &self.config, &gradient, &of, seed);
        let slopes = passes.d().jvp(d, &directions, fade, &of)?;
        let (penalty, back) = loss::penalty(schedule.gamma, &slopes, q);
        passes.d().jvp_backward(d, &back)?;

        let (loss_g, back) = loss::generator(self.config.loss.pairing, logits_real, logits_fake);
        let mut gradient = if g_is_held {
            vec![0.0; half]
        } else {
            let back = [vec![0.0; n], back].concat();
            passes.d().backward(d, &back, n..2 * n, false)?.split_off(half)
        };
        let mut said = [Said::default(); 2];
        for (said, auxiliary) in said.iter_mut().zip(self.auxiliaries.all_mut()) {
            let Some(auxiliary) = auxiliary else { continue };
            *said = auxiliary.step(Scene {
                cpu: &self.cpu,
                config: &self.config,
                schedule: &schedule,
                seed: seed.0,
                count: n,
                area: half / n,
                pictures: [&real[..half], &real[half..]],
                gradient: &mut gradient,
                ranks: &mut self.ranks,
            })?;
        }
        if !g_is_held {
            augmentation.transpose(&self.cpu, &mut gradient);
            passes.draw_backward(g, &gradient)?;
        }
        passes.finish(g, d)?;
        self.ranks.mean(&mut d.gradient)?;
        if !g_is_held {
            self.ranks.mean(&mut g.gradient)?;
        }
        let dim = self.config.architecture.w_dim;
        let mut w_mean: Vec<f32> = (0..dim).map(|i| w[i..].iter().step_by(dim).sum::<f32>() / n as f32).collect();
        self.ranks.mean(&mut w_mean)?;

        let cpu = &self.cpu;
        let o = &self.config.optimizer;
        let mut dropped = said[0].dropped
            + said[1].dropped
            + self.d.descend(cpu, o.lr_d * schedule.lr, 1.0, schedule.beta2, o, &mut self.fault);
        if !g_is_held {
            let lr = o.lr_g * schedule.lr;
            dropped += self.g.descend(cpu, lr, schedule.inherited, schedule.beta2, o, &mut self.fault);
        }
        self.update_averages(&schedule, other.is_none().then_some(w_mean.as_slice()));
        let mut apart = [loss::apart(self.config.loss.pairing, logits_real, logits_fake)];
        if self.config.augment.target.is_some() {
            // All ranks are to go on with the same probability.
            self.ranks.mean(&mut apart)?;
        }
        let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let [critic, inked] = said;
        let averages = StepMeans {
            loss_d: loss.total + penalty * schedule.gamma / 2.0,
            loss_g,
            real: mean(logits_real),
            fake: mean(logits_fake),
            penalty,
            apart: apart[0].into(),
            critic: critic.loss,
            critic_real: critic.real,
            critic_fake: critic.drawn,
            inked: inked.loss,
            inked_real: inked.real,
            inked_fake: inked.drawn,
        };
        Ok((averages, dropped))
    }

    /// Lets averages follow a step: of G's weights, and of w where the step's are its own.
    fn update_averages(&mut self, schedule: &Schedule, w_mean: Option<&[f32]>) {
        move_towards(self.cpu.crew(), &mut self.ema, &self.g.net.weights, 1.0 - schedule.ema_beta);
        for average in &mut self.wide {
            average.update(&self.cpu, &self.g.net.weights, self.progress.steps + 1);
        }
        let keep = self.config.ema.w_avg_beta as f32;
        for (mean, now) in self.w_avg.iter_mut().zip(w_mean.into_iter().flatten()) {
            *mean = *mean * keep + now * (1.0 - keep);
        }
    }

    /// D's logits of planar pictures in -1..1.
    pub(crate) fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, Error> {
        let fade = self.schedule().fade.map(|share| share as f32);
        let shown = Shown { pictures, classes: &[], fade };
        let logits = self.passes.d().logits(&self.d.net, shown)?;
        self.passes.finish(&mut self.g.net, &mut self.d.net)?;
        Ok(logits)
    }

    /// What each discriminator of the run says of planar pictures in -1..1: D, and the one behind ink, where there is one, as the mean of so many
    /// squares.
    pub(crate) fn opinions(&mut self, pictures: &[f32], seed: u64, squares: u64) -> Result<Vec<Vec<f32>>, Error> {
        let mut opinions = vec![self.logits(pictures)?];
        if let Some(inked) = &mut self.auxiliaries.inked {
            if !inked.is_prepared() {
                inked.prepare(&self.config, self.cpu.crew().threads())?;
            }
            let mut means = vec![0.0; opinions[0].len()];
            for square in 0..squares {
                let said = inked.opinion(&self.cpu, pictures, step_seed(seed, square))?;
                means.iter_mut().zip(said).for_each(|(mean, v)| *mean += v / squares as f32);
            }
            opinions.push(means);
        }
        Ok(opinions)
    }

    /// The average that is drawn and exported, or the further one of a relative width.
    ///
    /// # Errors
    /// [`Error::Config`] if the run keeps no average of that width.
    pub(crate) fn average(&self, width: Option<f64>) -> Result<&[f32], Error> {
        let Some(width) = width else { return Ok(&self.ema) };
        let found = self.wide.iter().find(|average| (average.width - width).abs() < 1e-9);
        found.map(|average| average.weights.as_slice()).ok_or_else(|| {
            let kept: Vec<String> = self.wide.iter().map(|average| average.width.to_string()).collect();
            let kept = if kept.is_empty() { "none".into() } else { kept.join(", ") };
            Error::Config { what: format!("the run keeps no average of width {width}; its ema.widths are: {kept}") }
        })
    }

    /// Means since the last call, over all ranks, which are found to hold the same state.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one of them is not finite, [`Error::Apart`] if another rank holds something else, [`Error::Peer`] if one is gone. The trainer
    /// should not be saved then.
    pub fn take_means(&mut self) -> Result<StepMeans, Error> {
        let n = self.summed_steps.max(1) as f64;
        let mut averages = std::mem::take(&mut self.sums);
        self.summed_steps = 0;
        averages.values().into_iter().for_each(|v| *v /= n);
        if self.ranks() > 1 {
            let mut values = averages.values().map(|v| *v as f32);
            self.ranks.mean(&mut values)?;
            averages.values().into_iter().zip(values).for_each(|(to, v)| *to = v.into());
            let advice =
                "their machines do not compute alike or one of them is faulty; start all of them again with --resume";
            self.same(self.checksum(), "networks", advice)?;
        }
        let finite = averages.values().into_iter().all(|v| v.is_finite());
        if finite { Ok(averages) } else { Err(Error::Diverged { kimg: self.progress.kimg() }) }
    }

    /// The tensor whose gradient last had entries that were not finite, if there were any since the last call.
    pub fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Pictures of the averaged generator for `seeds` at `psi`, the ones the exported model draws.
    pub fn draw(&self, seeds: &[u64], psi: f64) -> Vec<Picture> {
        self.draw_with(&self.ema, seeds, psi)
    }

    /// Pictures of a generator with these weights.
    pub(crate) fn draw_with(&self, weights: &[f32], seeds: &[u64], psi: f64) -> Vec<Picture> {
        let size = self.config.resolution();
        let mut pictures = Vec::with_capacity(seeds.len());
        for chunk in seeds.chunks(self.config.batch) {
            let raw = self.synthesize_seeds(weights, chunk, psi);
            pictures.extend(raw.chunks_exact(3 * size * size).map(|planes| picture(planes, size)));
        }
        pictures
    }

    /// Raw output of the averaged generator for one seed, [3, h, w], nominally in -1..1: what an export is compared with.
    pub fn raw(&self, seed: u64, psi: f64) -> Vec<f32> {
        self.synthesize_seeds(&self.ema, &[seed], psi)
    }

    /// Raw output [n, 3, h, w] of a generator with these weights, with latents and noise of the `synth` crate's seeds, in f32.
    fn synthesize_seeds(&self, weights: &[f32], seeds: &[u64], psi: f64) -> Vec<f32> {
        let dim = self.config.architecture.z_dim;
        let net = Network::frozen(self.g.net.layout.clone(), weights.to_vec());
        let context = Context { cpu: &self.cpu, net: &net };
        let truncate = |w: &mut [f32]| {
            w.iter_mut().zip(&self.w_avg).for_each(|(w, mean)| *w = mean + (*w - mean) * psi as f32);
        };
        let fade = self.schedule().fade.map(|share| share as f32);
        let known = self.config.classes();
        let mut tape = self.passes.spare();
        let mut draw = |seeds: &[u64]| {
            let seeds: Vec<Seed> = seeds.iter().copied().map(Seed).collect();
            let z: Vec<f32> = seeds.iter().flat_map(|&seed| synth::latent::z(seed, dim)).collect();
            let classes = seeds.iter().filter(|_| known > 0).map(|seed| synth::latent::class(*seed, known) as u32);
            let classes: Vec<u32> = classes.collect();
            let latents = Latents { z: &z, classes: &classes, seeds: &seeds };
            let drawn = self.generator.draw(&mut tape, context, &latents, Some(&truncate), fade);
            let pictures = tape.pixels(drawn.pictures).to_vec();
            tape.clear();
            pictures
        };
        let pictures = seeds.chunks(AT_ONCE).flat_map(&mut draw).collect();
        tape.forget_filters();
        pictures
    }
}

/// Directions in the space of pictures, planar: those of [`loss::along_gradient`], or at random (then of the length of normal numbers, whose mean square slope is
/// the squared gradient's norm).
fn directions(cpu: &Cpu, config: &Config, gradient: &[f32], of: &[usize], seed: Seed) -> Vec<f32> {
    let size = 3 * config.resolution().pow(2);
    if config.loss.penalty == Penalty::Random {
        let mut directions = vec![0.0; of.len() * size];
        synth::latent::normal(seed, DIRECTION_STREAM, &mut directions);
        return directions;
    }
    loss::along_gradient(cpu, gradient, of, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        synth::latent::normal(Seed(seed), 0, &mut out);
        out
    }

    /// Squared lengths of pictures' gradients, one by one.
    fn squares(gradient: &[f32], size: usize) -> Vec<f64> {
        gradient.chunks_exact(size).map(|g| g.iter().map(|v| f64::from(*v).powi(2)).sum()).collect()
    }

    /// Whatever is drawn between steps has the steps' memory, and changes nothing of them.
    #[test]
    fn samples_take_no_memory_of_their_own() {
        let config = Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() };
        let bytes = vec![120; config.batch * 3 * config.resolution().pow(2)];
        let mut trainers = [0; 2].map(|_| Trainer::new(config.clone(), 2).unwrap());
        for trainer in &mut trainers {
            trainer.step(&bytes, &[]).unwrap();
        }
        let [sampled, other] = &mut trainers;
        let before = sampled.passes.bytes();
        let first = sampled.draw(&[1, 2, 3], 0.7);
        let more = sampled.passes.bytes() - before;
        assert!(20 * more < before, "{more} bytes more than {before}");
        assert_eq!(sampled.draw(&[1, 2, 3], 0.7), first);
        assert_eq!(sampled.passes.bytes(), before + more);
        for trainer in [sampled, other] {
            trainer.step(&bytes, &[]).unwrap();
        }
        assert_eq!(trainers[0].checksum(), trainers[1].checksum());
    }

    /// Along the gradient the squared slope is the squared gradient's length; at random it is that in the mean.
    #[test]
    fn every_penalty_is_the_squared_gradient_norm() {
        let mut config = Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() };
        let (n, size) = (16, 3 * config.resolution().pow(2));
        let mut trainer = Trainer::new(config.clone(), 2).unwrap();
        // Without the deviation no picture has a say in another's logit.
        let e = trainer.d.net.layout.get("b4.conv.weight").clone();
        let (out, input) = (e.shape[0], e.shape[1]);
        for (i, w) in trainer.d.net.weights[e.range.clone()].iter_mut().enumerate() {
            *w = if i / out % input < input - config.discriminator.features { *w } else { 0.0 };
        }
        let pictures = numbers(n * size, 1);
        let of: Vec<usize> = (0..n).collect();
        let (passes, d) = (&mut trainer.passes, &mut trainer.d.net);
        passes.d().logits(d, Shown::plain(&pictures)).unwrap();
        // Whatever weight and sign the loss gives to a logit.
        let weights: Vec<f32> = numbers(n, 2).iter().map(|v| v + v.signum()).collect();
        let weighted = passes.d().backward(d, &weights, 0..n, false).unwrap();
        let expected = squares(&passes.d().backward(d, &vec![1.0; n], 0..n, false).unwrap(), size);
        for penalty in [Penalty::R1R2, Penalty::R1] {
            config.loss.penalty = penalty;
            let slopes =
                passes.d().jvp(d, &directions(&trainer.cpu, &config, &weighted, &of, Seed(3)), None, &of).unwrap();
            for (slope, expected) in slopes.iter().zip(&expected) {
                assert!((f64::from(*slope).powi(2) / expected - 1.0).abs() < 1e-3, "{slope} squared is not {expected}");
            }
        }
        config.loss.penalty = Penalty::Random;
        let rounds = 100;
        let mut mean = 0.0;
        for round in 0..rounds {
            let slopes =
                passes.d().jvp(d, &directions(&trainer.cpu, &config, &weighted, &of, Seed(round)), None, &of).unwrap();
            let relative = slopes.iter().zip(&expected).map(|(slope, expected)| f64::from(*slope).powi(2) / expected);
            mean += relative.sum::<f64>() / (n as f64 * rounds as f64);
        }
        // 1600 squares of normal numbers: a deviation of 0.035.
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }

    /// `count` pictures of made-up bytes, others for each seed.
    fn made_up(config: &Config, count: usize, seed: usize) -> Vec<u8> {
        (0..count * config.resolution().pow(2) * 3).map(|i| ((i + seed) * (37 + 2 * seed) % 251) as u8).collect()
    }

    /// 16 px in f32, in steps of 16 pictures with groups of 4.
    fn small() -> Config {
        let mut config = Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() };
        (config.batch, config.discriminator.group, config.loss.penalty_fraction) = (16, 4, 0.5);
        (config.augment.p, config.augment.p_final) = (0.5, 0.5);
        config
    }

    /// A step of two ranks is Adam's, by hand, along the mean of the gradients that two trainers alone find with half of the batch each.
    #[test]
    fn ranks_take_a_step_along_the_mean_of_their_gradients() {
        let config = small();
        let half = Config { batch: 8, ..config.clone() };
        let pixels = [0, 1].map(|rank| made_up(&config, 8, rank));
        let alone = [0, 1].map(|rank| {
            let mut trainer = Trainer::new(half.clone(), 1).unwrap();
            // Its networks are those of the run; its latents, augmentation and noise the rank's.
            trainer.config.seed = rank_seed(config.seed, rank);
            trainer.step(&pixels[rank], &[]).unwrap();
            let averages = trainer.take_means().unwrap();
            // With a beta1 of 0 Adam's first moment is the gradient.
            (trainer.g.adam.first, trainer.d.adam.first, trainer.w_avg, averages)
        });
        let before = Trainer::new(config.clone(), 1).unwrap();
        let together = crate::threads::on_each(2, |threads| {
            let rank = threads.rank();
            let mut trainer = Trainer::new(config.clone(), 1).unwrap();
            trainer.join(Box::new(threads), "").unwrap();
            trainer.step(&pixels[rank], &[]).unwrap();
            let averages = trainer.take_means().unwrap();
            let sides = [trainer.g, trainer.d].map(|side| (side.net.weights, side.adam.first));
            (sides, trainer.w_avg, averages, trainer.progress)
        });
        let mean = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect() };
        let near = |a: &[f32], b: &[f32], by: f32| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= by * (1e-3 + b.abs()));
        let [first, second] = &alone;
        assert!(!near(&first.1, &second.1, 0.1), "the two halves must differ for their mean to be of interest");
        let gradients = [mean(&first.0, &second.0), mean(&first.1, &second.1)];
        let o = &config.optimizer;
        let lr = Schedule::at(&config, Progress::default()).lr;
        for (sides, w_avg, averages, progress) in &together {
            let sides = sides.iter().zip(&gradients).zip([(&before.g, o.lr_g), (&before.d, o.lr_d)]);
            for (((weights, moment), gradient), (before, rate)) in sides {
                assert!(near(moment, gradient, 1e-5), "the gradient is not the mean of the two");
                let by_hand: Vec<f32> = before
                    .net
                    .weights
                    .iter()
                    .zip(gradient)
                    .map(|(w, g)| {
                        let g = f64::from(*g);
                        // Of the first step: the second moment, corrected, is the gradient's square.
                        (f64::from(*w) - lr * rate * g / ((g * g).sqrt() + o.eps)) as f32
                    })
                    .collect();
                assert!(near(weights, &by_hand, 1e-5), "the step is not Adam's");
            }
            assert!(near(w_avg, &mean(&first.2, &second.2), 1e-5), "the mean of w is not that of all ranks");
            assert!((averages.loss_d - f64::midpoint(first.3.loss_d, second.3.loss_d)).abs() < 1e-5);
            assert_eq!((progress.steps, progress.images), (1, 16));
        }
    }

    /// The probability goes up while D tells pairs apart too well and down while not well enough, at the pace that is asked for, within its bounds; ranks
    /// have one between them, and a checkpoint goes on with it.
    #[test]
    fn augmentation_follows_overfitting() {
        let config = |target| {
            let mut config = small();
            (config.augment.p, config.augment.p_final) = (0.0, 0.0);
            (config.augment.target, config.augment.rise_kimg) = (Some(target), 0.16);
            config
        };
        let after = |target: f64, p: f64, steps: usize| {
            let mut config = config(target);
            (config.augment.p, config.augment.p_final) = (p, p);
            let mut trainer = Trainer::new(config, 1).unwrap();
            for step in 0..steps {
                trainer.step(&made_up(&trainer.config, 16, step), &[]).unwrap();
            }
            let apart = trainer.take_means().unwrap().apart;
            assert!((-1.0..=1.0).contains(&apart), "{apart}");
            trainer
        };
        // Nobody is worse than always wrong, and nobody better than always right.
        let p = |trainer: &Trainer| trainer.schedule().p;
        assert!((p(&after(0.0, 0.0, 0)) - 0.0).abs() < 1e-9);
        assert!((p(&after(1.0, 0.3, 2)) - 0.1).abs() < 1e-9, "a tenth a step, down");
        assert!(p(&after(1.0, 0.3, 4)).abs() < 1e-9);
        let mut trainer = after(0.0, 0.3, 0);
        for _ in 0..7 {
            trainer.adapt_augmentation(0.5);
        }
        assert!((p(&trainer) - AugmentConfig::HIGHEST).abs() < 1e-9);
        trainer.adapt_augmentation(-0.5);
        assert!((p(&trainer) - 0.7).abs() < 1e-9);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        crate::Checkpoint::save(&trainer, "", 0.0, &path).unwrap();
        assert_eq!(crate::Checkpoint::load(&path, 1).unwrap().trainer.progress, trainer.progress);
        let ramp = Config {
            augment: AugmentConfig { target: None, ..trainer.config.augment.clone() },
            ..trainer.config.clone()
        };
        trainer.reconfigure(ramp).unwrap();
        assert!((p(&trainer) - 0.3).abs() < 1e-9, "the ramp's again");

        let ends = crate::threads::on_each(2, |threads| {
            let rank = threads.rank();
            let mut trainer = Trainer::new(config(0.2), 1).unwrap();
            trainer.join(Box::new(threads), "").unwrap();
            for step in 0..6 {
                trainer.step(&made_up(&trainer.config, 8, 2 * step + rank), &[]).unwrap();
            }
            trainer.progress
        });
        assert_eq!(ends[0], ends[1]);
    }

    #[test]
    fn ranks_stay_equal_and_a_difference_is_noticed_at_the_next_tick() {
        let config = small();
        let ends = crate::threads::on_each(2, |threads| {
            let rank = threads.rank();
            let mut trainer = Trainer::new(config.clone(), 1).unwrap();
            trainer.join(Box::new(threads), "").unwrap();
            for step in 0..50 {
                trainer.step(&made_up(&config, 8, 2 * step + rank), &[]).unwrap();
            }
            trainer.take_means().unwrap();
            let end = (trainer.checksum(), trainer.g.net.weights.clone(), trainer.progress.images);
            if rank == 1 {
                trainer.ema[7] += 1e-6;
            }
            (end, trainer.take_means().unwrap_err().to_string())
        });
        assert!(ends[0].0 == ends[1].0, "equal on both");
        assert_eq!(ends[0].0.2, 50 * 16);
        for (_, said) in &ends {
            assert!(said.contains("0.800 kimg") && said.contains("networks (RANK 1"), "{said}");
        }
    }

    /// What is not the same everywhere is refused before a step, on every rank.
    #[test]
    fn what_ranks_cannot_train_together_is_refused() {
        let said = |change: fn(&mut Config), pictures: [&'static str; 2]| {
            crate::threads::on_each(2, |threads| {
                let (rank, mut config) = (threads.rank(), small());
                if rank == 1 {
                    change(&mut config);
                }
                Trainer::new(config, 1).unwrap().join(Box::new(threads), pictures[rank]).unwrap_err().to_string()
            })
        };
        for said in said(|c| c.seed = 1, ["", ""]) {
            assert!(said.contains("configuration (RANK 1"), "{said}");
        }
        for said in said(|_| (), ["a", "b"]) {
            assert!(said.contains("pictures (RANK 1") && said.contains("--data"), "{said}");
        }
        let odd = crate::threads::on_each(3, |threads| {
            Trainer::new(small(), 1).unwrap().join(Box::new(threads), "").unwrap_err().to_string()
        });
        assert!(odd[0].contains("batch (16)") && odd[0].contains("3 processes") && odd[0].contains("12"), "{}", odd[0]);
    }
}
