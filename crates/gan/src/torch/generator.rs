//! G: mapping network and synthesis network (StyleGAN2, arXiv 1912.04958, section 2.2) as `synth::Architecture` describes them.
//!
//! The forward pass here and the one in the `synth` crate are the same function; a golden test holds them together.

use synth::{Architecture, Upsample};
use tch::{Device, Kind, Tensor};

use crate::config::Precision;
use crate::ops::{self, ACTIVATION_GAIN};
use crate::params::{Layout, Views, block};

/// Learning-rate multiplier of the mapping network.
const MAPPING_LR: f64 = 0.01;

/// Shape of the generator; weights come in as [`Views`].
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    architecture: Architecture,
    kind: Kind,
}

impl Generator {
    pub(crate) fn new(architecture: &Architecture, precision: Precision) -> Self {
        Self { architecture: architecture.clone(), kind: precision.kind() }
    }

    /// The same without its last stages. Its layout is the beginning of this one's.
    pub(crate) fn first_stages(&self, count: usize) -> Self {
        let mut small = self.clone();
        small.architecture.channels.truncate(count);
        small
    }

    pub(crate) fn z_dim(&self) -> i64 {
        self.architecture.z_dim as i64
    }

    /// Name of block `i` in the model file.
    fn block(i: usize) -> String {
        format!("synthesis.{}", block(i))
    }

    /// Names and shapes in the model file's scheme; see the `synth` crate.
    pub(crate) fn layout(&self) -> Layout {
        let a = &self.architecture;
        let (z, w) = (a.z_dim as i64, a.w_dim as i64);
        let mut l = Layout::default();
        for k in 0..a.mapping_layers {
            l.linear(&format!("mapping.fc{k}"), w, if k == 0 { z } else { w }, MAPPING_LR, 0.0);
        }
        let first = a.channels[0] as i64;
        l.push("synthesis.b4.const".into(), &[first, a.base[0] as i64, a.base[1] as i64], 1.0, 1.0);
        for (i, &out) in a.channels.iter().enumerate() {
            let (b, out) = (Self::block(i), out as i64);
            let noise = a.noise.at(a.base[0] << i);
            let input = if i == 0 { out } else { a.channels[i - 1] as i64 };
            if i > 0 {
                Self::modulated(&mut l, &format!("{b}.conv0"), out, input, w, noise);
            }
            Self::modulated(&mut l, &format!("{b}.conv1"), out, out, w, noise);
            l.conv(&format!("{b}.torgb"), 3, out, 1);
            l.linear(&format!("{b}.torgb.affine"), out, w, 1.0, 1.0);
        }
        l
    }

    fn modulated(l: &mut Layout, name: &str, out: i64, input: i64, w_dim: i64, noise: bool) {
        l.conv(name, out, input, 3);
        l.linear(&format!("{name}.affine"), input, w_dim, 1.0, 1.0);
        if noise {
            l.push(format!("{name}.noise_strength"), &[1], 0.0, 1.0);
        }
    }

    /// z [n, `z_dim`] to w [n, `w_dim`].
    pub(crate) fn map(&self, v: &Views, z: &Tensor) -> Tensor {
        let mut x = if self.architecture.normalize_z {
            z * (z.square().mean_dim(1, true, Kind::Float) + 1e-8).rsqrt()
        } else {
            z.shallow_clone()
        };
        for k in 0..self.architecture.mapping_layers {
            x = ops::leaky_relu(&v.linear(&format!("mapping.fc{k}"), &x)) * ACTIVATION_GAIN;
        }
        x
    }

