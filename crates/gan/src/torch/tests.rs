//! Every pass against this program's own engine, which is the definition: on libtorch's CPU code, in f32 and in bfloat16.

use std::rc::Rc;

use kernels::Isa;
use kernels::train::{Bf16, Cpu};
use synth::{Architecture, NoiseInputs, Seed, Upsample, latent};

use super::Torch;
use crate::config::Downsample;
use crate::device::Device;
use crate::discriminator::{Discriminator, Shown};
use crate::generator::{Generator, Latents};
use crate::params::Layout;
use crate::passes::{Native, Passes};
use crate::tape::Network;
use crate::{Checkpoint, Config, Error, Precision, Trainer};

fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    latent::normal(Seed(seed), 0, &mut out);
    out
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// The distance of what was found from what was expected, in units of the latter's norm.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let distance = norm(found.iter().zip(expected).map(|(a, b)| a - b));
    // A slope does not change with the last bias: zero is zero.
    if distance == 0.0 { 0.0 } else { distance / norm(expected.iter().copied()) }
}

/// A network whose biases and strengths are not zero.
fn network(layout: Layout) -> Network {
    let mut weights = layout.initial(5);
    for (stream, e) in layout.entries().iter().enumerate().filter(|(_, e)| e.std == 0.0) {
        let more = numbers(100 + stream as u64, e.range.len());
        weights[e.range.clone()].iter_mut().zip(more).for_each(|(w, n)| *w += (0.2 / e.gain) as f32 * n);
    }
    Network::new(layout, weights)
}

/// Numbers by their name, gradients of weights by those of tensors.
type Number = (String, Vec<f32>);

const BATCH: usize = 4;

/// What a step asks of a device, twice.
fn ask(config: &Config, fade: Option<f32>, passes: &mut dyn Passes) -> Vec<Number> {
    let (generator, discriminator) = networks(config);
    let (mut g, mut d) = (network(generator.layout()), network(discriminator.layout()));
    let area = 3 * config.resolution().pow(2);
    let mut all_found = Vec::new();
    let mut found = |name: &str, values: Vec<f32>| all_found.push((name.to_owned(), values));
    let classes: Vec<u32> = [2, 0, 1, 2].into_iter().filter(|_| config.classes() > 0).collect();
    let both: Vec<u32> = [1, 1, 0, 2, 2, 0, 1, 2].into_iter().filter(|_| config.classes() > 0).collect();
    // Twice: nothing of a step may be left in the next.
    for round in 0..2 {
        for net in [&mut g, &mut d] {
            net.gradient.fill(0.0);
        }
        let z = numbers(1 + round, BATCH * config.architecture.z_dim);
        let (pictures, w) =
            passes.draw(&g, &Latents { z: &z, classes: &classes, seeds: &[9, 8, 7, 6].map(Seed) }, fade).unwrap();
        found("w", w);
        // Real pictures beside those that were drawn, in two parts of whole groups.
        let all = [numbers(2, BATCH * area), pictures.clone()].concat();
        found("pictures", pictures);
        found("logits", passes.d().logits(&d, Shown { pictures: &all, classes: &both, fade }).unwrap());
        let back = numbers(3, 2 * BATCH);
        found("at pictures", passes.d().backward(&mut d, &back, 0..2 * BATCH, true).unwrap());
        let of = [2, 3, 4, 5];
        let slopes = passes.d().jvp(&d, &numbers(4, of.len() * area), fade, &of).unwrap();
        passes.d().jvp_backward(&mut d, &slopes.iter().map(|v| 2.0 * v).collect::<Vec<_>>()).unwrap();
        found("slopes", slopes);
        let some = [vec![0.0; BATCH], numbers(5, BATCH)].concat();
        let at = passes.d().backward(&mut d, &some, BATCH..2 * BATCH, false).unwrap().split_off(BATCH * area);
        passes.draw_backward(&mut g, &at).unwrap();
        found("at drawn pictures", at);
        passes.finish(&mut g, &mut d).unwrap();
        for net in [&mut g, &mut d] {
            for e in net.layout.entries() {
                found(&e.name, net.gradient[e.range.clone()].to_vec());
            }
            // Another network the next time.
            net.weights.iter_mut().for_each(|w| *w *= 0.9);
        }
    }
    all_found
}

fn networks(config: &Config) -> (Generator, Discriminator) {
    (Generator::new(&config.architecture), Discriminator::new(&config.discriminator, config.architecture.base))
}

fn cpu() -> Rc<Cpu> {
    Rc::new(Cpu::new(Isa::best(), 2))
}

/// Errors of libtorch and, in bfloat16, of the native engine against the native one in f32, with their places.
fn errors(config: &Config, fade: Option<f32>, bf16: bool) -> Vec<([f64; 2], String)> {
    let (generator, discriminator) = networks(config);
    let exact = ask(config, fade, &mut Native::<f32>::new(cpu(), &generator, &discriminator));
    let mut torch = Torch::new(Device::Torch, bf16, cpu(), &generator, &discriminator).unwrap();
    let torch = ask(config, fade, &mut torch);
    let native = ask(config, fade, &mut Native::<Bf16>::new(cpu(), &generator, &discriminator));
    let both = torch.into_iter().zip(native).zip(exact);
    let of = |(((name, torch), (_, native)), (_, exact)): ((Number, Number), Number)| {
        ([torch, native].map(|found| error(&found, &exact)), name)
    };
    both.map(of).collect()
}

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut c = Config::preset("tiny").unwrap();
    c.architecture = Architecture::plain(10, 20, &[20, 12, 8]);
    c.discriminator.channels = vec![20, 12, 8];
    c.discriminator.group = 2;
    change(&mut c);
    c
}

