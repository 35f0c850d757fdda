//! The exported model draws what the trained network draws: two implementations of one function, held together.

mod common;

use std::sync::Arc;

use gan::{Checkpoint, Config, Precision, Trainer};
use synth::{Generator, NoiseInputs, Seed, Upsample, Variation};

/// A trainer whose weights have left their initial values, so that biases, averages and noise strengths take part.
fn trained(change: impl FnOnce(&mut Config)) -> Trainer {
    let mut c = common::config();
    c.precision = Precision::F32;
    change(&mut c);
    let size = c.resolution();
    let mut trainer = Trainer::new(c.clone(), 1).unwrap();
    let classes: Vec<u32> = (0..c.batch).filter(|_| c.classes() > 0).map(|i| (i % c.classes()) as u32).collect();
    for step in 0..6usize {
        let pixels: Vec<u8> = (0..c.batch * size * size * 3).map(|i| (i * 31 + step * 97 + i / 48 * 7) as u8).collect();
        trainer.step(&pixels, &classes).unwrap();
    }
    trainer
}

/// Largest difference between raw outputs, nominally in -1..1, over three seeds and three psi.
fn largest_difference(trainer: Trainer) -> f32 {
    let cases = [0, 7, u64::MAX].into_iter().flat_map(|seed| [0.3, 1.0, 2.0].map(|psi| (seed, psi)));
    let expected: Vec<_> = cases.map(|(seed, psi)| (seed, psi, trainer.raw(seed, psi))).collect();
    let checkpoint = Checkpoint { trainer, dataset: String::new(), seconds: 0.0 };
    let model = checkpoint.export(None, "test").unwrap();
    let generator = Arc::new(Generator::new(&model).unwrap());
    let w_avg = &model.tensors["mapping.w_avg"].data;
    let mut worker = generator.worker();
    let mut largest = 0f32;
    for (seed, psi, expected) in expected {
        let w = generator.w(Seed(seed));
        let w: Vec<f32> = w.iter().zip(w_avg).map(|(w, mean)| mean + psi as f32 * (w - mean)).collect();
        let drawn = worker.synthesize(&w, Seed(seed));
        assert_eq!(drawn.len(), expected.len());
        assert!(expected.iter().any(|v| v.abs() > 0.01), "the picture is empty");
        largest = drawn.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(largest, f32::max);
    }
    largest
}

#[test]
fn the_exported_model_draws_the_trained_network_s_pictures() {
    for upsample in [Upsample::ConvUp, Upsample::UpConv, Upsample::StyleGan2] {
        for noise in [NoiseInputs::None, NoiseInputs::Coarse, NoiseInputs::All] {
            let d = largest_difference(trained(|c| {
                c.architecture.upsample = upsample;
                c.architecture.noise = noise;
                c.architecture.channels = vec![24, 20, 12, 8];
                c.discriminator.channels = vec![16, 16, 8, 8];
            }));
            assert!(d < 1e-3, "{upsample:?}, noise {noise:?}: {d}");
        }
    }
}

#[test]
fn a_network_with_classes_draws_each_seed_s_class_in_both() {
    let d = largest_difference(trained(|c| *c = c.clone().with_classes(5)));
    assert!(d < 1e-3, "{d}");
    // The class matters: another one's picture is another.
    let checkpoint =
        Checkpoint { trainer: trained(|c| *c = c.clone().with_classes(5)), dataset: String::new(), seconds: 0.0 };
    let model = checkpoint.export(None, "test").unwrap();
    let drawn = [1, 3].map(|class| {
        let variation = Variation { class: Some(class), ..Variation::default() };
        let generator = Generator::new(&model).unwrap().with_variation(variation).unwrap();
        let w = generator.w(Seed(4));
        Arc::new(generator).worker().synthesize(&w, Seed(4)).to_vec()
    });
    assert!(common::apart(&drawn[0], &drawn[1]) > 1e-3, "two classes look the same");
}

#[test]
fn a_clamped_network_stays_within_its_clamp_in_both() {
    let d = largest_difference(trained(|c| c.architecture.conv_clamp = Some(0.5)));
    assert!(d < 1e-3, "{d}");
}

#[test]
fn a_grown_network_draws_the_old_picture_enlarged_and_learns_on() {
    let small = trained(|_| ());
    let mut config = small.config().clone();
    config.architecture.channels.push(12);
    config.discriminator.channels.push(12);
    let mut grown = Trainer::grow(&small, config.clone(), 1).unwrap();
    assert_eq!((grown.progress().images, grown.progress().images_before), (0, small.progress().images));
    let (a, b) = (small.raw(5, 1.0), grown.raw(5, 1.0));
    assert_eq!(b.len(), 4 * a.len());
    for channel in 0..3 {
        // Inside, four pixels of a bilinear enlargement have the mean of a pixel and a blur of its neighbours.
        let at = |p: &[f32], size: usize, x: usize, y: usize| p[(channel * size + y) * size + x];
        for (x, y) in [(3, 3), (8, 5), (12, 11)] {
            let mean = |f: &dyn Fn(usize, usize) -> f32| (f(0, 0) + f(0, 1) + f(1, 0) + f(1, 1)) / 4.0;
            let enlarged = mean(&|i, j| at(&b, 32, 2 * x + i, 2 * y + j));
            let blur = |d: usize| [1.0, 6.0, 1.0][d] / 8.0;
            let expected: f32 = (0..3)
                .flat_map(|i| (0..3).map(move |j| (i, j)))
                .map(|(i, j)| blur(i) * blur(j) * at(&a, 16, x + i - 1, y + j - 1))
                .sum();
            assert!((enlarged - expected).abs() < 1e-5, "{enlarged} is not {expected}");
        }
    }
    {
        grown.step(&vec![100; config.batch * 32 * 32 * 3], &[]).unwrap();
        assert!(grown.take_means().unwrap().loss_d.is_finite());
    }
    config.architecture.channels[0] += 1;
    assert!(Trainer::grow(&small, config, 1).is_err(), "other channels are no growth");
}
