//! Which model to draw with: a file, or the one inside the program.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use synth::{Generator, Metadata, ModelFile};

/// The model that ships with the program.
const EMBEDDED: &[u8] = include_bytes!("../../../models/tadne.safetensors");

/// The `--model` argument.
#[derive(Args, Debug)]
pub(crate) struct Model {
    /// Model file to draw with [default: the one inside this program]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

impl Model {
    /// Reads and checks the model file.
    pub(crate) fn file(&self) -> anyhow::Result<ModelFile> {
        match &self.model {
            Some(path) => ModelFile::open(path).with_context(|| format!("cannot use {}", path.display())),
            None => ModelFile::from_bytes(EMBEDDED).context("the model inside this program is damaged"),
        }
    }

    /// The model ready to draw, and what its file says about it.
    pub(crate) fn generator(&self) -> anyhow::Result<(Arc<Generator>, Metadata)> {
        let file = self.file()?;
        Ok((Arc::new(Generator::new(&file)?), file.metadata))
    }
}
