//! The synthesis network of a model file on a tape: pictures of w, and slopes back to w.

use std::fmt::Debug;

use kernels::train::{Cpu, Element};
use synth::ModelFile;

use crate::generator::{Generator, Wear};
use crate::params::Layout;
use crate::tape::{Context, Id, Network, Tape, Walk};

/// Pictures of w, and slopes back to w, whatever numbers they are computed in.
pub(super) trait Draw: Debug {
    /// Planar pictures [n, 3, height, width], nominally in -1..1, of `w` [n, rows, `w_dim`] with `rows` 1 or one for each convolution.
    fn draw(&mut self, cpu: &Cpu, w: &[f32], rows: usize) -> &[f32];
    /// The slopes in w, [n, rows, `w_dim`], from those in the pictures last drawn.
    fn back(&mut self, cpu: &Cpu, gradient: &[f32]) -> Vec<f32>;
}

/// A network that draws and does not learn.
#[derive(Debug)]
pub(super) struct Frozen<E> {
    generator: Generator,
    net: Network,
    tape: Tape<E>,
    /// For each convolution what it adds, the same in all pictures.
    noise: Vec<Option<Vec<f32>>>,
    w_dim: usize,
    /// The rows that the pictures last drawn follow, and the pictures.
    drawn: Option<(Vec<Id>, Id)>,
}

impl<E: Element> Frozen<E> {
    /// Of a checked model.
    pub(super) fn new(model: &ModelFile, noise: Vec<Option<Vec<f32>>>) -> Self {
        let generator = Generator::new(&model.architecture);
        let mut layout = Layout::default();
        generator.synthesis(&mut layout);
        // A model file holds effective weights.
        let layout = layout.effective();
        let mut weights = vec![0.0; layout.len()];
        for entry in layout.entries() {
            entry.set_from_file(&model.tensors[&entry.name].data, &mut weights);
        }
        let net = Network::frozen(layout, weights);
        let w_dim = model.architecture.w_dim;
        Self { generator, net, tape: Tape::default(), noise, w_dim, drawn: None }
    }
}

impl<E: Element + Debug> Draw for Frozen<E> {
    fn draw(&mut self, cpu: &Cpu, w: &[f32], rows: usize) -> &[f32] {
        self.tape.clear();
        let (tape, length) = (&mut self.tape, self.w_dim);
        let row = |row: usize| {
            let all = w.chunks_exact(rows * length);
            let values: Vec<f32> = all.flat_map(|picture| &picture[row * length..][..length]).copied().collect();
            tape.rows(&values, length, true)
        };
        let ids: Vec<Id> = (0..rows).map(row).collect();
        let context = Context { cpu, net: &self.net };
        let pictures = self.generator.synthesize(&mut self.tape, context, &ids, Wear::Given(&self.noise), None);
        self.drawn = Some((ids, pictures));
        self.tape.pixels(pictures)
    }

    fn back(&mut self, cpu: &Cpu, gradient: &[f32]) -> Vec<f32> {
        let (ids, pictures) = self.drawn.as_ref().expect("a drawing comes first");
        let count = self.tape.count(ids[0]);
        let walk = Walk { pictures: 0..count, weights: false };
        self.tape.backward(cpu, &mut self.net, ids[0], *pictures, gradient, &walk);
        let (length, rows) = (self.w_dim, ids.len());
        let mut slopes = vec![0.0; count * rows * length];
        for (row, id) in ids.iter().enumerate() {
            let own = self.tape.row_gradient(*id);
            for (to, from) in slopes.chunks_exact_mut(rows * length).zip(own.chunks_exact(length)) {
                to[row * length..][..length].copy_from_slice(from);
            }
        }
        slopes
    }
}
