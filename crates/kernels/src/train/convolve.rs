//! How one convolution is computed: by Winograd's transforms, or as a sum of matrix products over shifted views.

use super::cpu::Core;
use super::element::Element;
use super::layout::Segments;
use super::product::{self, MOST_ROWS};
use super::scratch::Memory;
use super::winograd;
use super::work::{Ending, Work};
use crate::simd::Simd;

#[repr(align(64))]
struct Sums([f32; 32 * MOST_ROWS]);

impl<E: Element, X: Ending> Work<'_, E, X> {
    /// Convolves.
    ///
    /// # Safety
    /// `x` points to the first picture with its border, of the filter's inputs, with the space after the last one that maps have; the
    /// ending's maps have the pictures; the filter is for maps of this size; with tiles the thread holds them.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(&self, s: S, core: &Core, memory: &mut Memory) {
        let f = self.filter;
        if f.winograd {
            // SAFETY: the caller vouches for all of it.
            return unsafe { winograd::convolve(s, self, core, memory) };
        }
        let segments = Segments::new::<E>(f.size, self.width, f.inputs);
        let pitch = self.width + 2;
        let (first, count) = (pitch + 1, (self.height - 1) * pitch + self.width);
        let picture = (self.height + 2) * pitch * f.inputs;
        let most = product::rows::<S, E>(core.products);
        let mut sums = Sums([0.0; 32 * MOST_ROWS]);
        for output in (0..f.outputs).step_by(32) {
            let columns = (f.outputs - output).min(32);
            let b = f.start().wrapping_add(output / 16 * f.panel);
            for i in 0..self.pictures {
                let x = self.x.wrapping_add(i * picture + first * f.inputs);
                let (mut at, mut column) = (0, 1);
                while at < count {
                    let rows = most.min(count - at);
                    let a = x.wrapping_add(at * f.inputs);
                    // SAFETY: the caller vouches for the pictures, and the filter was packed for these columns.
                    unsafe {
                        product::multiply(
                            s,
                            core.products,
                            a,
                            f.inputs,
                            &segments,
                            b,
                            f.panel,
                            columns,
                            rows,
                            sums.0.as_mut_ptr(),
                        );
                        for r in 0..rows {
                            if column > 0 && column <= self.width {
                                for c in (0..columns).step_by(16) {
                                    let values = sums.0.as_ptr().add(r * 32 + c);
                                    self.ending.finish(s, self.picture + i, first + at + r, output + c, values);
                                }
                            }
                            column = if column == pitch - 1 { 0 } else { column + 1 };
                        }
                    }
                    at += rows;
                }
            }
        }
    }
}
