//! Layers of the discriminator: convolutions with their tangents, halving, deviation, flattening.

use kernels::train::{
    Addend, Backward, Conv, Element, FilterShape, Forward, Input, Map, Mask, Source, WeightGradient, halve_backward,
};

use super::minibatch_stddev::{MinibatchStddev, pixel, pixel_mut};
use super::walk::{Walk, Way};
use super::{Context, Id, Like, Network, Op, Rows, Tape, Value};

/// A convolution of the discriminator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    /// Its weights are `name.weight`; `name.bias` is used where there is one.
    pub(crate) name: &'a str,
    pub(crate) conv: Conv,
    /// Factor on the network's weights.
    pub(crate) factor: f32,
}

/// What a convolution is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    pub(crate) x: Id,
    /// Whether its means of 2x2 are taken first.
    pub(crate) halved: bool,
}

impl From<Id> for Of {
    fn from(x: Id) -> Self {
        Self { x, halved: false }
    }
}

/// What is added to a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    /// Nothing.
    None,
    /// A map.
    With(Id),
    /// A map at which nobody looks any more: the sum takes its place.
    Onto(Id),
}

/// A layer's signs: its own, or those of the layer that it is a tangent of.
type Signs<'a> = (Option<&'a Mask>, Option<&'a Like>);

impl<E: Element> Tape<E> {
    /// The 3x3 convolution of pictures with its activation, or its derivative along the pictures.
    pub(crate) fn entrance(
        &mut self,
        Context { cpu, net }: Context<'_>,
        pictures: Id,
        layer: &str,
        gain: f32,
        like: Option<Like>,
    ) -> Id {
        let ([n, h, w], _) = self.picture(pictures);
        let key = (layer.to_owned(), false);
        let e = net.layout.get(&format!("{layer}.weight"));
        let out = e.shape[0];
        if !self.filters.contains_key(&key) {
            // [3, 3, 3, out] is [27, out]: windows of pictures are its inputs.
            let filter = self.filters.entry(key.clone()).or_insert_with(|| self.pool.filter(1, [27, out]));
            let shape = FilterShape { size: 1, inputs: 27, outputs: out, map: [h, w] };
            filter.pack(cpu, &net.weights[e.range.clone()], shape, e.gain as f32, false);
        }
        let bias = net.padded(&format!("{layer}.bias"), kernels::padded(out));
        let mut mask = like.is_none().then(|| self.pool.mask([n, h, w, out]));
        let mut y = self.pool.map([n, h, w, out]);
        let conv = Conv { gain: Some(gain), pooled: false };
        let how = match &like {
            None => Forward::Value { bias: Some(&bias), mask: mask.as_mut() },
            Some((of, pictures)) => Forward::Tangent { mask: self.mask(*of), pictures },
        };
        let windows = Source::Windows(self.picture(pictures).1, [h, w]);
        conv.forward(cpu, windows, &self.filters[&key], how, Addend::None, &mut y);
        let wanted = true;
        self.push(Op::Entrance { pictures, layer: layer.into(), gain, mask, like }, Value::Map(y), wanted)
    }

