//! Losses of one step, and the penalty on D's gradient at real and drawn pictures.

use tch::{Kind, Tensor};

use crate::config::{LossConfig, Pairing, Penalty};

fn softplus(u: &Tensor) -> Tensor {
    u.softplus().mean(Kind::Float)
}

/// G's loss from D's logits; `real` is only asked for where the pairing needs it.
pub(crate) fn generator(pairing: Pairing, real: impl FnOnce() -> Tensor, fake: &Tensor) -> Tensor {
    match pairing {
        Pairing::Relativistic => softplus(&(real() - fake)),
        Pairing::Logistic => softplus(&-fake),
    }
}

/// D's loss and what it was made of; scalars on the device.
pub(crate) struct DLoss {
    pub(crate) total: Tensor,
    /// Logits of the real pictures, [n].
    pub(crate) logits_real: Tensor,
    pub(crate) real: Tensor,
    pub(crate) fake: Tensor,
    pub(crate) penalty: Tensor,
}

/// D's loss on pictures that are already augmented. `d` gives logits; `q` pictures of each kind feel the penalty.
pub(crate) fn discriminator(
    d: &dyn Fn(&Tensor) -> Tensor,
    real: &Tensor,
    fake: &Tensor,
    q: i64,
    gamma: f64,
    config: &LossConfig,
) -> DLoss {
    let n = real.size()[0];
    let (logits_real, logits_fake, penalty) = match config.penalty {
        Penalty::Approximate => {
            let near = |x: &Tensor| {
                let x = x.narrow(0, 0, q);
                &x + x.randn_like() * config.sigma
            };
            let all = d(&Tensor::cat(&[real, fake, &near(real), &near(fake)], 0));
            let parts = all.split_with_sizes([n, n, q, q], 0);
            let slope = |moved: &Tensor, logits: &Tensor| {
                ((moved - logits.narrow(0, 0, q)) / config.sigma).square().mean(Kind::Float)
            };
            let penalty = slope(&parts[2], &parts[0]) + slope(&parts[3], &parts[1]);
            (parts[0].shallow_clone(), parts[1].shallow_clone(), penalty)
        }
        Penalty::Exact | Penalty::R1 => {
            let two_sided = config.penalty == Penalty::Exact;
            let near = real.narrow(0, 0, q);
            let x = if two_sided { Tensor::cat(&[near, fake.narrow(0, 0, q)], 0) } else { near.copy() };
            let x = x.set_requires_grad(true);
            let logits = d(&x);
            let slopes = Tensor::run_backward(&[logits.sum(Kind::Float)], &[&x], true, true);
            let penalty =
                slopes[0].square().sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Float).sum(Kind::Float) / q;
            let all = d(&Tensor::cat(&[real, fake], 0));
            let parts = all.split_with_sizes([n, n], 0);
            (parts[0].shallow_clone(), parts[1].shallow_clone(), penalty)
        }
    };
    let drift = (&logits_real + &logits_fake).square().mean(Kind::Float);
    let adversarial = match config.pairing {
        Pairing::Relativistic => softplus(&(&logits_fake - &logits_real)),
        Pairing::Logistic => softplus(&-&logits_real) + softplus(&logits_fake),
    };
    let total = adversarial + &penalty * (gamma / 2.0) + drift * config.drift;
    DLoss {
        total,
        logits_real: logits_real.detach(),
        real: logits_real.mean(Kind::Float).detach(),
        fake: logits_fake.mean(Kind::Float).detach(),
        penalty: penalty.detach(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use tch::Device;

    /// For a linear D the gradient is the weight, so the exact penalty is |w|^2 a side and the approximate one agrees in the mean.
    #[test]
    fn every_penalty_estimates_the_squared_gradient_norm() {
        tch::manual_seed(1);
        let w = Tensor::randn([3 * 4 * 4], (Kind::Float, Device::Cpu));
        let norm = f64::try_from(w.square().sum(Kind::Float)).unwrap();
        let d = |x: &Tensor| x.flatten(1, -1).matmul(&w);
        let batch = || Tensor::randn([4000, 3, 4, 4], (Kind::Float, Device::Cpu));
        let base = Config::preset("c64").unwrap().loss;
        for (penalty, sides) in [(Penalty::Exact, 2.0), (Penalty::Approximate, 2.0), (Penalty::R1, 1.0)] {
            let c = LossConfig { penalty, ..base.clone() };
            let l = discriminator(&d, &batch(), &batch(), 4000, 1.0, &c);
            let ratio = f64::try_from(l.penalty).unwrap() / (sides * norm);
            assert!((ratio - 1.0).abs() < 0.1, "{penalty:?}: {ratio}");
        }
    }

    #[test]
    fn a_sure_discriminator_has_a_small_loss_and_the_generator_a_large_one() {
        let (real, fake) = (Tensor::from_slice(&[5f32, 6.0]), Tensor::from_slice(&[-5f32, -6.0]));
        let logits = Tensor::cat(&[&real, &fake], 0).view([4, 1, 1, 1]);
        let (x, y) = (logits.narrow(0, 0, 2), logits.narrow(0, 2, 2));
        // Its slope is 1 everywhere, which the penalty would count.
        let d = |x: &Tensor| x.flatten(0, -1);
        for pairing in [Pairing::Relativistic, Pairing::Logistic] {
            let c = LossConfig { pairing, drift: 0.0, ..Config::preset("c64").unwrap().loss };
            let l = discriminator(&d, &x, &y, 2, 0.0, &c);
            assert!(f64::try_from(l.total).unwrap() < 0.02, "{pairing:?}");
            let l = generator(pairing, || real.shallow_clone(), &fake);
            assert!(f64::try_from(l).unwrap() > 5.0, "{pairing:?}");
        }
    }
}
