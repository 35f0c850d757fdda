//! Pictures and grids brought to another size, and the adjoint of it for gradients.

use std::sync::Mutex;

use kernels::Crew;

use crate::Network;
use crate::pass::lock;

/// How a picture is brought to the size that the network was trained at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resizing {
    /// Bicubic with a low-pass where it shrinks: what careful tools do (arXiv 2104.11222).
    Clean,
    /// Bilinear without a low-pass: what the first FID tools did.
    Legacy,
}

/// New places along one axis as weighted sums of old ones.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    from: usize,
    /// The first old place of each new one, and its weights.
    sums: Vec<(usize, Vec<f32>)>,
}

impl Axis {
    /// Straight lines between the centres of old places; the outermost are repeated.
    fn bilinear(from: usize, to: usize) -> Self {
        let sum = |i: usize| {
            let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            let part = (at - first as f64) as f32;
            if first + 1 == from { (first, vec![1.0]) } else { (first, vec![1.0 - part, part]) }
        };
        Axis { from, sums: (0..to).map(sum).collect() }
    }

    /// Keys' cubic (a = -1/2), as wide as a new place where that is larger than an old one; weights of places outside are
    /// shared out among those inside.
    fn bicubic(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let width = scale.max(1.0);
        let sum = |i: usize| {
            let (centre, reach) = (scale * (i as f64 + 0.5), 2.0 * width);
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |j: usize| cubic((j as f64 - centre + 0.5) / width);
            let total: f64 = (first..end).map(weight).sum();
            (first, (first..end).map(|j| (weight(j) / total) as f32).collect())
        };
        Axis { from, sums: (0..to).map(sum).collect() }
    }

    /// [outer, old places, inner] to [outer, new places, inner].
    fn apply(&self, inner: usize, x: &[f32], y: &mut [f32]) {
        let pairs = x.chunks_exact(self.from * inner).zip(y.chunks_exact_mut(self.sums.len() * inner));
        for (x, y) in pairs {
            for ((first, weights), y) in self.sums.iter().zip(y.chunks_exact_mut(inner)) {
                y.fill(0.0);
                for (weight, x) in weights.iter().zip(x[first * inner..].chunks_exact(inner)) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
                }
            }
        }
    }

    /// The adjoint: [outer, new places, inner] to [outer, old places, inner].
    fn gather(&self, inner: usize, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let pairs = dy.chunks_exact(self.sums.len() * inner).zip(dx.chunks_exact_mut(self.from * inner));
        for (dy, dx) in pairs {
            for ((first, weights), dy) in self.sums.iter().zip(dy.chunks_exact(inner)) {
                for (weight, dx) in weights.iter().zip(dx[first * inner..].chunks_exact_mut(inner)) {
                    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
                }
            }
        }
    }
}

/// Keys' interpolation kernel with a = -1/2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
        _ => 0.0,
    }
}

/// A change of size, made ready for any number of pictures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resampler {
    rows: Axis,
    columns: Axis,
}

impl Resampler {
    pub(crate) fn bilinear(from: [usize; 2], to: [usize; 2]) -> Self {
        Resampler { rows: Axis::bilinear(from[0], to[0]), columns: Axis::bilinear(from[1], to[1]) }
    }

    pub(crate) fn bicubic(from: [usize; 2], to: [usize; 2]) -> Self {
        Resampler { rows: Axis::bicubic(from[0], to[0]), columns: Axis::bicubic(from[1], to[1]) }
    }

    /// [outer, height, width, inner] to the new height and width; `between` is memory to work in.
    pub(crate) fn apply(&self, inner: usize, between: &mut Vec<f32>, x: &[f32], y: &mut [f32]) {
        between.resize(x.len() / self.columns.from * self.columns.sums.len(), 0.0);
        self.columns.apply(inner, x, between);
        self.rows.apply(self.columns.sums.len() * inner, between, y);
    }

    /// Numbers of a planar picture of three channels, before and after.
    fn planar(&self) -> [usize; 2] {
        let [rows, columns] = [&self.rows, &self.columns];
        [3 * rows.from * columns.from, 3 * rows.sums.len() * columns.sums.len()]
    }

