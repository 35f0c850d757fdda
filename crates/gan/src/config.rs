//! Everything a run depends on, as data: it is printed at the start and stored with the run.

use serde::{Deserialize, Serialize};
use synth::{Architecture, LabelNorm, Labels, NoiseInputs, Upsample};

use crate::{Error, InkedConfig};

/// Channels that a stage may have, more than any published network of this kind.
const MOST_CHANNELS: usize = 4096;

/// One training configuration. [`Config::preset`] names the ones that ship; every field can be changed before the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the preset that this configuration started from.
    pub name: String,
    /// The generator.
    pub architecture: Architecture,
    /// The discriminator.
    pub discriminator: DiscriminatorConfig,
    /// Adversarial loss and its gradient penalty.
    pub loss: LossConfig,
    /// A critic on the features of a frozen network; none by default.
    #[serde(default)]
    pub critic: Option<CriticConfig>,
    /// A second discriminator that sees pictures as an ink network redraws them; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inked: Option<InkedConfig>,
    /// Adam and its schedule.
    pub optimizer: OptimizerConfig,
    /// How weights that came from a smaller network learn at first; see [`crate::Trainer::grow`].
    #[serde(default)]
    pub growth: GrowthConfig,
    /// The average of the generator's weights that is shown and exported.
    pub ema: EmaConfig,
    /// What is done to real and drawn pictures alike before the discriminator sees them.
    pub augment: AugmentConfig,
    /// What is measured while the run goes on.
    #[serde(default)]
    pub metric: MetricConfig,
    /// Arithmetic of the networks' bodies. Mapping, demodulation, both ends of D, losses and averages are f32 always.
    pub precision: Precision,
    /// Pictures a step.
    pub batch: usize,
    /// Length of the run in thousands of real pictures shown to D; the schedules are fractions of it.
    pub kimg: f64,
    /// Whether real pictures are mirrored at random.
    pub mirror: bool,
    /// Seed of initial weights, latents, augmentation and the order of the pictures.
    pub seed: u64,
    /// A line is reported every so many kimg.
    pub kimg_per_tick: f64,
    /// A sample grid and a checkpoint are written every so many kimg (and at the latest every ten minutes).
    pub kimg_per_snapshot: f64,
}

/// Discriminator: residual stages from the picture's size down to the generator's constant, then a small head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Channels per stage in the generator's order: the first entry works at the constant's size.
    pub channels: Vec<usize>,
    /// How a stage halves the size.
    pub downsample: Downsample,
    /// Pictures that share one minibatch standard deviation.
    pub group: usize,
    /// Channels that tell of it, each of an equal part of the last stage's channels.
    #[serde(default = "one")]
    pub features: usize,
    /// How many of the stages after the first also see the picture, reduced to their size: what growing keeps of the smaller
    /// network's entrance.
    #[serde(default)]
    pub entrances: usize,
    /// Classes that it is told of: those of `architecture.labels`, or 0.
    #[serde(default, skip_serializing_if = "none")]
    pub classes: usize,
}

/// How a stage of the discriminator halves its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downsample {
    /// 2x2 average, then 3x3 convolution on the small grid: a quarter of the work.
    PoolConv,
    /// 3x3 convolution on the large grid, then 2x2 average.
    ConvPool,
    /// StyleGAN2's: `[1, 3, 3, 1]` low-pass, then 3x3 convolution with stride 2.
    #[serde(rename = "stylegan2")]
    StyleGan2,
}

/// Adversarial loss and gradient penalty; by default relativistic with a two-sided penalty (RpGAN + R1 + R2; R3GAN, arXiv 2501.05441).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossConfig {
    /// What D's outputs are compared with.
    #[serde(default)]
    pub pairing: Pairing,
    /// How the squared gradient norm is computed.
    pub penalty: Penalty,
    /// Weight of the penalty at the start; `gamma / 2` multiplies R1 + R2, or R1 alone. The larger the pictures, the more: the presets take about
    /// a thirty-second of the side (2 at 64 px, 4 at 128 px, 8 at 256 px), `tiny` and `stylegan2-128` less.
    pub gamma: f64,
    /// Weight at the end; cosine in between.
    pub gamma_final: f64,
    /// Share of the batch that the penalty is computed on, every step.
    pub penalty_fraction: f64,
    /// Weight of `(D(x) + D(G(z)))^2`, which only keeps the outputs near zero.
    pub drift: f64,
}

