//! D: residual stages that halve the size, deviation within groups, a small head (StyleGAN2, arXiv 1912.04958, figure 7).

use std::rc::Rc;

use kernels::train::{Conv, Cpu, Element};

use crate::config::{DiscriminatorConfig, Downsample};
use crate::generator::ACTIVATION_GAIN;
use crate::params::{Layout, Order, block};
use crate::tape::{Id, Like, Network, Tape};

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
}

impl Discriminator {
    /// `base` is the grid of the last stage: the generator's constant.
    pub(crate) fn new(config: &DiscriminatorConfig, base: [usize; 2]) -> Self {
        Self { config: config.clone(), base }
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
        l
    }

    /// Whether stage `i` sees the picture itself: the largest does, and as many below it as there are entrances.
    fn has_entrance(&self, i: usize) -> bool {
        i + 1 + self.config.entrances >= self.config.channels.len()
    }

    /// Judges planar pictures in -1..1, a multiple of the group; `fade` is the share of the largest stage beside the entrance below it.
    pub(crate) fn judge<E: Element>(
        &self,
        cpu: &Cpu,
        tape: &mut Tape<E>,
        net: &Network,
        pictures: &[f32],
        fade: f32,
    ) -> Judged {
        self.pass(cpu, tape, net, pictures, fade, None)
    }

    /// The derivative of an earlier pass along `directions`, planar like its pictures; `of` says which picture each belongs to, whole groups of
    /// them.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn along<E: Element>(
        &self,
        cpu: &Cpu,
        tape: &mut Tape<E>,
        net: &Network,
        directions: &[f32],
        fade: f32,
        judged: &Judged,
        of: Vec<usize>,
    ) -> Judged {
        self.pass(cpu, tape, net, directions, fade, Some((judged, Rc::new(of))))
    }

    fn pass<E: Element>(
        &self,
        cpu: &Cpu,
        tape: &mut Tape<E>,
        net: &Network,
        pictures: &[f32],
        fade: f32,
        like: Option<(&Judged, Rc<Vec<usize>>)>,
    ) -> Judged {
        let c = &self.config.channels;
        let last = c.len() - 1;
        let size = self.base.map(|side| side << last);
        // Gradients at the pictures are only asked for where they are not a tangent's.
        let leaf = tape.pictures(pictures, size, like.is_none());
        let mut layers = Vec::new();
        let like_next = |layers: &Vec<Id>| -> Option<Like> {
            like.as_ref().map(|(judged, of)| (judged.layers[layers.len()], Rc::clone(of)))
        };
        let mut picture = leaf;
        let mut x =
            tape.entrance(cpu, net, picture, &format!("{}.from_rgb", block(last)), ACTIVATION_GAIN, like_next(&layers));
        layers.push(x);
        for i in (1..=last).rev() {
            let b = block(i);
            let pooled = self.config.downsample == Downsample::PoolConv;
            let conv0 = Conv { gain: Some(ACTIVATION_GAIN), pooled };
            let y = tape.conv(cpu, net, x, &format!("{b}.conv0"), conv0, 1.0, None, like_next(&layers));
            layers.push(y);
            // The branch's activation gain and the sum's 1/sqrt 2 cancel.
            let conv1 = Conv { gain: Some(1.0), pooled: !pooled };
            let y = tape.conv(cpu, net, y, &format!("{b}.conv1"), conv1, 1.0, None, like_next(&layers));
            layers.push(y);
            let small = tape.halve(cpu, x);
            let skip = Conv { gain: None, pooled: false };
            let half = std::f32::consts::FRAC_1_SQRT_2;
            x = tape.conv(cpu, net, small, &format!("{b}.skip"), skip, half, Some(y), like_next(&layers));
            layers.push(x);
            if self.has_entrance(i - 1) {
                picture = tape.halve_pictures(picture);
                let layer = format!("{}.from_rgb", block(i - 1));
                let below = tape.entrance(cpu, net, picture, &layer, ACTIVATION_GAIN, like_next(&layers));
                layers.push(below);
                x = tape.blend(below, x, if i == last { fade } else { 1.0 });
            }
        }
        let (group, features) = (self.config.group, self.config.features);
        let x = tape.deviation(x, [group, features, c[0]], like_next(&layers));
        layers.push(x);
        let head = Conv { gain: Some(ACTIVATION_GAIN), pooled: false };
        let x = tape.conv(cpu, net, x, "b4.conv", head, 1.0, None, like_next(&layers));
        layers.push(x);
        let x = tape.flatten(x, c[0]);
        let x = tape.linear(cpu, net, x, "b4.fc", Some(ACTIVATION_GAIN), like_next(&layers));
        layers.push(x);
        let logits = tape.linear(cpu, net, x, "b4.out", None, like_next(&layers));
        layers.push(logits);
        Judged { pictures: leaf, layers, logits }
    }
}
