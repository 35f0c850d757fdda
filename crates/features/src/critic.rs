//! The feature critic: small heads that judge pictures by what a frozen network sees in them (projected GAN, arXiv 2111.01007).
//!
//! The network's grids are mixed by fixed random 1x1 convolutions, each with the coarser ones (so that no head can look at one
//! channel alone), and every mixed grid has a head with a hinge loss. The heads are the only part that learns: 3x3 convolutions
//! under spectral norm, normalised by the statistics of groups of [`GROUP`] pictures. Their weights are one flat vector, laid out
//! as [`Critic::tensors`] says.
//!
//! Sums are made group by group and added in order, so that nothing depends on the number of threads.

mod heads;
mod mixing;
mod spectral;

use std::ops::Range;

use kernels::Crew;

use crate::resample::Resampler;
use crate::{Error, Grid, Network, Tape, Workspace};
use heads::Heads;
use mixing::Mixing;

/// Pictures that share the statistics of a normalisation, or up to twice as many where the batch is no multiple.
pub const GROUP: usize = 8;

/// A tensor of the heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadTensor {
    /// Such as `head0.conv.weight`.
    pub name: String,
    /// [rows, columns, in, out] of a weight, `[out]` of a bias.
    pub shape: Vec<usize>,
    /// Place in the flat vector.
    pub range: Range<usize>,
}

/// What the heads are asked about some pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `relu(1 - F)`: what the heads minimise on real pictures.
    Real,
    /// `relu(1 + F)`: what the heads minimise on drawn pictures.
    Drawn,
    /// `F`: what G maximises.
    Score,
}

/// The answer, a mean over places, pictures and heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Mean of what was asked.
    pub value: f64,
    /// Mean output F.
    pub output: f64,
}

/// Shape of the critic and its frozen parts.
#[derive(Debug)]
pub struct Critic {
    network: Network,
    /// Rows and columns of the pictures it is given.
    picture: [usize; 2],
    /// To the size that the network sees, where that is another.
    resampler: Option<Resampler>,
    seen: [usize; 2],
    mixing: Mixing,
    heads: Heads,
}

/// Memory of a critic's passes, kept from one to the next.
#[derive(Debug, Default)]
pub struct CriticWork {
    workspace: Workspace,
    tape: Tape,
    taps: Vec<Grid>,
    resized: Vec<f32>,
    heads: heads::Work,
}

impl Critic {
    /// A critic on `network` for square pictures of side `picture`, brought to side `size` first (0 for as they are), with so many
    /// `channels` a tap after the mixing, from the finest grid to the coarsest. `mixing` is that of a checkpoint, or drawn from
    /// `seed` if there is none.
    ///
    /// # Errors
    /// [`Error::Size`] if the network cannot take such pictures; [`Error::Critic`] if the channels or the mixing do not fit it.
    pub fn new(
        network: Network,
        channels: &[usize],
        size: usize,
        picture: usize,
        mixing: Option<Vec<f32>>,
        seed: u64,
    ) -> Result<Self, Error> {
        let (picture, seen) = ([picture; 2], [if size > 0 { size } else { picture }; 2]);
        let taps = network.tap_shapes(seen)?;
        let fail = |what: String| Error::Critic { what };
        if taps.len() != channels.len() || channels.contains(&0) {
            let what = format!("critic.channels must be {} numbers, one a tap of {}", taps.len(), network.name());
            return Err(fail(what));
        }
        let mixing = Mixing::new(&taps, channels, mixing, seed).map_err(|len| {
            fail(format!(
                "the checkpoint's critic was made for another network than {}: it mixes {len} numbers",
                network.name()
            ))
        })?;
        let heads = Heads::new(&taps, channels);
        let resampler = (picture != seen).then(|| Resampler::bilinear(picture, seen));
        Ok(Critic { network, picture, resampler, seen, mixing, heads })
    }

    /// The frozen network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The fixed random mixing of all taps in one vector, so that a checkpoint can hold it.
    pub fn mixing(&self) -> &[f32] {
        self.mixing.weights()
    }

    /// The heads' tensors.
    pub fn tensors(&self) -> &[HeadTensor] {
        self.heads.tensors()
    }