/// What D's outputs are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// Real with drawn, pair by pair: `softplus(D(G(z)) - D(x))`. Needs every kind of face drawn, since each is compared with a real one.
    #[default]
    Relativistic,
    /// Each with zero: the non-saturating logistic loss of StyleGAN2 (arXiv 1912.04958).
    Logistic,
}

/// Where and along what the slope of D is penalised. No second derivatives are needed: the slope along a direction is the derivative of D's own
/// layers, and its square's gradient along the gradient's direction is that of the squared norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// Along D's gradient at real and at drawn pictures: `|grad D|^2` (R1 and R2).
    #[serde(rename = "gradient", alias = "exact")]
    R1R2,
    /// Along D's gradient at real pictures only, as StyleGAN2 has it.
    R1,
    /// Along random directions: the mean of the same with a relative deviation of the square root of 2 a picture.
    #[serde(alias = "approximate")]
    Random,
}

/// A critic that sees pictures through a frozen network (projected GAN, arXiv 2111.01007), beside the discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CriticConfig {
    /// The frozen network: a path, or a name in [`features::Network::folder`].
    pub network: String,
    /// Pictures are enlarged or reduced to so many pixels before the network sees them; 0 leaves them as they are. Networks trained
    /// on photographs see little in small pictures.
    pub size: usize,
    /// Channels per tap after the fixed random mixing, from the finest grid to the coarsest.
    pub channels: Vec<usize>,
    /// Share of the batch that it sees: it costs as much as D, and half of the pictures tell it nearly as much.
    pub fraction: f64,
    /// Length of its gradient at the drawn pictures it sees as a multiple of the discriminator's.
    pub weight: f64,
    /// [`CriticConfig::weight`] at the end of the run.
    pub weight_final: f64,
    /// Fraction of the run after which the weight goes to its final value along half a cosine.
    pub fade_start: f64,
    /// The weight rises linearly over so many kimg from when the critic joins.
    pub warmup_kimg: f64,
    /// Learning rate of its heads.
    pub lr: f64,
}

impl Default for CriticConfig {
    fn default() -> Self {
        Self {
            network: "efficientnet-lite0".into(),
            size: 0,
            channels: vec![32, 64, 96, 128],
            fraction: 1.0,
            weight: 0.25,
            weight_final: 0.25,
            fade_start: 0.7,
            warmup_kimg: 2.0,
            lr: 2e-3,
        }
    }
}

/// Adam with warm-up and cosine cool-down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Learning rate of G.
    pub lr_g: f64,
    /// Learning rate of D.
    pub lr_d: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// The same at the start, where it is another: a shorter memory forgets the first gradients, which say little (R3GAN, arXiv 2501.05441, has 0.9).
    #[serde(default)]
    pub beta2_initial: Option<f64>,
    /// From there it goes to [`OptimizerConfig::beta2`] along half a cosine over so many kimg.
    #[serde(default = "beta2_kimg")]
    pub beta2_kimg: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Linear warm-up over so many kimg.
    pub warmup_kimg: f64,
    /// Fraction of the run after which the cool-down begins.
    pub cooldown_start: f64,
    /// Fraction of the learning rate left at the end.
    pub final_fraction: f64,
}

