//! The memory of a drawing, and the layers of a [`Generator`] run in it.

use std::ops::Range;

use kernels::{Activation, Crew, Epilogue, Rgb, Scratch, ToRgb, upsample2x};

use super::ink::InkCanvas;
use super::layers::{Conv, Noise, RgbLayer};
use super::watch::Watch;
use crate::formula::{GAIN, SLOPE};
use crate::{Generator, NoiseMode, Seed, Upsample};

/// What the synthesis network writes to. It grows while the first pictures are drawn and stays.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    /// For each picture the styles of all layers.
    styles: Vec<f32>,
    /// For each picture the style of a layer.
    style: Vec<f32>,
    /// For each picture the squared style of a layer, without padding.
    squares: Vec<f32>,
    /// For each picture the demodulation of a layer, times the gain of the activation.
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
    /// The activations of all pictures where they part.
    parted: Activation,
    /// The pictures so far, and the finer one that takes the place of one of them.
    pictures: Vec<Rgb>,
    finer: Rgb,
    /// The pictures that an ink network made of them, if there is one, and what it works in.
    inked: Vec<Rgb>,
    ink: InkCanvas,
    /// What a lens made of the first picture, and what it works in.
    magnified: Rgb,
    lens: InkCanvas,
}

impl Canvas {
    /// Makes the styles of all layers of so many pictures follow the vectors in `w`.
    pub(crate) fn style(&mut self, generator: &Generator, crew: &Crew, w: &[f32], pictures: usize) {
        self.styles.resize(pictures * generator.styles.padded_output(), 0.0);
        generator.styles.run(crew, w, &mut self.styles);
    }

    /// Makes the styles of one of the pictures follow another `w` from convolution `layer` onwards.
    pub(crate) fn style_from(&mut self, generator: &Generator, crew: &Crew, picture: usize, layer: usize, w: &[f32]) {
        let all = generator.styles.padded_output();
        let start = generator.style_start(layer);
        let styles = &mut self.styles[picture * all + start..(picture + 1) * all];
        generator.styles.run_part(crew, start..all, w, styles);
    }

    /// Runs the layers under the styles that are set, for a picture a seed, with its noise or with none, and leaves the raw
    /// pictures; false if it was cancelled.
    pub(crate) fn layers(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        seeds: &[Option<Seed>],
        watch: &mut Watch<'_>,
    ) -> bool {
        self.compose(generator, crew, seeds, watch) && self.redraw(generator, crew, seeds.len(), watch)
    }

    /// As [`Canvas::layers`] without the ink network.
    pub(crate) fn compose(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        seeds: &[Option<Seed>],
        watch: &mut Watch<'_>,
    ) -> bool {
        if self.pictures.len() < seeds.len() {
            self.pictures.resize_with(seeds.len(), Rgb::default);
        }
        self.x.repeat(&generator.constant, seeds.len());
        let all = 0..generator.blocks.len();
        if seeds.len() == 1 {
            return self.blocks(generator, crew, all, 0..1, seeds, watch);
        }
        // Together as long as that saves more weights from being read again than it adds activations to be read again.
        let together = 0..generator.blocks.iter().take_while(|block| block.weighs_more_than_pictures()).count();
        let apart = together.end..all.end;
        if !self.blocks(generator, crew, together, 0..seeds.len(), seeds, watch) {
            return false;
        }
        std::mem::swap(&mut self.x, &mut self.parted);
        for picture in 0..if apart.is_empty() { 0 } else { seeds.len() } {
            self.x.copy_picture(&self.parted, picture);
            if !self.blocks(generator, crew, apart.clone(), picture..picture + 1, seeds, watch) {
                return false;
            }
        }
        true
    }

    /// Some blocks of the network for some of the pictures; false if it was cancelled.
    fn blocks(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        blocks: Range<usize>,
        pictures: Range<usize>,
        seeds: &[Option<Seed>],
        watch: &mut Watch<'_>,
    ) -> bool {
        for index in blocks {
            let block = &generator.blocks[index];
            for conv in &block.convs {
                if (watch.cancelled)() {
                    return false;
                }
                self.conv(generator, crew, conv, pictures.clone(), seeds);
                (watch.finished)(&conv.name);
            }
            for (place, picture) in pictures.clone().enumerate() {
                self.colour(generator, crew, &block.rgb, picture, place, index > 0);
            }
            (watch.finished)(&block.rgb.name);
        }
        true
    }

    /// The ink network, if there is one, for all pictures; false if it was cancelled.
    fn redraw(&mut self, generator: &Generator, crew: &Crew, pictures: usize, watch: &mut Watch<'_>) -> bool {
        let Some(layers) = &generator.ink else {
            return true;
        };
        if self.inked.len() < pictures {
            self.inked.resize_with(pictures, Rgb::default);
        }
        let mut pairs = self.pictures.iter_mut().zip(&mut self.inked).take(pictures);
        pairs.all(|(picture, inked)| self.ink.run(layers, crew, &mut self.scratch, picture, inked, watch))
    }

    /// Puts a picture, planar [3, H, W], in the place of one that was composed, and runs the ink network on it; false without one.
    pub(crate) fn redraw_other(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        composed: &[f32],
        watch: &mut Watch<'_>,
    ) -> bool {
        let (height, width) = generator.composed();
        if self.pictures.is_empty() {
            self.pictures.push(Rgb::default());
        }
        self.pictures[0].read_planar(composed, height, width);
        generator.ink.is_some() && self.redraw(generator, crew, 1, watch)
    }

