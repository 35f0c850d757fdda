//! Weights of a convolution, packed for the products.

use super::cpu::Cpu;
use super::element::Element;
use super::map::{Room, Shared};
use super::transform::{self, POSITIONS};
use crate::padded;

/// What a convolution's weights are, and which maps they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterShape {
    /// Side of the window: 1 or 3.
    pub size: usize,
    /// Channels that go in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Height and width of the maps: the fastest way to multiply depends on them.
    pub map: [usize; 2],
}

/// A convolution's weights in the order in which the products read them: panels of 16 outputs.
#[derive(Debug, Default)]
pub struct Filter<E> {
    /// Side of the window: 1 or 3.
    pub(crate) size: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) panel: usize,
    /// Whether the weights are transformed for whole tiles of 4x4 pixels.
    pub(crate) winograd: bool,
    room: Room,
    kind: std::marker::PhantomData<E>,
}

/// Weights [size, size, inputs, outputs] as they are stored, and how they are to be read.
struct Source<'a> {
    weights: &'a [f32],
    shape: FilterShape,
    gain: f32,
    transposed: bool,
}

impl Source<'_> {
    /// Real channels that go in and come out.
    fn channels(&self) -> (usize, usize) {
        let FilterShape { inputs, outputs, .. } = self.shape;
        if self.transposed { (outputs, inputs) } else { (inputs, outputs) }
    }

    /// The weights of one tap for sixteen inputs from a multiple of 16 on, each for the sixteen outputs of a panel; zeros for channels that are not real.
    #[inline(always)]
    fn block(&self, [row, column]: [usize; 2], input: usize, panel: usize) -> [[f32; 16]; 16] {
        let FilterShape { size, inputs, outputs, .. } = self.shape;
        let (rows, columns) = self.channels();
        let real = [rows.saturating_sub(input).min(16), columns.saturating_sub(panel * 16).min(16)];
        let mut block = [[0.0; 16]; 16];
        if self.transposed {
            let tap = (size - 1 - row) * size + (size - 1 - column);
            for (c, from) in self.rows((tap * inputs + panel * 16) * outputs + input, real[1]).enumerate() {
                for (to, weight) in block.iter_mut().zip(&from[..real[0]]) {
                    to[c] = weight * self.gain;
                }
            }
        } else {
            let tap = row * size + column;
            let from = self.rows((tap * inputs + input) * outputs + panel * 16, real[0]);
            for (to, from) in block.iter_mut().zip(from) {
                to.iter_mut().zip(&from[..real[1]]).for_each(|(to, weight)| *to = weight * self.gain);
            }
        }
        block
    }

    /// What begins at a place and, so many times, a row of weights further on.
    #[inline(always)]
    fn rows(&self, start: usize, count: usize) -> impl Iterator<Item = &[f32]> {
        (0..count).map(move |i| &self.weights[start + i * self.shape.outputs..])
    }
}

impl<E: Element> Filter<E> {
    /// Side of the window: 1 or 3.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Channels that go in and come out, multiples of 16.
    pub fn channels(&self) -> [usize; 2] {
        [self.inputs, self.outputs]
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.room.bytes()
    }

    /// Packs weights [size, size, inputs, outputs], each times `gain`; with `transposed` those of the gradient's convolution, which
    /// has the window turned around and inputs and outputs exchanged.
    ///
    /// # Panics
    /// If the window's size is neither 1 nor 3, or `weights` has another length.
    pub fn pack(&mut self, cpu: &Cpu, weights: &[f32], shape: FilterShape, gain: f32, transposed: bool) {
        let FilterShape { size, inputs, outputs, map: [height, width] } = shape;
        assert!(size == 1 || size == 3, "windows are of 1 or 3 pixels");
        assert_eq!(weights.len(), size * size * inputs * outputs, "the weights' number");
        let source = Source { weights, shape, gain, transposed };
        let (rows, columns) = source.channels();
        (self.size, self.inputs, self.outputs) = (size, padded(rows), padded(columns));
        self.winograd = transform::serves::<E>(size, height, width);
        if self.winograd { self.pack_transformed(cpu, &source) } else { self.pack_plain(cpu, &source) }
    }

    /// Whether this was packed as maps of `height` x `width` pixels need it.
    pub fn suits(&self, [height, width]: [usize; 2]) -> bool {
        self.winograd == transform::serves::<E>(self.size, height, width)
    }

    /// Panels of [rows of the window, steps of the inner dimension, 16].
    fn pack_plain(&mut self, cpu: &Cpu, source: &Source<'_>) {
        let (size, width) = (self.size, self.inputs);
        let segment = size * width;
        let steps = segment.div_ceil(E::STEP);
        self.panel = size * steps * E::STEP * 16;
        let (panel, panels) = (self.panel, self.outputs / 16);
        let out = Shared(self.room.take::<E>(panel * panels + 1024));
        cpu.crew.in_parts(panels, |range| {
            for p in range {
                // SAFETY: panels do not overlap, and each is in the hands of one thread.
                let to = unsafe { std::slice::from_raw_parts_mut(out.at(p * panel), panel) };
                for row in 0..size {
                    let to = &mut to[row * steps * E::STEP * 16..][..steps * E::STEP * 16];
                    to[segment * 16..].fill(E::default());
                    for within in (0..segment).step_by(16) {
                        let block = source.block([row, within / width], within % width, p);
                        write_block(&block, &mut to[within * 16..]);
                    }
                }
            }
        });
    }

    /// For each of 36 positions, panels of [inputs, 16], as `f32`.
    fn pack_transformed(&mut self, cpu: &Cpu, source: &Source<'_>) {
        let inputs = self.inputs;
        self.panel = inputs * 16;
        let (panel, panels) = (self.panel, self.outputs / 16);
        let apart = panel * panels;
        let out = Shared(self.room.take::<f32>(POSITIONS * apart + 1024));
        let isa = cpu.core.isa;
        cpu.crew.in_parts(panels, |range| {
            let mut taps = vec![0.0; 144 * inputs];
            for p in range {
                for (i, taps) in taps.chunks_exact_mut(16 * 144).enumerate() {
                    for tap in 0..9 {
                        for (to, from) in taps.chunks_exact_mut(144).zip(&source.block([tap / 3, tap % 3], 16 * i, p)) {
                            to[16 * tap..][..16].copy_from_slice(from);
                        }
                    }
                }
                isa.run(transform::Pack { taps: &taps, to: out.at(p * panel), apart });
            }
        });
    }

    #[inline(always)]
    pub(crate) fn start(&self) -> *const E {
        self.room.start().cast()
    }
}

/// Writes the weights of sixteen inputs, row after row or, in pairs of inputs, output after output.
#[inline(always)]
fn write_block<E: Element>(block: &[[f32; 16]; 16], to: &mut [E]) {
    if E::STEP == 1 {
        for (to, from) in to.chunks_exact_mut(16).zip(block) {
            to.iter_mut().zip(from).for_each(|(to, v)| *to = E::from_f32(*v));
        }
        return;
    }
    for (to, two) in to.chunks_exact_mut(32).zip(block.chunks_exact(2)) {
        for (to, (even, odd)) in to.chunks_exact_mut(2).zip(two[0].iter().zip(&two[1])) {
            (to[0], to[1]) = (E::from_f32(*even), E::from_f32(*odd));
        }
    }
}
