//! Between maps and pictures: windows of pictures, and maps to red, green and blue. Pictures are planar,
//! [pictures, 3, height, width].

use super::conv::{Picture, each_picture};
use super::cpu::Cpu;
use super::element::Element;
use super::map::{Map, Shared};
use crate::simd::Simd;

/// Colours.
pub(crate) const COLOURS: usize = 3;

/// Channels of a window of 3x3 pixels, filled up to a multiple of 16.
pub(crate) const WINDOW: usize = 32;
/// Columns whose windows are made at once.
const COLUMNS: usize = 64;

/// Every pixel's window of 3x3 of one planar picture, as [`Source::Windows`](super::Source::Windows) says; the channels from 27 on are other pixels'.
///
/// # Safety
/// `to` is a picture of `height` x `width` pixels of [`WINDOW`] channels with its border.
#[inline(always)]
pub(crate) unsafe fn windows<S: Simd, E: Element>(s: S, from: &[f32], [height, width]: [usize; 2], to: *mut E) {
    // Three lines of some columns and one more on either side, colours side by side: a window is a run of nine numbers of each, of which 16 are copied.
    const RUN: usize = 3 * COLOURS;
    let mut lines = [[0f32; COLOURS * (COLUMNS + 2) + 16]; 3];
    for first in (0..width).step_by(COLUMNS) {
        let count = COLUMNS.min(width - first);
        // The line of a row, zeros beyond the picture.
        let read = |line: &mut [f32], row: usize| {
            line.fill(0.0);
            if row >= height {
                return;
            }
            // Column `first + i - 1` is the `i`-th pixel.
            let (begin, end) = (usize::from(first == 0), (count + 2).min(width + 1 - first));
            for (colour, plane) in from.chunks_exact(height * width).enumerate() {
                let values = &plane[row * width + first + begin - 1..row * width + first + end - 1];
                line[COLOURS * begin + colour..].iter_mut().step_by(COLOURS).zip(values).for_each(|(to, v)| *to = *v);
            }
        };
        lines[0].fill(0.0);
        read(&mut lines[1], 0);
        for y in 0..height {
            read(&mut lines[(y + 2) % 3], y + 1);
            let row = to.wrapping_add(((y + 1) * (width + 2) + first + 1) * WINDOW);
            for x in 0..count {
                for dy in 0..3 {
                    let line = &lines[(y + dy) % 3][COLOURS * x..COLOURS * x + 16];
                    let to = row.wrapping_add(x * WINDOW + dy * RUN);
                    for lane in (0..16).step_by(S::LANES) {
                        // SAFETY: what is written begins within a pixel of the picture and ends at the latest two numbers after it, in the pixel of which the
                        // next ones are, or in the border.
                        unsafe { E::store(s, to.add(lane), s.load(line.as_ptr().add(lane))) };
                    }
                }
            }
            // SAFETY: the two numbers after the last pixel, as above.
            unsafe { row.add(count * WINDOW).write_bytes(0, 2 * RUN + 16 - WINDOW) };
        }
    }
}

/// A 1x1 convolution of a styled map to colours, with no demodulation.
#[derive(Clone, Copy, Debug)]
pub struct ToColours<'a, E> {
    /// The map.
    pub x: &'a Map<E>,
    /// [pictures, channels], padded channels zero.
    pub style: &'a [f32],
    /// [channels, 3] of the real channels.
    pub weights: &'a [f32],
}

/// Gradients of a [`ToColours`]; all are added to what is there, but for the map's.
#[derive(Debug)]
pub struct ToColoursBackward<'a, E> {
    /// Where the gradient at `x` goes, and whether it is added to what is there.
    pub dx: Option<(&'a mut Map<E>, bool)>,
    /// [pictures, channels]
    pub style: &'a mut [f32],
    /// [channels, 3]
    pub weights: &'a mut [f32],
    /// `[3]`
    pub bias: &'a mut [f32],
}

