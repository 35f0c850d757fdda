//! `tadne info`: what a model is, for people and (with `--json`) for programs, without reading its weights.

mod words;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use interop::WeightSet;
use serde_json::{Value, json};
use synth::{Architecture, Calibration, Isa, Metadata, ModelFile, ModelHeader, Selection};

use crate::model::{EMBEDDED, UNKNOWN_TERMS, metadata};

/// Arguments of `tadne info`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne info                                 the model inside this program
  tadne info model.safetensors
  tadne info model.safetensors --json        all that the file says, for programs
  tadne info stylegan2-ffhq-config-f.pkl     nothing in the file is run")]
pub(crate) struct Info {
    /// Model file, or a StyleGAN2 .pkl, .pt or .safetensors [default: the model inside this program]
    #[arg(value_name = "FILE", conflicts_with = "model")]
    file: Option<PathBuf>,
    /// Alias of the positional argument, hidden
    #[arg(long, value_name = "FILE", hide = true)]
    model: Option<PathBuf>,
    /// Read all weights and print their fingerprint
    #[arg(long)]
    fingerprint: bool,
    /// Print all that the file says, as JSON
    #[arg(long)]
    json: bool,
}

/// What is said of a model, wherever it comes from.
struct About {
    layout: String,
    bytes: u64,
    architecture: Architecture,
    parameters: usize,
    metadata: Metadata,
    fingerprint: Option<String>,
    /// Of files of other people's.
    import: Option<(Vec<String>, Vec<String>)>,
}

impl Info {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let about = match self.file.as_deref().or(self.model.as_deref()) {
            Some(path) => self.about(path).with_context(|| format!("cannot use {}", path.display())),
            None => embedded(),
        }?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&about.json())?);
        } else {
            about.print();
        }
        Ok(())
    }

    fn about(&self, path: &Path) -> anyhow::Result<About> {
        let bytes = std::fs::metadata(path)?.len();
        if interop::is_importable(path)? {
            let network = interop::open(path, WeightSet::Ema)?;
            let about = metadata(path, &network, UNKNOWN_TERMS);
            let fingerprint =
                if self.fingerprint { Some(network.load(about.clone(), &mut |_| ())?.fingerprint()) } else { None };
            return Ok(About {
                layout: format!("{}, {}", network.origin.name(), network.name),
                bytes,
                parameters: network.parameters(),
                metadata: about,
                fingerprint,
                architecture: network.architecture,
                import: Some((network.notes, network.dropped)),
            });
        }
        let ModelHeader { architecture, metadata, parameters, bytes } = ModelHeader::open(path)?;
        let fingerprint = if self.fingerprint { Some(ModelFile::open(path)?.fingerprint()) } else { None };
        let layout = "model file".into();
        Ok(About { layout, bytes, architecture, parameters, metadata, fingerprint, import: None })
    }
}

/// The model inside this program, whose weights are at hand.
fn embedded() -> anyhow::Result<About> {
    let file = ModelFile::from_bytes(EMBEDDED).context("the model inside this program is damaged")?;
    Ok(About {
        layout: "inside this program".into(),
        bytes: EMBEDDED.len() as u64,
        parameters: file.tensors.values().map(|tensor| tensor.data.len()).sum(),
        fingerprint: Some(file.fingerprint()),
        architecture: file.architecture,
        metadata: file.metadata,
        import: None,
    })
}

impl About {
    fn json(&self) -> Value {
        let (height, width) = self.architecture.resolution();
        let mut all = json!({
            "layout": self.layout,
            "bytes": self.bytes,
            "width": width,
            "height": height,
            "parameters": self.parameters,
            "macs": self.architecture.macs(),
            "architecture": self.architecture,
            "provenance": self.metadata.provenance,
            "license": self.metadata.license,
            "calibration": self.metadata.calibration,
            "selection": self.metadata.selection,
            "directions": self.metadata.directions,
            "simd": Isa::from_environment().map(Isa::name).ok(),
        });
        if let Some(fingerprint) = &self.fingerprint {
            all["fingerprint"] = json!(fingerprint);
        }
        if let Some((notes, dropped)) = &self.import {
            all["notes"] = json!(notes);
            all["dropped"] = json!(dropped);
        }
        all
    }

    fn print(&self) {
        let (height, width) = self.architecture.resolution();
        println!("model         {} ({:.1} MB)", self.layout, self.bytes as f64 / 1e6);
        println!("pictures      {width} x {height}");
        println!("parameters    {:.2} M", self.parameters as f64 / 1e6);
        println!("work          {:.3} GFLOP a picture", 2.0 * self.architecture.macs() as f64 / 1e9);
        if let Some(labels) = self.architecture.labels {
            println!("classes       {}", labels.classes);
        }
        println!("network       {}", words::network(&self.architecture));
        println!("training      {}", words::training(&self.metadata.provenance));
        if let Some(Calibration { psi_low, psi_best, psi_high }) = self.metadata.calibration {
            println!("creativity    0.3 is psi {psi_low}, 1 is psi {psi_best}, 2 is psi {psi_high}");
        }
        if let Some(Selection { candidates }) = self.metadata.selection {
            println!("selection     a seed takes the best of {candidates} z");
        }
        if !self.metadata.directions.is_empty() {
            println!("directions    {}", self.metadata.directions.join(", "));
        }
        let license = self.metadata.license.trim();
        println!("licence       {}", if license.is_empty() { "the file does not say" } else { license });
        if let Some(fingerprint) = &self.fingerprint {
            println!("fingerprint   {fingerprint}");
        }
        if let Some((notes, dropped)) = &self.import {
            for note in notes {
                println!("note          {note}");
            }
            if !dropped.is_empty() {
                println!("not imported  {}", dropped.join(", "));
            }
        }
        if let Ok(isa) = Isa::from_environment() {
            println!("this machine  {}", isa.name());
        }
    }
}
