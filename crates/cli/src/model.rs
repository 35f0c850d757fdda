//! Which model to draw with, and how: a file, other people's too, or the one inside the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use interop::WeightSet;
use synth::{Creativity, Generator, Metadata, ModelFile, NoiseMode, Seed, SeedStyle, Variation, WeightDtype};

use crate::places;

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
    /// Take random noise from this seed, the same in every picture; with `--noise random`
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

    /// Refuses a seed of noise that no noise would be taken from.
    fn check_noise(&self, file: &ModelFile) -> anyhow::Result<()> {
        let Some(Seed(seed)) = self.noise_seed else { return Ok(()) };
        let tensors = file.architecture.tensors();
        let noisy: Vec<&str> = tensors.iter().filter_map(|(name, _)| name.strip_suffix(".noise_strength")).collect();
        ensure!(!noisy.is_empty(), "--noise-seed {seed}: this model adds no noise; leave it out");
        ensure!(
            self.noise != NoiseMode::None,
            "--noise-seed {seed}: with --noise none there is none; use --noise random"
        );
        // What is not stored comes from a seed without being asked for.
        let stored = noisy.iter().all(|layer| file.tensors.contains_key(&format!("{layer}.noise_const")));
        ensure!(
            self.noise == NoiseMode::Random || !stored,
            "--noise-seed {seed}: the noise is the one that is stored in the model; add --noise random"
        );
        Ok(())
    }

    /// The model as it lies in its file, and ready to draw.
    ///
    /// # Errors
    /// It cannot be read, is none, or cannot draw in the way that was asked for.
    pub fn file_and_generator(&self) -> anyhow::Result<(ModelFile, Arc<Generator>)> {
        let file = self.file()?;
        self.check_noise(&file)?;
        let generator = Generator::new(&file)?.with_variation(self.variation())?;
        Ok((file, Arc::new(generator)))
    }

    /// The model ready to draw, and what its file says about it.
    ///
    /// # Errors
    /// It cannot be read, is none, or cannot draw in the way that was asked for.
    pub fn generator(&self) -> anyhow::Result<(Arc<Generator>, Metadata)> {
        let file = self.file()?;
        self.check_noise(&file)?;
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
/// Without `out` what is at `path` came from somebody else's program and would be lost, or its folder cannot be written into.
pub fn place_of<'a>(path: &'a Path, out: Option<&'a Path>) -> anyhow::Result<&'a Path> {
    ensure!(
        out.is_some() || !interop::is_importable(path)?,
        "{} is no model file of this program and is not replaced by one; say with --out where the model is to go",
        path.display()
    );
    // Of another place that was checked when it was named.
    if out.is_none()
        && let Ok(real) = path.canonicalize()
        && let Some(folder) = real.parent()
    {
        places::check_writable("the model", path, folder)?;
    }
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

#[cfg(test)]
mod tests {
    use synth::{Architecture, NoiseInputs, Tensor};

    use super::*;

    #[test]
    fn a_seed_of_noise_that_is_none_is_refused_with_what_to_add() {
        let model = |noise: NoiseInputs, stored: bool| {
            let architecture = Architecture { noise, ..Architecture::plain(8, 8, &[8, 4]) };
            let mut file = ModelFile::random(architecture, Seed(1)).unwrap();
            for (name, shape) in file.architecture.optional_tensors() {
                if stored && name.ends_with(".noise_const") {
                    let data = vec![0.5; shape.iter().product()];
                    file.tensors.insert(name, Tensor { shape, data });
                }
            }
            file
        };
        let said = |noise: NoiseMode, noise_seed: Option<u64>, file: &ModelFile| {
            let (noise_seed, seed_style) = (noise_seed.map(Seed), SeedStyle::Philox);
            let model = Model { path: None, seed_style, noise, noise_seed, class: None };
            model.check_noise(file).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let (plain, stored, free) =
            (model(NoiseInputs::None, false), model(NoiseInputs::All, true), model(NoiseInputs::All, false));
        assert!(said(NoiseMode::Const, Some(3), &stored).contains("--noise-seed 3: "));
        assert!(said(NoiseMode::Const, Some(3), &stored).ends_with("add --noise random"));
        assert!(said(NoiseMode::None, Some(3), &stored).ends_with("use --noise random"));
        assert!(said(NoiseMode::Random, Some(3), &plain).contains("adds no noise"));
        // What is not stored is taken from the seed, whether that is asked for or not.
        for (noise, seed, file) in [
            (NoiseMode::Random, Some(3), &stored),
            (NoiseMode::Random, Some(3), &free),
            (NoiseMode::Const, Some(3), &free),
            (NoiseMode::Const, None, &plain),
            (NoiseMode::None, None, &stored),
        ] {
            assert_eq!(said(noise, seed, file), "", "{noise:?}");
        }
    }
}