/// All that presets and imported networks are made of.
fn kinds() -> [(&'static str, Config, Option<f32>); 6] {
    [
        ("plain", config(|_| ()), None),
        ("grown, fading", config(|c| (c.discriminator.features, c.discriminator.entrances) = (4, 1)), Some(0.6)),
        ("classes", config(|_| ()).with_classes(3), None),
        ("grown, two entrances", config(|c| c.discriminator.entrances = 2), None),
        (
            "pooled and doubled at the larger size",
            config(|c| {
                c.architecture.upsample = Upsample::UpConv;
                c.discriminator.downsample = Downsample::ConvPool;
                c.architecture.mapping_layers = 3;
                c.architecture.conv_clamp = Some(1.5);
            }),
            None,
        ),
        (
            "stylegan2",
            config(|c| {
                c.architecture.upsample = Upsample::StyleGan2;
                c.architecture.noise = NoiseInputs::All;
                c.discriminator.downsample = Downsample::StyleGan2;
            }),
            None,
        ),
    ]
}

#[test]
fn passes_are_those_of_the_native_engine() {
    for (name, config, fade) in kinds() {
        for ([error, _], place) in errors(&config, fade, false) {
            assert!(error < 1e-4, "{name}: {error:.1e} of the norm at {place}");
        }
    }
}

/// Two roundings of one thing: neither is the other's measure, but in the (geometric) mean of all numbers one is as far from the exact ones as the
/// other. A single network's errors can be several times another's, because rounding turns a sign here and there.
#[test]
fn bfloat16_is_as_exact_as_the_native_one() {
    let all: Vec<_> = kinds().iter().flat_map(|(_, config, fade)| errors(config, *fade, true)).collect();
    // The mapping network, and what is zero, is not rounded.
    let rounded: Vec<[f64; 2]> =
        all.into_iter().map(|(both, _)| both).filter(|both| both.iter().all(|e| *e > 1e-5)).collect();
    assert!(rounded.len() > 400, "{} numbers are rounded", rounded.len());
    let mean = |of: usize| (rounded.iter().map(|both| both[of].ln()).sum::<f64>() / rounded.len() as f64).exp();
    let [torch, native] = [mean(0), mean(1)];
    assert!(torch < 1.5 * native, "{torch:.1e} of the norm by libtorch, {native:.1e} by the native engine");
    println!("{torch:.1e} of the norm by libtorch, {native:.1e} by the native engine, in {} numbers", rounded.len());
}

fn trained(trainer: &mut Trainer, steps: u64) {
    let config = trainer.config().clone();
    let length = config.batch * config.resolution().pow(2) * 3;
    for step in trainer.progress().steps..trainer.progress().steps + steps {
        let pixels: Vec<u8> =
            numbers(step, length).iter().map(|v| (v * 60.0 + 128.0).clamp(0.0, 255.0) as u8).collect();
        trainer.step(&pixels, &[]).unwrap();
    }
}

/// G's and D's weights and G's average.
fn state(trainer: &Trainer) -> [Vec<f32>; 3] {
    [trainer.g.net.weights.clone(), trainer.d.net.weights.clone(), trainer.ema.clone()]
}

/// Adam divides each gradient by its own size: where that is next to nothing its sign is chance, and so is the step of that weight. So what two steps
/// have changed is compared as a whole, with a tolerance far above rounding and far below a wrong step, whose error would be of the order of 1.
#[test]
fn a_run_goes_on_from_one_backend_to_the_other() {
    let config = Config { precision: Precision::F32, batch: 8, ..config(|c| c.optimizer.warmup_kimg = 0.0) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut native = Trainer::new(config, 2).unwrap();
    trained(&mut native, 2);
    Checkpoint::save(&native, "", 0.0, &path).unwrap();
    let before = state(&native);
    let mut torch = Checkpoint::load(&path, 2).unwrap().trainer;
    torch.move_to(Device::Torch).unwrap();
    trained(&mut torch, 2);
    trained(&mut native, 2);
    let change = |after: &[f32], before: &[f32]| after.iter().zip(before).map(|(a, b)| a - b).collect::<Vec<_>>();
    for ((torch, native), before) in state(&torch).iter().zip(state(&native)).zip(&before) {
        let error = error(&change(torch, before), &change(&native, before));
        println!("{error:.1e} of the change");
        assert!(error < 1e-3, "{error:.1e} of the change");
    }
    let averages = [torch.take_means().unwrap(), native.take_means().unwrap()];
    // The native trainer's are of four steps.
    assert!(averages.iter().all(|a| a.loss_d.is_finite() && a.penalty > 0.0), "{averages:?}");
    // And back again.
    Checkpoint::save(&torch, "", 0.0, &path).unwrap();
    let mut back = Checkpoint::load(&path, 2).unwrap().trainer;
    assert_eq!(back.device().0, Device::Cpu);
    assert_eq!(state(&back), state(&torch));
    assert_eq!(back.progress(), torch.progress());
    trained(&mut back, 1);
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    let mut trainer = Trainer::new(config(|_| ()), 2).unwrap();
    let error = trainer.move_to(Device::Cuda(99)).unwrap_err();
    assert!(matches!(&error, Error::Device { device: Device::Cuda(99), .. }) && error.to_string().contains("cuda:99"));
    assert_eq!(trainer.device().0, Device::Cpu);
    trained(&mut trainer, 1);
}
