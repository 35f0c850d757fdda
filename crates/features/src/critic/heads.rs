//! The heads: strided 3x3 convolutions under spectral norm, normalised over groups of pictures.

use std::ops::Range;
use std::sync::Mutex;

use kernels::matrix::{Matrix, MatrixMut, Packed, Scratch, Update, product, product_packed};
use kernels::nhwc::Windows;
use kernels::{Crew, Isa};

use super::{Answer, GROUP, HeadTensor, Question, spectral};
use crate::Grid;
use crate::conv::{add_back, grow, write_out};
use crate::pass::lock;

/// Widest layer of a head.
const WIDEST: usize = 128;
/// Slope of the leaky ReLU below zero.
const SLOPE: f32 = 0.2;
/// Added to a variance.
const EPSILON: f32 = 1e-5;

/// One head a grid.
#[derive(Debug)]
pub(super) struct Heads {
    each: Vec<Head>,
    tensors: Vec<HeadTensor>,
    norms: usize,
}

#[derive(Debug)]
struct Head {
    layers: Vec<Layer>,
    /// Its part of the flat vector of weights.
    range: Range<usize>,
}

/// A convolution; all but the last are followed by normalisation, bias and leaky ReLU, the last by its bias alone.
#[derive(Debug)]
struct Layer {
    windows: Windows,
    input: usize,
    output: usize,
    weight: Range<usize>,
    bias: Range<usize>,
    /// Places of the power iteration's two vectors.
    u: Range<usize>,
    v: Range<usize>,
}

impl Layer {
    fn depth(&self) -> usize {
        9 * self.input
    }
}

/// Memory of the heads' passes.
#[derive(Debug, Default)]
pub(super) struct Work {
    lanes: Vec<Mutex<Lane>>,
    /// [head][layer]
    ready: Vec<Vec<Ready>>,
    /// Of each task, its gradient to the head's weights.
    gradients: Vec<Vec<f32>>,
}

/// Weights over their norm, for both ways.
#[derive(Debug)]
struct Ready {
    scaled: Vec<f32>,
    forward: Packed,
    backward: Packed,
}

/// One thread's memory.
#[derive(Debug)]
struct Lane {
    crew: Crew,
    scratch: Scratch,
    /// Windows of one picture, side by side.
    columns: Vec<f32>,
    /// What each layer is given; at last what the head answers.
    values: Vec<Vec<f32>>,
    /// One over the standard deviation of each channel, by layer.
    scales: Vec<Vec<f32>>,
    /// Gradients to what a layer gives, and to what it is given.
    above: Vec<f32>,
    below: Vec<f32>,
}

/// What one head makes of one group of pictures.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    value: f64,
    output: f64,
}

impl Heads {
    /// Heads for mixed grids of the taps' sizes.
    pub(super) fn new(taps: &[[usize; 3]], channels: &[usize]) -> Self {
        let (mut heads, mut tensors, mut norms) = (Vec::new(), Vec::<HeadTensor>::new(), 0);
        for (tap, (&[height, width, _], &channels)) in taps.iter().zip(channels).enumerate() {
            let start = tensors.last().map_or(0, |t| t.range.end);
            let (mut size, mut input, mut layers) = ([height, width], channels, Vec::new());
            // All but the coarsest grid come down to the size of the last but one.
            let halvings = taps.len().saturating_sub(2 + tap);
            let downs = (0..halvings).map(|k| (format!("down{k}"), 2));
            for (name, stride) in downs.chain([("conv".into(), 1), ("out".into(), 1)]) {
                let output = match (name.as_str(), stride) {
                    ("out", _) => 1,
                    (_, 1) => WIDEST,
                    _ => (2 * input).min(WIDEST),
                };
                let windows = Windows {
                    input: size,
                    output: size.map(|n| (n - 1) / stride + 1),
                    size: [3, 3],
                    stride: [stride; 2],
                    before: [1, 1],
                };
                let mut push = |part: &str, shape: Vec<usize>| {
                    let start = tensors.last().map_or(0, |t| t.range.end);
                    let range = start..start + shape.iter().product::<usize>();
                    tensors.push(HeadTensor { name: format!("head{tap}.{name}.{part}"), shape, range: range.clone() });
                    range
                };
                let (weight, bias) = (push("weight", vec![3, 3, input, output]), push("bias", vec![output]));
                let (u, v) = (norms..norms + output, norms + output..norms + output + 9 * input);
                norms = v.end;
                size = windows.output;
                layers.push(Layer { windows, input, output, weight, bias, u, v });
                input = output;
            }
            let range = start..tensors.last().map_or(0, |t| t.range.end);
            heads.push(Head { layers, range });
        }
        Heads { each: heads, tensors, norms }
    }

