//! Losses of one step, as numbers and slopes in D's outputs: what is done to a handful of logits is the same on every device.

use kernels::train::Cpu;

use crate::config::{LossConfig, Pairing};
use crate::tape::share;

/// D's loss without the penalty, and its slope in each logit.
#[derive(Clone, Debug)]
pub(crate) struct DLoss {
    pub(crate) total: f64,
    /// Slopes in the logits of real pictures, then of drawn ones.
    pub(crate) slopes: Vec<f32>,
}

fn softplus(u: f64) -> f64 {
    u.max(0.0) + (-u.abs()).exp().ln_1p()
}

fn sigmoid(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}

/// D's loss from its logits of real and of drawn pictures, pair by pair, without the penalty.
pub(crate) fn discriminator(config: &LossConfig, real: &[f32], fake: &[f32]) -> DLoss {
    let n = real.len() as f64;
    let mut total = 0.0;
    let (mut to_real, mut to_fake) = (Vec::with_capacity(real.len()), Vec::with_capacity(real.len()));
    for (r, f) in real.iter().zip(fake) {
        let (r, f) = (f64::from(*r), f64::from(*f));
        let (loss, dr, df) = match config.pairing {
            Pairing::Relativistic => (softplus(f - r), -sigmoid(f - r), sigmoid(f - r)),
            Pairing::Logistic => (softplus(-r) + softplus(f), -sigmoid(-r), sigmoid(f)),
        };
        let drift = 2.0 * config.drift * (r + f);
        total += (loss + config.drift * (r + f).powi(2)) / n;
        to_real.push(((dr + drift) / n) as f32);
        to_fake.push(((df + drift) / n) as f32);
    }
    to_real.extend(to_fake);
    DLoss { total, slopes: to_real }
}

/// G's loss from D's logits, and its slopes in those of drawn pictures.
pub(crate) fn generator(pairing: Pairing, real: &[f32], fake: &[f32]) -> (f64, Vec<f32>) {
    let n = fake.len() as f64;
    let mut total = 0.0;
    let mut slope = |(r, f): (&f32, &f32)| {
        let u = match pairing {
            Pairing::Relativistic => f64::from(*r) - f64::from(*f),
            Pairing::Logistic => -f64::from(*f),
        };
        total += softplus(u) / n;
        (-sigmoid(u) / n) as f32
    };
    let slopes = real.iter().zip(fake).map(&mut slope).collect();
    (total, slopes)
}

/// How well D tells pictures apart: those on the right side less those on the wrong one, as a share of all. Of pairs, or of real pictures where each is
/// compared with zero.
pub(crate) fn apart(pairing: Pairing, real: &[f32], fake: &[f32]) -> f32 {
    let sign = |(r, f): (&f32, &f32)| {
        let than = if pairing == Pairing::Relativistic { *f } else { 0.0 };
        f32::from(i8::from(*r > than) - i8::from(*r < than))
    };
    real.iter().zip(fake).map(sign).sum::<f32>() / real.len() as f32
}

/// Sum over real and drawn pictures (real ones alone for R1) of the mean squared slope of D, `count` pictures each, and the gradient of `gamma / 2`
/// times it in the slopes.
pub(crate) fn penalty(gamma: f64, slopes: &[f32], count: usize) -> (f64, Vec<f32>) {
    let square: f64 = slopes.iter().map(|v| f64::from(*v).powi(2)).sum();
    let back = slopes.iter().map(|v| (gamma * f64::from(*v) / count as f64) as f32).collect();
    (square / count as f64, back)
}

/// Directions of length 1 along the gradient at pictures `of`, each of `size` numbers.
pub(crate) fn along_gradient(cpu: &Cpu, gradient: &[f32], of: &[usize], size: usize) -> Vec<f32> {
    let mut directions = vec![0.0; of.len() * size];
    share(cpu, directions.chunks_exact_mut(size).zip(of), |(to, &picture)| {
        let from = &gradient[picture * size..][..size];
        let length = from.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let factor = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
        to.iter_mut().zip(from).for_each(|(to, v)| *to = v * factor);
    });
    directions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn a_sure_discriminator_has_a_small_loss_and_the_generator_a_large_one() {
        for pairing in [Pairing::Relativistic, Pairing::Logistic] {
            let c = LossConfig { pairing, drift: 0.0, ..Config::preset("c64").unwrap().loss };
            assert!(discriminator(&c, &[5.0, 6.0], &[-5.0, -6.0]).total < 0.02, "{pairing:?}");
            assert!(generator(pairing, &[5.0, 6.0], &[-5.0, -6.0]).0 > 5.0, "{pairing:?}");
        }
    }

    #[test]
    fn pictures_apart_are_counted_by_pairs_or_by_sides_of_zero() {
        let (real, fake) = ([2.0, 1.0, -1.0, 0.5], [1.0, 2.0, -3.0, 0.5]);
        assert!((apart(Pairing::Relativistic, &real, &fake) - 0.25).abs() < 1e-6);
        assert!((apart(Pairing::Logistic, &real, &fake) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_losses() {
        let (real, fake) = (vec![0.3f32, -1.2, 2.0], vec![-0.4f32, 0.9, 1.5]);
        let step = 1e-3;
        for pairing in [Pairing::Relativistic, Pairing::Logistic] {
            let c = LossConfig { pairing, drift: 0.05, ..Config::preset("c64").unwrap().loss };
            let d = discriminator(&c, &real, &fake);
            let (_, g) = generator(pairing, &real, &fake);
            for i in 0..6 {
                let moved = |by: f32| {
                    let (mut r, mut f) = (real.clone(), fake.clone());
                    if i < 3 {
                        r[i] += by;
                    } else {
                        f[i - 3] += by;
                    }
                    (discriminator(&c, &r, &f).total, generator(pairing, &r, &f).0)
                };
                let (up, down) = (moved(step), moved(-step));
                let slope = |a: f64, b: f64| (a - b) / f64::from(2.0 * step);
                assert!((slope(up.0, down.0) - f64::from(d.slopes[i])).abs() < 1e-4, "{pairing:?} {i}");
                if i >= 3 {
                    assert!((slope(up.1, down.1) - f64::from(g[i - 3])).abs() < 1e-4, "{pairing:?} {i}");
                }
            }
        }
    }
}
