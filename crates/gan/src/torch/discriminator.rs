//! D on libtorch: `crate::discriminator`, layer by layer, and its slope along directions by the same layers once more, with the signs that were kept.

use std::ops::Range;
use std::rc::Rc;

use kernels::train::Cpu;
use tch::{Kind, Tensor};

use super::layers::{Grids, Place, activate, conv, halve, halve_planes, linear, size};
use super::transfer::{Made, download, download_into};
use super::weights::Weights;
use crate::config::Downsample;
use crate::discriminator::{Discriminator, Shown};
use crate::generator::ACTIVATION_GAIN;
use crate::params::block;
use crate::tape::{Grid, Network};

/// Added to the variance before its root.
const EPSILON: f64 = 1e-8;

/// D's passes.
pub(super) struct Judging {
    place: Place,
    discriminator: Discriminator,
    weights: Weights,
    grids: Grids,
    judged: Vec<Part>,
    slopes: Option<Tensor>,
}

/// Consecutive pictures that were judged in one pass: of a step's, the real and the drawn ones, so that a walk back to the latter leaves the former
/// alone.
struct Part {
    pictures: Tensor,
    /// Empty where D knows none.
    classes: Vec<u32>,
    logits: Tensor,
    kept: Vec<Tensor>,
}

impl Part {
    fn len(&self) -> usize {
        self.logits.numel()
    }
}

impl Judging {
    pub(super) fn new(place: Place, cpu: Rc<Cpu>, discriminator: &Discriminator) -> Self {
        let weights = Weights::new(place, cpu, discriminator.layout());
        let (discriminator, grids) = (discriminator.clone(), Grids::default());
        Self { place, discriminator, weights, grids, judged: Vec::new(), slopes: None }
    }

    pub(super) fn logits(&mut self, d: &Network, Shown { pictures, classes, fade }: Shown<'_>) -> Made<Vec<f32>> {
        self.weights.send(d)?;
        self.judged.clear();
        self.slopes = None;
        let length = self.length();
        let (count, group) = (pictures.len() / length, self.discriminator.config().group);
        let part = if count.is_multiple_of(2 * group) { count / 2 } else { count };
        for (i, pictures) in pictures.chunks(part * length).enumerate() {
            let classes = classes.chunks(part).nth(i).unwrap_or_default().to_vec();
            let pictures = self.upload(pictures)?.f_set_requires_grad(true)?;
            let mut pass = self.pass(None, &classes);
            let logits = pass.run(&pictures, fade)?;
            let kept = pass.kept;
            self.judged.push(Part { pictures, classes, logits, kept });
        }
        let logits: Vec<&Tensor> = self.judged.iter().map(|part| &part.logits).collect();
        download(&Tensor::f_cat(&logits, 0)?)
    }

    pub(super) fn back(&mut self, slopes: &[f32], range: &Range<usize>, weights: bool) -> Made<Vec<f32>> {
        let length = self.length();
        let mut gradient = vec![0.0; slopes.len() * length];
        let mut first = 0;
        let (mut sums, mut parts, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for part in &self.judged {
            let own = first..first + part.len();
            first = own.end;
            if own.start < range.end && range.start < own.end {
                let slopes = self.place.upload(&slopes[own.clone()], &[-1])?;
                sums.push(part.logits.f_mul(&slopes)?.f_sum(None)?);
                parts.push(&part.pictures);
                places.push(own);
            }
        }
        for (found, own) in self.weights.walk_back(&sums, &parts, weights, true)?.iter().zip(places) {
            download_into(found, &mut gradient[own.start * length..own.end * length])?;
        }
        Ok(gradient)
    }

    pub(super) fn jvp(&mut self, directions: &[f32], fade: Option<f32>, of: &[usize]) -> Made<Vec<f32>> {
        let directions = self.upload(directions)?;
        let kept = self.kept(of)?;
        let all: Vec<u32> = self.judged.iter().flat_map(|part| part.classes.iter().copied()).collect();
        let classes: Vec<u32> = of.iter().filter_map(|picture| all.get(*picture).copied()).collect();
        let slopes = self.pass(Some(&kept), &classes).run(&directions, fade)?;
        let values = download(&slopes);
        self.slopes = Some(slopes);
        values
    }

    pub(super) fn jvp_backward(&mut self, gradient: &[f32]) -> Made<()> {
        let slopes = self.slopes.take().expect(super::ORDER);
        let sum = slopes.f_mul(&self.place.upload(gradient, &[-1])?)?.f_sum(None)?;
        self.weights.walk_back(&[sum], &[], true, true).map(drop)
    }

    pub(super) fn finish(&mut self, d: &mut Network) -> Made<()> {
        self.judged.clear();
        self.slopes = None;
        self.weights.finish(d)
    }

    /// Numbers of a picture.
    fn length(&self) -> usize {
        3 * self.discriminator.size().iter().product::<usize>()
    }

    fn upload(&self, pictures: &[f32]) -> Made {
        let [height, width] = self.discriminator.size().map(|side| side as i64);
        self.place.upload(pictures, &[-1, 3, height, width])
    }

    /// What was kept of pictures, layer by layer.
    fn kept(&self, of: &[usize]) -> Made<Vec<Tensor>> {
        let runs = runs(of, self.judged.first().expect(super::ORDER).len());
        let layer = |layer: usize| {
            let pieces = runs.iter().map(|(part, places)| {
                self.judged[*part].kept[layer].f_narrow(0, places.start as i64, places.len() as i64)
            });
            Tensor::f_cat(&pieces.collect::<Made<Vec<_>>>()?, 0)
        };
        (0..self.judged[0].kept.len()).map(layer).collect()
    }

    fn pass<'a>(&'a mut self, like: Option<&'a [Tensor]>, classes: &'a [u32]) -> Pass<'a> {
        let Self { place, discriminator, weights, grids, .. } = self;
        Pass { place: *place, d: discriminator, weights, grids, like, classes, kept: Vec::new(), layer: 0 }
    }
}

