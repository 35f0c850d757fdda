//! Layers of the discriminator: convolutions with their tangents, halving, deviation, flattening.

use kernels::train::{self, Backward, Conv, Cpu, Element, FilterShape, Forward, Input, Map, Mask, WeightGradient};

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
        if !self.fresh.contains_key(&key) {
            // [3, 3, 3, out] is [27, out]: windows of pictures are its inputs.
            let filter = self.filters.entry(key.clone()).or_default();
            let shape = FilterShape { size: 1, inputs: 27, outputs: out, map: [h, w] };
            filter.pack(cpu, &net.weights[e.range.clone()], shape, e.gain as f32, false);
            self.fresh.insert(key.clone(), true);
        }
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

    pub(super) fn entrance_back(
        &mut self,
        way: &mut Way<'_>,
        (pictures, layer, gain, windows): (Id, &str, f32, &Map<E>),
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
            x: windows,
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

    /// A convolution, summed with the map `add`, or its derivative along `x`.
    pub(crate) fn conv(
        &mut self,
        Context { cpu, net }: Context<'_>,
        x: Id,
        Layer { name: layer, conv, factor }: Layer<'_>,
        add: Option<Id>,
        like: Option<Like>,
    ) -> Id {
        let [n, h, w, _] = self.map(x).shape();
        self.filter(Context { cpu, net }, layer, factor, false, [h, w]);
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

    pub(super) fn conv_back(
        &mut self,
        way: &mut Way<'_>,
        (x, layer, conv, factor): (Id, &str, Conv, f32),
        (mask, like): Signs<'_>,
        back: &Map<E>,
    ) {
        let Way { cpu, net, walk } = way;
        let mut dx = self.nodes[x.0].wanted.then(|| {
            let [_, h, w, _] = self.map(x).shape();
            self.filter(Context { cpu, net }, layer, factor, true, [h, w]);
            self.take_map(x)
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
            x: self.map(x),
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
        if let Some((map, _)) = dx {
            self.nodes[x.0].gradient = Some(Value::Map(map));
        }
    }

    /// Means of 2x2.
    pub(crate) fn halve(&mut self, cpu: &Cpu, x: Id) -> Id {
        let [n, h, w, c] = self.map(x).shape();
        let mut y = self.pool.map([n, h / 2, w / 2, c]);
        train::halve(cpu, self.map(x), &mut y);
        let wanted = self.wanted(&[x]);
        self.push(Op::Halve { x }, Value::Map(y), wanted)
    }

    pub(super) fn halve_back(&mut self, way: &Way<'_>, x: Id, back: &Map<E>) {
        if self.nodes[x.0].wanted {
            let (mut dx, add) = self.take_map(x);
            train::halve_backward(way.cpu, way.walk.pictures.clone(), back, &mut dx, add);
            self.nodes[x.0].gradient = Some(Value::Map(dx));
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
                    to[channels..].iter_mut().zip(&values).for_each(|(to, v)| *to = E::from_f32(*v));
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
                for (to, v) in pixel_mut(&mut to, picture, place).iter_mut().zip(from) {
                    let before = if add { to.to_f32() } else { 0.0 };
                    *to = E::from_f32(before + v.to_f32());
                }
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
                for (to, v) in pixel_mut(&mut to, picture, i).iter_mut().zip(from) {
                    let before = if add { to.to_f32() } else { 0.0 };
                    *to = E::from_f32(before + v);
                }
            }
        }
        self.nodes[x.0].gradient = Some(Value::Map(to));
    }
}

fn has_bias(net: &Network, layer: &str) -> bool {
    let name = format!("{layer}.bias");
    net.layout.entries().iter().any(|e| e.name == name)
}
