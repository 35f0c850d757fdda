//! Milliseconds a picture on one thread: `cargo bench -p tadne-synth --bench draw [-- NAME_OR_FILE ...]`.
//!
//! Without arguments, untrained networks of the sizes this project trains are drawn on every instruction set of this
//! machine, or on the one that `TADNE_SIMD` names. A name picks one of them; anything else is the path of a model file. The rounds of the sets are interleaved,
//! so that a change in the machine's speed meets all alike; the median and the fastest of the rounds are printed. A model with a lens is drawn once more through
//! it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use synth::{Architecture, Creativity, Generator, Isa, ModelFile, Picture, Recipe, Seed, Upsample, Worker};

fn architecture(channels: &[usize], upsample: Upsample) -> Architecture {
    Architecture { upsample, ..Architecture::plain(128, 256, channels) }
}

fn main() {
    let networks = [
        ("c64", architecture(&[192, 192, 128, 64, 32], Upsample::ConvUp)),
        ("c128", architecture(&[192, 192, 128, 64, 32, 32], Upsample::ConvUp)),
        ("wide128", architecture(&[256, 256, 256, 128, 64, 32], Upsample::UpConv)),
        ("stylegan2-128", architecture(&[256, 256, 256, 128, 64, 32], Upsample::StyleGan2)),
    ];
    // Cargo adds `--bench`, except when `cargo test --all-targets` only wants to see that this runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 61 } else { 1 };
    let mut wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if wanted.is_empty() {
        wanted = networks.iter().map(|(name, _)| (*name).into()).collect();
    }
    for name in wanted {
        let known = networks.iter().find(|(known, _)| *known == name);
        let model = match known {
            Some((_, architecture)) => ModelFile::random(architecture.clone(), Seed(1)),
            None => ModelFile::open(Path::new(&name)),
        };
        match model {
            Ok(model) => {
                measure(&name, &model, rounds, false);
                if model.architecture.lens.is_some() {
                    measure(&name, &model, rounds, true);
                }
            }
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
}

fn measure(name: &str, model: &ModelFile, rounds: usize, magnified: bool) {
    let forced = std::env::var_os("TADNE_SIMD").map(|_| Isa::from_environment().expect("TADNE_SIMD"));
    let mut workers: Vec<_> = Isa::available()
        .iter()
        .filter(|isa| forced.is_none_or(|forced| forced == **isa))
        .map(|isa| Arc::new(Generator::with_isa(model, *isa).expect("a checked model")).worker())
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); workers.len()];
    let mut picture = Picture::default();
    let mut draw = |worker: &mut Worker, seed| {
        let styles = Recipe::from(Seed(seed)).styles(worker.generator(), Creativity::default());
        let side = magnified.then_some(usize::MAX);
        worker.draw_styles_sized_into(&styles, Some(Seed(seed)), side, &|| false, &mut picture);
    };
    for round in 0..=rounds {
        for (worker, times) in workers.iter_mut().zip(&mut times) {
            // Two pictures: the second finds the caches as a thread that draws all day does.
            draw(worker, 1_000_000 + round as u64);
            let start = Instant::now();
            draw(worker, round as u64);
            // The first round allocates.
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let gmac = model.architecture.macs() as f64 / 1e9;
    println!("{name}: {}x{} pixels, {gmac:.3} GMAC", picture.width, picture.height);
    for (worker, times) in workers.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let (median, fastest) = (times[rounds / 2], times[0]);
        println!("  {:7} {median:8.3} ms median, {fastest:8.3} ms fastest", worker.generator().simd());
    }
}
