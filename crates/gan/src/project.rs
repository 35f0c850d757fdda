//! From a picture back to the w that a model draws it from: the projector of StyleGAN2 (Karras et al., arXiv 1912.04958, appendix D), with several
//! starts, pixels at several sizes, and features of any frozen network.
//!
//! Of many random w the nearest are kept, and refined together by Adam along the slopes through the synthesis network. Points are counted in the spread
//! of w: `w = mean + deviation v`, number by number, with mean and deviation of many random w. That makes step lengths and the noise the same for every
//! model, and the pull towards the mean a mean of `v^2`, which is 1 for a random w.
//!
//! Nothing here knows files or clocks: a [`Projector`] is a model, a picture and a point, and [`Projector::step`] gives the next point.

use std::sync::Mutex;

use features::{PerceptualDistance, PerceptualWork};
use kernels::train::{Bf16, Cpu};
use serde::{Deserialize, Serialize};
use synth::{ModelFile, Seed};

use crate::adam::{Adam, Rates};
use crate::config::OptimizerConfig;
use crate::cpu::processor;
use crate::planes::planar;
use crate::seeds::step_seed;
use crate::{Config, Error, Precision};

mod frozen;
mod pixels;
#[cfg(test)]
mod tests;

use frozen::{Draw, Frozen};
use pixels::Pyramid;

/// Random w that mean and deviation are of.
const SAMPLES: usize = 10_000;
/// Random w that are looked at for each start.
const LOOKED_AT: usize = 64;
/// Bytes that the layers of the pictures drawn at once may take.
const MEMORY: usize = 1 << 30;
/// Pictures drawn at once, at most.
const TOGETHER: usize = 16;
/// The share of the steps in which the learning rate rises, and in which it falls.
const RAMPS: [f64; 2] = [0.05, 0.25];
/// The share of the steps after which there is no noise any more.
const QUIET: f64 = 0.75;
/// The share of the steps in which all layers of w+ move as one.
const TIED: f64 = 0.5;
/// Deviations below this share of the largest one are counted as this share: there w hardly ever moves.
const LEAST: f32 = 1e-3;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectionSpace {
    /// One w for all layers.
    #[serde(rename = "w")]
    W,
    /// A w for each convolution: nearer, and less of the model's own kind.
    #[serde(rename = "w+")]
    Plus,
}

/// How it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectConfig {
    /// Where.
    pub space: ProjectionSpace,
    /// Points that are refined.
    pub starts: usize,
    /// Steps of each.
    pub steps: u64,
    /// Learning rate between its ramps, in deviations of w.
    pub lr: f64,
    /// Standard deviation of the noise on w at the beginning, in deviations of w; it fades with the square of what is left of three quarters of the steps.
    pub noise: f64,
    /// Weight of the difference in features, beside 1 for that in pixels.
    pub features: f64,
    /// Weight of the pull towards the mean.
    pub pull: f64,
    /// Numbers that steps are computed in. What is found is compared in 32 bits.
    pub precision: Precision,
    /// Seed of everything that is random.
    pub seed: u64,
}

impl ProjectConfig {
    /// What `tadne project` takes unless told otherwise.
    pub fn new(space: ProjectionSpace) -> Self {
        let precision = Precision::Auto;
        Self { space, starts: 4, steps: 200, lr: 0.2, noise: 0.05, features: 0.3, pull: 0.01, precision, seed: 0 }
    }

    /// Checks that every value can be worked with.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let numbers = [("noise", self.noise), ("features", self.features), ("pull", self.pull)];
        let negative = numbers.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0));
        let what = if !(1..=64).contains(&self.starts) {
            "starts must be 1 to 64".into()
        } else if !(1..=1_000_000).contains(&self.steps) {
            "steps must be 1 to 1000000".into()
        } else if !(self.lr.is_finite() && self.lr > 0.0) {
            "lr must be a positive number".into()
        } else if let Some((name, value)) = negative {
            format!("{name} must be 0 or more, not {value}")
        } else {
            return Ok(());
        };
        Err(Error::Config { what })
    }

    /// The learning rate of a step, counted from 0 (appendix D of the paper).
    fn rate(&self, step: u64) -> f64 {
        let done = step as f64 / self.steps as f64;
        let fall = ((1.0 - done) / RAMPS[1]).min(1.0);
        let rise = (step as f64 + 1.0) / (RAMPS[0] * self.steps as f64);
        self.lr * (0.5 - 0.5 * (std::f64::consts::PI * fall).cos()) * rise.min(1.0)
    }

    /// The noise of a step, counted from 0.
    fn noise(&self, step: u64) -> f32 {
        let left = 1.0 - step as f64 / self.steps as f64 / QUIET;
        (self.noise * left.max(0.0).powi(2)) as f32
    }
}