    pub(super) fn entrance_back(
        &mut self,
        way: &mut Way<'_>,
        (pictures, layer, gain): (Id, &str, f32),
        (mask, like): Signs<'_>,
        back: &Map<E>,
    ) {
        let Way { cpu, net, walk } = way;
        let wanted = self.nodes[pictures.0].wanted;
        let (shape, _) = self.picture(pictures);
        let mut to = wanted.then(|| {
            self.filter(Context { cpu, net }, layer, 1.0, true, [shape[1], shape[2]]);
            self.pool.numbers(shape.iter().product::<usize>() * 3)
        });
        let e = net.layout.get(&format!("{layer}.weight"));
        let (range, weight_gain, outputs) = (e.range.clone(), e.gain as f32, e.shape[0]);
        let biases = net.layout.get(&format!("{layer}.bias"));
        let (bias_range, bias_gain) = (biases.range.clone(), biases.gain as f32);
        let mut bias = vec![0.0; outputs];
        let weights = walk.weights.then(|| WeightGradient {
            sum: &mut net.gradient[range],
            inputs: 27,
            outputs,
            gain: weight_gain,
        });
        let conv = Conv { gain: Some(gain), pooled: false };
        let b = Backward {
            range: walk.pictures.clone(),
            x: Source::Windows(self.picture(pictures).1, [shape[1], shape[2]]),
            back,
            mask: mask.or_else(|| like.and_then(|(of, _)| self.mask(*of))),
            pictures: like.map(|(_, pictures)| pictures.as_slice()),
            input: match &mut to {
                Some(to) => Input::Pictures(to, &self.filters[&(layer.to_owned(), true)]),
                None => Input::None,
            },
            weights,
            bias: (walk.weights && like.is_none()).then_some((&mut bias, bias_gain)),
        };
        conv.backward(cpu, 1, b);
        // A frozen network has no room for gradients.
        if walk.weights {
            net.gradient[bias_range].iter_mut().zip(&bias).for_each(|(to, v)| *to += v);
        }
        if let Some(mut to) = to {
            let (before, any) = self.take_pictures(pictures, shape);
            if any {
                to.iter_mut().zip(&before).for_each(|(to, v)| *to += v);
            }
            self.pool.take_back(Value::Pictures(shape, before));
            self.nodes[pictures.0].gradient = Some(Value::Pictures(shape, to));
        }
    }

    /// The signs of a layer, where it has an activation.
    fn mask(&self, id: Id) -> Option<&Mask> {
        match &self.nodes[id.0].op {
            Op::Entrance { mask, .. } | Op::Conv { mask, .. } => mask.as_ref(),
            _ => None,
        }
    }

