//! Our side of the comparison with other runtimes: answers requests on standard input, so that all are timed by turns.
//!
//! Started by `benches/peers/draw.py` as `peer MODEL_FILE`. Requests are lines: `raw SEED PATH` writes w and the raw
//! planar picture of a seed to PATH (little-endian f32) and answers `done`; `time THREADS PICTURES SEED` draws as many
//! pictures twice and answers with the milliseconds of the second time, all pictures together. `memory` answers with the
//! most memory this process has had, in megabytes.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use synth::{Creativity, Generator, ModelFile, Picture, Seed};

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().skip(1).find(|argument| argument != "--bench") else {
        println!("nothing to do: this is one half of benches/peers/draw.py, which passes it a model file");
        return Ok(());
    };
    let generator = Arc::new(Generator::consume(ModelFile::open(Path::new(&path))?)?);
    let mut workers = HashMap::new();
    println!("{}", generator.simd());
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["raw", seed, path] => {
                let seed = seed.parse()?;
                let mut numbers = generator.w(seed);
                numbers.extend(generator.worker().synthesize(&numbers, seed));
                let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
                std::fs::write(path, bytes)?;
                println!("done");
            }
            ["time", threads, pictures, seed] => {
                let (threads, pictures, seed) = (threads.parse()?, pictures.parse::<u64>()?, seed.parse::<u64>()?);
                let new = || generator.worker_with_threads(threads);
                let worker = workers.entry((threads, pictures)).or_insert_with(new);
                let wanted: Vec<_> = (seed..seed + pictures).map(|seed| (Seed(seed), Creativity::default())).collect();
                let mut drawn = vec![Picture::default(); wanted.len()];
                worker.draw_batch(&wanted, &mut drawn);
                let start = Instant::now();
                worker.draw_batch(&wanted, &mut drawn);
                println!("{}", start.elapsed().as_secs_f64() * 1e3);
            }
            ["memory"] => println!("{}", memory_mb().unwrap_or(f64::NAN)),
            _ => return Err(format!("unknown request {line:?}").into()),
        }
    }
    Ok(())
}

fn memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
}
