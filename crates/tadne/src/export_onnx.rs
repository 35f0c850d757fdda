//! `tadne export-onnx`: a model as an ONNX graph.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use interop::onnx::{self, Options};

use crate::model::file;
use crate::outputs;

/// Arguments of `tadne export-onnx`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne export-onnx model.safetensors --out g.onnx
  tadne export-onnx network.pkl --input w --noise none --out g.onnx

In Python:
  session = onnxruntime.InferenceSession(\"g.onnx\")
  z = numpy.random.RandomState(85).randn(4, 512).astype(\"float32\")
  image, = session.run(None, {\"z\": z, \"psi\": numpy.float32([[0.7]])})    # [4, 3, H, W], -1 to 1")]
pub(crate) struct ExportOnnx {
    /// Model file, or a StyleGAN2 .pkl, .pt or .safetensors [default: the model inside this program]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Graph to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Draw from z and psi, or from a w that is truncated already
    #[arg(long, value_name = "WHAT", default_value = "z")]
    input: Input,
    /// Noise the model adds: const (stored in it; what is not stored becomes an input), none, or input
    #[arg(long, value_name = "KIND", default_value = "const")]
    noise: Noise,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Input {
    Z,
    W,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Noise {
    Const,
    None,
    Input,
}

impl ExportOnnx {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::beside("--out", &self.out, self.model.as_slice())?;
        let options = Options {
            input: match self.input {
                Input::Z => onnx::Input::Z,
                Input::W => onnx::Input::W,
            },
            noise: match self.noise {
                Noise::Const => onnx::Noise::Const,
                Noise::None => onnx::Noise::None,
                Noise::Input => onnx::Noise::Input,
            },
        };
        let model = file(self.model.as_deref())?;
        let exported = onnx::export(&model, options)?;
        let candidates = model.metadata.selection.filter(|_| matches!(self.input, Input::Z)).map(|s| s.candidates);
        drop(model);
        synth::write_atomically(&self.out, &exported.bytes)
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        println!("written  {} ({:.1} MB)", self.out.display(), exported.bytes.len() as f64 / 1e6);
        println!("inputs   {}", exported.inputs.join(", "));
        println!("output   image [N, 3, H, W], about -1 to 1");
        if let Some(candidates) = candidates {
            println!(
                "note     a seed takes the best of {candidates} z; which one is not in the graph (docs/format.md, Seeds)"
            );
        }
        Ok(())
    }
}
