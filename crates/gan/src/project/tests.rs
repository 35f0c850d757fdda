use std::sync::Arc;

use kernels::Isa;
use synth::{
    Architecture, Creativity, Generator, LabelNorm, Labels, NoiseInputs, Tensor, Upsample, Variation, reference,
};

use super::*;

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut out = vec![0.0; n];
    synth::latent::normal(Seed(seed), 0, &mut out);
    out
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// This project's own, and what networks of others are like: other doublings, noise (stored in part), a bound, classes, no square.
fn architectures() -> Vec<Architecture> {
    let own = Architecture::plain(8, 8, &[16, 12, 8]);
    let labels = Labels { classes: 3, features: 4, normalize: LabelNorm::Apart };
    vec![
        own.clone(),
        Architecture { upsample: Upsample::UpConv, noise: NoiseInputs::Coarse, ..own.clone() },
        Architecture {
            upsample: Upsample::StyleGan2,
            noise: NoiseInputs::All,
            conv_clamp: Some(4.0),
            labels: Some(labels),
            base: [4, 2],
            ..own
        },
    ]
}

/// A model with weights drawn by lot, and stored noise in some places where it has noise.
fn model(architecture: &Architecture) -> ModelFile {
    let mut model = ModelFile::random(architecture.clone(), Seed(3)).unwrap();
    if architecture.noise != NoiseInputs::None {
        let [h, w] = architecture.base.map(|side| 2 * side);
        let stored = Tensor { shape: vec![h, w], data: numbers(h * w, 8) };
        model.tensors.insert("synthesis.b8.conv1.noise_const".into(), stored);
    }
    model
}

/// The slopes of random sums of pixels in one w, and in a w for each convolution, against difference quotients of the forward pass in plain loops.
#[test]
fn slopes_in_w_equal_difference_quotients_of_the_reference() {
    for architecture in architectures() {
        let model = model(&architecture);
        let generator = Generator::new(&model).unwrap();
        let cpu = Cpu::new(Isa::best(), 2);
        let mut frozen = Frozen::<f32>::new(&model, generator.noise(Seed(0)));
        for rows in [1, generator.layers()] {
            let each = rows * architecture.w_dim;
            let all = numbers(2 * each, 4);
            let pictures = frozen.draw(&cpu, &all, rows).to_vec();
            let area = pictures.len() / 2;
            let weights = numbers(pictures.len(), 5);
            let slopes = frozen.back(&cpu, &weights);
            for picture in 0..2 {
                let (w, weights) = (&all[picture * each..][..each], &weights[picture * area..][..area]);
                let value = |w: &[f32]| dot(&reference::synthesize(&model, w, Seed(0)).unwrap(), weights);
                let drawn = dot(&pictures[picture * area..][..area], weights);
                assert!((value(w) - drawn).abs() < 1e-3 * dot(weights, weights).sqrt(), "{architecture:?}: {drawn}");
                let slope = &slopes[picture * each..][..each];
                let length = dot(slope, slope).sqrt();
                for direction in 0..6 {
                    let random = numbers(each, 100 + direction);
                    // At random, and partly along the slope, so that the quotient stands out from rounding.
                    let step: Vec<f32> = random.iter().zip(slope).map(|(r, s)| r + 2.0 * s / length as f32).collect();
                    let found = dot(slope, &step);
                    // Large steps cross kinks of the leaky ReLU and of the bound, small ones drown in rounding: one of them is right.
                    let quotient = |by: f32| {
                        let moved = |by: f32| value(&w.iter().zip(&step).map(|(w, d)| w + by * d).collect::<Vec<_>>());
                        (moved(by) - moved(-by)) / (2.0 * f64::from(by))
                    };
                    let quotients = [3e-3, 1e-3, 3e-4].map(quotient);
                    let error = quotients.map(|q| (q - found).abs()).into_iter().fold(f64::MAX, f64::min);
                    assert!(
                        error < 0.01 * length * dot(&step, &step).sqrt(),
                        "{architecture:?}, {rows} rows: slope {found}, quotients {quotients:?}, length {length}"
                    );
                }
            }
        }
    }
}

/// A drawing of a model as it composes it, the w of its seed, and the model.
fn drawing(architecture: &Architecture) -> (ModelFile, Arc<Generator>, Vec<f32>, synth::Picture) {
    let model = model(architecture);
    let generator = Arc::new(Generator::new(&model).unwrap());
    let w = generator.truncate(&generator.w(Seed(77)), Creativity::new(0.8).unwrap()).w;
    let picture = generator.worker().draw_w(&w, Some(Seed(0)));
    (model, generator, w, picture)
}

fn mean_square(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() / a.len() as f64
}

