//! The few operations both networks are made of. Pictures and features are [n, c, h, w], channels-last in memory.

use std::f64::consts::SQRT_2;

use tch::{Kind, Tensor};

/// Slope of the leaky ReLU below zero.
const SLOPE: f64 = 0.2;

/// Gain that keeps the variance through a leaky ReLU, as StyleGAN2 counts it.
pub(crate) const ACTIVATION_GAIN: f64 = SQRT_2;

/// Leaky ReLU with slope 0.2, without a gain: it is positively homogeneous, so callers scale its (smaller) inputs instead.
///
/// The binding offers `leaky_relu` with PyTorch's default slope only. Its derivative takes a slope, and with the picture itself in
/// place of the incoming gradient it is the activation, in one fused pass each way and differentiable twice.
pub(crate) fn leaky_relu(x: &Tensor) -> Tensor {
    x.detach().leaky_relu_backward(x, SLOPE, false)
}

/// Convolution with zero padding that keeps the size, in the precision of `x`.
pub(crate) fn conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let pad = weight.size()[2] / 2;
    let bias = bias.map(|b| b.to_kind(x.kind()));
    x.conv2d(&weight.to_kind(x.kind()), bias.as_ref(), 1, pad, 1, 1)
}

/// The same values laid out channels-last, which is what oneDNN and cuDNN are fastest on.
pub(crate) fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// Doubles height and width bilinearly; borders repeat.
pub(crate) fn upsample(x: &Tensor) -> Tensor {
    let s = x.size();
    x.upsample_bilinear2d([s[2] * 2, s[3] * 2], false, None, None)
}

/// Halves height and width by averaging 2x2.
pub(crate) fn downsample(x: &Tensor) -> Tensor {
    x.avg_pool2d(2, 2, 0, false, true, None)
}

/// [1,3,3,1] x [1,3,3,1], summing to `gain`, one copy a channel: [c, 1, 4, 4].
pub(crate) fn fir(channels: i64, gain: f64, like: &Tensor) -> Tensor {
    let f = Tensor::from_slice(&[1f32, 3.0, 3.0, 1.0]) / 8.0;
    (f.outer(&f) * gain).view([1, 1, 4, 4]).repeat([channels, 1, 1, 1]).to_device(like.device()).to_kind(like.kind())
}

/// Filters every channel with [`fir`] after padding with zeros, keeping every `stride`-th value.
pub(crate) fn filter(x: &Tensor, gain: f64, pad: i64, stride: i64) -> Tensor {
    let c = x.size()[1];
    x.conv2d(&fir(c, gain, x), None::<Tensor>, stride, pad, 1, c)
}

/// StyleGAN2's picture upsampling: zeros in between, then [1,3,3,1]; zero outside.
pub(crate) fn upsample_fir(x: &Tensor) -> Tensor {
    let c = x.size()[1];
    x.conv_transpose2d(&fir(c, 4.0, x), None::<Tensor>, 2, 1, 0, c, 1)
}

/// A per-picture, per-channel factor [n, c] shaped and typed to multiply `x`.
pub(crate) fn per_channel(factor: &Tensor, kind: Kind) -> Tensor {
    factor.unsqueeze(2).unsqueeze(3).to_kind(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn leaky_relu_has_the_right_values_and_slopes() {
        let x = Tensor::from_slice(&[-2f32, -0.5, 0.5, 3.0]).set_requires_grad(true);
        let y = leaky_relu(&x);
        assert_eq!(Vec::<f32>::try_from(&y).unwrap(), [-0.4, -0.1, 0.5, 3.0]);
        let g = Tensor::run_backward(&[y.sum(Kind::Float)], &[&x], false, false);
        assert_eq!(Vec::<f32>::try_from(&g[0]).unwrap(), [0.2, 0.2, 1.0, 1.0]);
    }

    #[test]
    fn fir_upsampling_equals_bilinear_away_from_the_border() {
        let x = Tensor::randn([1, 2, 6, 6], (Kind::Float, Device::Cpu));
        let inner = |t: Tensor| t.narrow(2, 1, 10).narrow(3, 1, 10).contiguous();
        let d = (inner(upsample_fir(&x)) - inner(upsample(&x))).abs().max();
        assert!(f64::try_from(d).unwrap() < 1e-6);
    }
}