    fn source(&self, Of { x, halved }: Of) -> Source<'_, E> {
        if halved { Source::Halved(self.map(x)) } else { Source::Map(self.map(x)) }
    }

    /// A convolution, and what is added to it, or its derivative along what it is of.
    pub(crate) fn conv(
        &mut self,
        Context { cpu, net }: Context<'_>,
        of: impl Into<Of>,
        Layer { name: layer, conv, factor }: Layer<'_>,
        sum: Sum,
        like: Option<Like>,
    ) -> Id {
        let of = of.into();
        let [n, h, w, _] = self.source(of).shape();
        self.filter(Context { cpu, net }, layer, factor, false, [h, w]);
        let out = net.layout.get(&format!("{layer}.weight")).shape[0];
        let bias = has_bias(net, layer).then(|| net.padded(&format!("{layer}.bias"), kernels::padded(out)));
        let mut mask = (like.is_none() && conv.gain.is_some()).then(|| self.pool.mask([n, h, w, out]));
        let mut y = match sum {
            Sum::Onto(id) => match std::mem::replace(&mut self.nodes[id.0].value, Value::Gone) {
                Value::Map(map) => map,
                _ => panic!("the layer before gives no map, which is a mistake in this crate"),
            },
            _ => self.pool.map(if conv.pooled { [n, h / 2, w / 2, out] } else { [n, h, w, out] }),
        };
        let how = match &like {
            None => Forward::Value { bias: bias.as_deref(), mask: mask.as_mut() },
            Some((of, pictures)) => Forward::Tangent { mask: self.mask(*of), pictures },
        };
        let (add, addend) = match sum {
            Sum::None => (None, Addend::None),
            Sum::With(id) => (Some(id), Addend::Map(self.map(id))),
            Sum::Onto(id) => (Some(id), Addend::Result),
        };
        conv.forward(cpu, self.source(of), &self.filters[&(layer.to_owned(), false)], how, addend, &mut y);
        self.push(Op::Conv { of, layer: layer.into(), conv, factor, add, mask, like }, Value::Map(y), true)
    }

    pub(super) fn conv_back(
        &mut self,
        way: &mut Way<'_>,
        (of, layer, conv, factor): (Of, &str, Conv, f32),
        (mask, like): Signs<'_>,
        back: &Map<E>,
    ) {
        let Way { cpu, net, walk } = way;
        let shape = self.source(of).shape();
        let mut dx = self.nodes[of.x.0].wanted.then(|| {
            self.filter(Context { cpu, net }, layer, factor, true, [shape[1], shape[2]]);
            // The gradient at means of 2x2 is spread afterwards.
            if of.halved { (self.pool.map(shape), false) } else { self.take_map(of.x) }
        });
        let e = net.layout.get(&format!("{layer}.weight"));
        let [outputs, inputs, size] = [e.shape[0], e.shape[1], e.shape[2]];
        let (range, gain) = (e.range.clone(), e.gain as f32 * factor);
        let biases = has_bias(net, layer).then(|| net.layout.get(&format!("{layer}.bias")));
        let (bias_range, bias_gain) = biases.map_or((0..0, 0.0), |e| (e.range.clone(), e.gain as f32));
        let mut bias = vec![0.0; outputs];
        let weights = walk.weights.then(|| WeightGradient { sum: &mut net.gradient[range], inputs, outputs, gain });
        let b = Backward {
            range: walk.pictures.clone(),
            x: self.source(of),
            back,
            mask: mask.or_else(|| like.and_then(|(of, _)| self.mask(*of))),
            pictures: like.map(|(_, pictures)| pictures.as_slice()),
            input: match &mut dx {
                Some((map, add)) => Input::Map(map, *add, &self.filters[&(layer.to_owned(), true)]),
                None => Input::None,
            },
            weights,
            bias: (walk.weights && like.is_none() && !bias_range.is_empty()).then_some((&mut bias, bias_gain)),
        };
        conv.backward(cpu, size, b);
        // A frozen network has no room for gradients.
        if walk.weights {
            net.gradient[bias_range].iter_mut().zip(&bias).for_each(|(to, v)| *to += v);
        }
        if let Some((mut map, _)) = dx {
            if of.halved {
                let (mut whole, add) = self.take_map(of.x);
                halve_backward(cpu, walk.pictures.clone(), &map, &mut whole, add);
                self.pool.take_back(Value::Map(std::mem::replace(&mut map, whole)));
            }
            self.nodes[of.x.0].gradient = Some(Value::Map(map));
        }
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

    pub(super) fn halve_pictures_back(&mut self, x: Id, back: &[f32]) {
        if self.nodes[x.0].wanted {
            let ([n, h, w], _) = self.picture(x);
            let (mut large, _) = self.take_pictures(x, [n, h, w]);
            for (to, from) in large.chunks_exact_mut(h * w).zip(back.chunks_exact(h * w / 4)) {
                crate::planes::halve_adjoint(from, [h, w], to);
            }
            self.nodes[x.0].gradient = Some(Value::Pictures([n, h, w], large));
        }
    }

    /// The sum of two maps, each times its share.
    pub(crate) fn blend(&mut self, of: [Id; 2], shares: [f32; 2]) -> Id {
        let mut y = self.pool.map(self.map(of[0]).shape());
        let [from, other] = of.map(|id| self.map(id).elements());
        for ((to, a), b) in y.elements_mut().iter_mut().zip(from).zip(other) {
            *to = E::from_f32(a.to_f32() * shares[0] + b.to_f32() * shares[1]);
        }
        self.push(Op::Blend { of, shares }, Value::Map(y), true)
    }

    pub(super) fn blend_back(&mut self, of: [Id; 2], shares: [f32; 2], back: &Map<E>) {
        for (id, factor) in of.into_iter().zip(shares) {
            let (mut to, add) = self.take_map(id);
            for (to, v) in to.elements_mut().iter_mut().zip(back.elements()) {
                let before = if add { to.to_f32() } else { 0.0 };
                *to = E::from_f32(before + v.to_f32() * factor);
            }
            self.nodes[id.0].gradient = Some(Value::Map(to));
        }
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
                None => MinibatchStddev::of(self.map(x), first, group, channels).means(features),
                Some((of, pictures)) => {
                    let Op::Deviation { x: primal, .. } = &self.nodes[of.0].op else {
                        unreachable!("a deviation's tangent")
                    };
                    let spread = MinibatchStddev::of(self.map(*primal), pictures[first], group, channels);
                    spread.jvp(self.map(x), first, features)
                }
            };
            for picture in first..first + group {
                for place in 0..h * w {
                    let to = pixel_mut(&mut y, picture, place);
                    to[..channels].copy_from_slice(&pixel(self.map(x), picture, place)[..channels]);
                    let rest = values.iter().copied().chain(std::iter::repeat(0.0));
                    to[channels..].iter_mut().zip(rest).for_each(|(to, v)| *to = E::from_f32(v));
                }
            }
        }
        self.push(Op::Deviation { x, group, features, channels, like }, Value::Map(y), true)
    }

    pub(super) fn deviation_back(
        &mut self,
        x: Id,
        [group, features, channels]: [usize; 3],
        like: Option<&Like>,
        back: &Map<E>,
        walk: &Walk,
    ) {
        let (mut to, add) = self.take_map(x);
        let [_, h, w, _] = back.shape();
        for picture in walk.pictures.clone() {
            for place in 0..h * w {
                let from = &pixel(back, picture, place)[..channels];
                add_channels(pixel_mut(&mut to, picture, place), from.iter().map(|v| v.to_f32()), add);
            }
        }
        for first in walk.pictures.clone().step_by(group) {
            let mut sums = vec![0.0; features];
            for picture in first..first + group {
                for place in 0..h * w {
                    let from = &pixel(back, picture, place)[channels..channels + features];
                    sums.iter_mut().zip(from).for_each(|(sum, v)| *sum += v.to_f32());
                }
            }
            let (source, start) = like.map_or((x, first), |(of, pictures)| {
                let Op::Deviation { x: primal, .. } = &self.nodes[of.0].op else {
                    unreachable!("a deviation's tangent")
                };
                (*primal, pictures[first])
            });
            let spread = MinibatchStddev::of(self.map(source), start, group, channels);
            for picture in 0..group {
                for place in 0..h * w {
                    spread.add_back(picture, place, &sums, pixel_mut(&mut to, first + picture, place));
                }
            }
        }
        self.nodes[x.0].gradient = Some(Value::Map(to));
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

    pub(super) fn flatten_back(&mut self, x: Id, channels: usize, back: &Rows, walk: &Walk) {
        let (mut to, add) = self.take_map(x);
        let stride = kernels::padded(back.real);
        for picture in walk.pictures.clone() {
            let row = &back.values[picture * stride..][..back.real];
            for (i, from) in row.chunks_exact(channels).enumerate() {
                add_channels(pixel_mut(&mut to, picture, i), from.iter().copied(), add);
            }
        }
        self.nodes[x.0].gradient = Some(Value::Map(to));
    }
}

/// Adds numbers to a pixel's first channels; without `add` they take the place of what was there, in all channels.
fn add_channels<E: Element>(pixel: &mut [E], numbers: impl Iterator<Item = f32>, add: bool) {
    for (to, v) in pixel.iter_mut().zip(numbers.chain(std::iter::repeat(0.0))) {
        let before = if add { to.to_f32() } else { 0.0 };
        *to = E::from_f32(before + v);
    }
}

fn has_bias(net: &Network, layer: &str) -> bool {
    let name = format!("{layer}.bias");
    net.layout.entries().iter().any(|e| e.name == name)
}
