//! Milliseconds a picture of feature networks: `cargo bench -p tadne-features --bench networks [-- NETWORK [SIDE]]`.
//!
//! Forward as the metrics run, and forward with the gradient to the pictures as the critic does; batches of 16 on as many threads
//! as `THREADS` says (one). Networks that are not there are left out. `benches/features.py` runs the same in PyTorch.

use std::time::Instant;

use features::{Network, Tape, Workspace};
use kernels::{Crew, Isa};

const BATCH: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`, except when `cargo test --all-targets` only wants to see that this runs.
    let long = std::env::args().any(|argument| argument == "--bench");
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let named = arguments.next();
    let side: Option<usize> = arguments.next().map(|side| side.parse()).transpose()?;
    let networks = match &named {
        Some(name) => vec![name.as_str()],
        None if long => vec!["nsfwjs-mobilenet-v2", "nsfwjs-inception-v3", "efficientnet-lite0"],
        None => vec![],
    };
    let threads = std::env::var("THREADS").ok().map_or(Ok(1), |n| n.parse())?;
    let crew = Crew::new(Isa::from_environment()?, threads);
    println!("{}, {} threads, batches of {BATCH}: median ms a picture", crew.isa(), crew.threads());
    for name in networks {
        match Network::find(name) {
            Ok(network) => measure(&crew, &network, side.unwrap_or(network.size()))?,
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

fn measure(crew: &Crew, network: &Network, side: usize) -> Result<(), features::Error> {
    let pictures: Vec<f32> = (0..BATCH * 3 * side * side).map(|i| (i as f32 * 0.37).sin()).collect();
    let (mut workspace, mut tape, mut taps) = (Workspace::default(), Tape::default(), Vec::new());
    let mut gradient = vec![0.0; pictures.len()];
    let size = [side; 2];
    let (mut forward, mut both) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while forward.len() < 3 || begin.elapsed().as_secs_f64() < 3.0 {
        let start = Instant::now();
        network.taps(crew, &mut workspace, &pictures, size, &mut taps)?;
        forward.push(start.elapsed().as_secs_f64() * 1e3 / BATCH as f64);
        let start = Instant::now();
        network.record(crew, &mut workspace, &mut tape, &pictures, size, &mut taps)?;
        network.gradient(crew, &mut workspace, &tape, &taps, &mut gradient)?;
        both.push(start.elapsed().as_secs_f64() * 1e3 / BATCH as f64);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!(
        "{:24} {side:4} px   forward {:8.2}   with gradient {:8.2}",
        network.name(),
        median(&mut forward),
        median(&mut both)
    );
    Ok(())
}
