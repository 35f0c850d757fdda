//! The way back along a tape.

use std::ops::Range;

use kernels::matrix::{self, Matrix, MatrixMut, Update};
use kernels::train::{
    self, Backward, Conv, Cpu, Element, Input, Map, Mask, StyledBackward, StyledInput, ToColours, ToColoursBackward, WeightGradient,
};

use super::spread::{Spread, pixel, pixel_mut};
use super::{After, Context, Id, Like, Mixing, Network, Op, Rows, Tape, Value, ending, inverse_root_mean_square, slope, squares};

/// What a walk back is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    /// The pictures that take part; the gradients at those that do not are zero or not looked at.
    pub(crate) pictures: Range<usize>,
    /// Whether gradients of weights are added up.
    pub(crate) weights: bool,
}

impl<E: Element> Tape<E> {
    /// Walks back from `last`, where the gradient is `back` (rows without filling, or planar pictures), to the layer `first`. Gradients of weights are
    /// added to the network's; those at leaves that are wanted stay on the tape until the next walk.
    pub(crate) fn backward(&mut self, cpu: &Cpu, net: &mut Network, first: Id, last: Id, back: &[f32], walk: &Walk) {
        for at in first.0..=last.0 {
            if let Some(gradient) = self.nodes[at].gradient.take() {
                self.pool.take_back(gradient);
            }
        }
        let gradient = match &self.nodes[last.0].value {
            Value::Rows(rows) => {
                let (count, real, stride) = (rows.count, rows.real, kernels::padded(rows.real));
                let mut values = self.pool.numbers(count * stride);
                for (to, from) in values.chunks_exact_mut(stride).zip(back.chunks_exact(real)) {
                    to[..real].copy_from_slice(from);
                }
                Value::Rows(Rows { count, real, values })
            }
            Value::Pictures(shape, _) => {
                let shape = *shape;
                let mut values = self.pool.numbers(back.len());
                values.copy_from_slice(back);
                Value::Pictures(shape, values)
            }
            Value::Map(_) => unreachable!("walks begin at rows or pictures"),
        };
        self.nodes[last.0].gradient = Some(gradient);
        for at in (first.0..=last.0).rev() {
            // Leaves keep theirs.
            if matches!(self.nodes[at].op, Op::Leaf) {
                continue;
            }
            let Some(gradient) = self.nodes[at].gradient.take() else { continue };
            let op = std::mem::replace(&mut self.nodes[at].op, Op::Leaf);
            let rest = self.layer(cpu, net, Id(at), &op, gradient, walk);
            self.nodes[at].op = op;
            rest.into_iter().for_each(|value| self.pool.take_back(value));
        }
    }

