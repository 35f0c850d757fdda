//! `tadne select`: learns which of several `z` a seed should take, from what the discriminators of a run say, and stores it in the model file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use features::FIRST_SEED;
use gan::{Checkpoint, DiscriminatorScores};
use synth::{Creativity, Generator, Picture, Seed, Selection, WeightDtype};

use crate::metrics::bar;
use crate::model;

/// Arguments of `tadne select`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne select model.safetensors --by runs/00000-c64
  tadne select model.safetensors --by runs/00000-c64 --candidates 8 --sheet sheet.png
  tadne select model.safetensors --remove

A seed then offers several z and takes the one whose picture promises to be the best, before anything is drawn: fewer pictures are
broken, a little variety goes with them, and no picture takes noticeably longer. Calibrate the model afterwards, and find its directions.")]
pub(crate) struct Select {
    /// Model file
    model: PathBuf,
    /// Run, or checkpoint, whose discriminators are asked: the one that the model comes from
    #[arg(long, required_unless_present = "remove", value_name = "RUN")]
    by: Option<PathBuf>,
    /// How many z a seed offers, 2 to 64
    #[arg(long, default_value_t = 4, value_name = "N")]
    candidates: u32,
    /// Pictures to learn from
    #[arg(long, default_value_t = 30_000, value_name = "N")]
    samples: usize,
    /// Let every seed take its one z again
    #[arg(long, conflicts_with_all = ["by", "candidates", "samples", "sheet"])]
    remove: bool,
    /// Model file to write [default: the one that was read]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write a sheet: 32 pictures of the tenth predicted worst above 32 of the tenth predicted best
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Pictures that are judged together, or a few more.
const TOGETHER: usize = 32;
/// Where the seeds to learn from begin: not where pictures are measured.
const FIRST: u64 = FIRST_SEED + 10_000_000;
/// Pictures of each half of the sheet, and of a row.
const SHOWN: [usize; 2] = [32, 8];
/// A prediction that agrees less than this with what is said would choose next to at random.
const LEAST: f64 = 0.1;

impl Select {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut file = model::file(Some(&self.model))?;
        let out = self.out.as_ref().unwrap_or(&self.model);
        let Some(by) = &self.by else {
            file.set_selection(None)?;
            file.save(out, WeightDtype::F16)?;
            println!("{}: every seed takes its one z", out.display());
            return Ok(());
        };
        ensure!((2..=64).contains(&self.candidates), "--candidates {}: use 2 to 64", self.candidates);
        ensure!(file.architecture.labels.is_none(), "{}: a model with classes cannot choose", self.model.display());
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let trainer = &mut Checkpoint::find(by, threads)?.trainer;
        // What the seeds draw by themselves, and before ink, as the discriminators know it.
        let mut plain = file.clone().without_ink();
        plain.set_selection(None)?;
        let generator = Arc::new(Generator::consume(plain)?);
        let mut worker = generator.worker_with_threads(threads);
        let together = TOGETHER.next_multiple_of(DiscriminatorScores::group(trainer.config()));
        let samples = self.samples.next_multiple_of(together);
        let (mut w, mut verdicts) = (Vec::new(), DiscriminatorScores::default());
        let mut pictures = vec![Picture::default(); together];
        bar("judging", samples, |done| {
            for start in (0..samples).step_by(together) {
                for (i, picture) in pictures.iter_mut().enumerate() {
                    let seed = Seed(FIRST + (start + i) as u64);
                    worker.draw_into(seed, Creativity::default(), picture);
                    w.extend(generator.w(seed));
                }
                verdicts.add(trainer, &pictures).with_context(|| format!("--by {}", by.display()))?;
                done(start + together);
            }
            anyhow::Ok(())
        })?;
        let found = verdicts.learn(&w, file.architecture.w_dim, 0, threads)?;
        println!("{samples} pictures judged; what w foretells correlates {:.3} with it", found.correlation);
        ensure!(
            found.correlation >= LEAST,
            "w foretells next to nothing of what {} says; take more --samples, or the run that the model comes from",
            by.display()
        );
        file.set_selection(Some((Selection { candidates: self.candidates }, found.layers)))?;
        file.save(out, WeightDtype::F16)?;
        println!("{}: each seed takes the best of {}", out.display(), self.candidates);
        let Some(sheet) = &self.sheet else { return Ok(()) };
        let mut order: Vec<usize> = (0..samples).collect();
        order.sort_unstable_by(|&a, &b| found.foretold[a].total_cmp(&found.foretold[b]));
        let [shown, across] = SHOWN;
        let tenth = (samples / 10).max(shown).min(samples);
        let some = |of: &[usize]| of.iter().step_by((tenth / shown).max(1)).take(shown).copied().collect::<Vec<_>>();
        let chosen = [some(&order[..tenth]), some(&order[samples - tenth..])].concat();
        // As the seeds drew them when they were judged, but with ink.
        file.set_selection(None)?;
        let mut worker = Arc::new(Generator::consume(file)?).worker_with_threads(threads);
        let drawn: Vec<_> =
            chosen.iter().map(|&i| worker.draw(Seed(FIRST + i as u64), Creativity::default())).collect();
        crate::directions::write_sheet(sheet, &drawn, across)
    }
}