/// How the largest stage of a grown network comes in, and how much of the G that a run starts from is held meanwhile. D is free: it has to learn
/// what the new size looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrowthConfig {
    /// The largest stage is faded in along a line over so many kimg, in G and in D, where it takes the place of the smaller network's entrance.
    /// 0: it is there at once, and in D beside that entrance for ever.
    #[serde(default)]
    pub fade_kimg: f64,
    /// So many of the first stages are held, with the mapping network. A run that starts from other networks sets it: to all stages but the last
    /// of smaller ones; to all of those of the same size, if their D is fresh or [`GrowthConfig::inherited`] is below 1. 0 for any other run.
    pub stages: usize,
    /// Factor on the learning rate of what is held, at first.
    pub inherited: f64,
    /// Factor on that learning rate at the end of the hold. 1 in runs older than this.
    #[serde(default = "free")]
    pub inherited_final: f64,
    /// The first values hold for so many kimg, then become the last ones along half a cosine in as many again. 0: the last ones at once.
    pub hold_kimg: f64,
    /// Model files of older states of the G that a run starts from, oldest first. While all of G is held, D meets these too and what lies between
    /// each and the next, the last of which is G: what it learns of one generator alone is mostly that one's fingerprint.
    pub past: Vec<String>,
    /// While all of G is held, D meets it with random numbers added to its weights, of up to so many times the root mean square of each tensor.
    pub scatter: f64,
    /// Share of the steps in which G is held as before once it has been let go, so that D forgets nothing of what it has met.
    pub replay: f64,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn none(count: &usize) -> bool {
    *count == 0
}

fn free() -> f64 {
    1.0
}

fn beta2_kimg() -> f64 {
    100.0
}

fn rise_kimg() -> f64 {
    500.0
}

impl Default for GrowthConfig {
    fn default() -> Self {
        Self {
            fade_kimg: 100.0,
            stages: 0,
            inherited: 1.0,
            inherited_final: 1.0,
            hold_kimg: 0.0,
            past: Vec::new(),
            scatter: 0.0,
            replay: 0.0,
        }
    }
}

/// Exponential moving average of G's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// Half-life in kimg once the ramp is over.
    pub half_life_kimg: f64,
    /// Early on the half-life is this fraction of what has been seen.
    pub ramp: f64,
    /// Decay a step of the running mean of w.
    pub w_avg_beta: f64,
    /// Further averages with power-function profiles, by their relative widths: the standard deviation of the steps an average is made
    /// of, as a fraction of all steps so far (EDM2, arXiv 2312.02696, section 3.1). `tadne export --average WIDTH` takes one.
    #[serde(default)]
    pub widths: Vec<f64>,
}

impl EmaConfig {
    /// The largest width: that of the plain mean of all steps, `sqrt(1 / 12)`, rounded down.
    pub const WIDEST: f64 = 0.28;
    /// How many there may be: each is as large as G.
    pub const MOST: usize = 16;
}

/// Synchronised augmentation: the same random transform for the real and the drawn picture of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentConfig {
    /// Probability of each operation at the start.
    pub p: f64,
    /// Probability once the ramp is over.
    pub p_final: f64,
    /// Length of the linear ramp in kimg.
    pub ramp_kimg: f64,
    /// Largest translation as a fraction of the size.
    pub translate: f64,
    /// Side of the square that is cut out, as a fraction of the size; 0 turns it off.
    pub cutout: f64,
    /// Multiplies the strength of brightness, saturation and contrast; 0 turns them off.
    pub colour: f64,
    /// Standard deviation at the start of a Gaussian blur, as a fraction of the size: what is hidden from D at first cannot be
    /// learnt before the layout is (`StyleGAN3` begins so, arXiv 2106.12423). Growing sets it to 0. 0 in runs older than this.
    #[serde(default)]
    pub blur: f64,
    /// The blur shrinks to nothing along a line over so many kimg.
    #[serde(default)]
    pub blur_kimg: f64,
    /// Where it is given, the probability leaves the ramp and follows D's overfitting: it rises while D tells the pictures of a pair apart more often
    /// than this, and falls while less often. In shares of pairs told right less those told wrong, so 1 is all of them and 0 chance; 0.6 is usual
    /// (arXiv 2006.06676, section 3.1, where D's signs on real pictures stand for the same).
    #[serde(default)]
    pub target: Option<f64>,
    /// That probability goes from 0 to 1 in so many kimg at the fastest.
    #[serde(default = "rise_kimg")]
    pub rise_kimg: f64,
}

