//! Layers of the generator: the constant, styled convolutions, colours.

use kernels::Edge;
use kernels::train::{Element, Map, Styled, StyledBackward, StyledInput, ToColours, ToColoursBackward, WeightGradient};

use super::minibatch_stddev::pixel;
use super::walk::Way;
use super::{Context, Id, Network, Op, Tape, Value};

/// Factor after the generator's leaky ReLU.
pub(super) const GAIN: f32 = std::f32::consts::SQRT_2;

/// What comes after a styled convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing: another layer follows that is no convolution.
    Nothing,
    /// The activation.
    Activation,
    /// Bilinear doubling, then the activation.
    Doubling,
}

/// How colours come together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixing {
    /// The smaller picture that they are added to.
    pub(crate) below: Option<Id>,
    /// What lies outside of it when it is doubled.
    pub(crate) edge: Edge,
    /// Factor on the layer's own colours.
    pub(crate) strength: f32,
    /// The largest and smallest value of the layer's own colours, before the factor.
    pub(crate) limit: Option<f32>,
}

impl After {
    fn styled(self) -> Styled {
        Styled { gain: (self != After::Nothing).then_some(GAIN) }
    }
}

/// What a styled convolution is of, and what comes after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branches {
    pub(super) x: Id,
    pub(super) style: Id,
    pub(super) scale: Id,
    pub(super) after: After,
}

