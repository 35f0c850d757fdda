//! Weights of a convolution, packed for the products.

use super::element::Element;
use super::map::{Room, Shared};
use super::product::Cpu;
use crate::padded;

/// A convolution's weights in the order in which the products read them: panels of 16 outputs.
#[derive(Debug, Default)]
pub struct Filter<E> {
    /// Side of the window: 1 or 3.
    pub(crate) size: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) panel: usize,
    room: Room,
    kind: std::marker::PhantomData<E>,
}

impl<E: Element> Filter<E> {
    /// Side of the window: 1 or 3.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Packs weights [size, size, inputs, outputs], each times `gain`; with `transposed` those of the gradient's convolution, which
    /// has the window turned around and inputs and outputs exchanged.
    ///
    /// # Panics
    /// If `size` is neither 1 nor 3, or `weights` has another length.
    #[allow(clippy::too_many_arguments)]
    pub fn pack(
        &mut self,
        cpu: &Cpu,
        weights: &[f32],
        size: usize,
        inputs: usize,
        outputs: usize,
        gain: f32,
        transposed: bool,
    ) {
        assert!(size == 1 || size == 3, "windows are of 1 or 3 pixels");
        assert_eq!(weights.len(), size * size * inputs * outputs, "the weights' number");
        let (rows, columns) = if transposed { (outputs, inputs) } else { (inputs, outputs) };
        (self.size, self.inputs, self.outputs) = (size, padded(rows), padded(columns));
        let segment = size * self.inputs;
        let steps = segment.div_ceil(E::STEP);
        self.panel = size * steps * E::STEP * 16;
        let panels = self.outputs / 16;
        let out = Shared(self.room.take::<E>(self.panel * panels + 1024));
        let (panel, width) = (self.panel, self.inputs);
        cpu.crew.in_parts(panels, |range| {
            for p in range {
                // SAFETY: panels do not overlap, and each is in the hands of one thread.
                let to = unsafe { std::slice::from_raw_parts_mut(out.at(p * panel), panel) };
                for row in 0..size {
                    for within in 0..steps * E::STEP {
                        let (column, i) = (within / width, within % width);
                        let at = if E::STEP == 1 {
                            (row * steps + within) * 16
                        } else {
                            (row * steps + within / 32) * 512 + within % 32 / 2 * 32 + within % 2
                        };
                        let apart = if E::STEP == 1 { 1 } else { 2 };
                        let real =
                            if within >= segment || i >= rows { 0 } else { columns.saturating_sub(p * 16).min(16) };
                        let (start, stride) = if transposed {
                            let tap = (size - 1 - row) * size + (size - 1).saturating_sub(column);
                            ((tap * inputs + p * 16) * outputs + i, outputs)
                        } else {
                            (((row * size + column) * inputs + i) * outputs + p * 16, 1)
                        };
                        for c in 0..real {
                            to[at + c * apart] = E::from_f32(weights[start + c * stride] * gain);
                        }
                        for c in real..16 {
                            to[at + c * apart] = E::default();
                        }
                    }
                }
            }
        });
    }

    #[inline(always)]
    pub(crate) fn start(&self) -> *const E {
        self.room.start().cast()
    }
}
