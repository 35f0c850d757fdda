//! Synchronised augmentation: one random transform a pair, applied to the real and the drawn picture alike, so that under a
//! relativistic loss it tells D nothing (after DiffAugment, arXiv 2006.10738).

use tch::{Device, Kind, Tensor};

use crate::Schedule;
use crate::config::AugmentConfig;

/// A blur of fewer pixels than this changes nothing.
const SHARP: f64 = 0.2;

/// The random transforms of one batch.
pub(crate) struct Augmentation {
    brightness: Tensor,
    saturation: Tensor,
    contrast: Tensor,
    /// Affine matrices [n, 2, 3] from output to input coordinates in -1..1.
    theta: Tensor,
    /// 1 inside, 0 where the picture is cut out: [n, 1, h, w].
    mask: Option<Tensor>,
    /// [h, h]: what each row of a blurred picture takes of which rows; of columns the same.
    blur: Option<Tensor>,
    colour: bool,
}

impl Augmentation {
    /// Draws transforms for `n` pictures of `size` pixels; every operation but the blur is applied with the schedule's probability.
    pub(crate) fn sample(config: &AugmentConfig, schedule: &Schedule, n: i64, size: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        let uniform = || Tensor::rand([n, 1, 1, 1], options);
        let coin = || uniform().lt(schedule.p).to_kind(Kind::Float);
        let signed = || (uniform() * 2.0 - 1.0) * coin();
        let c = config.colour;
        let brightness = signed() * (0.4 * c);
        let saturation = signed() * (0.8 * c) + 1.0;
        let contrast = signed() * (0.5 * c) + 1.0;

        // Whole pixels, so that nothing is blurred. One pixel is 2 / size in grid coordinates.
        let moved = coin() * (config.translate * size as f64);
        let shift = |moved: &Tensor| ((uniform() * 2.0 - 1.0) * moved).round() * (2.0 / size as f64);
        let (tx, ty) = (shift(&moved).view([n]), shift(&moved).view([n]));
        let (one, zero) = (Tensor::ones([n], options), Tensor::zeros([n], options));
        let theta = Tensor::stack(&[&one, &zero, &tx, &zero, &one, &ty], 1).view([n, 2, 3]);

        let mask = (config.cutout > 0.0).then(|| {
            let half = config.cutout * size as f64 / 2.0;
            let along = |shape: [i64; 4]| {
                let centre = uniform() * size as f64;
                (Tensor::arange(size, options).view(shape) + 0.5 - centre).abs().lt(half).to_kind(Kind::Float)
            };
            1.0 - along([1, 1, size, 1]) * along([1, 1, 1, size]) * coin()
        });
        let sigma = schedule.blur * size as f64;
        let blur = (sigma > SHARP).then(|| gaussian(size, sigma, device));
        Self { brightness, saturation, contrast, theta, mask, blur, colour: c > 0.0 }
    }

    /// Transforms pictures [n, 3, h, w]; differentiable.
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        let mut x = x.shallow_clone();
        if self.colour {
            let lit = &x + &self.brightness;
            let grey = lit.mean_dim(1, true, Kind::Float);
            x = (lit - &grey) * &self.saturation + grey;
            let mean = x.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
            x = (&x - &mean) * &self.contrast + mean;
        }
        // Bilinear (0), borders reflected (2): a shifted picture has no grey frame.
        let grid = Tensor::affine_grid_generator(&self.theta, x.size().as_slice(), false);
        x = x.grid_sampler(&grid, 0, 2, false);
        if let Some(mask) = &self.mask {
            x *= mask;
        }
        match &self.blur {
            Some(blur) => blur.matmul(&x).matmul(&blur.tr()),
            None => x,
        }
    }
}

/// Gaussian weights [size, size], each row summing to 1, so that borders keep their brightness.
fn gaussian(size: i64, sigma: f64, device: Device) -> Tensor {
    let place = Tensor::arange(size, (Kind::Float, device));
    let distance = (place.unsqueeze(0) - place.unsqueeze(1)) / sigma;
    (distance.square() * -0.5).softmax(1, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    /// The first moment of a run without a blur.
    fn at(p: f64) -> Schedule {
        Schedule { p, blur: 0.0, ..Schedule::at(&Config::preset("c64").unwrap(), 0) }
    }

    #[test]
    fn a_blur_spreads_a_point_as_far_as_it_says_and_keeps_what_is_even() {
        let c = Config::preset("c64").unwrap().augment;
        let augmentation = Augmentation::sample(&c, &Schedule { blur: 0.1, ..at(0.0) }, 1, 32, Device::Cpu);
        let even = Tensor::ones([1, 3, 32, 32], (Kind::Float, Device::Cpu));
        assert!(f64::try_from((augmentation.apply(&even) - &even).abs().max()).unwrap() < 1e-5);
        let point = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
        let _ = point.narrow(2, 16, 1).narrow(3, 15, 1).fill_(1.0);
        let rows = augmentation.apply(&point).get(0).get(0).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let offset = Tensor::arange(32, (Kind::Float, Device::Cpu)) - 16.0;
        let variance = f64::try_from((rows * offset.square()).sum(Kind::Float)).unwrap();
        assert!((variance.sqrt() - 3.2).abs() < 0.05, "{variance}");
    }

    #[test]
    fn probability_zero_changes_nothing() {
        let c = Config::preset("c64").unwrap().augment;
        let x = Tensor::randn([8, 3, 16, 16], (Kind::Float, Device::Cpu));
        let y = Augmentation::sample(&c, &at(0.0), 8, 16, Device::Cpu).apply(&x);
        assert!(f64::try_from((x - y).abs().max()).unwrap() < 1e-5);
    }

    #[test]
    fn the_same_transform_serves_both_pictures_of_a_pair() {
        let c = Config::preset("c64").unwrap().augment;
        let x = Tensor::randn([8, 3, 16, 16], (Kind::Float, Device::Cpu));
        let a = Augmentation::sample(&c, &at(1.0), 8, 16, Device::Cpu);
        assert_eq!(a.apply(&x), a.apply(&x.copy()));
        assert!(f64::try_from((&x - a.apply(&x)).abs().max()).unwrap() > 0.1);
    }

    #[test]
    fn translation_moves_whole_pixels() {
        let c = AugmentConfig { cutout: 0.0, colour: 0.0, ..Config::preset("c64").unwrap().augment };
        tch::manual_seed(3);
        let x = Tensor::randn([4, 3, 16, 16], (Kind::Float, Device::Cpu));
        let y = Augmentation::sample(&c, &at(1.0), 4, 16, Device::Cpu).apply(&x);
        for i in 0..4 {
            let (x, y) = (x.get(i), y.get(i));
            let found = (-2..=2i64).flat_map(|dy| (-2..=2i64).map(move |dx| (dy, dx))).any(|(dy, dx)| {
                let a = x.narrow(1, 2 + dy, 12).narrow(2, 2 + dx, 12);
                f64::try_from((a - y.narrow(1, 2, 12).narrow(2, 2, 12)).abs().max()).unwrap() < 1e-4
            });
            assert!(found, "picture {i} is no whole-pixel translation");
        }
    }
}
