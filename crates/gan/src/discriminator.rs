//! D: residual stages that halve the size, deviation within groups, a small head (StyleGAN2, arXiv 1912.04958, figure 7).

use std::rc::Rc;

use kernels::train::{Conv, Element};

use crate::config::{DiscriminatorConfig, Downsample};
use crate::generator::ACTIVATION_GAIN;
use crate::params::{Layout, Order, block};
use crate::tape::{Context, Grid, Id, Layer, Like, Of, Sum, Tape};

/// Shape of the discriminator.
#[derive(Clone, Debug)]
pub(crate) struct Discriminator {
    config: DiscriminatorConfig,
    base: [usize; 2],
}

/// What D said, on its tape.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// The pictures, the first of its layers.
    pub(crate) pictures: Id,
    /// Its layers in order, each the derivative's model in a tangent.
    layers: Vec<Id>,
    /// Rows of one number.
    pub(crate) logits: Id,
    /// The pictures' classes.
    classes: Vec<u32>,
}

/// What D is to judge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// Planar pictures in -1..1, a multiple of the group.
    pub(crate) pictures: &'a [f32],
    /// The class that each is said to be of, counted from 0; empty where D knows none.
    pub(crate) classes: &'a [u32],
    /// The share of the largest stage in place of the entrance below it; without one, stages and entrances are summed.
    pub(crate) fade: Option<f32>,
}

impl<'a> Shown<'a> {
    /// Pictures without classes, nothing faded.
    pub(crate) fn plain(pictures: &'a [f32]) -> Self {
        Self { pictures, classes: &[], fade: None }
    }
}

impl Discriminator {
    /// `base` is the grid of the last stage: the generator's constant.
    pub(crate) fn new(config: &DiscriminatorConfig, base: [usize; 2]) -> Self {
        Self { config: config.clone(), base }
    }

    /// What it is made of.
    #[cfg(feature = "torch")]
    pub(crate) fn config(&self) -> &DiscriminatorConfig {
        &self.config
    }

