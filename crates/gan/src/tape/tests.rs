//! Whole networks against finite differences, in f32. Steps are small, because larger ones cross the kinks of the leaky ReLU.

use kernels::Isa;
use kernels::train::{Bf16, Cpu, Element};
use synth::{Architecture, LabelNorm, Labels, NoiseInputs, Seed, Upsample};

use super::{Context, Network, Tape, Value, Walk};
use crate::discriminator::{Discriminator, Shown};
use crate::generator::{Generator, Latents};
use crate::{Config, Downsample};

const STEPS: [f32; 3] = [1e-3, 3e-4, 1e-4];

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut out = vec![0.0; n];
    synth::latent::normal(Seed(seed), 0, &mut out);
    out
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn moved(weights: &[f32], direction: &[f32], by: f32) -> Vec<f32> {
    weights.iter().zip(direction).map(|(w, d)| w + by * d).collect()
}

/// Compares each tensor's gradient with the difference quotient of `value` along a direction in that tensor alone.
fn compare(what: &str, net: &Network, scale: f64, value: impl Fn(&Network) -> f64) {
    // One number has no direction to choose: strengths have a test of their own.
    for (i, e) in net.layout.entries().iter().enumerate().filter(|(_, e)| !e.name.ends_with("noise_strength")) {
        let mut direction = vec![0.0; net.weights.len()];
        // At random, with three deviations along the gradient, so that the quotient stands out from kinks and rounding.
        let gradient = &net.gradient[e.range.clone()];
        let steepest = 3.0 / dot(gradient, gradient).sqrt().max(1e-12) as f32;
        let random = numbers(e.range.len(), 100 + i as u64);
        for ((to, r), g) in direction[e.range.clone()].iter_mut().zip(random).zip(gradient) {
            *to = r + steepest * g;
        }
        let length = dot(&direction, &direction).sqrt() as f32;
        let found = dot(&net.gradient, &direction);
        // Large steps cross kinks, small ones drown in rounding: one of them is right.
        let quotient = |step: f32| {
            let at = |by: f32| value(&Network::new(net.layout.clone(), moved(&net.weights, &direction, by)));
            (at(step) - at(-step)) / (2.0 * f64::from(step))
        };
        let quotients = STEPS.map(|step| quotient(step / (e.gain as f32 * length)));
        let floor = 0.02 * scale * f64::from(length) * e.gain;
        let error = quotients.map(|q| (found - q).abs() / (q.abs() + floor)).into_iter().fold(f64::MAX, f64::min);
        assert!(
            error < 0.02,
            "{what}, {}: gradient {found}, difference quotients {quotients:?}, error {error}",
            e.name
        );
    }
}

fn cpu() -> Cpu {
    Cpu::new(Isa::best(), 2)
}

/// A generator with pictures to draw.
struct Drawing {
    cpu: Cpu,
    generator: Generator,
    z: Vec<f32>,
    classes: Vec<u32>,
    seeds: Vec<Seed>,
}

impl Drawing {
    fn new(architecture: &Architecture) -> (Self, Network) {
        let generator = Generator::new(architecture);
        let layout = generator.layout();
        let weights = layout.initial(5);
        let mut net = Network::new(layout, weights);
        // Biases and strengths that are zero have nothing to show.
        net.weights.iter_mut().zip(numbers(1 << 20, 9)).for_each(|(w, n)| *w += 0.1 * n);
        let seeds = [3, 1, 2].map(Seed).to_vec();
        let classes = if architecture.labels.is_some() { vec![2, 0, 2] } else { Vec::new() };
        (Self { cpu: cpu(), generator, z: numbers(3 * architecture.z_dim, 1), classes, seeds }, net)
    }