/// How far a drawing is from the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What is minimised: the weighted sum of the others.
    pub loss: f64,
    /// Mean square difference of pixels in a range of -1 to 1, a mean over several sizes.
    pub pixels: f64,
    /// Difference of features, 0 to 4; see [`PerceptualDistance`].
    pub features: Option<f64>,
    /// Mean square of w's distance from its mean, in deviations.
    pub distance: f64,
}

/// The nearest point so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// `w_dim` values, or as many for each convolution ([`ProjectionSpace::Plus`]).
    pub w: Vec<f32>,
    /// How far its drawing is from the picture.
    pub difference: Difference,
    /// Which of the starts led there, counted from 0.
    pub start: usize,
    /// After how many steps.
    pub step: u64,
}

/// Where w lies.
#[derive(Debug)]
struct WStatistics {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// A model, a picture, and the points that approach it.
#[derive(Debug)]
pub struct Projector {
    config: ProjectConfig,
    cpu: Cpu,
    /// What steps go by.
    quick: Box<dyn Draw>,
    /// What is drawn for [`Projector::look`], where that is another.
    exact: Option<Box<dyn Draw>>,
    pyramid: Pyramid,
    features: Option<PerceptualDistance>,
    work: PerceptualWork,
    spread: WStatistics,
    /// Pictures drawn at once.
    together: usize,
    /// Rows of a point: 1, or one for each convolution.
    rows: usize,
    /// [starts, rows, `w_dim`], in deviations.
    points: Vec<f32>,
    adam: Adam,
    optimizer: OptimizerConfig,
    best: Option<Found>,
}

impl Projector {
    /// Looks for `target`, red, green and blue of every pixel at the size that the model composes ([`synth::Architecture::composed`]), worked on by
    /// `threads` threads. `generator` is the model made ready: its seeds, class and noise are those of the drawings that are compared; the noise is that
    /// of seed 0. Without `features`, pixels alone are compared.
    ///
    /// # Errors
    /// [`Error::Config`] where [`ProjectConfig::validate`] fails, [`Error::Model`] if the model is not valid, [`Error::Features`] if the network cannot
    /// take pictures of this size.
    ///
    /// # Panics
    /// If `target` is of another size, or `generator` is not of `model`.
    pub fn new(
        config: ProjectConfig,
        (model, generator): (&ModelFile, &synth::Generator),
        target: &[u8],
        features: Option<features::Network>,
        threads: usize,
    ) -> Result<Self, Error> {
        config.validate()?;
        model.check()?;
        assert_eq!(&model.architecture, generator.architecture(), "the generator of this model");
        let (h, w) = model.architecture.composed();
        assert_eq!(target.len(), 3 * h * w, "a target of the size that the model composes");
        let cpu = processor(threads)?;
        let planes = planar(target, h * w);
        let features = features.filter(|_| config.features > 0.0);
        let features =
            features.map(|network| PerceptualDistance::new(network, cpu.crew(), &planes, [h, w])).transpose()?;
        let samples = samples(&cpu, generator, config.seed);
        let spread = WStatistics::of(&samples, model.architecture.w_dim);
        let rows = if config.space == ProjectionSpace::W { 1 } else { generator.layers() };
        let noise = generator.noise(Seed(0));
        let exact: Box<dyn Draw> = Box::new(Frozen::<f32>::new(model, noise.clone()));
        let (quick, exact): (Box<dyn Draw>, _) = if config.precision.is_bf16(&cpu) {
            (Box::new(Frozen::<Bf16>::new(model, noise)), Some(exact))
        } else {
            (exact, None)
        };
        let optimizer = OptimizerConfig { beta1: 0.9, ..Config::preset("c64")?.optimizer };
        let mut projector = Self {
            config,
            quick,
            exact,
            pyramid: Pyramid::new(&planes, [h, w]),
            features,
            work: PerceptualWork::default(),
            spread,
            together: (MEMORY / layer_bytes(&model.architecture)).clamp(1, TOGETHER),
            rows,
            points: Vec::new(),
            adam: Adam::new(config.starts * rows * model.architecture.w_dim),
            optimizer,
            best: None,
            cpu,
        };
        projector.begin(&samples);
        Ok(projector)
    }

