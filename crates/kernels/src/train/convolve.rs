//! How one convolution is computed: by Winograd's transforms, or as a sum of matrix products over shifted views.

use super::cpu::Core;
use super::element::Element;
use super::layout::Segments;
use super::product::{self, MOST_ROWS, Products, Rows};
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
        let picture = (self.height + 2) * pitch * f.inputs;
        let mut sums = Sums([0.0; 32 * MOST_ROWS]);
        for output in (0..f.outputs).step_by(32) {
            let columns = (f.outputs - output).min(32);
            let b = f.start().wrapping_add(output / 16 * f.panel);
            for i in 0..self.pictures {
                let x = self.x.wrapping_add(i * picture);
                for (from, rows) in Blocks::of::<S, E>(core.products, [self.height, self.width], f.inputs) {
                    // SAFETY: the caller vouches for the pictures, and the filter was packed for these columns.
                    unsafe {
                        let a = x.wrapping_add(from * f.inputs);
                        product::multiply(
                            s,
                            core.products,
                            a,
                            rows,
                            &segments,
                            b,
                            f.panel,
                            columns,
                            sums.0.as_mut_ptr(),
                        );
                        let (mut pixel, mut column) = (from, from % pitch);
                        for r in 0..rows.count {
                            if r == 16 {
                                pixel = from + rows.lower / f.inputs;
                                column = pixel % pitch;
                            }
                            if column > 0 && column <= self.width {
                                for c in (0..columns).step_by(16) {
                                    let values = sums.0.as_ptr().add(r * 32 + c);
                                    self.ending.finish(s, self.picture + i, pixel, output + c, values);
                                }
                            }
                            pixel += 1;
                            column = if column == pitch - 1 { 0 } else { column + 1 };
                        }
                    }
                }
            }
        }
    }
}

/// The blocks of rows that a picture's pixels are multiplied in: where each begins, counted from the corner of the border. Tiles take sixteen pixels
/// inside at a time where lines are made of such; elsewhere blocks run on through the border from line to line, to where the picture ends.
struct Blocks {
    at: usize,
    end: usize,
    most: usize,
    pitch: usize,
    /// Sixteens of a line, where tiles take those; `at` and `end` count them then.
    sixteens: Option<usize>,
    channels: usize,
}

impl Blocks {
    #[inline(always)]
    fn of<S: Simd, E: Element>(products: Products, [height, width]: [usize; 2], channels: usize) -> Self {
        let (pitch, most) = (width + 2, product::rows::<S, E>(products));
        if most == 32 && width.is_multiple_of(16) {
            let sixteens = width / 16;
            return Self { at: 0, end: height * sixteens, most, pitch, sixteens: Some(sixteens), channels };
        }
        Self { at: pitch + 1, end: pitch * height + width + 1, most, pitch, sixteens: None, channels }
    }
}

impl Iterator for Blocks {
    type Item = (usize, Rows);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let left = self.end - self.at;
        let Some(sixteens) = self.sixteens else {
            let (from, count) = (self.at, self.most.min(left));
            self.at += count;
            return Some((from, Rows { count, pitch: self.channels, lower: 16 * self.channels }));
        };
        let place = |sixteen: usize| (sixteen / sixteens + 1) * self.pitch + sixteen % sixteens * 16 + 1;
        let from = place(self.at);
        let lower = (place(self.at + 1) - from) * self.channels;
        self.at += 2;
        Some((from, Rows { count: if left > 1 { 32 } else { 16 }, pitch: self.channels, lower }))
    }
}
