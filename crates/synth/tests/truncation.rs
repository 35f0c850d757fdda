//! Pictures of a model whose `w` were measured: the ways to draw one agree, and creativity means what it should.

mod common;

use std::sync::Arc;

use common::{architectures, model};
use synth::{
    Architecture, Calibration, Creativity, Generator, ModelError, ModelFile, Picture, Recipe, Seed, Tensor, WeightDtype,
};

/// 32 px, so that some layers are fine ones, with 4 centres.
fn measured() -> ModelFile {
    let architecture =
        Architecture { base: [4, 4], channels: vec![16, 12, 8, 8], labels: None, ..architectures()[0].clone() };
    let mut model = model(&architecture);
    let generator = Generator::new(&model).unwrap();
    let centres: Vec<f32> = (100..104).flat_map(|seed| generator.w(Seed(seed))).collect();
    let mut add = |name: &str, shape, data| model.tensors.insert(name.into(), Tensor { shape, data });
    add("truncation.centres", vec![4, architecture.w_dim], centres);
    add("truncation.spread", vec![2], vec![20.0, 0.5]);
    model
}

fn psi(value: f32) -> Creativity {
    Creativity::new(value).unwrap()
}

#[test]
fn seed_recipe_and_batch_give_the_same_bytes() {
    let mut worker = Arc::new(Generator::new(&measured()).unwrap()).worker();
    let wanted: Vec<_> = [0.2, 1.0, 1.6, 2.0, 0.7].into_iter().zip(0..).map(|(p, s)| (Seed(s), psi(p))).collect();
    let mut batch = vec![Picture::default(); wanted.len()];
    worker.draw_batch(&wanted, &mut batch);
    for (&(seed, psi), together) in wanted.iter().zip(&batch) {
        assert_eq!(&worker.draw(seed, psi), together, "seed {seed} psi {psi}");
        let recipe = Recipe::from(seed);
        let styles = recipe.styles(worker.generator(), psi);
        let styled = worker.draw_styles(&styles, Some(seed), &|| false).unwrap();
        assert_eq!(&styled, together, "seed {seed} psi {psi}");
    }
}

#[test]
fn the_calmest_pictures_are_of_several_kinds() {
    let mut worker = Arc::new(Generator::new(&measured()).unwrap()).worker();
    let calm = worker.draw(Seed(100), Creativity::MIN);
    assert_eq!(calm, worker.draw(Seed(100), Creativity::MIN));
    assert_ne!(calm, worker.draw(Seed(101), Creativity::MIN));
}

#[test]
fn a_calibration_moves_creativity_and_the_fingerprint() {
    let mut model = measured();
    let plain = Arc::new(Generator::new(&model).unwrap());
    model.metadata.calibration = Some(Calibration { psi_low: 0.5, psi_best: 0.8, psi_high: 1.4 });
    let calibrated = Arc::new(Generator::new(&model).unwrap());
    assert_ne!(plain.fingerprint(), calibrated.fingerprint());
    for (creativity, meant) in [(0.3, 0.5), (1.0, 0.8), (2.0, 1.4)] {
        let expected = plain.worker().draw(Seed(7), psi(meant));
        assert_eq!(calibrated.worker().draw(Seed(7), psi(creativity)), expected, "{creativity}");
    }
    let again = ModelFile::from_bytes(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap();
    assert_eq!(again, model);
}

#[test]
fn measurements_that_make_no_sense_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut ModelFile)| {
        let mut model = measured();
        change(&mut model);
        let error: ModelError = Generator::new(&model).unwrap_err();
        error.to_string()
    };
    let no_spread = refused(&|m| drop(m.tensors.remove("truncation.spread")));
    assert!(no_spread.contains("truncation.centres") && no_spread.contains("truncation.spread"), "{no_spread}");
    let negative = refused(&|m| m.tensors.get_mut("truncation.spread").unwrap().data[1] = -1.0);
    assert!(negative.contains("above 0"), "{negative}");
    let falling = refused(&|m| {
        m.metadata.calibration = Some(Calibration { psi_low: 0.9, psi_best: 0.8, psi_high: 1.4 });
    });
    assert!(falling.contains("calibration"), "{falling}");
}
