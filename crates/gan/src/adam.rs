//! Adam (arXiv 1412.6980) on one flat vector.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kernels::Crew;

use crate::config::OptimizerConfig;

/// Numbers that a thread takes at a time.
const PART: usize = 1 << 16;

/// Moments of one network's weights.
#[derive(Clone, Debug)]
pub(crate) struct Adam {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
    /// Steps taken, for the bias correction.
    pub(crate) steps: u64,
}

/// What a schedule says of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates<'a> {
    /// Learning rate.
    pub(crate) lr: f64,
    /// Times this for each weight, where it is given.
    pub(crate) factors: Option<&'a [f32]>,
    /// Decay of the second moment.
    pub(crate) beta2: f64,
}

/// Entries of a gradient that were not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// How many.
    pub(crate) entries: u64,
    /// The place of the first of them.
    pub(crate) first: Option<usize>,
}

impl Adam {
    pub(crate) fn new(length: usize) -> Self {
        Self { first: vec![0.0; length], second: vec![0.0; length], steps: 0 }
    }

    /// One step along `gradient`, which is zero afterwards. Entries that are not finite count as zero and are returned.
    pub(crate) fn step(
        &mut self,
        crew: &Crew,
        weights: &mut [f32],
        gradient: &mut [f32],
        Rates { lr, factors, beta2 }: Rates<'_>,
        o: &OptimizerConfig,
    ) -> Dropped {
        self.steps += 1;
        let t = self.steps as f64;
        let (beta1, beta2, eps) = (o.beta1 as f32, beta2 as f32, o.eps as f32);
        let rate = (lr / (1.0 - o.beta1.powf(t))) as f32;
        let root = (1.0 / (1.0 - f64::from(beta2).powf(t))).sqrt() as f32;
        let (dropped, earliest) = (AtomicU64::new(0), AtomicUsize::new(usize::MAX));
        let moments = self.first.chunks_mut(PART).zip(self.second.chunks_mut(PART));
        let values = weights.chunks_mut(PART).zip(gradient.chunks_mut(PART));
        let parts: Vec<_> = moments.zip(values).map(Mutex::new).collect();
        crew.in_parts(parts.len(), |range| {
            for index in range {
                let mut part = parts[index].lock().expect("nobody else has this part");
                let ((first, second), (weights, gradient)) = &mut *part;
                let mut bad = 0;
                let values = weights.iter_mut().zip(gradient.iter_mut());
                let moments = first.iter_mut().zip(second.iter_mut());
                let step = |w: &mut f32, gradient: &mut f32, first: &mut f32, second: &mut f32, rate: f32| {
                    let finite = gradient.abs() <= f32::MAX;
                    let g = if finite { *gradient } else { 0.0 };
                    // What is not finite stays until it has been found.
                    *gradient = if finite { 0.0 } else { *gradient };
                    *first = beta1 * *first + (1.0 - beta1) * g;
                    *second = beta2 * *second + (1.0 - beta2) * g * g;
                    *w -= rate * *first / (second.sqrt() * root + eps);
                    u32::from(!finite)
                };
                match factors {
                    None => {
                        for ((w, g), (first, second)) in values.zip(moments) {
                            bad += step(w, g, first, second, rate);
                        }
                    }
                    Some(factors) => {
                        for (((w, g), (first, second)), factor) in values.zip(moments).zip(&factors[index * PART..]) {
                            bad += step(w, g, first, second, rate * factor);
                        }
                    }
                }
                if let Some(place) = (bad > 0).then(|| gradient.iter().position(|g| !g.is_finite())).flatten() {
                    gradient.fill(0.0);
                    earliest.fetch_min(index * PART + place, Ordering::Relaxed);
                    dropped.fetch_add(u64::from(bad), Ordering::Relaxed);
                }
            }
        });
        let earliest = earliest.into_inner();
        Dropped { entries: dropped.into_inner(), first: (earliest < usize::MAX).then_some(earliest) }
    }
}

/// `to += share (from - to)`
pub(crate) fn move_towards(crew: &Crew, to: &mut [f32], from: &[f32], share: f64) {
    let share = share as f32;
    let parts: Vec<_> = to.chunks_mut(PART).zip(from.chunks(PART)).map(Mutex::new).collect();
    crew.in_parts(parts.len(), |range| {
        for part in &parts[range] {
            let mut part = part.lock().expect("nobody else has this part");
            let (to, from) = &mut *part;
            to.iter_mut().zip(*from).for_each(|(to, from)| *to += share * (from - *to));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use kernels::Isa;

    fn step(adam: &mut Adam, weights: &mut [f32], gradient: &mut [f32], o: &OptimizerConfig) -> Dropped {
        let rates = Rates { lr: 0.1, factors: None, beta2: 0.99 };
        adam.step(&Crew::alone(Isa::best()), weights, gradient, rates, o)
    }

    /// Values of `torch.optim.Adam` (PyTorch 2.11, lr 0.1, betas (0.5, 0.99), eps 1e-8) after three steps on w^2 from [1, -2].
    #[test]
    fn three_steps_equal_pytorch() {
        let o = OptimizerConfig { beta1: 0.5, ..Config::preset("c64").unwrap().optimizer };
        let mut w = [1f32, -2.0];
        let mut adam = Adam::new(2);
        for _ in 0..3 {
            let mut gradient = w.map(|v| 2.0 * v);
            step(&mut adam, &mut w, &mut gradient, &o);
            assert!(gradient.iter().all(|v| v.to_bits() == 0));
        }
        assert!((w[0] - ADAM_GOLDEN[0]).abs() < 1e-6 && (w[1] - ADAM_GOLDEN[1]).abs() < 1e-6, "{w:?}");
    }

    const ADAM_GOLDEN: [f32; 2] = [0.706_886_2, -1.703_173_9];

    #[test]
    fn non_finite_gradients_are_counted_and_leave_the_weight_alone() {
        let o = Config::preset("c64").unwrap().optimizer;
        let mut w = [1f32; 3];
        let bad = step(&mut Adam::new(3), &mut w, &mut [1.0, f32::NAN, f32::INFINITY], &o);
        assert_eq!(bad, Dropped { entries: 2, first: Some(1) });
        assert_eq!(w[1..], [1.0, 1.0]);
        assert!(w[0] < 1.0);
        let length = PART + 5;
        let mut gradient = vec![1.0; length];
        gradient[PART + 3] = f32::NAN;
        let bad = step(&mut Adam::new(length), &mut vec![1.0; length], &mut gradient, &o);
        assert_eq!(bad, Dropped { entries: 1, first: Some(PART + 3) });
    }
}
