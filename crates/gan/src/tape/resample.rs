//! Other grids: doubling, halving and filtering of maps, each a small sparse matrix along rows and the same along columns.

use std::ops::Range;
use std::sync::Mutex;

use kernels::train::{Cpu, Element, Map};

use super::{Id, Op, Tape, Value};

/// [1, 3, 3, 1] with a sum of 2: half of the values that it meets are zeros put in between.
const DOUBLING: [f32; 4] = [0.25, 0.75, 0.75, 0.25];
/// [1, 3, 3, 1] with a sum of 1.
const SMOOTHING: [f32; 4] = [0.125, 0.375, 0.375, 0.125];

/// A linear change of grid, the same along rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grid {
    /// h to 2 h: bilinear, half-pixel centres, borders repeating.
    Double,
    /// h to 2 h + 2: zeros in between, then [1, 3, 3, 1]. A 3x3 convolution of that with its window turned around, less the outermost pixels
    /// ([`Grid::Crop`]), is StyleGAN2's transposed convolution with the filter after it: filters commute.
    Spread,
    /// h to h - 2: without the outermost pixels.
    Crop,
    /// h to h + 1: [1, 3, 3, 1]. A 3x3 convolution of that, of which every second pixel stays ([`Grid::Pick`]), is StyleGAN2's with stride 2.
    Smooth,
    /// h to (h - 1) / 2: every second pixel, from the second on to the last but one.
    Pick,
    /// h to h / 2: [1, 3, 3, 1], of which every second value stays.
    Reduce,
}

/// For each value of a line, those of another line that it is the weighted sum of.
type Taps = Vec<Vec<(usize, f32)>>;

impl Grid {
    /// The length of a line of `length` values afterwards.
    pub(crate) fn size(self, length: usize) -> usize {
        match self {
            Grid::Double => 2 * length,
            Grid::Spread => 2 * length + 2,
            Grid::Crop => length - 2,
            Grid::Smooth => length + 1,
            Grid::Pick => (length - 1) / 2,
            Grid::Reduce => length / 2,
        }
    }

    /// What a line of `length` values is multiplied with, [size, length].
    #[cfg(feature = "torch")]
    pub(crate) fn matrix(self, length: usize) -> Vec<f32> {
        let mut matrix = vec![0.0; self.size(length) * length];
        for (row, taps) in matrix.chunks_exact_mut(length).zip(self.taps(length)) {
            for (place, weight) in taps {
                row[place] += weight;
            }
        }
        matrix
    }

    /// `out[o] = sum_t filter[t] x[(o down + t - before) / up]` over whole places.
    fn taps(self, length: usize) -> Taps {
        let (up, down, before, filter): (isize, isize, isize, &[f32]) = match self {
            Grid::Double => (2, 1, 2, &DOUBLING),
            Grid::Spread => (2, 1, 3, &DOUBLING),
            Grid::Crop => (1, 1, -1, &[1.0]),
            Grid::Smooth => (1, 1, 2, &SMOOTHING),
            Grid::Pick => (1, 2, -1, &[1.0]),
            Grid::Reduce => (1, 2, 1, &SMOOTHING),
        };
        let end = length as isize;
        let of = |o: usize| {
            let places = (0isize..).zip(filter).map(|(t, weight)| (o as isize * down + t - before, *weight));
            let whole = places.filter(|(place, _)| place.rem_euclid(up) == 0);
            let within = whole.filter_map(|(place, weight)| {
                let place = place.div_euclid(up);
                let place = if self == Grid::Double { place.clamp(0, end - 1) } else { place };
                (0..end).contains(&place).then_some((place as usize, weight))
            });
            within.collect()
        };
        (0..self.size(length)).map(of).collect()
    }
}

/// The transposed matrix, of `length` columns.
fn transposed(taps: &Taps, length: usize) -> Taps {
    let mut other = vec![Vec::new(); length];
    for (to, row) in taps.iter().enumerate() {
        for &(from, weight) in row {
            other[from].push((to, weight));
        }
    }
    other
}

/// Calls `task` with each item, on all threads.
pub(crate) fn share<T: Send>(cpu: &Cpu, items: impl Iterator<Item = T>, task: impl Fn(T) + Sync) {
    let items: Vec<Mutex<Option<T>>> = items.map(|item| Mutex::new(Some(item))).collect();
    cpu.crew().run(items.len(), |_, i| {
        // Nobody else asks for this one, so the lock is free.
        let item = items[i].lock().ok().and_then(|mut item| item.take());
        item.into_iter().for_each(&task);
    });
}

