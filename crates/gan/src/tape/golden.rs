//! Whole networks against PyTorch: tests/golden/gradients.py makes the numbers, from the same weights and inputs.

use kernels::Isa;
use kernels::train::Cpu;
use serde_json::Value;
use synth::{Architecture, Seed, latent};

use super::{Context, Network, Tape, Walk};
use crate::Config;
use crate::config::Downsample;
use crate::discriminator::{Discriminator, Shown};
use crate::generator::{Generator, Latents};
use crate::params::Layout;

/// Largest difference in units of a tensor's norm.
const TOLERANCE: f64 = 1e-4;

// The script's seeds.
const INPUT: u64 = 199;
const WEIGHT: u64 = 21;
const BIAS: u64 = 31;
const VECTORS: [u64; 2] = [41, 42];

fn numbers(seed: u64, stream: usize, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    latent::normal(Seed(seed), stream as u32, &mut out);
    out
}

fn input(stream: usize, n: usize) -> Vec<f32> {
    numbers(INPUT, stream, n)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn network(layout: Layout) -> Network {
    let mut weights = layout.initial(WEIGHT);
    for (stream, e) in layout
        .entries()
        .iter()
        .enumerate()
        .filter(|(_, e)| e.name.rsplit_once('.').is_some_and(|(_, part)| part == "bias"))
    {
        let more = numbers(BIAS, stream, e.range.len());
        weights[e.range.clone()].iter_mut().zip(more).for_each(|(w, n)| *w += (0.2 / e.gain) as f32 * n);
    }
    Network::new(layout, weights)
}

/// What the script says of one part, and how near what is found comes.
struct Golden {
    part: Value,
    compared: Vec<String>,
    worst: (f64, String),
}

impl Golden {
    fn of(part: &str) -> Self {
        let mut all: Value = serde_json::from_str(include_str!("../../tests/golden/gradients.json")).unwrap();
        Self { part: all[part].take(), compared: Vec::new(), worst: (0.0, String::new()) }
    }

    /// Norm and products with two fixed vectors, of the script's tensor `name`, its next one.
    fn compare(&mut self, name: &str, found: &[f32]) {
        let golden: [f64; 3] =
            serde_json::from_value(self.part[name].clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let stream = self.compared.len();
        let products = VECTORS.map(|seed| dot(found, &numbers(seed, stream, found.len())));
        let found = [dot(found, found).sqrt(), products[0], products[1]];
        for (found, expected) in found.into_iter().zip(golden) {
            // A slope does not change with the last bias: zero is zero.
            let error = (found - expected).abs() / golden[0].max(f64::MIN_POSITIVE);
            assert!(error < TOLERANCE, "{name}: {found} here, {expected} by PyTorch: {error:.1e} of the norm");
            if error > self.worst.0 {
                self.worst = (error, name.into());
            }
        }
        self.compared.push(name.into());
    }

    fn compare_gradients(mut self, cpu: &Cpu, net: &Network, part: &str) {
        for e in net.layout.entries() {
            self.compare(&e.name, &net.gradient[e.range.clone()]);
        }
        let all: Vec<&String> = self.part.as_object().unwrap().keys().collect();
        assert!(
            all.iter().all(|name| self.compared.contains(name)),
            "{part}: tensors {all:?}, here {:?}",
            self.compared
        );
        println!("{part} {}: {:.1e} of the norm at most, at {}", cpu.crew().isa().name(), self.worst.0, self.worst.1);
    }
}

/// This machine with each of its instruction sets, the plainest first.
fn processors() -> impl Iterator<Item = Cpu> {
    Isa::available().iter().map(|isa| Cpu::new(*isa, 2))
}

#[test]
fn gradients_of_g_are_those_of_pytorch() {
    for cpu in processors() {
        let generator = Generator::new(&Architecture::plain(10, 20, &[40, 24, 12]));
        let mut net = network(generator.layout());
        let mut golden = Golden::of("g");
        let mut tape = Tape::<f32>::default();
        let latents = Latents { z: &input(0, 3 * 10), classes: &[], seeds: &[Seed(0); 3] };
        let drawn = generator.draw(&mut tape, Context { cpu: &cpu, net: &net }, &latents, None, Some(0.7));
        golden.compare("pictures", tape.pixels(drawn.pictures));
        let walk = Walk { pictures: 0..3, weights: true };
        tape.backward(&cpu, &mut net, drawn.first, drawn.pictures, &input(1, 3 * 3 * 256), &walk);
        golden.compare_gradients(&cpu, &net, "g");
    }
}

/// One of the script's discriminators.
struct Case {
    name: &'static str,
    channels: &'static [usize],
    group: usize,
    features: usize,
    entrances: usize,
    downsample: Downsample,
    batch: usize,
    fade: f32,
    of: [usize; 4],
}

const CASES: [Case; 2] = [
    Case {
        name: "d",
        channels: &[40, 24, 12],
        group: 2,
        features: 4,
        entrances: 1,
        downsample: Downsample::PoolConv,
        batch: 6,
        fade: 0.6,
        of: [4, 5, 0, 1],
    },
    Case {
        name: "d_plain",
        channels: &[20, 16],
        group: 4,
        features: 1,
        entrances: 0,
        downsample: Downsample::ConvPool,
        batch: 8,
        fade: 1.0,
        of: [4, 5, 6, 7],
    },
];

impl Case {
    fn discriminator(&self) -> Discriminator {
        let mut config = Config::preset("tiny").unwrap().discriminator;
        config.channels = self.channels.to_vec();
        (config.group, config.features, config.entrances) = (self.group, self.features, self.entrances);
        config.downsample = self.downsample;
        Discriminator::new(&config, [4, 4])
    }

    /// Numbers of one picture.
    fn length(&self) -> usize {
        3 * (4usize << (self.channels.len() - 1)).pow(2)
    }

    fn pictures(&self) -> Vec<f32> {
        input(2, self.batch * self.length())
    }
}

#[test]
fn gradients_of_d_are_those_of_pytorch() {
    for (case, cpu) in CASES.iter().flat_map(|case| processors().map(move |cpu| (case, cpu))) {
        let d = case.discriminator();
        let mut net = network(d.layout());
        let mut golden = Golden::of(case.name);
        let mut tape = Tape::<f32>::default();
        let judged = d.logits(
            &mut tape,
            Context { cpu: &cpu, net: &net },
            Shown { fade: Some(case.fade), ..Shown::plain(&case.pictures()) },
        );
        golden.compare("logits", &tape.numbers(judged.logits));
        let walk = Walk { pictures: 0..case.batch, weights: true };
        tape.backward(&cpu, &mut net, judged.pictures, judged.logits, &input(3, case.batch), &walk);
        golden.compare("at pictures", tape.pixel_gradient(judged.pictures));
        golden.compare_gradients(&cpu, &net, case.name);
    }
}

#[test]
fn gradients_of_the_penalty_are_those_of_pytorch() {
    for (case, cpu) in CASES.iter().flat_map(|case| processors().map(move |cpu| (case, cpu))) {
        let d = case.discriminator();
        let mut net = network(d.layout());
        let part = format!("{} penalty", case.name);
        let mut golden = Golden::of(&part);
        let mut tape = Tape::<f32>::default();
        let judged = d.logits(
            &mut tape,
            Context { cpu: &cpu, net: &net },
            Shown { fade: Some(case.fade), ..Shown::plain(&case.pictures()) },
        );
        let directions = input(4, case.of.len() * case.length());
        let along = d.jvp(
            &mut tape,
            Context { cpu: &cpu, net: &net },
            &directions,
            Some(case.fade),
            (&judged, case.of.to_vec()),
        );
        let slopes = tape.numbers(along.logits);
        golden.compare("slopes", &slopes);
        let back: Vec<f32> = slopes.iter().map(|v| 2.0 * v).collect();
        let walk = Walk { pictures: 0..case.of.len(), weights: true };
        tape.backward(&cpu, &mut net, along.pictures, along.logits, &back, &walk);
        golden.compare_gradients(&cpu, &net, &part);
    }
}
