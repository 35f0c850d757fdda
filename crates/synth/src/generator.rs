//! From a model to pictures: [`Generator`] holds the prepared weights, a [`Worker`] the memory to draw with.

use std::sync::Arc;

use crate::architecture::Architecture;
use crate::model::{ModelError, ModelFile};
use crate::{Psi, Seed, reference};

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

/// A model made ready to draw. Share it behind an [`Arc`]; give every thread a [`Worker`] of its own.
#[derive(Debug)]
pub struct Generator {
    model: ModelFile,
    fingerprint: String,
}

impl Generator {
    /// Prepares a model.
    ///
    /// # Errors
    /// The model is not valid; see [`ModelFile::check`].
    pub fn new(model: &ModelFile) -> Result<Self, ModelError> {
        model.check()?;
        Ok(Generator { fingerprint: model.fingerprint(), model: model.clone() })
    }

    /// The architecture of the model.
    pub fn architecture(&self) -> &Architecture {
        &self.model.architecture
    }

    /// Sixteen hexadecimal digits that change whenever the model does; see [`ModelFile::fingerprint`].
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Height and width of the pictures, in pixels.
    pub fn resolution(&self) -> (usize, usize) {
        self.model.architecture.resolution()
    }

    /// The instruction set in use: `avx512`, `avx2` or `scalar`.
    pub fn simd(&self) -> &'static str {
        "scalar"
    }

    /// `w` of a seed, before truncation: `w_dim` values.
    pub fn w(&self, seed: Seed) -> Vec<f32> {
        reference::w(&self.model, seed).unwrap_or_default()
    }

    /// Memory to draw with; nothing is allocated for a picture afterwards.
    pub fn worker(self: &Arc<Self>) -> Worker {
        Worker { generator: Arc::clone(self), raw: Vec::new() }
    }
}

/// Draws pictures on one thread.
#[derive(Debug)]
pub struct Worker {
    generator: Arc<Generator>,
    raw: Vec<f32>,
}

impl Worker {
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

    /// The raw picture of a given `w` (already truncated): planar [3, H, W], about -1 to 1. `seed` matters to noise only.
    ///
    /// # Panics
    /// If `w` is not `w_dim` long.
    pub fn synthesize(&mut self, w: &[f32], seed: Seed) -> &[f32] {
        self.raw = reference::synthesize(&self.generator.model, w, seed).unwrap_or_default();
        &self.raw
    }

    fn paint(&mut self, seed: Seed, psi: Psi, cancelled: &dyn Fn() -> bool, picture: &mut Picture) -> bool {
        if cancelled() {
            return false;
        }
        let mut w = self.generator.w(seed);
        reference::truncate(&mut w, self.generator.model.values("mapping.w_avg"), psi);
        self.synthesize(&w, seed);
        (picture.height, picture.width) = self.generator.resolution();
        let area = picture.width * picture.height;
        picture.rgb.clear();
        picture.rgb.extend((0..3 * area).map(|i| to_byte(self.raw[i % 3 * area + i / 3])));
        !cancelled()
    }
}

/// `floor(clamp(v * 127.5 + 128, 0, 255))`.
fn to_byte(v: f32) -> u8 {
    (v * 127.5 + 128.0).clamp(0.0, 255.0) as u8
}
