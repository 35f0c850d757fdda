//! The ink network's layers on a tape.

use kernels::train::{Bf16, Conv, Cpu, Element, Map};
use synth::Ink;

use crate::Precision;
use crate::params::{Layout, Order};
use crate::tape::{Context, Id, Layer, Network, Sum, Tape, Walk};

/// Leaky `ReLU` without a gain.
const PLAIN: Conv = Conv { gain: Some(1.0), pooled: false };
/// No activation.
const LINEAR: Conv = Conv { gain: None, pooled: false };

/// The tensors of `ink` and how they start: He's standard deviation for a leaky `ReLU` of slope 0.2 (arXiv 1502.01852), and zeros in the last
/// layer, so that nothing is added to the enlarged picture at first.
pub(crate) fn layout(ink: Ink) -> Layout {
    let mut layout = Layout::default();
    for (name, inputs, outputs) in ink.convs(Ink::INK) {
        let std = if name == "ink.conv_out" { 0.0 } else { (2.0 / 1.04 / (9 * inputs) as f64).sqrt() };
        layout.push(&format!("{name}.weight"), &[outputs, inputs, 3, 3], Order::Window, [std, 0.0, 1.0]);
        layout.push(&format!("{name}.bias"), &[outputs], Order::Plain, [0.0, 0.0, 1.0]);
    }
    layout
}

/// Runs the network forward, and back for gradients.
pub(crate) trait Redraw {
    /// What is to be added, `[n, h, w, 3 factor^2]`, for inputs `[n, h, w, 5]`.
    fn forward(&mut self, net: &Network, inputs: &[f32], shape: [usize; 3]) -> Vec<f32>;
    /// Adds the gradients of the last forward pass to those of `net`, for the gradient at its result.
    fn backward(&mut self, net: &mut Network, back: &[f32]);
    /// The gradient at the inputs of the last forward pass, `[n, h, w, 5]`, for that at its result; the weights get none.
    fn back_to_inputs(&mut self, net: &mut Network, back: &[f32]) -> Vec<f32>;
    /// To be called when the weights have changed.
    fn weights_changed(&mut self);
}

/// The network on `cpu` in the numbers of `precision`.
pub(crate) fn redraw(cpu: Cpu, precision: Precision, ink: Ink) -> Box<dyn Redraw> {
    if precision.is_bf16(&cpu) {
        Box::new(Native::<Bf16>::new(cpu, ink))
    } else {
        Box::new(Native::<f32>::new(cpu, ink))
    }
}

/// The network on the native engine, with maps of `E`.
pub(crate) struct Native<E> {
    cpu: Cpu,
    ink: Ink,
    tape: Tape<E>,
    /// First and last layer of the last pass.
    ends: Option<[Id; 2]>,
}

fn layer(name: &str, conv: Conv) -> Layer<'_> {
    Layer { name, conv, factor: 1.0 }
}

impl<E: Element> Native<E> {
    pub(crate) fn new(cpu: Cpu, ink: Ink) -> Self {
        Self { cpu, ink, tape: Tape::default(), ends: None }
    }

    /// Walks the last pass back, for the weights or for the inputs, which it gives.
    fn walk_back(&mut self, net: &mut Network, back: &[f32], weights: bool) -> Id {
        let [first, last] = self.ends.expect("a forward pass comes first");
        let walk = Walk { pictures: 0..self.tape.map(last).pictures(), weights };
        let channels = 3 * self.ink.factor.pow(2);
        self.tape.backward_from_map((&self.cpu, net, &walk), first, last, |map| write(map, back, channels));
        first
    }
}

impl<E: Element> Redraw for Native<E> {
    fn forward(&mut self, net: &Network, inputs: &[f32], [n, h, w]: [usize; 3]) -> Vec<f32> {
        self.tape.clear();
        let context = Context { cpu: &self.cpu, net };
        let first = self.tape.leaf_map([n, h, w, Ink::INPUTS], true, |map| write(map, inputs, Ink::INPUTS));
        let mut y = self.tape.conv(context, first, layer("ink.conv_in", PLAIN), Sum::None, None);
        for block in 0..self.ink.blocks {
            let [conv0, conv1] = [0, 1].map(|k| format!("ink.b{block}.conv{k}"));
            let inner = self.tape.conv(context, y, layer(&conv0, PLAIN), Sum::None, None);
            y = self.tape.conv(context, inner, layer(&conv1, PLAIN), Sum::With(y), None);
        }
        let last = self.tape.conv(context, y, layer("ink.conv_out", LINEAR), Sum::None, None);
        self.ends = Some([first, last]);
        read(self.tape.map(last), 3 * self.ink.factor.pow(2))
    }

    fn backward(&mut self, net: &mut Network, back: &[f32]) {
        self.walk_back(net, back, true);
    }

    fn back_to_inputs(&mut self, net: &mut Network, back: &[f32]) -> Vec<f32> {
        let first = self.walk_back(net, back, false);
        read(self.tape.map_gradient(first), Ink::INPUTS)
    }

    fn weights_changed(&mut self) {
        self.tape.forget_filters();
    }
}

/// Writes `[n, h, w, channels]` into a map.
fn write<E: Element>(map: &mut Map<E>, values: &[f32], channels: usize) {
    let [_, h, w, c] = map.shape();
    let pictures = map.elements_mut().chunks_exact_mut((h + 2) * (w + 2) * c);
    for (to, from) in pictures.zip(values.chunks_exact(h * w * channels)) {
        let rows = to.chunks_exact_mut((w + 2) * c).skip(1);
        for (to, from) in rows.zip(from.chunks_exact(w * channels)) {
            for (to, from) in to[c..].chunks_exact_mut(c).zip(from.chunks_exact(channels)) {
                to[..channels].iter_mut().zip(from).for_each(|(to, v)| *to = E::from_f32(*v));
                to[channels..].fill(E::default());
            }
        }
    }
}

/// The first `channels` channels of a map, `[n, h, w, channels]`.
fn read<E: Element>(map: &Map<E>, channels: usize) -> Vec<f32> {
    let [n, h, w, c] = map.shape();
    let mut values = Vec::with_capacity(n * h * w * channels);
    for picture in map.elements().chunks_exact((h + 2) * (w + 2) * c) {
        for row in picture.chunks_exact((w + 2) * c).skip(1).take(h) {
            for pixel in row[c..].chunks_exact(c).take(w) {
                values.extend(pixel[..channels].iter().map(|v| v.to_f32()));
            }
        }
    }
    values
}
