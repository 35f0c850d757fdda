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
use std::thread;
use std::time::Instant;

use synth::{Generator, ModelFile, Picture, Psi, Seed, Worker};

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().skip(1).find(|argument| argument != "--bench") else {
        println!("nothing to do: this is one half of benches/peers/draw.py, which passes it a model file");
        return Ok(());
    };
    let generator = Arc::new(Generator::new(&ModelFile::open(Path::new(&path))?)?);
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
                let (threads, pictures, seed) = (threads.parse()?, pictures.parse()?, seed.parse()?);
                let crew =
                    workers.entry((threads, pictures)).or_insert_with(|| Crew::new(&generator, threads, pictures));
                crew.draw(seed);
                let start = Instant::now();
                crew.draw(seed);
                println!("{}", start.elapsed().as_secs_f64() * 1e3);
            }
            ["memory"] => println!("{}", memory_mb().unwrap_or(f64::NAN)),
            _ => return Err(format!("unknown request {line:?}").into()),
        }
    }
    Ok(())
}

/// Workers for some pictures: one worker with all threads for a single picture, else a worker a thread.
struct Crew {
    workers: Vec<Worker>,
    pictures: Vec<Picture>,
}

impl Crew {
    fn new(generator: &Arc<Generator>, threads: usize, pictures: usize) -> Self {
        let workers = match pictures {
            1 => vec![generator.worker_with_threads(threads)],
            _ => (0..threads).map(|_| generator.worker()).collect(),
        };
        Crew { workers, pictures: vec![Picture::default(); pictures] }
    }

    fn draw(&mut self, seed: Seed) {
        let share = self.pictures.len().div_ceil(self.workers.len());
        let wanted: Vec<_> = (0..share).map(|i| (Seed(seed.0 + i as u64), Psi::default())).collect();
        thread::scope(|scope| {
            let mut shares = self.workers.iter_mut().zip(self.pictures.chunks_mut(share));
            let mine = shares.next();
            for (worker, pictures) in shares {
                let wanted = &wanted[..pictures.len()];
                scope.spawn(move || worker.draw_batch(wanted, pictures));
            }
            if let Some((worker, pictures)) = mine {
                worker.draw_batch(&wanted, pictures);
            }
        });
    }
}

fn memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
}