    /// [`apply`](Self::apply) to each of some planar pictures of three channels, on all threads; `y` takes their length.
    pub(crate) fn apply_each(&self, crew: &Crew, x: &[f32], y: &mut Vec<f32>) {
        let [from, to] = self.planar();
        y.resize(x.len() / from * to, 0.0);
        let outs: Vec<_> = y.chunks_exact_mut(to).map(Mutex::new).collect();
        crew.run(outs.len(), |_, i| self.apply(1, &mut Vec::new(), &x[i * from..][..from], &mut lock(&outs[i])));
    }

    /// The adjoint of [`apply_each`](Self::apply_each): overwrites `dx`.
    pub(crate) fn gather_each(&self, crew: &Crew, dy: &[f32], dx: &mut [f32]) {
        let [from, to] = self.planar();
        let outs: Vec<_> = dx.chunks_exact_mut(from).map(Mutex::new).collect();
        crew.run(outs.len(), |_, i| self.gather(1, &mut Vec::new(), &dy[i * to..][..to], &mut lock(&outs[i])));
    }

    /// The adjoint of [`apply`](Self::apply): overwrites `dx`.
    pub(crate) fn gather(&self, inner: usize, between: &mut Vec<f32>, dy: &[f32], dx: &mut [f32]) {
        between.resize(dx.len() / self.columns.from * self.columns.sums.len(), 0.0);
        self.rows.gather(self.columns.sums.len() * inner, dy, between);
        self.columns.gather(inner, between, dx);
    }
}

