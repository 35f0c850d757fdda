//! G: mapping network and synthesis network (StyleGAN2, arXiv 1912.04958, section 2.2) as `synth::Architecture` describes them.
//!
//! The forward pass here and the one in the `synth` crate are the same function; a golden test holds them together.

use kernels::Edge;
use kernels::train::Element;
use synth::{Architecture, LabelNorm, Seed, Upsample};

use crate::Error;
use crate::params::{Layout, Order, block};
use crate::tape::{After, Context, Grid, Id, Mixing, Noise, Tape};

/// Gain that keeps the variance through a leaky ReLU, as StyleGAN2 counts it.
pub(crate) const ACTIVATION_GAIN: f32 = std::f32::consts::SQRT_2;

/// Learning-rate multiplier of the mapping network.
const MAPPING_LR: f64 = 0.01;

/// Shape of the generator.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    architecture: Architecture,
}

/// What pictures are drawn of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latents<'a> {
    /// Rows of `z_dim` numbers.
    pub(crate) z: &'a [f32],
    /// For each row the class of its picture, counted from 0; empty where the architecture has none.
    pub(crate) classes: &'a [u32],
    /// For each row the seed of its noise; the k-th convolution has stream 1 + k, as in the `synth` crate.
    pub(crate) seeds: &'a [Seed],
}

/// The noise that pictures wear.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wear<'a> {
    /// A seed's for each picture, where the architecture has noise.
    Seeds(&'a [Seed]),
    /// For each convolution the same in all pictures, or none.
    Given(&'a [Option<Vec<f32>>]),
}

/// What is done to each w on its way, such as truncation.
pub(crate) type Change<'a> = &'a dyn Fn(&mut [f32]);

/// A convolution among the others.
struct Place {
    /// Its name.
    layer: String,
    /// How many come before it.
    index: usize,
    /// Rows of its result.
    height: usize,
    /// Whether they are twice as many as its input has.
    doubles: bool,
}

/// What G drew, on its tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    /// The first of its layers.
    pub(crate) first: Id,
    /// w: rows of `w_dim`.
    pub(crate) w: Id,
    /// Planar pictures, nominally in -1..1.
    pub(crate) pictures: Id,
}

impl Generator {
    pub(crate) fn new(architecture: &Architecture) -> Self {
        Self { architecture: architecture.clone() }
    }

    /// What it draws with.
    #[cfg(feature = "torch")]
    pub(crate) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Whether this trainer has all parts of it.
    ///
    /// # Errors
    /// [`Error::Config`] names the part that it lacks.
    pub(crate) fn check(architecture: &Architecture) -> Result<(), Error> {
        if architecture.labels.is_some_and(|labels| labels.normalize != LabelNorm::Apart) {
            return Err(Error::Config {
                what: "architecture.labels.normalize must be apart: joined is not trained here".into(),
            });
        }
        Ok(())
    }

    /// Name of block `i` in the model file.
    pub(crate) fn block(i: usize) -> String {
        format!("synthesis.{}", block(i))
    }

    /// Names and shapes in the model file's scheme; see the `synth` crate.
    pub(crate) fn layout(&self) -> Layout {
        let a = &self.architecture;
        let mut l = Layout::default();
        let features = a.labels.map_or(0, |labels| labels.features);
        if let Some(labels) = a.labels {
            l.linear("mapping.embed", features, labels.classes, 1.0, 0.0);
        }
        for k in 0..a.mapping_layers {
            let inputs = if k == 0 { a.z_dim + features } else { a.w_dim };
            l.linear(&format!("mapping.fc{k}"), a.w_dim, inputs, MAPPING_LR, 0.0);
        }
        self.synthesis(&mut l);
        l
    }

    /// Adds the tensors of the synthesis network.
    pub(crate) fn synthesis(&self, l: &mut Layout) {
        let a = &self.architecture;
        let shape = [a.channels[0], a.base[0], a.base[1]];
        l.push("synthesis.b4.const", &shape, Order::Constant, [1.0, 0.0, 1.0]);
        for (i, &out) in a.channels.iter().enumerate() {
            let b = Self::block(i);
            if i > 0 {
                let name = format!("{b}.conv0");
                match a.upsample {
                    Upsample::StyleGan2 => l.turned(&name, out, a.channels[i - 1]),
                    Upsample::ConvUp | Upsample::UpConv => l.conv(&name, out, a.channels[i - 1], 3),
                }
                self.modulation(l, &name, a.channels[i - 1], i);
            }
            let name = format!("{b}.conv1");
            l.conv(&name, out, out, 3);
            self.modulation(l, &name, out, i);
            l.conv(&format!("{b}.torgb"), 3, out, 1);
            l.linear(&format!("{b}.torgb.affine"), out, a.w_dim, 1.0, 1.0);
        }
    }

    /// What a convolution of block `i` has besides its weights.
    fn modulation(&self, l: &mut Layout, name: &str, input: usize, i: usize) {
        let a = &self.architecture;
        l.linear(&format!("{name}.affine"), input, a.w_dim, 1.0, 1.0);
        if a.noise.at(a.base[0] << i) {
            l.push(&format!("{name}.noise_strength"), &[1], Order::Plain, [0.0, 0.0, 1.0]);
        }
    }