/// Numbers of pictures as runs of consecutive ones in parts of `length` pictures.
fn runs(of: &[usize], length: usize) -> Vec<(usize, Range<usize>)> {
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for picture in of {
        let (part, place) = (picture / length, picture % length);
        match runs.last_mut() {
            Some((last, run)) if *last == part && run.end == place => run.end += 1,
            _ => runs.push((part, place..place + 1)),
        }
    }
    runs
}

/// A forward pass or a tangent on its way.
struct Pass<'a> {
    place: Place,
    d: &'a Discriminator,
    weights: &'a mut Weights,
    grids: &'a mut Grids,
    /// For a tangent, what the pass kept whose derivative it is.
    like: Option<&'a [Tensor]>,
    classes: &'a [u32],
    /// Signs before each activation, and the deviation's slopes.
    kept: Vec<Tensor>,
    layer: usize,
}

impl Pass<'_> {
    /// Logits of planar pictures, or their slopes along them.
    fn run(&mut self, pictures: &Tensor, fade: Option<f32>) -> Made {
        let d = self.d;
        let last = d.config().channels.len() - 1;
        let mut picture = pictures.shallow_clone();
        let mut x = self.entrance(last, &picture)?;
        for i in (1..=last).rev() {
            x = self.stage(i, &x)?;
            if d.has_entrance(i - 1) {
                picture = halve_planes(&picture)?;
                let below = self.entrance(i - 1, &picture)?;
                let [lower, own] = d.shares(i, fade).map(f64::from);
                x = below.f_mul_scalar(lower)?.f_add(&x.f_mul_scalar(own)?)?;
            }
        }
        self.head(&x)
    }

    fn entrance(&mut self, i: usize, picture: &Tensor) -> Made {
        let x = picture.f_permute([0, 2, 3, 1])?.f_to_kind(self.place.kind)?;
        self.conv(&x, &format!("{}.from_rgb", block(i)), ACTIVATION_GAIN, [1, 1])
    }

    fn stage(&mut self, i: usize, x: &Tensor) -> Made {
        let b = block(i);
        let downsample = self.d.config().downsample;
        let smooth = downsample == Downsample::StyleGan2;
        let mut y = self.conv(x, &format!("{b}.conv0"), ACTIVATION_GAIN, [1, 1])?;
        y = match downsample {
            Downsample::PoolConv => halve(&y)?,
            Downsample::ConvPool => y,
            Downsample::StyleGan2 => self.grids.resample(self.place, &y, Grid::Smooth)?,
        };
        // Every second pixel is what `Grid::Pick` leaves. The activation's gain and the sum's 1/sqrt 2 cancel.
        y = self.conv(&y, &format!("{b}.conv1"), 1.0, if smooth { [2, 0] } else { [1, 1] })?;
        if downsample == Downsample::ConvPool {
            y = halve(&y)?;
        }
        let small = if smooth { self.grids.resample(self.place, x, Grid::Reduce)? } else { halve(x)? };
        let filter = self.weights.filter(&format!("{b}.skip"), std::f32::consts::FRAC_1_SQRT_2)?;
        conv(&small, &filter, None, [1, 0])?.f_add(&y)
    }

    fn head(&mut self, x: &Tensor) -> Made {
        let x = self.deviation(x)?;
        let x = self.conv(&x, "b4.conv", ACTIVATION_GAIN, [1, 1])?;
        let x = x.f_to_kind(Kind::Float)?.f_reshape([x.size()[0], -1])?;
        let x = self.linear(&x, "b4.fc", ACTIVATION_GAIN)?;
        let x = self.activate(&x)?;
        let logits = self.linear(&x, "b4.out", 1.0)?.f_reshape([-1])?;
        if self.classes.is_empty() {
            return Ok(logits);
        }
        let product = x.f_mul(&self.weights.embedding("b4.embed", self.classes)?)?;
        let product = product.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?;
        logits.f_add(&product.f_mul_scalar(f64::from(self.d.projection()))?)
    }

    /// A convolution with its activation.
    fn conv(&mut self, x: &Tensor, layer: &str, gain: f32, how: [i64; 2]) -> Made {
        let filter = self.weights.filter(layer, gain)?;
        let bias = if self.like.is_none() { Some(self.weights.bias(layer, gain)?) } else { None };
        let y = conv(x, &filter, bias.as_ref(), how)?;
        self.activate(&y)
    }

    fn linear(&mut self, x: &Tensor, layer: &str, gain: f32) -> Made {
        let of = |part: &str| self.weights.effective(&format!("{layer}.{part}"), gain);
        let bias = if self.like.is_none() { Some(of("bias")?) } else { None };
        linear(x, &of("weight")?, bias.as_ref())
    }

    fn activate(&mut self, x: &Tensor) -> Made {
        let signs = self.own(|| x.f_detach())?;
        activate(x, &signs)
    }

    /// What this layer of a forward pass keeps, or what the same layer of that pass kept.
    fn own(&mut self, keep: impl FnOnce() -> Made) -> Made {
        self.layer += 1;
        if let Some(kept) = self.like {
            return Ok(kept[self.layer - 1].shallow_clone());
        }
        let kept = keep()?;
        self.kept.push(kept.shallow_clone());
        Ok(kept)
    }

    /// Adds the channels that tell how varied a group is, or their derivative.
    fn deviation(&mut self, x: &Tensor) -> Made {
        let [n, h, w, c] = size(x)?;
        let (group, features) = (self.d.config().group as i64, self.d.config().features as i64);
        let groups = x.f_to_kind(Kind::Float)?.f_reshape([n / group, group, h * w, features, c / features])?;
        let means = if self.like.is_none() { self.deviations(&groups)? } else { self.deviations_along(&groups)? };
        let means = means.f_reshape([n / group, 1, 1, 1, features])?;
        let means = means.f_expand([n / group, group, h, w, features], false)?;
        let means = means.f_reshape([n, h, w, features])?.f_to_kind(self.place.kind)?;
        Tensor::f_cat(&[x, &means], 3)
    }

    /// Means over places and channels of the deviations in groups, [groups, features], of [groups, group, places, features, channels].
    fn deviations(&mut self, groups: &Tensor) -> Made {
        let apart = groups.f_sub(&groups.f_mean_dim(1i64, true, Kind::Float)?)?;
        let variance = apart.f_square()?.f_mean_dim(1i64, true, Kind::Float)?;
        let deviation = variance.f_add_scalar(EPSILON)?.f_sqrt()?;
        let shape = groups.size();
        let _kept = self.own(|| {
            let numbers = (shape[1] * shape[2] * shape[4]) as f64;
            let slopes = apart.f_detach()?.f_div(&deviation.f_detach()?.f_mul_scalar(numbers)?)?;
            slopes.f_flatten(0, 1)
        })?;
        deviation.f_mean_dim([1i64, 2, 4].as_slice(), false, Kind::Float)
    }

    /// Their derivative along a direction.
    fn deviations_along(&mut self, groups: &Tensor) -> Made {
        let slopes = self.own(|| groups.f_detach())?.f_reshape(groups.size())?;
        slopes.f_mul(groups)?.f_sum_dim_intlist([1i64, 2, 4].as_slice(), false, Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_do_not_cross_parts() {
        assert_eq!(runs(&[4, 5, 0, 1], 8), [(0, 4..6), (0, 0..2)]);
        assert_eq!(runs(&[0, 1, 8, 9], 8), [(0, 0..2), (1, 0..2)]);
        assert_eq!(runs(&[6, 7, 8, 9], 8), [(0, 6..8), (1, 0..2)]);
    }
}
