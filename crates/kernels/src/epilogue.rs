//! What happens to a convolution's sums on their way to memory.

use crate::activation::Shape;
use crate::simd::Simd;

/// The element-wise end of a layer: `clamp(act(scale_o v + noise_yx + bias_o))` with `act(v) = max(v, slope v)`.
///
/// The gain of the activation is folded into `scale`, `noise` and `bias` beforehand: `act` is homogeneous.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// For every picture a factor for every output channel (demodulation), rounded up to whole blocks of 16.
    pub scale: &'a [f32],
    /// A summand for every output channel, rounded up to whole blocks of 16.
    pub bias: &'a [f32],
    /// For every picture a summand for every pixel [H, W], if any.
    pub noise: Option<&'a [f32]>,
    /// Slope of the activation below zero, at most 1; 1 means none.
    pub slope: f32,
    /// Bound on the absolute value of the result; infinity means none.
    pub clamp: f32,
}

impl Epilogue<'_> {
    /// Panics if the vectors do not cover the channels, or the noise does not cover the pictures.
    pub(crate) fn check(&self, shape: Shape) {
        let Shape { pictures, channels, height, width } = shape;
        let padded = crate::padded(channels);
        assert!(self.scale.len() >= pictures * padded, "scale must cover {pictures} x {padded} channels");
        assert!(self.bias.len() >= padded, "bias must cover {padded} channels");
        let area = height * width;
        assert!(self.noise.is_none_or(|noise| noise.len() >= pictures * area), "noise must cover {pictures} x {area}");
    }
}

/// An [`Epilogue`] in the registers of an instruction set, for one vector of channels.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a, S: Simd> {
    scale: S::V,
    bias: S::V,
    slope: S::V,
    low: S::V,
    high: S::V,
    /// Of this picture.
    noise: Option<&'a [f32]>,
}

impl<'a, S: Simd> Finish<'a, S> {
    /// # Safety
    /// The epilogue must fit `shape` (see [`Epilogue::check`]), which has this picture and channels up to
    /// `channel + LANES` in its blocks.
    #[inline(always)]
    pub(crate) unsafe fn new(s: S, epilogue: &Epilogue<'a>, shape: Shape, picture: usize, channel: usize) -> Self {
        let (scale, bias) = (epilogue.scale.as_ptr(), epilogue.bias.as_ptr());
        // SAFETY: the epilogue covers the picture's channels, says the caller.
        let (scale, bias) =
            unsafe { (s.load(scale.add(picture * shape.blocks() * 16 + channel)), s.load(bias.add(channel))) };
        let (low, high) = (s.splat(-epilogue.clamp), s.splat(epilogue.clamp));
        let noise = epilogue.noise.map(|noise| &noise[picture * shape.height * shape.width..]);
        Finish { scale, bias, slope: s.splat(epilogue.slope), low, high, noise }
    }

    /// # Safety
    /// Noise, if any, must cover pixel number `pixel`.
    #[inline(always)]
    pub(crate) unsafe fn apply(&self, s: S, v: S::V, pixel: usize) -> S::V {
        let mut v = s.mul_add(v, self.scale, self.bias);
        if let Some(noise) = self.noise {
            // SAFETY: the caller vouches for the pixel.
            v = s.add(v, s.splat(unsafe { *noise.get_unchecked(pixel) }));
        }
        let v = s.max(v, s.mul(v, self.slope));
        s.min(self.high, s.max(self.low, v))
    }
}
