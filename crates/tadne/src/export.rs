//! `tadne export`: the averaged generator of a run as a model file.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use gan::Checkpoint;
use synth::WeightDtype;

use crate::outputs;

/// Arguments of `tadne export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne export runs/00000-c64 --out model.safetensors
  tadne serve --model model.safetensors --open")]
pub(crate) struct Export {
    /// Run folder (its newest checkpoint is taken) or a checkpoint file
    run: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Store 4 bytes a weight instead of 2
    #[arg(long)]
    f32: bool,
    /// Write G, its average and D for other runs to start from (`tadne train --from FILE`), instead of a model file
    #[arg(long, conflicts_with_all = ["f32", "license"])]
    networks: bool,
    /// Export the power-function EMA of this relative width (one of the run's ema.widths) [default: the EMA that grids show]
    #[arg(long, value_name = "WIDTH", conflicts_with = "networks")]
    average: Option<f64>,
    /// Terms of use of the weights, stored in the file
    #[arg(long, default_value = "unspecified", value_name = "TEXT")]
    license: String,
}

/// The folder of a run that its checkpoints are in.
const CHECKPOINTS: &str = "checkpoints";

impl Export {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.check_out()?;
        let checkpoint = Checkpoint::find(&self.run, 1)?;
        if self.networks {
            checkpoint.save_compact(&self.out)?;
            println!("{}: networks after {:.1} kimg", self.out.display(), checkpoint.trainer.progress().kimg());
            return Ok(());
        }
        let model = checkpoint.export(self.average, &self.license)?;
        let precision = if self.f32 { WeightDtype::F32 } else { WeightDtype::F16 };
        model.save(&self.out, precision)?;
        println!("{} after {:.1} kimg", self.out.display(), checkpoint.trainer.progress().kimg());
        Ok(())
    }

    /// Refuses to write over what a run goes on from, or where it would look for that.
    fn check_out(&self) -> anyhow::Result<()> {
        outputs::beside("--out", &self.out, std::slice::from_ref(&self.run))?;
        let out = self.out.display();
        let place = outputs::place(&self.out).with_context(|| format!("--out {out}"))?;
        // What is not there is named where it is read.
        let Ok(run) = self.run.canonicalize() else { return Ok(()) };
        let checkpoints = if run.is_dir() {
            run.join(CHECKPOINTS).canonicalize().ok()
        } else {
            run.parent().filter(|folder| folder.ends_with(CHECKPOINTS)).map(Path::to_path_buf)
        };
        let among_them = checkpoints.is_some_and(|folder| place.starts_with(folder));
        ensure!(
            !among_them,
            "--out {out}: the run's checkpoints are in that folder, and a model file is none; give a place outside of it"
        );
        Ok(())
    }
}
