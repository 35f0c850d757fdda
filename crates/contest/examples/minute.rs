//! What a contest comes to: a strip of pictures, a row for each twelfth of its time, about pictures of the shipped model.
//!
//! `cargo run --release -p tadne-contest --example minute -- SECONDS SIDE strip.png`, e.g. `60 32 strip.png`; with `TADNE_SIMD` as elsewhere.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use contest::Duel;
use image::imageops::{FilterType, resize};
use image::{RgbImage, RgbaImage};
use synth::{Creativity, Generator, ModelFile, Picture, Recipe, Seed};

const ROWS: u32 = 12;
const COLUMNS: usize = 16;
const POOL: u64 = 256;

/// Pictures of the shipped model, [POOL, side, side, 3].
fn pool(side: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let model = ModelFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors"))?;
    let generator = Arc::new(Generator::consume(model)?);
    let (mut worker, mut picture) = (generator.worker(), Picture::default());
    let mut pool = Vec::new();
    for seed in 0..POOL {
        let styles = Recipe::from(Seed(seed)).styles(&generator, Creativity::default());
        worker.draw_styles_sized_into(&styles, None, Some(side as usize), &|| false, &mut picture);
        let whole = RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.rgb.clone());
        pool.extend(resize(&whole.ok_or("a picture has its size")?, side, side, FilterType::Triangle).into_raw());
    }
    Ok(pool)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [seconds, side, out] = arguments.as_slice() else { return Err("give SECONDS SIDE FILE.png".into()) };
    let (seconds, side): (f64, usize) = (seconds.parse()?, side.parse()?);
    let mut duel = Duel::new(pool(side as u32)?, side, 0)?;
    let (start, mut strip, mut rgba) = (Instant::now(), Vec::new(), Vec::new());
    for row in 1..=ROWS {
        while start.elapsed().as_secs_f64() < seconds * f64::from(row) / f64::from(ROWS) {
            duel.round();
        }
        let said = duel.said()?;
        println!(
            "{:5.1} s  {:5} rounds  D {:.3}  G {:.3}  real {:+.2}  drawn {:+.2}",
            start.elapsed().as_secs_f64(),
            duel.rounds(),
            said.loss_d,
            said.loss_g,
            said.real,
            said.fake
        );
        duel.draw(COLUMNS, &mut rgba);
        for y in 0..side {
            strip.extend((0..COLUMNS).flat_map(|at| &rgba[(at * side + y) * side * 4..][..side * 4]));
        }
    }
    let strip = RgbaImage::from_raw((COLUMNS * side) as u32, ROWS * side as u32, strip);
    Ok(strip.ok_or("a strip has its size")?.save(out)?)
}
