//! The way back along a tape.

use kernels::train::{Cpu, Element, Map};

use super::draw::constant_back;
use super::walk::{Walk, Way};
use super::{Id, Network, Op, Rows, Tape, Value};

impl<E: Element> Tape<E> {
    /// Walks back from `last`, where the gradient is `back` (rows without filling, or planar pictures), to the layer `first`. Gradients of weights are
    /// added to the network's; those at leaves that are wanted stay on the tape until the next walk.
    pub(crate) fn backward(&mut self, cpu: &Cpu, net: &mut Network, first: Id, last: Id, back: &[f32], walk: &Walk) {
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
            Value::Map(_) | Value::Gone => unreachable!("a walk from a map is `backward_from_map`"),
        };
        self.walk_back(&mut Way { cpu, net, walk }, first, last, gradient);
    }

    /// As [`Tape::backward`] from a map, whose gradient `fill` writes: every channel of every pixel inside.
    pub(crate) fn backward_from_map(
        &mut self,
        (cpu, net, walk): (&Cpu, &mut Network, &Walk),
        first: Id,
        last: Id,
        fill: impl FnOnce(&mut Map<E>),
    ) {
        let shape = self.map(last).shape();
        let mut gradient = self.pool.map(shape);
        fill(&mut gradient);
        self.walk_back(&mut Way { cpu, net, walk }, first, last, Value::Map(gradient));
    }

    fn walk_back(&mut self, way: &mut Way<'_>, first: Id, last: Id, gradient: Value<E>) {
        for at in first.0..=last.0 {
            if let Some(gradient) = self.nodes[at].gradient.take() {
                self.pool.take_back(gradient);
            }
        }
        self.nodes[last.0].gradient = Some(gradient);
        for at in (first.0..=last.0).rev() {
            // Leaves keep theirs.
            if matches!(self.nodes[at].op, Op::Leaf) {
                continue;
            }
            let Some(gradient) = self.nodes[at].gradient.take() else { continue };
            let op = std::mem::replace(&mut self.nodes[at].op, Op::Leaf);
            let rest = self.layer(way, Id(at), &op, gradient);
            self.nodes[at].op = op;
            if let Some(rest) = rest {
                self.pool.take_back(rest);
            }
        }
    }

    /// Hands the gradient `back` of one layer on; returns it, unless it was passed on as it was.
    fn layer(&mut self, way: &mut Way<'_>, own: Id, op: &Op<E>, back: Value<E>) -> Option<Value<E>> {
        match back {
            Value::Rows(back) => Some(Value::Rows(self.rows_layer(way, own, op, back))),
            Value::Map(back) => self.map_layer(way, own, op, back),
            Value::Pictures(shape, back) => Some(Value::Pictures(shape, self.pictures_layer(way, op, back))),
            Value::Gone => unreachable!("no gradient is of this kind"),
        }
    }

    fn rows_layer(&mut self, way: &mut Way<'_>, own: Id, op: &Op<E>, back: Rows) -> Rows {
        match op {
            Op::Normalize(x) => self.normalize_back(*x, &back),
            Op::Linear { x, layer, gain, like } => {
                return self.linear_back(way, own, (*x, layer, *gain, like.as_ref()), back);
            }
            Op::Join(of) => self.join_back(*of, &back),
            Op::Product { of, other, factor } => self.product_back(*of, *other, *factor, &back),
            Op::Demodulate { style, layer } => self.demodulate_back(way, own, *style, layer, &back),
            Op::Flatten { x, channels } => self.flatten_back(*x, *channels, &back, way.walk),
            _ => unreachable!("a gradient is of its value's kind"),
        }
        back
    }

    fn map_layer(&mut self, way: &mut Way<'_>, own: Id, op: &Op<E>, back: Map<E>) -> Option<Value<E>> {
        match op {
            Op::Constant { name } => {
                if way.walk.weights {
                    constant_back(way.net, name, &back);
                }
            }
            Op::Styled { from, layer, low } => self.styled_back(way, own, (*from, layer, low.as_ref()), &back),
            Op::Activate { x, layer, noise, limit } => {
                self.activate_back(way, (own, *x, layer), (noise.as_deref(), *limit), &back);
            }
            Op::Entrance { pictures, layer, gain, mask, like } => {
                self.entrance_back(way, (*pictures, layer, *gain), (mask.as_ref(), like.as_ref()), &back);
            }
            Op::Conv { of, layer, conv, factor, add, mask, like } => {
                self.conv_back(way, (*of, layer, *conv, *factor), (mask.as_ref(), like.as_ref()), &back);
                if let Some(other) = add {
                    return self.pass_on(*other, back);
                }
            }
            Op::Resample { x, grid } => self.resample_back(way.cpu, *x, *grid, &back, way.walk.pictures.clone()),
            Op::Blend { of, shares } => self.blend_back(*of, *shares, &back),
            Op::Deviation { x, group, features, channels, like } => {
                self.deviation_back(*x, [*group, *features, *channels], like.as_ref(), &back, way.walk);
            }
            _ => unreachable!("a gradient is of its value's kind"),
        }
        Some(Value::Map(back))
    }

    fn pictures_layer(&mut self, way: &mut Way<'_>, op: &Op<E>, back: Vec<f32>) -> Vec<f32> {
        match op {
            Op::Colours { x, style, layer, mixing } => self.colours_back(way, (*x, *style, layer, *mixing), back),
            Op::HalvePictures { x } => {
                self.halve_pictures_back(*x, &back);
                back
            }
            _ => unreachable!("a gradient is of its value's kind"),
        }
    }

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
    pub(super) fn take_rows(&mut self, id: Id) -> Rows {
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
    pub(super) fn take_pictures(&mut self, id: Id, [n, h, w]: [usize; 3]) -> (Vec<f32>, bool) {
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
}
