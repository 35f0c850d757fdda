//! Training throughput: real pictures a second through whole steps, a row a configuration.
//!
//! `MIMALLOC_PURGE_DELAY=-1 cargo bench -p tadne-gan --bench step -- [THREADS] [PRESET...]`, which is how `tadne train` has its allocator
//! work; `benches/peers/train.py` takes the same networks through PyTorch.

use std::time::Instant;

use gan::{Config, Device, Precision, Trainer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps before the clock starts, and steps on the clock.
const WARM_UP: usize = 2;
const TIMED: usize = 8;

fn main() -> Result<(), gan::Error> {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--")).peekable();
    let threads = arguments.next_if(|a| a.parse::<i32>().is_ok()).map_or(2, |a| a.parse().unwrap_or(2));
    let mut presets: Vec<String> = arguments.collect();
    if presets.is_empty() {
        presets = vec!["c64".into(), "c128".into()];
    }
    gan::set_num_threads(threads);
    println!("{:<14} {:<6} {:>9} {:>9}", "config", "kind", "ms/step", "images/s");
    for preset in &presets {
        for precision in [Precision::F32, Precision::Bf16] {
            let config = Config { precision, ..Config::preset(preset)? };
            let batch = config.batch;
            let pixels: Vec<u8> = (0..batch * config.resolution().pow(2) * 3).map(|i| (i * 31 % 251) as u8).collect();
            let mut trainer = Trainer::new(config, Device::Cpu)?;
            (0..WARM_UP).for_each(|_| trainer.step(&pixels));
            let mut times = [0.0; TIMED];
            for time in &mut times {
                let start = Instant::now();
                trainer.step(&pixels);
                *time = start.elapsed().as_secs_f64();
            }
            times.sort_by(f64::total_cmp);
            let median = f64::midpoint(times[TIMED / 2 - 1], times[TIMED / 2]);
            let kind = if precision == Precision::F32 { "f32" } else { "bf16" };
            println!("{preset:<14} {kind:<6} {:>9.0} {:>9.1}", median * 1e3, batch as f64 / median);
        }
    }
    Ok(())
}