/// Sums along columns, then along rows, of the pictures of a range; they are added to what is there, or written.
fn apply<E: Element>(
    cpu: &Cpu,
    [rows, columns]: [&Taps; 2],
    range: Range<usize>,
    from: &Map<E>,
    (to, add): (&mut Map<E>, bool),
) {
    let ([_, h, w, c], [_, height, width, _]) = (from.shape(), to.shape());
    let source =
        |picture: usize, row: usize| &from.elements()[((picture * (h + 2) + row + 1) * (w + 2) + 1) * c..][..w * c];
    let pitch = (width + 2) * c;
    let pictures = to.elements_mut().chunks_exact_mut((height + 2) * pitch).enumerate();
    share(cpu, pictures.skip(range.start).take(range.len()), |(picture, to)| {
        let (mut line, mut pixel) = (vec![0f32; w * c], vec![0f32; c]);
        for (taps, to) in rows.iter().zip(to[pitch..].chunks_exact_mut(pitch)) {
            line.fill(0.0);
            for &(row, weight) in taps {
                line.iter_mut().zip(source(picture, row)).for_each(|(sum, v)| *sum += weight * v.to_f32());
            }
            for (taps, to) in columns.iter().zip(to[c..].chunks_exact_mut(c)) {
                pixel.fill(0.0);
                for &(column, weight) in taps {
                    pixel.iter_mut().zip(&line[column * c..]).for_each(|(sum, v)| *sum += weight * v);
                }
                for (to, sum) in to.iter_mut().zip(&pixel) {
                    *to = E::from_f32(if add { to.to_f32() + sum } else { *sum });
                }
            }
        }
    });
}

impl<E: Element> Tape<E> {
    /// The map on another grid.
    pub(crate) fn resample(&mut self, cpu: &Cpu, x: Id, grid: Grid) -> Id {
        let [n, h, w, c] = self.map(x).shape();
        let mut y = self.pool.map([n, grid.size(h), grid.size(w), c]);
        apply(cpu, [&grid.taps(h), &grid.taps(w)], 0..n, self.map(x), (&mut y, false));
        let wanted = self.wanted(&[x]);
        self.push(Op::Resample { x, grid }, Value::Map(y), wanted)
    }

    pub(super) fn resample_back(&mut self, cpu: &Cpu, x: Id, grid: Grid, back: &Map<E>, pictures: Range<usize>) {
        if !self.nodes[x.0].wanted {
            return;
        }
        let [_, h, w, _] = self.map(x).shape();
        let (mut dx, add) = self.take_map(x);
        let taps = [h, w].map(|length| transposed(&grid.taps(length), length));
        apply(cpu, [&taps[0], &taps[1]], pictures, back, (&mut dx, add));
        self.nodes[x.0].gradient = Some(Value::Map(dx));
    }
}

#[cfg(test)]
mod tests {
    use kernels::{Edge, Isa, reference};

    use super::*;

