//! tract's side of the comparison: answers requests on standard input, so that all are timed by turns.
//!
//! Started by `benches/peers/draw.py` as `tract-peer ONNX_FILE`. Each line is the path of a file with the numbers of w
//! (little-endian f32); the network runs twice on one thread and the answer is the milliseconds of the second time and the
//! sum of the absolute values of the picture.

use std::time::Instant;

use anyhow::Context;
use tract_onnx::prelude::*;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("usage: tract-peer ONNX_FILE")?;
    let model = tract_onnx::onnx().model_for_path(path)?.into_optimized()?.into_runnable()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        let bytes = std::fs::read(line?)?;
        let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let w: Tensor = tract_ndarray::Array2::from_shape_vec((1, numbers.len()), numbers)?.into();
        model.run(tvec!(w.clone().into()))?;
        let start = Instant::now();
        let picture = model.run(tvec!(w.into()))?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let sum: f32 = picture[0].to_plain_array_view::<f32>()?.iter().map(|v| v.abs()).sum();
        println!("{ms} {sum}");
    }
    Ok(())
}
