//! The native backend: layers are run one by one on a tape, which is then walked back for gradients.
//!
//! Every operation is a whole layer, forward and backward written by hand in the `kernels` crate; the tape remembers what the way back needs. All
//! memory goes back to a pool when the tape is cleared, so that a step after the first allocates next to nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use kernels::matrix;
use kernels::train::{Conv, Cpu, Element, Filter, FilterShape, Map, Mask};

use crate::params::Layout;

mod back;
mod discriminator;
mod draw;
mod ending;
#[cfg(test)]
mod golden;
mod minibatch_stddev;
mod resample;
mod rows;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use discriminator::{Layer, Of, Sum};
use draw::Branches;
pub(crate) use draw::{After, Mixing};
pub(crate) use ending::Noise;
pub(crate) use resample::{Grid, share};
pub(crate) use walk::Walk;

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

    /// A network that does not learn: walks back must not ask for gradients of weights.
    pub(crate) fn frozen(layout: Layout, weights: Vec<f32>) -> Self {
        Self { gradient: Vec::new(), layout, weights }
    }

    /// A tensor's stored values and its gain.
    fn tensor(&self, name: &str) -> (&[f32], f32) {
        let e = self.layout.get(name);
        (&self.weights[e.range.clone()], e.gain as f32)
    }

    /// Effective values, filled up with zeros to `length`.
    fn padded(&self, name: &str, length: usize) -> Vec<f32> {
        let (values, gain) = self.tensor(name);
        let mut all: Vec<f32> = values.iter().map(|v| v * gain).collect();
        all.resize(length, 0.0);
        all
    }
}

