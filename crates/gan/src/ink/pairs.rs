//! Pairs of a small picture and the large one it came from, cut into patches.

use synth::{Ink, Picture, Seed};

use super::InkConfig;
use crate::planes::{picture, planar};
use crate::seeds::step_seed;

/// Random numbers of a pair, by what they are for.
const NOISE: u64 = 0;
const BLUR: u64 = 1;
const PLACE: u64 = 2;
const PIXELS: u64 = 4;
const WAVER: u64 = 5;
const FIELDS: u64 = 6;
const SMUDGE: u64 = 7;
const COLOURS: u64 = 8;

/// Deviation of the noise in colours that a smudge of one pixel comes with, in a range of -1 to 1.
const NOISE_OF_SMUDGE: f32 = 0.1;

/// Planar pictures of three channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Planes {
    pub(crate) side: usize,
    /// [3, side, side], about -1 to 1.
    pub(crate) values: Vec<f32>,
}

impl Planes {
    /// A picture of bytes [side, side, 3].
    pub(crate) fn of(bytes: &[u8], side: usize) -> Self {
        Self { side, values: planar(bytes, side * side) }
    }

    /// As bytes.
    pub(crate) fn picture(&self) -> Picture {
        picture(&self.values, self.side)
    }

    /// Means of `factor` x `factor` pixels.
    pub(crate) fn reduced(&self, factor: usize) -> Self {
        let side = self.side / factor;
        let mut values = vec![0.0; 3 * side * side];
        let area = (factor * factor) as f32;
        for (to, rows) in values.chunks_exact_mut(side).zip(self.values.chunks_exact(factor * self.side)) {
            for row in rows.chunks_exact(self.side) {
                to.iter_mut().zip(row.chunks_exact(factor)).for_each(|(to, from)| *to += from.iter().sum::<f32>());
            }
            for v in to {
                *v /= area;
            }
        }
        Self { side, values }
    }

    /// Bilinear at `factor` times the size: half-pixel centres, edges repeated.
    pub(crate) fn enlarged(&self, factor: usize) -> Self {
        let (side, large) = (self.side, factor * self.side);
        let taps = taps(side, factor);
        let mut values = Vec::with_capacity(3 * large * large);
        let mut row = vec![0.0; side];
        for plane in self.values.chunks_exact(side * side) {
            for &(above, below, share) in &taps {
                let (above, below) = (&plane[above * side..][..side], &plane[below * side..][..side]);
                for (to, (a, b)) in row.iter_mut().zip(above.iter().zip(below)) {
                    *to = a + share * (b - a);
                }
                values.extend(taps.iter().map(|&(left, right, share)| row[left] + share * (row[right] - row[left])));
            }
        }
        Self { side: large, values }
    }

    /// The adjoint of [`Planes::enlarged`]: the gradient at a picture from that at the enlarged one.
    pub(crate) fn gathered(&self, factor: usize) -> Self {
        let (large, side) = (self.side, self.side / factor);
        let taps = taps(side, factor);
        let mut values = vec![0.0; 3 * side * side];
        let mut row = vec![0.0; side];
        for (plane, to) in self.values.chunks_exact(large * large).zip(values.chunks_exact_mut(side * side)) {
            for (from, &(above, below, share)) in plane.chunks_exact(large).zip(&taps) {
                row.fill(0.0);
                for (v, &(left, right, share)) in from.iter().zip(&taps) {
                    row[left] += (1.0 - share) * v;
                    row[right] += share * v;
                }
                for (x, v) in row.iter().enumerate() {
                    to[above * side + x] += (1.0 - share) * v;
                    to[below * side + x] += share * v;
                }
            }
        }
        Self { side, values }
    }

    /// Lines that tremble and swell, as a generator draws them: the large picture is read at places up to a few of its pixels away, then reduced, and
    /// what is finer than three small pixels gains and loses contrast. How much and where follows from the seed.
    pub(super) fn wavering(&self, factor: usize, config: &InkConfig, seed: u64) -> Self {
        let strength = config.waver * unit(seed, WAVER);
        if strength == 0.0 {
            return self.reduced(factor);
        }
        let fields = fields(self.side / factor, 3, step_seed(seed, FIELDS));
        let area = fields.side * fields.side;
        let shift = Self { side: fields.side, values: fields.values[..2 * area].to_vec() }.enlarged(factor);
        let mut small = self.displaced(&shift.values, strength * factor as f32).reduced(factor);
        let contrast = &fields.values[2 * area..];
        let mut smooth = vec![0.0; area];
        for plane in small.values.chunks_exact_mut(area) {
            box_blur(plane, &mut smooth, fields.side);
            for ((v, smooth), contrast) in plane.iter_mut().zip(&smooth).zip(contrast) {
                *v += strength * contrast * (*v - smooth);
            }
        }
        small
    }

