//! The native backend: layers are run one by one on a tape, which is then walked back for gradients.
//!
//! Every operation is a whole layer, forward and backward written by hand in the `kernels` crate; the tape remembers what the way back needs. All
//! memory goes back to a pool when the tape is cleared, so that a step after the first allocates next to nothing.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use kernels::matrix::{self, Matrix, MatrixMut, Update};
use kernels::train::{self, Conv, Cpu, Element, Filter, Forward, Map, Mask, Styled, StyledInput, ToColours};

use crate::params::Layout;

mod back;
#[cfg(test)]
mod golden;
mod spread;
#[cfg(test)]
mod tests;

pub(crate) use back::Walk;
use spread::Spread;

/// Added to what a square root is taken of.
const EPSILON: f32 = 1e-8;

/// A network: its tensors, their values, and the gradient of the step.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) layout: Layout,
    pub(crate) weights: Vec<f32>,
    pub(crate) gradient: Vec<f32>,
}

impl Network {
    pub(crate) fn new(layout: Layout, weights: Vec<f32>) -> Self {
        Self { gradient: vec![0.0; weights.len()], layout, weights }
    }

    /// A tensor's stored values and its gain.
    fn tensor(&self, name: &str) -> (&[f32], f32) {
        let e = self.layout.get(name);
        (&self.weights[e.range.clone()], e.gain as f32)
    }

    fn range(&self, name: &str) -> Range<usize> {
        self.layout.get(name).range.clone()
    }

    /// Effective values, filled up with zeros to `length`.
    fn padded(&self, name: &str, length: usize) -> Vec<f32> {
        let (values, gain) = self.tensor(name);
        let mut all: Vec<f32> = values.iter().map(|v| v * gain).collect();
        all.resize(length, 0.0);
        all
    }
}

/// A value on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// For a tangent: the value whose derivative it is, and which of its pictures.
pub(crate) type Like = (Id, Rc<Vec<usize>>);

/// Numbers for each picture, rows a multiple of 16 long and filled up with zeros.
#[derive(Debug)]
struct Rows {
    count: usize,
    real: usize,
    values: Vec<f32>,
}

#[derive(Debug)]
enum Value<E> {
    Rows(Rows),
    Map(Map<E>),
    /// Planar pictures of `[count, height, width]`.
    Pictures([usize; 3], Vec<f32>),
}

#[derive(Debug)]
enum Op<E> {
    Leaf,
    /// Rows divided by their root mean square.
    Normalize(Id),
    Linear {
        x: Id,
        layer: String,
        gain: Option<f32>,
        like: Option<Like>,
    },
    Demodulate {
        style: Id,
        layer: String,
    },
    Constant {
        name: String,
    },
    Styled {
        x: Id,
        style: Id,
        scale: Id,
        layer: String,
        low: Option<Map<E>>,
    },
    Colours {
        x: Id,
        style: Id,
        layer: String,
        below: Option<Id>,
        strength: f32,
    },
    Entrance {
        pictures: Id,
        layer: String,
        gain: f32,
        windows: Map<E>,
        mask: Option<Mask>,
        like: Option<Like>,
    },
    Conv {
        x: Id,
        layer: String,
        conv: Conv,
        factor: f32,
        add: Option<Id>,
        mask: Option<Mask>,
        like: Option<Like>,
    },
    Halve {
        x: Id,
    },
    HalvePictures {
        x: Id,
    },
    Blend {
        a: Id,
        b: Id,
        share: f32,
    },
    Deviation {
        x: Id,
        group: usize,
        features: usize,
        channels: usize,
        like: Option<Like>,
    },
    Flatten {
        x: Id,
        channels: usize,
    },
}

#[derive(Debug)]
struct Node<E> {
    op: Op<E>,
    value: Value<E>,
    gradient: Option<Value<E>>,
    /// Whether anybody wants its gradient.
    wanted: bool,
}

