//! Feature networks as files: finding, reading and checking them.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};

use crate::Error;
use crate::conv::Conv;
use crate::graph::{Graph, Op, Plan};

const FORMAT: &str = "tadne-features";
const VERSION: &str = "1";

/// A feature network, frozen.
pub struct Network {
    pub(crate) graph: Graph,
    /// One an operation that is a convolution.
    pub(crate) convs: Vec<Option<Conv>>,
    hash: String,
    /// Position after which each value is not needed any more.
    pub(crate) last_use: Vec<usize>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("name", &self.graph.name).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Network {
    /// Folder where feature networks are looked for by name: `$XDG_CACHE_HOME/tadne/features` or `~/.cache/tadne/features`.
    pub fn folder() -> PathBuf {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        cache.unwrap_or_else(|| PathBuf::from(".")).join("tadne/features")
    }

    /// A network by path, or by name (`nsfwjs-mobilenet-v2`) from [`Network::folder`].
    ///
    /// # Errors
    /// [`Error::Features`] if there is no such file, or it is not a feature network, or a tensor does not fit.
    pub fn find(name: &str) -> Result<Self, Error> {
        let path = Path::new(name);
        if path.is_file() {
            return Self::open(path);
        }
        let path = Self::folder().join(format!("{name}.safetensors"));
        if path.is_file() {
            return Self::open(&path);
        }
        let what = "there is no such file; tools/features.py makes it".to_owned();
        Err(Error::Features { path, what })
    }

    /// Reads the network at `path`.
    ///
    /// # Errors
    /// As [`Network::find`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::read(path))?;
        Self::from_bytes(&bytes).map_err(|what| Error::Features { path: path.into(), what })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
        if entry("format") != FORMAT || entry("format_version") != VERSION {
            return Err(format!("it is no feature network of version {VERSION}"));
        }
        let graph: Graph =
            serde_json::from_str(entry("graph")).map_err(|e| format!("its list of operations is damaged: {e}"))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let mut convs = Vec::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            let inputs = if matches!(node.op, Op::Add) { 2 } else { 1 };
            if node.from.len() < inputs || node.from.iter().any(|&j| j > i) {
                return Err(format!("operation {i} reads a value that is not there yet"));
            }
            convs.push(match &node.op {
                Op::Conv { name, groups, act, .. } => Some(conv(&file, name, *groups, act.clamp())?),
                _ => None,
            });
        }
        if graph.taps.is_empty() || graph.taps.iter().any(|&t| t == 0 || t > graph.nodes.len()) {
            return Err("its taps name operations that are not there".into());
        }
        if graph.size < 1 || graph.std.iter().any(|s| !s.is_normal()) || graph.mean.iter().any(|m| !m.is_finite()) {
            return Err("its size or scale is not a usable number".into());
        }
        let mut last_use = vec![0; graph.nodes.len() + 1];
        for (i, node) in graph.nodes.iter().enumerate() {
            node.from.iter().for_each(|&j| last_use[j] = i);
        }
        graph.taps.iter().for_each(|&t| last_use[t] = usize::MAX);
        let hash = blake3::hash(bytes).to_hex()[..16].to_owned();
        let network = Self { graph, convs, hash, last_use };
        network.plan([network.graph.size; 2]).map_err(|e| format!("its operations do not fit together: {e}"))?;
        Ok(network)
    }

    pub(crate) fn plan(&self, size: [usize; 2]) -> Result<Plan, String> {
        Plan::new(&self.graph, size, |i| self.convs[i].as_ref().map(Conv::shape))
    }

    pub(crate) fn plan_or_error(&self, [height, width]: [usize; 2]) -> Result<Plan, Error> {
        let refused = |what| Error::Size { network: self.graph.name.clone(), width, height, what };
        self.plan([height, width]).map_err(refused)
    }

    /// Rows, columns and channels at each tap for pictures of `size` rows and columns.
    ///
    /// # Errors
    /// [`Error::Size`] if the network cannot take such pictures.
    pub fn tap_shapes(&self, size: [usize; 2]) -> Result<Vec<[usize; 3]>, Error> {
        let plan = self.plan_or_error(size)?;
        Ok(self.graph.taps.iter().map(|&t| plan.shapes[t]).collect())
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

    /// Side of the pictures it was trained on, in pixels.
    pub fn size(&self) -> usize {
        self.graph.size
    }
}

/// The convolution `name` of a file.
fn conv(file: &SafeTensors<'_>, name: &str, groups: usize, clamp: [f32; 2]) -> Result<Conv, String> {
    let load = |part: &str| -> Result<(Vec<usize>, Vec<f32>), String> {
        let name = format!("{name}.{part}");
        let view = file.tensor(&name).map_err(|_| format!("tensor {name} is missing"))?;
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor {name} must be f32"));
        }
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!("tensor {name} has values that are not finite"));
        }
        Ok((view.shape().to_vec(), values))
    };
    let ((shape, weight), (bias_shape, bias)) = (load("weight")?, load("bias")?);
    match <[usize; 4]>::try_from(shape.as_slice()) {
        Ok(s) if !s.contains(&0) && bias_shape == [s[0]] && groups > 0 && s[0].is_multiple_of(groups) => {
            Ok(Conv::new(&weight, s, bias, groups, clamp))
        }
        _ => Err(format!("convolution {name} has weights {shape:?} and bias {bias_shape:?}")),
    }
}
