//! Which model to draw with, and how: a file, other people's too, or the one inside the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use interop::WeightSet;
use synth::{Creativity, Generator, Metadata, ModelFile, NoiseMode, Seed, SeedStyle, Variation, WeightDtype};

/// The model that ships with the program.
pub const EMBEDDED: &[u8] = include_bytes!("../../../models/tadne.safetensors");

/// The arguments that say what draws.
#[derive(Args, Clone, Debug)]
pub struct Model {
    /// Model to draw with: a model file, or a StyleGAN2 .pkl, .pt or .safetensors [default: the one inside this program]
    #[arg(long = "model", value_name = "FILE", env = "TADNE_MODEL")]
    path: Option<PathBuf>,
    /// How seeds become pictures: philox (this project's) or numpy (those of published StyleGAN2 pictures)
    #[arg(long, value_name = "STYLE", default_value = "philox")]
    seed_style: SeedStyle,
    /// Noise the model adds: const (stored in it), random (each seed's own) or none
    #[arg(long, value_name = "KIND", default_value = "const")]
    noise: NoiseMode,
    /// Take random noise from this seed, the same in every picture
    #[arg(long, value_name = "SEED")]
    noise_seed: Option<Seed>,
    /// Class to draw with a class-conditional model, counted from 0 [default: the seed chooses]
    #[arg(long, value_name = "K")]
    class: Option<usize>,
}

impl Model {
    /// The model as it lies in its file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn file(&self) -> anyhow::Result<ModelFile> {
        file(self.path.as_deref())
    }

    /// The bytes of a model file for browsers, which draw as the model does by default; none for any other way.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn for_browsers(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let usual = Variation { noise: NoiseMode::Const, ..Variation::default() };
        if self.variation() != usual {
            return Ok(None);
        }
        match &self.path {
            None => Ok(Some(EMBEDDED.to_vec())),
            Some(_) => Ok(Some(self.file()?.to_bytes(WeightDtype::F16)?)),
        }
    }

    fn variation(&self) -> Variation {
        Variation { seeds: self.seed_style, noise: self.noise, noise_seed: self.noise_seed, class: self.class }
    }

    /// The model as it lies in its file, and ready to draw.
    ///
    /// # Errors
    /// It cannot be read, is none, or cannot draw in the way that was asked for.
    pub fn file_and_generator(&self) -> anyhow::Result<(ModelFile, Arc<Generator>)> {
        let file = self.file()?;
        let generator = Generator::new(&file)?.with_variation(self.variation())?;
        Ok((file, Arc::new(generator)))
    }

    /// The model ready to draw, and what its file says about it.
    ///
    /// # Errors
    /// It cannot be read, is none, or cannot draw in the way that was asked for.
    pub fn generator(&self) -> anyhow::Result<(Arc<Generator>, Metadata)> {
        let file = self.file()?;
        let metadata = file.metadata.clone();
        Ok((Arc::new(Generator::consume(file)?.with_variation(self.variation())?), metadata))
    }
}

/// Reads and checks a model: a model file, one of other people's, or the one inside the program.
///
/// # Errors
/// It cannot be read, or is none.
pub fn file(path: Option<&Path>) -> anyhow::Result<ModelFile> {
    let Some(path) = path else {
        return ModelFile::from_bytes(EMBEDDED).context("the model inside this program is damaged");
    };
    let read = || -> anyhow::Result<ModelFile> {
        if !interop::is_importable(path)? {
            return Ok(ModelFile::open(path)?);
        }
        let network = interop::open(path, WeightSet::Ema)?;
        Ok(network.load(metadata(path, &network, UNKNOWN_TERMS), &mut |_| ())?)
    };
    read().with_context(|| format!("cannot use {}", path.display()))
}

/// Where a changed model goes: to `out`, or in place of `path`, which must be a model file of ours then.
///
/// # Errors
/// Without `out` what is at `path` came from somebody else's program and would be lost.
pub fn place_of<'a>(path: &'a Path, out: Option<&'a Path>) -> anyhow::Result<&'a Path> {
    ensure!(
        out.is_some() || !interop::is_importable(path)?,
        "{} is no model file of this program and is not replaced by one; say with --out where the model is to go",
        path.display()
    );
    Ok(out.unwrap_or(path))
}

/// The licence of an imported model, as far as its file tells.
pub const UNKNOWN_TERMS: &str = "unknown: the terms of those who trained it";

/// What is known about an imported model.
pub fn metadata(path: &Path, network: &interop::ForeignGenerator, license: &str) -> Metadata {
    let provenance = serde_json::json!({
        "imported_from": path.file_name().map(|name| name.to_string_lossy()),
        "layout": network.origin.name(),
        "network": network.name,
        "notes": network.notes,
    });
    Metadata { provenance, license: license.into(), ..Metadata::default() }
}

/// How long one thread takes for a picture.
pub fn pace(generator: &Arc<Generator>) -> Duration {
    let mut worker = generator.worker();
    let mut draw = || {
        let start = Instant::now();
        worker.draw(Seed(0), Creativity::default());
        start.elapsed()
    };
    let first = draw();
    // The first picture also finds its memory; a slow one is not worth waiting for twice.
    if first > Duration::from_secs(1) { first } else { draw() }
}
