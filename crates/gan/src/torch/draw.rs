//! G on libtorch: `crate::generator`, layer by layer. The activation's gain goes into what multiplies the sums before it.

use std::rc::Rc;

use kernels::train::Cpu;
use synth::{Architecture, Seed, Upsample};
use tch::{Kind, Tensor};

use super::layers::{Grids, Place, activate, conv, linear, size};
use super::transfer::{Made, download};
use super::weights::Weights;
use crate::generator::{ACTIVATION_GAIN, Generator, Latents};
use crate::tape::{Grid, Network, share};

/// Added to what a square root is taken of.
const EPSILON: f64 = 1e-8;

/// G's passes.
pub(super) struct Drawing {
    place: Place,
    cpu: Rc<Cpu>,
    architecture: Architecture,
    weights: Weights,
    grids: Grids,
    /// The pictures just drawn.
    drawn: Option<Tensor>,
}

impl Drawing {
    pub(super) fn new(place: Place, cpu: Rc<Cpu>, generator: &Generator) -> Self {
        let weights = Weights::new(place, Rc::clone(&cpu), generator.layout());
        let architecture = generator.architecture().clone();
        Self { place, cpu, architecture, weights, grids: Grids::default(), drawn: None }
    }

    pub(super) fn draw(&mut self, g: &Network, latents: &Latents<'_>, fade: Option<f32>) -> Made<(Vec<f32>, Vec<f32>)> {
        self.weights.send(g)?;
        let w = self.map(latents.z, latents.classes)?;
        let pictures = self.synthesize(&w, latents.seeds, fade)?;
        let values = (download(&pictures)?, download(&w)?);
        self.drawn = Some(pictures);
        Ok(values)
    }

    pub(super) fn back(&mut self, gradient: &[f32]) -> Made<()> {
        let drawn = self.drawn.take().expect(super::ORDER);
        let sum = drawn.f_mul(&self.place.upload(gradient, &drawn.size())?)?.f_sum(None)?;
        self.weights.walk_back(&[sum], &[], true, false).map(drop)
    }

    pub(super) fn finish(&mut self, g: &mut Network) -> Made<()> {
        self.drawn = None;
        self.weights.finish(g)
    }

    fn map(&mut self, z: &[f32], classes: &[u32]) -> Made {
        let dim = self.architecture.z_dim;
        let mut x = self.place.upload(z, &[(z.len() / dim) as i64, dim as i64])?;
        if self.architecture.normalize_z {
            x = normalized(&x)?;
        }
        if self.architecture.labels.is_some() {
            let embedding = self.weights.embedding("mapping.embed", classes)?;
            x = Tensor::f_cat(&[x, normalized(&embedding)?], 1)?;
        }
        for k in 0..self.architecture.mapping_layers {
            x = self.linear(&x, &format!("mapping.fc{k}"), ACTIVATION_GAIN)?;
            x = activate(&x, &x.f_detach()?)?;
        }
        Ok(x)
    }

    fn linear(&self, x: &Tensor, layer: &str, factor: f32) -> Made {
        let of = |part: &str| self.weights.effective(&format!("{layer}.{part}"), factor);
        linear(x, &of("weight")?, Some(&of("bias")?))
    }

    /// w to pictures, planar.
    fn synthesize(&mut self, w: &Tensor, seeds: &[Seed], fade: Option<f32>) -> Made {
        let count = w.size()[0];
        let stages = self.architecture.channels.len();
        let constant = self.weights.effective("synthesis.b4.const", 1.0)?.f_to_kind(self.place.kind)?;
        let shape: Vec<i64> = std::iter::once(count).chain(constant.size()).collect();
        let mut x = constant.f_expand(&shape, false)?;
        let mut below: Option<Tensor> = None;
        let mut index = 0;
        for i in 0..stages {
            let block = Generator::block(i);
            for name in ["conv0", "conv1"].into_iter().skip(usize::from(i == 0)) {
                let up = (name == "conv0").then_some(self.architecture.upsample);
                let y = self.styled(&x, w, &format!("{block}.{name}"), up)?;
                x = self.after(&y, &format!("{block}.{name}"), (seeds, 1 + index))?;
                index += 1;
            }
            let strength = if i + 1 == stages && i > 0 { fade.unwrap_or(1.0) } else { 1.0 };
            let own = self.colours(&x, w, &format!("{block}.torgb"), strength)?;
            below = Some(match below {
                None => own,
                Some(below) => self.doubled(&below)?.f_add(&own)?,
            });
        }
        below.expect("an architecture has at least one block").f_permute([0, 3, 1, 2])?.f_contiguous()
    }