    /// Hands the gradient `back` of one layer on; returns it, unless it was passed on as it was.
    fn layer(&mut self, cpu: &Cpu, net: &mut Network, own: Id, op: &Op<E>, back: Value<E>, walk: &Walk) -> Option<Value<E>> {
        match (op, back) {
            (Op::Leaf, back) => return Some(back),
            (Op::Normalize(x), Value::Rows(back)) => {
                self.normalize_back(*x, &back);
                return Some(Value::Rows(back));
            }
            (Op::Linear { x, layer, gain, like }, Value::Rows(back)) => {
                let back = self.linear_back(cpu, net, own, (*x, layer, *gain, like.as_ref()), back, walk);
                return Some(Value::Rows(back));
            }
            (Op::Demodulate { style, layer }, Value::Rows(back)) => {
                self.demodulate_back(cpu, net, own, *style, layer, &back, walk);
                return Some(Value::Rows(back));
            }
            (Op::Constant { name }, Value::Map(back)) => {
                if walk.weights {
                    constant_back(net, name, &back);
                }
                return Some(Value::Map(back));
            }
            (Op::Styled { x, style, scale, layer, after, low }, Value::Map(back)) => {
                self.styled_back(cpu, net, own, (*x, *style, *scale, layer, *after, low.as_ref()), &back, walk);
                return Some(Value::Map(back));
            }
            (Op::Activate { x, layer, noise, limit }, Value::Map(back)) => {
                let noise = noise.as_deref();
                let sum = self.activate_back(cpu, (own, *x), (noise, *limit), &back, walk.pictures.clone());
                if walk.weights && noise.is_some() {
                    ending::strength_back(net, layer, sum);
                }
                return Some(Value::Map(back));
            }
            (Op::Colours { x, style, layer, mixing }, Value::Pictures(shape, back)) => {
                let back = self.colours_back(cpu, net, (*x, *style, layer, *mixing), back, walk);
                return Some(Value::Pictures(shape, back));
            }
            (Op::Entrance { pictures, layer, gain, windows, mask, like }, Value::Map(back)) => {
                self.entrance_back(cpu, net, (*pictures, layer, *gain, windows), (mask.as_ref(), like.as_ref()), &back, walk);
                return Some(Value::Map(back));
            }
            (Op::Conv { x, layer, conv, factor, add, mask, like }, Value::Map(back)) => {
                self.conv_back(cpu, net, (*x, layer, *conv, *factor), (mask.as_ref(), like.as_ref()), &back, walk);
                return match add {
                    Some(other) => self.pass_on(*other, back),
                    None => Some(Value::Map(back)),
                };
            }
            (Op::Halve { x }, Value::Map(back)) => {
                if self.nodes[x.0].wanted {
                    let (mut dx, add) = self.take_map(*x);
                    train::halve_backward(cpu, walk.pictures.clone(), &back, &mut dx, add);
                    self.nodes[x.0].gradient = Some(Value::Map(dx));
                }
                return Some(Value::Map(back));
            }
            (Op::Resample { x, grid }, Value::Map(back)) => {
                self.resample_back(cpu, *x, *grid, &back, walk.pictures.clone());
                return Some(Value::Map(back));
            }
            (Op::HalvePictures { x }, Value::Pictures(shape, back)) => {
                let [n, h, w] = [shape[0], 2 * shape[1], 2 * shape[2]];
                if self.nodes[x.0].wanted {
                    let (mut large, _) = self.take_pictures(*x, [n, h, w]);
                    for (to, from) in large.chunks_exact_mut(h * w).zip(back.chunks_exact(h * w / 4)) {
                        crate::planes::halve_adjoint(from, [h, w], to);
                    }
                    self.nodes[x.0].gradient = Some(Value::Pictures([n, h, w], large));
                }
                return Some(Value::Pictures(shape, back));
            }
            (Op::Blend { a, b, share }, Value::Map(back)) => {
                for (id, factor) in [(a, 1.0 - share), (b, *share)] {
                    let (mut to, add) = self.take_map(*id);
                    for (to, v) in to.elements_mut().iter_mut().zip(back.elements()) {
                        let before = if add { to.to_f32() } else { 0.0 };
                        *to = E::from_f32(before + v.to_f32() * factor);
                    }
                    self.nodes[id.0].gradient = Some(Value::Map(to));
                }
                return Some(Value::Map(back));
            }
            (Op::Deviation { x, group, features, channels, like }, Value::Map(back)) => {
                self.deviation_back(*x, [*group, *features, *channels], like.as_ref(), &back, walk);
                return Some(Value::Map(back));
            }
            (Op::Flatten { x, channels }, Value::Rows(back)) => {
                let (mut to, add) = self.take_map(*x);
                let stride = kernels::padded(back.real);
                for picture in walk.pictures.clone() {
                    let row = &back.values[picture * stride..][..back.real];
                    for (i, from) in row.chunks_exact(*channels).enumerate() {
                        for (to, v) in pixel_mut(&mut to, picture, i).iter_mut().zip(from) {
                            let before = if add { to.to_f32() } else { 0.0 };
                            *to = E::from_f32(before + v);
                        }
                    }
                }
                self.nodes[x.0].gradient = Some(Value::Map(to));
                return Some(Value::Rows(back));
            }
            _ => unreachable!("a gradient is of its value's kind"),
        }
    }
}

/// A layer's signs: its own, or those of the layer that it is a tangent of.
type Signs<'a> = (Option<&'a Mask>, Option<&'a Like>);