    fn latents(&self) -> Latents<'_> {
        Latents { z: &self.z, classes: &self.classes, seeds: &self.seeds }
    }

    fn draw(&self, net: &Network) -> Vec<f32> {
        let mut tape = Tape::<f32>::default();
        let drawn = self.generator.draw(&mut tape, Context { cpu: &self.cpu, net }, &self.latents(), None, Some(0.7));
        tape.pixels(drawn.pictures).to_vec()
    }

    /// Adds gradients to the network's from those at the pictures.
    fn backward(&self, net: &mut Network, target: &[f32]) {
        let mut tape = Tape::<f32>::default();
        let drawn = self.generator.draw(&mut tape, Context { cpu: &self.cpu, net }, &self.latents(), None, Some(0.7));
        let walk = Walk { pictures: 0..self.seeds.len(), weights: true };
        tape.backward(&self.cpu, net, drawn.first, drawn.pictures, target, &walk);
    }
}

/// Compares the gradients of a generator with difference quotients.
fn compare_g(architecture: &Architecture) {
    let (drawing, mut net) = Drawing::new(architecture);
    let target = numbers(3 * 3 * 256, 2);
    drawing.backward(&mut net, &target);
    compare(&format!("{architecture:?}"), &net, 20.0, |net| dot(&drawing.draw(net), &target));
}

/// Compares the gradients of strengths with difference quotients. What is asked for is what a strength changes, for large quotients.
fn compare_strengths(architecture: &Architecture) {
    let (drawing, mut net) = Drawing::new(architecture);
    let entries: Vec<_> = net.layout.entries().to_vec();
    for e in entries.iter().filter(|e| e.name.ends_with("noise_strength")) {
        let change = |by: f32| {
            let at = |by: f32| {
                let mut moved = Network::new(net.layout.clone(), net.weights.clone());
                moved.weights[e.range.start] += by;
                drawing.draw(&moved)
            };
            at(by).iter().zip(at(-by)).map(|(a, b)| (a - b) / (2.0 * by)).collect::<Vec<_>>()
        };
        let target = change(1e-2);
        let quotients = STEPS.map(|step| dot(&change(step), &target));
        net.gradient.fill(0.0);
        drawing.backward(&mut net, &target);
        let found = f64::from(net.gradient[e.range.start]);
        assert!(found > 1.0, "{}: {found} is too little to tell", e.name);
        let error = quotients.map(|q| (found - q).abs() / q.abs()).into_iter().fold(f64::MAX, f64::min);
        assert!(error < 0.02, "{architecture:?}, {}: gradient {found}, difference quotients {quotients:?}", e.name);
    }
}

fn plain() -> Architecture {
    Architecture::plain(8, 12, &[20, 16, 12])
}

#[test]
fn gradients_of_every_kind_of_g_are_difference_quotients() {
    for upsample in [Upsample::ConvUp, Upsample::UpConv, Upsample::StyleGan2] {
        for noise in [NoiseInputs::None, NoiseInputs::All] {
            compare_g(&Architecture { upsample, noise, ..plain() });
        }
        compare_strengths(&Architecture { upsample, noise: NoiseInputs::All, ..plain() });
    }
}

const LABELS: Labels = Labels { classes: 4, features: 6, normalize: LabelNorm::Apart };

#[test]
fn gradients_of_a_g_with_classes_are_difference_quotients() {
    for normalize_z in [true, false] {
        compare_g(&Architecture { labels: Some(LABELS), normalize_z, ..plain() });
    }
}

#[test]
fn gradients_of_a_clamped_g_are_difference_quotients() {
    // Low enough that some of what every layer says is at the bound, and most is not.
    for noise in [NoiseInputs::None, NoiseInputs::All] {
        compare_g(&Architecture { conv_clamp: Some(1.5), noise, ..plain() });
    }
    compare_strengths(&Architecture { conv_clamp: Some(1.5), noise: NoiseInputs::All, ..plain() });
}