    pub(super) fn tensors(&self) -> &[HeadTensor] {
        &self.tensors
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.each.iter().flat_map(|head| &head.layers)
    }

    pub(super) fn fresh_norms(&self, seed: u64) -> Vec<f32> {
        let mut norms = vec![0.0; self.norms];
        synth::latent::normal(synth::Seed(seed), 0, &mut norms);
        for layer in self.layers() {
            spectral::normalise(&mut norms[layer.u.clone()]);
            spectral::normalise(&mut norms[layer.v.clone()]);
        }
        norms
    }

    pub(super) fn advance(&self, weights: &[f32], norms: &mut [f32]) {
        assert_eq!(norms.len(), self.norms, "vectors of the power iterations");
        for layer in self.layers() {
            let (u, v) = norms[layer.u.start..layer.v.end].split_at_mut(layer.output);
            spectral::advance(&weights[layer.weight.clone()], u, v);
        }
    }

    /// The answer; its gradients to the weights, which is added to, and to the grids, which is overwritten.
    pub(super) fn ask(
        &self,
        crew: &Crew,
        work: &mut Work,
        question: Question,
        [weights, norms]: [&[f32]; 2],
        grids: &[Grid],
        (gradient, back): (Option<&mut [f32]>, Option<&mut Vec<Grid>>),
    ) -> Answer {
        assert_eq!(grids.len(), self.each.len(), "one grid a head");
        assert_eq!(norms.len(), self.norms, "vectors of the power iterations");
        let count = grids[0].pictures();
        assert!(count > 0, "a question about no pictures");
        self.prepare(crew, work, weights, norms);
        // Nearly equal groups of `GROUP` pictures or some more; what they are does not depend on the threads.
        let groups = (count / GROUP).max(1);
        let group = |index: usize| index * count / groups..(index + 1) * count / groups;
        let tasks = self.each.len() * groups;
        work.gradients.resize_with(work.gradients.len().max(tasks), Vec::new);
        let gradients: Vec<_> = work.gradients.iter_mut().map(Mutex::new).collect();
        let parts: Vec<_> = (0..tasks).map(|_| Mutex::new(Part::default())).collect();
        let backs = back.map(|back| parts_of(back, grids, &(0..groups).map(group)));
        let (wanted, lanes, ready) = (gradient.is_some(), &work.lanes, &work.ready);
        crew.run(tasks, |thread, task| {
            let (head, index) = (task / groups, task % groups);
            let (pictures, grid) = (group(index), &grids[head]);
            let x = &grid.data[pictures.start * grid.stride()..pictures.end * grid.stride()];
            let lane = &mut *lock(&lanes[thread]);
            let share = 1.0 / (self.each.len() * count) as f64;
            let job = Job { head: &self.each[head], ready: &ready[head], weights, count: pictures.len() };
            *lock(&parts[task]) = job.forward(lane, x, question, share);
            let mut own = lock(&gradients[task]);
            let mut to_grid = backs.as_ref().map(|backs| lock(&backs[task]));
            if wanted || to_grid.is_some() {
                let gradient = wanted.then(|| {
                    own.clear();
                    own.resize(self.each[head].range.len(), 0.0);
                    own.as_mut_slice()
                });
                job.backward(lane, gradient, to_grid.as_mut().map(|to| &mut ***to));
            }
        });
        if let Some(gradient) = gradient {
            drop(gradients);
            self.sum(&mut work.gradients[..tasks], groups, [weights, norms], gradient);
        }
        let sums = parts.into_iter().map(|part| *lock(&part));
        sums.fold(Answer { value: 0.0, output: 0.0 }, |sum, part| Answer {
            value: sum.value + part.value,
            output: sum.output + part.output,
        })
    }

    /// Adds what the tasks found to `gradient`, in order, and takes it through the spectral norms.
    fn sum(&self, tasks: &mut [Vec<f32>], groups: usize, [weights, norms]: [&[f32]; 2], gradient: &mut [f32]) {
        for (head, tasks) in self.each.iter().zip(tasks.chunks_exact_mut(groups)) {
            let Some((total, others)) = tasks.split_first_mut() else { continue };
            for other in others {
                total.iter_mut().zip(&*other).for_each(|(sum, g)| *sum += g);
            }
            for layer in &head.layers {
                let own = layer.weight.start - head.range.start..layer.weight.end - head.range.start;
                let (u, v) = (&norms[layer.u.clone()], &norms[layer.v.clone()]);
                spectral::gradient(&weights[layer.weight.clone()], u, v, &mut total[own]);
            }
            gradient[head.range.clone()].iter_mut().zip(&*total).for_each(|(to, g)| *to += g);
        }
    }

