//! `tadne calibrate`: measures a model for the creativity slider and stores what it found in the model file.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use dataset::Options;
use features::{Corruption, FIRST_SEED, Resizing, calibrate};
use synth::{Creativity, Generator, Seed};

use crate::metrics::{bar, evaluator};
use crate::model;
use crate::outputs;
use crate::picture_options::{self, PictureArgs, PictureOptions};

/// Arguments of `tadne calibrate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne calibrate model.safetensors --data pictures/
  tadne calibrate model.safetensors --data 'shards/*.tar' --out calibrated.safetensors
  tadne calibrate model.safetensors --data pictures/ --best 1    a little less precise than at 0.9, say, and more varied

Creativity 0.3, 1 and 2 then mean the calmest, the best and the strangest psi that were found; below 1 pictures keep their kind
instead of all becoming the same mean face, and above 1 they stay within what the model knows.")]
pub(crate) struct Calibrate {
    /// Model file to measure
    model: PathBuf,
    /// The pictures it was trained on: folders, tars, zips or globs
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    picture_args: PictureArgs,
    /// Model file to write [default: the one that was measured]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Feature network: a file, or a name that tools/features.py made
    #[arg(long, default_value = "nsfwjs-mobilenet-v2", value_name = "NETWORK")]
    features: String,
    /// Pictures per psi
    #[arg(long, default_value_t = 1000, value_name = "N")]
    samples: usize,
    /// What creativity 1 is to mean, a tenth from 0.5 to 1.2 [default: the psi whose pictures are nearest to real ones]
    #[arg(long, value_name = "PSI")]
    best: Option<Creativity>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = cli::numbers::threads)]
    threads: Option<usize>,
    /// Folder that keeps the resized pictures for the next start
    #[arg(long, default_value = "runs/cache", value_name = "DIR")]
    cache: PathBuf,
}

/// Steps of 0.1 to 1.2, then of 0.2 to 2.
const TENTHS: [u8; 15] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20];

impl Calibrate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::check("--out", self.out.as_deref())?;
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        ensure!(self.samples >= 10, "--samples {}: 10 is the least that says anything", self.samples);
        let measured = TENTHS.map(|tenths| f32::from(tenths) / 10.0);
        if let Some(best) = self.best.map(Creativity::get) {
            let known = measured.contains(&best) && calibrate::BEST.contains(&best);
            ensure!(known, "--best {best}: use a tenth from {} to {}", calibrate::BEST.start(), calibrate::BEST.end());
        }
        let mut file = model::file(Some(&self.model))?;
        let (out, kept) = (model::place_of(&self.model, self.out.as_deref())?, file.exact_dtype());
        let evaluator = evaluator(&self.features, Resizing::Clean, threads)?;
        calibrate::measure_truncation(evaluator.crew(), &mut file)?;
        let generator = Arc::new(Generator::new(&file)?);
        let (height, width) = generator.resolution();
        ensure!(height == width, "the model draws {width} x {height}; only square pictures can be compared");
        let usual = self.picture_args.over(PictureOptions::default()).options(width);
        let data = picture_options::open(&self.data, Options { cache: Some(self.cache.clone()), ..usual }, None)?;
        let n = self.samples;
        ensure!(n <= data.len(), "--samples {n}: there are only {} training pictures", data.len());
        let real = bar("training", n, |done| evaluator.training(&data, 0, n, Corruption::No, done))?;
        println!("{:<6}{:>12}{:>11}{:>9}{:>10}", "psi", "KD x 1000", "precision", "recall", "variety");
        let mut sweep = Vec::new();
        for psi in measured {
            let psi = Creativity::new(psi)?;
            let mut worker = generator.worker_with_threads(threads);
            let next = |i: usize| Ok::<_, Infallible>(worker.draw(Seed(FIRST_SEED + i as u64), psi).rgb);
            let drawn = bar("drawing", n, |done| evaluator.features(n, width, next, done))?;
            let step = calibrate::Step::measure(evaluator.crew(), psi, &real, &drawn);
            let (kd, c) = (step.distances.kd * 1e3, step.distances.coverage);
            println!("{psi:<6}{kd:>12.3}{:>11.3}{:>9.3}{:>10.1}", c.precision, c.recall, step.variety);
            sweep.push(step);
        }
        let found = calibrate::landmarks(&sweep, self.best);
        file.metadata.calibration = Some(found);
        file.save(out, kept)?;
        println!(
            "{}: creativity 0.3 is psi {}, 1 is {}, 2 is {}",
            out.display(),
            found.psi_low,
            found.psi_best,
            found.psi_high
        );
        Ok(())
    }
}