#[test]
fn a_bound_holds_and_noise_is_that_of_its_seed() {
    let cpu = cpu();
    let draw = |architecture: &Architecture, seeds: &[u64]| {
        let generator = Generator::new(architecture);
        let layout = generator.layout();
        let mut weights = layout.initial(5);
        for e in layout.entries().iter().filter(|e| e.name.ends_with("noise_strength")) {
            weights[e.range.start] = 0.5;
        }
        let net = Network::new(layout, weights);
        let (z, seeds) = (numbers(8, 1).repeat(seeds.len()), seeds.iter().copied().map(Seed).collect::<Vec<_>>());
        let mut tape = Tape::<f32>::default();
        let latents = Latents { z: &z, classes: &[], seeds: &seeds };
        let drawn = generator.draw(&mut tape, Context { cpu: &cpu, net: &net }, &latents, None, Some(1.0));
        tape.pixels(drawn.pictures).to_vec()
    };
    let noisy = Architecture { noise: NoiseInputs::All, ..plain() };
    let pictures: Vec<Vec<f32>> = draw(&noisy, &[7, 8, 7]).chunks_exact(768).map(<[f32]>::to_vec).collect();
    assert_eq!(pictures[0], pictures[2], "pictures of one seed");
    assert_ne!(pictures[0], pictures[1], "pictures of two seeds");
    // Three stages of colours, each of 0.25 at most.
    let bounded = draw(&Architecture { conv_clamp: Some(0.25), ..plain() }, &[7]);
    assert!(bounded.iter().all(|v| v.abs() <= 0.75 + 1e-6));
    assert!(draw(&plain(), &[7]).iter().any(|v| v.abs() > 0.75), "the bound had nothing to do");
}

fn shown<'a>(pictures: &'a [f32], classes: &'a [u32]) -> Shown<'a> {
    Shown { pictures, classes, fade: Some(0.6) }
}

fn discriminator(entrances: usize, downsample: Downsample) -> (Discriminator, Network) {
    discriminator_of(entrances, downsample, 0)
}

fn discriminator_of(entrances: usize, downsample: Downsample, classes: usize) -> (Discriminator, Network) {
    let mut config = Config::preset("tiny").unwrap().discriminator;
    (config.channels, config.downsample, config.classes) = (vec![20, 16, 12], downsample, classes);
    (config.group, config.features, config.entrances) = (2, 2, entrances);
    let d = Discriminator::new(&config, [4, 4]);
    let layout = d.layout();
    let weights = layout.initial(6);
    let mut net = Network::new(layout, weights);
    net.weights.iter_mut().zip(numbers(1 << 20, 9)).for_each(|(w, n)| *w += 0.1 * n);
    (d, net)
}

#[test]
fn gradients_of_every_kind_of_d_are_difference_quotients() {
    let cpu = cpu();
    for (entrances, downsample, known) in [
        (0, Downsample::PoolConv, 0),
        (1, Downsample::PoolConv, 3),
        (0, Downsample::ConvPool, 0),
        (0, Downsample::StyleGan2, 2),
        (1, Downsample::StyleGan2, 0),
    ] {
        let (d, mut net) = discriminator_of(entrances, downsample, known);
        let classes: Vec<u32> = [1, 0, 1, 1].into_iter().filter(|_| known > 0).collect();
        let pictures = numbers(4 * 3 * 256, 3);
        let target = [0.5f32, -1.0, 0.7, 1.3];
        let judge = |net: &Network, pictures: &[f32]| {
            let mut tape = Tape::<f32>::default();
            let judged = d.logits(&mut tape, Context { cpu: &cpu, net }, shown(pictures, &classes));
            dot(&tape.numbers(judged.logits), &target)
        };
        let mut tape = Tape::<f32>::default();
        let judged = d.logits(&mut tape, Context { cpu: &cpu, net: &net }, shown(&pictures, &classes));
        let walk = Walk { pictures: 0..4, weights: true };
        tape.backward(&cpu, &mut net, judged.pictures, judged.logits, &target, &walk);
        compare(&format!("{downsample:?}, {known} classes"), &net, 4.0, |net| judge(net, &pictures));
        let direction = numbers(pictures.len(), 4);
        let at = |by: f32| judge(&net, &moved(&pictures, &direction, by));
        let quotient = (at(3e-4) - at(-3e-4)) / 6e-4;
        let found = dot(tape.pixel_gradient(judged.pictures), &direction);
        assert!((found - quotient).abs() < 0.02 * quotient.abs().max(1.0), "{downsample:?}: {found} {quotient}");
    }
}

