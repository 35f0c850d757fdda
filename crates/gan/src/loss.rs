//! Losses of one step: relativistic pairing with a penalty on D's gradient at real and drawn pictures (R3GAN, arXiv 2501.05441).

use tch::{Kind, Tensor};

use crate::config::{LossConfig, Penalty};

/// `softplus(-u)` for D, `softplus(u)` for G, with `u = D(real) - D(fake)` a pair.
pub(crate) fn softplus(u: &Tensor) -> Tensor {
    u.softplus().mean(Kind::Float)
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
        Penalty::Exact => {
            let x = Tensor::cat(&[real.narrow(0, 0, q), fake.narrow(0, 0, q)], 0).set_requires_grad(true);
            let logits = d(&x);
            let slopes = Tensor::run_backward(&[logits.sum(Kind::Float)], &[&x], true, true);
            let penalty =
                slopes[0].square().sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Float).sum(Kind::Float) / q;
            let all = d(&Tensor::cat(&[real, fake], 0));
            let parts = all.split_with_sizes([n, n], 0);
            (parts[0].shallow_clone(), parts[1].shallow_clone(), penalty)
        }
    };
    let u = &logits_real - &logits_fake;
    let drift = (&logits_real + &logits_fake).square().mean(Kind::Float);
    let total = softplus(&-u) + &penalty * (gamma / 2.0) + drift * config.drift;
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

    /// For a linear D the gradient is the weight, so the exact penalty is 2 |w|^2 and the approximate one agrees in the mean.
    #[test]
    fn both_penalties_estimate_the_squared_gradient_norm() {
        tch::manual_seed(1);
        let w = Tensor::randn([3 * 4 * 4], (Kind::Float, Device::Cpu));
        let norm = f64::try_from(w.square().sum(Kind::Float)).unwrap();
        let d = |x: &Tensor| x.flatten(1, -1).matmul(&w);
        let batch = || Tensor::randn([4000, 3, 4, 4], (Kind::Float, Device::Cpu));
        let base = Config::preset("c64").unwrap().loss;
        for penalty in [Penalty::Exact, Penalty::Approximate] {
            let c = LossConfig { penalty, ..base.clone() };
            let l = discriminator(&d, &batch(), &batch(), 4000, 1.0, &c);
            let ratio = f64::try_from(l.penalty).unwrap() / (2.0 * norm);
            assert!((ratio - 1.0).abs() < 0.1, "{penalty:?}: {ratio}");
        }
    }

    #[test]
    fn a_sure_discriminator_has_a_small_loss_and_the_generator_a_large_one() {
        let u = Tensor::from_slice(&[5f32, 6.0]);
        assert!(f64::try_from(softplus(&-&u)).unwrap() < 0.01);
        assert!(f64::try_from(softplus(&u)).unwrap() > 5.0);
    }
}
