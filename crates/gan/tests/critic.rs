//! A run with a feature critic: it learns, is told of, and resumes to the bit.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{apart, config, stopped_and_unstopped, stopped_and_unstopped_by_two, trained};
use gan::{Config, CriticConfig, Error, MetricConfig, Trainer};
use safetensors::tensor::{Dtype, TensorView};

/// A network of three convolutions with two taps, made here.
const GRAPH: &str = r#"{"name": "tiny", "source": "made here", "license": "none needed", "size": 16,
    "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2], "taps": [1, 3], "nodes": [
    {"op": "conv", "from": [0], "name": "c0", "stride": [2, 2], "pad": "same", "groups": 1, "act": "relu6"},
    {"op": "conv", "from": [1], "name": "c1", "stride": [1, 1], "pad": "same", "groups": 8, "act": "relu6"},
    {"op": "conv", "from": [2], "name": "c2", "stride": [2, 2], "pad": "same", "groups": 1, "act": "relu"}]}"#;

fn network(folder: &Path) -> PathBuf {
    let mut tensors = Vec::new();
    for (i, (name, shape)) in
        [("c0", [8, 3, 3, 3]), ("c1", [8, 1, 3, 3]), ("c2", [12, 8, 3, 3])].into_iter().enumerate()
    {
        for (k, (part, shape)) in [("weight", shape.to_vec()), ("bias", vec![shape[0]])].into_iter().enumerate() {
            let mut values = vec![0f32; shape.iter().product()];
            synth::latent::normal(synth::Seed(7), (2 * i + k) as u32, &mut values);
            let data: Vec<u8> = values.iter().flat_map(|v| (v * 0.3).to_le_bytes()).collect();
            tensors.push((format!("{name}.{part}"), shape, data));
        }
    }
    let views = tensors.iter().map(|(n, s, d)| (n.as_str(), TensorView::new(Dtype::F32, s.clone(), d).unwrap()));
    let metadata = [("format", "tadne-features"), ("format_version", "1"), ("graph", GRAPH)];
    let metadata: HashMap<String, String> = metadata.map(|(k, v)| (k.into(), v.into())).into();
    let path = folder.join("tiny.safetensors");
    fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    path
}

fn with_critic(path: &Path) -> Config {
    let network = path.to_str().unwrap().to_owned();
    let critic =
        CriticConfig { network: network.clone(), channels: vec![8, 8], warmup_kimg: 0.02, ..CriticConfig::default() };
    let metric = MetricConfig { network, kimg: 0.04, samples: 12 };
    Config { critic: Some(critic), metric, ..config() }
}

#[test]
fn resume_is_bit_exact_with_a_feature_critic_and_a_meter() {
    let dir = tempfile::tempdir().unwrap();
    stopped_and_unstopped(&with_critic(&network(dir.path())));
}

#[test]
fn two_ranks_have_one_critic() {
    let dir = tempfile::tempdir().unwrap();
    stopped_and_unstopped_by_two(&with_critic(&network(dir.path())));
}

#[test]
fn a_critic_changes_what_g_learns_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = with_critic(&network(dir.path()));
    if let Some(critic) = &mut c.critic {
        (critic.warmup_kimg, critic.weight) = (0.0, 1.0);
    }
    let (with, said) = trained(c.clone());
    let (without, silent) = trained(Config { critic: None, ..c });
    assert!(said.critic > 0.0 && said.critic_real > said.critic_fake, "{said:?}");
    assert!(silent.critic == 0.0);
    let moved = apart(&with, &without);
    assert!(moved > 1e-3, "{moved}");
}

#[test]
fn a_critic_that_does_not_fit_its_network_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = network(dir.path());
    let refused = |change: fn(&mut CriticConfig)| {
        let mut c = with_critic(&path);
        change(c.critic.as_mut().unwrap());
        Trainer::new(c, 1).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(refused(|c| c.channels = vec![8]).contains("critic.channels"));
    assert!(refused(|c| c.network = "nowhere".into()).contains("nowhere"));
    let mut c = with_critic(&path);
    c.critic.as_mut().unwrap().lr = f64::NAN;
    assert!(matches!(Trainer::new(c, 1), Err(Error::Config { .. })));
}