    /// Colours that lie beside their lines and run into each other: what differs from the mean of the three is read from places up to a few pixels
    /// away, and smooth noise added to it; the mean itself stays.
    pub(super) fn smudged(mut self, config: &InkConfig, seed: u64) -> Self {
        let strength = config.smudge * unit(seed, SMUDGE);
        if strength == 0.0 {
            return self;
        }
        let (side, area) = (self.side, self.side * self.side);
        let fields = fields(side, 5, step_seed(seed, COLOURS));
        let (shift, noise) = fields.values.split_at(2 * area);
        let moved = self.displaced(shift, strength);
        let mean = |values: &[f32], i: usize| (0..3).map(|k| values[k * area + i]).sum::<f32>() / 3.0;
        for i in 0..area {
            let [is, was, added] = [&self.values, &moved.values, noise].map(|values| mean(values, i));
            for k in 0..3 {
                let at = k * area + i;
                self.values[at] = is + moved.values[at] - was + NOISE_OF_SMUDGE * strength * (noise[at] - added);
            }
        }
        self
    }

    /// The picture read at other places, bilinearly, edges repeated: `shift` has rows and columns for each pixel, `[2, side, side]`, times `scale`.
    pub(super) fn displaced(&self, shift: &[f32], scale: f32) -> Self {
        let (side, area) = (self.side, self.side * self.side);
        let last = (side - 1) as f32;
        let mut values = vec![0.0; self.values.len()];
        for i in 0..area {
            let at = |start: usize, shift: f32| (start as f32 + scale * shift).clamp(0.0, last);
            let (y, x) = (at(i / side, shift[i]), at(i % side, shift[area + i]));
            let (top, left) = (y as usize, x as usize);
            let (below, right) = ((top + 1).min(side - 1), (left + 1).min(side - 1));
            let (down, across) = (y - top as f32, x - left as f32);
            for (plane, to) in self.values.chunks_exact(area).zip(values.chunks_exact_mut(area)) {
                let row =
                    |y: usize| plane[y * side + left] + across * (plane[y * side + right] - plane[y * side + left]);
                to[i] = row(top) + down * (row(below) - row(top));
            }
        }
        Self { side, values }
    }

    /// Noise and blur of a strength drawn from the seed, then bounded to -1 to 1: what a drawn picture may have and a reduced one has not.
    fn spoilt(mut self, config: &InkConfig, seed: u64) -> Self {
        let side = self.side;
        let mut noise = vec![0.0; self.values.len()];
        synth::latent::normal(Seed(step_seed(seed, PIXELS)), 0, &mut noise);
        let sigma = config.noise * unit(seed, NOISE);
        self.values.iter_mut().zip(&noise).for_each(|(v, n)| *v += sigma * n);
        let share = config.blur * unit(seed, BLUR);
        let mut blurred = self.values.clone();
        for (to, plane) in blurred.chunks_exact_mut(side * side).zip(self.values.chunks_exact(side * side)) {
            box_blur(plane, to, side);
        }
        for (v, blurred) in self.values.iter_mut().zip(&blurred) {
            *v = (*v + share * (blurred - *v)).clamp(-1.0, 1.0);
        }
        self
    }

    /// Its values bounded to -1 to 1.
    pub(crate) fn bounded(mut self) -> Self {
        for v in &mut self.values {
            *v = v.clamp(-1.0, 1.0);
        }
        self
    }

    /// What the network sees of the square of `size` pixels at `[row, column]`: `[size, size, 5]`.
    pub(crate) fn inputs(&self, [top, left]: [usize; 2], size: usize, out: &mut [f32]) {
        for (i, pixel) in out.chunks_exact_mut(Ink::INPUTS).enumerate() {
            let (y, x) = (top + i / size, left + i % size);
            for (k, v) in pixel[..3].iter_mut().enumerate() {
                *v = self.values[(k * self.side + y) * self.side + x];
            }
            (pixel[3], pixel[4]) = (Ink::place(x, self.side), Ink::place(y, self.side));
        }
    }
}

