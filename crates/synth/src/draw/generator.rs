//! A model made ready to draw: weights packed for the kernels, everything folded that does not depend on the seed.

use kernels::{Activation, Edge, Isa, Linear, Shape};

use super::ink::InkLayers;
use super::layers::{Affine, Block, Noise, Weights, conv, rgb};
use crate::latent::selector::Selector;
use crate::latent::truncation::{Styles, Truncation};
use crate::model::directions::Directions;
use crate::{Architecture, ClassError, Creativity, Ink, ModelError, ModelFile, NoiseMode, Seed, Upsample, Variation};

/// A model made ready to draw. Share it behind an [`Arc`](std::sync::Arc); give every thread a [`Worker`](crate::Worker) of its own.
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
    /// What redraws the picture for a closer look, if anything does.
    pub(crate) lens: Option<InkLayers>,
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
        let (embeddings, truncation) = (model.class_embeddings(), Truncation::new(model));
        let (directions, selector) = (Directions::new(model), Selector::new(model));
        let mapping = (0..architecture.mapping_layers).map(|layer| {
            let bias = weights.take(&format!("mapping.fc{layer}.bias")).into_owned();
            Linear::new(&weights.take(&format!("mapping.fc{layer}.weight")), &bias)
        });
        let mapping = mapping.collect();
        let [height, width] = architecture.base;
        let mut constant = Activation::new(Shape { pictures: 1, channels: architecture.channels[0], height, width });
        constant.fill(&weights.take("synthesis.b4.const"));
        let mut styles = Affine::default();
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
        let mut redrawing =
            |network, ink: Option<Ink>, size| ink.map(|ink| InkLayers::packed(&mut weights, network, ink, size));
        let ink = redrawing(Ink::INK, architecture.ink, architecture.composed());
        let lens = redrawing(Ink::LENS, architecture.lens, architecture.resolution());
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
            lens,
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

    /// Height and width of the pictures through the model's lens, in pixels; [`Generator::resolution`] where it has none.
    pub fn magnified(&self) -> (usize, usize) {
        self.architecture.magnified()
    }

    /// The instruction set in use, by the name that [`Isa::name`] gives it.
    pub fn simd(&self) -> &'static str {
        self.isa.name()
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

    /// Bytes of weights in the order the kernels read them.
    pub fn packed_bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|block| &block.convs).map(|conv| conv.kernel.bytes());
        blocks.sum::<usize>() + [&self.ink, &self.lens].into_iter().flatten().map(InkLayers::bytes).sum::<usize>()
    }

    /// For each convolution the noise [height, width] that a seed's picture wears, before the layer's strength; `None` where there
    /// is none.
    pub fn noise(&self, seed: Seed) -> Vec<Option<Vec<f32>>> {
        let layers = self.blocks.iter().flat_map(|block| &block.convs);
        let of = |noise: &Noise| {
            let mut values = vec![0.0; noise.area];
            self.fill_noise(noise, Some(seed), &mut values);
            values
        };
        let wanted = self.variation.noise != NoiseMode::None;
        layers.map(|conv| conv.noise.as_ref().filter(|_| wanted).map(of)).collect()
    }

    /// A layer's noise, before its strength: stored noise, or random as the variation says; zeros for no seed.
    pub(crate) fn fill_noise(&self, noise: &Noise, seed: Option<Seed>, out: &mut [f32]) {
        match (seed, &noise.stored) {
            (None, _) => out.fill(0.0),
            (_, Some(stored)) if self.variation.noise == NoiseMode::Const => out.copy_from_slice(stored),
            (Some(seed), _) => self.variation.noise(seed, noise.stream, noise.before, self.architecture.z_dim, out),
        }
    }

    /// How many rows of `w_dim` values `w` is: 1, for all layers, or one for each convolution; `None` for any other length.
    pub fn rows(&self, w: &[f32]) -> Option<usize> {
        let rows = w.len() / self.architecture.w_dim;
        let whole = w.len().is_multiple_of(self.architecture.w_dim);
        (whole && (rows == 1 || rows == self.layers())).then_some(rows)
    }

    /// `w` at a creativity.
    pub fn truncate(&self, w: &[f32], creativity: Creativity) -> Styles {
        let mut styles = Styles::default();
        self.truncation.apply(w, creativity, &mut Vec::new(), &mut styles);
        styles
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