    /// Packs all weights over their norms.
    fn prepare(&self, crew: &Crew, work: &mut Work, weights: &[f32], norms: &[f32]) {
        let isa = crew.isa();
        work.lanes.resize_with(work.lanes.len().max(crew.threads()), || Mutex::new(Lane::new(isa)));
        work.ready.resize_with(self.each.len(), Vec::new);
        for (head, ready) in self.each.iter().zip(&mut work.ready) {
            let empty = || {
                let nothing = Packed::new(crew, Matrix::new(&[], 0, 0));
                Ready { scaled: Vec::new(), forward: nothing.clone(), backward: nothing }
            };
            ready.resize_with(head.layers.len(), empty);
            for (layer, ready) in head.layers.iter().zip(ready) {
                let weight = &weights[layer.weight.clone()];
                let sigma = spectral::sigma(weight, &norms[layer.u.clone()], &norms[layer.v.clone()]);
                ready.scaled.clear();
                ready.scaled.extend(weight.iter().map(|w| w / sigma));
                let matrix = Matrix::new(&ready.scaled, layer.depth(), layer.output);
                ready.forward.set(crew, matrix);
                ready.backward.set(crew, matrix.transposed());
            }
        }
    }
}

impl Lane {
    fn new(isa: Isa) -> Self {
        let crew = Crew::alone(isa);
        let (values, scales) = (Vec::new(), Vec::new());
        let (columns, above, below) = (Vec::new(), Vec::new(), Vec::new());
        Lane { crew, scratch: Scratch::default(), columns, values, scales, above, below }
    }
}

/// Gives `back` the shapes of `grids`, and the part of each head and group of it, head by head.
fn parts_of<'a>(
    back: &'a mut Vec<Grid>,
    grids: &[Grid],
    groups: &(impl Iterator<Item = Range<usize>> + Clone),
) -> Vec<Mutex<&'a mut [f32]>> {
    back.resize_with(grids.len(), Grid::default);
    let mut parts = Vec::new();
    for (back, grid) in back.iter_mut().zip(grids) {
        (back.height, back.width, back.channels) = (grid.height, grid.width, grid.channels);
        back.data.resize(grid.data.len(), 0.0);
        let mut rest = back.data.as_mut_slice();
        for pictures in groups.clone() {
            let (part, after) = rest.split_at_mut(pictures.len() * grid.stride());
            parts.push(Mutex::new(part));
            rest = after;
        }
    }
    parts
}

/// One head and one group of pictures.
struct Job<'a> {
    head: &'a Head,
    ready: &'a [Ready],
    weights: &'a [f32],
    count: usize,
}