/// Left neighbour, right neighbour and the right one's share, for each pixel of a row of `side` that is enlarged.
fn taps(side: usize, factor: usize) -> Vec<(usize, usize, f32)> {
    let tap = |i: usize| {
        let at = ((i as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let left = at as usize;
        (left, (left + 1).min(side - 1), at - left as f32)
    };
    (0..factor * side).map(tap).collect()
}

/// So many planes of smooth normal numbers of about unit deviation: means of 3x3, twice.
pub(super) fn fields(side: usize, planes: usize, seed: u64) -> Planes {
    let mut values = vec![0.0; planes * side * side];
    synth::latent::normal(Seed(seed), 0, &mut values);
    let mut blurred = vec![0.0; side * side];
    for plane in values.chunks_exact_mut(side * side) {
        box_blur(plane, &mut blurred, side);
        box_blur(&blurred, plane, side);
        // Weights 1, 2, 3, 2, 1 of 9 in either direction leave a deviation of their squares' sum.
        for v in plane.iter_mut() {
            *v *= 81.0 / 19.0;
        }
    }
    Planes { side, values }
}

/// Means of 3x3 pixels, edges repeated.
fn box_blur(plane: &[f32], to: &mut [f32], side: usize) {
    let last = side - 1;
    for y in 0..side {
        let rows = [y.saturating_sub(1), y, (y + 1).min(last)].map(|y| &plane[y * side..][..side]);
        let column = |x: usize| rows[0][x] + rows[1][x] + rows[2][x];
        for x in 0..side {
            to[y * side + x] = (column(x.saturating_sub(1)) + column(x) + column((x + 1).min(last))) / 9.0;
        }
    }
}

/// A number from 0 to 1.
fn unit(seed: u64, purpose: u64) -> f32 {
    (step_seed(seed, purpose) >> 40) as f32 / (1u64 << 24) as f32
}

/// Row and column where a patch begins, drawn from the seed: beyond the ends and back, so that the picture's own edges are seen often enough.
fn place(side: usize, patch: usize, seed: u64) -> [usize; 2] {
    let room = side - patch.min(side);
    [PLACE, PLACE + 1].map(|purpose| {
        let at = unit(seed, purpose) * (room as f32 + 8.0) - 4.0;
        at.round().clamp(0.0, room as f32) as usize
    })
}

/// A patch to learn from.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The small picture, enlarged.
    base: Planes,
    /// The picture that the small one was made of; of a drawn one, another real picture.
    real: Planes,
    /// A small picture that was drawn, and so has no counterpart.
    drawn: Option<Planes>,
    /// Row and column where it begins, and its side, in pixels of the small picture.
    place: [usize; 2],
    size: usize,
    factor: usize,
}

/// Sums of absolute differences, and how many numbers were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    pub(crate) sum: f64,
    pub(crate) count: usize,
}

impl Patch {
    /// A patch of the picture of bytes `real`, reduced, or, with `drawn`, of that small picture. What the network sees goes to `inputs`,
    /// `[patch, patch, 5]`.
    pub(crate) fn of(
        config: &InkConfig,
        real: &[u8],
        side: usize,
        drawn: Option<&[f32]>,
        seed: u64,
        inputs: &mut [f32],
    ) -> Self {
        let factor = config.ink.factor;
        let real = Planes::of(real, side);
        let small = match drawn {
            None => real.wavering(factor, config, seed).smudged(config, seed).spoilt(config, seed),
            Some(values) => Planes { side: side / factor, values: values.to_vec() }.bounded(),
        };
        let place = place(small.side, config.patch, seed);
        let size = config.patch.min(small.side);
        small.inputs(place, size, inputs);
        let base = small.enlarged(factor);
        Self { base, real, drawn: drawn.map(|_| small), place, size, factor }
    }

    /// A patch of a small picture that is compared with nothing, at a place drawn from `seed`.
    pub(crate) fn alone(small: &Planes, patch: usize, factor: usize, seed: u64, inputs: &mut [f32]) -> Self {
        let (place, size) = (place(small.side, patch, seed), patch.min(small.side));
        small.inputs(place, size, inputs);
        Self { base: small.enlarged(factor), real: Planes::default(), drawn: None, place, size, factor }
    }

    /// The gradient at the small picture, from that at the judged square reduced by `reduced` and that at the network's inputs.
    pub(crate) fn back(&self, size: usize, reduced: usize, gradient: &[f32], inputs: &[f32]) -> Planes {
        let (seen, weight) = (size / reduced, 1.0 / (reduced * reduced) as f32);
        let mut large = Planes { side: self.base.side, values: vec![0.0; self.base.values.len()] };
        self.each_of_square(size, |place, _, at| {
            let (colour, y, x) = (place / size / size, place / size % size, place % size);
            large.values[at] = weight * gradient[(colour * seen + y / reduced) * seen + x / reduced];
        });
        let mut small = large.gathered(self.factor);
        for (i, pixel) in inputs.chunks_exact(Ink::INPUTS).enumerate() {
            let (y, x) = (self.place[0] + i / self.size, self.place[1] + i % self.size);
            for (k, v) in pixel[..3].iter().enumerate() {
                small.values[(k * small.side + y) * small.side + x] += v;
            }
        }
        small
    }