/// Memory that is not in use.
#[derive(Debug)]
struct Pool<E> {
    maps: HashMap<[usize; 4], Vec<Map<E>>>,
    masks: HashMap<[usize; 4], Vec<Mask>>,
    numbers: HashMap<usize, Vec<Vec<f32>>>,
}

impl<E: Element> Pool<E> {
    fn map(&mut self, [n, h, w, c]: [usize; 4]) -> Map<E> {
        let shape = [n, h, w, kernels::padded(c)];
        self.maps.get_mut(&shape).and_then(Vec::pop).unwrap_or_else(|| Map::new(n, h, w, c))
    }

    fn mask(&mut self, [n, h, w, c]: [usize; 4]) -> Mask {
        let shape = [n, h, w, kernels::padded(c)];
        self.masks.get_mut(&shape).and_then(Vec::pop).unwrap_or_else(|| Mask::new(shape))
    }

    /// Zeros.
    fn numbers(&mut self, length: usize) -> Vec<f32> {
        match self.numbers.get_mut(&length).and_then(Vec::pop) {
            Some(mut numbers) => {
                numbers.fill(0.0);
                numbers
            }
            None => vec![0.0; length],
        }
    }

    fn take_back(&mut self, value: Value<E>) {
        match value {
            Value::Map(map) => self.maps.entry(map.shape()).or_default().push(map),
            Value::Rows(Rows { values, .. }) | Value::Pictures(_, values) => {
                self.numbers.entry(values.len()).or_default().push(values);
            }
        }
    }
}

/// Which way a filter is packed.
type Packing = (String, bool);

/// Layers as they were run, and their memory.
#[derive(Debug)]
pub(crate) struct Tape<E> {
    nodes: Vec<Node<E>>,
    pool: Pool<E>,
    filters: HashMap<Packing, Filter<E>>,
    /// Which filters hold the network's present weights.
    fresh: HashMap<Packing, bool>,
    scratch: matrix::Scratch,
}

impl<E: Element> Default for Tape<E> {
    fn default() -> Self {
        let pool = Pool { maps: HashMap::new(), masks: HashMap::new(), numbers: HashMap::new() };
        let scratch = matrix::Scratch::default();
        Self { nodes: Vec::new(), pool, filters: HashMap::new(), fresh: HashMap::new(), scratch }
    }
}

impl<E: Element> Tape<E> {
    /// Forgets all layers, keeping their memory.
    pub(crate) fn clear(&mut self) {
        for node in self.nodes.drain(..) {
            self.pool.take_back(node.value);
            node.gradient.into_iter().for_each(|g| self.pool.take_back(g));
            match node.op {
                Op::Styled { low: Some(map), .. } => self.pool.take_back(Value::Map(map)),
                Op::Entrance { windows, mask, .. } => {
                    self.pool.take_back(Value::Map(windows));
                    mask.into_iter().for_each(|m| self.pool.masks.entry(m.shape()).or_default().push(m));
                }
                Op::Conv { mask: Some(m), .. } => self.pool.masks.entry(m.shape()).or_default().push(m),
                _ => {}
            }
        }
    }

    /// To be called when the network's weights have changed.
    pub(crate) fn weights_changed(&mut self) {
        self.fresh.clear();
    }

    fn push(&mut self, op: Op<E>, value: Value<E>, wanted: bool) -> Id {
        self.nodes.push(Node { op, value, gradient: None, wanted });
        Id(self.nodes.len() - 1)
    }

    fn wanted(&self, ids: &[Id]) -> bool {
        ids.iter().any(|id| self.nodes[id.0].wanted)
    }

    fn map(&self, id: Id) -> &Map<E> {
        match &self.nodes[id.0].value {
            Value::Map(map) => map,
            _ => panic!("the layer before gives no map, which is a mistake in this crate"),
        }
    }

    fn row(&self, id: Id) -> &Rows {
        match &self.nodes[id.0].value {
            Value::Rows(rows) => rows,
            _ => panic!("the layer before gives no rows, which is a mistake in this crate"),
        }
    }

