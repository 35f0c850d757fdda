//! How a layer is cut into tasks: pictures side by side for what every picture has of its own, groups of pictures for sums.

use std::ops::Range;

use super::cpu::{Core, Cpu};
use super::element::Element;
use super::filter::Filter;
use super::layout::Chunk;
use super::map::Shared;
use super::scratch::Scratch;
use super::transform;
use super::weights;
use super::winograd::Gather;
use super::work::{Ending, Work};
use crate::padded;
use crate::simd::{Kernel, Simd};

/// Pixels that a task takes at least, so that weights are read often enough from near memory.
const CHUNK: usize = 1600;
/// Of pictures with more pixels than the first number, gradients are summed in so many groups: each has sums of all weights.
const GROUPS: [(usize, usize); 3] = [(200, 8), (60, 4), (0, 2)];

/// A task that is compiled for every instruction set.
pub(crate) trait Task {
    fn run<S: Simd>(self, s: S, core: &Core);
}

/// Runs a task on this thread with the set's features, holding tiles where they are used.
pub(crate) fn compiled<T: Task>(core: &Core, task: T) {
    struct Run<'a, T>(&'a Core, T);
    impl<T: Task> Kernel for Run<'_, T> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            #[cfg(target_arch = "x86_64")]
            let _held = (self.0.products == super::product::Products::Tiles).then(|| {
                // SAFETY: this kind of product is chosen only where tiles are permitted.
                unsafe { super::tiles::Tiles::take() }
            });
            self.1.run(s, self.0);
        }
    }
    core.isa.run(Run(core, task));
}

/// Pictures that one task takes: enough pixels to be worth reading the weights for.
pub(crate) fn chunk(height: usize, width: usize) -> usize {
    (CHUNK / ((height + 2) * (width + 2))).clamp(1, 16)
}

/// Groups with sums of their own for `pictures` pictures; of sizes only, so that results do not depend on threads.
pub(crate) fn groups(height: usize, width: usize, pictures: usize) -> usize {
    let most = GROUPS.iter().find(|(pixels, _)| height * width > *pixels).map_or(1, |g| g.1);
    most.min(pictures).max(1)
}

/// The `index`-th of `parts` equal parts of a range.
pub(crate) fn part(range: &Range<usize>, index: usize, parts: usize) -> Range<usize> {
    let length = range.len();
    range.start + index * length / parts..range.start + (index + 1) * length / parts
}

/// Makes what the gradients of a convolution are products of.
pub(crate) trait Prepare<E>: Sync {
    /// Pointers to the gradient at the convolution's result and, where the gradient of the weights is asked for, to its input, of pictures `pictures`
    /// side by side with their borders.
    ///
    /// # Safety
    /// The pictures lie in the maps that this was made for, and nobody else has them.
    unsafe fn prepare<S: Simd>(&self, s: S, pictures: Range<usize>, scratch: &mut Scratch) -> (*const E, *const E);
}

/// Where a gradient of weights goes: [taps, inputs, outputs] of the real channels, `gain` times what was summed is added.
#[derive(Debug)]
pub struct WeightGradient<'a> {
    /// The gradient so far.
    pub sum: &'a mut [f32],
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Factor from the stored weights to those of the convolution.
    pub gain: f32,
}

/// A backward pass over pictures `range`: `prepare`, then the gradient at the input where `input` has a filter and an ending for it,
/// then the one of the weights.
pub(crate) struct Pass<'a, E, P, X> {
    pub(crate) range: Range<usize>,
    pub(crate) chunk: Chunk,
    pub(crate) prepare: &'a P,
    pub(crate) input: Option<(&'a Filter<E>, &'a X)>,
    pub(crate) weights: Option<WeightGradient<'a>>,
}

struct Group<'a, E, P, X> {
    pass: &'a Pass<'a, E, P, X>,
    pictures: Range<usize>,
    sum: *mut f32,
    scratch: &'a mut Scratch,
}

