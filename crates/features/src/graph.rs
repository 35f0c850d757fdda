//! A network as data: the list of operations in a file's metadata, and what shape each gives.

use kernels::nhwc::{self, Windows};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) license: String,
    pub(crate) size: usize,
    pub(crate) mean: [f64; 3],
    pub(crate) std: [f64; 3],
    pub(crate) nodes: Vec<Node>,
    pub(crate) taps: Vec<usize>,
}

/// An operation. Value 0 is the picture; operation i makes value i + 1.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) from: Vec<usize>,
    #[serde(flatten)]
    pub(crate) op: Op,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Op {
    Conv {
        name: String,
        stride: [usize; 2],
        pad: Pad,
        groups: usize,
        act: Activation,
    },
    MaxPool {
        size: [usize; 2],
        stride: [usize; 2],
        pad: Pad,
    },
    /// Averages over the part of the window that lies inside.
    AvgPool {
        size: [usize; 2],
        stride: [usize; 2],
        pad: Pad,
    },
    Add,
    Concat,
    /// Over height and width.
    Mean,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Activation {
    None,
    Relu,
    Relu6,
}

impl Activation {
    /// The range that values are brought into.
    pub(crate) fn clamp(self) -> [f32; 2] {
        match self {
            Self::None => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }
}

/// Rows and columns of padding on each side.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Pad {
    Named(PadName),
    Both([usize; 2]),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PadName {
    /// As much as makes the output ceil(n / stride), the odd one below and to the right (TensorFlow's rule).
    Same,
    Valid,
}

/// More than any published network has; keeps sums of shapes far from overflow.
const LARGEST: usize = 1 << 15;
/// Numbers in one value: a gigabyte.
const MOST_NUMBERS: usize = 1 << 28;

impl Pad {
    /// Padding before and after `n` places.
    fn along(&self, axis: usize, n: usize, size: usize, stride: usize) -> (usize, usize) {
        match self {
            Self::Named(PadName::Valid) => (0, 0),
            Self::Named(PadName::Same) => {
                let total = ((n.div_ceil(stride) - 1) * stride + size).saturating_sub(n);
                (total / 2, total - total / 2)
            }
            Self::Both(pad) => (pad[axis], pad[axis]),
        }
    }

    /// The windows of an operation over a picture of `input` rows and columns.
    pub(crate) fn windows(
        &self,
        input: [usize; 2],
        size: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Windows, &'static str> {
        let padding = if let Self::Both(pad) = self { *pad } else { [0; 2] };
        let numbers = [input, size, stride, padding];
        if numbers.as_flattened().iter().any(|&n| n > LARGEST) || [input, size, stride].as_flattened().contains(&0) {
            return Err("a size, stride or padding is not a usable number");
        }
        if size[0] * size[1] > nhwc::MOST {
            return Err("its windows are too large");
        }
        let (mut output, mut before) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let (first, last) = self.along(axis, input[axis], size[axis], stride[axis]);
            let length = input[axis] + first + last;
            if length < size[axis] {
                return Err("its windows are larger than the picture");
            }
            before[axis] = first;
            output[axis] = (length - size[axis]) / stride[axis] + 1;
        }
        Ok(Windows { input, output, size, stride, before })
    }
}

/// Rows, columns and channels of a value.
pub(crate) type Shape = [usize; 3];

/// What each value of a network is like for pictures of one size.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) size: [usize; 2],
    /// One a value.
    pub(crate) shapes: Vec<Shape>,
    /// One an operation that has windows.
    pub(crate) windows: Vec<Option<Windows>>,
}

impl Plan {
    /// Follows the operations from the picture on. `weights` gives [out, in of a group, rows, columns] of an operation's
    /// weights.
    pub(crate) fn new(
        graph: &Graph,
        size: [usize; 2],
        weights: impl Fn(usize) -> Option<[usize; 4]>,
    ) -> Result<Self, String> {
        if size.iter().any(|n| !(1..=LARGEST).contains(n)) {
            return Err(format!("a side must be 1 to {LARGEST} pixels"));
        }
        let mut plan = Plan { size, shapes: vec![[size[0], size[1], 3]], windows: Vec::new() };
        for (index, node) in graph.nodes.iter().enumerate() {
            let inputs: Vec<Shape> = node.from.iter().map(|&j| plan.shapes[j]).collect();
            let (shape, windows) =
                shape(&node.op, &inputs, weights(index)).map_err(|what| format!("operation {index}: {what}"))?;
            if shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)).is_none_or(|n| n > MOST_NUMBERS) {
                return Err(format!("operation {index}: its result is too large"));
            }
            plan.shapes.push(shape);
            plan.windows.push(windows);
        }
        Ok(plan)
    }

    /// Numbers in a value.
    pub(crate) fn len(&self, value: usize) -> usize {
        self.shapes[value].iter().product()
    }
}

/// The shape that an operation gives.
fn shape(op: &Op, inputs: &[Shape], weights: Option<[usize; 4]>) -> Result<(Shape, Option<Windows>), &'static str> {
    let [height, width, channels] = inputs[0];
    let windowed = |windows: Windows, channels| ([windows.output[0], windows.output[1], channels], Some(windows));
    match op {
        Op::Conv { stride, pad, groups, .. } => {
            let [out, within, rows, columns] = weights.ok_or("it has no weights")?;
            if within.checked_mul(*groups) != Some(channels) {
                return Err("its weights are for other channels");
            }
            Ok(windowed(pad.windows([height, width], [rows, columns], *stride)?, out))
        }
        Op::MaxPool { size, stride, pad } | Op::AvgPool { size, stride, pad } => {
            if matches!(pad, Pad::Both(pad) if pad[0] > size[0] / 2 || pad[1] > size[1] / 2) {
                return Err("its padding is more than half a window");
            }
            Ok(windowed(pad.windows([height, width], *size, *stride)?, channels))
        }
        Op::Add if inputs[0] == inputs[1] => Ok((inputs[0], None)),
        Op::Add => Err("it adds values of different shapes"),
        Op::Concat if inputs.iter().all(|s| s[..2] == inputs[0][..2]) => {
            Ok(([height, width, inputs.iter().map(|s| s[2]).sum()], None))
        }
        Op::Concat => Err("it joins values of different sizes"),
        Op::Mean => Ok(([1, 1, channels], None)),
    }
}
