//! What a picture depends on, and that the fast path draws what the plain one says.

mod common;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use common::{architectures, model};
use proptest::prelude::*;
use synth::{
    Architecture, Creativity, Generator, Ink, Isa, ModelFile, NoiseInputs, Picture, Recipe, Seed, Tensor, Upsample,
    reference,
};

fn generator(model: &ModelFile) -> Arc<Generator> {
    Arc::new(Generator::new(model).unwrap())
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

#[test]
fn same_seed_same_picture() {
    for architecture in architectures() {
        let generator = generator(&model(&architecture));
        let (mut one, mut other) = (generator.worker(), generator.worker());
        let picture = one.draw(Seed(7), Creativity::default());
        // Pictures drawn in between leave nothing behind.
        one.draw(Seed(8), Creativity::MAX);
        assert_eq!(picture, one.draw(Seed(7), Creativity::default()));
        assert_eq!(picture, other.draw(Seed(7), Creativity::default()));
        assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
    }
}

#[test]
fn a_model_that_is_used_up_draws_as_one_that_is_kept() {
    for architecture in architectures() {
        let model = model(&architecture);
        let kept = generator(&model);
        let used_up = Arc::new(Generator::consume(model).unwrap());
        assert_eq!(used_up.fingerprint(), kept.fingerprint());
        assert_eq!(
            used_up.worker().draw(Seed(7), Creativity::default()),
            kept.worker().draw(Seed(7), Creativity::default())
        );
    }
}

#[test]
fn another_seed_another_picture() {
    let generator = generator(&model(&architectures()[0]));
    let mut worker = generator.worker();
    let pictures = [0, 1, 1 << 32, u64::MAX].map(|seed| worker.draw(Seed(seed), Creativity::default()).rgb);
    for (i, a) in pictures.iter().enumerate() {
        assert!(pictures[..i].iter().all(|b| a != b));
    }
}

#[test]
fn psi_zero_is_the_centre() {
    let model = model(&architectures()[0]);
    let mut worker = generator(&model).worker();
    let centre = worker.draw(Seed(1), Creativity::MIN);
    assert_eq!(centre, worker.draw(Seed(2), Creativity::MIN));
    let raw = worker.synthesize(&model.tensors["mapping.w_avg"].data, Seed(3)).to_vec();
    let area = centre.width * centre.height;
    for (i, &byte) in centre.rgb.iter().enumerate() {
        assert_eq!(byte, (raw[i % 3 * area + i / 3] * 127.5 + 128.0).floor().clamp(0.0, 255.0) as u8);
    }
}

#[test]
fn psi_one_is_the_seed_itself() {
    let model = model(&architectures()[0]);
    let generator = generator(&model);
    let w = generator.w(Seed(5));
    let mut truncated = w.clone();
    reference::truncate(&mut truncated, &model.tensors["mapping.w_avg"].data, Creativity::default().get());
    assert!(largest_difference(&w, &truncated) < 1e-6);
    assert!(largest_difference(&w, &reference::w(&model, Seed(5)).unwrap()) < 1e-5);
}

#[test]
fn every_instruction_set_draws_the_plain_picture() {
    for architecture in architectures() {
        let model = model(&architecture);
        let w = reference::w(&model, Seed(3)).unwrap();
        let expected = reference::synthesize(&model, &w, Seed(3)).unwrap();
        for isa in Isa::available() {
            let mut worker = Arc::new(Generator::with_isa(&model, *isa).unwrap()).worker();
            let difference = largest_difference(worker.synthesize(&w, Seed(3)), &expected);
            assert!(difference < 1e-4, "{isa} {:?}: {difference}", architecture.upsample);
        }
    }
}

#[test]
fn bytes_of_two_instruction_sets_differ_by_one_level_at_most() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors");
    let untrained = architectures().iter().map(model).collect::<Vec<_>>();
    for model in untrained.iter().chain([&ModelFile::open(&shipped).unwrap()]) {
        let generators = Isa::available().iter().map(|isa| Arc::new(Generator::with_isa(model, *isa).unwrap()));
        let mut workers: Vec<_> = generators.map(|generator| generator.worker()).collect();
        for (seed, psi) in [(0, 0.3), (1, 1.0), (2, 2.0)] {
            let psi = Creativity::new(psi).unwrap();
            let drawn: Vec<_> = workers.iter_mut().map(|worker| worker.draw(Seed(seed), psi)).collect();
            for (one, a) in drawn.iter().enumerate() {
                for (other, b) in drawn[..one].iter().enumerate() {
                    let worst = a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(
                        worst <= Some(1),
                        "{} and {}, seed {seed}: {worst:?}",
                        Isa::available()[one],
                        Isa::available()[other]
                    );
                }
            }
        }
    }
}

