//! The picture itself: three colours, the 1x1 convolution that makes them, and the doubling of the coarser picture.

use std::ops::Range;

use crate::activation::{Activation, flat};
use crate::crew::Crew;
use crate::simd::{Kernel, Simd};

/// A picture of red, green, blue and a number of no meaning for each pixel, with a border of one pixel.
#[derive(Clone, Debug, Default)]
pub struct Rgb {
    height: usize,
    width: usize,
    data: Vec<[f32; 4]>,
}

/// What lies outside a picture that is doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its outermost pixels, repeated.
    Replicate,
    /// Zeros.
    Zero,
}

impl Rgb {
    /// Gives the memory another shape; allocates only if it is larger than any before.
    ///
    /// # Panics
    /// If a side is longer than a million pixels.
    pub fn reshape(&mut self, height: usize, width: usize) {
        assert!(height <= 1 << 20 && width <= 1 << 20, "a picture of {width} x {height} is too large");
        (self.height, self.width) = (height, width);
        self.data.resize((height + 2) * (width + 2), [0.0; 4]);
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes planar [3, H, W] numbers.
    ///
    /// # Panics
    /// If `planar` is not that long.
    pub fn write_planar(&self, planar: &mut [f32]) {
        assert_eq!(planar.len(), 3 * self.height * self.width, "planar numbers for another size");
        let (reds, rest) = planar.split_at_mut(self.height * self.width);
        let (greens, blues) = rest.split_at_mut(self.height * self.width);
        for (((pixel, r), g), b) in self.pixels().zip(reds).zip(greens).zip(blues) {
            [*r, *g, *b, _] = *pixel;
        }
    }

    /// Takes the shape and the colours of planar [3, H, W] numbers.
    ///
    /// # Panics
    /// If `planar` is not that long.
    pub fn read_planar(&mut self, planar: &[f32], height: usize, width: usize) {
        assert_eq!(planar.len(), 3 * height * width, "planar numbers of another size");
        self.reshape(height, width);
        let at = |colour: usize, pixel: usize| planar[colour * height * width + pixel];
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                self.data[(y + 1) * (width + 2) + x + 1] = [at(0, pixel), at(1, pixel), at(2, pixel), 0.0];
            }
        }
    }

    /// Writes 8-bit pixels, `floor(clamp(127.5 v + 128, 0, 255))`, rows of red, green, blue.
    ///
    /// # Panics
    /// If `bytes` is not `3 * height * width` long.
    pub fn write_bytes(&self, bytes: &mut [u8]) {
        assert_eq!(bytes.len(), 3 * self.height * self.width, "bytes for another size");
        for (pixel, out) in self.pixels().zip(bytes.as_chunks_mut::<3>().0) {
            // The conversion to u8 saturates, so that it is the clamp.
            *out = [0, 1, 2].map(|colour| (pixel[colour] * 127.5 + 128.0) as u8);
        }
    }

    /// Bounds the absolute value of all colours.
    pub fn bound(&mut self, bound: f32) {
        self.data.iter_mut().flatten().for_each(|v| *v = v.clamp(-bound, bound));
    }

    /// A row with a pixel of border on either side; row `height` is the border below.
    #[inline(always)]
    pub(crate) fn line(&self, row: usize) -> &[[f32; 4]] {
        &self.data[(row + 1) * (self.width + 2)..][..self.width + 2]
    }

    /// The row above a row, with its border; above row 0 it is the border.
    #[inline(always)]
    pub(crate) fn line_before(&self, row: usize) -> &[[f32; 4]] {
        &self.data[row * (self.width + 2)..][..self.width + 2]
    }

    /// For threads that write to rows of their own.
    pub(crate) fn rows(&mut self) -> Rows {
        Rows { start: self.data.as_mut_ptr(), pitch: self.width + 2 }
    }

    pub(crate) fn pixels(&self) -> impl Iterator<Item = &[f32; 4]> {
        let rows = self.data.chunks_exact(self.width + 2).skip(1).take(self.height);
        rows.flat_map(|row| &row[1..=self.width])
    }

    pub(crate) fn set_border(&mut self, edge: Edge) {
        let (height, width, pitch) = (self.height, self.width, self.width + 2);
        let edge_of = |pixel: [f32; 4]| if edge == Edge::Replicate { pixel } else { [0.0; 4] };
        for row in self.data[pitch..(height + 1) * pitch].chunks_exact_mut(pitch) {
            (row[0], row[width + 1]) = (edge_of(row[1]), edge_of(row[width]));
        }
        for x in 0..pitch {
            self.data[x] = edge_of(self.data[pitch + x]);
            self.data[(height + 1) * pitch + x] = edge_of(self.data[height * pitch + x]);
        }
    }
}