#[test]
fn gradients_of_some_pictures_of_d_are_theirs_in_the_gradient_of_all() {
    let cpu = cpu();
    for downsample in [Downsample::PoolConv, Downsample::ConvPool, Downsample::StyleGan2] {
        let (d, mut net) = discriminator(0, downsample);
        let pictures = numbers(6 * 3 * 256, 3);
        let mut tape = Tape::<f32>::default();
        let judged =
            d.logits(&mut tape, Context { cpu: &cpu, net: &net }, Shown { fade: None, ..Shown::plain(&pictures) });
        let mut gradient = |target: &[f32], range: std::ops::Range<usize>| {
            let walk = Walk { pictures: range, weights: false };
            tape.backward(&cpu, &mut net, judged.pictures, judged.logits, target, &walk);
            tape.pixel_gradient(judged.pictures)[2 * 768..].to_vec()
        };
        let all = gradient(&[0.3, -1.0, 0.5, 1.0, -0.7, 0.2], 0..6);
        assert_eq!(gradient(&[0.0, 0.0, 0.5, 1.0, -0.7, 0.2], 2..6), all, "{downsample:?}");
    }
}

#[test]
fn a_tangent_is_the_slope_and_its_gradient_that_of_the_slope() {
    for downsample in [Downsample::PoolConv, Downsample::ConvPool, Downsample::StyleGan2] {
        compare_tangent(downsample, &[]);
    }
}

/// The class's part of a slope has gradients of its own, and a tangent's pictures are some of the others in another order.
#[test]
fn a_tangent_of_pictures_with_classes_is_the_slope() {
    compare_tangent(Downsample::PoolConv, &[0, 2, 1, 1, 2, 0]);
}

fn compare_tangent(downsample: Downsample, classes: &[u32]) {
    let cpu = cpu();
    let (d, mut net) = discriminator_of(1, downsample, if classes.is_empty() { 0 } else { 3 });
    // What the slope of the deviation itself changes with is left out: without its weights nothing is.
    let e = net.layout.get("b4.conv.weight").clone();
    let [out, input] = [e.shape[0], e.shape[1]];
    for (i, w) in net.weights[e.range.clone()].iter_mut().enumerate() {
        if i / out % input >= 20 {
            *w = 0.0;
        }
    }
    let pictures = numbers(6 * 3 * 256, 3);
    let of = vec![4, 5, 0, 1];
    let directions = numbers(4 * 3 * 256, 4);
    let target = [0.5f32, -1.0, 0.7, 1.3];
    // A slope jumps where a sign changes, so the signs are those of the network as it is.
    let own = Network::new(net.layout.clone(), net.weights.clone());
    let slopes = |net: &Network| {
        let mut tape = Tape::<f32>::default();
        let judged = d.logits(&mut tape, Context { cpu: &cpu, net: &own }, shown(&pictures, classes));
        tape.forget_filters();
        let along = d.jvp(&mut tape, Context { cpu: &cpu, net }, &directions, Some(0.6), (&judged, of.clone()));
        tape.numbers(along.logits)
    };
    let at = |by: f32| {
        let mut all = pictures.clone();
        for (direction, picture) in directions.chunks_exact(768).zip(&of) {
            let own = &mut all[picture * 768..][..768];
            own.iter_mut().zip(direction).for_each(|(x, d)| *x += by * d);
        }
        let mut tape = Tape::<f32>::default();
        let judged = d.logits(&mut tape, Context { cpu: &cpu, net: &net }, shown(&all, classes));
        tape.numbers(judged.logits)
    };
    let (up, down, found) = (at(2e-4), at(-2e-4), slopes(&net));
    for (i, picture) in of.iter().enumerate() {
        let quotient = (up[*picture] - down[*picture]) / 4e-4;
        assert!((found[i] - quotient).abs() < 0.03 * quotient.abs().max(0.5), "{} {quotient}", found[i]);
    }
    let mut tape = Tape::<f32>::default();
    let context = Context { cpu: &cpu, net: &net };
    let judged = d.logits(&mut tape, context, shown(&pictures, classes));
    let along = d.jvp(&mut tape, context, &directions, Some(0.6), (&judged, of.clone()));
    let walk = Walk { pictures: 0..4, weights: true };
    tape.backward(&cpu, &mut net, along.pictures, along.logits, &target, &walk);
    compare(&format!("{downsample:?}"), &net, 4.0, |net| dot(&slopes(net), &target));
}

