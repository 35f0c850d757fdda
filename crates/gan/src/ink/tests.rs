use std::ops::Range;

use super::pairs::add;
use super::*;

/// Pictures with edges and colours, made of sums of waves and a disc.
fn pictures(n: usize, side: usize) -> Vec<u8> {
    let byte = |i: usize| {
        let (k, x, y, picture) = (i % 3, i / 3 % side, i / 3 / side % side, i / 3 / side / side);
        let (u, v) = (x as f32 / side as f32 - 0.5, y as f32 / side as f32 - 0.5);
        let disc = if u.hypot(v) < 0.2 + 0.05 * picture as f32 { 90.0 } else { 0.0 };
        (110.0 + 50.0 * (9.0 * u + picture as f32).sin() * (7.0 * v + k as f32).cos() + disc) as u8
    };
    (0..n * side * side * 3).map(byte).collect()
}

fn small() -> InkConfig {
    let ink = Ink { channels: 6, blocks: 1, factor: 2 };
    InkConfig { patch: 8, batch: 3, kimg: 1.0, precision: Precision::F32, ..InkConfig::new(ink) }
}

/// A network whose last layer is not zero, so that every gradient is something.
fn awake(config: InkConfig, threads: usize) -> InkTrainer {
    let mut trainer = InkTrainer::new(config, threads).unwrap();
    let range = trainer.net.layout.get("ink.conv_out.weight").range.clone();
    synth::latent::normal(synth::Seed(5), 9, &mut trainer.net.weights[range.clone()]);
    for v in &mut trainer.net.weights[range] {
        *v *= 0.1;
    }
    trainer
}

