//! Checkpoints: the whole state of a run in one safetensors file, written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::auxiliary::Auxiliary;
use crate::params::Layout;
use crate::state_file::{header, readable, tensor, write_file};
use crate::trainer::Progress;
use crate::{Config, Error, Trainer};

const FORMAT: &str = "tadne-checkpoint";
/// Version 1 had every tensor in the order of files.
const VERSION: u32 = 2;

/// What a checkpoint says besides its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
    progress: Progress,
    adam_steps: [u64; 2],
    #[serde(default)]
    critic_steps: u64,
    #[serde(default)]
    inked_steps: u64,
    /// A checksum of the ink network in front of the second discriminator; none in older ones.
    #[serde(default)]
    inked_network: Option<u32>,
    dataset: String,
    seconds: f64,
    /// Weights only and in half precision: for starting other runs from, not for going on exactly.
    #[serde(default)]
    compact: bool,
}

impl Header {
    /// In the order of [`crate::auxiliary::Auxiliaries::all`].
    fn auxiliary_steps(&self) -> [u64; 2] {
        [self.critic_steps, self.inked_steps]
    }
}

/// A checkpoint read back.
pub struct Checkpoint {
    /// The trainer as it was.
    pub trainer: Trainer,
    /// Fingerprint of the data set it was trained on.
    pub dataset: String,
    /// Training time so far, in seconds.
    pub seconds: f64,
}

/// Path of the checkpoint after `images` pictures in `folder`.
pub(crate) fn path(folder: &Path, images: u64) -> PathBuf {
    folder.join(format!("{images:09}.safetensors"))
}

/// A run's own checkpoints in `folder`, which have the names of [`path`], and the pictures they were written after; oldest first. What somebody keeps
/// beside them under another name is none.
///
/// # Errors
/// [`Error::Read`] if the folder cannot be listed.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let file = entry.map_err(Error::read(folder))?.path();
        let images = file.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(images) = images.filter(|&images| file == path(folder, images)) {
            found.push((images, file));
        }
    }
    found.sort();
    Ok(found)
}

/// Sets aside the checkpoints of after `images` pictures, by another ending of their names: a run that goes on from an earlier one leaves their way.
///
/// # Errors
/// [`Error::Read`] if the folder cannot be listed, [`Error::Write`] if one cannot be renamed.
pub(crate) fn set_aside_after(folder: &Path, images: u64) -> Result<(), Error> {
    for (_, file) in list(folder)?.into_iter().filter(|(of, _)| *of > images) {
        let aside = file.with_extension("safetensors.left");
        fs::rename(&file, &aside).map_err(Error::write(&aside))?;
        tracing::warn!(
            "the run goes on from an earlier checkpoint; {} is now called {}",
            file.display(),
            aside.display()
        );
    }
    Ok(())
}

impl Checkpoint {
    /// Writes the state of `trainer` to `path`: to a temporary file beside it first, flushed to the disk, then renamed.
    ///
    /// # Errors
    /// [`Error::Write`]; what was at `path` before is untouched then.
    pub fn save(trainer: &Trainer, dataset: &str, seconds: f64, path: &Path) -> Result<(), Error> {
        write(trainer, dataset, seconds, path, false)
    }

    /// Writes G, its average and D without the optimisers' moments, two bytes a value: a sixth of the size, to start other runs
    /// from ([`Trainer::grow`]).
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    pub fn save_compact(&self, path: &Path) -> Result<(), Error> {
        write(&self.trainer, &self.dataset, self.seconds, path, true)
    }

    /// Reads a checkpoint; its trainer will use `threads` threads.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, [`Error::Checkpoint`] if it is damaged or not a checkpoint.
    pub fn load(path: &Path, threads: usize) -> Result<Self, Error> {
        Self::from_bytes(&fs::read(path).map_err(Error::read(path))?, path, threads)
    }

