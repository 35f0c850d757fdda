//! `tadne import`: other people's generators as model files.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use synth::WeightDtype;

use crate::model::{UNKNOWN_TERMS, metadata};
use crate::outputs;

/// Arguments of `tadne import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Reads NVIDIA's StyleGAN2 files (.pkl of stylegan2-ada-pytorch, of stylegan3 with --cfg=stylegan2, of the TensorFlow
code and what was built on it, such as the 'ext' of This Anime Does Not Exist), rosinality/stylegan2-pytorch's .pt, and bare
state dictionaries and .safetensors with the names of NVIDIA's PyTorch code or of rosinality's (pSp's `decoder.`, say).
Nothing in the file is run.

Examples:
  tadne import network-snapshot-025000.pkl --out model.safetensors
  tadne serve --model model.safetensors --seed-style numpy --open")]
pub(crate) struct Import {
    /// File to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which generator: ema (averaged over training) or g (as of the last step)
    #[arg(long, value_name = "WHICH", default_value = "ema")]
    which: WeightsArg,
    /// Store 2 bytes a weight instead of 4; pictures change by about one 8-bit level at most
    #[arg(long)]
    f16: bool,
    /// Terms of use of the weights, stored in the file
    #[arg(long, default_value = UNKNOWN_TERMS, value_name = "TEXT")]
    license: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WeightsArg {
    Ema,
    G,
}

impl Import {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::beside("--out", &self.out, std::slice::from_ref(&self.file))?;
        let which = match self.which {
            WeightsArg::Ema => interop::WeightSet::Ema,
            WeightsArg::G => interop::WeightSet::Raw,
        };
        let network =
            interop::open(&self.file, which).with_context(|| format!("cannot import {}", self.file.display()))?;
        let (height, width) = network.architecture.resolution();
        println!("found         {} of a file of {}", network.name, network.origin.name());
        println!(
            "              {width} x {height} pixels, {:.2} M weights, {}, {:.1} GFLOP a picture",
            network.parameters() as f64 / 1e6,
            if network.stored_noise() { "noise stored" } else { "no noise stored" },
            2.0 * network.architecture.macs() as f64 / 1e9
        );
        if let Some(labels) = network.architecture.labels {
            println!("classes       {} (--class 0 to {})", labels.classes, labels.classes - 1);
        }
        for note in &network.notes {
            println!("note          {note}");
        }
        if !network.dropped.is_empty() {
            println!("not imported  {}", network.dropped.join(", "));
        }
        let bar = ProgressBar::new(1000);
        let style = "{bar:32} {percent:>3} %  {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
        bar.set_message("reading weights");
        let about = metadata(&self.file, &network, &self.license);
        let model = network.load(about, &mut |done| bar.set_position((done * 1000.0) as u64));
        let model = model.with_context(|| format!("cannot import {}", self.file.display()))?;
        bar.set_message("writing");
        model.save(&self.out, if self.f16 { WeightDtype::F16 } else { WeightDtype::F32 })?;
        bar.finish_and_clear();
        println!("written       {}", self.out.display());
        Ok(())
    }
}