#[test]
fn a_megapixel_is_drawn_like_any_other_picture() {
    let channels = vec![20, 20, 20, 16, 12, 8, 4, 4, 2];
    let architecture = Architecture { channels, ..architectures()[2].clone() };
    let model = model(&architecture);
    let w = reference::w(&model, Seed(3)).unwrap();
    let expected = reference::synthesize(&model, &w, Seed(3)).unwrap();
    let mut worker = generator(&model).worker_with_threads(2);
    assert_eq!(expected.len(), 3 * 1024 * 1024);
    let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    assert!(largest_difference(worker.synthesize(&w, Seed(3)), &expected) < 1e-4 * scale);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn odd_sizes_are_drawn_like_any_other(
        base in [1_usize..7, 1_usize..7], channels in prop::collection::vec(1_usize..50, 1..4), way in 0..3, noise: bool,
    ) {
        let architecture = Architecture {
            base,
            channels,
            upsample: [Upsample::UpConv, Upsample::ConvUp, Upsample::StyleGan2][way as usize],
            noise: if noise { NoiseInputs::All } else { NoiseInputs::None },
            ..architectures()[0].clone()
        };
        let model = model(&architecture);
        let w = reference::w(&model, Seed(3)).unwrap();
        let expected = reference::synthesize(&model, &w, Seed(3)).unwrap();
        let mut worker = generator(&model).worker();
        let found = worker.synthesize(&w, Seed(3));
        let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
        prop_assert!(largest_difference(found, &expected) < 1e-4 * scale);
    }
}

#[test]
fn stored_noise_takes_the_place_of_the_seeds() {
    let mut model = model(&architectures()[1]);
    let drawn = |model: &ModelFile, seed| {
        let mut worker = generator(model).worker();
        worker.synthesize(&model.tensors["mapping.w_avg"].data, seed).to_vec()
    };
    assert!(largest_difference(&drawn(&model, Seed(1)), &drawn(&model, Seed(2))) > 1e-3);
    for (name, shape) in model.architecture.optional_tensors() {
        let count: usize = shape.iter().product();
        model.tensors.insert(name, Tensor { data: (0..count).map(|i| (i % 7) as f32 - 3.0).collect(), shape });
    }
    model.check().unwrap();
    let stored = drawn(&model, Seed(1));
    assert!(largest_difference(&stored, &drawn(&model, Seed(2))) < f32::MIN_POSITIVE);
    let expected = reference::synthesize(&model, &model.tensors["mapping.w_avg"].data, Seed(9)).unwrap();
    assert!(largest_difference(&stored, &expected) < 1e-4);
}

#[test]
fn threads_and_company_change_no_byte() {
    for architecture in architectures() {
        let generator = generator(&model(&architecture));
        let wanted: Vec<_> = [(4, 0.7), (5, 1.0), (4, 2.0)].map(|(s, p)| (Seed(s), Creativity::new(p).unwrap())).into();
        let mut alone = generator.worker();
        let expected: Vec<_> = wanted.iter().map(|&(seed, psi)| alone.draw(seed, psi)).collect();
        for threads in [1, 2, 3] {
            let mut worker = generator.worker_with_threads(threads);
            let mut together = vec![Picture::default(); wanted.len()];
            worker.draw_batch(&wanted, &mut together);
            assert_eq!(together, expected, "{threads} threads");
            // A single picture after a batch.
            assert_eq!(worker.draw(wanted[1].0, wanted[1].1), expected[1]);
            worker.draw_batch(&[], &mut []);
        }
    }
}

#[test]
fn every_part_is_announced_once_and_in_order() {
    let generator = generator(&model(&architectures()[0]));
    let (mut names, mut picture) = (Vec::new(), Picture::default());
    generator
        .worker()
        .draw_watched(Seed(1), Creativity::default(), &mut picture, &mut |name| names.push(name.to_owned()));
    let [first, second, third, .., last] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!([first, second, third, last], ["mapping", "styles", "synthesis.b4.conv1", "bytes"]);
    // Four blocks: seven convolutions and four times colours.
    assert_eq!(names.len(), 3 + 7 + 4);
    assert_eq!(picture, generator.worker().draw(Seed(1), Creativity::default()));
}

#[test]
fn ink_is_announced_packed_and_cancelled_like_the_layers_before_it() {
    let architecture = architectures().into_iter().find(|a| a.ink.is_some()).unwrap();
    let inked = generator(&model(&architecture));
    let composed = generator(&model(&Architecture { ink: None, ..architecture.clone() }));
    assert_eq!(inked.resolution(), (4 * composed.resolution().0, 4 * composed.resolution().1));
    // Two blocks of 20 channels alone hold four convolutions of 9 * 20 * 20 weights.
    assert!(inked.packed_bytes() - composed.packed_bytes() > 4 * 4 * 9 * 20 * 20);
    let mut worker = inked.worker();
    let (mut names, mut picture) = (Vec::new(), Picture::default());
    worker.draw_watched(Seed(1), Creativity::default(), &mut picture, &mut |name| names.push(name.to_owned()));
    assert_eq!((picture.height, picture.width), inked.resolution());
    let expected: Vec<_> = architecture.layer_macs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[2..names.len() - 1], expected);
    // Asked once before each of the seven convolutions, then before ink's first one, each of its two blocks, and its last one.
    for stop in 8..=11 {
        let asked = Cell::new(0);
        let cancelled = worker.draw_cancellable(Seed(2), Creativity::default(), &|| {
            asked.set(asked.get() + 1);
            asked.get() == stop
        });
        assert_eq!((cancelled.is_none(), asked.get()), (true, stop));
    }
    assert_eq!(worker.draw_cancellable(Seed(1), Creativity::default(), &|| false), Some(picture));
}

