//! The fixed random mixing of a network's grids.

use std::sync::Mutex;

use kernels::matrix::{Matrix, MatrixMut, Packed, Update, product_packed};
use kernels::{Crew, Isa};

use crate::Grid;
use crate::pass::lock;
use crate::resample::Resampler;

/// 1x1 convolutions of every tap, and of every mixed grid but the finest for the next finer one.
#[derive(Debug)]
pub(super) struct Mixing {
    /// All matrices [out, in], those of the taps first.
    weights: Vec<f32>,
    levels: Vec<Level>,
}

/// A mixed grid.
#[derive(Debug)]
struct Level {
    /// Rows, columns and channels of the tap.
    tap: [usize; 3],
    channels: usize,
    own: Matrices,
    /// From the next coarser grid; none for the coarsest.
    coarser: Option<(Matrices, Resampler)>,
}

/// A matrix ready for both ways.
#[derive(Debug)]
struct Matrices {
    forward: Packed,
    backward: Packed,
}

impl Matrices {
    fn new(weight: &[f32], [out, input]: [usize; 2]) -> Self {
        let (crew, matrix) = (Crew::alone(Isa::SCALAR), Matrix::new(weight, out, input));
        Matrices { forward: Packed::new(&crew, matrix.transposed()), backward: Packed::new(&crew, matrix) }
    }
}

/// `y` of the pixels `x` under a matrix.
fn times(crew: &Crew, x: &[f32], matrix: &Packed, update: Update, y: &mut [f32]) {
    let pixels = x.len() / matrix.rows();
    product_packed(
        crew,
        Matrix::new(x, pixels, matrix.rows()),
        matrix,
        MatrixMut::new(y, pixels, matrix.columns()),
        update,
    );
}

impl Mixing {
    /// Matrices for taps of the shapes `taps` to `channels`: those of a checkpoint, or normal ones over the root of their inputs,
    /// from streams of `seed`. Fails with the length of what does not fit.
    pub(super) fn new(
        taps: &[[usize; 3]],
        channels: &[usize],
        given: Option<Vec<f32>>,
        seed: u64,
    ) -> Result<Self, usize> {
        let own = channels.iter().zip(taps).map(|(&out, tap)| [out, tap[2]]);
        let sizes: Vec<[usize; 2]> = own.chain(channels.windows(2).map(|pair| [pair[0], pair[1]])).collect();
        let length: usize = sizes.iter().map(|[out, input]| out * input).sum();
        let weights = match given {
            Some(weights) if weights.len() == length => weights,
            Some(weights) => return Err(weights.len()),
            None => {
                let mut weights = Vec::with_capacity(length);
                for (stream, [out, input]) in sizes.iter().enumerate() {
                    let mut part = vec![0.0; out * input];
                    synth::latent::normal(synth::Seed(seed), stream as u32, &mut part);
                    weights.extend(part.iter().map(|v| v / (*input as f32).sqrt()));
                }
                weights
            }
        };
        let mut rest = weights.as_slice();
        let mut matrices = sizes.iter().map(|&size| {
            let (part, after) = rest.split_at(size[0] * size[1]);
            rest = after;
            Matrices::new(part, size)
        });
        let mut levels: Vec<Level> = taps
            .iter()
            .zip(channels)
            .zip(matrices.by_ref())
            .map(|((&tap, &channels), own)| Level { tap, channels, own, coarser: None })
            .collect();
        for (level, matrices) in matrices.enumerate() {
            let (from, to) = (taps[level + 1], taps[level]);
            levels[level].coarser = Some((matrices, Resampler::bilinear([from[0], from[1]], [to[0], to[1]])));
        }
        Ok(Mixing { weights, levels })
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Mixes taps to grids, from the coarsest to the finest.
    pub(super) fn forward(&self, crew: &Crew, taps: &[Grid], grids: &mut Vec<Grid>) {
        grids.resize_with(taps.len(), Grid::default);
        let count = taps[0].pictures();
        for (grid, level) in grids.iter_mut().zip(&self.levels) {
            [grid.height, grid.width, _] = level.tap;
            grid.channels = level.channels;
            grid.data.resize(count * grid.stride(), 0.0);
        }
        let (pictures, isa) = (by_picture(grids, count), crew.isa());
        crew.run(count, |_, i| {
            let (mut grids, alone) = (lock(&pictures[i]), Crew::alone(isa));
            let (mut mixed, mut between) = (Vec::new(), Vec::new());
            for (at, level) in self.levels.iter().enumerate().rev() {
                let (finer, coarser) = grids.split_at_mut(at + 1);
                let y = &mut *finer[at];
                if let (Some((matrices, resampler)), Some(coarse)) = (&level.coarser, coarser.first()) {
                    mixed.resize(coarse.len() / matrices.forward.rows() * level.channels, 0.0);
                    times(&alone, coarse, &matrices.forward, Update::Replace, &mut mixed);
                    resampler.apply(level.channels, &mut between, &mixed, y);
                } else {
                    y.fill(0.0);
                }
                let tap = &taps[at].data[i * taps[at].stride()..][..taps[at].stride()];
                times(&alone, tap, &level.own.forward, Update::Add, y);
            }
        });
    }

    /// Gradients to the taps from gradients to the grids, to which is added what finer grids pass back.
    pub(super) fn backward(&self, crew: &Crew, grids: &mut [Grid], taps: &mut Vec<Grid>) {
        taps.resize_with(grids.len(), Grid::default);
        let count = grids[0].pictures();
        for (tap, level) in taps.iter_mut().zip(&self.levels) {
            [tap.height, tap.width, tap.channels] = level.tap;
            tap.data.resize(count * tap.stride(), 0.0);
        }
        let (pictures, outs, isa) = (by_picture(grids, count), by_picture(taps, count), crew.isa());
        crew.run(count, |_, i| {
            let (mut grids, mut taps, alone) = (lock(&pictures[i]), lock(&outs[i]), Crew::alone(isa));
            let (mut mixed, mut between) = (Vec::new(), Vec::new());
            for (at, level) in self.levels.iter().enumerate() {
                let (finer, coarser) = grids.split_at_mut(at + 1);
                let dy = &*finer[at];
                times(&alone, dy, &level.own.backward, Update::Replace, taps[at]);
                if let (Some((matrices, resampler)), Some(coarse)) = (&level.coarser, coarser.first_mut()) {
                    mixed.resize(coarse.len() / matrices.forward.rows() * level.channels, 0.0);
                    resampler.gather(level.channels, &mut between, dy, &mut mixed);
                    times(&alone, &mixed, &matrices.backward, Update::Add, coarse);
                }
            }
        });
    }
}

/// The grids of each picture.
fn by_picture(grids: &mut [Grid], count: usize) -> Vec<Mutex<Vec<&mut [f32]>>> {
    let mut pictures: Vec<Vec<&mut [f32]>> = (0..count).map(|_| Vec::new()).collect();
    for grid in grids {
        let stride = grid.stride();
        pictures.iter_mut().zip(grid.data.chunks_exact_mut(stride)).for_each(|(picture, own)| picture.push(own));
    }
    pictures.into_iter().map(Mutex::new).collect()
}
