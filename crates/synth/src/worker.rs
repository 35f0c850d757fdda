//! Drawing: [`Worker`] owns the memory of one thread and runs the layers of a [`Generator`] in it.

use std::sync::Arc;

use kernels::{Activation, Epilogue, Rgb, Scratch, ToRgb, upsample2x};

use crate::generator::{Conv, GAIN, Noise, RgbLayer, SLOPE};
use crate::mapper::Mapper;
use crate::recipe::Styles;
use crate::reference::truncate;
use crate::{Generator, NoiseMode, Psi, Seed, Upsample};

/// A picture of 8-bit RGB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Rows from the top, pixels from the left, red, green, blue: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// Draws pictures on one thread. See [`Generator::worker`].
#[derive(Debug)]
pub struct Worker {
    generator: Arc<Generator>,
    mapper: Mapper,
    w: Vec<f32>,
    canvas: Canvas,
    /// The last raw picture, for [`Worker::synthesize`].
    planar: Vec<f32>,
}

/// What the synthesis network writes to.
#[derive(Debug)]
struct Canvas {
    /// Styles of all layers.
    styles: Vec<f32>,
    /// The styles that rule the finer layers, where two are mixed.
    fine_styles: Vec<f32>,
    /// Squared style of a layer.
    squares: Vec<f32>,
    /// Demodulation of a layer, times the gain of the activation.
    scale: Vec<f32>,
    /// Weights of a `toRGB` times its style.
    colours: Vec<f32>,
    noise: Vec<f32>,
    ones: Vec<f32>,
    zeros: Vec<f32>,
    scratch: Scratch,
    /// The activation between layers, the result that takes its place, and what lies between the halves of a doubling.
    x: Activation,
    y: Activation,
    between: Activation,
    /// The picture so far, and the finer one that takes its place.
    picture: Rgb,
    finer: Rgb,
}

impl Worker {
    pub(crate) fn new(generator: Arc<Generator>) -> Self {
        let widest = generator.architecture().channels.iter().copied().max().map_or(16, kernels::padded);
        let canvas = Canvas {
            styles: vec![0.0; generator.styles.padded_output()],
            fine_styles: Vec::new(),
            squares: vec![0.0; widest],
            scale: vec![0.0; widest],
            colours: vec![0.0; 3 * widest],
            noise: Vec::new(),
            ones: vec![1.0; widest],
            zeros: vec![0.0; widest],
            scratch: Scratch::default(),
            x: Activation::default(),
            y: Activation::default(),
            between: Activation::default(),
            picture: Rgb::default(),
            finer: Rgb::default(),
        };
        Worker {
            mapper: Mapper::new(&generator),
            w: vec![0.0; generator.architecture().w_dim],
            canvas,
            planar: Vec::new(),
            generator,
        }
    }

    /// The generator this draws with.
    pub fn generator(&self) -> &Arc<Generator> {
        &self.generator
    }

    /// The picture of a seed at a creativity.
    pub fn draw(&mut self, seed: Seed, psi: Psi) -> Picture {
        let mut picture = Picture::default();
        self.draw_into(seed, psi, &mut picture);
        picture
    }

    /// As [`Worker::draw`], into a picture whose memory is used again.
    pub fn draw_into(&mut self, seed: Seed, psi: Psi, picture: &mut Picture) {
        self.paint(seed, psi, &|| false, picture);
    }

    /// As [`Worker::draw`], but gives up with `None` soon after `cancelled` says so; it is asked between layers.
    pub fn draw_cancellable(&mut self, seed: Seed, psi: Psi, cancelled: &dyn Fn() -> bool) -> Option<Picture> {
        let mut picture = Picture::default();
        self.paint(seed, psi, cancelled, &mut picture).then_some(picture)
    }

    /// The picture of given styles, with the noise of a seed or with none; `None` soon after `cancelled` says so.
    ///
    /// # Panics
    /// If a style is not `w_dim` long.
    pub fn draw_styles(
        &mut self,
        styles: &Styles,
        noise: Option<Seed>,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Picture> {
        self.canvas.style(&self.generator, &styles.w);
        if let Some((layer, fine)) = &styles.fine {
            self.canvas.style_from(&self.generator, *layer, fine);
        }
        let mut picture = Picture::default();
        (self.canvas.layers(&self.generator, noise, cancelled)).then(|| self.develop(&mut picture))?;
        Some(picture)
    }

    /// The raw picture of a `w` that is truncated already: planar [3, H, W], about -1 to 1. `seed` matters to noise only.
    ///
    /// # Panics
    /// If `w` is not `w_dim` long.
    pub fn synthesize(&mut self, w: &[f32], seed: Seed) -> &[f32] {
        assert_eq!(w.len(), self.w.len(), "w must hold w_dim values");
        self.canvas.synthesize(&self.generator, w, seed, &|| false);
        let picture = &self.canvas.picture;
        self.planar.resize(3 * picture.height() * picture.width(), 0.0);
        picture.write_planar(&mut self.planar);
        &self.planar
    }

    /// Draws into `picture`; false if it was cancelled.
    fn paint(&mut self, seed: Seed, psi: Psi, cancelled: &dyn Fn() -> bool, picture: &mut Picture) -> bool {
        self.w.copy_from_slice(self.mapper.map(&self.generator, seed));
        truncate(&mut self.w, &self.generator.w_avg, psi);
        if !self.canvas.synthesize(&self.generator, &self.w, seed, cancelled) {
            return false;
        }
        self.develop(picture);
        true
    }

    /// The canvas as bytes.
    fn develop(&self, picture: &mut Picture) {
        (picture.height, picture.width) = self.generator.resolution();
        picture.rgb.resize(3 * picture.height * picture.width, 0);
        self.canvas.picture.write_bytes(&mut picture.rgb);
    }
}

impl Canvas {
    /// Leaves the raw picture in `self.picture`; false if it was cancelled.
    fn synthesize(&mut self, generator: &Generator, w: &[f32], seed: Seed, cancelled: &dyn Fn() -> bool) -> bool {
        self.style(generator, w);
        self.layers(generator, Some(seed), cancelled)
    }

