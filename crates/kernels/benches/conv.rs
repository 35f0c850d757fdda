//! Milliseconds of one convolution by every method: `cargo bench -p tadne-kernels --bench conv [-- INPUT OUTPUT SIZE ...]`.
//!
//! Sizes are those of the input. Each shape is measured as it stands and doubling, on the fastest instruction set or the
//! one that `TADNE_SIMD` names, with one thread. This is what [`Method::for_size`] was chosen by.

use std::time::{Duration, Instant};

use kernels::{Activation, Conv3x3, Crew, Epilogue, Isa, Method, Scratch, Shape, padded};

fn main() {
    let mut numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if numbers.len() < 3 {
        numbers = vec![256, 256, 4, 256, 256, 8, 256, 256, 16, 256, 128, 32, 128, 64, 64, 64, 32, 64, 32, 32, 128];
    }
    // Cargo adds `--bench`, except when `cargo test --all-targets` only wants to see that this runs.
    let long = std::env::args().any(|argument| argument == "--bench");
    let crew = Crew::alone(Isa::from_environment().expect("TADNE_SIMD names an instruction set of this machine"));
    println!("{}: fastest (median) ms and effective GFLOP/s", crew.isa());
    for shape in numbers.as_chunks::<3>().0 {
        for doubling in [false, true] {
            measure(&crew, *shape, doubling, if long { 0.25 } else { 0.0 });
        }
    }
}

fn measure(crew: &Crew, [input, output, size]: [usize; 3], doubling: bool, seconds: f64) {
    let weight: Vec<f32> = (0..9 * input * output).map(|i| (i % 17) as f32 - 8.0).collect();
    let (style, scale, bias) = (vec![1.0; padded(input)], vec![0.01; padded(output)], vec![0.1; padded(output)]);
    let epilogue = Epilogue { scale: &scale, bias: &bias, noise: None, slope: 0.2, clamp: f32::INFINITY };
    let mut x = Activation::new(Shape { pictures: 1, channels: input, height: size, width: size });
    let (mut scratch, mut y) = (Scratch::default(), Activation::default());
    print!("{input:4} to {output:4} at {size:4}{}", if doubling { ", doubling" } else { "          " });
    for method in [Method::Direct, Method::F2, Method::F4] {
        let new = if doubling { Conv3x3::doubling } else { Conv3x3::new };
        let conv = new(&weight, output, input, method);
        let mut times = Vec::new();
        let begin = Instant::now();
        while times.len() < 2 || begin.elapsed() < Duration::from_secs_f64(seconds) {
            let start = Instant::now();
            conv.run(crew, &mut x, &style, &epilogue, &mut scratch, &mut y);
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let gflops = 2.0 * (9 * input * output * size * size) as f64 / 1e6 / times[0];
        print!("   {method:?} {:7.3} ({:7.3}) {gflops:4.0}", times[0], times[times.len() / 2]);
    }
    println!();
}
