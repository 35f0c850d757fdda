//! Small networks for the tests of this folder.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

/// Values that any language can make.
pub(crate) struct Values(pub(crate) u64);

impl Values {
    pub(crate) fn take(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = (self.0 * 1_103_515_245 + 12345) % (1 << 31);
            (self.0 as f64 / f64::from(1u32 << 31) * 2.0 - 1.0) as f32
        };
        (0..n).map(|_| next()).collect()
    }
}

/// Every operation once: uneven and even padding, groups, both activations, both poolings, a sum, a joining.
pub(crate) const GRAPH: &str = r#"{"name": "tiny", "source": "made here", "license": "none needed", "size": 12,
    "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2], "taps": [4, 8], "nodes": [
    {"op": "conv", "from": [0], "name": "c0", "stride": [2, 2], "pad": "same", "groups": 1, "act": "relu6"},
    {"op": "conv", "from": [1], "name": "c1", "stride": [1, 1], "pad": "same", "groups": 8, "act": "relu6"},
    {"op": "conv", "from": [2], "name": "c2", "stride": [1, 1], "pad": "valid", "groups": 1, "act": "none"},
    {"op": "add", "from": [1, 3]},
    {"op": "max_pool", "from": [4], "size": [3, 3], "stride": [2, 2], "pad": "same"},
    {"op": "avg_pool", "from": [5], "size": [3, 3], "stride": [1, 1], "pad": "same"},
    {"op": "conv", "from": [5], "name": "c3", "stride": [1, 1], "pad": [0, 1], "groups": 1, "act": "relu"},
    {"op": "concat", "from": [6, 7]}]}"#;

/// What [`GRAPH`] has not: convolutions in groups of several channels, strides of depthwise ones, a mean.
pub(crate) const GROUPED: &str = r#"{"name": "grouped", "source": "made here", "license": "none needed", "size": 9,
    "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2], "taps": [2, 4], "nodes": [
    {"op": "conv", "from": [0], "name": "c0", "stride": [1, 1], "pad": [1, 1], "groups": 1, "act": "none"},
    {"op": "conv", "from": [1], "name": "g", "stride": [2, 1], "pad": [1, 0], "groups": 2, "act": "relu"},
    {"op": "conv", "from": [2], "name": "c1", "stride": [2, 3], "pad": "same", "groups": 8, "act": "none"},
    {"op": "mean", "from": [3]}]}"#;

/// Writes the small network as `graph` describes it; gives the path and the values that follow its weights.
pub(crate) fn network(folder: &Path, graph: &str) -> (PathBuf, Values) {
    let mut values = Values(7);
    let shapes =
        [("c0", vec![8, 3, 3, 3]), ("c1", vec![8, 1, 5, 5]), ("c2", vec![8, 8, 1, 1]), ("c3", vec![4, 8, 1, 3])];
    let more = [("g", vec![8, 4, 3, 2])];
    let mut tensors = Vec::new();
    let mut add = |values: &mut Values, name: &str, shape: Vec<usize>| {
        let bias = vec![shape[0]];
        for (part, shape) in [("weight", shape), ("bias", bias)] {
            let data: Vec<u8> = values.take(shape.iter().product()).iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((format!("{name}.{part}"), shape, data));
        }
    };
    for (name, shape) in shapes {
        add(&mut values, name, shape);
    }
    for (name, shape) in more {
        add(&mut Values(9), name, shape);
    }
    let views = tensors.iter().map(|(n, s, d)| (n.as_str(), TensorView::new(Dtype::F32, s.clone(), d).unwrap()));
    let metadata = [("format", "tadne-features"), ("format_version", "1"), ("graph", graph)];
    let metadata: HashMap<String, String> = metadata.map(|(k, v)| (k.into(), v.into())).into();
    let path = folder.join("tiny.safetensors");
    fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    (path, values)
}
