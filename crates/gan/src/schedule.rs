//! What changes while a run goes on: each value as a function of the pictures seen so far.

use std::f64::consts::PI;

use crate::{Config, Progress};

/// The scheduled values at one moment of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Multiplies both learning rates.
    pub lr: f64,
    /// Weight of the gradient penalty.
    pub gamma: f64,
    /// Probability of each augmentation.
    pub p: f64,
    /// Standard deviation of the blur as a fraction of the size.
    pub blur: f64,
    /// Weight of the feature critic once it has warmed up.
    pub critic: f64,
    /// Multiplies the learning rate of what a grown G inherited.
    pub inherited: f64,
    /// Share of the largest stage in place of the one below it, where it is faded in; none where the two are summed from the start.
    pub fade: Option<f64>,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Factor that the average keeps of itself in this step.
    pub ema_beta: f64,
}

impl Schedule {
    /// Values for the step that comes next in a run that is this far.
    pub fn at(config: &Config, progress: Progress) -> Self {
        let kimg = progress.kimg();
        let batch = config.batch as f64 / 1000.0;
        let done = (kimg / config.kimg).min(1.0);
        let o = &config.optimizer;
        let warm = if o.warmup_kimg > 0.0 { ((kimg + batch) / o.warmup_kimg).min(1.0) } else { 1.0 };
        let cool = if done > o.cooldown_start {
            cosine(1.0, o.final_fraction, (done - o.cooldown_start) / (1.0 - o.cooldown_start))
        } else {
            1.0
        };
        let a = &config.augment;
        let ramp = if a.ramp_kimg > 0.0 { (kimg / a.ramp_kimg).min(1.0) } else { 1.0 };
        let half_life = (config.ema.half_life_kimg * config.batch as f64 / 32.0).min(config.ema.ramp * kimg);
        let critic = config.critic.as_ref().map_or(0.0, |c| {
            let faded = if c.fade_start < 1.0 { (done - c.fade_start) / (1.0 - c.fade_start) } else { 0.0 };
            cosine(c.weight, c.weight_final, faded)
        });
        let g = &config.growth;
        let released = if g.hold_kimg > 0.0 { kimg / g.hold_kimg - 1.0 } else { 1.0 };
        Self {
            critic,
            fade: (g.stages > 0 && g.fade_kimg > 0.0).then(|| (kimg / g.fade_kimg).min(1.0)),
            beta2: match o.beta2_initial {
                Some(initial) if o.beta2_kimg > 0.0 => cosine(initial, o.beta2, kimg / o.beta2_kimg),
                _ => o.beta2,
            },
            inherited: if g.stages > 0 { cosine(g.inherited, g.inherited_final, released) } else { 1.0 },
            lr: warm * cool,
            gamma: cosine(config.loss.gamma, config.loss.gamma_final, done),
            p: match (a.target, progress.augment_millionths) {
                (Some(_), Some(millionths)) => f64::from(millionths) / 1e6,
                _ => a.p + (a.p_final - a.p) * ramp,
            },
            blur: if kimg < a.blur_kimg { a.blur * (1.0 - kimg / a.blur_kimg) } else { 0.0 },
            ema_beta: if half_life > 0.0 { 0.5f64.powf(batch / half_life) } else { 0.0 },
        }
    }
}

/// Exponent of the power-function profile with a relative width: the root of `width^2 = (e + 1) / ((e + 2)^2 (e + 3))`, which falls
/// with e (arXiv 2312.02696, section 3.1).
pub(crate) fn exponent(width: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e4);
    for _ in 0..100 {
        let e: f64 = f64::midpoint(low, high);
        if (e + 1.0) / ((e + 2.0).powi(2) * (e + 3.0)) > width * width { low = e } else { high = e }
    }
    low
}

