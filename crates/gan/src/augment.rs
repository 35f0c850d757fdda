//! Synchronised augmentation: one random transform a pair, applied to the real and the drawn picture alike, so that under a
//! relativistic loss it tells D nothing (after DiffAugment, arXiv 2006.10738). Every transform is affine in the pixels, so that the way back is its
//! transpose.

use kernels::train::Cpu;
use synth::{Seed, latent};

use crate::Schedule;
use crate::config::AugmentConfig;
use crate::tape::share;

/// A blur of fewer pixels than this changes nothing.
const SHARP: f64 = 0.2;
/// Stream of a step's seed that augmentation draws from.
const STREAM: u32 = 2;
/// Random numbers of one picture.
const NUMBERS: usize = 12;

/// What happens to one picture, in this order.
#[derive(Clone, Copy, Debug)]
struct Transform {
    brightness: f32,
    saturation: f32,
    contrast: f32,
    /// Whole pixels to the right and down.
    shift: [isize; 2],
    /// First and last but one row and column of what is cut out.
    hole: Option<[usize; 4]>,
}

/// The random transforms of one batch.
pub(crate) struct Augmentation {
    transforms: Vec<Transform>,
    size: usize,
    /// [size, size]: what each row of a blurred picture takes of which rows; of columns the same.
    blur: Option<Vec<f32>>,
    /// Whether anything happens at all.
    idle: bool,
}

impl Augmentation {
    /// Draws transforms for `n` pictures of `size` pixels; every operation but the blur is applied with the schedule's probability.
    pub(crate) fn sample(config: &AugmentConfig, schedule: &Schedule, n: usize, size: usize, seed: Seed) -> Self {
        let key = [seed.0 as u32, (seed.0 >> 32) as u32];
        let transforms = (0..n).map(|picture| {
            let mut numbers = [0f64; NUMBERS];
            for (block, four) in numbers.chunks_mut(4).enumerate() {
                let words = latent::philox([block as u32, STREAM, picture as u32, 0], key);
                four.iter_mut().zip(words).for_each(|(to, w)| *to = (f64::from(w) + 0.5) / 4_294_967_296.0);
            }
            Transform::of(config, schedule.p, size, numbers)
        });
        let sigma = schedule.blur * size as f64;
        let blur = (sigma > SHARP).then(|| gaussian(size, sigma));
        Self { idle: schedule.p <= 0.0 && blur.is_none(), transforms: transforms.collect(), size, blur }
    }

    /// Transforms planar pictures [n, 3, size, size] in place.
    pub(crate) fn apply(&self, cpu: &Cpu, pictures: &mut [f32]) {
        if self.idle {
            return;
        }
        let area = self.size * self.size;
        share(cpu, pictures.chunks_exact_mut(3 * area).zip(&self.transforms), |(picture, t)| {
            let mut moved = vec![0.0; area];
            t.colour(picture, area, true);
            for plane in picture.chunks_exact_mut(area) {
                self.place(t, plane, &mut moved);
                plane.copy_from_slice(&moved);
            }
            self.smooth(picture);
        });
    }

    /// The gradient at pictures before from the one after, in place.
    pub(crate) fn transpose(&self, cpu: &Cpu, gradient: &mut [f32]) {
        if self.idle {
            return;
        }
        let area = self.size * self.size;
        share(cpu, gradient.chunks_exact_mut(3 * area).zip(&self.transforms), |(picture, t)| {
            let mut moved = vec![0.0; area];
            self.smooth_transposed(picture);
            for plane in picture.chunks_exact_mut(area) {
                moved.fill(0.0);
                for (i, v) in plane.iter().enumerate() {
                    if let Some(from) = self.source(t, i) {
                        moved[from] += v;
                    }
                }
                plane.copy_from_slice(&moved);
            }
            t.colour(picture, area, false);
        });
    }