impl Job<'_> {
    /// Leaves in the lane all layers' values, and the gradient to the last; the answer counts `share` a picture.
    fn forward(&self, lane: &mut Lane, x: &[f32], question: Question, share: f64) -> Part {
        let layers = &self.head.layers;
        lane.values.resize_with(lane.values.len().max(layers.len() + 1), Vec::new);
        lane.scales.resize_with(lane.scales.len().max(layers.len()), Vec::new);
        lane.values[0].clear();
        lane.values[0].extend_from_slice(x);
        for (index, (layer, ready)) in layers.iter().zip(self.ready).enumerate() {
            let mut y = std::mem::take(&mut lane.values[index + 1]);
            let (each_in, each) = (layer.windows.pixels() * layer.input, layer.windows.count() * layer.output);
            y.resize(self.count * each, 0.0);
            for (x, y) in lane.values[index].chunks_exact(each_in).zip(y.chunks_exact_mut(each)) {
                let windows = layer.windows.count();
                write_out(&layer.windows, x, layer.input, 0..layer.input, 0..windows, &mut lane.columns);
                let columns = Matrix::new(&lane.columns, windows, layer.depth());
                product_packed(
                    &lane.crew,
                    columns,
                    &ready.forward,
                    MatrixMut::new(y, windows, layer.output),
                    Update::Replace,
                );
            }
            let bias = &self.weights[layer.bias.clone()];
            if index + 1 < layers.len() {
                normalise(&mut y, layer.output, &mut lane.scales[index]);
                each_row(&mut y, bias, |y, bias| {
                    let sum = *y + bias;
                    *y = if sum > 0.0 { sum } else { SLOPE * sum };
                });
            } else {
                each_row(&mut y, bias, |y, bias| *y += bias);
            }
            lane.values[index + 1] = y;
        }
        let outputs = &lane.values[layers.len()];
        let share = share / (outputs.len() / self.count) as f64;
        let mut part = Part::default();
        lane.above.clear();
        for &f in outputs {
            let (value, slope) = match question {
                Question::Real if f < 1.0 => (1.0 - f, -1.0),
                Question::Drawn if f > -1.0 => (1.0 + f, 1.0),
                Question::Real | Question::Drawn => (0.0, 0.0),
                Question::Score => (f, 1.0),
            };
            part.value += share * f64::from(value);
            part.output += share * f64::from(f);
            lane.above.push((share * slope) as f32);
        }
        part
    }

    /// Walks back from the gradient to the last values: adds to `gradient`, the head's part of the weights, and overwrites `to_grid`.
    fn backward(&self, lane: &mut Lane, mut gradient: Option<&mut [f32]>, to_grid: Option<&mut [f32]>) {
        let layers = &self.head.layers;
        let Lane { crew, scratch, columns, values, scales, above, below } = lane;
        for (index, (layer, ready)) in layers.iter().zip(self.ready).enumerate().rev() {
            let own = |range: &Range<usize>| range.start - self.head.range.start..range.end - self.head.range.start;
            let y = &values[index + 1];
            if index + 1 < layers.len() {
                for (dy, &y) in above.iter_mut().zip(y) {
                    *dy *= if y > 0.0 { 1.0 } else { SLOPE };
                }
            }
            if let Some(gradient) = &mut gradient {
                let bias = &mut gradient[own(&layer.bias)];
                for row in above.chunks_exact(layer.output) {
                    bias.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
                }
            }
            if index + 1 < layers.len() {
                normalise_back(above, y, &self.weights[layer.bias.clone()], &scales[index]);
            }
            let (each_in, each) = (layer.windows.pixels() * layer.input, layer.windows.count() * layer.output);
            let windows = layer.windows.count();
            let further = index > 0 || to_grid.is_some();
            below.clear();
            below.resize(if further { self.count * each_in } else { 0 }, 0.0);
            for (picture, dy) in above.chunks_exact(each).enumerate() {
                let dy = Matrix::new(dy, windows, layer.output);
                if let Some(gradient) = &mut gradient {
                    let x = &values[index][picture * each_in..][..each_in];
                    write_out(&layer.windows, x, layer.input, 0..layer.input, 0..windows, columns);
                    let columns = Matrix::new(columns, windows, layer.depth()).transposed();
                    let to = MatrixMut::new(&mut gradient[own(&layer.weight)], layer.depth(), layer.output);
                    product(crew, columns, dy, to, Update::Add, scratch);
                }
                if further {
                    grow(columns, windows * layer.depth());
                    product_packed(
                        crew,
                        dy,
                        &ready.backward,
                        MatrixMut::new(columns, windows, layer.depth()),
                        Update::Replace,
                    );
                    let dx = &mut below[picture * each_in..][..each_in];
                    add_back(&layer.windows, columns, layer.input, 0..layer.input, 0..windows, dx);
                }
            }
            std::mem::swap(above, below);
        }
        if let Some(to) = to_grid {
            to.copy_from_slice(above);
        }
    }
}

fn each_row(y: &mut [f32], bias: &[f32], f: impl Fn(&mut f32, f32)) {
    for row in y.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(y, &bias)| f(y, bias));
    }
}

/// Brings each channel to mean 0 and variance 1 over all rows; `scales` becomes one over the standard deviations.
fn normalise(y: &mut [f32], channels: usize, scales: &mut Vec<f32>) {
    let rows = (y.len() / channels) as f64;
    let mut means = vec![0.0_f64; channels];
    for row in y.chunks_exact(channels) {
        means.iter_mut().zip(row).for_each(|(sum, &y)| *sum += f64::from(y));
    }
    let mut squares = vec![0.0_f64; channels];
    for row in y.chunks_exact(channels) {
        for ((square, sum), &y) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(y) - sum / rows).powi(2);
        }
    }
    scales.clear();
    scales.extend(squares.iter().map(|square| ((square / rows) as f32 + EPSILON).sqrt().recip()));
    for row in y.chunks_exact_mut(channels) {
        for ((y, sum), scale) in row.iter_mut().zip(&means).zip(&*scales) {
            *y = (*y - (sum / rows) as f32) * scale;
        }
    }
}

/// The gradient before [`normalise`] from the one after it; `y` is what bias and leaky ReLU then made of the values.
fn normalise_back(dy: &mut [f32], y: &[f32], bias: &[f32], scales: &[f32]) {
    let channels = bias.len();
    let normal = |y: f32, bias: f32| if y > 0.0 { y - bias } else { y / SLOPE - bias };
    let (mut means, mut along) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    for (dy, y) in dy.chunks_exact(channels).zip(y.chunks_exact(channels)) {
        for c in 0..channels {
            means[c] += f64::from(dy[c]);
            along[c] += f64::from(dy[c] * normal(y[c], bias[c]));
        }
    }
    let rows = (dy.len() / channels) as f64;
    for (dy, y) in dy.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
        for c in 0..channels {
            let (mean, along) = ((means[c] / rows) as f32, (along[c] / rows) as f32);
            dy[c] = scales[c] * (dy[c] - mean - normal(y[c], bias[c]) * along);
        }
    }
}
