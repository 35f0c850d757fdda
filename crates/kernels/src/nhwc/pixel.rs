//! The inner loops: for one pixel of the result, a short list of pixels to take together, channel by channel.

use super::{MOST, Windows};
use crate::simd::{Kernel, Simd};

/// Pixels that one result is made of: where each begins, and where its weights do.
struct Sources {
    list: [(usize, usize); MOST],
    count: usize,
}

impl Sources {
    #[inline(always)]
    fn new() -> Self {
        Sources { list: [(0, 0); MOST], count: 0 }
    }

    /// The pixels under the window at row `y`, column `x` of the result; all lie inside the picture.
    #[inline(always)]
    fn under(&mut self, windows: &Windows, y: usize, x: usize, channels: usize) {
        self.count = 0;
        let across = windows.inside(1, x);
        for row in windows.inside(0, y) {
            let line = windows.source(0, y, row) * windows.input[1];
            for column in across.clone() {
                let pixel = line + windows.source(1, x, column);
                self.push(pixel * channels, (row * windows.size[1] + column) * channels);
            }
        }
    }

    /// The windows that cover the picture's pixel at row `y`, column `x`; all exist.
    #[inline(always)]
    fn over(&mut self, windows: &Windows, y: usize, x: usize, channels: usize) {
        self.count = 0;
        let across = windows.covering(1, x);
        for down in windows.covering(0, y) {
            let row = y + windows.before[0] - down * windows.stride[0];
            for index in across.clone() {
                let column = x + windows.before[1] - index * windows.stride[1];
                let window = down * windows.output[1] + index;
                self.push(window * channels, (row * windows.size[1] + column) * channels);
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, pixel: usize, weight: usize) {
        self.list[self.count] = (pixel, weight);
        self.count += 1;
    }

    #[inline(always)]
    fn get(&self) -> &[(usize, usize)] {
        &self.list[..self.count]
    }
}

/// See [`depthwise`](super::depthwise).
pub(super) struct Weighted<'a> {
    pub(super) windows: &'a Windows,
    pub(super) x: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) clamp: [f32; 2],
    pub(super) y: &'a mut [f32],
}

impl Kernel for Weighted<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { windows, x, weight, bias, clamp: [low, high], y } = self;
        let channels = bias.len();
        windows.check(channels, x.len(), y.len());
        assert_eq!(weight.len(), windows.size[0] * windows.size[1] * channels, "weights of a window");
        let whole = channels / S::LANES * S::LANES;
        let mut sources = Sources::new();
        for (index, y) in y.chunks_exact_mut(channels).enumerate() {
            sources.under(windows, index / windows.output[1], index % windows.output[1], channels);
            for channel in (0..whole).step_by(S::LANES) {
                // SAFETY: the pixels and weights listed, the bias and `y` have `channels` numbers from their starts on, of
                // which this vector is a part.
                unsafe {
                    let sum = dot(s, sources.get(), x, weight, channel, s.load(bias.as_ptr().add(channel)));
                    s.store(y.as_mut_ptr().add(channel), s.min(s.max(sum, s.splat(low)), s.splat(high)));
                }
            }
            for channel in whole..channels {
                let terms = sources.get().iter().map(|&(x_at, w_at)| x[x_at + channel] * weight[w_at + channel]);
                y[channel] = (bias[channel] + terms.sum::<f32>()).max(low).min(high);
            }
        }
    }
}

/// `sum + sum of x weight` over the sources, for the vector of channels that starts at `channel`.
///
/// # Safety
/// From every place listed, increased by `channel`, `LANES` numbers must be readable.
#[inline(always)]
unsafe fn dot<S: Simd>(s: S, list: &[(usize, usize)], x: &[f32], weight: &[f32], channel: usize, sum: S::V) -> S::V {
    // Two sums, as each addition waits for the one before.
    let mut sums = [sum, s.splat(0.0)];
    for pair in list.chunks(2) {
        for (&(x_at, w_at), sum) in pair.iter().zip(&mut sums) {
            // SAFETY: passed on to the caller.
            unsafe {
                let (x, w) = (s.load(x.as_ptr().add(x_at + channel)), s.load(weight.as_ptr().add(w_at + channel)));
                *sum = s.mul_add(x, w, *sum);
            }
        }
    }
    s.add(sums[0], sums[1])
}