impl AugmentConfig {
    /// The highest probability that overfitting leads to: from about here on a generator learns the augmentation too (arXiv 2006.06676, section 2.2).
    pub const HIGHEST: f64 = 0.8;
}

/// Kernel distance of drawn pictures from training pictures, measured from time to time where its network is at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricConfig {
    /// The feature network: a path, or a name in [`features::Network::folder`]. Not the one that a feature critic trains with.
    pub network: String,
    /// Measured every so many kimg; 0 turns it off.
    pub kimg: f64,
    /// Drawn pictures, and training pictures to compare them with; fewer where there are fewer.
    pub samples: usize,
}

impl Default for MetricConfig {
    fn default() -> Self {
        Self { network: "nsfwjs-mobilenet-v2".into(), kimg: 20.0, samples: 2000 }
    }
}

/// Arithmetic of the networks' bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// bfloat16 where it is faster: on CUDA, and on processors with AMX; f32 elsewhere.
    Auto,
    /// 32-bit floats throughout.
    F32,
    /// bfloat16 activations and convolutions with f32 sums and weights.
    Bf16,
}

impl Config {
    /// The names [`Config::preset`] knows, with a line on each.
    pub const PRESETS: [(&'static str, &'static str); 5] = [
        ("tiny", "16 px, seconds on any CPU: for trying the chain out"),
        ("c64", "64 px, about 2 M parameters each: hours on two CPU cores"),
        ("c128", "128 px, about 2 M parameters each: a day on two CPU cores"),
        ("h256", "256 px, about 10 M parameters each: for an accelerator"),
        ("stylegan2-128", "128 px in StyleGAN2's own order of work, with noise inputs and [1,3,3,1] resampling"),
    ];

