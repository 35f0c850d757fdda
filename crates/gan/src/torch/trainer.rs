//! One training step after another: G, D, their optimisers and averages, and nothing that touches files or clocks.

use serde::{Deserialize, Serialize};
use synth::Picture;
use tch::{Device, Kind, Tensor, no_grad};

use crate::adam::Adam;
use crate::augment::Augmentation;
use crate::config::OptimizerConfig;
use crate::critic::Critic;
use crate::discriminator::Discriminator;
use crate::generator::Generator;
use crate::params::Layout;
use crate::schedule::Schedule;
use crate::{Config, Error, loss, ops, schedule};

/// How far a run has come. With the configuration and the weights this is all a resumed run needs: the position in the data is the
/// number of pictures seen, and the generator of random numbers is seeded anew for each step from the seed and the step's number.
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
pub(crate) struct Side {
    pub(crate) layout: Layout,
    gains: Tensor,
    pub(crate) weights: Tensor,
    pub(crate) adam: Adam,
    /// 1 for each weight that a grown network did not inherit, 0 for each that it did.
    new: Option<Tensor>,
}

impl Side {
    fn new(layout: Layout, inherited_stages: usize, device: Device) -> Self {
        let weights = layout.initial(device);
        let adam = Adam::new(&weights);
        let gains = layout.gains(device);
        let new = (inherited_stages > 0).then(|| layout.belongs_from(inherited_stages, device));
        Self { weights: weights.set_requires_grad(true), gains, adam, new, layout }
    }

    fn views(&self) -> crate::params::Views {
        self.layout.views(&self.weights, &self.gains)
    }

    /// One step of Adam; `inherited` multiplies the learning rate of what came from a smaller network.
    fn descend(&mut self, gradient: Tensor, lr: f64, inherited: f64, o: &OptimizerConfig) -> Tensor {
        let restrained = self.new.as_ref().filter(|_| inherited < 1.0);
        let factors = restrained.map(|new| new * (1.0 - inherited) + inherited);
        self.adam.step(&mut self.weights, gradient, lr, factors.as_ref(), o)
    }

    fn gradient(&self, loss: &Tensor) -> Tensor {
        Tensor::run_backward(&[loss], &[&self.weights], false, false).swap_remove(0)
    }
}

/// Means over the steps since the last call of [`Trainer::take_averages`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Averages {
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
    /// The feature critic's loss; 0 without one, as the next two.
    #[serde(default)]
    pub critic: f64,
    /// The feature critic's output on real pictures.
    #[serde(default)]
    pub critic_real: f64,
    /// The feature critic's output on drawn pictures.
    #[serde(default)]
    pub critic_fake: f64,
}

/// Places of the averages among the trainer's sums.
mod sum {
    pub(super) const D: i64 = 0;
    pub(super) const G: i64 = 4;
    pub(super) const CRITIC: i64 = 5;
    pub(super) const DROPPED: i64 = 8;
    pub(super) const COUNT: i64 = 9;
}

/// The feature critic with the state of its heads.
pub(crate) struct CriticSide {
    pub(crate) critic: Critic,
    pub(crate) heads: Side,
}

/// An average of G's weights whose memory is a fraction of the whole run: step `t` weighs as `t^exponent`.
pub(crate) struct WideAverage {
    /// Its standard deviation in steps over the number of steps.
    pub(crate) width: f64,
    exponent: f64,
    pub(crate) weights: Tensor,
}

impl WideAverage {
    fn new(width: f64, weights: Tensor) -> Self {
        Self { width, exponent: schedule::exponent(width), weights }
    }

    /// Takes in the weights after step `t`, counted from 1.
    fn update(&mut self, weights: &Tensor, t: u64) {
        let kept = (1.0 - 1.0 / t as f64).powf(self.exponent + 1.0);
        let _ = self.weights.lerp_(weights, 1.0 - kept);
    }
}