impl<E: Element> Tape<E> {
    /// The gradient at a map so far and whether there is any, out of its node.
    pub(super) fn take_map(&mut self, id: Id) -> (Map<E>, bool) {
        match self.nodes[id.0].gradient.take() {
            Some(Value::Map(map)) => (map, true),
            Some(_) => unreachable!("a gradient is of its value's kind"),
            None => {
                let shape = self.map(id).shape();
                (self.pool.map(shape), false)
            }
        }
    }

    /// The gradient at rows so far, zeros at first, out of its node.
    fn take_rows(&mut self, id: Id) -> Rows {
        match self.nodes[id.0].gradient.take() {
            Some(Value::Rows(rows)) => rows,
            Some(_) => unreachable!("a gradient is of its value's kind"),
            None => {
                let (count, real) = (self.row(id).count, self.row(id).real);
                Rows { count, real, values: self.pool.numbers(count * kernels::padded(real)) }
            }
        }
    }

    /// The gradient at pictures so far, zeros at first, out of its node, and whether there was any.
    fn take_pictures(&mut self, id: Id, [n, h, w]: [usize; 3]) -> (Vec<f32>, bool) {
        match self.nodes[id.0].gradient.take() {
            Some(Value::Pictures(_, values)) => (values, true),
            Some(_) => unreachable!("a gradient is of its value's kind"),
            None => (self.pool.numbers(n * 3 * h * w), false),
        }
    }

    /// Makes a gradient that of another map too; returns it if it was only added to what was there.
    fn pass_on(&mut self, to: Id, back: Map<E>) -> Option<Value<E>> {
        if let Some(Value::Map(sum)) = &mut self.nodes[to.0].gradient {
            for (sum, v) in sum.elements_mut().iter_mut().zip(back.elements()) {
                *sum = E::from_f32(sum.to_f32() + v.to_f32());
            }
            return Some(Value::Map(back));
        }
        self.nodes[to.0].gradient = Some(Value::Map(back));
        None
    }

    fn normalize_back(&mut self, x: Id, back: &Rows) {
        if !self.nodes[x.0].wanted {
            return;
        }
        let mut to = self.take_rows(x);
        let (back_real, stride) = (back.real, kernels::padded(back.real));
        let rows = self.row(x).values.chunks_exact(stride).zip(back.values.chunks_exact(stride));
        for (to, (from, back)) in to.values.chunks_exact_mut(stride).zip(rows) {
            let factor = inverse_root_mean_square(from, back_real);
            let along: f32 = from.iter().zip(back).map(|(x, b)| x * b).sum::<f32>() / back_real as f32;
            for ((to, x), b) in to.iter_mut().zip(from).zip(back) {
                *to += factor * b - x * factor.powi(3) * along;
            }
        }
        self.nodes[x.0].gradient = Some(Value::Rows(to));
    }

    fn linear_back(
        &mut self,
        cpu: &Cpu,
        net: &mut Network,
        own: Id,
        (x, layer, gain, like): (Id, &str, Option<f32>, Option<&Like>),
        mut back: Rows,
        walk: &Walk,
    ) -> Rows {
        let name = format!("{layer}.weight");
        let e = net.layout.get(&name);
        let (out, input, factor, range) = (e.shape[0], e.shape[1], e.gain as f32, e.range.clone());
        let stride = kernels::padded(out);
        for (r, row) in back.values.chunks_exact_mut(stride).enumerate() {
            let (of, source) = like.map_or((own, r), |(of, pictures)| (*of, pictures[r]));
            let signs = &self.row(of).values[source * stride..][..stride];
            row.iter_mut().zip(signs).for_each(|(v, sign)| *v *= slope(*sign, gain));
        }
        if walk.weights && like.is_none() {
            let e = net.layout.get(&format!("{layer}.bias"));
            let (range, gain) = (e.range.clone(), e.gain as f32);
            for row in back.values.chunks_exact(stride) {
                net.gradient[range.clone()].iter_mut().zip(row).for_each(|(to, v)| *to += gain * v);
            }
        }
        back.values.iter_mut().for_each(|v| *v *= factor);
        let mut scratch = std::mem::take(&mut self.scratch);
        let count = back.count;
        let from = kernels::padded(input);
        if walk.weights {
            let a = Matrix::strided(&back.values, count, out, stride).transposed();
            let b = Matrix::strided(&self.row(x).values, count, input, from);
            let to = MatrixMut::new(&mut net.gradient[range.clone()], out, input);
            matrix::product(cpu.crew(), a, b, to, Update::Add, &mut scratch);
        }
        if self.nodes[x.0].wanted {
            let mut dx = self.take_rows(x);
            let a = Matrix::strided(&back.values, count, out, stride);
            let b = Matrix::new(&net.weights[range], out, input);
            let to = MatrixMut::strided(&mut dx.values, count, input, from);
            matrix::product(cpu.crew(), a, b, to, Update::Add, &mut scratch);
            self.nodes[x.0].gradient = Some(Value::Rows(dx));
        }
        self.scratch = scratch;
        back
    }