    /// Reads a checkpoint from memory; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn from_bytes(bytes: &[u8], name: &Path, threads: usize) -> Result<Self, Error> {
        let fail = |what: String| Error::Checkpoint { path: name.into(), what };
        let header = header(bytes, FORMAT).map_err(fail)?;
        let damaged = |e: serde_json::Error| fail(format!("its header is damaged: {e}"));
        let mut header: serde_json::Value = serde_json::from_str(&header).map_err(damaged)?;
        without_old_values(&mut header);
        let header: Header = serde_json::from_value(header).map_err(damaged)?;
        readable(header.version, VERSION).map_err(fail)?;
        let mut config = header.config.clone();
        if header.compact {
            // Its heads were left out, and whoever starts from these networks chooses a critic anew.
            config.critic = None;
            config.inked = None;
            config.ema.widths.clear();
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
        let fits = Trainer::lengths(&config).map_err(|e| fail(e.to_string()))?;
        for (name, length) in ["g.weights", "d.weights"].into_iter().zip(fits) {
            // Before memory is taken for what the header alone asks for.
            if file.tensor(name).map_or(0, |view| view.shape().iter().product()) != length {
                return Err(fail(format!("tensor {name} must have {length} values")));
            }
        }
        let mut trainer = Trainer::bare(config, threads).map_err(|e| fail(e.to_string()))?;
        trainer.progress = header.progress;
        [trainer.g.adam.steps, trainer.d.adam.steps] = header.adam_steps;
        let layouts = [trainer.g.net.layout.clone(), trainer.d.net.layout.clone()];
        for (name, values) in tensors(&mut trainer) {
            if header.compact && !kept_when_compact(&name) {
                continue;
            }
            let kind = if header.compact { Dtype::F16 } else { Dtype::F32 };
            let read = tensor(&file, &name, kind, values.len()).map_err(fail)?;
            let layout = if name.starts_with("d.") { &layouts[1] } else { &layouts[0] };
            if header.version == 1 && values.len() == layout.len() {
                from_files_order(layout, &read, values);
            } else {
                values.copy_from_slice(&read);
            }
        }
        let read = |name: &str, length: Option<usize>| {
            let is = || file.tensor(name).map_or(0, |view| view.shape().iter().product());
            tensor(&file, name, Dtype::F32, length.unwrap_or_else(is))
        };
        for (auxiliary, steps) in trainer.auxiliaries.all_mut().into_iter().zip(header.auxiliary_steps()) {
            if let Some(auxiliary) = auxiliary {
                auxiliary.restore(steps, &read).map_err(fail)?;
            }
        }
        if let Some(inked) = &mut trainer.auxiliaries.inked {
            inked.network = header.inked_network;
        }
        Ok(Self { trainer, dataset: header.dataset, seconds: header.seconds })
    }

    /// The newest checkpoint of a run folder that can be read, or `path` itself where it is a file. A damaged newest one is passed
    /// over with a warning: the one before it is kept for that.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] if there is none.
    pub fn find(path: &Path, threads: usize) -> Result<Self, Error> {
        if fs::metadata(path).map_err(Error::read(path))?.is_file() {
            return Self::load(path, threads);
        }
        let folder = path.join("checkpoints");
        let none = || Error::NoCheckpoint { path: path.into() };
        for (_, file) in list(&folder).map_err(|_| none())?.iter().rev() {
            match Self::load(file, threads) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error @ (Error::Checkpoint { .. } | Error::Read { .. })) => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        Err(none())
    }
}

fn write(trainer: &Trainer, dataset: &str, seconds: f64, path: &Path, compact: bool) -> Result<(), Error> {
    let [critic_steps, inked_steps] = trainer.auxiliaries.all().map(|one| one.map_or(0, Auxiliary::steps));
    let header = Header {
        version: VERSION,
        config: trainer.config().clone(),
        progress: trainer.progress,
        adam_steps: if compact { [0, 0] } else { [trainer.g.adam.steps, trainer.d.adam.steps] },
        critic_steps,
        inked_steps,
        inked_network: trainer.auxiliaries.inked.as_ref().and_then(|inked| inked.network),
        dataset: dataset.into(),
        seconds,
        compact,
    };
    let state: Vec<_> = state(trainer).into_iter().filter(|(name, _)| !compact || kept_when_compact(name)).collect();
    let tensors: Vec<_> = state.iter().map(|&(ref name, values)| (name.as_str(), values)).collect();
    write_file(path, FORMAT, &header, if compact { Dtype::F16 } else { Dtype::F32 }, &tensors)
}

/// Takes out of a header what configurations once had and no longer have.
fn without_old_values(header: &mut serde_json::Value) {
    let old = [("", "one_stage"), ("loss", "sigma"), ("growth", "anchor"), ("growth", "anchor_final")];
    for (part, key) in old {
        let config = header.get_mut("config");
        let part = if part.is_empty() { config } else { config.and_then(|config| config.get_mut(part)) };
        part.and_then(|part| part.as_object_mut()?.remove(key));
    }
}

/// Values tensor by tensor in the order of files to their places in the flat vector.
fn from_files_order(layout: &Layout, values: &[f32], flat: &mut [f32]) {
    for e in layout.entries() {
        e.set_from_file(&values[e.range.clone()], flat);
    }
}