    /// How it is looked for.
    pub fn config(&self) -> &ProjectConfig {
        &self.config
    }

    /// Threads that compute, and what they multiply with.
    pub fn processor(&self) -> (usize, &'static str) {
        self.config.precision.processor(&self.cpu)
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.adam.steps
    }

    /// Where a start has come, without noise: as [`Found::w`].
    ///
    /// # Panics
    /// If there is no such start.
    pub fn w(&self, start: usize) -> Vec<f32> {
        let each = self.rows * self.spread.mean.len();
        let mut w = self.points[start * each..][..each].to_vec();
        w.chunks_exact_mut(self.spread.mean.len()).for_each(|w| self.spread.place(w));
        w
    }

    /// Begins at the nearest of some random w.
    fn begin(&mut self, samples: &[f32]) {
        let length = self.spread.mean.len();
        let (rows, starts) = (std::mem::replace(&mut self.rows, 1), self.config.starts);
        let mut looked_at = samples[..starts * LOOKED_AT * length].to_vec();
        looked_at.chunks_exact_mut(length).for_each(|w| self.spread.measure(w));
        let found = self.compare(&looked_at, None);
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|a, b| found[*a].loss.total_cmp(&found[*b].loss));
        self.rows = rows;
        self.points = order[..starts].iter().flat_map(|k| looked_at[k * length..][..length].repeat(rows)).collect();
        self.look();
    }

    /// One step of every start; gives the differences of the points that it began at, their noise included.
    pub fn step(&mut self) -> Vec<Difference> {
        let step = self.adam.steps;
        let tied = (step as f64) < TIED * self.config.steps as f64;
        let length = self.spread.mean.len();
        let each = self.rows * length;
        let mut points = self.points.clone();
        let strength = self.config.noise(step);
        if strength > 0.0 {
            let mut noise = vec![0.0; points.len()];
            synth::latent::normal(Seed(step_seed(self.config.seed, step)), 1, &mut noise);
            for (point, noise) in points.chunks_exact_mut(each).zip(noise.chunks_exact(each)) {
                for (i, v) in point.iter_mut().enumerate() {
                    *v += strength * noise[if tied { i % length } else { i }];
                }
            }
        }
        let mut gradient = vec![0.0; points.len()];
        let found = self.compare(&points, Some(&mut gradient));
        if tied {
            for point in gradient.chunks_exact_mut(each) {
                for i in 0..length {
                    let mean = point.iter().skip(i).step_by(length).sum::<f32>();
                    point.iter_mut().skip(i).step_by(length).for_each(|v| *v = mean);
                }
            }
        }
        let rates = Rates { lr: self.config.rate(step), factors: None, beta2: 0.999 };
        self.adam.step(self.cpu.crew(), &mut self.points, &mut gradient, rates, &self.optimizer);
        found
    }

    /// Draws where the starts have come, without noise, and gives the nearest point so far.
    ///
    /// # Panics
    /// If there are no starts, which [`Projector::new`] refuses.
    pub fn look(&mut self) -> &Found {
        let points = self.points.clone();
        let quick = self.exact.take().map(|exact| std::mem::replace(&mut self.quick, exact));
        let found = self.compare(&points, None);
        self.exact = quick.map(|quick| std::mem::replace(&mut self.quick, quick));
        for (start, difference) in found.into_iter().enumerate() {
            if self.best.as_ref().is_none_or(|best| difference.loss < best.difference.loss) {
                self.best = Some(Found { w: self.w(start), difference, start, step: self.adam.steps });
            }
        }
        self.best.as_ref().expect("there is at least one start")
    }

