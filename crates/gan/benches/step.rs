//! Training steps: `cargo bench -p tadne-gan --bench step [-- THREADS] [PRESET | 64:256,256,192,96,48 ...] [KEY=VALUE ...]`; real pictures a
//! second through whole steps, the median of several, on noise; `precision=auto`, `f32` or `bf16`, or the first two of these; `steps=10`. Its peer is
//! benches/peers/train.py.
//!
//! Built with `--features torch`, `device=torch` or `device=cuda` has that one take its steps by turns with this program's own engine, and `only=device` alone.

use std::time::Instant;

use gan::{Config, Device, Precision, Trainer};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let threads = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(2);
    let mut presets: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|a| a.parse::<usize>().is_err() && !a.contains('=')).collect();
    if presets.is_empty() {
        presets = vec!["c64", "c128"];
    }
    let precisions: &[Precision] = match arguments.iter().find_map(|a| a.strip_prefix("precision=")) {
        None => &[Precision::Auto, Precision::F32],
        Some("auto") => &[Precision::Auto],
        Some("f32") => &[Precision::F32],
        Some("bf16") => &[Precision::Bf16],
        Some(other) => panic!("precision={other}: use auto, f32 or bf16"),
    };
    let number = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.parse::<f64>().ok());
    for preset in presets {
        for precision in precisions {
            let mut config = match preset.split_once(':') {
                None => Config::preset(preset),
                Some((_, channels)) => Config::preset("c64").map(|mut c| {
                    c.architecture.channels = channels.split(',').filter_map(|c| c.parse().ok()).collect();
                    c.discriminator.channels.clone_from(&c.architecture.channels);
                    c
                }),
            }
            .unwrap_or_else(|e| panic!("{e}"));
            config.precision = *precision;
            config.batch = number("batch=").map_or(config.batch, |v| v as usize);
            config.loss.penalty_fraction = number("penalty=").unwrap_or(config.loss.penalty_fraction);
            let device = arguments.iter().find_map(|a| a.strip_prefix("device="));
            let device = device.map(|name| name.parse::<Device>().unwrap_or_else(|e| panic!("device={name}: {e}")));
            let alone = arguments.iter().any(|a| a == "only=device");
            let devices = [Some(Device::Cpu).filter(|_| !alone), device].into_iter().flatten();
            let steps = number("steps=").map_or(10, |v| v as usize);
            measure(preset, &config, (threads, steps), &devices.collect::<Vec<_>>());
        }
    }
}

/// So many steps of trainers on `devices` by turns, after two that are not counted.
fn measure(name: &str, config: &Config, (threads, steps): (usize, usize), devices: &[Device]) {
    let (batch, size) = (config.batch, config.resolution());
    let mut trainers: Vec<(Trainer, Vec<f64>)> = devices
        .iter()
        .map(|device| {
            let mut trainer = Trainer::new(config.clone(), threads).unwrap_or_else(|e| panic!("{e}"));
            trainer.move_to(*device).unwrap_or_else(|e| panic!("{e}"));
            (trainer, Vec::new())
        })
        .collect();
    let pixels: Vec<u8> = (0..batch * size * size * 3).map(|i| ((i * 2_654_435_761) >> 7) as u8).collect();
    for _ in 0..steps.max(1) + 2 {
        for (trainer, times) in &mut trainers {
            let start = Instant::now();
            trainer.step(&pixels, &[]).unwrap_or_else(|e| panic!("{e}"));
            times.push(start.elapsed().as_secs_f64());
        }
    }
    for (trainer, mut times) in trainers {
        times.drain(..2);
        times.sort_by(f64::total_cmp);
        let seconds = times[times.len() / 2];
        let how = match trainer.device() {
            (Device::Cpu, _) => trainer.processor().1.to_owned(),
            (device, precision) => format!("{device} {precision:?}"),
        };
        println!(
            "{name} {how} {threads} threads: {:.1} images/s, {:.2} ms each",
            batch as f64 / seconds,
            seconds * 1e3 / batch as f64
        );
    }
}