#[test]
fn gradients_equal_difference_quotients() {
    let config = small();
    let (shape, channels) = ([2, 8, 8], 3 * config.ink.factor.pow(2));
    let mut t = awake(config, 1);
    let mut inputs = vec![0.0; 2 * 64 * Ink::INPUTS];
    synth::latent::normal(synth::Seed(1), 0, &mut inputs);
    let mut back = vec![0.0; 2 * 64 * channels];
    synth::latent::normal(synth::Seed(2), 0, &mut back);
    let value = |t: &mut InkTrainer| -> f64 {
        t.passes.weights_changed();
        let added = t.passes.forward(&t.net, &inputs, shape);
        added.iter().zip(&back).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    value(&mut t);
    t.passes.backward(&mut t.net, &back);
    let gradient = t.net.gradient.clone();
    let entries: Vec<_> = t.net.layout.entries().iter().map(|e| (e.name.clone(), e.range.clone())).collect();
    let before = t.net.weights.clone();
    // The slope along a direction of length 1 in some of the weights.
    let mut slope = |range: &Range<usize>, direction: &[f64]| {
        let h = 1e-3;
        let mut moved = |sign: f64| {
            for (place, d) in range.clone().zip(direction) {
                t.net.weights[place] = before[place] + (sign * h * d) as f32;
            }
            value(&mut t)
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * h);
        t.net.weights.copy_from_slice(&before);
        slope
    };
    let unit = |direction: Vec<f64>| -> Vec<f64> {
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        direction.iter().map(|d| d / length).collect()
    };
    for (number, (name, range)) in entries.iter().enumerate() {
        let gradient: Vec<f64> = gradient[range.clone()].iter().map(|g| f64::from(*g)).collect();
        let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(length > 0.0, "{name} has a gradient");
        // Along the gradient itself: its slope is its length.
        let along = slope(range, &unit(gradient.clone()));
        assert!((along / length - 1.0).abs() < 0.02, "{name}: {along} against {length}");
        // And along directions that know nothing of it, which a gradient of right length in a wrong place fails.
        for stream in 0..4 {
            let mut direction = vec![0.0; range.len()];
            synth::latent::normal(synth::Seed(100 + number as u64), stream, &mut direction);
            let direction = unit(direction.into_iter().map(f64::from).collect());
            let expected: f64 = direction.iter().zip(&gradient).map(|(d, g)| d * g).sum();
            let found = slope(range, &direction);
            assert!((found - expected).abs() < 0.004 * length, "{name}: {found} for {expected}, of {length}");
        }
    }
}

#[test]
fn what_it_draws_is_what_the_model_file_says() {
    let mut t = awake(small(), 1);
    t.ema.copy_from_slice(&t.net.weights);
    let architecture = synth::Architecture::plain(4, 4, &[4, 4]);
    let model = ModelFile::random(architecture, synth::Seed(3)).unwrap();
    let inked = t.added_to(&model).unwrap();
    let w = [0.4, -1.0, 0.2, 0.9];
    let drawn = synth::reference::synthesize(&model, &w, synth::Seed(0)).unwrap();
    let expected = synth::reference::synthesize(&inked, &w, synth::Seed(0)).unwrap();
    let redrawn = t.redraw(Planes { side: 8, values: drawn });
    assert_eq!(redrawn.side, 16);
    let worst = redrawn.values.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{worst}");
    let plain = inked.without_ink();
    assert_eq!((plain.architecture, plain.tensors), (model.architecture, model.tensors));
}

#[test]
fn a_pair_is_compared_with_the_picture_it_came_from() {
    let config = InkConfig { noise: 0.0, blur: 0.0, patch: 8, ..small() };
    let side = 16;
    let mut inputs = vec![0.0; 64 * Ink::INPUTS];
    let bytes = pictures(1, side);
    let pair = Patch::of(&config, &bytes, side, None, 4, &mut inputs);
    // The patch is the whole small picture: what is missing, added, gives the real one.
    let (real, base) = (Planes::of(&bytes, side), Planes::of(&bytes, side).reduced(2).enlarged(2));
    let mut missing = vec![0.0; 64 * 12];
    for (i, v) in missing.iter_mut().enumerate() {
        let (pixel, colour, row, column) = (i / 12, i % 12 / 4, i % 4 / 2, i % 2);
        let at = (colour * side + pixel / 8 * 2 + row) * side + pixel % 8 * 2 + column;
        *v = real.values[at] - base.values[at];
    }
    let mut slopes = vec![1.0; missing.len()];
    let Difference { sum, count } = pair.compare(&missing, &mut slopes);
    assert!(sum < 1e-4 && count == 3 * side * side, "{sum} {count}");
    let mut picture = base;
    add(&mut picture, 2, &missing);
    assert!(picture.values.iter().zip(&real.values).all(|(a, b)| (a - b).abs() < 1e-5));
    let Difference { sum, .. } = pair.compare(&vec![10.0; missing.len()], &mut slopes);
    assert!(sum > 0.0 && slopes.iter().all(|s| s.to_bits() == 1f32.to_bits()));
}

/// What a generator's lines and colours are like is made of real ones: nothing without a strength, and of the strength that was asked for with one.
#[test]
fn lines_waver_and_colours_smudge_as_much_as_asked_for() {
    let (side, factor) = (128, 4);
    let real = Planes::of(&pictures(1, side), side);
    let still = real.reduced(factor);
    let asked = |waver, smudge| InkConfig { waver, smudge, ..small() };
    let apart = |a: &Planes, b: &Planes| {
        a.values.iter().zip(&b.values).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.values.len() as f64
    };
    assert_eq!(real.wavering(factor, &asked(0.0, 1.0), 3), still);
    assert_eq!(still.clone().smudged(&asked(1.0, 0.0), 3), still);
    let mean = |change: &dyn Fn(u64) -> f64| (0..20).map(change).sum::<f64>() / 20.0;
    let wavers = [0.2, 0.8].map(|waver| mean(&|seed| apart(&real.wavering(factor, &asked(waver, 0.0), seed), &still)));
    let smudges =
        [0.2, 0.8].map(|smudge| mean(&|seed| apart(&still.clone().smudged(&asked(0.0, smudge), seed), &still)));
    for [little, much] in [wavers, smudges] {
        assert!(little > 1e-3 && (2.0..6.0).contains(&(much / little)), "{little} and {much}");
    }
    // Colours leave the mean of the three as it is.
    let smudged = still.clone().smudged(&asked(0.0, 2.0), 3);
    let area = still.side * still.side;
    for i in 0..area {
        let [a, b] = [&still, &smudged].map(|p| (0..3).map(|k| p.values[k * area + i]).sum::<f32>());
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    // A shift of one pixel to the right and none down reads the neighbour.
    let shift: Vec<f32> = (0..2 * area).map(|i| f32::from(u8::from(i >= area))).collect();
    let moved = still.displaced(&shift, 1.0);
    let at = |p: &Planes, y: usize, x: usize| p.values[y * still.side + x];
    assert_eq!(at(&moved, 5, 7).to_bits(), at(&still, 5, 8).to_bits());
    assert_eq!(at(&moved, 5, still.side - 1).to_bits(), at(&still, 5, still.side - 1).to_bits());
    let halfway = at(&still.displaced(&shift, 0.5), 3, 3);
    assert!((halfway - 0.5 * (at(&still, 3, 3) + at(&still, 3, 4))).abs() < 1e-6, "{halfway}");
}

/// Fields are smooth and of about unit deviation, whatever their side.
#[test]
fn fields_have_unit_deviation() {
    let fields = pairs::fields(64, 3, 7);
    for plane in fields.values.chunks_exact(64 * 64) {
        let square = plane.iter().map(|v| v * v).sum::<f32>() / plane.len() as f32;
        assert!((0.8..1.25).contains(&square), "{square}");
        let step = plane.windows(2).map(|p| (p[0] - p[1]).powi(2)).sum::<f32>() / plane.len() as f32;
        assert!(step < 0.6 * square, "neighbours are alike: {step}");
    }
}

#[test]
fn a_network_goes_on_from_the_one_that_a_model_has() {
    let mut first = awake(small(), 1);
    first.ema.copy_from_slice(&first.net.weights);
    let model = ModelFile::random(synth::Architecture::plain(4, 4, &[4, 4]), synth::Seed(3)).unwrap();
    let inked = first.added_to(&model).unwrap();
    let mut second = InkTrainer::new(InkConfig { seed: 9, ..small() }, 1).unwrap();
    assert_ne!(second.ema, first.ema);
    second.begin_as(&inked).unwrap();
    assert_eq!((&second.ema, &second.net.weights), (&first.ema, &first.ema));
    let said = |config: InkConfig, model: &ModelFile| {
        InkTrainer::new(config, 1).unwrap().begin_as(model).unwrap_err().to_string()
    };
    assert!(said(small(), &model).contains("has no ink network"));
    let other = |change: fn(&mut Ink)| {
        let mut config = small();
        change(&mut config.ink);
        said(config, &inked)
    };
    assert!(
        other(|ink| ink.channels -= 1).contains("has one of 6 channels")
            && said(small(), &model).contains("6 channels")
    );
    assert!(other(|ink| ink.factor = 6 - ink.factor).contains("the factor"));
    second.step(&pictures(3, 32), 32, &[]);
    assert!(second.begin_as(&inked).unwrap_err().to_string().contains("begun already"));
}

/// A lens and ink stand side by side in a file, whichever came last; either goes on from its own.
#[test]
fn a_lens_is_put_beside_ink() {
    let model = ModelFile::random(Architecture::plain(4, 4, &[4, 4]), synth::Seed(3)).unwrap();
    let lens = InkConfig { lens: true, ink: Ink { channels: 5, ..small().ink }, ..small() };
    let both = |config: &InkConfig, model: &ModelFile| {
        let mut trainer = awake(config.clone(), 1);
        trainer.ema.clone_from(&trainer.net.weights);
        trainer.step(&pictures(3, 32), 32, &[]);
        trainer.added_to(model).unwrap()
    };
    let inked = both(&small(), &model);
    let (one, other) = (both(&lens, &inked), both(&small(), &both(&lens, &model)));
    assert_eq!(one.architecture, other.architecture);
    assert_eq!((one.architecture.ink, one.architecture.lens), (Some(small().ink), Some(lens.ink)));
    assert_eq!((&one.tensors, one.fingerprint()), (&other.tensors, other.fingerprint()));
    assert_eq!(one.clone().without_lens().tensors, inked.tensors);
    for config in [&small(), &lens] {
        let mut trainer = InkTrainer::new(config.clone(), 1).unwrap();
        trainer.begin_as(&one).unwrap();
        assert_eq!(trainer.added_to(&one).unwrap().tensors, one.tensors);
    }
    let said = InkTrainer::new(lens.clone(), 1).unwrap().begin_as(&inked).unwrap_err().to_string();
    assert!(said.contains("has no lens"), "{said}");
    let judged = InkConfig { judging: Some(InkJudging::new(1.0)), ..lens };
    assert!(judged.validate().unwrap_err().to_string().contains("a lens is not judged"));
}

/// Whatever is new, the larger network draws what the smaller one draws, and all of it can learn.
#[test]
fn a_larger_network_begins_as_a_smaller_one() {
    let mut first = awake(small(), 1);
    first.ema.copy_from_slice(&first.net.weights);
    let model = ModelFile::random(synth::Architecture::plain(4, 4, &[4, 4]), synth::Seed(3)).unwrap();
    let mut inked = first.added_to(&model).unwrap();
    inked.metadata.provenance = serde_json::json!({ "ink_kimg": 5.0 });
    let ink = small().ink;
    let (picture, folder) = (&pictures(1, 32), tempfile::tempdir().unwrap());
    let [_, expected] = first.show(picture, 32).0;
    for (channels, blocks) in
        [(ink.channels + 3, ink.blocks), (ink.channels, ink.blocks + 1), (2 * ink.channels, ink.blocks + 2)]
    {
        let larger = InkConfig { ink: Ink { channels, blocks, ..ink }, seed: 9, ..small() };
        let mut second = InkTrainer::new(larger, 1).unwrap();
        second.begin_as(&inked).unwrap();
        let [_, drawn] = second.show(picture, 32).0;
        let apart = expected.rgb.iter().zip(&drawn.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1), "{channels} channels, {blocks} blocks: {apart:?} levels apart");
        let before = second.net.weights.clone();
        for _ in 0..3 {
            second.step(&pictures(3, 32), 32, &[]);
        }
        let still = second
            .net
            .layout
            .entries()
            .iter()
            .filter(|e| before[e.range.clone()] == second.net.weights[e.range.clone()]);
        let still: Vec<_> = still.map(|e| &e.name).collect();
        assert!(still.is_empty(), "what is new learns too: {still:?}");
        let (origin, path) = (InkOrigin::default(), folder.path().join("ink.safetensors"));
        second.save(&origin, &path).unwrap();
        let (again, _) = InkTrainer::load(&path, 1).unwrap();
        let learnt_from = again.added_to(&inked).unwrap().metadata.provenance["ink_kimg"].as_f64().unwrap();
        assert!((learnt_from - 5.009).abs() < 1e-9, "{learnt_from}");
    }
}

#[test]
fn it_learns() {
    let (pixels, side) = (pictures(3, 32), 32);
    let mut whole = InkTrainer::new(InkConfig { lr: 4e-3, ..small() }, 2).unwrap();
    let losses: Vec<f64> = (0..120).map(|_| whole.step(&pixels, side, &[]).loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[100..]) < 0.9 * mean(&losses[..10]), "{losses:?}");
}

