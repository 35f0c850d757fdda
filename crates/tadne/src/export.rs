//! `tadne export`: the averaged generator of a run as a model file.

use std::path::PathBuf;

use clap::Args;
use gan::Checkpoint;
use synth::WeightDtype;

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

impl Export {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
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
}
