//! Runs a feature network on given pictures: `cargo run --release -p tadne-gan --example features -- NETWORK IN OUT`.
//!
//! IN holds `pictures`, f32 [n, 3, h, w] in -1..1 at the network's own size; OUT gets `features`, f32 [n, features]. It is how
//! `tools/check_features.py` compares whole networks with the packages they come from.

use std::collections::HashMap;
use std::fs;

use gan::{Device, Features, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, input, output] = arguments.as_slice() else { return Err("usage: features NETWORK IN OUT".into()) };
    let network = Features::find(network, Device::Cpu)?;
    let bytes = fs::read(input)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let view = file.tensor("pictures")?;
    let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
    let features = network.features(&Tensor::from_slice(&values).view(shape.as_slice()));
    let shape: Vec<usize> = features.size().iter().map(|&d| d as usize).collect();
    let values = Vec::<f32>::try_from(features.contiguous().view([-1]))?;
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let views = HashMap::from([("features", TensorView::new(Dtype::F32, shape, &data)?)]);
    fs::write(output, safetensors::serialize(views, None)?)?;
    Ok(())
}
