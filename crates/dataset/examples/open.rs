//! Opens a data set, says what it found and how long opening and reading batches took.
//!
//! `cargo run --release -p tadne-dataset --example open -- SIZE CACHE_FOLDER THREADS DATA...`

use std::time::Instant;

use dataset::{Dataset, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [size, cache, threads, data @ ..] = &arguments[..] else {
        return Err("usage: open SIZE CACHE_FOLDER THREADS DATA...   (CACHE_FOLDER may be '-' for none)".into());
    };
    let mut options = Options::new(size.parse()?);
    options.cache = (cache != "-").then(|| cache.into());
    options.threads = threads.parse()?;

    let start = Instant::now();
    let pictures = Dataset::open(data, &options)?;
    for line in pictures.report().remarks(options.crop) {
        println!("{line}");
    }
    println!("opened in {:.2} s: {}", start.elapsed().as_secs_f64(), pictures.report());
    println!("{} for training, {} for validation", pictures.len(), pictures.validation_len());
    println!("fingerprint {}", pictures.fingerprint());

    let (batches, n) = (1000, 32);
    let mut batch = Vec::new();
    pictures.index_at(0); // shuffles, so that the figure below is for reading alone
    let start = Instant::now();
    for i in 0..batches {
        pictures.batch(i * n as u64, n, &mut batch)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} pictures/s in batches of {n}", (batches as usize * n) as f64 / seconds);
    Ok(())
}