    /// Draws pictures of latents; `w` goes through `change` on the way. Of the largest stage's colours only the share `fade` is taken, if there is one.
    pub(crate) fn draw<E: Element>(
        &self,
        tape: &mut Tape<E>,
        context: Context<'_>,
        latents: &Latents<'_>,
        change: Option<Change<'_>>,
        fade: Option<f32>,
    ) -> Drawn {
        let first = tape.rows(latents.z, self.architecture.z_dim, false);
        let w = self.map(tape, context, first, latents.classes);
        let w = match change {
            None => w,
            Some(change) => {
                let mut values = tape.numbers(w);
                values.chunks_exact_mut(self.architecture.w_dim).for_each(change);
                tape.rows(&values, self.architecture.w_dim, false)
            }
        };
        Drawn { first, w, pictures: self.synthesize(tape, context, &[w], Wear::Seeds(latents.seeds), fade) }
    }

    /// z to w; a class puts its embedding, normalised by itself, behind z (StyleGAN2-ADA, arXiv 2006.06676).
    fn map<E: Element>(&self, tape: &mut Tape<E>, context: Context<'_>, z: Id, classes: &[u32]) -> Id {
        let mut x = if self.architecture.normalize_z { tape.normalize(z) } else { z };
        if let Some(labels) = self.architecture.labels {
            let which = tape.one_hot(classes, labels.classes);
            let embedding = tape.linear(context, which, "mapping.embed", None, None);
            let embedding = tape.normalize(embedding);
            x = tape.join([x, embedding]);
        }
        for k in 0..self.architecture.mapping_layers {
            x = tape.linear(context, x, &format!("mapping.fc{k}"), Some(ACTIVATION_GAIN), None);
        }
        x
    }

    /// w to pictures: one for all layers, or one for each convolution, which the colours behind it follow too.
    pub(crate) fn synthesize<E: Element>(
        &self,
        tape: &mut Tape<E>,
        context: Context<'_>,
        w: &[Id],
        wear: Wear<'_>,
        fade: Option<f32>,
    ) -> Id {
        let a = &self.architecture;
        let edge = if a.upsample == Upsample::StyleGan2 { Edge::Zero } else { Edge::Replicate };
        let mut x = tape.constant(context.net, "synthesis.b4.const", tape.count(w[0]));
        let of = |index: usize| w[index.min(w.len() - 1)];
        let mut below = None;
        let mut index = 0;
        for i in 0..a.channels.len() {
            let b = Self::block(i);
            for conv in ["conv0", "conv1"].into_iter().skip(usize::from(i == 0)) {
                let layer = format!("{b}.{conv}");
                let style = tape.linear(context, of(index), &format!("{layer}.affine"), None, None);
                let scale = tape.demodulate(context, style, &layer);
                let place = Place { layer, index, height: a.base[0] << i, doubles: conv == "conv0" };
                x = self.convolve(tape, context, x, [style, scale], &place, wear);
                index += 1;
            }
            let layer = format!("{b}.torgb");
            let style = tape.linear(context, of(index - 1), &format!("{layer}.affine"), None, None);
            let strength = if i + 1 == a.channels.len() && i > 0 { fade.unwrap_or(1.0) } else { 1.0 };
            let mixing = Mixing { below, edge, strength, limit: a.conv_clamp };
            below = Some(tape.colours(context, x, style, &layer, mixing));
        }
        below.expect("an architecture has at least one block")
    }

    /// A styled convolution with all that comes after it: in one layer where it is the plain case, in several where it is not.
    fn convolve<E: Element>(
        &self,
        tape: &mut Tape<E>,
        context: Context<'_>,
        mut x: Id,
        [style, scale]: [Id; 2],
        place: &Place,
        wear: Wear<'_>,
    ) -> Id {
        let Place { layer, index, height, doubles } = place;
        let a = &self.architecture;
        let up = doubles.then_some(a.upsample);
        match up {
            // The style is a factor a channel: it does not matter what comes first.
            Some(Upsample::UpConv) => x = tape.resample(context.cpu, x, Grid::Double),
            Some(Upsample::StyleGan2) => x = tape.resample(context.cpu, x, Grid::Spread),
            Some(Upsample::ConvUp) | None => {}
        }
        let noise = match wear {
            Wear::Seeds(seeds) => a.noise.at(*height).then_some(Noise::Drawn { seeds, stream: 1 + *index as u32 }),
            Wear::Given(noise) => noise[*index].as_deref().map(Noise::Given),
        };
        if noise.is_none() && a.conv_clamp.is_none() && up != Some(Upsample::StyleGan2) {
            let after = if up == Some(Upsample::ConvUp) { After::Doubling } else { After::Activation };
            return tape.styled(context, x, [style, scale], layer, after);
        }
        x = tape.styled(context, x, [style, scale], layer, After::Nothing);
        match up {
            Some(Upsample::ConvUp) => x = tape.resample(context.cpu, x, Grid::Double),
            Some(Upsample::StyleGan2) => x = tape.resample(context.cpu, x, Grid::Crop),
            Some(Upsample::UpConv) | None => {}
        }
        tape.activate(context, x, layer, noise, a.conv_clamp)
    }
}
