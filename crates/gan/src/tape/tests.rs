//! Whole networks against finite differences, in f32. Steps are small, because larger ones cross the kinks of the leaky ReLU.

use kernels::Isa;
use kernels::train::{Cpu, Element};
use synth::{Architecture, Seed};

use super::{Network, Tape, Walk};
use crate::Config;
use crate::discriminator::Discriminator;
use crate::generator::Generator;

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
fn compare(net: &Network, scale: f64, value: impl Fn(&Network) -> f64) {
    for (i, e) in net.layout.entries().iter().enumerate() {
        let mut direction = vec![0.0; net.weights.len()];
        direction[e.range.clone()].copy_from_slice(&numbers(e.range.len(), 100 + i as u64));
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
        assert!(error < 0.02, "{}: gradient {found}, difference quotients {quotients:?}, error {error}", e.name);
    }
}

fn cpu() -> Cpu {
    Cpu::new(Isa::best(), 2)
}

#[test]
fn gradients_of_g_are_difference_quotients() {
    let cpu = cpu();
    let generator = Generator::new(&Architecture::plain(8, 12, &[20, 16, 12]));
    let layout = generator.layout();
    let weights = layout.initial(5);
    let mut net = Network::new(layout, weights);
    // Biases that are zero have nothing to show.
    net.weights.iter_mut().zip(numbers(1 << 20, 9)).for_each(|(w, n)| *w += 0.1 * n);
    let z = numbers(3 * 8, 1);
    let target = numbers(3 * 3 * 256, 2);
    let value = |net: &Network| {
        let mut tape = Tape::<f32>::default();
        let drawn = generator.draw(&cpu, &mut tape, net, &z, None, 0.7);
        dot(tape.pixels(drawn.pictures), &target)
    };
    let mut tape = Tape::<f32>::default();
    let drawn = generator.draw(&cpu, &mut tape, &net, &z, None, 0.7);
    let walk = Walk { pictures: 0..3, weights: true };
    tape.backward(&cpu, &mut net, drawn.first, drawn.pictures, &target, &walk);
    compare(&net, 20.0, value);
}

fn discriminator(entrances: usize) -> (Discriminator, Network) {
    let mut config = Config::preset("tiny").unwrap().discriminator;
    config.channels = vec![20, 16, 12];
    (config.group, config.features, config.entrances) = (2, 2, entrances);
    let d = Discriminator::new(&config, [4, 4]);
    let layout = d.layout();
    let weights = layout.initial(6);
    let mut net = Network::new(layout, weights);
    net.weights.iter_mut().zip(numbers(1 << 20, 9)).for_each(|(w, n)| *w += 0.1 * n);
    (d, net)
}

#[test]
fn gradients_of_d_are_difference_quotients() {
    let cpu = cpu();
    for entrances in [0, 1] {
        let (d, mut net) = discriminator(entrances);
        let pictures = numbers(4 * 3 * 256, 3);
        let target = [0.5f32, -1.0, 0.7, 1.3];
        let judge = |net: &Network, pictures: &[f32]| {
            let mut tape = Tape::<f32>::default();
            let judged = d.judge(&cpu, &mut tape, net, pictures, 0.6);
            dot(&tape.numbers(judged.logits), &target)
        };
        let mut tape = Tape::<f32>::default();
        let judged = d.judge(&cpu, &mut tape, &net, &pictures, 0.6);
        let walk = Walk { pictures: 0..4, weights: true };
        tape.backward(&cpu, &mut net, judged.pictures, judged.logits, &target, &walk);
        compare(&net, 4.0, |net| judge(net, &pictures));
        let direction = numbers(pictures.len(), 4);
        let at = |by: f32| judge(&net, &moved(&pictures, &direction, by));
        let quotient = (at(3e-4) - at(-3e-4)) / 6e-4;
        let found = dot(tape.pixel_gradient(judged.pictures), &direction);
        assert!((found - quotient).abs() < 0.02 * quotient.abs().max(1.0), "{found} {quotient}");
    }
}

#[test]
fn a_tangent_is_the_slope_and_its_gradient_that_of_the_slope() {
    let cpu = cpu();
    let (d, mut net) = discriminator(1);
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
        let judged = d.judge(&cpu, &mut tape, &own, &pictures, 0.6);
        tape.weights_changed();
        let along = d.along(&cpu, &mut tape, net, &directions, 0.6, &judged, of.clone());
        tape.numbers(along.logits)
    };
    let at = |by: f32| {
        let mut all = pictures.clone();
        for (direction, picture) in directions.chunks_exact(768).zip(&of) {
            let own = &mut all[picture * 768..][..768];
            own.iter_mut().zip(direction).for_each(|(x, d)| *x += by * d);
        }
        let mut tape = Tape::<f32>::default();
        let judged = d.judge(&cpu, &mut tape, &net, &all, 0.6);
        tape.numbers(judged.logits)
    };
    let (up, down, found) = (at(2e-4), at(-2e-4), slopes(&net));
    for (i, picture) in of.iter().enumerate() {
        let quotient = (up[*picture] - down[*picture]) / 4e-4;
        assert!((found[i] - quotient).abs() < 0.03 * quotient.abs().max(0.5), "{} {quotient}", found[i]);
    }
    let mut tape = Tape::<f32>::default();
    let judged = d.judge(&cpu, &mut tape, &net, &pictures, 0.6);
    let along = d.along(&cpu, &mut tape, &net, &directions, 0.6, &judged, of.clone());
    let walk = Walk { pictures: 0..4, weights: true };
    tape.backward(&cpu, &mut net, along.pictures, along.logits, &target, &walk);
    compare(&net, 4.0, |net| dot(&slopes(net), &target));
}

/// One step's gradient of D at two numbers of threads.
fn bits<E: Element>(threads: usize) -> Vec<u32> {
    let cpu = Cpu::new(Isa::best(), threads);
    let (d, mut net) = discriminator(1);
    let pictures = numbers(6 * 3 * 256, 3);
    let mut tape = Tape::<E>::default();
    let judged = d.judge(&cpu, &mut tape, &net, &pictures, 0.6);
    tape.backward(&cpu, &mut net, judged.pictures, judged.logits, &[1.0; 6], &Walk { pictures: 0..6, weights: true });
    net.gradient.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn gradients_are_the_same_to_the_bit_at_any_number_of_threads() {
    for threads in [2, 3] {
        assert_eq!(bits::<f32>(1), bits::<f32>(threads));
        assert_eq!(bits::<kernels::train::Bf16>(1), bits::<kernels::train::Bf16>(threads));
    }
}

#[test]
fn bfloat16_gradients_point_the_same_way() {
    let (a, b) = (bits::<f32>(1), bits::<kernels::train::Bf16>(1));
    let [a, b] = [a, b].map(|bits| bits.into_iter().map(f32::from_bits).collect::<Vec<_>>());
    let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
    assert!(cosine > 0.999, "{cosine}");
}
