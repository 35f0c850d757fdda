//! Convolutions of any kernel, stride and number of groups, and their gradient to the input.

use std::sync::OnceLock;

use kernels::matrix::{Matrix, MatrixMut, Packed, Update, product_packed};
use kernels::nhwc::{self, Windows};
use kernels::{Crew, Isa};

/// Numbers of windows written out side by side at once: they stay in the second-level cache until they are multiplied.
const BLOCK: usize = 1 << 17;

/// The weights of a convolution, and the range its results are brought into.
#[derive(Debug)]
pub(crate) struct Conv {
    /// [out, in of a group, rows, columns]
    shape: [usize; 4],
    groups: usize,
    kind: Kind,
    bias: Vec<f32>,
    clamp: [f32; 2],
}

#[derive(Debug)]
enum Kind {
    /// Every channel by itself: [row][column][channel].
    Depthwise(Vec<f32>),
    /// Products of matrices, one a group: [row, column, channel of the group][out].
    Mixing { forward: Vec<Packed>, backward: OnceLock<Vec<Packed>> },
}

/// Memory of one thread, kept from one picture to the next.
#[derive(Debug)]
pub(crate) struct Lane {
    crew: Crew,
    windows: Vec<f32>,
}

impl Lane {
    pub(crate) fn new(isa: Isa) -> Self {
        Lane { crew: Crew::alone(isa), windows: Vec::new() }
    }

    pub(crate) fn isa(&self) -> Isa {
        self.crew.isa()
    }
}

impl Conv {
    /// Packs `weight` [out, in of a group, rows, columns].
    ///
    /// # Panics
    /// If lengths do not fit, or `groups` does not divide the outputs.
    pub(crate) fn new(weight: &[f32], shape: [usize; 4], bias: Vec<f32>, groups: usize, clamp: [f32; 2]) -> Self {
        let [out, within, rows, columns] = shape;
        let places = rows * columns;
        assert_eq!(weight.len(), out * within * places, "weights of {shape:?}");
        assert_eq!(bias.len(), out, "one bias an output");
        assert!(out.is_multiple_of(groups), "{out} outputs in {groups} groups");
        let kind = if within == 1 && groups == out {
            let place = |i: usize| weight[i % out * places + i / out];
            Kind::Depthwise((0..places * out).map(place).collect())
        } else {
            let crew = Crew::alone(Isa::SCALAR);
            let packed = |group: usize| {
                let group = &weight[group * out / groups * within * places..][..out / groups * within * places];
                // [out][in][place] to [out][place][in].
                let turned: Vec<f32> = group
                    .chunks_exact(within * places)
                    .flat_map(|o| (0..places * within).map(move |i| o[i % within * places + i / within]))
                    .collect();
                Packed::new(&crew, Matrix::new(&turned, out / groups, places * within).transposed())
            };
            Kind::Mixing { forward: (0..groups).map(packed).collect(), backward: OnceLock::new() }
        };
        Conv { shape, groups, kind, bias, clamp }
    }

    /// [out, in of a group, rows, columns] of the weights.
    pub(crate) fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// `y` of the picture `x`, both [rows, columns, channels].
    pub(crate) fn forward(&self, lane: &mut Lane, windows: &Windows, x: &[f32], y: &mut [f32]) {
        let (isa, out) = (lane.isa(), self.shape[0]);
        let Kind::Mixing { forward, .. } = &self.kind else {
            let Kind::Depthwise(weight) = &self.kind else { return };
            return nhwc::depthwise(isa, windows, x, weight, &self.bias, self.clamp, y);
        };
        let channels = self.shape[1] * self.groups;
        let each = out / self.groups;
        for (group, weight) in forward.iter().enumerate() {
            let first = group * self.shape[1];
            let depth = weight.rows();
            let block = (BLOCK / depth).max(1);
            for from in (0..windows.count()).step_by(block) {
                let count = block.min(windows.count() - from);
                let a = if self.is_plain(windows) {
                    Matrix::new(&x[from * channels..], count, channels)
                } else {
                    write_out(
                        windows,
                        x,
                        channels,
                        first..first + self.shape[1],
                        from..from + count,
                        &mut lane.windows,
                    );
                    Matrix::new(&lane.windows, count, depth)
                };
                let y = &mut y[from * out..(from + count) * out];
                let to = MatrixMut::strided(&mut y[group * each..], count, each, out);
                product_packed(&lane.crew, a, weight, to, Update::Replace);
                if group + 1 == self.groups {
                    nhwc::add_bias(isa, y, &self.bias, self.clamp);
                }
            }
        }
    }

