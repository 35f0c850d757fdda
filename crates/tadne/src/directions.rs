//! `tadne directions`: finds the directions along which a model's pictures can be edited and stores them in the model file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use features::FIRST_SEED;
use features::directions::{NAMES, find, measure};
use synth::{Creativity, Creature, Edit, Generator, Picture, Recipe, Seed};

use crate::metrics::bar;
use crate::model;
use crate::outputs;
use crate::seeds::Seeds;

/// Seeds whose strips are put on one sheet.
const MOST_STRIPS: u64 = 50;

/// Arguments of `tadne directions`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne directions model.safetensors
  tadne directions model.safetensors --strips strips.png --seeds 3,14,15

A picture is then edited by its name: 42@0p15 is seed 42 moved 1.5 standard deviations along direction 0, 42@3m20 two against
direction 3. Eyes, hair and mouth are looked for where the faces of the shipped model have them; the pictures of other models
can be measured only if they are aligned like those.")]
pub(crate) struct Directions {
    /// Model file to measure
    model: PathBuf,
    /// Model file to write [default: the one that was measured]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Pictures to measure
    #[arg(long, default_value_t = 4000, value_name = "N")]
    samples: usize,
    /// Also put strips on a sheet, one row per direction and seed: -3, -1.5, 0, 1.5 and 3 standard deviations
    #[arg(long, value_name = "FILE")]
    strips: Option<PathBuf>,
    /// Seeds of the strips
    #[arg(long, default_value = "0-2", value_name = "LIST")]
    seeds: Seeds,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = cli::numbers::threads)]
    threads: Option<usize>,
}

impl Directions {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::check("--out", self.out.as_deref())?;
        let strips = outputs::picture("--strips", self.strips.as_deref())?;
        ensure!(
            self.seeds.count() <= MOST_STRIPS,
            "--seeds: strips of {} seeds fit on no sheet; {MOST_STRIPS} are the limit",
            self.seeds.count()
        );
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let mut file = model::file(Some(&self.model))?;
        let (out, kept) = (model::place_of(&self.model, self.out.as_deref())?, file.exact_dtype());
        let dim = file.architecture.w_dim;
        ensure!(self.samples > dim, "--samples {}: more than w's {dim} numbers are needed", self.samples);
        // Measured before ink, which is the larger part of the work and moves nothing.
        let generator = Arc::new(Generator::consume(file.clone().without_ink())?);
        let mut worker = generator.worker_with_threads(threads);
        let (mut w, mut measured, mut picture) = (Vec::new(), Vec::new(), Picture::default());
        bar("drawing", self.samples, |done| {
            for i in 0..self.samples {
                let seed = Seed(FIRST_SEED + i as u64);
                worker.draw_into(seed, Creativity::default(), &mut picture);
                measured.push(measure(&picture));
                w.extend(generator.w(seed));
                done(i + 1);
            }
            anyhow::Ok(())
        })?;
        let found = find(&w, dim, &measured);
        ensure!(!found.is_empty(), "nothing was found: the pictures of {} do not differ", self.model.display());
        println!("{:<4}{:<12}{:>10}", "", "direction", "explained");
        for (index, direction) in found.iter().enumerate() {
            println!("{index:<4}{:<12}{:>10.3}", direction.name, direction.explained);
        }
        if found.len() < NAMES.len() {
            println!("{} of {} measurements never change", NAMES.len() - found.len(), NAMES.len());
        }
        let found: Vec<_> = found.into_iter().map(|direction| (direction.name, direction.w)).collect();
        file.set_directions(&found)?;
        file.save(out, kept)?;
        println!("{}: {} directions", out.display(), found.len());
        match strips {
            Some((path, format)) => {
                let sheet = self.strips(&Arc::new(Generator::consume(file)?), threads)?;
                cli::pictures::write(path, format, &sheet)
            }
            None => Ok(()),
        }
    }

    /// A sheet of edited pictures.
    fn strips(&self, generator: &Arc<Generator>, threads: usize) -> anyhow::Result<Picture> {
        const TENTHS: [i8; 5] = [-30, -15, 0, 15, 30];
        let mut worker = generator.worker_with_threads(threads);
        let mut pictures = Vec::new();
        for direction in 0..generator.directions().len() as u8 {
            for seed in self.seeds.iter() {
                for tenths in TENTHS {
                    let edits = if tenths == 0 { Vec::new() } else { vec![Edit { direction, tenths }] };
                    let recipe = Recipe::Single(Creature { edits, ..Creature::of(seed) });
                    let styles = recipe.styles(generator, Creativity::default());
                    let picture = worker.draw_styles(&styles, Some(seed), &|| false);
                    pictures.push(picture.context("nobody cancels this")?);
                }
            }
        }
        Ok(synth::sheet(&pictures, pictures.len() / generator.directions().len().max(1)))
    }
}