impl<E: Element> ToColours<'_, E> {
    /// The weights of every picture with its style: [pictures, 3, channels].
    fn matrices(&self) -> Vec<f32> {
        let (n, c) = (self.x.pictures(), self.x.channels());
        let real = self.weights.len() / COLOURS;
        assert!(real <= c && self.style.len() == n * c, "weights and styles are of the map's channels");
        let mut all = vec![0.0; n * COLOURS * c];
        for (picture, matrix) in all.chunks_exact_mut(COLOURS * c).enumerate() {
            for i in 0..real {
                for colour in 0..COLOURS {
                    matrix[colour * c + i] = self.weights[i * COLOURS + colour] * self.style[picture * c + i];
                }
            }
        }
        all
    }

    /// Adds the colours to `pictures`.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn forward(&self, cpu: &Cpu, pictures: &mut [f32]) {
        let [n, h, w, c] = self.x.shape();
        assert_eq!(pictures.len(), n * COLOURS * h * w, "the pictures' number");
        let work = Mix { x: self.x, matrices: &self.matrices(), to: Shared(pictures.as_mut_ptr()), c, size: [h, w] };
        each_picture(cpu, 0..n, &work);
    }

    /// Gradients from those at the pictures.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn backward(&self, cpu: &Cpu, back: &[f32], to: ToColoursBackward<'_, E>) {
        let [n, h, w, c] = self.x.shape();
        assert_eq!(back.len(), n * COLOURS * h * w, "the gradient's number");
        assert!(to.style.len() == n * c && to.weights.len() == self.weights.len(), "the gradients' number");
        let mut sums = vec![0.0; n * COLOURS * c];
        let (dx, add) = match to.dx {
            Some((dx, add)) => {
                assert_eq!(dx.shape(), self.x.shape(), "the input gradient's shape");
                (dx.start_mut(), add)
            }
            None => (std::ptr::null_mut(), false),
        };
        let matrices = &self.matrices();
        let work =
            Unmix { x: self.x, matrices, back, dx: Shared(dx), add, sums: Shared(sums.as_mut_ptr()), c, size: [h, w] };
        each_picture(cpu, 0..n, &work);
        for (picture, sums) in sums.chunks_exact(COLOURS * c).enumerate() {
            for i in 0..self.weights.len() / COLOURS {
                let style = self.style[picture * c + i];
                for colour in 0..COLOURS {
                    let sum = sums[colour * c + i];
                    to.style[picture * c + i] += sum * self.weights[i * COLOURS + colour];
                    to.weights[i * COLOURS + colour] += sum * style;
                }
            }
        }
        for plane in 0..n * COLOURS {
            to.bias[plane % COLOURS] += back[plane * h * w..(plane + 1) * h * w].iter().sum::<f32>();
        }
    }
}

struct Mix<'a, E> {
    x: &'a Map<E>,
    matrices: &'a [f32],
    to: Shared<f32>,
    c: usize,
    size: [usize; 2],
}

impl<E: Element> Picture for Mix<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(&self, s: S, picture: usize) {
        let ([h, w], c) = (self.size, self.c);
        let matrix = self.matrices[picture * COLOURS * c..].as_ptr();
        for y in 0..h {
            for x in 0..w {
                let mut sums = [s.splat(0.0); 4];
                let pixel = picture * self.x.stride() + ((y + 1) * (w + 2) + x + 1) * c;
                // SAFETY: the pixel lies in the map, and the matrix has three rows of its channels; nobody else has this picture.
                unsafe {
                    for lane in (0..c).step_by(S::LANES) {
                        let v = E::load(s, self.x.start().add(pixel + lane));
                        for (colour, sum) in sums.iter_mut().take(COLOURS).enumerate() {
                            *sum = s.mul_add(v, s.load(matrix.add(colour * c + lane)), *sum);
                        }
                    }
                    let sums = s.sum4(sums);
                    for (colour, sum) in sums.iter().take(COLOURS).enumerate() {
                        *self.to.at((picture * COLOURS + colour) * h * w + y * w + x) += sum;
                    }
                }
            }
        }
    }
}

struct Unmix<'a, E> {
    x: &'a Map<E>,
    matrices: &'a [f32],
    back: &'a [f32],
    dx: Shared<E>,
    add: bool,
    sums: Shared<f32>,
    c: usize,
    size: [usize; 2],
}

impl<E: Element> Picture for Unmix<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(&self, s: S, picture: usize) {
        let ([h, w], c) = (self.size, self.c);
        let matrix = self.matrices[picture * COLOURS * c..].as_ptr();
        let sum = self.sums.at(picture * COLOURS * c);
        for y in 0..h {
            for lane in (0..c).step_by(S::LANES) {
                // SAFETY: the pixels lie in the map, matrix and sums have three rows of its channels; nobody else has this picture.
                unsafe {
                    let mut rows = [s.splat(0.0); COLOURS];
                    let mut sums = [s.splat(0.0); COLOURS];
                    for colour in 0..COLOURS {
                        rows[colour] = s.load(matrix.add(colour * c + lane));
                        sums[colour] = s.load(sum.add(colour * c + lane));
                    }
                    for x in 0..w {
                        let pixel = picture * self.x.stride() + ((y + 1) * (w + 2) + x + 1) * c + lane;
                        let v = E::load(s, self.x.start().add(pixel));
                        let mut slope = s.splat(0.0);
                        for colour in 0..COLOURS {
                            let back = s.splat(self.back[(picture * COLOURS + colour) * h * w + y * w + x]);
                            sums[colour] = s.mul_add(back, v, sums[colour]);
                            slope = s.mul_add(back, rows[colour], slope);
                        }
                        if !self.dx.0.is_null() {
                            let to = self.dx.at(pixel);
                            if self.add {
                                slope = s.add(slope, E::load(s, to));
                            }
                            E::store(s, to, slope);
                        }
                    }
                    for (colour, total) in sums.into_iter().enumerate() {
                        s.store(sum.add(colour * c + lane), total);
                    }
                }
            }
        }
    }
}
