//! How much pictures differ from one picture in their pixels, at several sizes: a stroke a pixel aside is all wrong at the largest and nearly right at a
//! smaller one, so that there is a slope to follow from afar.

use std::sync::Mutex;

use kernels::Crew;

use crate::planes::{halve, halve_adjoint};

/// Sizes are halved while no side becomes shorter.
const SHORTEST: usize = 8;

/// One picture at several sizes.
#[derive(Debug)]
pub(super) struct Pyramid {
    /// Height and width at each size, the largest first, and the planes [3, height, width].
    levels: Vec<([usize; 2], Vec<f32>)>,
}

impl Pyramid {
    /// Of planar `target` [3, height, width].
    pub(super) fn new(target: &[f32], size: [usize; 2]) -> Self {
        let mut levels = vec![(size, target.to_vec())];
        while let Some(smaller) = smaller(levels.last().map_or(size, |level| level.0)) {
            let (size, planes) = levels.last().expect("there is one");
            levels.push((smaller, halved(planes, *size)));
        }
        Self { levels }
    }

    /// The mean square difference of each of planar `pictures` [n, 3, height, width], a mean over all sizes. The slope of each in its pixels is
    /// written over `gradient`, where it is given.
    pub(super) fn differences(&self, crew: &Crew, pictures: &[f32], gradient: Option<&mut [f32]>) -> Vec<f64> {
        let [h, w] = self.levels[0].0;
        let area = 3 * h * w;
        let mut found = vec![0.0; pictures.len() / area];
        let slopes = gradient.map(|g| g.chunks_exact_mut(area).map(Some).collect::<Vec<_>>());
        let slopes = slopes.unwrap_or_else(|| found.iter().map(|_| None).collect());
        let parts: Vec<_> = found.iter_mut().zip(slopes).map(Mutex::new).collect();
        crew.run(parts.len(), |_, i| {
            let mut part = parts[i].lock().expect("nobody else has this part");
            let (found, slope) = &mut *part;
            **found = self.difference(&pictures[i * area..][..area], slope.as_deref_mut());
        });
        drop(parts);
        found
    }

    fn difference(&self, picture: &[f32], gradient: Option<&mut [f32]>) -> f64 {
        let mut total = 0.0;
        let mut slopes: Vec<Vec<f32>> = Vec::new();
        let mut own = picture.to_vec();
        for (level, (_, target)) in self.levels.iter().enumerate() {
            if level > 0 {
                own = halved(&own, self.levels[level - 1].0);
            }
            let share = 1.0 / (target.len() * self.levels.len()) as f64;
            let apart: Vec<f32> = own.iter().zip(target).map(|(a, b)| a - b).collect();
            total += share * apart.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            if gradient.is_some() {
                slopes.push(apart.iter().map(|v| 2.0 * share as f32 * v).collect());
            }
        }
        if let Some(gradient) = gradient {
            for level in (1..slopes.len()).rev() {
                let (larger, smaller) = slopes.split_at_mut(level);
                let size = self.levels[level - 1].0;
                let area = size[0] * size[1];
                let planes = larger[level - 1].chunks_exact_mut(area).zip(smaller[0].chunks_exact(area / 4));
                planes.for_each(|(to, from)| halve_adjoint(from, size, to));
            }
            gradient.copy_from_slice(&slopes[0]);
        }
        total
    }
}

/// The next size, if there is one.
fn smaller([h, w]: [usize; 2]) -> Option<[usize; 2]> {
    (h.is_multiple_of(2) && w.is_multiple_of(2) && h.min(w) / 2 >= SHORTEST).then_some([h / 2, w / 2])
}

fn halved(planes: &[f32], size: [usize; 2]) -> Vec<f32> {
    let area = size[0] * size[1];
    let mut out = vec![0.0; planes.len() / 4];
    for (to, from) in out.chunks_exact_mut(area / 4).zip(planes.chunks_exact(area)) {
        halve(from, size, to);
    }
    out
}

#[cfg(test)]
mod tests {
    use kernels::Isa;

    use super::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        synth::latent::normal(synth::Seed(seed), 0, &mut out);
        out
    }

    #[test]
    fn sizes_halve_down_to_eight() {
        let sizes = |size: [usize; 2]| Pyramid::new(&vec![0.0; 3 * size[0] * size[1]], size).levels.len();
        assert_eq!([[64, 64], [32, 16], [8, 8], [4, 4], [36, 36], [33, 32]].map(sizes), [4, 2, 1, 1, 3, 1]);
    }

    /// A shift of brightness is the same at all sizes; a chequerboard is nothing from the second on.
    #[test]
    fn what_is_seen_at_which_size() {
        let (crew, size) = (Crew::alone(Isa::best()), [32, 32]);
        let pyramid = Pyramid::new(&[0.0; 3 * 1024], size);
        let brighter = [0.5; 3 * 1024];
        let chequered: Vec<f32> = (0..3 * 1024).map(|i| if (i + i / 32) % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let found = pyramid.differences(&crew, &[&brighter[..], &chequered].concat(), None);
        assert!((found[0] - 0.25).abs() < 1e-6 && (found[1] - 1.0 / 3.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn slopes_equal_difference_quotients() {
        let (crew, size) = (Crew::new(Isa::best(), 2), [32, 48]);
        let area = 3 * 32 * 48;
        let pyramid = Pyramid::new(&numbers(area, 1), size);
        let (pictures, direction) = (numbers(2 * area, 2), numbers(2 * area, 3));
        let mut gradient = vec![7.0; 2 * area];
        let found = pyramid.differences(&crew, &pictures, Some(&mut gradient));
        assert_eq!(found, pyramid.differences(&crew, &pictures, None));
        let moved = |by: f32| -> f64 {
            let x: Vec<f32> = pictures.iter().zip(&direction).map(|(x, d)| x + by * d).collect();
            pyramid.differences(&crew, &x, None).iter().sum()
        };
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        // A sum of squares: central differences are exact but for rounding.
        let quotient = (moved(0.1) - moved(-0.1)) / 0.2;
        assert!((slope - quotient).abs() < 1e-4 * quotient.abs(), "{slope} {quotient}");
    }
}