    fn picture(&self, id: Id) -> ([usize; 3], &[f32]) {
        match &self.nodes[id.0].value {
            Value::Pictures(shape, values) => (*shape, values),
            _ => panic!("the layer before gives no pictures, which is a mistake in this crate"),
        }
    }

    /// How many rows a value has.
    pub(crate) fn count(&self, id: Id) -> usize {
        self.row(id).count
    }

    /// Planar pictures [count, 3, height, width].
    pub(crate) fn pixels(&self, id: Id) -> &[f32] {
        self.picture(id).1
    }

    /// Rows without their filling, [count, length].
    pub(crate) fn numbers(&self, id: Id) -> Vec<f32> {
        let rows = self.row(id);
        rows.values.chunks_exact(kernels::padded(rows.real)).flat_map(|row| row[..rows.real].to_vec()).collect()
    }

    /// The gradient at planar pictures after [`Tape::backward`].
    pub(crate) fn pixel_gradient(&self, id: Id) -> &[f32] {
        match &self.nodes[id.0].gradient {
            Some(Value::Pictures(_, values)) => values,
            _ => panic!("no gradient has reached these pictures, which is a mistake in this crate"),
        }
    }

    /// The gradient at rows after [`Tape::backward`], without their filling.
    pub(crate) fn row_gradient(&self, id: Id) -> Vec<f32> {
        let real = self.row(id).real;
        match &self.nodes[id.0].gradient {
            Some(Value::Rows(rows)) => {
                rows.values.chunks_exact(kernels::padded(real)).flat_map(|row| row[..real].to_vec()).collect()
            }
            _ => panic!("no gradient has reached these rows, which is a mistake in this crate"),
        }
    }

    /// A filter with the network's present weights.
    fn filter(&mut self, cpu: &Cpu, net: &Network, layer: &str, factor: f32, transposed: bool) {
        let key = (layer.to_owned(), transposed);
        if self.fresh.contains_key(&key) {
            return;
        }
        let e = net.layout.get(&format!("{layer}.weight"));
        let [out, input, k] = [e.shape[0], e.shape[1], e.shape[2]];
        let weights = &net.weights[e.range.clone()];
        let filter = self.filters.entry(key.clone()).or_default();
        filter.pack(cpu, weights, k, input, out, e.gain as f32 * factor, transposed);
        self.fresh.insert(key, true);
    }

    // ---- Leaves -----------------------------------------------------------------------------------------------------------

    /// Rows of `length` numbers as they are.
    pub(crate) fn rows(&mut self, values: &[f32], length: usize, wanted: bool) -> Id {
        let (count, stride) = (values.len() / length, kernels::padded(length));
        let mut padded = self.pool.numbers(count * stride);
        for (to, from) in padded.chunks_exact_mut(stride).zip(values.chunks_exact(length)) {
            to[..length].copy_from_slice(from);
        }
        self.push(Op::Leaf, Value::Rows(Rows { count, real: length, values: padded }), wanted)
    }

    /// Planar pictures [count, 3, size, size] as they are.
    pub(crate) fn pictures(&mut self, values: &[f32], [height, width]: [usize; 2], wanted: bool) -> Id {
        let mut own = self.pool.numbers(values.len());
        own.copy_from_slice(values);
        let count = values.len() / (3 * height * width);
        self.push(Op::Leaf, Value::Pictures([count, height, width], own), wanted)
    }

    // ---- Layers of rows ---------------------------------------------------------------------------------------------------

    /// Rows divided by their root mean square.
    pub(crate) fn normalize(&mut self, x: Id) -> Id {
        let rows = self.row(x);
        let (count, real, stride) = (rows.count, rows.real, kernels::padded(rows.real));
        let mut values = self.pool.numbers(count * stride);
        for (to, from) in values.chunks_exact_mut(stride).zip(self.row(x).values.chunks_exact(stride)) {
            let factor = inverse_root_mean_square(from, real);
            to.iter_mut().zip(from).for_each(|(t, f)| *t = f * factor);
        }
        let wanted = self.wanted(&[x]);
        self.push(Op::Normalize(x), Value::Rows(Rows { count, real, values }), wanted)
    }