/// The network that a grown one came from, as it was: what the grown one draws is held near its pictures.
pub(crate) struct Anchor {
    generator: Generator,
    layout: Layout,
    gains: Tensor,
    pub(crate) weights: Tensor,
}

impl Anchor {
    /// The first `stages` of a network whose weights are `flat`.
    fn new(large: &Generator, stages: usize, flat: &Tensor, device: Device) -> Self {
        let generator = large.first_stages(stages);
        let layout = generator.layout();
        let weights = flat.detach().narrow(0, 0, layout.len()).copy();
        Self { gains: layout.gains(device), generator, layout, weights }
    }

    /// Mean squared difference between pictures of the grown network and its own of the same z, both at half of its own size.
    fn distance(&self, z: &Tensor, pictures: &Tensor) -> Tensor {
        let goal = no_grad(|| {
            let v = self.layout.views(&self.weights, &self.gains);
            let w = self.generator.map(&v, z);
            ops::downsample(&self.generator.synthesize(&v, &w, &mut Generator::fresh_noise(z.device())))
        });
        let factor = pictures.size()[2] / goal.size()[2];
        (pictures.avg_pool2d(factor, factor, 0, false, true, None) - goal).square().mean(Kind::Float)
    }
}

/// Real and drawn pictures after the same augmentation, and what G needs to learn from the drawn ones.
struct Pair {
    real: Tensor,
    /// Connected to G's weights where G is to learn from it.
    fake: Tensor,
    w: Tensor,
    /// How far the drawn pictures are from those of the network that G was grown from; connected to G's weights.
    distance: Option<Tensor>,
    /// D's logits on the real pictures, where D has just seen them.
    logits_real: Option<Tensor>,
}

/// The state of a run in memory.
///
/// libtorch has one generator of random numbers a process, and every step seeds it: two trainers stepping at the same time in one
/// process would disturb each other.
pub struct Trainer {
    pub(crate) config: Config,
    device: Device,
    generator: Generator,
    discriminator: Discriminator,
    pub(crate) g: Side,
    pub(crate) d: Side,
    pub(crate) critic: Option<CriticSide>,
    pub(crate) anchor: Option<Anchor>,
    /// Average of G's weights.
    pub(crate) ema: Tensor,
    /// Further averages, one for each of the configuration's widths.
    pub(crate) wide: Vec<WideAverage>,
    /// Running mean of w.
    pub(crate) w_avg: Tensor,
    pub(crate) progress: Progress,
    /// Sums since the last tick, at the places of [`sum`]. On the device, so that no step waits.
    sums: Tensor,
    summed_steps: u64,
}

impl Trainer {
    /// Fresh networks, drawn from the configuration's seed.
    ///
    /// # Errors
    /// [`Error::Config`] where [`Config::validate`] fails, [`Error::NoCuda`] where `device` is a missing accelerator,
    /// [`Error::Features`] where the feature critic's network is missing.
    pub fn new(config: Config, device: Device) -> Result<Self, Error> {
        let mut trainer = Self::bare(config, device)?;
        trainer.prepare()?;
        Ok(trainer)
    }

    /// Fresh networks that cannot take a step yet: the feature critic's frozen network is not opened. An export needs no more.
    pub(crate) fn bare(config: Config, device: Device) -> Result<Self, Error> {
        config.validate()?;
        if device.is_cuda() && !tch::Cuda::is_available() {
            return Err(Error::NoCuda {
                why: if tch::utils::has_cudart() {
                    "no driver or no device was found".into()
                } else {
                    "this program is linked against a libtorch without CUDA, or CUDA was dropped from the link; \
                     build with a CUDA libtorch and --features cuda"
                        .into()
                },
            });
        }
        tch::manual_seed(step_seed(config.seed, u64::MAX));
        let generator = Generator::new(&config.architecture, config.precision);
        let discriminator = Discriminator::new(&config.discriminator, config.architecture.base, config.precision);
        let g = Side::new(generator.layout(), config.growth.stages, device);
        let d = Side::new(discriminator.layout(), 0, device);
        let options = (Kind::Float, device);
        let critic = config.critic.as_ref().map(|c| {
            let critic = Critic::new(c, device);
            CriticSide { heads: Side::new(critic.layout(), 0, device), critic }
        });
        let held = (config.growth.anchor > 0.0).then_some(config.growth.stages).filter(|&stages| stages > 0);
        let anchor = held.map(|stages| Anchor::new(&generator, stages + 1, &g.weights, device));
        let wide = config.ema.widths.iter().map(|&w| WideAverage::new(w, g.weights.detach().copy())).collect();
        Ok(Self {
            critic,
            anchor,
            wide,
            ema: g.weights.detach().copy(),
            w_avg: Tensor::zeros([config.architecture.w_dim as i64], options),
            sums: Tensor::zeros([sum::COUNT], options),
            summed_steps: 0,
            progress: Progress::default(),
            generator,
            discriminator,
            g,
            d,
            device,
            config,
        })
    }