    /// Adds the slopes of `weight` times the grid in what the network adds to a pair: [`add_grid_slopes`].
    pub(crate) fn add_grid_slopes(&self, added: &[f32], weight: f32, slopes: &mut [f32]) {
        let numbers = 3 * self.factor * self.factor;
        let error = |(i, v): (usize, &f32)| {
            let (pixel, k) = (i / numbers, i % numbers);
            let at = self.at([pixel / self.size, pixel % self.size], k);
            self.base.values[at] + v - self.real.values[at]
        };
        let errors: Vec<f32> = added.iter().enumerate().map(error).collect();
        add_grid_slopes(&errors, self.size, self.factor, weight, slopes);
    }

    /// Whether it is of a drawn picture.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// Compares what is redrawn with the real picture, or, reduced again, with the drawn one, for what the network adds,
    /// `[patch, patch, 3 factor^2]`; writes the slopes of the sum of absolute differences to `slopes`. What lies within three small pixels of a cut
    /// does not count: the network lacks what lies beyond.
    pub(crate) fn compare(&self, added: &[f32], slopes: &mut [f32]) -> Difference {
        const CUT: usize = 3;
        let (patch, area) = (self.size, self.factor * self.factor);
        let small = self.real.side / self.factor;
        let counts =
            |at: usize, start: usize| (start == 0 || at >= CUT) && (start + patch == small || at + CUT < patch);
        let mut difference = Difference::default();
        let pixels = added.chunks_exact(3 * area).zip(slopes.chunks_exact_mut(3 * area));
        for (i, (added, slopes)) in pixels.enumerate() {
            let (y, x) = (i / patch, i % patch);
            if !(counts(y, self.place[0]) && counts(x, self.place[1])) {
                slopes.fill(0.0);
            } else if let Some(drawn) = &self.drawn {
                self.compare_reduced(drawn, [y, x], added, slopes, &mut difference);
            } else {
                for (k, (v, slope)) in added.iter().zip(slopes).enumerate() {
                    let at = self.at([y, x], k);
                    let missing = self.base.values[at] + v - self.real.values[at];
                    difference.sum += f64::from(missing.abs());
                    *slope = sign(missing);
                }
                difference.count += added.len();
            }
        }
        difference
    }

    /// [`Self::compare`] for one pixel of a drawn picture.
    fn compare_reduced(
        &self,
        drawn: &Planes,
        pixel: [usize; 2],
        added: &[f32],
        slopes: &mut [f32],
        difference: &mut Difference,
    ) {
        let area = self.factor * self.factor;
        let [y, x] = [0, 1].map(|axis| self.place[axis] + pixel[axis]);
        let colours = added.chunks_exact(area).zip(slopes.chunks_exact_mut(area));
        for (colour, (added, slopes)) in colours.enumerate() {
            let sum = |(k, v): (usize, &f32)| self.base.values[self.at(pixel, colour * area + k)] + v;
            let mean = added.iter().enumerate().map(sum).sum::<f32>() / area as f32;
            let missing = mean - drawn.values[(colour * drawn.side + y) * drawn.side + x];
            difference.sum += f64::from(missing.abs());
            slopes.fill(sign(missing) / area as f32);
        }
        difference.count += 3;
    }

    /// Where the `k`-th number of a pixel of the patch lies in the large picture.
    fn at(&self, [y, x]: [usize; 2], k: usize) -> usize {
        let (factor, side) = (self.factor, self.base.side);
        let (colour, row, column) = (k / factor / factor, k / factor % factor, k % factor);
        let (y, x) = ((self.place[0] + y) * factor + row, (self.place[1] + x) * factor + column);
        (colour * side + y) * side + x
    }

    /// First row and column of the judged square of `size` small pixels within the patch: away from cuts, and up to the picture's own edges.
    fn square(&self, size: usize) -> [usize; 2] {
        let (room, small) = (self.size - size, self.base.side / self.factor);
        self.place.map(|start| match start {
            0 => 0,
            start if start + self.size == small => room,
            _ => room / 2,
        })
    }

