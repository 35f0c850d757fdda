//! Layers of rows: normalising, fully connected layers, demodulation.

use kernels::matrix::{self, Matrix, MatrixMut, Update};
use kernels::train::Element;

use super::walk::Way;
use super::{Context, Id, Like, Network, Op, Rows, Tape, Value};

/// Added to what a square root is taken of.
const EPSILON: f32 = 1e-8;

impl<E: Element> Tape<E> {
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

    pub(super) fn normalize_back(&mut self, x: Id, back: &Rows) {
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

    /// Rows side by side: of each of the two, as many numbers as it has.
    pub(crate) fn join(&mut self, of: [Id; 2]) -> Id {
        let [left, right] = of.map(|id| self.row(id).real);
        let (count, real) = (self.row(of[0]).count, left + right);
        let mut values = self.pool.numbers(count * kernels::padded(real));
        for (r, row) in values.chunks_exact_mut(kernels::padded(real)).enumerate() {
            row[..left].copy_from_slice(&self.row(of[0]).values[r * kernels::padded(left)..][..left]);
            row[left..real].copy_from_slice(&self.row(of[1]).values[r * kernels::padded(right)..][..right]);
        }
        let wanted = self.wanted(&of);
        self.push(Op::Join(of), Value::Rows(Rows { count, real, values }), wanted)
    }

    pub(super) fn join_back(&mut self, of: [Id; 2], back: &Rows) {
        let mut start = 0;
        for id in of {
            let real = self.row(id).real;
            if self.nodes[id.0].wanted {
                let mut to = self.take_rows(id);
                let rows = to.values.chunks_exact_mut(kernels::padded(real));
                for (to, from) in rows.zip(back.values.chunks_exact(kernels::padded(back.real))) {
                    to.iter_mut().zip(&from[start..start + real]).for_each(|(to, v)| *to += v);
                }
                self.nodes[id.0].gradient = Some(Value::Rows(to));
            }
            start += real;
        }
    }

    /// `other + factor <x, y>` for rows x and y of one length and rows of one number.
    pub(crate) fn product(&mut self, of: [Id; 2], other: Id, factor: f32) -> Id {
        let [x, y] = of.map(|id| self.row(id));
        assert_eq!((x.real, x.count), (y.real, y.count), "an inner product is of equally long rows");
        let (count, stride, one) = (x.count, kernels::padded(x.real), kernels::padded(1));
        let mut values = self.pool.numbers(count * one);
        let [x, y] = of.map(|id| self.row(id).values.chunks_exact(stride));
        let other_rows = self.row(other).values.chunks_exact(one);
        for ((to, other), (x, y)) in values.chunks_exact_mut(one).zip(other_rows).zip(x.zip(y)) {
            to[0] = other[0] + factor * x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        }
        self.push(Op::Product { of, other, factor }, Value::Rows(Rows { count, real: 1, values }), true)
    }

    pub(super) fn product_back(&mut self, of: [Id; 2], other: Id, factor: f32, back: &Rows) {
        let one = kernels::padded(1);
        for [own, partner] in [of, [of[1], of[0]]] {
            let mut to = self.take_rows(own);
            let stride = kernels::padded(to.real);
            let rows = to.values.chunks_exact_mut(stride).zip(self.row(partner).values.chunks_exact(stride));
            for ((to, partner), back) in rows.zip(back.values.chunks_exact(one)) {
                to.iter_mut().zip(partner).for_each(|(to, v)| *to += factor * back[0] * v);
            }
            self.nodes[own.0].gradient = Some(Value::Rows(to));
        }
        let mut to = self.take_rows(other);
        to.values.iter_mut().zip(&back.values).for_each(|(to, v)| *to += v);
        self.nodes[other.0].gradient = Some(Value::Rows(to));
    }

    /// `x W^T + b`, then `gain leaky_relu` if a gain is given. With `like`, the derivative along `x` of that layer.
    pub(crate) fn linear(
        &mut self,
        Context { cpu, net }: Context<'_>,
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

    pub(super) fn linear_back(
        &mut self,
        way: &mut Way<'_>,
        own: Id,
        (x, layer, gain, like): (Id, &str, Option<f32>, Option<&Like>),
        mut back: Rows,
    ) -> Rows {
        let Way { cpu, net, walk } = way;
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

    /// What makes the sums of a convolution of styled inputs of unit variance: `1 / sqrt(sum_i style_i^2 sum_k W_kio^2)`.
    pub(crate) fn demodulate(&mut self, Context { cpu, net }: Context<'_>, style: Id, layer: &str) -> Id {
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

    pub(super) fn demodulate_back(&mut self, way: &mut Way<'_>, own: Id, style: Id, layer: &str, back: &Rows) {
        let Way { cpu, net, walk } = way;
        let (squares, input, out) = squares(net, layer);
        let (stride, from, count) = (kernels::padded(out), kernels::padded(input), back.count);
        // d = q^(-1/2), so its derivative in q is -d^3 / 2.
        let inner: Vec<f32> =
            back.values.iter().zip(&self.row(own).values).map(|(b, d)| -0.5 * b * d * d * d).collect();
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
}

/// The sum over a window of the squares of a layer's effective weights, [in, out], and those numbers.
fn squares(net: &Network, layer: &str) -> (Vec<f32>, usize, usize) {
    let e = net.layout.get(&format!("{layer}.weight"));
    let (out, input, gain) = (e.shape[0], e.shape[1], (e.gain * e.gain) as f32);
    let mut sums = vec![0.0; input * out];
    for tap in net.weights[e.range.clone()].chunks_exact(input * out) {
        sums.iter_mut().zip(tap).for_each(|(sum, w)| *sum += w * w);
    }
    for sum in &mut sums {
        *sum *= gain;
    }
    (sums, input, out)
}

fn inverse_root_mean_square(row: &[f32], real: usize) -> f32 {
    1.0 / (row.iter().map(|v| v * v).sum::<f32>() / real as f32 + EPSILON).sqrt()
}

/// The slope of `gain leaky_relu` from what came out of it.
fn slope(sign: f32, gain: Option<f32>) -> f32 {
    gain.map_or(1.0, |gain| if sign > 0.0 { gain } else { 0.2 * gain })
}