/// What layers are run with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) net: &'a Network,
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
    /// A map that another layer was added to and went on as.
    Gone,
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
    /// Rows side by side.
    Join([Id; 2]),
    /// Rows of one number: `other` plus the inner product of two rows, times a factor.
    Product {
        of: [Id; 2],
        other: Id,
        factor: f32,
    },
    Demodulate {
        style: Id,
        layer: String,
    },
    Constant {
        name: String,
    },
    Styled {
        from: Branches,
        layer: String,
        low: Option<Map<E>>,
    },
    Activate {
        x: Id,
        layer: String,
        noise: Option<Vec<f32>>,
        limit: f32,
    },
    Colours {
        x: Id,
        style: Id,
        layer: String,
        mixing: Mixing,
    },
    Entrance {
        pictures: Id,
        layer: String,
        gain: f32,
        mask: Option<Mask>,
        like: Option<Like>,
    },
    Conv {
        of: Of,
        layer: String,
        conv: Conv,
        factor: f32,
        add: Option<Id>,
        mask: Option<Mask>,
        like: Option<Like>,
    },
    Resample {
        x: Id,
        grid: Grid,
    },
    HalvePictures {
        x: Id,
    },
    Blend {
        of: [Id; 2],
        shares: [f32; 2],
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

/// How many times the bytes that are asked for a map may have: a larger one is kept for what needs it.
const MOST_WASTE: f64 = 2.25;

/// Memory that is not in use, of all tapes that share it.
#[derive(Debug)]
struct Pool<E>(Rc<RefCell<Free<E>>>);

#[derive(Debug)]
struct Free<E> {
    /// By their bytes.
    maps: BTreeMap<usize, Vec<Map<E>>>,
    masks: HashMap<[usize; 4], Vec<Mask>>,
    numbers: HashMap<usize, Vec<Vec<f32>>>,
    /// By the window's side and the channels on either side, in order.
    filters: HashMap<[usize; 3], Vec<Filter<E>>>,
}

impl<E: Element> Pool<E> {
    /// A map with a zero border; whoever fills it writes every channel of every pixel inside, those beyond the real ones too.
    fn map(&self, [n, h, w, c]: [usize; 4]) -> Map<E> {
        let shape = [n, h, w, kernels::padded(c)];
        let bytes = Map::<E>::bytes_of(shape);
        let mut free = self.0.borrow_mut();
        let found = free.maps.range_mut(bytes..=(bytes as f64 * MOST_WASTE) as usize).find_map(|(_, maps)| {
            let same = maps.iter().position(|map| map.shape() == shape);
            let last = maps.len().checked_sub(1)?;
            Some(maps.swap_remove(same.unwrap_or(last)))
        });
        found.map_or_else(|| Map::new(n, h, w, c), |map| map.reshaped(shape))
    }

    fn mask(&self, [n, h, w, c]: [usize; 4]) -> Mask {
        let shape = [n, h, w, kernels::padded(c)];
        self.0.borrow_mut().masks.get_mut(&shape).and_then(Vec::pop).unwrap_or_else(|| Mask::new(shape))
    }

    /// Zeros.
    fn numbers(&self, length: usize) -> Vec<f32> {
        let found = self.0.borrow_mut().numbers.get_mut(&length).and_then(Vec::pop);
        match found {
            Some(mut numbers) => {
                numbers.fill(0.0);
                numbers
            }
            None => vec![0.0; length],
        }
    }

    fn bytes(&self) -> usize {
        let free = self.0.borrow();
        let maps = free.maps.values().flatten().map(Map::bytes).sum::<usize>();
        let masks = free.masks.values().flatten().map(Mask::bytes).sum::<usize>();
        let filters = free.filters.values().flatten().map(Filter::bytes).sum::<usize>();
        maps + masks + filters + free.numbers.values().flatten().map(|numbers| 4 * numbers.len()).sum::<usize>()
    }

    /// A filter that is packed with nothing, or something else.
    fn filter(&self, size: usize, channels: [usize; 2]) -> Filter<E> {
        self.0.borrow_mut().filters.get_mut(&kind(size, channels)).and_then(Vec::pop).unwrap_or_default()
    }

    fn take_back_filter(&self, filter: Filter<E>) {
        let kind = kind(filter.size(), filter.channels());
        self.0.borrow_mut().filters.entry(kind).or_default().push(filter);
    }

    fn take_back(&self, value: Value<E>) {
        let mut free = self.0.borrow_mut();
        match value {
            Value::Map(map) => free.maps.entry(map.bytes()).or_default().push(map),
            Value::Rows(Rows { values, .. }) | Value::Pictures(_, values) => {
                free.numbers.entry(values.len()).or_default().push(values);
            }
            Value::Gone => {}
        }
    }

    fn take_back_mask(&self, mask: Mask) {
        self.0.borrow_mut().masks.entry(mask.shape()).or_default().push(mask);
    }
}

/// What filters have in common that take the same memory.
fn kind(size: usize, channels: [usize; 2]) -> [usize; 3] {
    let [a, b] = channels.map(kernels::padded);
    [size, a.min(b), a.max(b)]
}

/// Which way a filter is packed.
type Packing = (String, bool);

/// Layers as they were run, and their memory.
#[derive(Debug)]
pub(crate) struct Tape<E> {
    nodes: Vec<Node<E>>,
    pool: Pool<E>,
    /// With the network's present weights.
    filters: HashMap<Packing, Filter<E>>,
    scratch: matrix::Scratch,
}

impl<E: Element> Default for Tape<E> {
    fn default() -> Self {
        let free =
            Free { maps: BTreeMap::new(), masks: HashMap::new(), numbers: HashMap::new(), filters: HashMap::new() };
        Self::on(Pool(Rc::new(RefCell::new(free))))
    }
}

impl<E: Element> Tape<E> {
    fn on(pool: Pool<E>) -> Self {
        let scratch = matrix::Scratch::default();
        Self { nodes: Vec::new(), pool, filters: HashMap::new(), scratch }
    }

    /// Another tape, which has what this one does not use.
    pub(crate) fn beside(&self) -> Self {
        Self::on(Pool(Rc::clone(&self.pool.0)))
    }

    /// Forgets all layers, keeping their memory.
    pub(crate) fn clear(&mut self) {
        self.forget_from(Id(0));
    }

    /// Forgets the layer `first` and all after it, keeping their memory.
    pub(crate) fn forget_from(&mut self, first: Id) {
        for node in self.nodes.drain(first.0..) {
            self.pool.take_back(node.value);
            node.gradient.into_iter().for_each(|g| self.pool.take_back(g));
            match node.op {
                Op::Styled { low: Some(map), .. } => self.pool.take_back(Value::Map(map)),
                Op::Activate { noise: Some(values), .. } => self.pool.take_back(Value::Pictures([0; 3], values)),
                Op::Entrance { mask: Some(mask), .. } | Op::Conv { mask: Some(mask), .. } => {
                    self.pool.take_back_mask(mask);
                }
                _ => {}
            }
        }
    }

    /// Bytes that are kept for the next layers, of all tapes beside this one too; to be asked for while they are clear and have no filters.
    pub(crate) fn bytes(&self) -> usize {
        self.pool.bytes()
    }

    /// Forgets the packed filters, keeping their memory: to be called when the network's weights have changed, or when they are not needed for long.
    pub(crate) fn forget_filters(&mut self) {
        self.filters.drain().for_each(|(_, filter)| self.pool.take_back_filter(filter));
    }

    fn push(&mut self, op: Op<E>, value: Value<E>, wanted: bool) -> Id {
        self.nodes.push(Node { op, value, gradient: None, wanted });
        Id(self.nodes.len() - 1)
    }

    fn wanted(&self, ids: &[Id]) -> bool {
        ids.iter().any(|id| self.nodes[id.0].wanted)
    }

    /// The map that a layer gives.
    pub(crate) fn map(&self, id: Id) -> &Map<E> {
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

    /// The gradient at a map after [`Tape::backward_from_map`].
    pub(crate) fn map_gradient(&self, id: Id) -> &Map<E> {
        match &self.nodes[id.0].gradient {
            Some(Value::Map(map)) => map,
            _ => panic!("no gradient has reached this map, which is a mistake in this crate"),
        }
    }

    /// The gradient at rows after [`Tape::backward`], [count, length]; zeros where none has come.
    pub(crate) fn row_gradient(&self, id: Id) -> Vec<f32> {
        let real = self.row(id).real;
        match &self.nodes[id.0].gradient {
            Some(Value::Rows(rows)) => {
                rows.values.chunks_exact(kernels::padded(real)).flat_map(|row| row[..real].to_vec()).collect()
            }
            _ => vec![0.0; self.row(id).count * real],
        }
    }

    /// A filter with the network's present weights, for maps of `map` pixels.
    fn filter(
        &mut self,
        Context { cpu, net }: Context<'_>,
        layer: &str,
        factor: f32,
        transposed: bool,
        map: [usize; 2],
    ) {
        let key = (layer.to_owned(), transposed);
        if self.filters.get(&key).is_some_and(|filter| filter.suits(map)) {
            return;
        }
        let e = net.layout.get(&format!("{layer}.weight"));
        let shape = FilterShape { size: e.shape[2], inputs: e.shape[1], outputs: e.shape[0], map };
        let weights = &net.weights[e.range.clone()];
        let free = || self.pool.filter(shape.size, [shape.inputs, shape.outputs]);
        let filter = self.filters.entry(key).or_insert_with(free);
        filter.pack(cpu, weights, shape, e.gain as f32 * factor, transposed);
    }

    /// Rows of `length` numbers as they are.
    pub(crate) fn rows(&mut self, values: &[f32], length: usize, wanted: bool) -> Id {
        let (count, stride) = (values.len() / length, kernels::padded(length));
        let mut padded = self.pool.numbers(count * stride);
        for (to, from) in padded.chunks_exact_mut(stride).zip(values.chunks_exact(length)) {
            to[..length].copy_from_slice(from);
        }
        self.push(Op::Leaf, Value::Rows(Rows { count, real: length, values: padded }), wanted)
    }

    /// Rows of `length` zeros with a 1 at the place that each of `places` names.
    pub(crate) fn one_hot(&mut self, places: &[u32], length: usize) -> Id {
        let (count, stride) = (places.len(), kernels::padded(length));
        let mut values = self.pool.numbers(count * stride);
        values.chunks_exact_mut(stride).zip(places).for_each(|(row, place)| row[*place as usize] = 1.0);
        self.push(Op::Leaf, Value::Rows(Rows { count, real: length, values }), false)
    }

    /// A map that `fill` writes, every channel of every pixel inside; `wanted` if its gradient is.
    pub(crate) fn leaf_map(&mut self, shape: [usize; 4], wanted: bool, fill: impl FnOnce(&mut Map<E>)) -> Id {
        let mut map = self.pool.map(shape);
        fill(&mut map);
        self.push(Op::Leaf, Value::Map(map), wanted)
    }

    /// Planar pictures [count, 3, size, size] as they are.
    pub(crate) fn pictures(&mut self, values: &[f32], [height, width]: [usize; 2], wanted: bool) -> Id {
        let mut own = self.pool.numbers(values.len());
        own.copy_from_slice(values);
        let count = values.len() / (3 * height * width);
        self.push(Op::Leaf, Value::Pictures([count, height, width], own), wanted)
    }
}