#[test]
fn a_resumed_run_is_the_one_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ink.safetensors");
    let (pixels, side) = (pictures(3, 32), 32);
    let four = Ink { factor: 4, ..small().ink };
    for config in [small(), InkConfig { ink: four, precision: Precision::Bf16, ..small() }] {
        let mut whole = InkTrainer::new(config.clone(), 2).unwrap();
        let mut first = InkTrainer::new(config.clone(), 1).unwrap();
        for step in 0..40 {
            whole.step(&pixels, side, &[]);
            if step < 25 {
                first.step(&pixels, side, &[]);
            }
        }
        let origin = InkOrigin { dataset: "these".into(), model: Some("that".into()) };
        first.save(&origin, &path).unwrap();
        let (mut second, found) = InkTrainer::load(&path, 2).unwrap();
        assert_eq!((found, second.steps(), second.config()), (origin, 25, &config));
        for _ in 25..40 {
            second.step(&pixels, side, &[]);
        }
        for ((name, a), (_, b)) in whole.state().into_iter().zip(second.state()) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{name} differs: {config:?}");
        }
    }
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ink.safetensors");
    assert!(matches!(InkTrainer::load(&path, 1), Err(Error::Read { .. })));
    InkTrainer::new(small(), 1).unwrap().save(&InkOrigin::default(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for bad in [&bytes[..bytes.len() / 2], b"no tensors", &[][..]] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(InkTrainer::load(&path, 1), Err(Error::Checkpoint { .. })));
    }
    for (bad, said) in [
        (InkConfig { ink: Ink { blocks: 33, ..small().ink }, ..small() }, "blocks must be 1 to 32, not 33"),
        (InkConfig { ink: Ink { factor: 3, ..small().ink }, ..small() }, "factor must be 2 or 4, not 3"),
        (InkConfig { patch: 0, ..small() }, "patch must be 8 to 256, not 0"),
        (InkConfig { kimg: f64::NAN, ..small() }, "kimg must be above 0 and at most a billion, not NaN"),
        (InkConfig { lr: 1.0, ..small() }, "lr must be above 0 and below 1, not 1"),
        (InkConfig { blur: 2.0, ..small() }, "blur must be 0 to 1, not 2"),
        (InkConfig { smudge: -0.5, ..small() }, "smudge must be 0 to 8, not -0.5"),
    ] {
        let Err(Error::Config { what }) = InkTrainer::new(bad, 1) else { panic!("{said}: it is taken") };
        assert_eq!(what, said);
    }
}