    /// Numbers in the flat vector of the heads' weights.
    pub fn weights_len(&self) -> usize {
        self.tensors().last().map_or(0, |tensor| tensor.range.end)
    }

    /// Fresh weights of the heads: normal ones, and biases of zero.
    pub fn fresh_weights(&self, seed: u64) -> Vec<f32> {
        let mut weights = vec![0.0; self.weights_len()];
        for (stream, tensor) in self.tensors().iter().enumerate().filter(|(_, tensor)| tensor.shape.len() > 1) {
            synth::latent::normal(synth::Seed(seed), stream as u32, &mut weights[tensor.range.clone()]);
        }
        weights
    }

    /// Where power iterations stand at first; see [`Critic::advance`].
    pub fn fresh_norms(&self, seed: u64) -> Vec<f32> {
        self.heads.fresh_norms(seed)
    }

    /// One step of the power iterations by which the largest singular value of each weight is followed (spectral norm, arXiv
    /// 1802.05957). Once a training step; `norms` belongs into the checkpoint.
    ///
    /// # Panics
    /// If `weights` or `norms` are not this critic's.
    pub fn advance(&self, weights: &[f32], norms: &mut [f32]) {
        self.heads.advance(weights, norms);
    }

    /// Mixed grids of planar `pictures` [n, 3, side, side] in -1..1, written over `grids`. With `record`, [`Critic::gradient`] can
    /// be asked afterwards; without, it takes less memory.
    ///
    /// # Panics
    /// If `pictures` are no whole pictures of the critic's size.
    pub fn grids(&self, crew: &Crew, work: &mut CriticWork, pictures: &[f32], record: bool, grids: &mut Vec<Grid>) {
        let CriticWork { workspace, tape, taps, resized, .. } = work;
        let area = |[height, width]: [usize; 2]| 3 * height * width;
        assert!(pictures.len().is_multiple_of(area(self.picture)), "pictures of {:?}", self.picture);
        let pictures = if let Some(resampler) = &self.resampler {
            resampler.apply_each(crew, pictures, resized);
            &*resized
        } else {
            pictures
        };
        let passed = if record {
            self.network.record(crew, workspace, tape, pictures, self.seen, taps)
        } else {
            self.network.taps(crew, workspace, pictures, self.seen, taps)
        };
        passed.expect("the size was tried when the critic was made");
        self.mixing.forward(crew, taps, grids);
    }

    /// The gradient to the pictures whose grids were [recorded](Critic::grids), planar, from gradients to the grids. `grids` is used
    /// up.
    ///
    /// # Panics
    /// If `grids` or `pictures` are not of the recorded pictures.
    pub fn gradient(&self, crew: &Crew, work: &mut CriticWork, grids: &mut [Grid], pictures: &mut [f32]) {
        let CriticWork { workspace, tape, taps, resized, .. } = work;
        self.mixing.backward(crew, grids, taps);
        let area = |[height, width]: [usize; 2]| 3 * height * width;
        if let Some(resampler) = &self.resampler {
            resized.resize(pictures.len() / area(self.picture) * area(self.seen), 0.0);
            let passed = self.network.gradient(crew, workspace, tape, taps, resized);
            passed.expect("the size was tried when the critic was made");
            resampler.gather_each(crew, resized, pictures);
        } else {
            let passed = self.network.gradient(crew, workspace, tape, taps, pictures);
            passed.expect("the size was tried when the critic was made");
        }
    }

    /// Asks the heads about pictures, given as their grids. The answer's gradient to the weights is added to `gradient`, that to the
    /// grids is written over `back`, where they are asked for.
    ///
    /// # Panics
    /// If the grids, `weights`, `norms` or `gradient` are not this critic's.
    #[allow(clippy::too_many_arguments, reason = "what is given, what is asked and what comes back")]
    pub fn ask(
        &self,
        crew: &Crew,
        work: &mut CriticWork,
        question: Question,
        weights: &[f32],
        norms: &[f32],
        grids: &[Grid],
        gradient: Option<&mut [f32]>,
        back: Option<&mut Vec<Grid>>,
    ) -> Answer {
        self.heads.ask(crew, &mut work.heads, question, [weights, norms], grids, (gradient, back))
    }
}

#[cfg(test)]
mod tests;
