//! A model made ready to draw: weights packed for the kernels, everything folded that does not depend on the seed.

use std::ops::Range;
use std::sync::Arc;

use kernels::{Activation, Conv3x3, Crew, Edge, Isa, Linear, Shape};

use crate::architecture::{Architecture, Upsample};
use crate::directions::Directions;
use crate::ink::InkLayers;
use crate::model::{ModelError, ModelFile};
use crate::pack::{Styles, Weights, conv, rgb};
use crate::selection::Selector;
use crate::truncation::Truncation;
use crate::{ClassError, NoiseMode, Seed, Variation, Worker};

/// The gain of the leaky `ReLU`, `lrelu(v) = GAIN * max(v, SLOPE * v)`.
pub(crate) const GAIN: f32 = std::f32::consts::SQRT_2;
/// Its slope below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// A model made ready to draw. Share it behind an [`Arc`]; give every thread a [`Worker`] of its own.
#[derive(Debug)]
pub struct Generator {
    pub(crate) isa: Isa,
    architecture: Architecture,
    fingerprint: String,
    variation: Variation,
    /// What each class puts behind `z`, [`classes`, `features`]; empty if there are none.
    pub(crate) embeddings: Vec<f32>,
    pub(crate) mapping: Vec<Linear>,
    pub(crate) truncation: Truncation,
    directions: Directions,
    pub(crate) selector: Option<Selector>,
    /// The affine layers of all convolutions and `toRGB`s in one: from `w` to the styles, each padded to whole blocks.
    pub(crate) styles: Linear,
    pub(crate) constant: Activation,
    pub(crate) blocks: Vec<Block>,
    /// What redraws the composed picture, if anything does.
    pub(crate) ink: Option<InkLayers>,
}

/// The layers of one resolution.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) convs: Vec<Conv>,
    pub(crate) rgb: RgbLayer,
    /// Bytes of one picture's activation.
    activation: usize,
}

impl Block {
    /// Whether its weights take much more memory than what a picture reads and writes in it.
    pub(crate) fn weighs_more_than_pictures(&self) -> bool {
        self.convs.iter().map(|conv| conv.kernel.bytes()).sum::<usize>() > 4 * self.activation
    }
}

/// A 3x3 convolution and what surrounds it.
#[derive(Debug)]
pub(crate) struct Conv {
    /// `synthesis.b8.conv0` and so on.
    pub(crate) name: String,
    pub(crate) kernel: Conv3x3,
    /// None if the size stays.
    pub(crate) doubles: Option<Upsample>,
    /// Where its style lies among all styles.
    pub(crate) style: Range<usize>,
    /// `sum_k W_oik^2`: times the squared style it gives the energy of each output channel.
    pub(crate) energy: Linear,
    /// Padded, times [`GAIN`].
    pub(crate) bias: Vec<f32>,
    pub(crate) noise: Option<Noise>,
}

/// Noise of a layer.
#[derive(Debug)]
pub(crate) struct Noise {
    /// Times [`GAIN`].
    pub(crate) strength: f32,
    /// The stream of random numbers that it is drawn from.
    pub(crate) stream: u32,
    /// Numbers of noise of the layers before.
    pub(crate) before: usize,
    /// Stored noise, which takes the place of the seed's.
    pub(crate) stored: Option<Vec<f32>>,
    /// Pixels.
    pub(crate) area: usize,
}

impl Noise {
    /// The noise that a seed's picture wears, before its strength: stored noise, or random as the variation says; zeros for none.
    pub(crate) fn fill(&self, generator: &Generator, seed: Option<Seed>, out: &mut [f32]) {
        let variation = generator.variation();
        match (seed, &self.stored) {
            (None, _) => out.fill(0.0),
            (_, Some(stored)) if variation.noise == NoiseMode::Const => out.copy_from_slice(stored),
            (Some(seed), _) => variation.noise(seed, self.stream, self.before, generator.architecture().z_dim, out),
        }
    }
}

/// The 1x1 convolution to colours.
#[derive(Debug)]
pub(crate) struct RgbLayer {
    /// `synthesis.b8.torgb` and so on.
    pub(crate) name: String,
    /// [3, padded channels]
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: [f32; 3],
    pub(crate) style: Range<usize>,
}

impl Generator {
    /// Prepares a model for the fastest instruction set, or the one that `TADNE_SIMD` names.
    ///
    /// # Errors
    /// The model is not valid (see [`ModelFile::check`]), or `TADNE_SIMD` names a set this machine lacks.
    pub fn new(model: &ModelFile) -> Result<Self, ModelError> {
        Self::with_isa(model, Isa::from_environment()?)
    }

    /// As [`Generator::new`], with every weight's memory given back as soon as it is packed: a large model needs half as
    /// much.
    ///
    /// # Errors
    /// The model is not valid (see [`ModelFile::check`]), or `TADNE_SIMD` names a set this machine lacks.
    pub fn consume(model: ModelFile) -> Result<Self, ModelError> {
        Self::prepare(Weights::Owned(Box::new(model)), Isa::from_environment()?)
    }

    /// Prepares a model for a given instruction set.
    ///
    /// # Errors
    /// The model is not valid; see [`ModelFile::check`].
    pub fn with_isa(model: &ModelFile, isa: Isa) -> Result<Self, ModelError> {
        Self::prepare(Weights::Borrowed(model), isa)
    }