/// Compares for a few steps, then with a judge of squares of 16 pixels, which are whole patches of 8.
fn judged() -> InkConfig {
    let judging = InkJudging {
        channels: vec![8, 8],
        weight: 0.1,
        warmup_kimg: 0.0,
        faithful: 1.0,
        grid: 0.0,
        gamma: 1.0,
        lr: 2e-3,
        lr_d: 1e-3,
        ..InkJudging::new(0.4)
    };
    InkConfig { batch: 8, kimg: 0.16, judging: Some(judging), lr: 4e-3, ..small() }
}

/// Small pictures as a model might draw them for the seeds that a trainer names.
fn drawings(t: &InkTrainer, side: usize) -> Vec<f32> {
    let mut drawn = vec![0.0; t.drawings().len() * 3 * side * side];
    for (values, seed) in drawn.chunks_exact_mut(3 * side * side).zip(t.drawings()) {
        synth::latent::normal(seed, 3, values);
        for v in values {
            *v = (0.4 * *v).clamp(-1.0, 1.0);
        }
    }
    drawn
}

fn judged_steps(t: &mut InkTrainer, pixels: &[u8], side: usize, steps: usize) -> Vec<InkStep> {
    let step = |_| {
        let drawn = drawings(t, side / 2);
        t.step(pixels, side, &drawn)
    };
    (0..steps).map(step).collect()
}

