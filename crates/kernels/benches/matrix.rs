//! GFLOP/s of matrix products beside the peak of the core: `cargo bench -p tadne-kernels --bench matrix [-- M K N ...]`.
//!
//! On the fastest instruction set or the one that `TADNE_SIMD` names, with as many threads as `THREADS` says (one).

use std::time::Instant;

use kernels::matrix::{Matrix, MatrixMut, Packed, Scratch, Update, product, product_f64, product_packed};
use kernels::{Crew, Isa, peak_multiply_adds};

fn main() {
    let mut numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if numbers.len() < 3 {
        numbers = vec![
            1024, 1024, 1024, 512, 512, 512, 2048, 256, 256, 3136, 144, 24, 784, 240, 80, 12544, 32, 16, 64, 20000, 64,
            32, 512, 512, 128, 128, 128,
        ];
    }
    // Cargo adds `--bench`, except when `cargo test --all-targets` only wants to see that this runs.
    let long = std::env::args().any(|argument| argument == "--bench");
    if !long {
        numbers = vec![30, 20, 40];
    }
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let isa = Isa::from_environment().expect("TADNE_SIMD names an instruction set of this machine");
    let crew = Crew::new(isa, threads);
    let rounds = if long { 20_000_000 } else { 1000 };
    let peak = (0..5)
        .map(|_| {
            let start = Instant::now();
            peak_multiply_adds(isa, rounds) as f64 / start.elapsed().as_secs_f64() / 1e9
        })
        .fold(0.0, f64::max);
    println!("{isa}, {threads} threads: peak of one {peak:.0} GFLOP/s; best GFLOP/s and share of the threads' peak");
    for &[m, k, n] in numbers.as_chunks::<3>().0 {
        measure(&crew, [m, k, n], peak * crew.threads() as f64, if long { 0.3 } else { 0.0 });
    }
    measure_f64(&crew, if long { 1024 } else { 20 }, peak * crew.threads() as f64);
}

fn measure(crew: &Crew, [m, k, n]: [usize; 3], peak: f64, seconds: f64) {
    let data = |n: usize| (0..n).map(|i| (i % 17) as f32 - 8.0).collect::<Vec<f32>>();
    let (a, b, mut c, mut scratch) = (data(m * k), data(k * n), vec![0.0; m * n], Scratch::default());
    let packed = Packed::new(crew, Matrix::new(&b, k, n));
    print!("{m:6} x {k:6} x {n:5}");
    for (name, kind) in ["A B", "A Bt", "At B", "A packed"].into_iter().zip(0..) {
        let (mut best, begin) = (f64::INFINITY, Instant::now());
        while best.is_infinite() || begin.elapsed().as_secs_f64() < seconds {
            let to = MatrixMut::new(&mut c, m, n);
            let start = Instant::now();
            let (plain, turned) = (Matrix::new(&a, m, k), Matrix::new(&a, k, m).transposed());
            match kind {
                0 => product(crew, plain, Matrix::new(&b, k, n), to, Update::Replace, &mut scratch),
                1 => product(crew, plain, Matrix::new(&b, n, k).transposed(), to, Update::Replace, &mut scratch),
                2 => product(crew, turned, Matrix::new(&b, k, n), to, Update::Replace, &mut scratch),
                _ => product_packed(crew, plain, &packed, to, Update::Replace),
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let speed = 2.0 * (m * k * n) as f64 / best / 1e9;
        print!("   {name} {speed:5.0} {:3.0} %", 100.0 * speed / peak);
    }
    println!();
}

/// The same in `f64`, whose peak is half.
fn measure_f64(crew: &Crew, n: usize, peak: f64) {
    let (a, mut c) = ((0..n * n).map(|i| (i % 17) as f64 - 8.0).collect::<Vec<_>>(), vec![0.0; n * n]);
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            product_f64(crew, Matrix::new(&a, n, n), Matrix::new(&a, n, n).transposed(), &mut c);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let speed = 2.0 * (n as f64).powi(3) / best / 1e9;
    println!("f64: {n} x {n} x {n}   A Bt {speed:5.0} {:3.0} %", 200.0 * speed / peak);
}