    /// `x W^T + b`, then `gain leaky_relu` if a gain is given. With `like`, the derivative along `x` of that layer.
    pub(crate) fn linear(
        &mut self,
        cpu: &Cpu,
        net: &Network,
        x: Id,
        layer: &str,
        gain: Option<f32>,
        like: Option<Like>,
    ) -> Id {
        let (weight, factor) = net.tensor(&format!("{layer}.weight"));
        let shape = &net.layout.get(&format!("{layer}.weight")).shape;
        let (out, input) = (shape[0], shape[1]);
        let rows = self.row(x);
        let (count, from, stride) = (rows.count, kernels::padded(rows.real), kernels::padded(out));
        assert_eq!(rows.real, input, "{layer} takes rows of another length");
        let mut values = self.pool.numbers(count * stride);
        let mut scratch = std::mem::take(&mut self.scratch);
        let a = Matrix::strided(&self.row(x).values, count, input, from);
        let b = Matrix::new(weight, out, input).transposed();
        matrix::product(
            cpu.crew(),
            a,
            b,
            MatrixMut::strided(&mut values, count, out, stride),
            Update::Replace,
            &mut scratch,
        );
        self.scratch = scratch;
        let bias = net.padded(&format!("{layer}.bias"), stride);
        for (r, row) in values.chunks_exact_mut(stride).enumerate() {
            match &like {
                None => row.iter_mut().zip(&bias).for_each(|(v, b)| {
                    *v = *v * factor + b;
                    if let Some(gain) = gain {
                        *v *= if *v > 0.0 { gain } else { 0.2 * gain };
                    }
                }),
                Some((of, pictures)) => {
                    let signs = &self.row(*of).values[pictures[r] * stride..][..stride];
                    row.iter_mut().zip(signs).for_each(|(v, sign)| *v *= factor * slope(*sign, gain));
                }
            }
        }
        let op = Op::Linear { x, layer: layer.into(), gain, like };
        self.push(op, Value::Rows(Rows { count, real: out, values }), true)
    }

    /// What makes the sums of a convolution of styled inputs of unit variance: `1 / sqrt(sum_i style_i^2 sum_k W_kio^2)`.
    pub(crate) fn demodulate(&mut self, cpu: &Cpu, net: &Network, style: Id, layer: &str) -> Id {
        let (squares, input, out) = squares(net, layer);
        let rows = self.row(style);
        let (count, from, stride) = (rows.count, kernels::padded(rows.real), kernels::padded(out));
        let squared: Vec<f32> = rows.values.iter().map(|s| s * s).collect();
        let mut values = self.pool.numbers(count * stride);
        let mut scratch = std::mem::take(&mut self.scratch);
        let to = MatrixMut::strided(&mut values, count, out, stride);
        let a = Matrix::strided(&squared, count, input, from);
        matrix::product(cpu.crew(), a, Matrix::new(&squares, input, out), to, Update::Replace, &mut scratch);
        self.scratch = scratch;
        for row in values.chunks_exact_mut(stride) {
            row[..out].iter_mut().for_each(|v| *v = 1.0 / (*v + EPSILON).sqrt());
        }
        self.push(Op::Demodulate { style, layer: layer.into() }, Value::Rows(Rows { count, real: out, values }), true)
    }

    // ---- Layers of the generator ------------------------------------------------------------------------------------------

    /// The learned constant, once for each of `count` pictures.
    pub(crate) fn constant(&mut self, net: &Network, name: &str, count: usize) -> Id {
        let e = net.layout.get(name);
        let [c, h, w] = [e.shape[0], e.shape[1], e.shape[2]];
        let mut map = self.pool.map([count, h, w, c]);
        let stride = map.channels();
        for (i, pixel) in map.elements_mut().chunks_exact_mut(stride).enumerate() {
            let (x, y) = (i % (w + 2), i / (w + 2) % (h + 2));
            if (1..=w).contains(&x) && (1..=h).contains(&y) {
                let from = &net.weights[e.range.start + ((y - 1) * w + x - 1) * c..][..c];
                pixel.iter_mut().zip(from).for_each(|(to, v)| *to = E::from_f32(v * e.gain as f32));
            }
        }
        self.push(Op::Constant { name: name.into() }, Value::Map(map), true)
    }

