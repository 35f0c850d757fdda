//! Synchronised augmentation: one random transform a pair, applied to the real and the drawn picture alike, so that under a
//! relativistic loss it tells D nothing (after DiffAugment, arXiv 2006.10738).

use tch::{Device, Kind, Tensor};

use crate::config::AugmentConfig;

/// The random transforms of one batch.
pub(crate) struct Augmentation {
    brightness: Tensor,
    saturation: Tensor,
    contrast: Tensor,
    /// Affine matrices [n, 2, 3] from output to input coordinates in -1..1.
    theta: Tensor,
    /// 1 inside, 0 where the picture is cut out: [n, 1, h, w].
    mask: Option<Tensor>,
    colour: bool,
}

impl Augmentation {
    /// Draws transforms for `n` pictures of `size` pixels; every operation is applied with probability `p`.
    pub(crate) fn sample(config: &AugmentConfig, p: f64, n: i64, size: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        let uniform = || Tensor::rand([n, 1, 1, 1], options);
        let coin = || uniform().lt(p).to_kind(Kind::Float);
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
        Self { brightness, saturation, contrast, theta, mask, colour: c > 0.0 }
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
        match &self.mask {
            Some(mask) => x * mask,
            None => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn probability_zero_changes_nothing() {
        let c = Config::preset("c64").unwrap().augment;
        let x = Tensor::randn([8, 3, 16, 16], (Kind::Float, Device::Cpu));
        let y = Augmentation::sample(&c, 0.0, 8, 16, Device::Cpu).apply(&x);
        assert!(f64::try_from((x - y).abs().max()).unwrap() < 1e-5);
    }

    #[test]
    fn the_same_transform_serves_both_pictures_of_a_pair() {
        let c = Config::preset("c64").unwrap().augment;
        let x = Tensor::randn([8, 3, 16, 16], (Kind::Float, Device::Cpu));
        let a = Augmentation::sample(&c, 1.0, 8, 16, Device::Cpu);
        assert_eq!(a.apply(&x), a.apply(&x.copy()));
        assert!(f64::try_from((&x - a.apply(&x)).abs().max()).unwrap() > 0.1);
    }

    #[test]
    fn translation_moves_whole_pixels() {
        let c = AugmentConfig { cutout: 0.0, colour: 0.0, ..Config::preset("c64").unwrap().augment };
        tch::manual_seed(3);
        let x = Tensor::randn([4, 3, 16, 16], (Kind::Float, Device::Cpu));
        let y = Augmentation::sample(&c, 1.0, 4, 16, Device::Cpu).apply(&x);
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