/// Whether a compact checkpoint holds the tensor called `name`.
fn kept_when_compact(name: &str) -> bool {
    ["g.weights", "g.ema", "g.w_avg", "d.weights"].contains(&name)
}

impl Trainer {
    /// A checksum (CRC-32C) of all that a checkpoint holds, and of the frozen network behind which a second discriminator learns.
    pub(crate) fn checksum(&self) -> u32 {
        let Progress { steps, images, dropped, .. } = self.progress;
        let front = self.auxiliaries.inked.as_ref().and_then(|inked| inked.network).unwrap_or(0);
        let counters = [steps, images, dropped, self.g.adam.steps, self.d.adam.steps, front.into()];
        let start = crc32c::crc32c(bytemuck::cast_slice(&counters));
        state(self).iter().fold(start, |sum, (_, values)| crc32c::crc32c_append(sum, bytemuck::cast_slice(values)))
    }
}

/// The names of the vectors of every checkpoint, in the order of [`state`] and [`tensors`].
const NAMES: [&str; 8] =
    ["g.weights", "g.adam.first", "g.adam.second", "g.ema", "g.w_avg", "d.weights", "d.adam.first", "d.adam.second"];

/// The vectors of a checkpoint by name.
fn state(t: &Trainer) -> Vec<(String, &[f32])> {
    let Trainer { g, d, ema, w_avg, .. } = t;
    let all: [&[f32]; 8] =
        [&g.net.weights, &g.adam.first, &g.adam.second, ema, w_avg, &d.net.weights, &d.adam.first, &d.adam.second];
    let wide = t.wide.iter().map(|average| (format!("g.average.{}", average.width), average.weights.as_slice()));
    let auxiliaries = t.auxiliaries.all().into_iter().flatten();
    let auxiliaries = auxiliaries.flat_map(Auxiliary::state).map(|(name, values)| (name.to_owned(), values));
    let own = NAMES.map(str::to_owned).into_iter().zip(all);
    own.chain(wide).chain(auxiliaries).collect()
}

/// The vectors of a checkpoint by name, to be filled, but for those of auxiliary discriminators.
fn tensors(t: &mut Trainer) -> Vec<(String, &mut [f32])> {
    let Trainer { g, d, ema, w_avg, wide, .. } = t;
    let all: [&mut [f32]; 8] = [
        &mut g.net.weights,
        &mut g.adam.first,
        &mut g.adam.second,
        ema,
        w_avg,
        &mut d.net.weights,
        &mut d.adam.first,
        &mut d.adam.second,
    ];
    let wide = wide.iter_mut().map(|average| (format!("g.average.{}", average.width), average.weights.as_mut_slice()));
    NAMES.map(str::to_owned).into_iter().zip(all).chain(wide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `load` says of a file with this header and a tensor or none.
    fn said(header: &serde_json::Value) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("odd.safetensors");
        write_file(&path, FORMAT, header, Dtype::F32, &[("g.weights", &[0.0])]).unwrap();
        let error = Checkpoint::load(&path, 1).err().unwrap();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        error.to_string()
    }

    #[test]
    fn headers_of_any_form_are_refused_with_a_word() {
        for odd in ["[]", "5", "null", "{\"config\": 5}", "{\"config\": {\"loss\": []}}", "{\"config\": null}"] {
            assert!(said(&serde_json::from_str(odd).unwrap()).contains("header is damaged"), "{odd}");
        }
    }

    /// Memory is taken for what is there, and not for what a header asks for.
    #[test]
    fn a_header_alone_takes_no_memory() {
        let mut config = Config::preset("tiny").unwrap();
        config.discriminator.channels = vec![4096; 3];
        config.ema.widths = (1..=16).map(|i| f64::from(i) / 100.0).collect();
        let header = |config: &Config| {
            let progress = Progress::default();
            serde_json::json!({ "version": VERSION, "config": config, "progress": progress, "adam_steps": [0, 0],
                "dataset": "", "seconds": 0.0 })
        };
        assert!(said(&header(&config)).contains("g.weights must have"));
        config.architecture.w_dim = 0;
        assert!(said(&header(&config)).contains("odd.safetensors"));
    }

    /// Checkpoints of before a part of the configuration was there are read with its defaults.
    #[test]
    fn parts_that_older_headers_lack_are_not_made_up() {
        let mut header = serde_json::json!({ "config": { "name": "old", "one_stage": true } });
        without_old_values(&mut header);
        assert_eq!(header, serde_json::json!({ "config": { "name": "old" } }));
    }
}