    /// `gain leaky_relu(scale conv(style x) + b)`, doubled bilinearly before the activation if `doubles`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn styled(
        &mut self,
        cpu: &Cpu,
        net: &Network,
        x: Id,
        style: Id,
        scale: Id,
        layer: &str,
        doubles: bool,
    ) -> Id {
        self.filter(cpu, net, layer, 1.0, false);
        let [n, h, w, _] = self.map(x).shape();
        let out = net.layout.get(&format!("{layer}.weight")).shape[0];
        let mut low = doubles.then(|| self.pool.map([n, h, w, out]));
        let mut y = self.pool.map(if doubles { [n, 2 * h, 2 * w, out] } else { [n, h, w, out] });
        let bias = net.padded(&format!("{layer}.bias"), kernels::padded(out));
        let input =
            StyledInput { x: self.map(x), style: &self.row(style).values, scale: &self.row(scale).values, bias: &bias };
        STYLED.forward(cpu, input, &self.filters[&(layer.to_owned(), false)], low.as_mut(), &mut y);
        self.push(Op::Styled { x, style, scale, layer: layer.into(), low }, Value::Map(y), true)
    }

    /// A styled 1x1 convolution to colours, `strength` times, added to the smaller picture below, doubled bilinearly.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn colours(
        &mut self,
        cpu: &Cpu,
        net: &Network,
        x: Id,
        style: Id,
        layer: &str,
        below: Option<Id>,
        strength: f32,
    ) -> Id {
        let [n, h, w, _] = self.map(x).shape();
        let mut pictures = self.pool.numbers(n * 3 * h * w);
        let (weights, gain) = net.tensor(&format!("{layer}.weight"));
        let weights: Vec<f32> = weights.iter().map(|v| v * gain * strength).collect();
        let bias = net.padded(&format!("{layer}.bias"), 3);
        let to = ToColours { x: self.map(x), style: &self.row(style).values, weights: &weights };
        to.forward(cpu, &mut pictures);
        for (i, plane) in pictures.chunks_exact_mut(h * w).enumerate() {
            plane.iter_mut().for_each(|v| *v += bias[i % 3] * strength);
        }
        if let Some(below) = below {
            let ([_, sh, sw], small) = self.picture(below);
            for (to, from) in pictures.chunks_exact_mut(h * w).zip(small.chunks_exact(sh * sw)) {
                crate::planes::add_doubled(from, [sh, sw], to);
            }
        }
        let op = Op::Colours { x, style, layer: layer.into(), below, strength };
        self.push(op, Value::Pictures([n, h, w], pictures), true)
    }

    // ---- Layers of the discriminator --------------------------------------------------------------------------------------

    /// The 3x3 convolution of pictures with its activation, or its derivative along the pictures.
    pub(crate) fn entrance(
        &mut self,
        cpu: &Cpu,
        net: &Network,
        pictures: Id,
        layer: &str,
        gain: f32,
        like: Option<Like>,
    ) -> Id {
        let key = (layer.to_owned(), false);
        let e = net.layout.get(&format!("{layer}.weight"));
        let out = e.shape[0];
        if !self.fresh.contains_key(&key) {
            // [3, 3, 3, out] is [27, out]: windows of pictures are its inputs.
            let filter = self.filters.entry(key.clone()).or_default();
            filter.pack(cpu, &net.weights[e.range.clone()], 1, 27, out, e.gain as f32, false);
            self.fresh.insert(key.clone(), true);
        }
        let ([n, h, w], _) = self.picture(pictures);
        let mut windows = self.pool.map([n, h, w, 32]);
        train::windows(cpu, self.picture(pictures).1, &mut windows);
        let bias = net.padded(&format!("{layer}.bias"), kernels::padded(out));
        let mut mask = like.is_none().then(|| self.pool.mask([n, h, w, out]));
        let mut y = self.pool.map([n, h, w, out]);
        let conv = Conv { gain: Some(gain), pooled: false };
        let how = match &like {
            None => Forward::Value { bias: Some(&bias), mask: mask.as_mut() },
            Some((of, pictures)) => Forward::Tangent { mask: self.mask(*of), pictures },
        };
        conv.forward(cpu, &windows, &self.filters[&key], how, None, &mut y);
        let wanted = true;
        self.push(Op::Entrance { pictures, layer: layer.into(), gain, windows, mask, like }, Value::Map(y), wanted)
    }

    /// The signs of a layer, where it has an activation.
    fn mask(&self, id: Id) -> Option<&Mask> {
        match &self.nodes[id.0].op {
            Op::Entrance { mask, .. } | Op::Conv { mask, .. } => mask.as_ref(),
            _ => None,
        }
    }

    /// A convolution whose weights are `factor` times the network's; `layer.bias` is used where there is one.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn conv(
        &mut self,
        cpu: &Cpu,
        net: &Network,
        x: Id,
        layer: &str,
        conv: Conv,
        factor: f32,
        add: Option<Id>,
        like: Option<Like>,
    ) -> Id {
        self.filter(cpu, net, layer, factor, false);
        let [n, h, w, _] = self.map(x).shape();
        let out = net.layout.get(&format!("{layer}.weight")).shape[0];
        let bias = has_bias(net, layer).then(|| net.padded(&format!("{layer}.bias"), kernels::padded(out)));
        let mut mask = (like.is_none() && conv.gain.is_some()).then(|| self.pool.mask([n, h, w, out]));
        let mut y = self.pool.map(if conv.pooled { [n, h / 2, w / 2, out] } else { [n, h, w, out] });
        let how = match &like {
            None => Forward::Value { bias: bias.as_deref(), mask: mask.as_mut() },
            Some((of, pictures)) => Forward::Tangent { mask: self.mask(*of), pictures },
        };
        let add_map = add.map(|id| self.map(id));
        conv.forward(cpu, self.map(x), &self.filters[&(layer.to_owned(), false)], how, add_map, &mut y);
        self.push(Op::Conv { x, layer: layer.into(), conv, factor, add, mask, like }, Value::Map(y), true)
    }

    /// Means of 2x2.
    pub(crate) fn halve(&mut self, cpu: &Cpu, x: Id) -> Id {
        let [n, h, w, c] = self.map(x).shape();
        let mut y = self.pool.map([n, h / 2, w / 2, c]);
        train::halve(cpu, self.map(x), &mut y);
        let wanted = self.wanted(&[x]);
        self.push(Op::Halve { x }, Value::Map(y), wanted)
    }

    /// Means of 2x2 of pictures.
    pub(crate) fn halve_pictures(&mut self, x: Id) -> Id {
        let ([n, h, w], _) = self.picture(x);
        let mut small = self.pool.numbers(n * 3 * h * w / 4);
        for (to, from) in small.chunks_exact_mut(h * w / 4).zip(self.picture(x).1.chunks_exact(h * w)) {
            crate::planes::halve(from, [h, w], to);
        }
        let wanted = self.wanted(&[x]);
        self.push(Op::HalvePictures { x }, Value::Pictures([n, h / 2, w / 2], small), wanted)
    }

    /// `(1 - share) a + share b`, of maps.
    pub(crate) fn blend(&mut self, a: Id, b: Id, share: f32) -> Id {
        let mut y = self.pool.map(self.map(a).shape());
        let (from, other) = (self.map(a).elements(), self.map(b).elements());
        for ((to, a), b) in y.elements_mut().iter_mut().zip(from).zip(other) {
            *to = E::from_f32(a.to_f32() * (1.0 - share) + b.to_f32() * share);
        }
        self.push(Op::Blend { a, b, share }, Value::Map(y), true)
    }

    /// Adds `features` channels that tell how varied a group of consecutive pictures is: each the mean over places and its part of the channels of the
    /// standard deviation in the group (progressive GAN, arXiv 1710.10196, section 3).
    ///
    /// The derivative takes the pictures' own differences from their means as they are: its own dependence on them is left out of the gradient.
    pub(crate) fn deviation(&mut self, x: Id, [group, features, channels]: [usize; 3], like: Option<Like>) -> Id {
        let [n, h, w, _] = self.map(x).shape();
        let mut y = self.pool.map([n, h, w, channels + features]);
        for first in (0..n).step_by(group) {
            let values = match &like {
                None => Spread::of(self.map(x), first, group, channels).means(features),
                Some((of, pictures)) => {
                    let Op::Deviation { x: primal, .. } = &self.nodes[of.0].op else {
                        unreachable!("a deviation's tangent")
                    };
                    let spread = Spread::of(self.map(*primal), pictures[first], group, channels);
                    spread.along(self.map(x), first, features)
                }
            };
            for picture in first..first + group {
                for place in 0..h * w {
                    let to = spread::pixel_mut(&mut y, picture, place);
                    to[..channels].copy_from_slice(&spread::pixel(self.map(x), picture, place)[..channels]);
                    to[channels..].iter_mut().zip(&values).for_each(|(to, v)| *to = E::from_f32(*v));
                }
            }
        }
        self.push(Op::Deviation { x, group, features, channels, like }, Value::Map(y), true)
    }

    /// A map's inside as rows, [height, width, channels].
    pub(crate) fn flatten(&mut self, x: Id, channels: usize) -> Id {
        let [n, h, w, c] = self.map(x).shape();
        let real = h * w * channels;
        let mut values = self.pool.numbers(n * kernels::padded(real));
        for (picture, row) in values.chunks_exact_mut(kernels::padded(real)).enumerate() {
            for (i, to) in row[..real].chunks_exact_mut(channels).enumerate() {
                let at = ((picture * (h + 2) + i / w + 1) * (w + 2) + i % w + 1) * c;
                let from = &self.map(x).elements()[at..at + channels];
                to.iter_mut().zip(from).for_each(|(to, v)| *to = v.to_f32());
            }
        }
        self.push(Op::Flatten { x, channels }, Value::Rows(Rows { count: n, real, values }), true)
    }
}