impl Network {
    /// Planar `pictures` [n, 3, height, width] in -1..1 of `size` (height, width) brought to the network's own size: [n, 3,
    /// side, side], written over `to`.
    ///
    /// # Panics
    /// If `pictures` are no whole pictures of `size`, or that is zero.
    pub fn resize(&self, crew: &Crew, pictures: &[f32], size: [usize; 2], resizing: Resizing, to: &mut Vec<f32>) {
        let side = self.size();
        let (each, new) = (3 * size[0] * size[1], 3 * side * side);
        assert!(
            each > 0 && pictures.len().is_multiple_of(each),
            "{} numbers are no pictures of {size:?}",
            pictures.len()
        );
        to.resize(pictures.len() / each * new, 0.0);
        if size == [side; 2] {
            to.copy_from_slice(pictures);
            return;
        }
        let resampler = match resizing {
            Resizing::Clean => Resampler::bicubic(size, [side; 2]),
            Resizing::Legacy => Resampler::bilinear(size, [side; 2]),
        };
        let outs: Vec<_> = to.chunks_exact_mut(new).map(Mutex::new).collect();
        crew.run(outs.len(), |_, index| {
            let mut y = lock(&outs[index]);
            resampler.apply(1, &mut Vec::new(), &pictures[index * each..][..each], &mut y);
            if resizing == Resizing::Clean {
                y.iter_mut().for_each(|y| *y = y.clamp(-1.0, 1.0));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Values;

    #[rustfmt::skip]
    #[allow(clippy::unreadable_literal, reason = "as PyTorch prints them")]
    mod golden {
        pub(super) const CLEAN_4_3: [f32; 12] = [-0.06657867, -0.323702, 0.2156157, 0.3613067, -0.001837501,
            -0.4869965, 0.1207571, -0.09999145, 0.01472141, 0.7180814, 0.3769336, -0.08565561];
        pub(super) const LEGACY_4_3: [f32; 12] = [-0.2694507, -0.4715378, 0.4279114, 0.2560171, -0.1993234,
            -0.5363852, 0.2523733, 0.316592, 0.08081291, 0.8267546, 0.1116866, -0.4032465];
        pub(super) const CLEAN_9_5: [f32; 45] = [-0.105896, -0.7005985, -0.6522977, -0.0985589, 0.7630492,
            0.2151435, -0.2408164, -0.3105784, -0.02140333, 0.2534797, 0.7663838, 0.525701, 0.2635187, 0.09619666,
            -0.654844, 0.5968508, 0.08541434, -0.05758332, -0.1115118, -0.7718029, 0.2514426, -0.6651302,
            -0.5345005, -0.3214846, -0.4966284, 0.5149612, -0.48, 0.01398206, 0.04826655, -0.09518041, 0.8188212,
            -0.06770799, 0.5052419, 0.3849004, 0.08890147, 0.9038183, 0.3546432, 0.3393993, 0.3371572, -0.3127226,
            0.9351116, 0.5726917, 0.2179039, 0.2907211, -0.5525478];
        pub(super) const LEGACY_9_5: [f32; 45] = [0.06733404, -0.5637522, -0.5290738, -0.1216632, 0.5749388,
            0.3366722, -0.1766791, -0.3756443, -0.02679591, 0.1806774, 0.7855692, 0.4684428, -0.1199283, 0.1313163,
            -0.4764251, 0.6744424, 0.06467676, -0.2234972, -0.08815018, -0.6450124, 0.4233097, -0.6013108,
            -0.4168872, -0.4020112, -0.6914711, 0.6086076, -0.3458636, 0.2350947, 0.01157898, -0.2446784, 0.7733322,
            -0.06806827, 0.6747757, 0.3415182, 0.05475287, 0.8557643, 0.29912, 0.2652562, 0.3368555, -0.2352595,
            0.9052234, 0.5194327, 0.01954478, 0.3340578, -0.4092666];
        pub(super) const CLEAN_2_12: [f32; 24] = [0.7531219, 0.350494, -0.2802117, -0.1616903, 0.0003190273,
            -0.2219272, -0.2583378, -0.09210223, -0.04707322, -0.07462799, -0.1823641, -0.2483131, 0.9048231,
            0.7078212, 0.340601, -0.02271633, -0.1799247, 0.1082475, 0.3001301, 0.336131, 0.175219, -0.07148003,
            -0.275427, -0.3795786];
        pub(super) const LEGACY_2_12: [f32; 24] = [0.8081763, 0.5553674, 0.1621092, 0.2903289, 0.3467849,
            -0.00697654, 0.02623734, 0.4464268, 0.02693963, -0.5615285, -0.3696983, -0.246379, 0.8480108, 0.7466284,
            0.5889224, 0.07758288, -0.2308133, 0.3046595, 0.5676702, 0.558219, 0.3088759, 0.01480235, -0.01023805,
            -0.02633545];
    }

    /// Golden values: PyTorch 2.11's `_upsample_bicubic2d_aa` and `interpolate`, without aligned corners.
    #[test]
    fn sizes_change_as_in_pytorch() {
        let x = Values::new(3).signed(3 * 5 * 7);
        let cases: [([usize; 2], &[f32], &[f32]); 3] = [
            ([4, 3], &golden::CLEAN_4_3, &golden::LEGACY_4_3),
            ([9, 5], &golden::CLEAN_9_5, &golden::LEGACY_9_5),
            ([2, 12], &golden::CLEAN_2_12, &golden::LEGACY_2_12),
        ];
        for (to, clean, legacy) in cases {
            for (resampler, golden) in
                [(Resampler::bicubic([5, 7], to), clean), (Resampler::bilinear([5, 7], to), legacy)]
            {
                let mut y = vec![0.0; 3 * to[0] * to[1]];
                resampler.apply(1, &mut Vec::new(), &x, &mut y);
                let second = &y[to[0] * to[1]..][..to[0] * to[1]];
                for (y, golden) in second.iter().zip(golden) {
                    assert!((y.clamp(-1.0, 1.0) - golden).abs() < 2e-6, "{to:?}: {y} is not {golden}");
                }
            }
        }
    }

    #[test]
    fn the_adjoint_is_one() {
        let mut values = Values::new(5);
        for inner in [1, 4] {
            for resampler in [Resampler::bicubic([6, 5], [3, 9]), Resampler::bilinear([6, 5], [13, 4])] {
                let new = resampler.rows.sums.len() * resampler.columns.sums.len() * inner;
                let (x, dy) = (values.signed(2 * 30 * inner), values.signed(2 * new));
                let (mut y, mut dx, mut between) = (vec![0.0; dy.len()], vec![7.0; x.len()], Vec::new());
                resampler.apply(inner, &mut between, &x, &mut y);
                resampler.gather(inner, &mut between, &dy, &mut dx);
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                assert!((dot(&y, &dy) - dot(&x, &dx)).abs() < 1e-4);
            }
        }
    }
}