    /// Adds to `dx` what `y = forward(x)` passes back of `dy`. Overwrites `dy` with the gradient before the activation.
    pub(crate) fn backward(&self, lane: &mut Lane, windows: &Windows, y: &[f32], dy: &mut [f32], dx: &mut [f32]) {
        let [low, high] = self.clamp;
        if low > f32::NEG_INFINITY {
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = if y > low && y < high { *dy } else { 0.0 };
            }
        }
        let (isa, out) = (lane.isa(), self.shape[0]);
        let Kind::Mixing { forward, backward } = &self.kind else {
            let Kind::Depthwise(weight) = &self.kind else { return };
            return nhwc::depthwise_gradient(isa, windows, dy, weight, dx);
        };
        let turned = backward.get_or_init(|| {
            let turn = |packed: &Packed| {
                let (rows, columns) = (packed.rows(), packed.columns());
                Packed::new(&lane.crew, Matrix::new(&packed.unpack(), rows, columns).transposed())
            };
            forward.iter().map(turn).collect()
        });
        let channels = self.shape[1] * self.groups;
        let each = out / self.groups;
        for (group, weight) in turned.iter().enumerate() {
            let first = group * self.shape[1];
            let depth = weight.columns();
            let block = (BLOCK / depth).max(1);
            for from in (0..windows.count()).step_by(block) {
                let count = block.min(windows.count() - from);
                let a = Matrix::strided(&dy[from * out + group * each..], count, each, out);
                if self.is_plain(windows) {
                    let to = MatrixMut::new(&mut dx[from * channels..], count, channels);
                    product_packed(&lane.crew, a, weight, to, Update::Add);
                } else {
                    grow(&mut lane.windows, count * depth);
                    let to = MatrixMut::new(&mut lane.windows, count, depth);
                    product_packed(&lane.crew, a, weight, to, Update::Replace);
                    add_back(windows, &lane.windows, channels, first..first + self.shape[1], from..from + count, dx);
                }
            }
        }
    }

    /// Whether every window is one pixel, in order, so that the picture is its own list of windows.
    fn is_plain(&self, windows: &Windows) -> bool {
        self.groups == 1
            && windows.size == [1, 1]
            && windows.stride == [1, 1]
            && windows.before == [0, 0]
            && windows.input == windows.output
    }
}

/// Makes room for `len` numbers; what is there already is not cleared.
pub(crate) fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

/// For each of the windows `range`, the row of the matrix that holds it, and the parts of that row that lie over a row of
/// the picture: `f(row of the matrix, start in it, start in the picture, pixels)`.
fn each_line(windows: &Windows, range: std::ops::Range<usize>, mut f: impl FnMut(usize, usize, usize, usize)) {
    for (line, window) in range.enumerate() {
        let (down, across) = (window / windows.output[1], window % windows.output[1]);
        let inside = windows.inside(1, across);
        if inside.is_empty() {
            continue;
        }
        for row in windows.inside(0, down) {
            let pixel = windows.source(0, down, row) * windows.input[1] + windows.source(1, across, inside.start);
            f(line, row * windows.size[1] + inside.start, pixel, inside.len());
        }
    }
}

/// Writes the windows `range` of some channels side by side: one row of [row, column, channel] a window, with zeros
/// outside the picture ("im2col").
pub(crate) fn write_out(
    windows: &Windows,
    x: &[f32],
    channels: usize,
    part: std::ops::Range<usize>,
    range: std::ops::Range<usize>,
    to: &mut Vec<f32>,
) {
    let depth = windows.size[0] * windows.size[1] * part.len();
    let len = range.len() * depth;
    grow(to, len);
    let to = &mut to[..len];
    // Only windows that reach out of the picture have places that nothing is written to.
    let whole = |axis: usize| {
        let last = windows.output[axis] - 1;
        windows.inside(axis, 0).len() == windows.size[axis] && windows.inside(axis, last).len() == windows.size[axis]
    };
    if !(whole(0) && whole(1)) {
        to.fill(0.0);
    }
    each_line(windows, range, |line, place, pixel, pixels| {
        let to = &mut to[line * depth + place * part.len()..][..pixels * part.len()];
        if part.len() == channels {
            to.copy_from_slice(&x[pixel * channels..][..pixels * channels]);
        } else {
            for (to, x) in to.chunks_exact_mut(part.len()).zip(x[pixel * channels..].chunks(channels)) {
                to.copy_from_slice(&x[part.clone()]);
            }
        }
    });
}

/// The adjoint of [`write_out`]: adds what lies in the windows to the pixels they were taken from.
pub(crate) fn add_back(
    windows: &Windows,
    from: &[f32],
    channels: usize,
    part: std::ops::Range<usize>,
    range: std::ops::Range<usize>,
    dx: &mut [f32],
) {
    let depth = windows.size[0] * windows.size[1] * part.len();
    each_line(windows, range, |line, place, pixel, pixels| {
        let from = &from[line * depth + place * part.len()..][..pixels * part.len()];
        for (from, dx) in from.chunks_exact(part.len()).zip(dx[pixel * channels..].chunks_mut(channels)) {
            dx[part.clone()].iter_mut().zip(from).for_each(|(dx, from)| *dx += from);
        }
    });
}