#[test]
fn a_drawing_is_found_again() {
    for architecture in architectures() {
        let (model, generator, w, picture) = drawing(&architecture);
        for (space, precision) in [
            (ProjectionSpace::W, Precision::F32),
            (ProjectionSpace::Plus, Precision::F32),
            (ProjectionSpace::W, Precision::Bf16),
        ] {
            let usual = ProjectConfig::new(space);
            let config = ProjectConfig { starts: 2, steps: 150, lr: 0.1, noise: 0.3, pull: 1e-4, precision, ..usual };
            let mut projector = Projector::new(config, (&model, &generator), &picture.rgb, None, 2).unwrap();
            let before = projector.look().clone();
            for _ in 0..150 {
                projector.step();
            }
            let after = projector.look().clone();
            let fall = before.difference.loss / after.difference.loss;
            assert!(fall > 10.0, "{architecture:?} {space:?} {precision:?}: {before:?} {after:?}");
            let redrawn = generator.worker().draw_w(&after.w, Some(Seed(0)));
            let error = mean_square(&redrawn.rgb, &picture.rgb).sqrt();
            assert!(error < 3.0, "{architecture:?} {space:?} {precision:?}: off by {error} of 255");
            if space == ProjectionSpace::W && precision == Precision::F32 {
                let apart = |a: &[f32]| a.iter().zip(&w).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
                assert!(apart(&after.w) < 0.03 * apart(generator.w_avg()), "{:?} {w:?}", after.w);
            }
        }
    }
}

#[test]
fn equal_seeds_find_the_same_at_any_number_of_threads_and_others_begin_elsewhere() {
    let (model, generator, _, picture) = drawing(&architectures()[0]);
    let run = |seed: u64, threads: usize| {
        let config = ProjectConfig { starts: 3, steps: 8, seed, ..ProjectConfig::new(ProjectionSpace::W) };
        let mut projector = Projector::new(config, (&model, &generator), &picture.rgb, None, threads).unwrap();
        let losses: Vec<_> = (0..8).map(|_| projector.step()).collect();
        (losses, projector.look().clone())
    };
    assert_eq!(run(1, 1), run(1, 2));
    assert_ne!(run(1, 1).1.w, run(2, 1).1.w);
}

#[test]
fn what_is_drawn_at_once_makes_no_difference() {
    let (model, generator, _, picture) = drawing(&architectures()[2]);
    let run = |together: usize| {
        let config = ProjectConfig {
            starts: 3,
            steps: 4,
            lr: 0.1,
            precision: Precision::F32,
            ..ProjectConfig::new(ProjectionSpace::Plus)
        };
        let mut projector = Projector::new(config, (&model, &generator), &picture.rgb, None, 1).unwrap();
        projector.together = together;
        for _ in 0..4 {
            projector.step();
        }
        projector.look().clone()
    };
    let (one, all) = (run(1), run(16));
    assert!(one.w.iter().zip(&all.w).all(|(a, b)| (a - b).abs() < 1e-3), "{one:?} {all:?}");
}

#[test]
fn the_pull_brings_w_to_its_mean() {
    let (model, generator, _, picture) = drawing(&architectures()[0]);
    let run = |pull: f64| {
        let config = ProjectConfig { steps: 60, pull, ..ProjectConfig::new(ProjectionSpace::W) };
        let mut projector = Projector::new(config, (&model, &generator), &picture.rgb, None, 1).unwrap();
        for _ in 0..60 {
            projector.step();
        }
        projector.look().difference
    };
    let (free, held) = (run(0.0), run(100.0));
    assert!(held.distance < 0.05 && free.distance > 2.0 * held.distance, "{free:?} {held:?}");
    assert!(free.pixels < held.pixels, "{free:?} {held:?}");
}

#[test]
fn a_class_of_its_own_has_its_own_mean() {
    let architecture = &architectures()[2];
    let (model, _, _, picture) = drawing(architecture);
    let mean = |class: usize| {
        let variation = Variation { class: Some(class), ..Variation::default() };
        let generator = Generator::new(&model).unwrap().with_variation(variation).unwrap();
        let config = ProjectConfig { starts: 1, ..ProjectConfig::new(ProjectionSpace::W) };
        Projector::new(config, (&model, &generator), &picture.rgb, None, 1).unwrap().spread.mean
    };
    assert_ne!(mean(0), mean(1));
}

#[test]
fn schedules_rise_and_fall() {
    let c = ProjectConfig { steps: 100, lr: 0.1, noise: 0.3, ..ProjectConfig::new(ProjectionSpace::W) };
    assert!((c.rate(0) - 0.02).abs() < 1e-9 && (c.rate(50) - 0.1).abs() < 1e-9 && c.rate(99) < 0.001);
    assert!((c.noise(0) - 0.3).abs() < 1e-6 && (c.noise(0) > c.noise(30)) && c.noise(75) <= 0.0);
}

#[test]
fn numbers_out_of_bounds_are_refused_by_name() {
    let usual = ProjectConfig::new(ProjectionSpace::W);
    for (config, word) in [
        (ProjectConfig { starts: 0, ..usual }, "starts"),
        (ProjectConfig { steps: 0, ..usual }, "steps"),
        (ProjectConfig { lr: f64::NAN, ..usual }, "lr"),
        (ProjectConfig { pull: -1.0, ..usual }, "pull"),
        (ProjectConfig { features: f64::INFINITY, ..usual }, "features"),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
