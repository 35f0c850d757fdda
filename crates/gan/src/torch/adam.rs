//! Adam (arXiv 1412.6980) on one flat vector.

use tch::{Kind, Tensor, no_grad};

use crate::config::OptimizerConfig;

/// Moments of one network's weights.
pub(crate) struct Adam {
    pub(crate) first: Tensor,
    pub(crate) second: Tensor,
    /// Steps taken, for the bias correction.
    pub(crate) steps: u64,
}

impl Adam {
    pub(crate) fn new(weights: &Tensor) -> Self {
        Self { first: weights.zeros_like(), second: weights.zeros_like(), steps: 0 }
    }

    /// One step along `gradient`, `factors` times the learning rate where they are given. Non-finite entries count as zero; their
    /// number is returned as a tensor, so that nothing waits.
    pub(crate) fn step(
        &mut self,
        weights: &mut Tensor,
        mut gradient: Tensor,
        lr: f64,
        factors: Option<&Tensor>,
        o: &OptimizerConfig,
    ) -> Tensor {
        no_grad(|| {
            let bad = gradient.isfinite().logical_not().sum(Kind::Float);
            let _ = gradient.nan_to_num_(0.0, 0.0, 0.0);
            self.steps += 1;
            let t = self.steps as f64;
            let correction1 = 1.0 - o.beta1.powf(t);
            let correction2 = 1.0 - o.beta2.powf(t);
            let _ = self.first.lerp_(&gradient, 1.0 - o.beta1);
            let _ = self.second.lerp_(&gradient.square(), 1.0 - o.beta2);
            let denominator = self.second.sqrt() / correction2.sqrt() + o.eps;
            let mut step = &self.first * (-lr / correction1);
            if let Some(factors) = factors {
                step *= factors;
            }
            let _ = weights.addcdiv_(&step, &denominator);
            bad
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    /// Values of `torch.optim.Adam` (PyTorch 2.11, lr 0.1, betas (0.5, 0.99), eps 1e-8) after three steps on w^2 from [1, -2].
    #[test]
    fn three_steps_equal_pytorch() {
        let o = OptimizerConfig { beta1: 0.5, ..Config::preset("c64").unwrap().optimizer };
        let mut w = Tensor::from_slice(&[1f32, -2.0]);
        let mut adam = Adam::new(&w);
        for _ in 0..3 {
            let gradient = &w * 2.0;
            let _ = adam.step(&mut w, gradient, 0.1, None, &o);
        }
        let w: Vec<f32> = Vec::try_from(&w).unwrap();
        assert!((w[0] - ADAM_GOLDEN[0]).abs() < 1e-6 && (w[1] - ADAM_GOLDEN[1]).abs() < 1e-6, "{w:?}");
    }

    const ADAM_GOLDEN: [f32; 2] = [0.706_886_2, -1.703_173_9];

    #[test]
    fn non_finite_gradients_are_counted_and_leave_the_weight_alone() {
        let o = Config::preset("c64").unwrap().optimizer;
        let mut w = Tensor::from_slice(&[1f32, 1.0, 1.0]);
        let mut adam = Adam::new(&w);
        let bad = adam.step(&mut w, Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0]), 0.1, None, &o);
        assert_eq!(f64::try_from(bad).unwrap() as i64, 2);
        let w: Vec<f32> = Vec::try_from(&w).unwrap();
        assert_eq!(&w[..2], [1.0, 1.0]);
        assert!(w[2] < 1.0);
    }
}