#[test]
fn a_judge_joins_after_the_comparison_and_a_resumed_run_is_the_one_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ink.safetensors");
    let (pixels, side) = (pictures(8, 32), 32);
    for precision in [Precision::F32, Precision::Bf16] {
        let config = InkConfig { precision, ..judged() };
        let mut whole = InkTrainer::new(config.clone(), 2).unwrap();
        let steps = judged_steps(&mut whole, &pixels, side, 30);
        assert_eq!((config.steps(), config.comparing()), (70, 20));
        assert!(
            steps[..20].iter().all(|step| step.opinion.is_none())
                && steps[20..].iter().all(|step| step.opinion.is_some())
        );
        assert!(steps.iter().all(|step| step.loss.is_finite() && step.dropped == 0), "{steps:?}");

        let mut first = InkTrainer::new(config, 1).unwrap();
        judged_steps(&mut first, &pixels, side, 24);
        first.save(&InkOrigin { dataset: "these".into(), model: None }, &path).unwrap();
        let (mut second, _) = InkTrainer::load(&path, 2).unwrap();
        judged_steps(&mut second, &pixels, side, 6);
        assert_eq!(second.state().len(), 7);
        for ((name, a), (_, b)) in whole.state().into_iter().zip(second.state()) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{name} differs, {precision:?}");
        }
    }
}