    const GRIDS: [Grid; 6] = [Grid::Double, Grid::Spread, Grid::Crop, Grid::Smooth, Grid::Pick, Grid::Reduce];

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        synth::latent::normal(synth::Seed(seed), 0, &mut out);
        out
    }

    /// Planes [pictures, 2, h, w] as a map, resampled, and back as planes.
    fn resampled(x: &[f32], [n, h, w]: [usize; 3], grids: &[Grid]) -> Vec<f32> {
        let cpu = Cpu::new(Isa::best(), 2);
        let mut tape = Tape::<f32>::default();
        let mut map = Map::new(n, h, w, 2);
        map.fill_planar(x, 2);
        let mut id = tape.push(Op::Leaf, Value::Map(map), true);
        for grid in grids {
            id = tape.resample(&cpu, id, *grid);
        }
        tape.map(id).to_planar(2)
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    /// `[1, 3, 3, 1] / 8` along both axes of planes, with two zeros around them.
    fn smooth(x: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
        let at = |plane: &[f32], y: usize, x: usize| match (y.checked_sub(2), x.checked_sub(2)) {
            (Some(y), Some(x)) if y < h && x < w => plane[y * w + x],
            _ => 0.0,
        };
        let mut out = Vec::new();
        for plane in x.chunks_exact(h * w) {
            for place in 0..(h + 1) * (w + 1) {
                let (y, x) = (place / (w + 1), place % (w + 1));
                out.push((0..16).map(|t| SMOOTHING[t / 4] * SMOOTHING[t % 4] * at(plane, y + t / 4, x + t % 4)).sum());
            }
        }
        out
    }

    /// Pixels `first`, `first + step` and so on of planes along both axes, so many of them.
    fn every(x: &[f32], [h, w]: [usize; 2], (first, step): (usize, usize), [rows, columns]: [usize; 2]) -> Vec<f32> {
        let plane = |plane: &[f32]| {
            let at = |i: usize| plane[(first + i / columns * step) * w + first + i % columns * step];
            (0..rows * columns).map(at).collect::<Vec<_>>()
        };
        x.chunks_exact(h * w).flat_map(plane).collect()
    }

    #[test]
    fn grids_are_those_of_plain_loops() {
        let (n, size) = (3, [6, 4]);
        let x = numbers(n * 2 * 24, 1);
        let of = |grids: &[Grid]| resampled(&x, [n, 6, 4], grids);
        assert!(close(&of(&[Grid::Double]), &reference::upsample2x(&x, size, Edge::Replicate)));
        assert!(close(&of(&[Grid::Smooth]), &smooth(&x, size)));
        assert!(close(&of(&[Grid::Crop]), &every(&x, size, (1, 1), [4, 2])));
        assert!(close(&of(&[Grid::Smooth, Grid::Pick]), &every(&smooth(&x, size), [7, 5], (1, 2), [3, 2])));
        assert!(close(&of(&[Grid::Reduce]), &every(&smooth(&x, size), [7, 5], (1, 2), [3, 2])));
        // A window that is 1 in one place only shifts, as the plain doubling convolution does with it.
        for tap in 0..9 {
            let mut weight = vec![0.0; 36];
            (weight[tap], weight[27 + tap]) = (1.0, 1.0);
            let expected: Vec<f32> =
                x.chunks_exact(48).flat_map(|x| reference::doubling_conv3x3(x, size, &weight, 2)).collect();
            weight = vec![0.0; 36];
            (weight[8 - tap], weight[27 + 8 - tap]) = (1.0, 1.0);
            let found = of(&[Grid::Spread]);
            let found: Vec<f32> =
                found.chunks_exact(2 * 14 * 10).flat_map(|x| reference::conv3x3(x, [14, 10], &weight, 2)).collect();
            assert!(close(&every(&found, [14, 10], (1, 1), [12, 8]), &expected), "tap {tap}");
        }
    }

    /// `<A x, y> = <x, A^T y>`, in f32 and for part of the pictures, added to what is there.
    #[test]
    fn the_way_back_is_the_transpose() {
        let cpu = Cpu::new(Isa::best(), 2);
        for grid in GRIDS {
            let (h, w) = (7, 5);
            let (height, width) = (grid.size(h), grid.size(w));
            let mut tape = Tape::<f32>::default();
            let (mut x, mut back) = (Map::new(3, h, w, 2), Map::new(3, height, width, 2));
            let (from, to) = (numbers(3 * 2 * h * w, 1), numbers(3 * 2 * height * width, 2));
            x.fill_planar(&from, 2);
            back.fill_planar(&to, 2);
            let id = tape.push(Op::Leaf, Value::Map(x), true);
            let y = tape.resample(&cpu, id, grid);
            let mut before = Map::new(3, h, w, 2);
            before.fill_planar(&vec![1.0; from.len()], 2);
            tape.nodes[id.0].gradient = Some(Value::Map(before));
            tape.resample_back(&cpu, id, grid, &back, 1..3);
            let Some(Value::Map(dx)) = tape.nodes[id.0].gradient.take() else { panic!("no gradient") };
            let (dx, y) = (dx.to_planar(2), tape.map(y).to_planar(2));
            assert!(
                dx[..2 * h * w].iter().all(|v| v.to_bits() == 1f32.to_bits()),
                "{grid:?}: the first picture changed"
            );
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let added: Vec<f32> = dx[2 * h * w..].iter().map(|v| v - 1.0).collect();
            let (left, right) =
                (dot(&y[2 * height * width..], &to[2 * height * width..]), dot(&from[2 * h * w..], &added));
            assert!((left - right).abs() < 1e-3, "{grid:?}: {left} {right}");
        }
    }
}