    /// Which pixel comes to place `i`, unless it is cut out. Borders are reflected: a shifted picture has no grey frame.
    fn source(&self, t: &Transform, i: usize) -> Option<usize> {
        let (y, x) = (i / self.size, i % self.size);
        if t.hole.is_some_and(|[top, bottom, left, right]| (top..bottom).contains(&y) && (left..right).contains(&x)) {
            return None;
        }
        let reflect = |at: usize, by: isize| {
            let (v, n) = (at as isize - by, self.size as isize);
            (if v < 0 {
                -v - 1
            } else if v >= n {
                2 * n - 1 - v
            } else {
                v
            }) as usize
        };
        Some(reflect(y, t.shift[1]) * self.size + reflect(x, t.shift[0]))
    }

    fn place(&self, t: &Transform, from: &[f32], to: &mut [f32]) {
        for (i, to) in to.iter_mut().enumerate() {
            *to = self.source(t, i).map_or(0.0, |from_place| from[from_place]);
        }
    }

    fn smooth(&self, picture: &mut [f32]) {
        let Some(blur) = &self.blur else { return };
        let n = self.size;
        for plane in picture.chunks_exact_mut(n * n) {
            let rows = product(blur, plane, n, |y, k| y * n + k);
            // Columns: the same from the right.
            for y in 0..n {
                for x in 0..n {
                    plane[y * n + x] = (0..n).map(|k| rows[y * n + k] * blur[x * n + k]).sum();
                }
            }
        }
    }

    fn smooth_transposed(&self, picture: &mut [f32]) {
        let Some(blur) = &self.blur else { return };
        let n = self.size;
        for plane in picture.chunks_exact_mut(n * n) {
            let rows = product(blur, plane, n, |y, k| k * n + y);
            for y in 0..n {
                for x in 0..n {
                    plane[y * n + x] = (0..n).map(|k| rows[y * n + k] * blur[k * n + x]).sum();
                }
            }
        }
    }
}

/// `out[y][x] = sum_k matrix[place(y, k)] plane[k][x]`
fn product(matrix: &[f32], plane: &[f32], n: usize, place: impl Fn(usize, usize) -> usize) -> Vec<f32> {
    let mut out = vec![0.0; n * n];
    for y in 0..n {
        for k in 0..n {
            let factor = matrix[place(y, k)];
            for x in 0..n {
                out[y * n + x] += factor * plane[k * n + x];
            }
        }
    }
    out
}

impl Transform {
    fn of(config: &AugmentConfig, p: f64, size: usize, u: [f64; NUMBERS]) -> Self {
        let signed = |value: f64, coin: f64| if coin < p { value * 2.0 - 1.0 } else { 0.0 };
        let c = config.colour;
        let reach = config.translate * size as f64;
        let side = config.cutout * size as f64;
        let along = |centre: f64| {
            let centre = centre * size as f64;
            let clip = |v: f64| v.round().clamp(0.0, size as f64) as usize;
            [clip(centre - side / 2.0), clip(centre + side / 2.0)]
        };
        let ([top, bottom], [left, right]) = (along(u[9]), along(u[10]));
        Self {
            brightness: (signed(u[0], u[1]) * 0.4 * c) as f32,
            saturation: (signed(u[2], u[3]) * 0.8 * c + 1.0) as f32,
            contrast: (signed(u[4], u[5]) * 0.5 * c + 1.0) as f32,
            shift: [signed(u[6], u[8]), signed(u[7], u[8])].map(|v| (v * reach).round() as isize),
            hole: (config.cutout > 0.0 && u[11] < p).then_some([top, bottom, left, right]),
        }
    }

    /// Brightness, then saturation about the pixel's mean, then contrast about the picture's; or, backwards, their transpose, which is the same but for
    /// the brightness and the order, as the two means commute.
    fn colour(&self, picture: &mut [f32], area: usize, forward: bool) {
        let lift = if forward { self.brightness } else { 0.0 };
        for i in 0..area {
            let rgb = [0, 1, 2].map(|k| picture[k * area + i] + lift);
            let grey = rgb.iter().sum::<f32>() / 3.0;
            for k in 0..3 {
                picture[k * area + i] = (rgb[k] - grey) * self.saturation + grey;
            }
        }
        let mean = picture.iter().sum::<f32>() / picture.len() as f32;
        for v in picture {
            *v = (*v - mean) * self.contrast + mean;
        }
    }
}