    /// Height and width of the pictures that it judges.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.base.map(|side| side << (self.config.channels.len() - 1))
    }

    /// Names and shapes, from the picture inwards.
    pub(crate) fn layout(&self) -> Layout {
        let c = &self.config.channels;
        let mut l = Layout::default();
        for i in (1..c.len()).rev() {
            let b = block(i);
            if self.has_entrance(i) {
                l.conv(&format!("{b}.from_rgb"), c[i], 3, 3);
            }
            l.conv(&format!("{b}.conv0"), c[i], c[i], 3);
            l.conv(&format!("{b}.conv1"), c[i - 1], c[i], 3);
            let gain = 1.0 / (c[i] as f64).sqrt();
            l.push(&format!("{b}.skip.weight"), &[c[i - 1], c[i], 1, 1], Order::Window, [1.0, 0.0, gain]);
        }
        if self.has_entrance(0) {
            l.conv("b4.from_rgb", c[0], 3, 3);
        }
        l.conv("b4.conv", c[0], c[0] + self.config.features, 3);
        l.flattened("b4.fc", c[0], self.base[0] * self.base[1], c[0]);
        l.linear("b4.out", 1, c[0], 1.0, 0.0);
        if self.config.classes > 0 {
            l.push("b4.embed.weight", &[c[0], self.config.classes], Order::Plain, [1.0, 0.0, 1.0]);
            l.push("b4.embed.bias", &[c[0]], Order::Plain, [0.0, 0.0, 1.0]);
        }
        l
    }

    /// Whether stage `i` sees the picture itself: the largest does, and as many below it as there are entrances.
    pub(crate) fn has_entrance(&self, i: usize) -> bool {
        i + 1 + self.config.entrances >= self.config.channels.len()
    }

    /// Judges pictures.
    pub(crate) fn logits<E: Element>(&self, tape: &mut Tape<E>, context: Context<'_>, shown: Shown<'_>) -> Judged {
        self.pass(tape, context, shown, None)
    }

    /// The derivative of an earlier pass along `directions`, planar like its pictures; `of` says which picture each belongs to, whole groups of
    /// them.
    pub(crate) fn jvp<E: Element>(
        &self,
        tape: &mut Tape<E>,
        context: Context<'_>,
        directions: &[f32],
        fade: Option<f32>,
        (judged, of): (&Judged, Vec<usize>),
    ) -> Judged {
        let classes: Vec<u32> = if judged.classes.is_empty() {
            Vec::new()
        } else {
            of.iter().map(|picture| judged.classes[*picture]).collect()
        };
        let shown = Shown { pictures: directions, classes: &classes, fade };
        self.pass(tape, context, shown, Some((judged, Rc::new(of))))
    }

    fn pass<E: Element>(
        &self,
        tape: &mut Tape<E>,
        context: Context<'_>,
        Shown { pictures, classes, fade }: Shown<'_>,
        like: Option<(&Judged, Rc<Vec<usize>>)>,
    ) -> Judged {
        let last = self.config.channels.len() - 1;
        // Gradients at the pictures are only asked for where they are not a tangent's.
        let leaf = tape.pictures(pictures, self.size(), like.is_none());
        let mut pass = Pass { tape, context, like, layers: Vec::new() };
        let mut picture = leaf;
        let mut x = pass.entrance(last, picture);
        for i in (1..=last).rev() {
            x = self.stage(&mut pass, i, x);
            if self.has_entrance(i - 1) {
                picture = pass.tape.halve_pictures(picture);
                let below = pass.entrance(i - 1, picture);
                x = pass.tape.blend([below, x], self.shares(i, fade));
            }
        }
        let logits = self.head(&mut pass, x, classes);
        Judged { pictures: leaf, layers: pass.layers, logits, classes: classes.to_vec() }
    }

    /// The shares of the entrance below stage `i` and of the stage itself.
    pub(crate) fn shares(&self, i: usize, fade: Option<f32>) -> [f32; 2] {
        match fade {
            None => [1.0, 1.0],
            Some(fade) if i + 1 == self.config.channels.len() => [1.0 - fade, fade],
            Some(_) => [0.0, 1.0],
        }
    }

    /// A residual stage: what it says and what went in, both at half the size.
    fn stage<E: Element>(&self, pass: &mut Pass<'_, '_, E>, i: usize, x: Id) -> Id {
        let b = block(i);
        let downsample = self.config.downsample;
        let conv0 = Conv { gain: Some(ACTIVATION_GAIN), pooled: downsample == Downsample::PoolConv };
        let mut y = pass.conv(x, &format!("{b}.conv0"), conv0, 1.0, Sum::None);
        if downsample == Downsample::StyleGan2 {
            y = pass.tape.resample(pass.context.cpu, y, Grid::Smooth);
        }
        // The branch's activation gain and the sum's 1/sqrt 2 cancel.
        let conv1 = Conv { gain: Some(1.0), pooled: downsample == Downsample::ConvPool };
        y = pass.conv(y, &format!("{b}.conv1"), conv1, 1.0, Sum::None);
        let small = if downsample == Downsample::StyleGan2 {
            y = pass.tape.resample(pass.context.cpu, y, Grid::Pick);
            pass.tape.resample(pass.context.cpu, x, Grid::Reduce).into()
        } else {
            Of { x, halved: true }
        };
        let skip = Conv { gain: None, pooled: false };
        pass.conv(small, &format!("{b}.skip"), skip, std::f32::consts::FRAC_1_SQRT_2, Sum::Onto(y))
    }

    /// From the last stage to logits. With classes, the inner product of the last features with an embedding of the picture's class, over the root of
    /// their number, is added (projection, arXiv 1802.05637, equation 3).
    fn head<E: Element>(&self, pass: &mut Pass<'_, '_, E>, x: Id, classes: &[u32]) -> Id {
        let (group, features, channels) = (self.config.group, self.config.features, self.config.channels[0]);
        let like = pass.like();
        let x = pass.tape.deviation(x, [group, features, channels], like);
        pass.layers.push(x);
        let x = pass.conv(x, "b4.conv", Conv { gain: Some(ACTIVATION_GAIN), pooled: false }, 1.0, Sum::None);
        let x = pass.tape.flatten(x, channels);
        let x = pass.linear(x, "b4.fc", Some(ACTIVATION_GAIN));
        let logits = pass.linear(x, "b4.out", None);
        if self.config.classes == 0 {
            return logits;
        }
        // In a tangent too: it does not depend on the picture.
        let which = pass.tape.one_hot(classes, self.config.classes);
        let embedding = pass.tape.linear(pass.context, which, "b4.embed", None, None);
        pass.tape.product([x, embedding], logits, self.projection())
    }

    /// What the inner product with a class's embedding is multiplied with.
    pub(crate) fn projection(&self) -> f32 {
        1.0 / (self.config.channels[0] as f32).sqrt()
    }
}

/// A forward pass or a tangent on its way: every layer that is not linear is remembered, so that a tangent finds its own.
struct Pass<'a, 'b, E> {
    tape: &'a mut Tape<E>,
    context: Context<'a>,
    like: Option<(&'b Judged, Rc<Vec<usize>>)>,
    layers: Vec<Id>,
}

impl<E: Element> Pass<'_, '_, E> {
    /// For a tangent, the layer whose derivative the next one is.
    fn like(&self) -> Option<Like> {
        self.like.as_ref().map(|(judged, of)| (judged.layers[self.layers.len()], Rc::clone(of)))
    }

    fn entrance(&mut self, i: usize, picture: Id) -> Id {
        let like = self.like();
        let x = self.tape.entrance(self.context, picture, &format!("{}.from_rgb", block(i)), ACTIVATION_GAIN, like);
        self.layers.push(x);
        x
    }

    fn conv(&mut self, of: impl Into<Of>, name: &str, conv: Conv, factor: f32, sum: Sum) -> Id {
        let like = self.like();
        let x = self.tape.conv(self.context, of, Layer { name, conv, factor }, sum, like);
        self.layers.push(x);
        x
    }

    fn linear(&mut self, x: Id, name: &str, gain: Option<f32>) -> Id {
        let like = self.like();
        let x = self.tape.linear(self.context, x, name, gain, like);
        self.layers.push(x);
        x
    }
}
