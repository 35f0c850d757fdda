//! Seconds that the distances take: `cargo bench -p tadne-features --bench metrics [-- ROWS WIDTH]`.
//!
//! On as many threads as `THREADS` says (two). 2,000 rows of 1,280 are `tadne metrics` with `MobileNetV2`, 5,000 of 2,048 with `InceptionV3`.

use std::time::Instant;

use features::metrics::{Kinds, frechet_distance, kernel_distance, prdc};
use features::{Crew, Isa, Rows};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`, except when `cargo test --all-targets` only wants to see that this runs.
    let long = std::env::args().any(|argument| argument == "--bench");
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let shapes = match given.as_slice() {
        [rows, width, ..] => vec![[*rows, *width]],
        _ if long => vec![[2000, 1280], [5000, 2048]],
        _ => vec![[20, 5]],
    };
    let threads = std::env::var("THREADS").ok().map_or(Ok(2), |n| n.parse())?;
    let crew = Crew::new(Isa::from_environment()?, threads);
    println!("{}, {} threads: seconds", crew.isa(), crew.threads());
    for [rows, width] in shapes {
        let set = |phase: f32| {
            let value = |i: usize| (i as f32 * 0.618 + phase).sin() * ((i % width) as f32 * 0.01).cos();
            Rows::new((0..rows * width).map(value).collect(), width)
        };
        let (a, b) = (set(0.0), set(0.7));
        let time = |work: &dyn Fn()| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        let fd = time(&|| drop(std::hint::black_box(frechet_distance(&crew, &a, &b).to_string())));
        let kd = time(&|| drop(std::hint::black_box(kernel_distance(&crew, &a, &b).to_string())));
        let covered = time(&|| drop(std::hint::black_box(format!("{:?}", prdc(&crew, &a, &b)))));
        let kinds = time(&|| drop(std::hint::black_box(Kinds::find(&crew, &a))));
        println!("{rows} x {width}: Fréchet {fd:.2}, kernel {kd:.2}, coverage {covered:.2}, kinds {kinds:.2}");
    }
    Ok(())
}
