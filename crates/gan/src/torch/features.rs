//! Frozen feature networks as data: a list of operations and its weights in one safetensors file, run as it stands.
//!
//! The metrics measure with them and the feature critic judges with them. `tools/features.py` makes the files from published
//! weights; a file is named in every result by the hash of its bytes, because figures of two networks cannot be compared.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use serde::Deserialize;
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::Error;

const FORMAT: &str = "tadne-features";
const VERSION: &str = "1";

/// How a picture is brought to the size that the network was trained at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resizing {
    /// Bicubic with a low-pass where it shrinks: what careful tools do (arXiv 2104.11222).
    Clean,
    /// Bilinear without a low-pass: what the first FID tools did.
    Legacy,
}

#[derive(Debug, Deserialize)]
struct Graph {
    name: String,
    source: String,
    license: String,
    size: i64,
    mean: [f64; 3],
    std: [f64; 3],
    nodes: Vec<Node>,
    taps: Vec<usize>,
}

#[derive(Debug, Deserialize)]
struct Node {
    from: Vec<usize>,
    #[serde(flatten)]
    op: Op,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    Conv {
        name: String,
        stride: [i64; 2],
        pad: Pad,
        groups: i64,
        act: Activation,
    },
    MaxPool {
        size: [i64; 2],
        stride: [i64; 2],
        pad: Pad,
    },
    /// Averages over the part of the window that lies inside.
    AvgPool {
        size: [i64; 2],
        stride: [i64; 2],
        pad: Pad,
    },
    Add,
    Concat,
    /// Over height and width, to [n, c].
    Mean,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Activation {
    None,
    Relu,
    Relu6,
}

/// Rows and columns of padding on each side.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Pad {
    Named(PadName),
    Both([i64; 2]),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PadName {
    /// As much as makes the output ceil(n / stride), the odd one below and to the right (TensorFlow's rule).
    Same,
    Valid,
}

impl Pad {
    /// (before, after) along one axis.
    fn along(&self, axis: usize, n: i64, size: i64, stride: i64) -> (i64, i64) {
        match self {
            Self::Named(PadName::Valid) => (0, 0),
            Self::Named(PadName::Same) => {
                let total = ((n.div_euclid(stride) + i64::from(n % stride > 0) - 1) * stride + size - n).max(0);
                (total / 2, total - total / 2)
            }
            Self::Both(pad) => (pad[axis], pad[axis]),
        }
    }
}

/// A feature network, frozen.
pub struct Features {
    graph: Graph,
    weights: HashMap<String, Tensor>,
    hash: String,
    /// Position after which each node's value is not needed any more.
    last_use: Vec<usize>,
}

impl std::fmt::Debug for Features {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Features").field("name", &self.graph.name).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Features {
    /// Folder where feature networks are looked for by name: `$XDG_CACHE_HOME/tadne/features` or `~/.cache/tadne/features`.
    pub fn folder() -> PathBuf {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        cache.unwrap_or_else(|| PathBuf::from(".")).join("tadne/features")
    }

    /// A network by path, or by name (`nsfwjs-mobilenet-v2`) from [`Features::folder`].
    ///
    /// # Errors
    /// [`Error::Features`] if there is no such file, or it is not a feature network, or a tensor does not fit.
    pub fn find(name: &str, device: Device) -> Result<Self, Error> {
        let path = Path::new(name);
        if path.is_file() {
            return Self::open(path, device);
        }
        let path = Self::folder().join(format!("{name}.safetensors"));
        if path.is_file() {
            return Self::open(&path, device);
        }
        let what = "there is no such file; tools/features.py makes it".to_owned();
        Err(Error::Features { path, what })
    }

