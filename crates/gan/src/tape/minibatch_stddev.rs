//! How varied the pictures of a group are.

use kernels::train::{Element, Map};

/// Added to the variance before its root.
const EPSILON: f32 = 1e-8;

/// The standard deviation over a group of pictures at every place and channel, and what it changes with.
pub(super) struct MinibatchStddev {
    /// `(x - mean) / (group deviation)`, [group, pixels, channels]: the derivative of the deviation.
    slopes: Vec<f32>,
    deviations: Vec<f32>,
    channels: usize,
    pixels: usize,
}

impl MinibatchStddev {
    /// Of the pictures from `first` on.
    pub(super) fn of<E: Element>(map: &Map<E>, first: usize, group: usize, channels: usize) -> Self {
        let [_, h, w, _] = map.shape();
        let (pixels, length) = (h * w, h * w * channels);
        let mut slopes = vec![0.0; group * length];
        for (i, row) in slopes.chunks_exact_mut(channels).enumerate() {
            let from = pixel(map, first + i / pixels, i % pixels);
            row.iter_mut().zip(from).for_each(|(to, v)| *to = v.to_f32());
        }
        let mut means = vec![0f32; length];
        for picture in slopes.chunks_exact(length) {
            means.iter_mut().zip(picture).for_each(|(m, v)| *m += v / group as f32);
        }
        let mut deviations = vec![EPSILON; length];
        for picture in slopes.chunks_exact_mut(length) {
            for ((v, mean), sum) in picture.iter_mut().zip(&means).zip(&mut deviations) {
                *v -= mean;
                *sum += *v * *v / group as f32;
            }
        }
        for v in &mut deviations {
            *v = v.sqrt();
        }
        for picture in slopes.chunks_exact_mut(length) {
            picture.iter_mut().zip(&deviations).for_each(|(v, d)| *v /= group as f32 * d);
        }
        Self { slopes, deviations, channels, pixels }
    }

    /// Which of `features` parts a channel belongs to.
    fn part(&self, channel: usize, features: usize) -> usize {
        channel * features / self.channels
    }

    /// Numbers that the mean of one part is of.
    fn size(&self, features: usize) -> f32 {
        (self.pixels * self.channels / features) as f32
    }

    /// The mean deviation of each part of the channels.
    pub(super) fn means(&self, features: usize) -> Vec<f32> {
        let mut means = vec![0.0; features];
        for (i, d) in self.deviations.iter().enumerate() {
            means[self.part(i % self.channels, features)] += d / self.size(features);
        }
        means
    }

    /// Their derivative along the pictures of `direction` from `first` on.
    pub(super) fn jvp<E: Element>(&self, direction: &Map<E>, first: usize, features: usize) -> Vec<f32> {
        let mut means = vec![0.0; features];
        for (i, row) in self.slopes.chunks_exact(self.channels).enumerate() {
            let from = pixel(direction, first + i / self.pixels, i % self.pixels);
            for (c, (slope, v)) in row.iter().zip(from).enumerate() {
                means[self.part(c, features)] += slope * v.to_f32() / self.size(features);
            }
        }
        means
    }

    /// Adds to a gradient at a pixel's channels what the parts' gradients `back` give there.
    pub(super) fn add_back<E: Element>(&self, picture: usize, pixel: usize, back: &[f32], to: &mut [E]) {
        let row = &self.slopes[(picture * self.pixels + pixel) * self.channels..][..self.channels];
        for (c, (slope, to)) in row.iter().zip(to).enumerate() {
            let part = self.part(c, back.len());
            *to = E::from_f32(to.to_f32() + slope * back[part] / self.size(back.len()));
        }
    }
}

/// The channels of a picture's pixel, counted without the border.
pub(super) fn pixel<E: Element>(map: &Map<E>, picture: usize, pixel: usize) -> &[E] {
    let [_, h, w, c] = map.shape();
    let at = ((picture * (h + 2) + pixel / w + 1) * (w + 2) + pixel % w + 1) * c;
    &map.elements()[at..at + c]
}

/// Mutable version of [`pixel`].
pub(super) fn pixel_mut<E: Element>(map: &mut Map<E>, picture: usize, pixel: usize) -> &mut [E] {
    let [_, h, w, c] = map.shape();
    let at = ((picture * (h + 2) + pixel / w + 1) * (w + 2) + pixel % w + 1) * c;
    &mut map.elements_mut()[at..at + c]
}
