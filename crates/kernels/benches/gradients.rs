//! Speed of the layers with gradients: `cargo bench -p tadne-kernels --bench gradients [-- THREADS]`; GFLOP/s of each pass, counting a
//! multiply and an add as two as the plain sum has them, and in brackets what share that is of the most the threads can do with f32. Winograd's
//! products are a quarter of the plain sum's, so that a share may be above 1.

use std::time::Instant;

use kernels::train::{
    Addend, Backward, Bf16, Conv, Cpu, Element, Filter, FilterShape, Forward, Input, Map, Mask, Source, WeightGradient,
};
use kernels::{Isa, peak_multiply_adds};

/// [size, inputs, outputs] of typical layers.
const LAYERS: [[usize; 3]; 6] =
    [[64, 48, 48], [32, 96, 96], [16, 192, 192], [8, 256, 256], [4, 256, 256], [32, 48, 96]];
const PICTURES: usize = 64;

/// Seconds that this thread has computed, where the system tells: with one thread, what others do beside it does not count.
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

/// Some systems count a thread's time in hundredths of a second only.
const LEAST_SECONDS: f64 = 0.2;

fn median(alone: bool, mut work: impl FnMut()) -> f64 {
    let (mut times_over, start) = (0, Instant::now());
    while start.elapsed().as_secs_f64() < LEAST_SECONDS {
        work();
        times_over += 1;
    }
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let (start, before) = (Instant::now(), processor_seconds());
            (0..times_over).for_each(|_| work());
            let seconds = match (before, processor_seconds()) {
                (Some(before), Some(after)) if alone => after - before,
                _ => start.elapsed().as_secs_f64(),
            };
            seconds / f64::from(times_over)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[3]
}

fn layer<E: Element>(cpu: &Cpu, [size, ci, co]: [usize; 3], name: &str, peak: f64) {
    let n = PICTURES;
    let conv = Conv { gain: Some(1.4), pooled: false };
    let mut x = Map::<E>::new(n, size, size, ci);
    x.fill_planar(&vec![0.5; n * ci * size * size], ci);
    let mut back = Map::<E>::new(n, size, size, co);
    back.fill_planar(&vec![0.5; n * co * size * size], co);
    let (mut y, mut dx) = (back.clone(), x.clone());
    let weights = vec![0.1; 9 * ci * co];
    let (mut filter, mut turned) = (Filter::<E>::default(), Filter::<E>::default());
    let alone = cpu.crew().threads() == 1;
    let pack = median(alone, || {
        let shape = FilterShape { size: 3, inputs: ci, outputs: co, map: [size; 2] };
        filter.pack(cpu, &weights, shape, 1.0, false);
        turned.pack(cpu, &weights, shape, 1.0, true);
    });
    let mut mask = Mask::new(y.shape());
    let bias = vec![0.0; co];
    let forward = median(alone, || {
        let how = Forward::Value { bias: Some(&bias), mask: Some(&mut mask) };
        conv.forward(cpu, Source::Map(&x), &filter, how, Addend::None, &mut y);
    });
    let (mut dw, mut db) = (vec![0.0; weights.len()], vec![0.0; co]);
    let mut backward = |input: bool, weights: bool| {
        median(alone, || {
            conv.backward(
                cpu,
                3,
                Backward {
                    range: 0..n,
                    x: Source::Map(&x),
                    back: &back,
                    mask: Some(&mask),
                    pictures: None,
                    input: if input { Input::Map(&mut dx, false, &turned) } else { Input::None },
                    weights: weights.then_some(WeightGradient { sum: &mut dw, inputs: ci, outputs: co, gain: 1.0 }),
                    bias: weights.then_some((&mut db, 1.0)),
                },
            );
        })
    };
    let (input, weights) = (backward(true, false), backward(false, true));
    let operations = (2 * n * size * size * 9 * ci * co) as f64 / 1e9;
    let [to, at_input, at_weights] = [forward, input, weights].map(|seconds| {
        let speed = operations / seconds;
        format!("{speed:6.0} ({:.2})", speed / peak)
    });
    println!(
        "{name:12} {size:3} px {ci:3} -> {co:3}: forward {to}  input {at_input}  weights {at_weights} GFLOP/s; ms {:.2} {:.2} {:.2}, packing {:.2}",
        forward * 1e3,
        input * 1e3,
        weights * 1e3,
        pack * 1e3
    );
}

fn main() {
    let threads = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(1);
    let isa = Isa::from_environment().unwrap_or_else(|e| panic!("{e}"));
    let cpu = Cpu::new(isa, threads);
    let mut operations = 0;
    let seconds = median(true, || operations = peak_multiply_adds(isa, 2_000_000));
    let peak = threads as f64 * operations as f64 / seconds / 1e9;
    println!("multiply-adds of {threads} threads in registers: {peak:.0} GFLOP/s of f32");
    for shape in LAYERS {
        // Elsewhere products of bfloat16 are the scalar twin's, which nobody trains with.
        if cpu.name() != isa.name() {
            layer::<Bf16>(&cpu, shape, cpu.name(), peak);
        }
    }
    for shape in LAYERS {
        layer::<f32>(&cpu, shape, isa.name(), peak);
    }
}
