//! `tadne average`: one model out of several states of a run.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use synth::{ModelFile, WeightDtype};

use crate::model;
use crate::outputs;

/// Arguments of `tadne average`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne average at-140.safetensors at-160.safetensors at-180.safetensors --out model.safetensors

Give it states of one run whose learning rate was still high (`tadne export` makes a model file of a checkpoint). Measure the mean
before trusting it (`tadne metrics`), and calibrate it anew (`tadne calibrate`).")]
pub(crate) struct Average {
    /// Model files of one run, two or more
    #[arg(num_args = 2.., required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Terms of use of the weights [default: the models' own, if all agree]
    #[arg(long, value_name = "TEXT")]
    license: Option<String>,
}

impl Average {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::beside("--out", &self.out, &self.models)?;
        let models: Vec<ModelFile> =
            self.models.iter().map(|path| model::file(Some(path))).collect::<Result<_, _>>()?;
        let mut mean = ModelFile::average(&models)?;
        match &self.license {
            Some(license) => mean.metadata.license.clone_from(license),
            None => ensure!(
                models.iter().all(|model| model.metadata.license == mean.metadata.license),
                "the models have different terms of use; say with --license which hold for their mean"
            ),
        }
        mean.save(&self.out, WeightDtype::F16)?;
        println!("{}: the mean of {} models", self.out.display(), models.len());
        Ok(())
    }
}
