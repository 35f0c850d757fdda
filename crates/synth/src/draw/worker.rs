//! Drawing: [`Worker`] owns the memory to draw in and turns seeds into pictures with it.

use std::sync::Arc;

use kernels::{Crew, Rgb};

use super::canvas::Canvas;
use super::mapper::Mapper;
use super::watch::Watch;
use crate::latent::truncation::Styles;
use crate::{Creativity, Generator, Seed};

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

/// Draws pictures on the threads it was made for. See [`Generator::worker`] and [`Generator::worker_with_threads`].
///
/// However many threads draw, and however many pictures are drawn together, the bytes of a picture are the same.
#[derive(Debug)]
pub struct Worker {
    generator: Arc<Generator>,
    crew: Crew,
    mapper: Mapper,
    /// What each picture of [`Worker::paint`] follows.
    styles: Vec<Styles>,
    /// `w` of all layers, or of the coarse ones, of all pictures.
    w: Vec<f32>,
    /// What truncation computes in.
    scratch: Vec<f32>,
    /// Whose noise each picture gets.
    seeds: Vec<Option<Seed>>,
    canvas: Canvas,
    /// The last raw picture, for [`Worker::synthesize`].
    planar: Vec<f32>,
}

/// Nobody wants to know how the drawing goes on.
macro_rules! nobody {
    () => {
        Watch { cancelled: &|| false, finished: &mut |_| () }
    };
}

impl Worker {
    pub(crate) fn new(generator: Arc<Generator>, crew: Crew) -> Self {
        Worker {
            crew,
            mapper: Mapper::new(&generator),
            styles: Vec::new(),
            w: Vec::new(),
            scratch: Vec::new(),
            seeds: Vec::new(),
            canvas: Canvas::default(),
            planar: Vec::new(),
            generator,
        }
    }

    /// The generator this draws with.
    pub fn generator(&self) -> &Arc<Generator> {
        &self.generator
    }

    /// Threads that work on each picture.
    pub fn threads(&self) -> usize {
        self.crew.threads()
    }

    /// The picture of a seed at a creativity.
    pub fn draw(&mut self, seed: Seed, creativity: Creativity) -> Picture {
        let mut picture = Picture::default();
        self.draw_into(seed, creativity, &mut picture);
        picture
    }

    /// As [`Worker::draw`], into a picture whose memory is used again.
    pub fn draw_into(&mut self, seed: Seed, creativity: Creativity, picture: &mut Picture) {
        self.paint(&[(seed, creativity)], &mut nobody!(), std::slice::from_mut(picture));
    }

