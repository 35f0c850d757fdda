//! Values from an independent implementation in PyTorch (f64, `conv2d`, `conv_transpose2d`, `interpolate`), which read
//! the same models as safetensors files. Three seeds at psi 0.3, 1.0 and 2.0 for every way of doubling; `golden.json`
//! holds every 61st value of each planar picture and the mean square of all.

mod common;

use std::sync::Arc;

use common::{architectures, model};
use serde::Deserialize;
use synth::{Generator, Isa, Seed, Upsample, reference};

#[derive(Deserialize)]
struct Golden {
    upsample: Upsample,
    every: usize,
    pictures: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    seed: u64,
    psi: f32,
    mean_square: f64,
    values: Vec<f32>,
}

#[test]
fn pictures_equal_pytorchs() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert_eq!(golden.len(), 3);
    for (architecture, golden) in architectures().iter().zip(golden) {
        assert_eq!(architecture.upsample, golden.upsample);
        assert_eq!(golden.pictures.len(), 9);
        let model = model(architecture);
        for isa in Isa::available() {
            let generator = Arc::new(Generator::with_isa(&model, *isa).unwrap());
            let mut worker = generator.worker();
            for expected in &golden.pictures {
                let mut w = generator.w(Seed(expected.seed));
                reference::truncate(&mut w, &model.tensors["mapping.w_avg"].data, expected.psi);
                let raw = worker.synthesize(&w, Seed(expected.seed));
                let mean_square = raw.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / raw.len() as f64;
                let worst = raw
                    .iter()
                    .step_by(golden.every)
                    .zip(&expected.values)
                    .fold(0.0_f32, |worst, (found, value)| worst.max((found - value).abs()));
                let what = format!("{isa} {:?} seed {} psi {}", golden.upsample, expected.seed, expected.psi);
                assert_eq!(raw.len().div_ceil(golden.every), expected.values.len());
                assert!(worst < 5e-5, "{what}: {worst}");
                assert!((mean_square - expected.mean_square).abs() < 1e-4 * mean_square, "{what}");
            }
        }
    }
}