/// See [`depthwise_gradient`](super::depthwise_gradient).
pub(super) struct Back<'a> {
    pub(super) windows: &'a Windows,
    pub(super) dy: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Back<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { windows, dy, weight, dx } = self;
        let places = windows.size[0] * windows.size[1];
        assert!(places > 0 && weight.len().is_multiple_of(places), "weights of a window");
        let channels = weight.len() / places;
        windows.check(channels, dx.len(), dy.len());
        let whole = channels / S::LANES * S::LANES;
        let mut sources = Sources::new();
        for (index, dx) in dx.chunks_exact_mut(channels).enumerate() {
            sources.over(windows, index / windows.input[1], index % windows.input[1], channels);
            for channel in (0..whole).step_by(S::LANES) {
                // SAFETY: the windows and weights listed and `dx` have `channels` numbers from their starts on, of which
                // this vector is a part.
                unsafe {
                    let to = dx.as_mut_ptr().add(channel);
                    s.store(to, dot(s, sources.get(), dy, weight, channel, s.load(to)));
                }
            }
            for channel in whole..channels {
                let terms = sources.get().iter().map(|&(y_at, w_at)| dy[y_at + channel] * weight[w_at + channel]);
                dx[channel] += terms.sum::<f32>();
            }
        }
    }
}

/// See [`max_pool`](super::max_pool).
pub(super) struct Greatest<'a> {
    pub(super) windows: &'a Windows,
    pub(super) channels: usize,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
}

impl Kernel for Greatest<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { windows, channels, x, y } = self;
        windows.check(channels, x.len(), y.len());
        let whole = channels / S::LANES * S::LANES;
        let mut sources = Sources::new();
        for (index, y) in y.chunks_exact_mut(channels).enumerate() {
            sources.under(windows, index / windows.output[1], index % windows.output[1], channels);
            for channel in (0..whole).step_by(S::LANES) {
                let mut most = s.splat(f32::NEG_INFINITY);
                for &(at, _) in sources.get() {
                    // SAFETY: the pixels listed have `channels` numbers, of which this vector is a part.
                    most = s.max(most, unsafe { s.load(x.as_ptr().add(at + channel)) });
                }
                // SAFETY: as above, for `y`.
                unsafe { s.store(y.as_mut_ptr().add(channel), most) };
            }
            for channel in whole..channels {
                y[channel] = sources.get().iter().map(|&(at, _)| x[at + channel]).fold(f32::NEG_INFINITY, f32::max);
            }
        }
    }
}

/// See [`add_bias`](super::add_bias).
pub(super) struct Finish<'a> {
    pub(super) y: &'a mut [f32],
    pub(super) bias: &'a [f32],
    pub(super) clamp: [f32; 2],
}

impl Kernel for Finish<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { y, bias, clamp: [low, high] } = self;
        let whole = bias.len() / S::LANES * S::LANES;
        for row in y.chunks_exact_mut(bias.len()) {
            for at in (0..whole).step_by(S::LANES) {
                // SAFETY: a row is as long as `bias`, and the vector ends at `whole` at most.
                unsafe {
                    let sum = s.add(s.load(row.as_ptr().add(at)), s.load(bias.as_ptr().add(at)));
                    s.store(row.as_mut_ptr().add(at), s.min(s.max(sum, s.splat(low)), s.splat(high)));
                }
            }
            for (y, &bias) in row[whole..].iter_mut().zip(&bias[whole..]) {
                *y = (*y + bias).max(low).min(high);
            }
        }
    }
}