    /// w [n, `w_dim`] to pictures [n, 3, h, w] in f32, nominally in -1..1. `noise` gives the [n, 1, h, w] values of the k-th
    /// convolution; it is asked only where the architecture has noise inputs.
    pub(crate) fn synthesize(&self, v: &Views, w: &Tensor, noise: &mut dyn FnMut(usize, [i64; 4]) -> Tensor) -> Tensor {
        let constant = v.get("synthesis.b4.const").unsqueeze(0).to_kind(self.kind);
        let s = constant.size();
        let mut x = ops::channels_last(&constant.expand([w.size()[0], s[1], s[2], s[3]], false));
        let mut image: Option<Tensor> = None;
        let mut layer = 0;
        for i in 0..self.architecture.channels.len() {
            let b = Self::block(i);
            for conv in ["conv0", "conv1"].into_iter().skip(usize::from(i == 0)) {
                x = self.conv(v, &format!("{b}.{conv}"), &x, w, conv == "conv0", &mut |size| noise(layer, size));
                layer += 1;
            }
            let y = self.to_rgb(v, &format!("{b}.torgb"), &x, w);
            image = Some(match image {
                None => y,
                Some(small) if self.architecture.upsample == Upsample::StyleGan2 => ops::upsample_fir(&small) + y,
                Some(small) => ops::upsample(&small) + y,
            });
        }
        image.expect("an architecture has at least one block")
    }

    /// Fresh normal noise from libtorch's generator: what training uses.
    pub(crate) fn fresh_noise(device: Device) -> impl FnMut(usize, [i64; 4]) -> Tensor {
        move |_, size| Tensor::randn(size, (Kind::Float, device))
    }

    /// Modulated 3x3 convolution, demodulation, noise, bias, leaky ReLU; `up` doubles the size on the way.
    ///
    /// `y = conv(x * s; W) * d` with `d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8)` needs no weights per picture. The
    /// activation's gain is folded into the small factors d and b.
    fn conv(
        &self,
        v: &Views,
        name: &str,
        x: &Tensor,
        w: &Tensor,
        up: bool,
        noise: &mut dyn FnMut([i64; 4]) -> Tensor,
    ) -> Tensor {
        let weight = v.get(&format!("{name}.weight"));
        let style = v.linear(&format!("{name}.affine"), w);
        let square = weight.square().sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float);
        let demodulation = (style.square().matmul(&square.tr()) + 1e-8).rsqrt() * ACTIVATION_GAIN;
        let demodulation = ops::per_channel(&demodulation, self.kind);
        let bias = ops::per_channel(&(v.get(&format!("{name}.bias")) * ACTIVATION_GAIN).unsqueeze(0), self.kind);
        let x = x * ops::per_channel(&style, self.kind);
        let mut y = match (up, self.architecture.upsample) {
            (false, _) => bias.addcmul(&ops::conv(&x, weight, None), &demodulation),
            // The bias commutes with bilinear interpolation, so it is added where there are fewer pixels.
            (true, Upsample::ConvUp) => ops::upsample(&bias.addcmul(&ops::conv(&x, weight, None), &demodulation)),
            (true, Upsample::UpConv) => bias.addcmul(&ops::conv(&ops::upsample(&x), weight, None), &demodulation),
            (true, Upsample::StyleGan2) => {
                let weight = weight.transpose(0, 1).to_kind(self.kind);
                let wide = x.conv_transpose2d(&weight, None::<Tensor>, 2, 0, 0, 1, 1);
                bias.addcmul(&ops::filter(&wide, 4.0, 1, 1), &demodulation)
            }
        };
        let s = y.size();
        if self.architecture.noise.at(s[2] as usize) {
            let strength = v.get(&format!("{name}.noise_strength")) * ACTIVATION_GAIN;
            y = (noise([s[0], 1, s[2], s[3]]) * strength).to_kind(self.kind) + y;
        }
        self.clamp(ops::leaky_relu(&y))
    }

    /// Modulated 1x1 convolution to RGB without demodulation, in f32 from here on.
    fn to_rgb(&self, v: &Views, name: &str, x: &Tensor, w: &Tensor) -> Tensor {
        let style = v.linear(&format!("{name}.affine"), w);
        let x = x * ops::per_channel(&style, self.kind);
        let y = ops::conv(&x, v.get(&format!("{name}.weight")), None).to_kind(Kind::Float);
        self.clamp(y + ops::per_channel(&v.get(&format!("{name}.bias")).unsqueeze(0), Kind::Float))
    }

    fn clamp(&self, x: Tensor) -> Tensor {
        match self.architecture.conv_clamp {
            Some(limit) => x.clamp(-f64::from(limit), f64::from(limit)),
            None => x,
        }
    }
}