/// Half a cosine from `from` (t = 0) to `to` (t = 1).
fn cosine(from: f64, to: f64, t: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * t.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AugmentConfig;

    fn config() -> Config {
        Config { kimg: 100.0, ..Config::preset("c64").unwrap() }
    }

    fn after(config: &Config, images: u64) -> Schedule {
        Schedule::at(config, Progress { images, ..Progress::default() })
    }

    #[test]
    fn learning_rate_warms_up_stays_and_cools_down() {
        let c = config();
        assert!((after(&c, 0).lr - 0.032).abs() < 1e-12);
        assert!((after(&c, 30_000).lr - 1.0).abs() < 1e-12);
        assert!((after(&c, 60_000).lr - 1.0).abs() < 1e-12);
        assert!((after(&c, 80_000).lr - 0.525).abs() < 1e-12);
        assert!((after(&c, 100_000).lr - 0.05).abs() < 1e-12);
        assert!((after(&c, 200_000).lr - 0.05).abs() < 1e-12);
    }

    #[test]
    fn what_was_inherited_is_held_and_then_let_go() {
        let mut c = config();
        assert!((after(&c, 0).inherited - 1.0).abs() < 1e-12, "nothing was inherited");
        c.growth = crate::GrowthConfig {
            fade_kimg: 0.0,
            stages: 3,
            inherited: 0.1,
            inherited_final: 0.5,
            hold_kimg: 10.0,
            ..Default::default()
        };
        for (images, inherited) in [(0, 0.1), (10_000, 0.1), (15_000, 0.3), (20_000, 0.5), (90_000, 0.5)] {
            assert!((after(&c, images).inherited - inherited).abs() < 1e-12, "{images}");
        }
        c.growth.hold_kimg = 0.0;
        assert!((after(&c, 0).inherited - 0.5).abs() < 1e-12);
    }

    #[test]
    fn average_begins_as_a_copy_and_slows_down() {
        let c = config();
        assert_eq!(after(&c, 0).ema_beta.to_bits(), 0f64.to_bits());
        // Half-life 5 % of 40 kimg = 2 kimg = 62.5 steps.
        assert!((after(&c, 40_000).ema_beta.powf(62.5) - 0.5).abs() < 1e-9);
    }

    /// Of a profile as the trainer makes it, step by step, the standard deviation is measured.
    #[test]
    fn a_power_profile_is_as_wide_as_it_says() {
        const STEPS: usize = 20_000;
        for width in [0.05, 0.10, 0.25] {
            let e = exponent(width);
            let mut weight = 1.0;
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            // Backwards: what a step gave is multiplied by what all later ones kept.
            for t in (1..=STEPS).rev() {
                let kept = (1.0 - 1.0 / t as f64).powf(e + 1.0);
                let (w, x) = (weight * (1.0 - kept), t as f64 / STEPS as f64);
                (sum, first, second) = (sum + w, first + w * x, second + w * x * x);
                weight *= kept;
            }
            let deviation = (second / sum - (first / sum).powi(2)).sqrt();
            assert!((sum - 1.0).abs() < 1e-9 && (deviation / width - 1.0).abs() < 1e-3, "{width}: {deviation}");
        }
    }

    #[test]
    fn the_second_moments_memory_grows_where_it_begins_shorter() {
        let mut c = Config::preset("c64").unwrap();
        assert!((after(&c, 0).beta2 - 0.99).abs() < 1e-12);
        (c.optimizer.beta2_initial, c.optimizer.beta2_kimg) = (Some(0.9), 40.0);
        for (images, beta2) in [(0, 0.9), (20_000, 0.945), (40_000, 0.99), (500_000, 0.99)] {
            assert!((after(&c, images).beta2 - beta2).abs() < 1e-12, "{images}");
        }
    }

    #[test]
    fn augmentation_ramps_and_gamma_decays() {
        let c = config();
        assert!((after(&c, 0).p - c.augment.p).abs() < 1e-12);
        assert!((after(&c, 900_000).p - c.augment.p_final).abs() < 1e-12);
        let adapted = Progress { images: 900_000, augment_millionths: Some(250_000), ..Progress::default() };
        assert!((Schedule::at(&c, adapted).p - c.augment.p_final).abs() < 1e-12, "no target is followed");
        let follows = Config { augment: AugmentConfig { target: Some(0.6), ..c.augment.clone() }, ..c.clone() };
        assert!((Schedule::at(&follows, adapted).p - 0.25).abs() < 1e-12);
        assert!((after(&c, 100_000).gamma - c.loss.gamma_final).abs() < 1e-12);
    }

    #[test]
    fn a_stage_is_faded_in_along_a_line_or_not_at_all() {
        let mut c = config();
        assert_eq!(after(&c, 0).fade, None);
        (c.growth.stages, c.growth.fade_kimg) = (1, 20.0);
        for (images, share) in [(0, 0.0), (5_000, 0.25), (20_000, 1.0), (90_000, 1.0)] {
            assert!(after(&c, images).fade.is_some_and(|fade| (fade - share).abs() < 1e-12), "{images}");
        }
    }

    #[test]
    fn the_blur_goes_along_a_line() {
        let mut c = config();
        (c.augment.blur, c.augment.blur_kimg) = (0.04, 20.0);
        for (images, blur) in [(0, 0.04), (5_000, 0.03), (20_000, 0.0), (90_000, 0.0)] {
            assert!((after(&c, images).blur - blur).abs() < 1e-12, "{images}");
        }
    }
}