impl<E: Element, P: Prepare<E>, X: Ending> Task for Group<'_, E, P, X> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, core: &Core) {
        let shape = self.pass.chunk;
        let size = chunk(shape.height, shape.width);
        if !self.sum.is_null() {
            // SAFETY: the sums of this group are as many, and nobody else's.
            unsafe { self.sum.write_bytes(0, shape.taps() * shape.inputs * shape.outputs) };
        }
        let mut gather = (!self.sum.is_null() && transform::serves::<E>(shape.size, shape.height, shape.width))
            .then(|| Gather::new(&shape, self.pictures.len(), &mut self.scratch.gather));
        for first in self.pictures.clone().step_by(size) {
            let pictures = first..(first + size).min(self.pictures.end);
            let count = pictures.len();
            // SAFETY: groups do not overlap, and pictures lie in the maps, which `Pass::run`'s callers have compared.
            unsafe {
                let (g, x) = self.pass.prepare.prepare(s, pictures, self.scratch);
                if let Some((filter, ending)) = self.pass.input {
                    let (height, width) = (shape.height, shape.width);
                    let memory = &mut self.scratch.convolution;
                    Work { x: g, picture: first, pictures: count, height, width, filter, ending }.run(s, core, memory);
                }
                let chunk = Chunk { pictures: count, ..shape };
                if let Some(gather) = &mut gather {
                    gather.add(core, x, g, &chunk);
                } else if !self.sum.is_null() {
                    weights::accumulate(s, core.products, x, g, &chunk, self.sum, self.scratch);
                }
            }
        }
        if let Some(gather) = gather {
            // SAFETY: the sums are this group's own, and so is the memory.
            unsafe { gather.finish(core, self.sum) };
        }
    }
}

impl<E: Element, P: Prepare<E>, X: Ending> Pass<'_, E, P, X> {
    /// Runs on all threads.
    pub(crate) fn run(mut self, cpu: &Cpu) {
        if self.range.is_empty() {
            return;
        }
        let shape = self.chunk;
        let weights = self.weights.take();
        let length = shape.taps() * shape.inputs * shape.outputs;
        let parts = if weights.is_some() {
            groups(shape.height, shape.width, self.range.len())
        } else {
            self.range.len().div_ceil(chunk(shape.height, shape.width))
        };
        let mut partial = cpu.sums();
        let sums = weights.is_some().then(|| Shared(partial.take::<f32>(parts * length)));
        let core = &cpu.core;
        cpu.crew.run(parts, |thread, index| {
            let mut scratch = core.scratch(thread);
            let sum = sums.map_or(std::ptr::null_mut(), |sums| sums.at(index * length));
            let pictures = part(&self.range, index, parts);
            compiled(core, Group { pass: &self, pictures, sum, scratch: &mut scratch });
        });
        if let (Some(to), Some(sums)) = (weights, sums) {
            assert!(
                padded(to.inputs) == shape.inputs && padded(to.outputs) == shape.outputs,
                "channels of the weights"
            );
            assert_eq!(to.sum.len(), shape.taps() * to.inputs * to.outputs, "the weights' number");
            let out = Shared(to.sum.as_mut_ptr());
            cpu.crew.in_parts(shape.taps() * to.inputs, |rows| {
                for row in rows {
                    let (tap, input) = (row / to.inputs, row % to.inputs);
                    let at = (tap * shape.inputs + input) * shape.outputs;
                    // SAFETY: every group has written its sums, and rows do not overlap.
                    let (out, first) = unsafe {
                        let out = std::slice::from_raw_parts_mut(out.at(row * to.outputs), to.outputs);
                        (out, std::slice::from_raw_parts_mut(sums.at(at), to.outputs))
                    };
                    for group in 1..parts {
                        // SAFETY: as above.
                        let other = unsafe { std::slice::from_raw_parts(sums.at(group * length + at), to.outputs) };
                        first.iter_mut().zip(other).for_each(|(sum, v)| *sum += v);
                    }
                    out.iter_mut().zip(first).for_each(|(out, sum)| *out += *sum * to.gain);
                }
            });
        }
    }
}

/// Per-picture sums [pictures, padded channels] added in order to a gradient [channels], times `gain`.
pub(crate) fn add_up(each: &[f32], range: Range<usize>, channels: usize, gain: f32, to: &mut [f32]) {
    for (c, to) in to.iter_mut().enumerate() {
        *to += gain * range.clone().fold(0.0, |sum, picture| sum + each[picture * channels + c]);
    }
}