impl<E: Element> Tape<E> {
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
                pixel[c..].fill(E::default());
            }
        }
        self.push(Op::Constant { name: name.into() }, Value::Map(map), true)
    }

    /// `scale conv(style x) + b` and what comes after it.
    pub(crate) fn styled(
        &mut self,
        Context { cpu, net }: Context<'_>,
        x: Id,
        [style, scale]: [Id; 2],
        layer: &str,
        after: After,
    ) -> Id {
        let [n, h, w, _] = self.map(x).shape();
        self.filter(Context { cpu, net }, layer, 1.0, false, [h, w]);
        let out = net.layout.get(&format!("{layer}.weight")).shape[0];
        let doubles = after == After::Doubling;
        let mut low = doubles.then(|| self.pool.map([n, h, w, out]));
        let mut y = self.pool.map(if doubles { [n, 2 * h, 2 * w, out] } else { [n, h, w, out] });
        let bias = net.padded(&format!("{layer}.bias"), kernels::padded(out));
        let input =
            StyledInput { x: self.map(x), style: &self.row(style).values, scale: &self.row(scale).values, bias: &bias };
        after.styled().forward(cpu, input, &self.filters[&(layer.to_owned(), false)], low.as_mut(), &mut y);
        let from = Branches { x, style, scale, after };
        self.push(Op::Styled { from, layer: layer.into(), low }, Value::Map(y), true)
    }

    pub(super) fn styled_back(
        &mut self,
        way: &mut Way<'_>,
        own: Id,
        (from, layer, low): (Branches, &str, Option<&Map<E>>),
        back: &Map<E>,
    ) {
        let Way { cpu, net, walk } = way;
        let Branches { x, style, scale, after } = from;
        let [_, h, w, _] = self.map(x).shape();
        self.filter(Context { cpu, net }, layer, 1.0, true, [h, w]);
        let (mut styles, mut scales) = (self.take_rows(style), self.take_rows(scale));
        let mut dx = self.nodes[x.0].wanted.then(|| self.take_map(x));
        let e = net.layout.get(&format!("{layer}.weight"));
        let [outputs, inputs] = [e.shape[0], e.shape[1]];
        let (range, gain) = (e.range.clone(), e.gain as f32);
        let biases = net.layout.get(&format!("{layer}.bias"));
        let (bias_range, bias_gain) = (biases.range.clone(), biases.gain as f32);
        let bias = net.padded(&format!("{layer}.bias"), kernels::padded(outputs));
        let mut bias_gradient = vec![0.0; outputs];
        after.styled().backward(
            cpu,
            StyledBackward {
                input: StyledInput {
                    x: self.map(x),
                    style: &self.row(style).values,
                    scale: &self.row(scale).values,
                    bias: &bias,
                },
                y: self.map(own),
                low,
                back,
                filter: &self.filters[&(layer.to_owned(), true)],
                dx: dx.as_mut().map(|(map, add)| (map, *add)),
                style: &mut styles.values,
                scale: &mut scales.values,
                weights: walk.weights.then(|| WeightGradient { sum: &mut net.gradient[range], inputs, outputs, gain }),
                bias: walk.weights.then_some((&mut bias_gradient, bias_gain)),
            },
        );
        if walk.weights {
            net.gradient[bias_range].iter_mut().zip(&bias_gradient).for_each(|(to, v)| *to += v);
        }
        self.nodes[style.0].gradient = Some(Value::Rows(styles));
        self.nodes[scale.0].gradient = Some(Value::Rows(scales));
        if let Some((map, _)) = dx {
            self.nodes[x.0].gradient = Some(Value::Map(map));
        }
    }

    /// A styled 1x1 convolution to colours, added to the smaller picture below, doubled bilinearly.
    pub(crate) fn colours(&mut self, context: Context<'_>, x: Id, style: Id, layer: &str, mixing: Mixing) -> Id {
        let [n, h, w, _] = self.map(x).shape();
        let mut pictures = self.pool.numbers(n * 3 * h * w);
        self.own_colours(context, (x, style, layer), mixing, &mut pictures);
        if let Some(below) = mixing.below {
            let ([_, sh, sw], small) = self.picture(below);
            for (to, from) in pictures.chunks_exact_mut(h * w).zip(small.chunks_exact(sh * sw)) {
                crate::planes::add_doubled(from, [sh, sw], mixing.edge, to);
            }
        }
        self.push(Op::Colours { x, style, layer: layer.into(), mixing }, Value::Pictures([n, h, w], pictures), true)
    }

    /// What a layer of colours adds to `pictures`, which are zeros.
    fn own_colours(
        &self,
        Context { cpu, net }: Context<'_>,
        (x, style, layer): (Id, Id, &str),
        Mixing { strength, limit, .. }: Mixing,
        pictures: &mut [f32],
    ) {
        let [_, h, w, _] = self.map(x).shape();
        let (weights, gain) = net.tensor(&format!("{layer}.weight"));
        let weights: Vec<f32> = weights.iter().map(|v| v * gain * strength).collect();
        let bias = net.padded(&format!("{layer}.bias"), 3);
        let to = ToColours { x: self.map(x), style: &self.row(style).values, weights: &weights };
        to.forward(cpu, pictures);
        for (i, plane) in pictures.chunks_exact_mut(h * w).enumerate() {
            let bias = bias[i % 3] * strength;
            for v in plane {
                *v += bias;
            }
        }
        if let Some(limit) = limit {
            let limit = limit * strength;
            for v in pictures {
                *v = v.clamp(-limit, limit);
            }
        }
    }

    pub(super) fn colours_back(
        &mut self,
        way: &mut Way<'_>,
        (x, style, layer, mixing): (Id, Id, &str, Mixing),
        mut back: Vec<f32>,
    ) -> Vec<f32> {
        let Way { cpu, net, walk } = way;
        if let Some(below) = mixing.below {
            let ([n, h, w], _) = self.picture(below);
            let (mut small, _) = self.take_pictures(below, [n, h, w]);
            for (to, from) in small.chunks_exact_mut(h * w).zip(back.chunks_exact(4 * h * w)) {
                crate::planes::doubled_adjoint(from, [h, w], mixing.edge, to);
            }
            self.nodes[below.0].gradient = Some(Value::Pictures([n, h, w], small));
        }
        if let Some(limit) = mixing.limit {
            // What was at the bound did not follow.
            let mut colours = self.pool.numbers(back.len());
            self.own_colours(Context { cpu, net }, (x, style, layer), mixing, &mut colours);
            let limit = limit * mixing.strength;
            back.iter_mut().zip(&colours).filter(|(_, v)| v.abs() >= limit).for_each(|(back, _)| *back = 0.0);
            self.pool.take_back(Value::Pictures([0; 3], colours));
        }
        let mut styles = self.take_rows(style);
        let (mut dx, add) = self.take_map(x);
        let e = net.layout.get(&format!("{layer}.weight"));
        let (range, gain) = (e.range.clone(), e.gain as f32 * mixing.strength);
        let weights: Vec<f32> = net.weights[range.clone()].iter().map(|v| v * gain).collect();
        let (mut dw, mut db) = (vec![0.0; weights.len()], [0.0; 3]);
        ToColours { x: self.map(x), style: &self.row(style).values, weights: &weights }.backward(
            cpu,
            &back,
            ToColoursBackward { dx: Some((&mut dx, add)), style: &mut styles.values, weights: &mut dw, bias: &mut db },
        );
        if walk.weights {
            net.gradient[range].iter_mut().zip(&dw).for_each(|(to, v)| *to += gain * v);
            let e = net.layout.get(&format!("{layer}.bias"));
            let (range, gain) = (e.range.clone(), e.gain as f32 * mixing.strength);
            net.gradient[range].iter_mut().zip(&db).for_each(|(to, v)| *to += gain * v);
        }
        self.nodes[style.0].gradient = Some(Value::Rows(styles));
        self.nodes[x.0].gradient = Some(Value::Map(dx));
        back
    }
}

pub(super) fn constant_back<E: Element>(net: &mut Network, name: &str, back: &Map<E>) {
    let e = net.layout.get(name);
    let (c, gain) = (e.shape[0], e.gain as f32);
    let [n, h, w, _] = back.shape();
    for place in 0..h * w {
        let to = &mut net.gradient[e.range.start + place * c..][..c];
        for picture in 0..n {
            to.iter_mut().zip(pixel(back, picture, place)).for_each(|(to, v)| *to += gain * v.to_f32());
        }
    }
}