/// The 1x1 convolution to three colours.
#[derive(Clone, Copy, Debug)]
pub struct ToRgb<'a> {
    /// [3, channels rounded up to whole blocks of 16], already multiplied by the style; zero beyond the real channels.
    pub weight: &'a [f32],
    /// A summand for each colour.
    pub bias: [f32; 3],
    /// Bound on the absolute value before the coarser picture is added; infinity means none.
    pub clamp: f32,
}

impl ToRgb<'_> {
    /// `y = clamp(weight x + bias) + doubled coarse` of one picture of `x`, where doubling is the filter of [`upsample2x`](crate::upsample2x).
    ///
    /// # Panics
    /// If the weights are too short, `x` has no such picture, or `coarse` is not half the size of `x`.
    pub fn run(&self, crew: &Crew, x: &Activation, picture: usize, coarse: Option<(&mut Rgb, Edge)>, y: &mut Rgb) {
        let shape = x.shape();
        assert!(self.weight.len() >= 48 * shape.blocks(), "weights for {} channels", shape.channels);
        assert!(picture < shape.pictures, "picture {picture} of {}", shape.pictures);
        y.reshape(shape.height, shape.width);
        let coarse = coarse.map(|(coarse, edge)| {
            assert_eq!((2 * coarse.height, 2 * coarse.width), (y.height, y.width), "the coarser picture's size");
            coarse.set_border(edge);
            &*coarse
        });
        let (isa, out) = (crew.isa(), y.rows());
        crew.in_parts(shape.height, |rows| isa.run(Colour { layer: self, x, picture, coarse, rows, out }));
    }
}

/// The rows of a picture that several threads write to.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// The border's first pixel.
    pub(crate) start: *mut [f32; 4],
    /// Pixels from one row to the next, the border's among them.
    pub(crate) pitch: usize,
}

// SAFETY: each thread takes rows of its own from it, while the picture is borrowed by `ToRgb::run` or `enlarge`.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

struct Colour<'a> {
    layer: &'a ToRgb<'a>,
    x: &'a Activation,
    picture: usize,
    coarse: Option<&'a Rgb>,
    /// Rows to do, which no other thread does; the picture has as many as `x`.
    rows: Range<usize>,
    out: Rows,
}

impl Kernel for Colour<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Colour { layer, x, picture, coarse, rows, out } = self;
        let shape = x.shape();
        let (blocks, plane, width) = (shape.blocks(), shape.rows() * shape.pitch(), shape.width);
        assert!(layer.weight.len() >= 48 * blocks && x.data().len() >= shape.size() && picture < shape.pictures);
        assert!(rows.end <= shape.height && out.pitch == width + 2);
        let (weight, from) = (layer.weight.as_ptr(), flat(x.data()).as_ptr());
        let [red, green, blue] = layer.bias;
        for row in rows {
            // SAFETY: the picture has (height + 2) rows of `pitch` pixels, and no other thread works on this one.
            let out = unsafe { std::slice::from_raw_parts_mut(out.start.add((row + 1) * out.pitch + 1), width) };
            for (column, out) in out.iter_mut().enumerate() {
                let place = shape.place(picture * blocks, row, column);
                let mut sums = [s.splat(0.0); 4];
                for block in 0..blocks {
                    for lane in (0..16).step_by(S::LANES) {
                        // SAFETY: the pixel has a place in every block of `x`, and each block and colour its weights.
                        unsafe {
                            let v = s.load(from.add((block * plane + place) * 16 + lane));
                            for (colour, sum) in sums.iter_mut().take(3).enumerate() {
                                let weight = s.load(weight.add((colour * blocks + block) * 16 + lane));
                                *sum = s.mul_add(v, weight, *sum);
                            }
                        }
                    }
                }
                let sums = s.sum4(sums);
                for (out, (sum, bias)) in out.iter_mut().zip(sums.into_iter().zip([red, green, blue, 0.0])) {
                    *out = (sum + bias).max(-layer.clamp).min(layer.clamp);
                }
            }
            if let Some(coarse) = coarse {
                add_doubled(coarse, row, out);
            }
        }
    }
}

/// Adds row `row` of the doubled coarse picture.
#[inline(always)]
fn add_doubled(coarse: &Rgb, row: usize, out: &mut [[f32; 4]]) {
    let pitch = coarse.width + 2;
    let near = &coarse.data[(row / 2 + 1) * pitch..][..pitch];
    let far = &coarse.data[(row / 2 + row % 2 * 2) * pitch..][..pitch];
    let column = |x: usize| {
        let (near, far) = (near[x], far[x]);
        [0, 1, 2, 3].map(|c| 0.75 * near[c] + 0.25 * far[c])
    };
    let (mut before, mut here) = (column(0), column(1));
    for (x, pair) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let after = column(x + 2);
        for c in 0..4 {
            pair[0][c] += 0.75 * here[c] + 0.25 * before[c];
            pair[1][c] += 0.75 * here[c] + 0.25 * after[c];
        }
        (before, here) = (here, after);
    }
}
