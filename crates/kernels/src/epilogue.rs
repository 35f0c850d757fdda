//! What happens to a convolution's sums on their way to memory: the output transform and everything after it.

use std::marker::PhantomData;

use crate::activation::{Activation, Block, flat, flat_mut};
use crate::simd::{Kernel, Simd};
use crate::winograd::{Tiles, Winograd};

/// The element-wise end of a layer: `clamp(act(scale_o v + noise_yx + bias_o))` with `act(v) = max(v, slope v)`.
///
/// The gain of the activation is folded into `scale`, `noise` and `bias` beforehand: `act` is homogeneous.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// A factor for every output channel (demodulation), rounded up to whole blocks of 16.
    pub scale: &'a [f32],
    /// A summand for every output channel, rounded up to whole blocks of 16.
    pub bias: &'a [f32],
    /// A summand for every pixel [H, W], if any.
    pub noise: Option<&'a [f32]>,
    /// Slope of the activation below zero, at most 1; 1 means none.
    pub slope: f32,
    /// Bound on the absolute value of the result; infinity means none.
    pub clamp: f32,
}

impl Epilogue<'_> {
    /// Panics if the vectors do not cover `channels`, or the noise does not cover the picture.
    pub(crate) fn check(&self, channels: usize, height: usize, width: usize) {
        let padded = crate::padded(channels);
        assert!(self.scale.len() >= padded && self.bias.len() >= padded, "scale and bias must cover {padded} channels");
        assert!(self.noise.is_none_or(|noise| noise.len() >= height * width), "noise must cover {height}x{width}");
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
    noise: Option<&'a [f32]>,
}

impl<'a, S: Simd> Finish<'a, S> {
    /// # Safety
    /// `channel + LANES` channels must be covered by `scale` and `bias`.
    #[inline(always)]
    pub(crate) unsafe fn new(s: S, epilogue: &Epilogue<'a>, channel: usize) -> Self {
        // SAFETY: passed on to the caller.
        let (scale, bias) =
            unsafe { (s.load(epilogue.scale.as_ptr().add(channel)), s.load(epilogue.bias.as_ptr().add(channel))) };
        let (low, high) = (s.splat(-epilogue.clamp), s.splat(epilogue.clamp));
        Finish { scale, bias, slope: s.splat(epilogue.slope), low, high, noise: epilogue.noise }
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

/// Where the results of one panel of output channels go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// First block of channels of the result.
    pub(crate) block: usize,
    /// Blocks of channels of the panel: 1 or 2.
    pub(crate) blocks: usize,
    /// Distance of neighbouring results in the picture: 2 for the four phases of a doubling convolution, else 1.
    pub(crate) step: usize,
    /// Row and column of the first result, less than `step`.
    pub(crate) phase: (usize, usize),
}

/// `A^T m A` of a panel, finished and written to the picture.
pub(crate) struct OutputTransform<'a, const IN: usize, const OUT: usize, W> {
    /// [position][tile][blocks][16]
    pub(crate) sums: &'a [Block],
    /// Blocks from one position of `sums` to the next.
    pub(crate) position: usize,
    pub(crate) tiles: Tiles,
    pub(crate) target: Target,
    pub(crate) epilogue: Epilogue<'a>,
    pub(crate) y: &'a mut Activation,
    pub(crate) method: PhantomData<W>,
}

impl<const IN: usize, const OUT: usize, W: Winograd<IN, OUT>> Kernel for OutputTransform<'_, IN, OUT, W> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let OutputTransform { sums, position, tiles, target, epilogue, y, .. } = self;
        let Target { block, blocks, step, phase } = target;
        let (height, width) = (y.height(), y.width());
        epilogue.check(y.channels(), height, width);
        assert!(block + blocks <= y.blocks() && phase.0 < step && phase.1 < step);
        assert!(height.is_multiple_of(step) && width.is_multiple_of(step));
        assert!(tiles.count > 0 && sums.len() >= (IN * IN - 1) * position + tiles.count * blocks);
        let (places, pitch) = (y.place(0, 0, 0), y.pitch());
        let plane = y.rows() * pitch;
        let (from, to) = (flat(sums).as_ptr(), flat_mut(y.data_mut()).as_mut_ptr());
        // The picture in results of this phase; tiles at its right and lower edge may reach beyond it.
        let (rows, columns) = (height / step, width / step);
        for sub in 0..blocks {
            for lane in (0..16).step_by(S::LANES) {
                // SAFETY: the epilogue covers all of the result's blocks, `block + sub` among them.
                let finish = unsafe { Finish::new(s, &epilogue, (block + sub) * 16 + lane) };
                for tile in 0..tiles.count {
                    let (ty, tx) = ((tiles.first + tile) / tiles.across, (tiles.first + tile) % tiles.across);
                    // SAFETY: `sums` reaches to this tile of the last position, by the assertion above.
                    let m = unsafe { from.add((tile * blocks + sub) * 16 + lane) };
                    let mut lines = [[s.splat(0.0); IN]; OUT];
                    for x in 0..IN {
                        let mut column = [s.splat(0.0); IN];
                        for (y, v) in column.iter_mut().enumerate() {
                            // SAFETY: as for `m`.
                            *v = unsafe { s.load(m.add((y * IN + x) * position * 16)) };
                        }
                        for (line, v) in lines.iter_mut().zip(W::output(s, column)) {
                            line[x] = v;
                        }
                    }
                    for (i, line) in lines.into_iter().enumerate().take(rows.saturating_sub(ty * OUT)) {
                        let py = (ty * OUT + i) * step + phase.0;
                        for (j, v) in W::output(s, line).into_iter().enumerate() {
                            let px = (tx * OUT + j) * step + phase.1;
                            if tx * OUT + j < columns {
                                // SAFETY: (py, px) is a pixel of the picture, so it has noise and memory.
                                unsafe {
                                    let v = finish.apply(s, v, py * width + px);
                                    let place = (block + sub) * plane + places + py * pitch + px;
                                    s.store(to.add(place * 16 + lane), v);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
