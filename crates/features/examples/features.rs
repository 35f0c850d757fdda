//! Runs a feature network on given pictures: `cargo run --release -p tadne-features --example features -- NETWORK IN OUT`.
//!
//! IN holds `pictures`, f32 [n, 3, h, w] in -1..1 at the network's own size; OUT gets `features`, f32 [n, features], the last
//! tap with its channels first. It is how `tools/check_features.py` compares whole networks with the packages they come from.

use std::collections::HashMap;
use std::fs;

use features::{Network, Workspace};
use kernels::{Crew, Isa};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, input, output] = arguments.as_slice() else { return Err("usage: features NETWORK IN OUT".into()) };
    let network = Network::find(network)?;
    let bytes = fs::read(input)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let view = file.tensor("pictures")?;
    let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let [n, 3, height, width] = *view.shape() else { return Err("pictures must be [n, 3, h, w]".into()) };
    let crew = Crew::new(Isa::from_environment()?, std::thread::available_parallelism()?.get());
    let mut taps = Vec::new();
    network.taps(&crew, &mut Workspace::default(), &values, [height, width], &mut taps)?;
    let last = taps.pop().ok_or("the network has no tap")?;
    let mut data = Vec::new();
    for picture in last.data.chunks_exact(last.stride()) {
        for channel in 0..last.channels {
            data.extend(picture.iter().skip(channel).step_by(last.channels).flat_map(|v| v.to_le_bytes()));
        }
    }
    let views = HashMap::from([("features", TensorView::new(Dtype::F32, vec![n, last.stride()], &data)?)]);
    fs::write(output, safetensors::serialize(views, None)?)?;
    Ok(())
}
