//! Layers of networks over pictures with the channels last (`[height, width, channels]`), as the frozen feature networks
//! have them: windows that slide over a picture, one channel at a time, and the end of a convolution.
//!
//! One call is one picture on the caller's thread. Convolutions that mix channels are products of matrices; see
//! [`matrix`](crate::matrix).

mod pixel;

use std::ops::Range;

use crate::Isa;
use pixel::{Finish, Greatest, Weighted};

/// Where windows lie over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Rows and columns of the picture.
    pub input: [usize; 2],
    /// Rows and columns of the result: how many windows there are.
    pub output: [usize; 2],
    /// Rows and columns of a window.
    pub size: [usize; 2],
    /// From one window to the next, down and across; at least 1.
    pub stride: [usize; 2],
    /// Rows above and columns left of the picture at which the first window begins.
    pub before: [usize; 2],
}

impl Windows {
    /// Places inside window `index` along `axis` (0 down, 1 across) that lie over the picture.
    #[inline(always)]
    pub fn inside(&self, axis: usize, index: usize) -> Range<usize> {
        let start = index * self.stride[axis];
        let end = (self.input[axis] + self.before[axis]).saturating_sub(start).min(self.size[axis]);
        self.before[axis].saturating_sub(start).min(end)..end
    }

    /// The row or column of the picture under place `place` of window `index`; one of [`inside`](Self::inside).
    #[inline(always)]
    pub fn source(&self, axis: usize, index: usize, place: usize) -> usize {
        index * self.stride[axis] + place - self.before[axis]
    }

    /// Windows along `axis` that cover row or column `at` of the picture.
    #[inline(always)]
    pub fn covering(&self, axis: usize, at: usize) -> Range<usize> {
        let (at, stride) = (at + self.before[axis], self.stride[axis]);
        let first = (at + 1).saturating_sub(self.size[axis]).div_ceil(stride);
        first..(at / stride + 1).min(self.output[axis]).max(first)
    }

    /// Pixels of the picture.
    pub fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// How many windows there are.
    pub fn count(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// # Panics
    /// If strides are zero, windows have more than [`MOST`] places, or the numbers are others than it says.
    #[inline(always)]
    fn check(&self, channels: usize, x: usize, y: usize) {
        // Small enough that no place overflows: the loops rely on places that lie inside.
        let small = |pair: [usize; 2]| pair.iter().all(|&n| n <= 1 << 20);
        assert!([self.input, self.output, self.size, self.stride, self.before].into_iter().all(small), "{self:?}");
        assert!(channels <= 1 << 20, "{channels} channels");
        assert!(self.stride[0] > 0 && self.stride[1] > 0 && channels > 0, "strides and channels are at least 1");
        assert!(self.size[0] * self.size[1] <= MOST, "a window has at most {MOST} places");
        assert_eq!(x, self.pixels() * channels, "numbers of the picture");
        assert_eq!(y, self.count() * channels, "numbers of the windows");
    }
}

/// Places of the largest window.
pub const MOST: usize = 256;

/// A convolution of each channel by itself: `y = clamp(bias + sum of weight x)`, with zeros outside the picture.
///
/// `weight` is `[rows, columns, channels]` of the window.
///
/// # Panics
/// If lengths do not fit `windows`, whose windows have at most [`MOST`] places.
pub fn depthwise(isa: Isa, windows: &Windows, x: &[f32], weight: &[f32], bias: &[f32], clamp: [f32; 2], y: &mut [f32]) {
    isa.run(Weighted { windows, x, weight, bias, clamp, y });
}

/// Adds to `dx` what [`depthwise`], before its clamp, passes back of `dy`.
///
/// # Panics
/// As [`depthwise`].
pub fn depthwise_gradient(isa: Isa, windows: &Windows, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    isa.run(pixel::Back { windows, dy, weight, dx });
}

/// The greatest number of each channel under each window. A window beside the picture gives minus infinity.
///
/// # Panics
/// If lengths do not fit `windows`, whose windows have at most [`MOST`] places.
pub fn max_pool(isa: Isa, windows: &Windows, channels: usize, x: &[f32], y: &mut [f32]) {
    isa.run(Greatest { windows, channels, x, y });
}

/// The end of a convolution: `y = clamp(y + bias)` for rows of as many numbers as `bias` has.
///
/// # Panics
/// If `bias` is empty or `y` not made of such rows.
pub fn add_bias(isa: Isa, y: &mut [f32], bias: &[f32], clamp: [f32; 2]) {
    assert!(!bias.is_empty() && y.len().is_multiple_of(bias.len()), "rows of {} numbers", bias.len());
    isa.run(Finish { y, bias, clamp });
}

#[cfg(test)]
mod tests;