    /// A styled convolution with the change of grid that goes with it, before noise and activation, times the latter's gain.
    fn styled(&mut self, x: &Tensor, w: &Tensor, layer: &str, up: Option<Upsample>) -> Made {
        let kind = self.place.kind;
        let style = self.linear(w, &format!("{layer}.affine"), 1.0)?;
        let window = self.weights.effective(&format!("{layer}.weight"), 1.0)?;
        let squares = window.f_square()?.f_sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Float)?;
        let scale = style.f_square()?.f_matmul(&squares)?.f_add_scalar(EPSILON)?.f_rsqrt()?;
        let scale = scale.f_mul_scalar(f64::from(ACTIVATION_GAIN))?;
        let wide = |rows: &Tensor| rows.f_to_kind(kind)?.f_reshape([rows.size()[0], 1, 1, -1]);
        let mut x = x.shallow_clone();
        match up {
            // The style is a factor a channel: it does not matter what comes first.
            Some(Upsample::UpConv) => x = self.grids.resample(self.place, &x, Grid::Double)?,
            Some(Upsample::StyleGan2) => x = self.grids.resample(self.place, &x, Grid::Spread)?,
            Some(Upsample::ConvUp) | None => {}
        }
        // What `Grid::Crop` leaves of the convolution: its pixels whose windows lie inside.
        let padding = i64::from(up != Some(Upsample::StyleGan2));
        let filter = self.weights.filter(layer, 1.0)?;
        let y = conv(&x.f_mul(&wide(&style)?)?, &filter, None, [1, padding])?;
        let y = self.weights.bias(layer, ACTIVATION_GAIN)?.f_addcmul(&y, &wide(&scale)?)?;
        // Each pixel is a mean of others: the bias stays as it is.
        if up == Some(Upsample::ConvUp) { self.grids.resample(self.place, &y, Grid::Double) } else { Ok(y) }
    }

    /// Noise of a stream of the pictures' seeds, the activation and the bound.
    fn after(&self, y: &Tensor, layer: &str, (seeds, stream): (&[Seed], u32)) -> Made {
        let [n, h, w, _] = size(y)?;
        let mut y = y.shallow_clone();
        if self.architecture.noise.at(h as usize) {
            let noise = self.noise(seeds, stream, (h * w) as usize);
            let noise = self.place.upload(&noise, &[n, h, w, 1])?.f_to_kind(self.place.kind)?;
            let strength = self.weights.effective(&format!("{layer}.noise_strength"), ACTIVATION_GAIN)?;
            y = y.f_addcmul(&noise, &strength.f_to_kind(self.place.kind)?)?;
        }
        let y = activate(&y, &y.f_detach()?)?;
        match self.architecture.conv_clamp {
            Some(limit) => y.f_clamp(f64::from(-limit), f64::from(limit)),
            None => Ok(y),
        }
    }

    /// Normal numbers, `area` of each seed.
    fn noise(&self, seeds: &[Seed], stream: u32, area: usize) -> Vec<f32> {
        let mut values = vec![0.0; seeds.len() * area];
        share(&self.cpu, values.chunks_exact_mut(area).zip(seeds), |(own, seed)| {
            synth::latent::normal(*seed, stream, own);
        });
        values
    }

    /// A stage's own colours, in f32.
    fn colours(&self, x: &Tensor, w: &Tensor, layer: &str, strength: f32) -> Made {
        let [n, height, width, channels] = size(x)?;
        let style = self.linear(w, &format!("{layer}.affine"), 1.0)?;
        let weight = self.weights.effective(&format!("{layer}.weight"), strength)?.f_reshape([1, channels, 3])?;
        // Its few outputs make it cheaper to style the weights than the map.
        let weight = style.f_reshape([n, channels, 1])?.f_mul(&weight)?.f_to_kind(self.place.kind)?;
        let colours = x.f_reshape([n, height * width, channels])?.f_bmm(&weight)?.f_to_kind(Kind::Float)?;
        let colours = colours.f_add(&self.weights.effective(&format!("{layer}.bias"), strength)?)?;
        let colours = colours.f_reshape([n, height, width, 3])?;
        match self.architecture.conv_clamp.map(|limit| f64::from(limit * strength)) {
            Some(limit) => colours.f_clamp(-limit, limit),
            None => Ok(colours),
        }
    }

    /// Colours at twice the size.
    fn doubled(&mut self, colours: &Tensor) -> Made {
        if self.architecture.upsample != Upsample::StyleGan2 {
            return self.grids.resample(self.place, colours, Grid::Double);
        }
        // Zeros lie outside.
        let [_, h, w, _] = size(colours)?;
        let larger = self.grids.resample(self.place, colours, Grid::Spread)?;
        larger.f_narrow(1, 1, 2 * h)?.f_narrow(2, 1, 2 * w)
    }
}

/// Rows divided by their root mean square.
fn normalized(x: &Tensor) -> Made {
    let square = x.f_square()?.f_mean_dim(1i64, true, Kind::Float)?;
    x.f_mul(&square.f_add_scalar(EPSILON)?.f_rsqrt()?)
}