    /// The differences of points [n, rows, `w_dim`] from the target. Their slopes are written over `gradient`, where it is given.
    fn compare(&mut self, points: &[f32], mut gradient: Option<&mut [f32]>) -> Vec<Difference> {
        let length = self.spread.mean.len();
        let each = self.rows * length;
        let mut all = Vec::new();
        for (part, points) in points.chunks(self.together * each).enumerate() {
            let mut w = points.to_vec();
            w.chunks_exact_mut(length).for_each(|w| self.spread.place(w));
            // What is seen of a picture lies in -1..1. Slopes pass through this bound as if it were not there: beyond it they lead back inside.
            let drawn = self.quick.draw(&self.cpu, &w, self.rows);
            let pictures: Vec<f32> = drawn.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
            let pictures = &pictures;
            let wanted = gradient.is_some();
            let mut slopes = vec![0.0; if wanted { pictures.len() } else { 0 }];
            let pixels = self.pyramid.differences(self.cpu.crew(), pictures, wanted.then_some(&mut slopes));
            let mut more = vec![0.0; if self.features.is_some() { slopes.len() } else { 0 }];
            let features = self.features.as_ref().map(|likeness| {
                likeness.differences(self.cpu.crew(), &mut self.work, pictures, wanted.then_some(&mut more))
            });
            slopes.iter_mut().zip(&more).for_each(|(to, v)| *to += self.config.features as f32 * v);
            for (i, point) in points.chunks_exact(each).enumerate() {
                let distance = point.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / each as f64;
                let seen = features.as_ref().map(|features| features[i]);
                let weighted = self.config.features * seen.unwrap_or(0.0) + self.config.pull * distance;
                all.push(Difference { loss: pixels[i] + weighted, pixels: pixels[i], features: seen, distance });
            }
            if let Some(gradient) = gradient.as_deref_mut() {
                let to = &mut gradient[part * self.together * each..][..points.len()];
                let back = self.quick.back(&self.cpu, &slopes);
                let pull = 2.0 * self.config.pull as f32 / each as f32;
                for (i, (to, slope)) in to.iter_mut().zip(back).enumerate() {
                    *to = slope * self.spread.deviation[i % length] + pull * points[i];
                }
            }
        }
        all
    }
}

impl WStatistics {
    /// Of rows of `length` numbers.
    fn of(samples: &[f32], length: usize) -> Self {
        let count = (samples.len() / length) as f64;
        let mut mean = vec![0.0; length];
        for w in samples.chunks_exact(length) {
            mean.iter_mut().zip(w).for_each(|(sum, w)| *sum += f64::from(*w) / count);
        }
        let mut square = vec![0.0; length];
        for w in samples.chunks_exact(length) {
            let apart = w.iter().zip(&mean).map(|(w, mean)| f64::from(*w) - mean);
            square.iter_mut().zip(apart).for_each(|(sum, v)| *sum += v * v / count);
        }
        let deviation: Vec<f32> = square.into_iter().map(|v| v.sqrt() as f32).collect();
        let least = deviation.iter().copied().fold(f32::MIN_POSITIVE, f32::max) * LEAST;
        let deviation = deviation.into_iter().map(|v| v.max(least)).collect();
        Self { mean: mean.into_iter().map(|v| v as f32).collect(), deviation }
    }

    /// From w to deviations.
    fn measure(&self, w: &mut [f32]) {
        for ((v, mean), deviation) in w.iter_mut().zip(&self.mean).zip(&self.deviation) {
            *v = (*v - mean) / deviation;
        }
    }

    /// From deviations to w.
    fn place(&self, v: &mut [f32]) {
        for ((v, mean), deviation) in v.iter_mut().zip(&self.mean).zip(&self.deviation) {
            *v = mean + deviation * *v;
        }
    }
}

/// w of random seeds, row by row.
fn samples(cpu: &Cpu, generator: &synth::Generator, seed: u64) -> Vec<f32> {
    let length = generator.architecture().w_dim;
    let mut all = vec![0.0; SAMPLES * length];
    let parts: Vec<_> = all.chunks_mut(64 * length).map(Mutex::new).collect();
    cpu.crew().run(parts.len(), |_, part| {
        let mut own = parts[part].lock().expect("nobody else has this part");
        for (i, w) in own.chunks_exact_mut(length).enumerate() {
            w.copy_from_slice(&generator.w(Seed(step_seed(seed, u64::MAX - (64 * part + i) as u64))));
        }
    });
    drop(parts);
    all
}

/// About what the layers of one picture take on the tape: two convolutions a block with what lies between and with their gradients.
fn layer_bytes(architecture: &synth::Architecture) -> usize {
    let blocks = architecture.channels.iter().enumerate();
    let numbers = blocks.map(|(i, channels)| (architecture.base[0] << i) * (architecture.base[1] << i) * channels);
    8 * size_of::<f32>() * numbers.sum::<usize>()
}
