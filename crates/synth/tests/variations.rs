//! Seeds, noise and classes: what each choice changes, and what it leaves alone.

mod common;

use std::sync::Arc;

use common::{architectures, model};
use synth::{
    Creativity, Generator, LabelNorm, Labels, ModelFile, NoiseMode, Picture, Seed, SeedStyle, Tensor, Variation,
    latent, mean_w, reference,
};

fn draw(model: &ModelFile, variation: Variation, seed: u64) -> Picture {
    let generator = Arc::new(Generator::new(model).unwrap().with_variation(variation).unwrap());
    generator.worker().draw(Seed(seed), Creativity::default())
}

/// A model that adds noise to every convolution; its second architecture.
fn noisy(stored: bool) -> ModelFile {
    let mut model = model(&architectures()[1]);
    if stored {
        for (name, shape) in model.architecture.optional_tensors() {
            let data = (0..shape.iter().product()).map(|i: usize| (i as f32).sin()).collect();
            model.tensors.insert(name, Tensor { shape, data });
        }
    }
    for (name, tensor) in &mut model.tensors {
        if name.ends_with("noise_strength") {
            tensor.data[0] = 0.4;
        }
    }
    model
}

fn conditional(normalize: LabelNorm) -> ModelFile {
    let mut architecture = architectures()[2].clone();
    architecture.normalize_z = true;
    architecture.labels = Some(Labels { classes: 4, features: 7, normalize });
    model(&architecture)
}

#[test]
fn each_kind_of_noise_draws_another_picture_and_the_same_again() {
    let (model, plain) = (noisy(true), Variation::default());
    let random = Variation { noise: NoiseMode::Random, ..plain };
    let pinned = Variation { noise_seed: Some(Seed(5)), ..random };
    let none = Variation { noise: NoiseMode::None, ..plain };
    let pictures = [plain, random, pinned, none].map(|variation| draw(&model, variation, 1));
    for (i, picture) in pictures.iter().enumerate() {
        assert!(pictures[..i].iter().all(|other| other != picture), "{i}");
    }
    assert_eq!(draw(&model, random, 1), pictures[1]);
    // Pinned noise is the noise of that seed, in every picture.
    assert_eq!(draw(&model, pinned, 5), draw(&model, random, 5));
    // Without stored noise, const means each seed's own.
    assert_eq!(draw(&noisy(false), plain, 1), pictures[1]);
}

#[test]
fn no_noise_is_noise_of_no_strength() {
    let mut silent = noisy(true);
    silent.tensors.iter_mut().filter(|(name, _)| name.ends_with("noise_strength")).for_each(|(_, t)| t.data[0] = 0.0);
    let none = Variation { noise: NoiseMode::None, ..Variation::default() };
    assert_eq!(draw(&noisy(true), none, 3), draw(&silent, Variation::default(), 3));
}

#[test]
fn numpy_noise_follows_z_from_one_generator() {
    let (model, numpy) = (noisy(false), Variation { seeds: SeedStyle::Numpy, ..Variation::default() });
    // What the layers get is stored in another model and compared.
    let mut stored = model.clone();
    let mut state = synth::numpy::RandomState::new(Seed(77));
    state.fill(&mut vec![0.0; model.architecture.z_dim]);
    for (name, shape) in model.architecture.optional_tensors() {
        let mut data = vec![0.0; shape.iter().product()];
        state.fill(&mut data);
        stored.tensors.insert(name, Tensor { shape, data });
    }
    assert_eq!(draw(&model, numpy, 77), draw(&stored, numpy, 77));
    assert_ne!(draw(&model, numpy, 77), draw(&model, Variation::default(), 77));
}

#[test]
fn every_class_has_its_picture_and_without_one_the_seed_chooses() {
    for normalize in [LabelNorm::Apart, LabelNorm::Joined] {
        let model = conditional(normalize);
        let of = |class| draw(&model, Variation { class, ..Variation::default() }, 9);
        let pictures: Vec<Picture> = (0..4).map(|class| of(Some(class))).collect();
        assert!((0..4).all(|i| pictures[..i].iter().all(|other| *other != pictures[i])), "{normalize:?}");
        assert_eq!(of(None), pictures[latent::class(Seed(9), 4)], "{normalize:?}");
    }
}

#[test]
fn a_class_that_is_not_there_is_refused_with_the_range() {
    let class = |model: &ModelFile, class| {
        let variation = Variation { class: Some(class), ..Variation::default() };
        Generator::new(model).unwrap().with_variation(variation).map(drop).map_err(|error| error.to_string())
    };
    let conditional = conditional(LabelNorm::Apart);
    assert!(class(&conditional, 3).is_ok());
    assert!(class(&conditional, 4).unwrap_err().contains("0 to 3"));
    assert!(class(&noisy(false), 0).unwrap_err().contains("no classes"));
}

#[test]
fn the_fast_mapping_of_classes_equals_the_plain_one() {
    for normalize in [LabelNorm::Apart, LabelNorm::Joined] {
        let model = conditional(normalize);
        let generator = Generator::new(&model).unwrap();
        for seed in 0..20 {
            let (fast, plain) = (generator.w(Seed(seed)), reference::w(&model, Seed(seed)).unwrap());
            assert!(fast.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-5), "{normalize:?} {seed}");
        }
    }
}

#[test]
fn the_fingerprint_tells_variations_apart() {
    let generator = || Generator::new(&noisy(true)).unwrap();
    let plain = generator().fingerprint();
    let varied = |variation| generator().with_variation(variation).unwrap().fingerprint();
    assert_eq!(varied(Variation::default()), plain);
    assert_ne!(varied(Variation { noise: NoiseMode::None, ..Variation::default() }), plain);
    assert_ne!(varied(Variation { seeds: SeedStyle::Numpy, ..Variation::default() }), plain);
}

#[test]
fn the_mean_of_w_is_that_of_its_seeds() {
    let model = conditional(LabelNorm::Apart);
    let mean = mean_w(&model, 50).unwrap();
    let mut sum = vec![0.0; mean.len()];
    for seed in 0..50 {
        reference::w(&model, Seed(seed)).unwrap().iter().zip(&mut sum).for_each(|(w, sum)| *sum += w / 50.0);
    }
    assert!(mean.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-5));
}