    /// Makes the styles of all layers follow `w`.
    fn style(&mut self, generator: &Generator, w: &[f32]) {
        generator.styles.run(generator.isa, w, &mut self.styles);
    }

    /// Makes the styles from convolution `layer` onwards follow another `w`.
    fn style_from(&mut self, generator: &Generator, layer: usize, w: &[f32]) {
        self.fine_styles.resize(self.styles.len(), 0.0);
        generator.styles.run(generator.isa, w, &mut self.fine_styles);
        let start = generator.style_start(layer);
        self.styles[start..].copy_from_slice(&self.fine_styles[start..]);
    }

    /// Runs the layers under the styles that are set, with the noise of a seed or with none.
    fn layers(&mut self, generator: &Generator, seed: Option<Seed>, cancelled: &dyn Fn() -> bool) -> bool {
        self.x.copy_from(&generator.constant);
        for (index, block) in generator.blocks.iter().enumerate() {
            for conv in &block.convs {
                if cancelled() {
                    return false;
                }
                self.conv(generator, conv, seed);
            }
            self.colour(generator, &block.rgb, index > 0);
        }
        true
    }

    /// One convolution, from `self.x` to `self.x`.
    fn conv(&mut self, generator: &Generator, conv: &Conv, seed: Option<Seed>) {
        let isa = generator.isa;
        let style = &self.styles[conv.style.clone()];
        let squares = &mut self.squares[..conv.energy.input()];
        squares.iter_mut().zip(style).for_each(|(square, s)| *square = s * s);
        let scale = &mut self.scale[..conv.energy.padded_output()];
        conv.energy.run(isa, squares, scale);
        // d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8), times the gain.
        for v in &mut *scale {
            *v = GAIN / (*v + 1e-8).sqrt();
        }
        let noisy = conv.noise.as_ref().filter(|_| generator.variation().noise != NoiseMode::None).zip(seed);
        let noise = noisy.map(|(noise, seed)| fill_noise(generator, noise, seed, &mut self.noise));
        let end = Epilogue { scale, bias: &conv.bias, noise, slope: SLOPE, clamp: generator.clamp() };
        let plain = Epilogue { scale: &self.ones, bias: &self.zeros, noise: None, slope: 1.0, clamp: f32::INFINITY };
        match conv.doubles {
            None | Some(Upsample::StyleGan2) => {
                conv.kernel.run(isa, &mut self.x, style, &end, &mut self.scratch, &mut self.y);
            }
            Some(Upsample::UpConv) => {
                upsample2x(isa, &mut self.x, &plain, &mut self.between);
                conv.kernel.run(isa, &mut self.between, style, &end, &mut self.scratch, &mut self.y);
            }
            Some(Upsample::ConvUp) => {
                conv.kernel.run(isa, &mut self.x, style, &plain, &mut self.scratch, &mut self.between);
                upsample2x(isa, &mut self.between, &end, &mut self.y);
            }
        }
        std::mem::swap(&mut self.x, &mut self.y);
    }

    /// Adds the colours of a block to the picture, doubled if there is one already.
    fn colour(&mut self, generator: &Generator, rgb: &RgbLayer, double: bool) {
        let style = &self.styles[rgb.style.clone()];
        let colours = &mut self.colours[..rgb.weight.len()];
        for (out, weight) in colours.chunks_exact_mut(style.len()).zip(rgb.weight.chunks_exact(style.len())) {
            out.iter_mut().zip(weight).zip(style).for_each(|((out, weight), s)| *out = weight * s);
        }
        let layer = ToRgb { weight: colours, bias: rgb.bias, clamp: generator.clamp() };
        let coarse = double.then_some((&mut self.picture, generator.edge()));
        layer.run(generator.isa, &self.x, coarse, &mut self.finer);
        std::mem::swap(&mut self.picture, &mut self.finer);
    }
}

/// Noise of a layer times its strength: stored noise, or random as the variation says.
fn fill_noise<'a>(generator: &Generator, noise: &Noise, seed: Seed, out: &'a mut Vec<f32>) -> &'a [f32] {
    let variation = generator.variation();
    out.resize(out.len().max(noise.area), 0.0);
    let out = &mut out[..noise.area];
    match &noise.stored {
        Some(stored) if variation.noise == NoiseMode::Const => out.copy_from_slice(stored),
        _ => variation.noise(seed, noise.stream, noise.before, generator.architecture().z_dim, out),
    }
    for v in &mut *out {
        *v *= noise.strength;
    }
    out
}