    /// Calls `visit` with the place in the judged square, `[3, size, size]` with `size` a multiple of the factor, in what is added, and in the large
    /// picture, of each number.
    fn each_of_square(&self, size: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let (factor, small) = (self.factor, size / self.factor);
        let [top, left] = self.square(small);
        let numbers = 3 * factor * factor;
        for i in 0..small * small {
            let (y, x) = (i / small, i % small);
            for k in 0..numbers {
                let (colour, row, column) = (k / factor / factor, k / factor % factor, k % factor);
                let place = (colour * size + y * factor + row) * size + x * factor + column;
                let pixel = [top + y, left + x];
                visit(place, (pixel[0] * self.size + pixel[1]) * numbers + k, self.at(pixel, k));
            }
        }
    }

    /// The judged square of `size` pixels, as it was and as it is redrawn.
    pub(crate) fn squares(&self, size: usize, added: &[f32]) -> [Planes; 2] {
        let mut real = Planes { side: size, values: vec![0.0; 3 * size * size] };
        self.each_of_square(size, |place, _, at| real.values[place] = self.real.values[at]);
        [real, self.redrawn(size, added)]
    }

    /// The judged square of `size` pixels as it is redrawn.
    pub(crate) fn redrawn(&self, size: usize, added: &[f32]) -> Planes {
        let mut redrawn = Planes { side: size, values: vec![0.0; 3 * size * size] };
        self.each_of_square(size, |place, k, at| redrawn.values[place] = self.base.values[at] + added[k]);
        redrawn
    }

    /// Adds `weight` times a gradient at the redrawn square, reduced by `reduced`, to that at what the network adds.
    pub(crate) fn spread(&self, size: usize, reduced: usize, gradient: &[f32], weight: f32, slopes: &mut [f32]) {
        let (seen, weight) = (size / reduced, weight / (reduced * reduced) as f32);
        self.each_of_square(size, |place, k, _| {
            let (colour, y, x) = (place / size / size, place / size % size, place % size);
            slopes[k] += weight * gradient[(colour * seen + y / reduced) * seen + x / reduced];
        });
    }
}

/// Side of the windows that a grid is looked for in, in pixels of the small picture.
const WINDOW: usize = 4;
/// Where the slope of a grid's size bends: one of 255 levels.
const LEVEL: f32 = 2.0 / 255.0;

/// Adds to `slopes` those of `weight` times the sum, over all numbers of `errors` (`[patch, patch, 3 factor^2]`: what was redrawn less what was there), of
/// how much of a grid they are part of: the mean of an error over the pixels of one window that have its place in their small pixel, less
/// the mean over all places, its absolute value rounded off below a level.
///
/// All pixels that one small pixel becomes come out of one convolution, so that a pattern that repeats from one to the next is easily made, and a
/// discriminator, which takes means of 2x2 pixels, hardly tells it from fine strokes. What errs where there are strokes cancels in the mean.
pub(crate) fn add_grid_slopes(errors: &[f32], patch: usize, factor: usize, weight: f32, slopes: &mut [f32]) {
    let area = factor * factor;
    let starts = || (0..patch).step_by(WINDOW);
    let mut means = vec![0.0f32; area];
    for (top, left, colour) in starts().flat_map(|y| starts().flat_map(move |x| (0..3).map(move |c| (y, x, c)))) {
        let [bottom, right] = [top, left].map(|start| (start + WINDOW).min(patch));
        let pixels = || (top..bottom).flat_map(|y| (left..right).map(move |x| ((y * patch + x) * 3 + colour) * area));
        means.fill(0.0);
        for at in pixels() {
            means.iter_mut().zip(&errors[at..][..area]).for_each(|(mean, v)| *mean += v);
        }
        let count = ((bottom - top) * (right - left)) as f32;
        let all = means.iter().sum::<f32>() / area as f32;
        for v in &mut means {
            *v = (*v - all) / count;
            *v *= weight / v.hypot(LEVEL);
        }
        let all = means.iter().sum::<f32>() / area as f32;
        for at in pixels() {
            slopes[at..][..area].iter_mut().zip(&means).for_each(|(to, v)| *to += v - all);
        }
    }
}

/// Slope of the absolute value.
fn sign(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// Adds what the network adds, `[small, small, 3 factor^2]`, to an enlarged picture.
pub(crate) fn add(picture: &mut Planes, factor: usize, added: &[f32]) {
    let (side, small) = (picture.side, picture.side / factor);
    for (i, pixel) in added.chunks_exact(3 * factor * factor).enumerate() {
        for (k, v) in pixel.iter().enumerate() {
            let (colour, row, column) = (k / factor / factor, k / factor % factor, k % factor);
            picture.values[(colour * side + i / small * factor + row) * side + i % small * factor + column] += v;
        }
    }
}
