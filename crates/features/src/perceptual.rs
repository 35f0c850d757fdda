//! How much pictures resemble one picture in what a frozen network sees, and which way that changes with their pixels.
//!
//! At every place of every tap the channels are a direction: they are divided by their length, and the squared distance to the
//! target's direction is taken, whose mean over places and taps is the difference (Zhang et al., "The Unreasonable Effectiveness of Deep
//! Features as a Perceptual Metric", arXiv 1801.03924, section 3, without learned weights).

use std::sync::Mutex;

use kernels::Crew;

use crate::pass::lock;
use crate::resample::Resampler;
use crate::{Error, Grid, Network, Tape, Workspace};

/// Pictures are brought between these lengths of their longer side before the network sees them: below, its coarser grids have
/// hardly a place left; above, it sees strokes where it was trained on things.
const SEEN: [usize; 2] = [128, 256];
/// Added to the square of a direction's length.
const EPSILON: f32 = 1e-6;

/// One picture, in what a network sees.
#[derive(Debug)]
pub struct PerceptualDistance {
    network: Network,
    /// Rows and columns of the pictures.
    picture: [usize; 2],
    seen: [usize; 2],
    resampler: Option<Resampler>,
    /// Directions at every tap.
    target: Vec<Grid>,
}

/// Memory of comparisons, kept from one to the next.
#[derive(Debug, Default)]
pub struct PerceptualWork {
    workspace: Workspace,
    tape: Tape,
    taps: Vec<Grid>,
    resized: Vec<f32>,
}

impl PerceptualDistance {
    /// Of planar `target` [3, height, width] in -1..1 of `picture` (height, width).
    ///
    /// # Errors
    /// [`Error::Size`] if the network cannot take such pictures.
    ///
    /// # Panics
    /// If `target` is not of that size.
    pub fn new(network: Network, crew: &Crew, target: &[f32], picture: [usize; 2]) -> Result<Self, Error> {
        let seen = seen(picture);
        network.tap_shapes(seen)?;
        let [h, w] = picture;
        let resampler = (picture != seen)
            .then(|| if h > seen[0] { Resampler::bicubic(picture, seen) } else { Resampler::bilinear(picture, seen) });
        let mut likeness = PerceptualDistance { network, picture, seen, resampler, target: Vec::new() };
        assert_eq!(target.len(), 3 * h * w, "one picture of the given size");
        let mut work = PerceptualWork::default();
        likeness.look(crew, &mut work, target, false);
        for grid in &mut work.taps {
            for place in grid.data.chunks_exact_mut(grid.channels) {
                let factor = 1.0 / length(place);
                for v in place {
                    *v *= factor;
                }
            }
        }
        likeness.target = work.taps;
        Ok(likeness)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Difference of each of planar `pictures` [n, 3, height, width] from the target, from 0 (the same) to 4 (opposite in everything).
    /// The slope of each picture's difference in its pixels is written over `gradient`, where it is given.
    ///
    /// # Panics
    /// If `pictures` are no whole pictures of the target's size, or `gradient` has another length.
    pub fn differences(
        &self,
        crew: &Crew,
        work: &mut PerceptualWork,
        pictures: &[f32],
        gradient: Option<&mut [f32]>,
    ) -> Vec<f64> {
        self.look(crew, work, pictures, gradient.is_some());
        let mut sums = vec![0.0; pictures.len() / (3 * self.picture[0] * self.picture[1])];
        for (grid, target) in work.taps.iter_mut().zip(&self.target) {
            let (stride, channels) = (grid.stride(), grid.channels);
            let share = 1.0 / (grid.height * grid.width * self.target.len()) as f64;
            let parts: Vec<_> = sums.iter_mut().zip(grid.data.chunks_exact_mut(stride)).map(Mutex::new).collect();
            crew.run(parts.len(), |_, i| {
                let (sum, values) = &mut *lock(&parts[i]);
                let places = values.chunks_exact_mut(channels).zip(target.data.chunks_exact(channels));
                **sum += share * places.map(|(own, other)| f64::from(compare(own, other, share as f32))).sum::<f64>();
            });
        }
        if let Some(gradient) = gradient {
            self.back(crew, work, gradient);
        }
        sums
    }

    /// Leaves in `work` what the network sees in pictures.
    fn look(&self, crew: &Crew, work: &mut PerceptualWork, pictures: &[f32], record: bool) {
        let PerceptualWork { workspace, tape, taps, resized } = work;
        let own = 3 * self.picture[0] * self.picture[1];
        assert!(pictures.len().is_multiple_of(own), "whole pictures of {:?}", self.picture);
        let pictures = if let Some(resampler) = &self.resampler {
            resampler.apply_each(crew, pictures, resized);
            &*resized
        } else {
            pictures
        };
        let passed = if record {
            self.network.record(crew, workspace, tape, pictures, self.seen, taps)
        } else {
            self.network.taps(crew, workspace, pictures, self.seen, taps)
        };
        passed.expect("the size was tried when the target was given");
    }

    /// From slopes at the taps to slopes at the pixels.
    fn back(&self, crew: &Crew, work: &mut PerceptualWork, gradient: &mut [f32]) {
        let PerceptualWork { workspace, tape, taps, resized } = work;
        let passed = if self.resampler.is_some() {
            self.network.gradient(crew, workspace, tape, taps, resized)
        } else {
            self.network.gradient(crew, workspace, tape, taps, gradient)
        };
        passed.expect("the size was tried when the target was given");
        if let Some(resampler) = &self.resampler {
            resampler.gather_each(crew, resized, gradient);
        }
    }
}

/// The size at which the network sees pictures of `picture` (height, width).
fn seen(picture: [usize; 2]) -> [usize; 2] {
    let longer = picture[0].max(picture[1]).max(1);
    let side = longer.clamp(SEEN[0], SEEN[1]);
    picture.map(|length| (length * side).div_ceil(longer))
}

fn length(values: &[f32]) -> f32 {
    (values.iter().map(|v| v * v).sum::<f32>() + EPSILON).sqrt()
}

/// The squared distance of the direction of `own` from `other`. `own` becomes `share` times its slope:
/// for u = x / |x| the slope of |u - t|^2 in x is 2 (u - t - u (u . (u - t))) / |x|.
fn compare(own: &mut [f32], other: &[f32], share: f32) -> f32 {
    let factor = 1.0 / length(own);
    let (mut square, mut along) = (0.0, 0.0);
    for (own, other) in own.iter_mut().zip(other) {
        *own *= factor;
        let apart = *own - other;
        square += apart * apart;
        along += *own * apart;
    }
    for (own, other) in own.iter_mut().zip(other) {
        *own = 2.0 * share * factor * (*own - other - *own * along);
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_shape_within_bounds() {
        assert_eq!(
            [[64, 64], [200, 200], [512, 256], [32, 64]].map(seen),
            [[128, 128], [200, 200], [256, 128], [64, 128]]
        );
        assert_eq!(seen([1, 1000]), [1, 256]);
    }
}