    /// Reads the network at `path`.
    ///
    /// # Errors
    /// As [`Features::find`].
    pub fn open(path: &Path, device: Device) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::read(path))?;
        Self::from_bytes(&bytes, device).map_err(|what| Error::Features { path: path.into(), what })
    }

    pub(crate) fn from_bytes(bytes: &[u8], device: Device) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
        if entry("format") != FORMAT || entry("format_version") != VERSION {
            return Err(format!("it is no feature network of version {VERSION}"));
        }
        let graph: Graph =
            serde_json::from_str(entry("graph")).map_err(|e| format!("its list of operations is damaged: {e}"))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let load = |name: &str| -> Result<Tensor, String> {
            let view = file.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
            if view.dtype() != Dtype::F32 {
                return Err(format!("tensor {name} must be f32"));
            }
            let values = crate::params::f32s(view.data());
            let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            Ok(Tensor::from_slice(&values).view(shape.as_slice()).to_device(device))
        };
        let mut weights = HashMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            let inputs = if matches!(node.op, Op::Add) { 2 } else { 1 };
            if node.from.len() < inputs || node.from.iter().any(|&j| j > i) {
                return Err(format!("operation {i} reads a value that is not there yet"));
            }
            if let Op::Conv { name, groups, .. } = &node.op {
                let (weight, bias) = (load(&format!("{name}.weight"))?, load(&format!("{name}.bias"))?);
                let (w, b) = (weight.size(), bias.size());
                if w.len() != 4 || w.contains(&0) || b != [w[0]] || *groups < 1 || w[0] % groups != 0 {
                    return Err(format!("convolution {name} has weights {w:?} and bias {b:?}"));
                }
                // oneDNN is fastest on channels-last weights.
                weights.insert(format!("{name}.weight"), crate::ops::channels_last(&weight));
                weights.insert(format!("{name}.bias"), bias);
            }
        }
        if graph.taps.is_empty() || graph.taps.iter().any(|&t| t == 0 || t > graph.nodes.len()) {
            return Err("its taps name operations that are not there".into());
        }
        if graph.size < 1 || graph.std.iter().any(|s| !s.is_normal()) {
            return Err("its size or scale is not a usable number".into());
        }
        let mut last_use = vec![0; graph.nodes.len() + 1];
        for (i, node) in graph.nodes.iter().enumerate() {
            node.from.iter().for_each(|&j| last_use[j] = i);
        }
        graph.taps.iter().for_each(|&t| last_use[t] = usize::MAX);
        let hash = blake3::hash(bytes).to_hex()[..16].to_owned();
        let network = Self { graph, weights, hash, last_use };
        network.try_size(network.graph.size, device).map_err(|e| format!("its operations do not fit together: {e}"))?;
        Ok(network)
    }

    /// Channels at each tap, found by sending one grey picture of `size` pixels through.
    pub(crate) fn try_size(&self, size: i64, device: Device) -> Result<Vec<i64>, TchError> {
        let picture = Tensor::zeros([1, 3, size, size], (Kind::Float, device));
        Ok(no_grad(|| self.f_taps(&picture))?.iter().map(|t| t.size()[1]).collect())
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        &self.graph.name
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash of the file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Where the weights come from, and their terms.
    pub fn origin(&self) -> (&str, &str) {
        (&self.graph.source, &self.graph.license)
    }

    /// Pictures [n, 3, h, w] in -1..1 brought to the network's own size.
    pub fn resize(&self, x: &Tensor, resizing: Resizing) -> Tensor {
        let size = self.graph.size;
        if x.size()[2..] == [size, size] {
            return x.shallow_clone();
        }
        match resizing {
            Resizing::Clean => x.internal_upsample_bicubic2d_aa([size, size], false, None, None).clamp(-1.0, 1.0),
            Resizing::Legacy => x.upsample_bilinear2d([size, size], false, None, None),
        }
    }

    /// Values at the taps for pictures [n, 3, h, w] in -1..1; differentiable in the pictures.
    ///
    /// # Panics
    /// If the pictures are of a size that [`Features::try_size`] refuses.
    pub(crate) fn taps(&self, x: &Tensor) -> Vec<Tensor> {
        self.f_taps(x).expect("the size was tried before")
    }

    fn f_taps(&self, x: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let per_channel = |v: &[f64; 3]| Tensor::from_slice(v).view([1, 3, 1, 1]).to_device(x.device());
        // From -1..1 to 0..1, then to the network's own scale.
        let scale = per_channel(&self.graph.std.map(|s| 0.5 / s)).to_kind(Kind::Float);
        let shift: Vec<f64> = self.graph.mean.iter().zip(self.graph.std).map(|(m, s)| (0.5 - m) / s).collect();
        let shift = per_channel(&[shift[0], shift[1], shift[2]]).to_kind(Kind::Float);
        let mut values: Vec<Option<Tensor>> = vec![Some(crate::ops::channels_last(&(x * scale + shift)))];
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let inputs: Vec<&Tensor> =
                node.from.iter().map(|&j| values[j].as_ref().expect("kept until its last use")).collect();
            let y = self.apply(&node.op, &inputs)?;
            for &j in &node.from {
                if self.last_use[j] <= i {
                    values[j] = None;
                }
            }
            values.push(Some(y));
        }
        Ok(self.graph.taps.iter().map(|&t| values[t].as_ref().expect("taps are kept").shallow_clone()).collect())
    }

    /// The last tap of pictures [n, 3, h, w] in -1..1 as [n, features], without gradients. [`Features::resize`] brings them to a
    /// size that was tried when the network was opened.
    ///
    /// # Panics
    /// If they are too small for the network.
    pub fn features(&self, x: &Tensor) -> Tensor {
        no_grad(|| self.taps(x).pop().expect("a network has at least one tap").flatten(1, -1))
    }

    fn apply(&self, op: &Op, inputs: &[&Tensor]) -> Result<Tensor, TchError> {
        let x = inputs[0];
        match op {
            Op::Conv { name, stride, pad, groups, act } => {
                let (weight, bias) = (&self.weights[&format!("{name}.weight")], &self.weights[&format!("{name}.bias")]);
                let k = weight.size();
                let (x, both) = padded(x, pad, [k[2], k[3]], *stride, 0.0)?;
                let y = x.f_conv2d(weight, Some(bias), stride, both, 1, *groups)?;
                match act {
                    Activation::None => Ok(y),
                    Activation::Relu => y.f_relu(),
                    Activation::Relu6 => y.f_relu6(),
                }
            }
            Op::MaxPool { size, stride, pad } => {
                let (x, both) = padded(x, pad, *size, *stride, f64::NEG_INFINITY)?;
                x.f_max_pool2d(size, stride, both, 1, false)
            }
            Op::AvgPool { size, stride, pad } => {
                let (x, both) = padded(x, pad, *size, *stride, 0.0)?;
                x.f_avg_pool2d(size, stride, both, false, false, None)
            }
            Op::Add => inputs[0].f_add(inputs[1]),
            Op::Concat => Tensor::f_cat(inputs, 1),
            Op::Mean => x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float),
        }
    }
}

/// `x` ready for an operation that pads both sides by the returned amounts: uneven padding is written out, even padding is left to
/// the operation.
fn padded(x: &Tensor, pad: &Pad, size: [i64; 2], stride: [i64; 2], value: f64) -> Result<(Tensor, [i64; 2]), TchError> {
    let s = x.size();
    let (top, bottom) = pad.along(0, s[2], size[0], stride[0]);
    let (left, right) = pad.along(1, s[3], size[1], stride[1]);
    if top == bottom && left == right {
        Ok((x.shallow_clone(), [top, left]))
    } else {
        Ok((x.f_pad([left, right, top, bottom], "constant", value)?, [0, 0]))
    }
}