/// All of the generator's convolutions end in this.
pub(crate) const STYLED: Styled = Styled { gain: std::f32::consts::SQRT_2 };

fn has_bias(net: &Network, layer: &str) -> bool {
    let name = format!("{layer}.bias");
    net.layout.entries().iter().any(|e| e.name == name)
}

/// The sum over a window of the squares of a layer's effective weights, [in, out], and those numbers.
fn squares(net: &Network, layer: &str) -> (Vec<f32>, usize, usize) {
    let e = net.layout.get(&format!("{layer}.weight"));
    let (out, input, gain) = (e.shape[0], e.shape[1], (e.gain * e.gain) as f32);
    let mut sums = vec![0.0; input * out];
    for tap in net.weights[e.range.clone()].chunks_exact(input * out) {
        sums.iter_mut().zip(tap).for_each(|(sum, w)| *sum += w * w);
    }
    sums.iter_mut().for_each(|v| *v *= gain);
    (sums, input, out)
}

fn inverse_root_mean_square(row: &[f32], real: usize) -> f32 {
    1.0 / (row.iter().map(|v| v * v).sum::<f32>() / real as f32 + EPSILON).sqrt()
}

/// The slope of `gain leaky_relu` from what came out of it.
fn slope(sign: f32, gain: Option<f32>) -> f32 {
    gain.map_or(1.0, |gain| if sign > 0.0 { gain } else { 0.2 * gain })
}