#[test]
fn a_picture_can_be_left_as_it_is_composed() {
    for architecture in architectures() {
        let whole = model(&architecture);
        let (inked, composed) = (generator(&whole), generator(&whole.clone().without_ink()));
        assert_eq!(inked.composed(), composed.resolution());
        let styles = Recipe::from(Seed(6)).styles(&inked, Creativity::default());
        let (mut worker, mut picture) = (inked.worker(), Picture::default());
        assert!(worker.draw_styles_sized_into(&styles, Some(Seed(6)), Some(1), &|| false, &mut picture));
        assert_eq!(picture, composed.worker().draw(Seed(6), Creativity::default()));
        let before = picture.clone();
        assert!(!worker.draw_styles_sized_into(&styles, None, Some(1), &|| true, &mut picture));
        assert_eq!(picture, before, "what was cancelled changes nothing");
    }
}

#[test]
fn a_lens_is_looked_through_for_what_is_larger_than_the_picture_only() {
    for (index, architecture) in architectures().into_iter().enumerate() {
        let lens = Some(Ink { channels: 6, blocks: 1, factor: if index == 0 { 4 } else { 2 } });
        let model = model(&Architecture { lens, ..architecture });
        let raw = reference::synthesize(&model, &reference::w(&model, Seed(6)).unwrap(), Seed(6)).unwrap();
        let expected = reference::magnify(&model, &raw).unwrap().unwrap();
        let (with, without) = (generator(&model), generator(&model.without_lens()));
        assert_eq!(with.resolution(), without.resolution());
        assert_ne!(with.fingerprint(), without.fingerprint());
        let (own, magnified) = (with.resolution().0.max(with.resolution().1), with.magnified());
        assert_eq!(without.magnified(), without.resolution());
        let styles = Recipe::from(Seed(6)).styles(&with, Creativity::default());
        let draw = |generator: &Arc<Generator>, side| {
            let mut picture = Picture::default();
            assert!(generator.worker().draw_styles_sized_into(&styles, Some(Seed(6)), side, &|| false, &mut picture));
            picture
        };
        let plain = with.worker().draw(Seed(6), Creativity::default());
        assert_eq!((&draw(&with, None), &draw(&with, Some(own))), (&plain, &plain));
        // Without a lens the picture is as large as it gets.
        assert_eq!(draw(&without, Some(own + 1)), plain);
        let closer = draw(&with, Some(own + 1));
        assert_eq!((closer.height, closer.width), magnified);
        let pixels = magnified.0 * magnified.1;
        for (place, byte) in closer.rgb.iter().enumerate() {
            let expected = (127.5 * expected[place % 3 * pixels + place / 3] + 127.5).clamp(0.0, 255.0);
            assert!((f32::from(*byte) - expected).abs() <= 1.0, "{byte} {expected}");
        }
        let mut other = with.worker_with_threads(3);
        let (mut picture, asked) = (closer.clone(), Cell::new(0));
        assert!(other.draw_styles_sized_into(&styles, Some(Seed(6)), Some(1000), &|| false, &mut picture));
        assert_eq!(picture, closer);
        // The lens's last convolution, behind its first and a block, is refused, and what was there stays.
        let layers = with.layers() + with.architecture().ink.map_or(0, |ink| ink.blocks + 2);
        let cancelled = || {
            asked.set(asked.get() + 1);
            asked.get() == layers + 3
        };
        assert!(!other.draw_styles_sized_into(&styles, None, Some(own + 1), &cancelled, &mut picture));
        assert_eq!((picture, asked.get()), (closer, layers + 3));
        assert_eq!(other.draw(Seed(6), Creativity::default()), plain);
    }
}

#[test]
fn a_cancelled_picture_stops_between_layers_and_harms_no_other() {
    let generator = generator(&model(&architectures()[0]));
    let mut worker = generator.worker();
    let whole = worker.draw(Seed(1), Creativity::default());
    let asked = Cell::new(0);
    let cancelled = worker.draw_cancellable(Seed(1), Creativity::default(), &|| {
        asked.set(asked.get() + 1);
        asked.get() == 3
    });
    assert_eq!((cancelled, asked.get()), (None, 3));
    assert_eq!(worker.draw_cancellable(Seed(1), Creativity::default(), &|| false), Some(whole.clone()));
    let mut reused = Picture::default();
    worker.draw_into(Seed(2), Creativity::default(), &mut reused);
    worker.draw_into(Seed(1), Creativity::default(), &mut reused);
    assert_eq!(reused, whole);
}