    /// As [`Worker::draw`], but gives up with `None` soon after `cancelled` says so; it is asked between layers.
    pub fn draw_cancellable(
        &mut self,
        seed: Seed,
        creativity: Creativity,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Picture> {
        let mut picture = Picture::default();
        let mut watch = Watch { cancelled, finished: &mut |_| () };
        self.paint(&[(seed, creativity)], &mut watch, std::slice::from_mut(&mut picture)).then_some(picture)
    }

    /// As [`Worker::draw_into`], telling `finished` the name of every part of the network as it is done: `mapping`,
    /// `styles`, `synthesis.b4.conv1`, `synthesis.b4.torgb` and so on, `ink.conv_in`, `ink.b0` and so on if there is ink, then `bytes`.
    pub fn draw_watched(
        &mut self,
        seed: Seed,
        creativity: Creativity,
        picture: &mut Picture,
        finished: &mut dyn FnMut(&str),
    ) {
        let mut watch = Watch { cancelled: &|| false, finished };
        self.paint(&[(seed, creativity)], &mut watch, std::slice::from_mut(picture));
    }

    /// Several pictures at once: small layers then read their weights once for all of them. Memory for activations grows
    /// with the number of pictures.
    ///
    /// # Panics
    /// If there are not as many pictures as wanted.
    pub fn draw_batch(&mut self, wanted: &[(Seed, Creativity)], pictures: &mut [Picture]) {
        assert_eq!(wanted.len(), pictures.len(), "a place for every picture");
        if !wanted.is_empty() {
            self.paint(wanted, &mut nobody!(), pictures);
        }
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
        let mut picture = Picture::default();
        self.draw_styles_into(styles, noise, cancelled, &mut picture).then_some(picture)
    }

    /// As [`Worker::draw_styles`], into a picture whose memory is used again; false, and the picture as it was, if it was
    /// cancelled.
    ///
    /// # Panics
    /// If a style is not `w_dim` long.
    pub fn draw_styles_into(
        &mut self,
        styles: &Styles,
        noise: Option<Seed>,
        cancelled: &dyn Fn() -> bool,
        picture: &mut Picture,
    ) -> bool {
        self.follow(std::slice::from_ref(styles));
        let mut watch = Watch { cancelled, finished: &mut |_| () };
        if !self.canvas.layers(&self.generator, &self.crew, &[noise], &mut watch) {
            return false;
        }
        self.develop(std::slice::from_mut(picture));
        true
    }

    /// As [`Worker::draw_styles_into`], for whoever shows the picture `side` pixels long on its longer side: as it is composed
    /// ([`Generator::composed`]) where that is enough, in about half the time; through the lens ([`Generator::magnified`]) where the model's own
    /// size is less; at its own size otherwise, or for no `side`. It may be larger or smaller than `side`: scaling is left to the caller.
    ///
    /// # Panics
    /// If a style is not `w_dim` long.
    pub fn draw_styles_sized_into(
        &mut self,
        styles: &Styles,
        noise: Option<Seed>,
        side: Option<usize>,
        cancelled: &dyn Fn() -> bool,
        picture: &mut Picture,
    ) -> bool {
        let longer = |(height, width): (usize, usize)| height.max(width);
        let (composed, own) = (longer(self.generator.composed()), longer(self.generator.resolution()));
        let Some(side) = side.filter(|&side| side <= composed || side > own && self.generator.lens.is_some()) else {
            return self.draw_styles_into(styles, noise, cancelled, picture);
        };
        self.follow(std::slice::from_ref(styles));
        let mut watch = Watch { cancelled, finished: &mut |_| () };
        let (generator, crew) = (&self.generator, &self.crew);
        let drawn = if side <= composed {
            self.canvas.compose(generator, crew, &[noise], &mut watch).then(|| self.canvas.composed(0))
        } else if self.canvas.layers(generator, crew, &[noise], &mut watch) {
            self.canvas.magnify(generator, crew, &mut watch)
        } else {
            None
        };
        drawn.map(|drawn| write(drawn, picture)).is_some()
    }

    /// Makes the next pictures follow these styles.
    fn follow(&mut self, styles: &[Styles]) {
        self.w.clear();
        for styles in styles {
            self.w.extend_from_slice(&styles.w);
        }
        self.canvas.style(&self.generator, &self.crew, &self.w, styles.len());
        for (picture, styles) in styles.iter().enumerate() {
            if let Some((layer, fine)) = &styles.fine {
                self.canvas.style_from(&self.generator, &self.crew, picture, *layer, fine);
            }
        }
    }

    /// The picture of `w` as it is, without truncation, with the noise of a seed or with none: `w_dim` values for all layers, or as
    /// many for each convolution ([`Generator::layers`]) one behind the other, where each layer of colours follows the convolution
    /// before it.
    ///
    /// # Panics
    /// If `w` is of neither length.
    pub fn draw_w(&mut self, w: &[f32], noise: Option<Seed>) -> Picture {
        let rows = self.generator.rows(w).expect("w must hold w_dim values, or as many for each convolution");
        let length = w.len() / rows;
        self.canvas.style(&self.generator, &self.crew, &w[..length], 1);
        for (layer, row) in w.chunks_exact(length).enumerate().skip(1) {
            self.canvas.style_from(&self.generator, &self.crew, 0, layer, row);
        }
        self.canvas.layers(&self.generator, &self.crew, &[noise], &mut nobody!());
        let mut picture = Picture::default();
        self.develop(std::slice::from_mut(&mut picture));
        picture
    }

    /// The raw picture of a `w` that is truncated already: planar [3, H, W], about -1 to 1. `seed` matters to noise only.
    ///
    /// # Panics
    /// If `w` is not `w_dim` long.
    pub fn synthesize(&mut self, w: &[f32], seed: Seed) -> &[f32] {
        assert_eq!(w.len(), self.generator.architecture().w_dim, "w must hold w_dim values");
        self.canvas.style(&self.generator, &self.crew, w, 1);
        self.canvas.layers(&self.generator, &self.crew, &[Some(seed)], &mut nobody!());
        let picture = self.canvas.picture(&self.generator, 0);
        self.planar.resize(3 * picture.height() * picture.width(), 0.0);
        picture.write_planar(&mut self.planar);
        &self.planar
    }

    /// What the ink network makes of a picture that the generator did not compose, planar [3, H, W] of its composed size
    /// ([`Generator::composed`]) with -1 to 1; nothing if the model has no ink network.
    ///
    /// # Panics
    /// If `composed` is of another size.
    pub fn redraw(&mut self, composed: &[f32]) -> Option<Picture> {
        let redrawn = self.canvas.redraw_other(&self.generator, &self.crew, composed, &mut nobody!());
        redrawn.then(|| {
            let mut picture = Picture::default();
            self.develop(std::slice::from_mut(&mut picture));
            picture
        })
    }

    /// Draws into `pictures`; false if it was cancelled.
    fn paint(&mut self, wanted: &[(Seed, Creativity)], watch: &mut Watch<'_>, pictures: &mut [Picture]) -> bool {
        let mut styles = std::mem::take(&mut self.styles);
        styles.resize_with(styles.len().max(wanted.len()), Styles::default);
        self.seeds.clear();
        for (styles, &(seed, creativity)) in styles.iter_mut().zip(wanted) {
            let w = self.mapper.map(&self.generator, &self.crew, seed);
            self.generator.truncation.apply(w, creativity, &mut self.scratch, styles);
            self.seeds.push(Some(seed));
        }
        (watch.finished)("mapping");
        self.follow(&styles[..wanted.len()]);
        self.styles = styles;
        (watch.finished)("styles");
        if !self.canvas.layers(&self.generator, &self.crew, &self.seeds, watch) {
            return false;
        }
        self.develop(pictures);
        (watch.finished)("bytes");
        true
    }

    /// The canvas as bytes.
    fn develop(&self, pictures: &mut [Picture]) {
        for (index, picture) in pictures.iter_mut().enumerate() {
            write(self.canvas.picture(&self.generator, index), picture);
        }
    }
}

impl Generator {
    /// Memory to draw with on one thread: the way to draw many pictures, one worker a core. It grows while the first
    /// picture is drawn; nothing is allocated afterwards.
    pub fn worker(self: &Arc<Self>) -> Worker {
        Worker::new(Arc::clone(self), Crew::alone(self.isa))
    }

