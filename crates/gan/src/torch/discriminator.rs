//! D: residual stages that halve the size, minibatch standard deviation, a small head (StyleGAN2, arXiv 1912.04958, figure 7).

use tch::{Kind, Tensor};

use crate::config::{DiscriminatorConfig, Downsample, Precision};
use crate::ops::{self, ACTIVATION_GAIN};
use crate::params::{Layout, Views, block};

/// Shape of the discriminator; weights come in as [`Views`].
#[derive(Clone, Debug)]
pub(crate) struct Discriminator {
    config: DiscriminatorConfig,
    base: [usize; 2],
    kind: Kind,
}

impl Discriminator {
    /// `base` is the grid of the last stage: the generator's constant.
    pub(crate) fn new(config: &DiscriminatorConfig, base: [usize; 2], precision: Precision) -> Self {
        Self { config: config.clone(), base, kind: precision.kind() }
    }

    /// Names and shapes, from the picture inwards.
    pub(crate) fn layout(&self) -> Layout {
        let c: Vec<i64> = self.config.channels.iter().map(|&c| c as i64).collect();
        let mut l = Layout::default();
        for i in (1..c.len()).rev() {
            let b = block(i);
            if self.has_entrance(i) {
                l.conv(&format!("{b}.from_rgb"), c[i], 3, 3);
            }
            l.conv(&format!("{b}.conv0"), c[i], c[i], 3);
            l.conv(&format!("{b}.conv1"), c[i - 1], c[i], 3);
            l.push(format!("{b}.skip.weight"), &[c[i - 1], c[i], 1, 1], 1.0, 1.0 / (c[i] as f64).sqrt());
        }
        if self.has_entrance(0) {
            l.conv("b4.from_rgb", c[0], 3, 3);
        }
        l.conv("b4.conv", c[0], c[0] + 1, 3);
        l.linear("b4.fc", c[0], c[0] * (self.base[0] * self.base[1]) as i64, 1.0, 0.0);
        l.linear("b4.out", 1, c[0], 1.0, 0.0);
        l
    }

    /// Whether stage `i` sees the picture itself: the largest does, and as many below it as there are entrances.
    fn has_entrance(&self, i: usize) -> bool {
        i + 1 + self.config.entrances >= self.config.channels.len()
    }

    /// Pictures [n, 3, h, w] in f32 to logits [n] in f32; n is a multiple of the configuration's group.
    pub(crate) fn forward(&self, v: &Views, x: &Tensor) -> Tensor {
        let act = |name: &str, x: &Tensor, gain: f64| {
            let weight = v.get(&format!("{name}.weight")) * gain;
            let bias = v.get(&format!("{name}.bias")) * gain;
            ops::leaky_relu(&ops::conv(x, &weight, Some(&bias)))
        };
        let entrance = |i: usize, picture: &Tensor| {
            ops::channels_last(&act(&format!("{}.from_rgb", block(i)), picture, ACTIVATION_GAIN).to_kind(self.kind))
        };
        let last = self.config.channels.len() - 1;
        let mut picture = x.shallow_clone();
        let mut x = entrance(last, &picture);
        for i in (1..=last).rev() {
            let b = block(i);
            let half = std::f64::consts::FRAC_1_SQRT_2;
            let skip_weight = v.get(&format!("{b}.skip.weight")) * half;
            let y = act(&format!("{b}.conv0"), &x, ACTIVATION_GAIN);
            // The branch's activation gain and the sum's 1/sqrt 2 cancel.
            let (y, small) = match self.config.downsample {
                Downsample::PoolConv => (act(&format!("{b}.conv1"), &ops::downsample(&y), 1.0), ops::downsample(&x)),
                Downsample::ConvPool => {
                    let y = ops::conv(&y, v.get(&format!("{b}.conv1.weight")), Some(v.get(&format!("{b}.conv1.bias"))));
                    (ops::downsample(&ops::leaky_relu(&y)), ops::downsample(&x))
                }
                Downsample::StyleGan2 => {
                    let weight = v.get(&format!("{b}.conv1.weight")).to_kind(self.kind);
                    let bias = v.get(&format!("{b}.conv1.bias")).to_kind(self.kind);
                    let y = ops::filter(&y, 1.0, 2, 1).conv2d(&weight, Some(&bias), 2, 0, 1, 1);
                    (ops::leaky_relu(&y), ops::filter(&x, 1.0, 1, 2))
                }
            };
            x = y + ops::conv(&small, &skip_weight, None);
            if self.has_entrance(i - 1) {
                picture = ops::downsample(&picture);
                x = entrance(i - 1, &picture) + x;
            }
        }
        let x = x.to_kind(Kind::Float);
        let x = Tensor::cat(&[&x, &self.minibatch_stddev(&x)], 1);
        let x = act("b4.conv", &x, ACTIVATION_GAIN).contiguous().flatten(1, -1);
        let x = ops::leaky_relu(&v.linear("b4.fc", &x)) * ACTIVATION_GAIN;
        v.linear("b4.out", &x).squeeze_dim(1)
    }

    /// One channel that tells D how varied its group is: [n, 1, h, w] (progressive GAN, arXiv 1710.10196, section 3).
    ///
    /// A group is consecutive pictures, so batches joined end to end stay apart and a picture's first neighbours stay its
    /// neighbours in a shorter batch: the approximate gradient penalty compares logits of the same group.
    fn minibatch_stddev(&self, x: &Tensor) -> Tensor {
        let (g, s) = (self.config.group as i64, x.size());
        let y = x.reshape([s[0] / g, g, s[1], s[2], s[3]]);
        let std = (y.var_dim(1, false, false) + 1e-8).sqrt();
        let std = std.mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
        std.view([-1, 1, 1, 1, 1]).expand([-1, g, 1, s[2], s[3]], false).reshape([s[0], 1, s[2], s[3]])
    }
}