    #[allow(clippy::too_many_arguments)]
    fn demodulate_back(&mut self, cpu: &Cpu, net: &mut Network, own: Id, style: Id, layer: &str, back: &Rows, walk: &Walk) {
        let (squares, input, out) = squares(net, layer);
        let (stride, from, count) = (kernels::padded(out), kernels::padded(input), back.count);
        // d = q^(-1/2), so its derivative in q is -d^3 / 2.
        let inner: Vec<f32> = back.values.iter().zip(&self.row(own).values).map(|(b, d)| -0.5 * b * d * d * d).collect();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut along = self.pool.numbers(count * from);
        let a = Matrix::strided(&inner, count, out, stride);
        let b = Matrix::new(&squares, input, out).transposed();
        let to = MatrixMut::strided(&mut along, count, input, from);
        matrix::product(cpu.crew(), a, b, to, Update::Replace, &mut scratch);
        let mut to = self.take_rows(style);
        for ((to, s), v) in to.values.iter_mut().zip(&self.row(style).values).zip(&along) {
            *to += 2.0 * s * v;
        }
        self.nodes[style.0].gradient = Some(Value::Rows(to));
        if walk.weights {
            let squared: Vec<f32> = self.row(style).values.iter().map(|s| s * s).collect();
            let mut sums = self.pool.numbers(input * out);
            let a = Matrix::strided(&squared, count, input, from).transposed();
            let b = Matrix::strided(&inner, count, out, stride);
            matrix::product(cpu.crew(), a, b, MatrixMut::new(&mut sums, input, out), Update::Replace, &mut scratch);
            let e = net.layout.get(&format!("{layer}.weight"));
            let gain = (e.gain * e.gain) as f32;
            let (weights, gradient) = (&net.weights[e.range.clone()], &mut net.gradient[e.range.clone()]);
            for (to, from) in gradient.chunks_exact_mut(input * out).zip(weights.chunks_exact(input * out)) {
                for ((to, w), sum) in to.iter_mut().zip(from).zip(&sums) {
                    *to += 2.0 * gain * w * sum;
                }
            }
            self.pool.take_back(Value::Pictures([0; 3], sums));
        }
        self.pool.take_back(Value::Pictures([0; 3], along));
        self.scratch = scratch;
    }

    #[allow(clippy::type_complexity, clippy::too_many_arguments)]
    fn styled_back(
        &mut self,
        cpu: &Cpu,
        net: &mut Network,
        own: Id,
        (x, style, scale, layer, after, low): (Id, Id, Id, &str, After, Option<&Map<E>>),
        back: &Map<E>,
        walk: &Walk,
    ) {
        self.filter(cpu, net, layer, 1.0, true);
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
        net.gradient[bias_range].iter_mut().zip(&bias_gradient).for_each(|(to, v)| *to += v);
        self.nodes[style.0].gradient = Some(Value::Rows(styles));
        self.nodes[scale.0].gradient = Some(Value::Rows(scales));
        if let Some((map, _)) = dx {
            self.nodes[x.0].gradient = Some(Value::Map(map));
        }
    }