    /// A preset by name.
    ///
    /// # Errors
    /// [`Error::UnknownPreset`] lists the names there are.
    pub fn preset(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "tiny" => Self::plain(name, 32, 64, &[48, 32, 24]).with(|c| {
                (c.batch, c.kimg, c.loss.penalty_fraction) = (16, 20.0, 0.5);
                // Chosen by hand, as all gammas here: the smaller the pictures, the less.
                (c.loss.gamma, c.loss.gamma_final) = (0.05, 0.02);
            }),
            "c64" => Self::plain(name, 128, 256, &[192, 192, 128, 64, 32]),
            "c128" => Self::plain(name, 128, 256, &[192, 192, 128, 64, 32, 32])
                // Twice c64's for twice the side.
                .with(|c| (c.loss.gamma, c.loss.gamma_final) = (4.0, 1.0)),
            "h256" => Self::plain(name, 256, 512, &[384, 384, 320, 224, 128, 64, 32]).with(|c| {
                (c.batch, c.kimg) = (128, 5000.0);
                (c.loss.gamma, c.loss.gamma_final) = (8.0, 2.0);
            }),
            "stylegan2-128" => Self::plain(name, 256, 256, &[256, 256, 256, 128, 64, 32]).with(|c| {
                c.architecture.upsample = Upsample::StyleGan2;
                c.architecture.noise = NoiseInputs::All;
                c.architecture.mapping_layers = 8;
                c.discriminator.downsample = Downsample::StyleGan2;
                (c.loss.gamma, c.loss.gamma_final) = (2.0, 0.6);
            }),
            _ => return Err(Error::UnknownPreset { name: name.into() }),
        })
    }

    fn plain(name: &str, z_dim: usize, w_dim: usize, channels: &[usize]) -> Self {
        Self {
            name: name.into(),
            architecture: Architecture::plain(z_dim, w_dim, channels),
            discriminator: DiscriminatorConfig {
                channels: channels.to_vec(),
                downsample: Downsample::PoolConv,
                group: 8,
                features: 1,
                entrances: 0,
                classes: 0,
            },
            loss: LossConfig {
                pairing: Pairing::Relativistic,
                penalty: Penalty::R1R2,
                gamma: 2.0,
                gamma_final: 0.5,
                penalty_fraction: 0.25,
                drift: 0.01,
            },
            critic: None,
            inked: None,
            optimizer: OptimizerConfig {
                lr_g: 1.5e-3,
                lr_d: 1.5e-3,
                beta1: 0.0,
                beta2: 0.99,
                beta2_initial: None,
                beta2_kimg: beta2_kimg(),
                eps: 1e-8,
                warmup_kimg: 1.0,
                cooldown_start: 0.6,
                final_fraction: 0.05,
            },
            growth: GrowthConfig::default(),
            ema: EmaConfig { half_life_kimg: 10.0, ramp: 0.05, w_avg_beta: 0.995, widths: Vec::new() },
            augment: AugmentConfig {
                p: 0.0,
                p_final: 0.0,
                ramp_kimg: 200.0,
                translate: 0.125,
                cutout: 0.4,
                colour: 1.0,
                blur: 0.0,
                blur_kimg: 25.0,
                target: None,
                rise_kimg: rise_kimg(),
            },
            metric: MetricConfig::default(),
            precision: Precision::Auto,
            batch: 32,
            kimg: 600.0,
            mirror: true,
            seed: 0,
            kimg_per_tick: 1.0,
            kimg_per_snapshot: 10.0,
        }
    }

    /// Networks that are told which of so many classes a picture is of: G by an embedding of as many numbers as w has, D by another.
    #[must_use]
    pub fn with_classes(self, classes: usize) -> Self {
        self.with(|c| {
            let labels = Labels { classes, features: c.architecture.w_dim, normalize: LabelNorm::Apart };
            c.architecture.labels = (classes > 0).then_some(labels);
            c.discriminator.classes = classes;
        })
    }

    /// Classes that pictures are of; 0 where the networks are told of none.
    pub fn classes(&self) -> usize {
        self.architecture.labels.map_or(0, |labels| labels.classes)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Picture size in pixels; the nets that train here are square.
    pub fn resolution(&self) -> usize {
        self.architecture.resolution().0
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`Error::Config`] names the field and what it must be.
    pub fn validate(&self) -> Result<(), Error> {
        let fail = |what: String| Err(Error::Config { what });
        if self.name.is_empty() || self.name.contains(['/', '\\']) || self.name.chars().any(char::is_control) {
            return fail(format!(
                "name must be a word without slashes, which folders of runs are called by, not {:?}",
                self.name
            ));
        }
        self.architecture.validate().map_err(|e| Error::Config { what: e.to_string() })?;
        for (name, network) in [("ink", self.architecture.ink), ("lens", self.architecture.lens)] {
            if network.is_some() {
                return fail(format!(
                    "architecture.{name} must be null: that network is trained afterwards, by tadne ink"
                ));
            }
        }
        let (h, w) = self.architecture.resolution();
        if h != w {
            return fail(format!("architecture.base must be square, the pictures would be {w}x{h}"));
        }
        if self.discriminator.channels.len() != self.architecture.channels.len()
            || !self.discriminator.channels.iter().all(|c| (1..=MOST_CHANNELS).contains(c))
        {
            return fail(format!(
                "discriminator.channels must be {} numbers from 1 to {MOST_CHANNELS}, one per stage of the generator",
                self.architecture.channels.len()
            ));
        }
        let (features, last) = (self.discriminator.features, self.discriminator.channels[0]);
        if features == 0 || !last.is_multiple_of(features) {
            return fail(format!("discriminator.features ({features}) must divide discriminator.channels[0] ({last})"));
        }
        let (told, classes) = (self.discriminator.classes, self.classes());
        if told != classes {
            return fail(format!("discriminator.classes ({told}) must be those of architecture.labels ({classes})"));
        }
        if self.discriminator.entrances >= self.discriminator.channels.len() {
            return fail("discriminator.entrances must be smaller than the number of stages".into());
        }
        let stages = self.discriminator.channels.len();
        if self.growth.stages > stages || self.growth.stages == stages && self.growth.fade_kimg > 0.0 {
            return fail(format!(
                "growth.stages must be at most {stages}, the number of stages, and smaller while the largest one fades in"
            ));
        }
        let group = self.discriminator.group;
        if group == 0 || self.batch == 0 || !self.batch.is_multiple_of(group) {
            return fail(format!("batch ({}) must be a multiple of discriminator.group ({group})", self.batch));
        }
        let share = self.penalty_batch();
        if share == 0 || share > self.batch || !share.is_multiple_of(group) {
            return fail(format!(
                "batch x loss.penalty_fraction ({} x {}) must give a multiple of discriminator.group ({group}), at most the batch",
                self.batch, self.loss.penalty_fraction
            ));
        }
        self.numbers()?;
        self.critics()
    }

    /// What is wrong with the numbers that stand by themselves, if anything.
    fn numbers(&self) -> Result<(), Error> {
        let fail = |what: String| Err(Error::Config { what });
        let positive = [
            ("kimg", self.kimg),
            ("kimg_per_tick", self.kimg_per_tick),
            ("kimg_per_snapshot", self.kimg_per_snapshot),
            ("optimizer.lr_g", self.optimizer.lr_g),
            ("optimizer.lr_d", self.optimizer.lr_d),
            ("optimizer.eps", self.optimizer.eps),
            ("ema.half_life_kimg", self.ema.half_life_kimg),
            ("ema.ramp", self.ema.ramp),
            ("augment.rise_kimg", self.augment.rise_kimg),
        ];
        if let Some((name, v)) = positive.iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
            return fail(format!("{name} must be above 0, not {v}"));
        }
        let fractions = [
            ("augment.p", self.augment.p),
            ("augment.p_final", self.augment.p_final),
            ("augment.translate", self.augment.translate),
            ("augment.cutout", self.augment.cutout),
            ("augment.blur", self.augment.blur),
            ("augment.target", self.augment.target.unwrap_or(0.0)),
            ("optimizer.cooldown_start", self.optimizer.cooldown_start),
            ("optimizer.final_fraction", self.optimizer.final_fraction),
            ("growth.inherited", self.growth.inherited),
            ("growth.inherited_final", self.growth.inherited_final),
            ("growth.replay", self.growth.replay),
            ("ema.w_avg_beta", self.ema.w_avg_beta),
        ];
        if let Some((name, v)) = fractions.iter().find(|(_, v)| !(0.0..=1.0).contains(v)) {
            return fail(format!("{name} must lie in 0..1, not {v}"));
        }
        let betas = [
            ("optimizer.beta1", self.optimizer.beta1),
            ("optimizer.beta2", self.optimizer.beta2),
            ("optimizer.beta2_initial", self.optimizer.beta2_initial.unwrap_or(0.0)),
        ];
        // As Adam computes with them: at 1 nothing would ever be heard.
        if let Some((name, v)) = betas.iter().find(|(_, v)| !(0.0..1.0).contains(&(*v as f32))) {
            return fail(format!("{name} must be 0 or more and below 1, not {v}"));
        }
        if self.optimizer.eps as f32 <= 0.0 {
            return fail(format!("optimizer.eps must be above 0 in 32 bits too, not {}", self.optimizer.eps));
        }
        let weights = [
            ("loss.gamma", self.loss.gamma),
            ("loss.gamma_final", self.loss.gamma_final),
            ("loss.drift", self.loss.drift),
            ("augment.colour", self.augment.colour),
            ("augment.ramp_kimg", self.augment.ramp_kimg),
            ("augment.blur_kimg", self.augment.blur_kimg),
            ("optimizer.warmup_kimg", self.optimizer.warmup_kimg),
            ("optimizer.beta2_kimg", self.optimizer.beta2_kimg),
            ("growth.hold_kimg", self.growth.hold_kimg),
            ("growth.scatter", self.growth.scatter),
            ("metric.kimg", self.metric.kimg),
        ];
        if let Some((name, v)) = weights.iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
            return fail(format!("{name} must be 0 or more, not {v}"));
        }
        let widths = &self.ema.widths;
        if widths.len() > EmaConfig::MOST || (1..widths.len()).any(|i| widths[..i].contains(&widths[i])) {
            return fail(format!("ema.widths must be at most {} numbers, each of them once", EmaConfig::MOST));
        }
        if let Some(width) = self.ema.widths.iter().find(|w| !(0.01..=EmaConfig::WIDEST).contains(*w)) {
            return fail(format!("ema.widths must lie in 0.01..{}, not {width}", EmaConfig::WIDEST));
        }
        if self.metric.samples < 10 {
            return fail(format!("metric.samples must be at least 10, not {}", self.metric.samples));
        }
        Ok(())
    }

    /// What is wrong with the critics beside the discriminator, if anything.
    fn critics(&self) -> Result<(), Error> {
        let fail = |what: String| Err(Error::Config { what });
        if let Some(what) = self.inked.as_ref().and_then(|c| c.fault(self.batch)) {
            return fail(what);
        }
        if let Some(c) = &self.critic {
            if c.channels.is_empty() || c.channels.contains(&0) {
                return fail("critic.channels must be numbers above 0, one a tap".into());
            }
            if !(c.fraction > 0.0 && c.fraction <= 1.0) || self.critic_batch() == 0 {
                return fail(format!(
                    "critic.fraction must leave at least one picture of the batch and be at most 1, not {}",
                    c.fraction
                ));
            }
            let numbers = [
                ("critic.weight", c.weight),
                ("critic.weight_final", c.weight_final),
                ("critic.warmup_kimg", c.warmup_kimg),
                ("critic.lr", c.lr),
            ];
            if let Some((name, v)) = numbers.iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
                return fail(format!("{name} must be 0 or more, not {v}"));
            }
            if !(0.0..=1.0).contains(&c.fade_start) {
                return fail(format!("critic.fade_start must lie in 0..1, not {}", c.fade_start));
            }
        }
        Ok(())
    }

    /// Pictures of a batch that the feature critic sees; 0 without one.
    pub fn critic_batch(&self) -> usize {
        self.critic_of(self.batch)
    }

    /// The same of another number of pictures.
    pub(crate) fn critic_of(&self, pictures: usize) -> usize {
        self.critic.as_ref().map_or(0, |c| (pictures as f64 * c.fraction).round() as usize)
    }

    /// Pictures of a batch that the gradient penalty looks at.
    pub fn penalty_batch(&self) -> usize {
        (self.batch as f64 * self.loss.penalty_fraction).round() as usize
    }

    /// Pictures of a rank's part of a batch: of one of `size`.
    ///
    /// # Errors
    /// [`Error::Config`] if the batch cannot be shared out among so many.
    pub fn part(&self, size: usize) -> Result<usize, Error> {
        let group = self.discriminator.group;
        if !self.batch.is_multiple_of(size * group) {
            return Err(Error::Config {
                what: format!(
                    "batch ({}) must be a multiple of the {size} processes x discriminator.group ({group}), {}, of which each process \
                     takes its part; --batch changes it",
                    self.batch,
                    size * group
                ),
            });
        }
        let part = self.batch / size;
        let fault = |what: String| Error::Config {
            what: format!("of each process's part of the batch, {part} pictures: {what}"),
        };
        if let Some(what) = self.inked.as_ref().and_then(|c| c.fault(part)) {
            return Err(fault(what));
        }
        if self.critic.is_some() && self.critic_of(part) == 0 {
            return Err(fault("critic.fraction leaves none".into()));
        }
        Ok(part)
    }

    /// Pictures of a rank's part of a batch that the gradient penalty looks at: a part that is no whole number of groups is rounded up.
    pub(crate) fn penalty_of(&self, part: usize) -> usize {
        if part == self.batch {
            return self.penalty_batch();
        }
        let share = (part as f64 * self.loss.penalty_fraction).ceil() as usize;
        share.next_multiple_of(self.discriminator.group).min(part)
    }
}