/// Gaussian weights [size, size], each row summing to 1, so that borders keep their brightness.
fn gaussian(size: usize, sigma: f64) -> Vec<f32> {
    let mut all = Vec::with_capacity(size * size);
    for y in 0..size {
        let row: Vec<f64> = (0..size).map(|x| (-0.5 * ((x as f64 - y as f64) / sigma).powi(2)).exp()).collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.iter().map(|v| (v / sum) as f32));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Progress};

    fn cpu() -> Cpu {
        Cpu::new(kernels::Isa::best(), 2)
    }

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        latent::normal(Seed(seed), 0, &mut out);
        out
    }

    /// The first moment of a run.
    fn at(p: f64, blur: f64) -> Schedule {
        Schedule { p, blur, ..Schedule::at(&Config::preset("c64").unwrap(), Progress::default()) }
    }

    fn config() -> AugmentConfig {
        AugmentConfig { translate: 0.125, cutout: 0.4, colour: 1.0, ..Config::preset("c64").unwrap().augment }
    }

    #[test]
    fn the_way_back_is_the_transpose() {
        for blur in [0.0, 0.05] {
            let a = Augmentation::sample(&config(), &at(1.0, blur), 6, 16, Seed(4));
            let x = numbers(6 * 3 * 256, 1);
            let (mut y, mut zero) = (x.clone(), vec![0.0; x.len()]);
            a.apply(&cpu(), &mut y);
            a.apply(&cpu(), &mut zero);
            let back = numbers(x.len(), 2);
            let mut dx = back.clone();
            a.transpose(&cpu(), &mut dx);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let linear: Vec<f32> = y.iter().zip(&zero).map(|(y, z)| y - z).collect();
            let (left, right) = (dot(&linear, &back), dot(&x, &dx));
            assert!((left - right).abs() < 1e-2, "{left} {right}");
        }
    }

    #[test]
    fn probability_zero_changes_nothing() {
        let x = numbers(8 * 3 * 256, 1);
        let mut y = x.clone();
        Augmentation::sample(&config(), &at(0.0, 0.0), 8, 16, Seed(1)).apply(&cpu(), &mut y);
        assert_eq!(x, y);
    }

    #[test]
    fn a_blur_spreads_a_point_as_far_as_it_says_and_keeps_what_is_even() {
        let a = Augmentation::sample(&config(), &at(0.0, 0.1), 1, 32, Seed(1));
        let mut even = vec![1.0; 3 * 1024];
        a.apply(&cpu(), &mut even);
        assert!(even.iter().all(|v| (v - 1.0).abs() < 1e-5));
        let mut point = vec![0.0; 3 * 1024];
        point[16 * 32 + 15] = 1.0;
        a.apply(&cpu(), &mut point);
        let variance: f32 = (0..1024).map(|i| point[i] * ((i / 32) as f32 - 16.0).powi(2)).sum();
        assert!((variance.sqrt() - 3.2).abs() < 0.05, "{variance}");
    }

    #[test]
    fn translation_moves_whole_pixels() {
        let c = AugmentConfig { cutout: 0.0, colour: 0.0, ..config() };
        let x = numbers(4 * 3 * 256, 3);
        let mut y = x.clone();
        Augmentation::sample(&c, &at(1.0, 0.0), 4, 16, Seed(3)).apply(&cpu(), &mut y);
        for i in 0..4 {
            let at = |p: &[f32], y: isize, x: isize| p[i * 768 + (y * 16 + x) as usize];
            let same = |dy: isize, dx: isize| {
                (2..14).all(|r| (2..14).all(|c| (at(&x, r - dy, c - dx) - at(&y, r, c)).abs() < 1e-6))
            };
            assert!((-2..=2).any(|dy| (-2..=2).any(|dx| same(dy, dx))), "picture {i} is no whole-pixel translation");
        }
    }
}