    /// The lens, which the generator must have, over the first picture that was drawn; nothing if it was cancelled.
    pub(crate) fn magnify(&mut self, generator: &Generator, crew: &Crew, watch: &mut Watch<'_>) -> Option<&Rgb> {
        let layers = generator.lens.as_ref()?;
        let picture = &mut drawn(generator, &mut self.pictures, &mut self.inked)[0];
        let done = self.lens.run(layers, crew, &mut self.scratch, picture, &mut self.magnified, watch);
        done.then_some(&self.magnified)
    }

    /// A raw picture that was drawn. The generator must be the one that drew it.
    pub(crate) fn picture(&self, generator: &Generator, index: usize) -> &Rgb {
        &drawn(generator, &self.pictures, &self.inked)[index]
    }

    /// The raw picture that was composed, before ink.
    pub(crate) fn composed(&self, index: usize) -> &Rgb {
        &self.pictures[index]
    }

    /// One convolution, from `self.x` to `self.x`.
    fn conv(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        conv: &Conv,
        pictures: Range<usize>,
        seeds: &[Option<Seed>],
    ) {
        let all = generator.styles.padded_output();
        self.style.clear();
        self.squares.clear();
        for styles in self.styles.chunks_exact(all).skip(pictures.start).take(pictures.len()) {
            let style = &styles[conv.style.clone()];
            self.style.extend_from_slice(style);
            self.squares.extend(style[..conv.energy.input()].iter().map(|s| s * s));
        }
        self.scale.resize(pictures.len() * conv.energy.padded_output(), 0.0);
        conv.energy.run(crew, &self.squares, &mut self.scale);
        // d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8), times the gain.
        for v in &mut self.scale {
            *v = GAIN / (*v + 1e-8).sqrt();
        }
        let noise = conv.noise.as_ref().filter(|_| generator.variation().noise != NoiseMode::None);
        let noise = noise.map(|noise| fill_noise(generator, noise, &seeds[pictures], &mut self.noise));
        let (style, scale) = (&self.style, &self.scale);
        let end = Epilogue { scale, bias: &conv.bias, noise, slope: SLOPE, clamp: generator.clamp() };
        // The neutral epilogue serves channels of the input (before the convolution) and of its result.
        let widest = scale.len().max(style.len());
        self.ones.resize(self.ones.len().max(widest), 1.0);
        self.zeros.resize(self.zeros.len().max(widest), 0.0);
        let plain = Epilogue { scale: &self.ones, bias: &self.zeros, noise: None, slope: 1.0, clamp: f32::INFINITY };
        match conv.doubles {
            None | Some(Upsample::StyleGan2) => {
                conv.kernel.run(crew, &mut self.x, style, &end, &mut self.scratch, &mut self.y);
            }
            Some(Upsample::UpConv) => {
                upsample2x(crew, &mut self.x, &plain, &mut self.between);
                conv.kernel.run(crew, &mut self.between, style, &end, &mut self.scratch, &mut self.y);
            }
            Some(Upsample::ConvUp) => {
                conv.kernel.run(crew, &mut self.x, style, &plain, &mut self.scratch, &mut self.between);
                upsample2x(crew, &mut self.between, &end, &mut self.y);
            }
        }
        std::mem::swap(&mut self.x, &mut self.y);
    }

    /// Adds the colours of a block to a picture, doubled if there is one already. It has the given place in `self.x`.
    fn colour(
        &mut self,
        generator: &Generator,
        crew: &Crew,
        rgb: &RgbLayer,
        picture: usize,
        place: usize,
        double: bool,
    ) {
        let styles = &self.styles[picture * generator.styles.padded_output()..];
        let style = &styles[rgb.style.clone()];
        self.colours.clear();
        for weight in rgb.weight.chunks_exact(style.len()) {
            self.colours.extend(weight.iter().zip(style).map(|(weight, s)| weight * s));
        }
        let layer = ToRgb { weight: &self.colours, bias: rgb.bias, clamp: generator.clamp() };
        let coarser = &mut self.pictures[picture];
        let coarse = double.then_some((&mut *coarser, generator.edge()));
        layer.run(crew, &self.x, place, coarse, &mut self.finer);
        std::mem::swap(coarser, &mut self.finer);
    }
}

/// Of what was composed and what ink made of it the one that counts as drawn: ink's, if the generator has any.
fn drawn<T>(generator: &Generator, composed: T, inked: T) -> T {
    if generator.ink.is_some() { inked } else { composed }
}

/// Noise of a layer times its strength for every seed.
fn fill_noise<'a>(generator: &Generator, noise: &Noise, seeds: &[Option<Seed>], out: &'a mut Vec<f32>) -> &'a [f32] {
    out.resize(out.len().max(seeds.len() * noise.area), 0.0);
    let out = &mut out[..seeds.len() * noise.area];
    for (out, &seed) in out.chunks_exact_mut(noise.area).zip(seeds) {
        generator.fill_noise(noise, seed, out);
        for v in out {
            *v *= noise.strength;
        }
    }
    out
}