#[test]
fn the_slopes_of_a_judged_step_are_those_of_its_loss() {
    let mut config = judged();
    config.precision = Precision::F32;
    let mut t = awake(config, 1);
    // As far as the judge's part.
    t.adam.steps = 20;
    let (pixels, side) = (pictures(8, 16), 16);
    let drawn = drawings(&t, 8);
    let judging = t.config.judging.clone().unwrap();
    let mut inputs = vec![0.0; 8 * 64 * Ink::INPUTS];
    let patches = t.patches_of(&pixels, side, &drawn, &mut inputs);
    assert_eq!(patches.iter().filter(|patch| patch.is_drawn()).count(), 4);
    let added = t.passes.forward(&t.net, &inputs, [8, 8, 8]);
    let mut slopes = vec![0.0; added.len()];
    let before = t.compare(&patches, &added, &mut slopes);
    let judge = t.judge.as_ref().unwrap().net.weights.clone();
    t.judge_step(&judging, &patches, &added, 0.0, &mut slopes);
    // The whole loss at what is added, by the judge as it was.
    let value = |t: &mut InkTrainer, added: &[f32]| {
        t.judge.as_mut().unwrap().net.weights.copy_from_slice(&judge);
        let mut unused = vec![0.0; added.len()];
        let length = added.len() / 8;
        let pairs = t.compare(&patches, added, &mut unused);
        let all = added.chunks_exact(length).zip(unused.chunks_exact_mut(length)).zip(&patches);
        let faithful =
            all.filter(|(_, patch)| patch.is_drawn()).map(|((added, slopes), patch)| patch.compare(added, slopes));
        let (sum, count) = faithful.fold((0.0, 0), |(sum, count), d| (sum + d.sum, count + d.count));
        let (opinion, _) = t.judge_step(&judging, &patches, added, 0.0, &mut unused);
        pairs + judging.faithful * sum / count as f64 + judging.weight * opinion.loss_g
    };
    let mut direction = vec![0.0; added.len()];
    for round in 0..3 {
        synth::latent::normal(synth::Seed(40 + round), 0, &mut direction);
        let moved = |by: f32| added.iter().zip(&direction).map(|(a, d)| a + by * d).collect::<Vec<f32>>();
        let h = 2e-3;
        let slope = (value(&mut t, &moved(h)) - value(&mut t, &moved(-h))) / (2.0 * f64::from(h));
        let expected: f64 = slopes.iter().zip(&direction).map(|(s, d)| f64::from(*s) * f64::from(*d)).sum();
        let length = slopes.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>().sqrt();
        assert!((slope - expected).abs() < 0.05 * length, "{slope} against {expected}, {length} long");
    }
    assert!(before > 0.0);
}

/// The slopes are those of the grid's size: a chequer has one, and what errs alike everywhere, or once in a window, has none or little.
#[test]
fn a_grid_is_told_from_other_errors() {
    const FACTOR: usize = 4;
    const PATCH: usize = 6;
    let length = PATCH * PATCH * 3 * FACTOR * FACTOR;
    let slopes = |errors: &[f32]| {
        let mut slopes = vec![0.0; length];
        pairs::add_grid_slopes(errors, PATCH, FACTOR, 1.0, &mut slopes);
        slopes
    };
    // What the slopes add up to on the way from nothing to `errors`: its size.
    let size = |errors: &[f32]| {
        let part = |t: u16| {
            let scaled: Vec<f32> = errors.iter().map(|v| v * (f32::from(t) + 0.5) / 256.0).collect();
            slopes(&scaled).iter().zip(errors).map(|(a, b)| f64::from(a * b)).sum::<f64>()
        };
        (0..256).map(part).sum::<f64>() / 256.0
    };
    let pixel = |i: usize| {
        let (small, k) = (i / (3 * FACTOR * FACTOR), i % (FACTOR * FACTOR));
        [small / PATCH * FACTOR + k / FACTOR, small % PATCH * FACTOR + k % FACTOR]
    };
    let errors =
        |of: fn([usize; 2]) -> bool| (0..length).map(|i| if of(pixel(i)) { 0.1 } else { -0.1 }).collect::<Vec<f32>>();
    let grids: [fn([usize; 2]) -> bool; 2] =
        [|[y, x]| (y + x).is_multiple_of(2), |[y, x]| y % 4 < 2 && x.is_multiple_of(2)];
    for grid in grids {
        let all = size(&errors(grid));
        assert!(all > 0.06 * length as f64, "{all}");
    }
    assert!(size(&errors(|_| true)).abs() < 1e-3);
    let dot = size(&errors(|[y, x]| y == 2 && x == 2));
    assert!(dot < 0.005 * length as f64, "{dot}");
    // Along any direction the slope is that of the size.
    let [mut at, mut direction] = [vec![0.0; length], vec![0.0; length]];
    synth::latent::normal(synth::Seed(1), 0, &mut at);
    synth::latent::normal(synth::Seed(2), 0, &mut direction);
    for v in &mut at {
        *v *= 0.1;
    }
    let moved = |by: f32| at.iter().zip(&direction).map(|(a, d)| a + by * d).collect::<Vec<f32>>();
    let quotient = (size(&moved(1e-3)) - size(&moved(-1e-3))) / 2e-3;
    let expected: f64 = slopes(&at).iter().zip(&direction).map(|(a, d)| f64::from(a * d)).sum();
    assert!((quotient - expected).abs() < 0.02 * expected.abs().max(1.0), "{quotient} against {expected}");
}

