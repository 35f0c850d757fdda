//! Feature networks: every operation equals PyTorch's, damaged files are refused, and a run with a feature critic resumes exactly.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{config, stopped_and_unstopped};
use gan::{CriticConfig, Device, Error, Features, MetricConfig, Tensor};
use safetensors::tensor::{Dtype, TensorView};

/// Values that any language can make.
struct Values(u64);

impl Values {
    fn take(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = (self.0 * 1_103_515_245 + 12345) % (1 << 31);
            (self.0 as f64 / f64::from(1u32 << 31) * 2.0 - 1.0) as f32
        };
        (0..n).map(|_| next()).collect()
    }
}

/// Every operation once: uneven and even padding, groups, both activations, both poolings, a sum, a joining.
const GRAPH: &str = r#"{"name": "tiny", "source": "made here", "license": "none needed", "size": 12,
    "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2], "taps": [4, 8], "nodes": [
    {"op": "conv", "from": [0], "name": "c0", "stride": [2, 2], "pad": "same", "groups": 1, "act": "relu6"},
    {"op": "conv", "from": [1], "name": "c1", "stride": [1, 1], "pad": "same", "groups": 8, "act": "relu6"},
    {"op": "conv", "from": [2], "name": "c2", "stride": [1, 1], "pad": "valid", "groups": 1, "act": "none"},
    {"op": "add", "from": [1, 3]},
    {"op": "max_pool", "from": [4], "size": [3, 3], "stride": [2, 2], "pad": "same"},
    {"op": "avg_pool", "from": [5], "size": [3, 3], "stride": [1, 1], "pad": "same"},
    {"op": "conv", "from": [5], "name": "c3", "stride": [1, 1], "pad": [0, 1], "groups": 1, "act": "relu"},
    {"op": "concat", "from": [6, 7]}]}"#;

/// Writes the small network as `graph` describes it; gives the path and the values that follow its weights.
fn network(folder: &Path, graph: &str) -> (PathBuf, Values) {
    let mut values = Values(7);
    let shapes =
        [("c0", vec![8, 3, 3, 3]), ("c1", vec![8, 1, 5, 5]), ("c2", vec![8, 8, 1, 1]), ("c3", vec![4, 8, 1, 3])];
    let mut tensors = Vec::new();
    for (name, shape) in shapes {
        let bias = vec![shape[0]];
        for (part, shape) in [("weight", shape), ("bias", bias)] {
            let data: Vec<u8> = values.take(shape.iter().product()).iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((format!("{name}.{part}"), shape, data));
        }
    }
    let views = tensors.iter().map(|(n, s, d)| (n.as_str(), TensorView::new(Dtype::F32, s.clone(), d).unwrap()));
    let metadata = [("format", "tadne-features"), ("format_version", "1"), ("graph", graph)];
    let metadata: HashMap<String, String> = metadata.map(|(k, v)| (k.into(), v.into())).into();
    let path = folder.join("tiny.safetensors");
    fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    (path, values)
}

/// Means over height and width of the last tap for two pictures; PyTorch 2.11 in f64.
const GOLDEN: [[f32; 12]; 2] = [
    [
        13.06581, 5.642_796, 7.837_735, 4.844_758, 3.372_351, 5.786_717, 7.505_721, 2.941_229, 3.599_473, 2.578_928,
        12.123_502, 20.66463,
    ],
    [
        13.646_227, 8.223_113, 7.083_256, 6.283_446, 4.022_423, 6.296_161, 8.43207, 2.079_897, 3.311_804, 2.534_113,
        11.887_661, 22.986_069,
    ],
];

#[test]
fn every_operation_equals_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut values) = network(dir.path(), GRAPH);
    let network = Features::open(&path, Device::Cpu).unwrap();
    assert_eq!((network.name(), network.hash().len()), ("tiny", 16));
    let x = Tensor::from_slice(&values.take(2 * 3 * 12 * 12)).view([2, 3, 12, 12]);
    let y = network.features(&x).view([2, 12, 9]);
    for (row, golden) in GOLDEN.iter().enumerate() {
        for (channel, golden) in golden.iter().enumerate() {
            let cells = Vec::<f32>::try_from(y.get(row as i64).get(channel as i64)).unwrap();
            let mean = cells.iter().sum::<f32>() / 9.0;
            assert!((mean - golden).abs() < 1e-4, "picture {row}, channel {channel}: {mean} is not {golden}");
        }
    }
}

#[test]
fn a_damaged_network_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |graph: &str| {
        let (path, _) = network(dir.path(), graph);
        let error = Features::open(&path, Device::Cpu).unwrap_err();
        assert!(matches!(error, Error::Features { .. }), "{error}");
        error.to_string()
    };
    assert!(refused("{}").contains("list of operations"));
    assert!(refused(&GRAPH.replace(r#""from": [6, 7]"#, r#""from": [6, 9]"#)).contains("operation 7"));
    assert!(refused(&GRAPH.replace("c3", "c4")).contains("c4.weight"));
    assert!(refused(&GRAPH.replace(r#""taps": [4, 8]"#, r#""taps": [4, 80]"#)).contains("taps"));
    assert!(refused(&GRAPH.replace(r#""from": [1, 3]"#, r#""from": [0, 3]"#)).contains("do not fit"));
    assert!(refused(&GRAPH.replace(r#""groups": 8"#, r#""groups": 3"#)).contains("c1"));
    let (path, _) = network(dir.path(), GRAPH);
    let whole = fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(Features::open(&path, Device::Cpu).is_err(), "cut to {cut} bytes");
    }
    assert!(Features::find("no-such-network", Device::Cpu).unwrap_err().to_string().contains("tools/features.py"));
}

#[test]
fn a_run_with_a_feature_critic_and_measurements_resumes_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = network(dir.path(), GRAPH);
    let network = path.to_str().unwrap().to_owned();
    let mut c = config();
    c.one_stage = true;
    c.critic = Some(CriticConfig {
        network: network.clone(),
        channels: vec![8, 16],
        warmup_kimg: 0.05,
        fraction: 0.5,
        ..CriticConfig::default()
    });
    c.metric = MetricConfig { network, kimg: 0.032, samples: 20 };
    stopped_and_unstopped(&c);
}
