//! What draws, as far as pages and addresses say it.

use synth::Creativity;

use crate::config::Config;

/// What the pages need to know about the model.
#[derive(Clone, Debug)]
pub(crate) struct ModelFacts {
    /// Pixels across and down.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) fingerprint: String,
    /// Where the creativity slider stands at first.
    pub(crate) psi: Creativity,
    /// Convolutions, for style mixing.
    pub(crate) layers: usize,
    /// Names of the directions that pictures can be edited in.
    pub(crate) directions: Vec<String>,
    /// Whether noise can be switched off.
    pub(crate) noise: bool,
    /// Where browsers find the model's file; empty if they may not draw.
    pub(crate) address: String,
}

impl ModelFacts {
    pub(crate) fn new(generator: &synth::Generator, config: &Config) -> Self {
        let (height, width) = generator.resolution();
        let psi = Creativity::default();
        let (layers, noise) = (generator.layers(), generator.has_noise());
        let fingerprint = generator.fingerprint();
        let address = |_| format!("/model.safetensors?m={}", short(&fingerprint));
        let address = config.weights.as_ref().map_or_else(String::new, address);
        let directions = generator.directions().to_vec();
        Self { width, height, fingerprint, psi, layers, directions, noise, address }
    }

    /// Width and height when the longer side is `side`.
    pub(crate) fn enlarged(&self, side: usize) -> (usize, usize) {
        let longer = self.width.max(self.height).max(1);
        (self.width * side / longer, self.height * side / longer)
    }
}

/// The first eight digits of a fingerprint, which addresses carry as `m`.
pub(crate) fn short(fingerprint: &str) -> &str {
    fingerprint.get(..8).unwrap_or(fingerprint)
}