    /// As [`Generator::worker`], but with `threads` threads (one of them the caller's) at every picture: the way to have
    /// one picture soon. Where the system has no threads to give, it draws with those there are.
    pub fn worker_with_threads(self: &Arc<Self>, threads: usize) -> Worker {
        Worker::new(Arc::clone(self), Crew::new(self.isa, threads))
    }
}

/// A raw picture as bytes.
fn write(raw: &Rgb, picture: &mut Picture) {
    (picture.height, picture.width) = (raw.height(), raw.width());
    picture.rgb.resize(3 * picture.height * picture.width, 0);
    raw.write_bytes(&mut picture.rgb);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, ModelFile, NoiseInputs, NoiseMode, Tensor, Variation};

    #[test]
    fn rows_rule_their_own_convolutions() {
        let model = ModelFile::random(Architecture::plain(8, 8, &[8, 8, 8]), Seed(1)).unwrap();
        let generator = Arc::new(Generator::new(&model).unwrap());
        let (coarse, fine) = (generator.w(Seed(1)), generator.w(Seed(2)));
        let mut worker = generator.worker();
        let same = coarse.repeat(5);
        assert_eq!(worker.draw_w(&same, None), worker.draw_w(&coarse, None));
        let mixed = [coarse.repeat(3), fine.repeat(2)].concat();
        let styles = Styles { w: coarse.clone(), fine: Some((3, fine)) };
        assert_eq!(Some(worker.draw_w(&mixed, None)), worker.draw_styles(&styles, None, &|| false));
        assert_ne!(worker.draw_w(&mixed, None), worker.draw_w(&coarse, None));
        let all = [1, 2, 3, 4, 5].map(|seed| generator.w(Seed(seed))).concat();
        let raw = crate::reference::synthesize(&model, &all, Seed(0)).unwrap();
        let drawn = worker.draw_w(&all, None);
        for (i, byte) in drawn.rgb.iter().enumerate() {
            let v = raw[i % 3 * 256 + i / 3];
            assert!((f32::from(*byte) - (127.5 * v + 127.5).clamp(0.0, 255.0)).abs() <= 1.0, "{byte} {v}");
        }
        assert_eq!([5, 1, 4].map(|rows| generator.rows(&coarse.repeat(rows))), [Some(5), Some(1), None]);
        assert_eq!(generator.rows(&same[1..]), None);
    }

    #[test]
    fn noise_is_that_of_the_picture() {
        let architecture = Architecture { noise: NoiseInputs::Coarse, ..Architecture::plain(8, 8, &[8, 8, 8, 8]) };
        let mut model = ModelFile::random(architecture, Seed(1)).unwrap();
        let stored = Tensor { shape: vec![8, 8], data: (0..64_u8).map(f32::from).collect() };
        model.tensors.insert("synthesis.b8.conv1.noise_const".into(), stored.clone());
        let mut generator = Generator::new(&model).unwrap();
        let noise = generator.noise(Seed(5));
        assert_eq!(noise.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, true, true, true, false, false]);
        assert_eq!(noise[2].as_ref(), Some(&stored.data));
        let mut own = vec![0.0; 64];
        crate::latent::normal(Seed(5), 2, &mut own);
        assert_eq!(noise[1], Some(own));
        generator = generator.with_variation(Variation { noise: NoiseMode::None, ..Variation::default() }).unwrap();
        assert!(generator.noise(Seed(5)).iter().all(Option::is_none));
    }
}