    fn colours_back(
        &mut self,
        cpu: &Cpu,
        net: &mut Network,
        (x, style, layer, mixing): (Id, Id, &str, Mixing),
        mut back: Vec<f32>,
        walk: &Walk,
    ) -> Vec<f32> {
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

    fn entrance_back(
        &mut self,
        cpu: &Cpu,
        net: &mut Network,
        (pictures, layer, gain, windows): (Id, &str, f32, &Map<E>),
        (mask, like): Signs<'_>,
        back: &Map<E>,
        walk: &Walk,
    ) {
        let wanted = self.nodes[pictures.0].wanted;
        let (shape, _) = self.picture(pictures);
        let mut to = wanted.then(|| {
            self.filter(cpu, net, layer, 1.0, true);
            self.pool.numbers(shape.iter().product::<usize>() * 3)
        });
        let e = net.layout.get(&format!("{layer}.weight"));
        let (range, weight_gain, outputs) = (e.range.clone(), e.gain as f32, e.shape[0]);
        let biases = net.layout.get(&format!("{layer}.bias"));
        let (bias_range, bias_gain) = (biases.range.clone(), biases.gain as f32);
        let mut bias = vec![0.0; outputs];
        let weights = WeightGradient { sum: &mut net.gradient[range], inputs: 27, outputs, gain: weight_gain };
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
            weights: walk.weights.then_some(weights),
            bias: (walk.weights && like.is_none()).then_some((&mut bias, bias_gain)),
        };
        conv.backward(cpu, 1, b);
        net.gradient[bias_range].iter_mut().zip(&bias).for_each(|(to, v)| *to += v);
        if let Some(mut to) = to {
            let (before, any) = self.take_pictures(pictures, shape);
            if any {
                to.iter_mut().zip(&before).for_each(|(to, v)| *to += v);
            }
            self.pool.take_back(Value::Pictures(shape, before));
            self.nodes[pictures.0].gradient = Some(Value::Pictures(shape, to));
        }
    }

    fn conv_back(
        &mut self,
        cpu: &Cpu,
        net: &mut Network,
        (x, layer, conv, factor): (Id, &str, Conv, f32),
        (mask, like): Signs<'_>,
        back: &Map<E>,
        walk: &Walk,
    ) {
        let mut dx = self.nodes[x.0].wanted.then(|| {
            self.filter(cpu, net, layer, factor, true);
            self.take_map(x)
        });
        let e = net.layout.get(&format!("{layer}.weight"));
        let [outputs, inputs, size] = [e.shape[0], e.shape[1], e.shape[2]];
        let (range, gain) = (e.range.clone(), e.gain as f32 * factor);
        let biases = super::has_bias(net, layer).then(|| net.layout.get(&format!("{layer}.bias")));
        let (bias_range, bias_gain) = biases.map_or((0..0, 0.0), |e| (e.range.clone(), e.gain as f32));
        let mut bias = vec![0.0; outputs];
        let weights = WeightGradient { sum: &mut net.gradient[range], inputs, outputs, gain };
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
            weights: walk.weights.then_some(weights),
            bias: (walk.weights && like.is_none() && !bias_range.is_empty()).then_some((&mut bias, bias_gain)),
        };
        conv.backward(cpu, size, b);
        net.gradient[bias_range].iter_mut().zip(&bias).for_each(|(to, v)| *to += v);
        if let Some((map, _)) = dx {
            self.nodes[x.0].gradient = Some(Value::Map(map));
        }
    }

    fn deviation_back(
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
                let Op::Deviation { x: primal, .. } = &self.nodes[of.0].op else { unreachable!("a deviation's tangent") };
                (*primal, pictures[first])
            });
            let spread = Spread::of(self.map(source), start, group, channels);
            for picture in 0..group {
                for place in 0..h * w {
                    spread.add_back(picture, place, &sums, pixel_mut(&mut to, first + picture, place));
                }
            }
        }
        self.nodes[x.0].gradient = Some(Value::Map(to));
    }
}

fn constant_back<E: Element>(net: &mut Network, name: &str, back: &Map<E>) {
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
