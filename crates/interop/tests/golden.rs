//! Pictures of imported networks equal those that their own authors' code draws. `golden/make.py` made the files with
//! stylegan2-ada-pytorch, stylegan3 and rosinality/stylegan2-pytorch; `golden.json` holds some values of each picture and
//! the mean square of all.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::golden;
use interop::{WeightSet, open};
use serde::Deserialize;
use synth::{Generator, Metadata, NoiseMode, Seed, SeedStyle, Variation, reference};

#[derive(Deserialize)]
struct Case {
    file: String,
    #[serde(default)]
    which: Option<String>,
    pictures: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    seed: u64,
    psi: f32,
    noise: String,
    class: Option<usize>,
    every: usize,
    values: Vec<f32>,
    mean_square: f64,
}

#[test]
fn pictures_equal_their_authors() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/golden.json")).unwrap();
    let mut pictures = HashMap::new();
    for case in cases {
        let which = if case.which.is_some() { WeightSet::Raw } else { WeightSet::Ema };
        let network = open(&golden(&case.file), which).unwrap();
        let model = network.load(Metadata::default(), &mut |_| ()).unwrap();
        let mut generator = Generator::new(&model).unwrap();
        for expected in &case.pictures {
            let variation = Variation {
                seeds: SeedStyle::Numpy,
                noise: expected.noise.parse::<NoiseMode>().unwrap(),
                noise_seed: None,
                class: expected.class,
            };
            let shared = Arc::new(generator.with_variation(variation).unwrap());
            let mut w = shared.w(Seed(expected.seed));
            reference::truncate(&mut w, &model.tensors["mapping.w_avg"].data, expected.psi);
            let mut worker = shared.worker();
            let raw = worker.synthesize(&w, Seed(expected.seed));
            let what = format!("{} seed {} psi {} noise {}", case.file, expected.seed, expected.psi, expected.noise);
            assert_eq!(raw.len().div_ceil(expected.every), expected.values.len(), "{what}");
            let error = raw.iter().step_by(expected.every).zip(&expected.values);
            let worst = error.fold(0.0_f32, |worst, (found, value)| worst.max((found - value).abs()));
            assert!(worst < 1e-4, "{what}: {worst}");
            let mean_square = raw.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / raw.len() as f64;
            assert!((mean_square - expected.mean_square).abs() < 1e-4 * mean_square, "{what}: {mean_square}");
            drop(worker);
            generator = Arc::into_inner(shared).expect("the worker is gone");
            *pictures.entry(case.file.clone()).or_insert(0) += 1;
        }
    }
    // Ten files with pictures at psi 0.5, 1.0 and 1.3, and one with a network of another file in another container.
    assert!(pictures.len() == 11 && pictures.values().filter(|&&n| n >= 3).count() == 10, "{pictures:?}");
}