#[test]
fn memory_goes_to_what_fits_on_either_tape() {
    let tape = Tape::<f32>::default();
    let other = tape.beside();
    let mut map = tape.pool.map([4, 6, 6, 32]);
    let bytes = map.bytes();
    map.elements_mut().fill(7.0);
    tape.pool.take_back(Value::Map(map));
    assert_eq!((tape.bytes(), other.bytes()), (bytes, bytes));
    let mut again = other.pool.map([3, 8, 4, 20]);
    assert_eq!((again.bytes(), again.shape(), tape.bytes()), (bytes, [3, 8, 4, 32], 0));
    // The border is zero again, and nothing else need be.
    again.fill_planar(&vec![1.0; 3 * 32 * 32], 32);
    let planar = again.to_planar(32);
    assert!(planar.iter().all(|v| (v - 1.0).abs() < f32::EPSILON));
    assert!((again.elements().iter().sum::<f32>() - planar.len() as f32).abs() < 0.5);
    other.pool.take_back(Value::Map(again));
    // What needs much less does not take it.
    assert!(tape.pool.map([1, 2, 2, 16]).bytes() < bytes / 2);
    assert_eq!(tape.bytes(), bytes);
}

/// One step's gradients of D and of G, of the plain kind and of StyleGAN2's, at a number of threads.
fn gradients<E: Element>(threads: usize) -> [Vec<f32>; 4] {
    let cpu = Cpu::new(Isa::best(), threads);
    let walk = Walk { pictures: 0..6, weights: true };
    let pictures = numbers(6 * 3 * 256, 3);
    let of_d = |downsample: Downsample| {
        let (d, mut net) = discriminator(1, downsample);
        let mut tape = Tape::<E>::default();
        let judged = d.logits(&mut tape, Context { cpu: &cpu, net: &net }, shown(&pictures, &[]));
        tape.backward(&cpu, &mut net, judged.pictures, judged.logits, &[1.0; 6], &walk);
        net.gradient
    };
    let of_g = |architecture: &Architecture| {
        let generator = Generator::new(architecture);
        let layout = generator.layout();
        let weights = layout.initial(5);
        let mut net = Network::new(layout, weights);
        let (z, seeds) = (numbers(6 * 8, 1), [1, 2, 3, 4, 5, 6].map(Seed));
        let mut tape = Tape::<E>::default();
        let latents = Latents { z: &z, classes: &[], seeds: &seeds };
        let drawn = generator.draw(&mut tape, Context { cpu: &cpu, net: &net }, &latents, None, Some(0.6));
        tape.backward(&cpu, &mut net, drawn.first, drawn.pictures, &pictures, &walk);
        net.gradient
    };
    let stylegan2 = Architecture { upsample: Upsample::StyleGan2, noise: NoiseInputs::All, ..plain() };
    [of_d(Downsample::PoolConv), of_d(Downsample::StyleGan2), of_g(&plain()), of_g(&stylegan2)]
}

#[test]
fn gradients_are_the_same_to_the_bit_at_any_number_of_threads() {
    let bits = |gradients: [Vec<f32>; 4]| gradients.map(|g| g.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    let (one, rounded) = (bits(gradients::<f32>(1)), bits(gradients::<Bf16>(1)));
    for threads in [2, 3] {
        assert!(one == bits(gradients::<f32>(threads)), "f32, {threads} threads");
        assert!(rounded == bits(gradients::<Bf16>(threads)), "bfloat16, {threads} threads");
    }
}

#[test]
fn bfloat16_gradients_point_the_same_way() {
    // About 0.9999 for D and 0.999 for G.
    let cosines: Vec<f64> = gradients::<f32>(1)
        .iter()
        .zip(&gradients::<Bf16>(1))
        .map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt())
        .collect();
    let least = [0.999, 0.999, 0.998, 0.998];
    assert!(cosines.iter().zip(least).all(|(cosine, least)| *cosine > least), "{cosines:?}");
}
