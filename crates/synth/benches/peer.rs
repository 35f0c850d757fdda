//! Our side of the comparison with other runtimes: answers requests on standard input, so that both are timed by turns.
//!
//! Started by `benches/peers/draw.py` as `peer MODEL_FILE`. Requests are lines: `raw SEED PATH` writes w and the raw
//! planar picture of a seed to PATH (little-endian f32) and answers `done`; `time SEED` draws the picture twice from its
//! w on one thread and answers with the milliseconds of the second time.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use synth::{Generator, ModelFile, Seed};

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().skip(1).find(|argument| argument != "--bench") else {
        println!("nothing to do: this is one half of benches/peers/draw.py, which passes it a model file");
        return Ok(());
    };
    let generator = Arc::new(Generator::new(&ModelFile::open(Path::new(&path))?)?);
    let mut worker = generator.worker();
    println!("{}", generator.simd());
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let request = words.next();
        let seed: Seed = words.next().ok_or("a request needs a seed")?.parse()?;
        let w = generator.w(seed);
        match request {
            Some("raw") => {
                let mut numbers = w.clone();
                numbers.extend(worker.synthesize(&w, seed));
                let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
                std::fs::write(words.next().ok_or("raw needs a path")?, bytes)?;
                println!("done");
            }
            Some("time") => {
                worker.synthesize(&w, seed);
                let start = Instant::now();
                worker.synthesize(&w, seed);
                println!("{}", start.elapsed().as_secs_f64() * 1e3);
            }
            _ => return Err(format!("unknown request {line:?}").into()),
        }
    }
    Ok(())
}