#[test]
fn what_a_judge_cannot_do_is_refused() {
    let with = |change: &dyn Fn(&mut InkJudging)| {
        let mut config = judged();
        change(config.judging.as_mut().unwrap());
        InkTrainer::new(config, 1).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(with(&|j| j.channels = vec![8; 3]).contains("squares of 32 pixels"));
    assert!(with(&|j| j.channels = vec![0, 8]).contains("judging.channels must be 2 to 8 numbers"));
    assert!(with(&|j| j.kimg = 0.0).contains("judging.kimg"));
    assert!(with(&|j| j.weight = f64::NAN).contains("judging.weight must be 0 or more, not NaN"));
    assert!(
        InkTrainer::new(InkConfig { batch: 12, ..judged() }, 1).err().unwrap().to_string().contains("multiple of 8")
    );
    let mut t = InkTrainer::new(small(), 1).unwrap();
    assert!(
        t.reconfigure(InkConfig { judging: Some(InkJudging::new(1.0)), ..t.config().clone() }).is_err(),
        "a batch of three has no halves"
    );
    assert!(t.config().judging.is_none() && t.drawings().is_empty());
}

#[test]
fn equal_states_are_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ink.safetensors");
    let (trainer, origin) = (InkTrainer::new(judged(), 1).unwrap(), InkOrigin::default());
    let saved = || {
        trainer.save(&origin, &path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let first = saved();
    assert!((0..20).all(|_| saved() == first));
    InkTrainer::load(&path, 1).unwrap();
}

#[test]
fn a_judge_begins_as_the_discriminator_of_a_checkpoint() {
    let mut other = Config::preset("tiny").unwrap();
    (other.architecture.channels, other.discriminator.channels) = (vec![6; 2], vec![6; 2]);
    let checkpoint = |config: Config| Checkpoint {
        trainer: crate::Trainer::new(config, 1).unwrap(),
        dataset: String::new(),
        seconds: 0.0,
    };
    let mut t = InkTrainer::new(judged(), 1).unwrap();
    let begun = checkpoint(other.clone());
    t.begin_judge(&begun).unwrap();
    assert_eq!(t.config.judging.as_ref().unwrap().channels, [6; 2]);
    assert_eq!(t.judge.as_ref().unwrap().net.weights, begun.trainer.d.net.weights);
    // A discriminator that has learnt behind ink is taken before D.
    let inked = Some(InkedConfig { channels: vec![8, 6], ..InkedConfig::default() });
    let trainer = crate::Trainer::bare(Config { inked, ..other.clone() }, 1).unwrap();
    let behind = Checkpoint { trainer, dataset: String::new(), seconds: 0.0 };
    t.begin_judge(&behind).unwrap();
    assert_eq!(t.config.judging.as_ref().unwrap().channels, [8, 6]);
    let theirs = &behind.trainer.auxiliaries.inked.as_ref().unwrap().judge.net.weights;
    assert_eq!(&t.judge.as_ref().unwrap().net.weights, theirs);
    // Not of other layers, and not once it has learnt something.
    other.discriminator.features = 2;
    let error = t.begin_judge(&checkpoint(other)).unwrap_err().to_string();
    assert!(error.contains("other layers"), "{error}");
    let (pixels, side) = (pictures(8, 16), 16);
    let mut t = InkTrainer::new(InkConfig { kimg: 0.008, ..judged() }, 1).unwrap();
    judged_steps(&mut t, &pixels, side, 2);
    assert!(t.is_judged());
    let error = t.begin_judge(&begun).unwrap_err().to_string();
    assert!(error.contains("at work already"), "{error}");
    let error = InkTrainer::new(small(), 1).unwrap().begin_judge(&begun).unwrap_err().to_string();
    assert!(error.contains("no judge"), "{error}");
}

#[test]
fn a_discriminator_behind_ink_begins_as_a_judge() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut t = InkTrainer::new(InkConfig { kimg: 0.008, ..judged() }, 1).unwrap();
    assert!(t.inked().is_none(), "the judge knows nothing yet");
    judged_steps(&mut t, &pictures(8, 16), 16, 3);
    let model = ModelFile::random(synth::Architecture::plain(4, 4, &[4, 4]), synth::Seed(3)).unwrap();
    t.added_to(&model).unwrap().save(&path, synth::WeightDtype::F32).unwrap();
    let inked = InkedConfig { model: path.to_str().unwrap().into(), ..t.inked().unwrap() };
    assert_eq!((&inked.channels[..], inked.reduced), (&[8, 8][..], 2));
    let with = |inked: Option<InkedConfig>| {
        crate::Trainer::new(Config { inked, ..Config::preset("tiny").unwrap() }, 1).unwrap()
    };
    let weights = |trainer: &crate::Trainer| trainer.auxiliaries.inked.as_ref().unwrap().judge.net.weights.clone();
    let mut trainer = with(Some(inked.clone()));
    assert_ne!(weights(&trainer), t.learnt_judge().unwrap().weights);
    assert!(trainer.begin_inked(&t).unwrap());
    assert_eq!(weights(&trainer), t.learnt_judge().unwrap().weights);
    // Once it is at work, it stays what it has become.
    trainer.auxiliaries.inked.as_mut().unwrap().judge.adam.steps = 1;
    judged_steps(&mut t, &pictures(8, 16), 16, 1);
    let before = weights(&trainer);
    assert!(!trainer.begin_inked(&t).unwrap());
    assert_eq!(weights(&trainer), before);

    let refused = |mut trainer: crate::Trainer, t: &InkTrainer| trainer.begin_inked(t).unwrap_err().to_string();
    assert!(refused(with(None), &t).contains("no discriminator behind ink"));
    assert!(refused(with(Some(inked.clone())), &InkTrainer::new(judged(), 1).unwrap()).contains("--judged"));
    assert!(refused(with(Some(InkedConfig { channels: vec![8, 4], ..inked })), &t).contains("other layers"));
}

#[test]
fn a_judge_sees_its_scales_by_turns_and_older_states_are_read() {
    let of = |scales: &str| {
        let judging = serde_json::to_value(InkJudging::new(1.0)).unwrap();
        let mut judging = judging.as_object().unwrap().clone();
        judging.remove("scales");
        judging.insert(scales.split('=').next().unwrap().into(), scales.split('=').nth(1).unwrap().parse().unwrap());
        serde_json::from_value::<InkJudging>(judging.into()).unwrap()
    };
    let seen = |judging: &InkJudging| [0, 1, 2].map(|i| judging.square(i));
    assert_eq!(seen(&of("scales=[1,2]")), [(1, 64), (2, 128), (1, 64)]);
    assert_eq!(seen(&of("reduced=2")), [(2, 128); 3]);
    assert!(of("scales=[]").fault(40, 16, 4).unwrap().contains("scales"));
    assert!(of("scales=[1,3]").fault(40, 16, 4).unwrap().contains("fit"), "192 of 160 pixels");
}

#[test]
fn what_a_run_counts_by_stays_and_a_judge_is_kept_where_it_fits() {
    let mut t = InkTrainer::new(judged(), 1).unwrap();
    let judge = t.judge.as_ref().unwrap().net.weights.clone();
    for config in [InkConfig { batch: 16, ..judged() }, InkConfig { seed: 1, ..judged() }] {
        assert!(t.reconfigure(config).unwrap_err().to_string().contains("batch and seed"));
    }
    let with = |change: fn(&mut InkJudging)| {
        let mut config = judged();
        change(config.judging.as_mut().unwrap());
        config
    };
    t.judge.as_mut().unwrap().net.weights[0] += 1.0;
    t.reconfigure(with(|judging| judging.gamma = 0.25)).unwrap();
    let kept = t.judge.as_ref().unwrap();
    assert!(kept.net.weights != judge && (kept.loss.gamma - 0.25).abs() < 1e-12, "what it has learnt stays");
    t.reconfigure(with(|judging| judging.channels = vec![4, 8])).unwrap();
    assert_ne!(t.judge.as_ref().unwrap().net.weights.len(), judge.len());
    t.reconfigure(InkConfig { judging: None, ..judged() }).unwrap();
    assert!(t.judge.is_none());
}