    fn prepare(mut weights: Weights<'_>, isa: Isa) -> Result<Self, ModelError> {
        let model = weights.model();
        model.check()?;
        let (architecture, fingerprint) = (model.architecture.clone(), model.fingerprint());
        let (embeddings, truncation) = (crate::reference::embeddings(model), Truncation::new(model));
        let (directions, selector) = (Directions::new(model), Selector::new(model));
        let mapping = (0..architecture.mapping_layers).map(|layer| {
            let bias = weights.take(&format!("mapping.fc{layer}.bias")).into_owned();
            Linear::new(&weights.take(&format!("mapping.fc{layer}.weight")), &bias)
        });
        let mapping = mapping.collect();
        let [height, width] = architecture.base;
        let mut constant = Activation::new(Shape { pictures: 1, channels: architecture.channels[0], height, width });
        constant.fill(&weights.take("synthesis.b4.const"));
        let mut styles = Styles::default();
        let mut plans = architecture.convs().into_iter();
        let mut blocks = Vec::with_capacity(architecture.channels.len());
        for (block, &channels) in architecture.channels.iter().enumerate() {
            let plans = plans.by_ref().take(if block == 0 { 1 } else { 2 });
            let convs = plans.map(|plan| conv(&mut weights, &architecture, &plan, &mut styles)).collect();
            let rgb = rgb(&mut weights, block, channels, &mut styles);
            let (h, w) = architecture.block_size(block);
            blocks.push(Block { convs, rgb, activation: size_of::<f32>() * channels * h * w });
        }
        let styles = styles.packed();
        let ink = InkLayers::packed(&mut weights, &architecture);
        let variation = Variation::default();
        Ok(Generator {
            isa,
            architecture,
            fingerprint,
            variation,
            embeddings,
            mapping,
            truncation,
            directions,
            selector,
            styles,
            constant,
            blocks,
            ink,
        })
    }

    /// Makes it draw another way: other seeds, noise or class.
    ///
    /// # Errors
    /// The model has no such class.
    pub fn with_variation(mut self, variation: Variation) -> Result<Self, ClassError> {
        variation.check(&self.architecture)?;
        self.variation = variation;
        Ok(self)
    }

    /// The way it draws.
    pub fn variation(&self) -> &Variation {
        &self.variation
    }

    /// The architecture of the model.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Sixteen hexadecimal digits that change whenever the model or the way it draws does; see
    /// [`ModelFile::fingerprint`].
    pub fn fingerprint(&self) -> String {
        if self.variation == Variation::default() {
            return self.fingerprint.clone();
        }
        let text = format!("{} {}", self.fingerprint, self.variation.identity());
        let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
    }

    /// Height and width of the pictures, in pixels.
    pub fn resolution(&self) -> (usize, usize) {
        self.architecture.resolution()
    }

    /// Height and width of the pictures before an ink network redraws them, in pixels; [`Generator::resolution`] where there is none.
    pub fn composed(&self) -> (usize, usize) {
        self.architecture.composed()
    }

    /// The instruction set in use, by the name that [`Isa::name`] gives it.
    pub fn simd(&self) -> &'static str {
        self.isa.name()
    }

    /// `w` of a seed, before truncation: `w_dim` values.
    pub fn w(&self, seed: Seed) -> Vec<f32> {
        let mut mapper = crate::mapper::Mapper::new(self);
        mapper.map(self, &Crew::alone(self.isa), seed).to_vec()
    }

    /// The mean of `w`, towards which truncation pulls: `w_dim` values.
    pub fn w_avg(&self) -> &[f32] {
        &self.truncation.w_avg
    }

    /// Names of the directions in which the model's pictures can be edited, as [`Edit`](crate::Edit) counts them.
    pub fn directions(&self) -> &[String] {
        &self.directions.names
    }

    /// One of them: `w_dim` values, one standard deviation of what its name says.
    pub(crate) fn direction(&self, index: usize) -> Option<&[f32]> {
        self.directions.values.chunks_exact(self.architecture.w_dim).nth(index)
    }

    /// How many convolutions draw a picture: the places at which one style may take over from another.
    pub fn layers(&self) -> usize {
        self.blocks.iter().map(|block| block.convs.len()).sum()
    }

    /// Whether any noise is added between the layers.
    pub fn has_noise(&self) -> bool {
        self.blocks.iter().flat_map(|block| &block.convs).any(|conv| conv.noise.is_some())
    }

    /// Where the styles of a convolution and of all that follow it begin; the end of all for a layer that is not there.
    pub(crate) fn style_start(&self, layer: usize) -> usize {
        let mut convs = self.blocks.iter().flat_map(|block| &block.convs);
        convs.nth(layer).map_or(self.styles.padded_output(), |conv| conv.style.start)
    }

    /// Memory to draw with on one thread: the way to draw many pictures, one worker a core. It grows while the first
    /// picture is drawn; nothing is allocated afterwards.
    pub fn worker(self: &Arc<Self>) -> Worker {
        Worker::new(Arc::clone(self), Crew::alone(self.isa))
    }

    /// As [`Generator::worker`], but with `threads` threads (one of them the caller's) at every picture: the way to have
    /// one picture soon. Where the system has no threads to give, it draws with those there are.
    pub fn worker_with_threads(self: &Arc<Self>, threads: usize) -> Worker {
        Worker::new(Arc::clone(self), Crew::new(self.isa, threads))
    }

    /// Bytes of weights in the order the kernels read them.
    pub fn packed_bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|block| &block.convs).map(|conv| conv.kernel.bytes());
        blocks.sum::<usize>() + self.ink.as_ref().map_or(0, InkLayers::bytes)
    }

    /// What lies outside the coarser picture when it is doubled.
    pub(crate) fn edge(&self) -> Edge {
        match self.architecture.upsample {
            Upsample::StyleGan2 => Edge::Zero,
            Upsample::UpConv | Upsample::ConvUp => Edge::Replicate,
        }
    }

    /// The bound after activations, infinite if there is none.
    pub(crate) fn clamp(&self) -> f32 {
        self.architecture.conv_clamp.unwrap_or(f32::INFINITY)
    }
}