    /// Opens the feature critic's frozen network, if there is a critic.
    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        if let (Some(side), Some(c)) = (&mut self.critic, &self.config.critic) {
            tch::manual_seed(step_seed(self.config.seed, u64::MAX - 1));
            side.critic.prepare(&c.network, self.config.resolution() as i64, self.device)?;
        }
        Ok(())
    }

    /// Goes on with another recipe: anything may change but the networks themselves. A feature critic may join, leave or change;
    /// it starts afresh then.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` cannot be trained or asks for other networks; the trainer keeps its own then.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), Error> {
        config.validate()?;
        let old = &self.config;
        if config.architecture != old.architecture || config.discriminator != old.discriminator {
            return Err(Error::Config {
                what: "a run keeps its architecture and its discriminator; start a new one".into(),
            });
        }
        let mut fresh = Self::bare(config, self.device)?;
        if let Some(anchor) = &mut fresh.anchor {
            let same = |kept: &&Anchor| kept.weights.size() == anchor.weights.size();
            let missing = || {
                Error::Config {
                what: "growth.anchor needs the smaller network, which only a run keeps that had an anchor from its start; set it to 0, \
                       or grow anew with --from"
                    .into(),
            }
            };
            let kept = self.anchor.as_ref().filter(same).ok_or_else(missing)?;
            no_grad(|| anchor.weights.copy_(&kept.weights));
        }
        let shape = |c: &Config| c.critic.as_ref().map(|c| (c.network.clone(), c.size, c.channels.clone()));
        if shape(&fresh.config) == shape(old) {
            std::mem::swap(&mut fresh.critic, &mut self.critic);
        }
        self.anchor = fresh.anchor;
        self.generator = fresh.generator;
        self.discriminator = fresh.discriminator;
        self.g.new = fresh.g.new;
        for average in &mut fresh.wide {
            // One that is new begins at the weights as they are.
            let old = self.wide.iter().find(|old| old.width.to_bits() == average.width.to_bits());
            let source = old.map_or(&self.g.weights, |old| &old.weights);
            no_grad(|| average.weights.copy_(source));
        }
        self.wide = fresh.wide;
        self.critic = fresh.critic;
        self.config = fresh.config;
        self.prepare()
    }

    /// The configuration of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it trains.
    pub fn device(&self) -> Device {
        self.device
    }

    /// How far the run has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Scheduled values of the step that comes next.
    pub fn schedule(&self) -> Schedule {
        Schedule::at(&self.config, self.progress.images)
    }

    /// Number of values in G and in D.
    pub fn parameters(&self) -> (i64, i64) {
        (self.g.layout.len(), self.d.layout.len())
    }

    /// One step of D and one of G on a batch of real pictures: `config.batch` times h x w x 3 bytes.
    ///
    /// # Panics
    /// If `pixels` has another length.
    pub fn step(&mut self, pixels: &[u8]) {
        let (n, size) = (self.config.batch as i64, self.config.resolution() as i64);
        assert_eq!(pixels.len() as i64, n * size * size * 3, "a batch is {n} pictures of {size} x {size} x 3 bytes");
        tch::manual_seed(step_seed(self.config.seed, self.progress.steps));
        let schedule = self.schedule();
        let real = Tensor::from_data_size(pixels, &[n, size, size, 3], Kind::Uint8)
            .to_device(self.device)
            .permute([0, 3, 1, 2])
            .to_kind(Kind::Float)
            / 127.5
            - 1.0;

        let one_stage = self.config.one_stage;
        let mut pair = self.pair(&real, &schedule, one_stage);
        let mut dropped = self.step_d(&mut pair, &schedule);
        if let Some(d) = self.step_critic(&mut pair) {
            dropped += d;
        }
        if !one_stage {
            pair = self.pair(&real, &schedule, true);
        }
        dropped += self.step_g(&pair, &schedule);
        no_grad(|| {
            let _ = self.sums.narrow(0, sum::DROPPED, 1).g_add_(&dropped);
            let _ = self.ema.lerp_(&self.g.weights, 1.0 - schedule.ema_beta);
            for average in &mut self.wide {
                average.update(&self.g.weights, self.progress.steps + 1);
            }
        });
        self.summed_steps += 1;
        self.progress.steps += 1;
        self.progress.images += self.config.batch as u64;
    }

    /// D's logits for pictures [n, 3, h, w] in -1..1.
    #[cfg(test)]
    pub(crate) fn judge(&self, pictures: &Tensor) -> Tensor {
        no_grad(|| self.discriminator.forward(&self.d.views(), pictures))
    }

    /// What G draws of latents [n, `z_dim`]: [n, 3, h, w].
    #[cfg(test)]
    pub(crate) fn draw_raw(&self, z: &Tensor) -> Tensor {
        no_grad(|| {
            let v = self.g.layout.views(&self.g.weights, &self.g.gains);
            self.generator.synthesize(&v, &self.generator.map(&v, z), &mut Generator::fresh_noise(self.device))
        })
    }

    /// Draws a batch with G's present weights and augments it together with the real pictures. Gradients reach G if it `learns`.
    fn pair(&self, real: &Tensor, schedule: &Schedule, learns: bool) -> Pair {
        let (n, size) = (self.config.batch as i64, self.config.resolution() as i64);
        let augmentation = Augmentation::sample(&self.config.augment, schedule, n, size, self.device);
        let draw = || {
            let v = self.g.views();
            let z = Tensor::randn([n, self.generator.z_dim()], (Kind::Float, self.device));
            let w = self.generator.map(&v, &z);
            let fake = self.generator.synthesize(&v, &w, &mut Generator::fresh_noise(self.device));
            let distance = self.anchor.as_ref().filter(|_| learns).map(|anchor| anchor.distance(&z, &fake));
            (augmentation.apply(&fake), w, distance)
        };
        let (fake, w, distance) = if learns { draw() } else { no_grad(draw) };
        let real = no_grad(|| augmentation.apply(real));
        Pair { real, fake, w, distance, logits_real: None }
    }

    fn step_d(&mut self, pair: &mut Pair, schedule: &Schedule) -> Tensor {
        let v = self.d.views();
        let q = self.config.penalty_batch() as i64;
        let d = |x: &Tensor| self.discriminator.forward(&v, x);
        let l = loss::discriminator(&d, &pair.real, &pair.fake.detach(), q, schedule.gamma, &self.config.loss);
        let gradient = self.d.gradient(&l.total);
        no_grad(|| {
            let sums = Tensor::stack(&[&l.total.detach(), &l.real, &l.fake, &l.penalty], 0);
            let _ = self.sums.narrow(0, sum::D, 4).g_add_(&sums);
        });
        pair.logits_real = Some(l.logits_real);
        let o = &self.config.optimizer;
        self.d.descend(gradient, o.lr_d * schedule.lr, 1.0, o)
    }

    /// One step of the feature critic's heads, if there is a critic.
    fn step_critic(&mut self, pair: &mut Pair) -> Option<Tensor> {
        let seen = self.config.critic_batch() as i64;
        let (CriticSide { critic, heads }, config) = (self.critic.as_mut()?, self.config.critic.as_ref()?);
        let grids = |pictures: &Tensor| critic.grids(&pictures.narrow(0, 0, seen));
        let (real, fake) = no_grad(|| (grids(&pair.real), grids(&pair.fake)));
        let l = critic.loss(&heads.views(), &real, &fake);
        let gradient = heads.gradient(&l.total);
        no_grad(|| {
            let sums = Tensor::stack(&[&l.total.detach(), &l.real, &l.fake], 0);
            let _ = self.sums.narrow(0, sum::CRITIC, 3).g_add_(&sums);
        });
        Some(heads.descend(gradient, config.lr, 1.0, &self.config.optimizer))
    }

    fn step_g(&mut self, pair: &Pair, schedule: &Schedule) -> Tensor {
        // Both critics' gradients are taken at the pictures, weighed against each other there, and go through G once.
        let picture = pair.fake.detach().set_requires_grad(true);
        let at_picture = |loss: &Tensor| Tensor::run_backward(&[loss], &[&picture], false, false).swap_remove(0);
        let v = self.d.views();
        let logits_real = || match &pair.logits_real {
            Some(logits) => logits.shallow_clone(),
            None => no_grad(|| self.discriminator.forward(&v, &pair.real)),
        };
        let logits_fake = self.discriminator.forward(&v, &picture);
        let total = loss::generator(self.config.loss.pairing, logits_real, &logits_fake);
        let mut slope = at_picture(&total);
        if let (Some(side), Some(c)) = (&self.critic, &self.config.critic) {
            let first = |t: &Tensor| t.narrow(0, 0, self.config.critic_batch() as i64);
            let other = at_picture(&-side.critic.score(&side.heads.views(), &side.critic.grids(&first(&picture))));
            let seen = side.heads.adam.steps as f64 * self.config.batch as f64 / 1000.0;
            let warm = if c.warmup_kimg > 0.0 { (seen / c.warmup_kimg).min(1.0) } else { 1.0 };
            slope = no_grad(|| {
                let relative = first(&slope).norm() / (other.norm() + 1e-12);
                &slope + other * (relative * (schedule.critic * warm))
            });
        }
        let mut towards = (&pair.fake * slope).sum(Kind::Float);
        if let Some(distance) = &pair.distance {
            towards += distance * schedule.anchor;
        }
        let gradient = self.g.gradient(&towards);
        no_grad(|| {
            let _ = self.sums.narrow(0, sum::G, 1).g_add_(&total.detach());
            let mean = pair.w.detach().mean_dim(0, false, Kind::Float);
            let _ = self.w_avg.lerp_(&mean, 1.0 - self.config.ema.w_avg_beta);
        });
        let o = &self.config.optimizer;
        self.g.descend(gradient, o.lr_g * schedule.lr, schedule.inherited, o)
    }

    /// The average that is drawn and exported, or the further one of a relative width.
    ///
    /// # Errors
    /// [`Error::Config`] if the run keeps no average of that width.
    pub(crate) fn average(&self, width: Option<f64>) -> Result<&Tensor, Error> {
        let Some(width) = width else { return Ok(&self.ema) };
        let found = self.wide.iter().find(|average| (average.width - width).abs() < 1e-9);
        found.map(|average| &average.weights).ok_or_else(|| {
            let kept: Vec<String> = self.wide.iter().map(|average| average.width.to_string()).collect();
            let kept = if kept.is_empty() { "none".into() } else { kept.join(", ") };
            Error::Config { what: format!("the run keeps no average of width {width}; its ema.widths are: {kept}") }
        })
    }

    /// Means since the last call; waits for the device once.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one of them is not finite. The trainer should not be saved then.
    pub fn take_averages(&mut self) -> Result<Averages, Error> {
        let sums = Vec::<f32>::try_from(self.sums.to_device(Device::Cpu))?;
        let _ = self.sums.zero_();
        let n = self.summed_steps.max(1) as f64;
        self.summed_steps = 0;
        let mean = |i: usize| f64::from(sums[i]) / n;
        self.progress.dropped += sums[sum::DROPPED as usize] as u64;
        let a = Averages {
            loss_d: mean(0),
            real: mean(1),
            fake: mean(2),
            penalty: mean(3),
            loss_g: mean(4),
            critic: mean(5),
            critic_real: mean(6),
            critic_fake: mean(7),
        };
        if sums.iter().all(|v| v.is_finite()) { Ok(a) } else { Err(Error::Diverged { kimg: self.progress.kimg() }) }
    }

    /// Pictures of the averaged generator for `seeds` at `psi`, the ones the exported model draws.
    ///
    /// # Errors
    /// [`Error::Torch`] if libtorch fails.
    pub fn draw(&self, seeds: &[u64], psi: f64) -> Result<Vec<Picture>, Error> {
        self.draw_with(&self.ema, seeds, psi)
    }

    /// Pictures of a generator with these weights.
    pub(crate) fn draw_with(&self, weights: &Tensor, seeds: &[u64], psi: f64) -> Result<Vec<Picture>, Error> {
        let size = self.config.resolution();
        let mut pictures = Vec::with_capacity(seeds.len());
        for chunk in seeds.chunks(self.config.batch) {
            let y = no_grad(|| self.synthesize_seeds(weights, chunk, psi));
            let y = (y * 127.5 + 128.0).clamp(0.0, 255.0).floor().to_kind(Kind::Uint8);
            let y = y.permute([0, 2, 3, 1]).contiguous().to_device(Device::Cpu);
            let mut bytes = vec![0u8; chunk.len() * size * size * 3];
            let count = bytes.len();
            y.f_copy_data_u8(&mut bytes, count)?;
            let each = bytes.chunks_exact(size * size * 3);
            pictures.extend(each.map(|rgb| Picture { width: size, height: size, rgb: rgb.to_vec() }));
        }
        Ok(pictures)
    }

    /// Raw output of the averaged generator for one seed, [3, h, w], nominally in -1..1: what an export is compared with.
    ///
    /// # Errors
    /// [`Error::Torch`] if libtorch fails.
    pub fn raw(&self, seed: u64, psi: f64) -> Result<Vec<f32>, Error> {
        let y = no_grad(|| self.synthesize_seeds(&self.ema, &[seed], psi));
        Ok(Vec::try_from(y.to_device(Device::Cpu).contiguous().view([-1]))?)
    }

    /// Raw output [n, 3, h, w] of a generator with these weights, with latents and noise of the `synth` crate's seeds.
    fn synthesize_seeds(&self, weights: &Tensor, seeds: &[u64], psi: f64) -> Tensor {
        let n = seeds.len() as i64;
        let z: Vec<f32> =
            seeds.iter().flat_map(|&s| synth::latent::z(synth::Seed(s), self.config.architecture.z_dim)).collect();
        let z = Tensor::from_slice(&z).view([n, -1]).to_device(self.device);
        let v = self.g.layout.views(weights, &self.g.gains);
        let w = self.generator.map(&v, &z);
        let w = &self.w_avg + (w - &self.w_avg) * psi;
        let mut noise = |layer: usize, size: [i64; 4]| {
            let each = (size[2] * size[3]) as usize;
            let mut values = vec![0f32; each * seeds.len()];
            for (&seed, out) in seeds.iter().zip(values.chunks_exact_mut(each)) {
                synth::latent::normal(synth::Seed(seed), 1 + layer as u32, out);
            }
            Tensor::from_slice(&values).view(size).to_device(self.device)
        };
        self.generator.synthesize(&v, &w, &mut noise)
    }
}

/// Seed of libtorch's generator in one step (SplitMix64's mixing of seed and step).
fn step_seed(seed: u64, step: u64) -> i64 {
    let mut x = seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add(step).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)).cast_signed()
}
