//! Checkpoints: the whole state of a run in one safetensors file, written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::auxiliary::Auxiliary;
use crate::params::Layout;
use crate::state_file::{header, tensor, write_file};
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

/// Checkpoints in `folder`, oldest first.
///
/// # Errors
/// [`Error::Read`] if the folder cannot be listed.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let path = entry.map_err(Error::read(folder))?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
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
        if !(1..=VERSION).contains(&header.version) {
            return Err(fail(format!(
                "it has version {}, this program reads versions up to {VERSION}",
                header.version
            )));
        }
        let mut config = header.config.clone();
        if header.compact {
            // Its heads were left out, and whoever starts from these networks chooses a critic anew.
            config.critic = None;
            config.inked = None;
            config.ema.widths.clear();
        }
        let mut trainer = Trainer::bare(config, threads)?;
        trainer.progress = header.progress;
        [trainer.g.adam.steps, trainer.d.adam.steps] = header.adam_steps;
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
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
        Ok(Self { trainer, dataset: header.dataset, seconds: header.seconds })
    }

    /// The newest checkpoint of a run folder that can be read, or `path` itself where it is a file. A damaged newest one is passed
    /// over with a warning: the one before it is kept for that.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] if there is none.
    pub fn find(path: &Path, threads: usize) -> Result<Self, Error> {
        if path.is_file() {
            return Self::load(path, threads);
        }
        let folder = path.join("checkpoints");
        let none = || Error::NoCheckpoint { path: path.into() };
        for file in list(&folder).map_err(|_| none())?.iter().rev() {
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
        dataset: dataset.into(),
        seconds,
        compact,
    };
    let mut buffers = Vec::new();
    for (name, values) in state(trainer) {
        if compact && !kept_when_compact(&name) {
            continue;
        }
        let bytes: Vec<u8> = if compact {
            values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()
        } else {
            bytemuck::cast_slice(values).to_vec()
        };
        buffers.push((name, values.len(), bytes));
    }
    let kind = if compact { Dtype::F16 } else { Dtype::F32 };
    let tensors: Vec<_> =
        buffers.iter().map(|(name, count, bytes)| (name.as_str(), *count, bytes.as_slice())).collect();
    write_file(path, FORMAT, &header, kind, &tensors)
}

/// Takes out of a header what configurations once had and no longer have.
fn without_old_values(header: &mut serde_json::Value) {
    let old = [("", "one_stage"), ("loss", "sigma"), ("growth", "anchor"), ("growth", "anchor_final")];
    for (part, key) in old {
        let config = &mut header["config"];
        let part = if part.is_empty() { config } else { &mut config[part] };
        part.as_object_mut().and_then(|values| values.remove(key));
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
    /// A checksum (CRC-32C) of all that a checkpoint holds.
    pub(crate) fn checksum(&self) -> u32 {
        let Progress { steps, images, dropped, .. } = self.progress;
        let counters = [steps, images, dropped, self.g.adam.steps, self.d.adam.steps];
        let start = crc32c::crc32c(bytemuck::cast_slice(&counters));
        state(self).iter().fold(start, |sum, (_, values)| crc32c::crc32c_append(sum, bytemuck::cast_slice(values)))
    }
}

/// The vectors of a checkpoint by name.
fn state(t: &Trainer) -> Vec<(String, &[f32])> {
    let all: [(&str, &[f32]); 8] = [
        ("g.weights", &t.g.net.weights),
        ("g.adam.first", &t.g.adam.first),
        ("g.adam.second", &t.g.adam.second),
        ("g.ema", &t.ema),
        ("g.w_avg", &t.w_avg),
        ("d.weights", &t.d.net.weights),
        ("d.adam.first", &t.d.adam.first),
        ("d.adam.second", &t.d.adam.second),
    ];
    let wide = t.wide.iter().map(|average| (format!("g.average.{}", average.width), average.weights.as_slice()));
    let auxiliaries = t.auxiliaries.all().into_iter().flatten();
    let auxiliaries = auxiliaries.flat_map(Auxiliary::state).map(|(name, values)| (name.to_owned(), values));
    let own = all.into_iter().map(|(name, values)| (name.to_owned(), values));
    own.chain(wide).chain(auxiliaries).collect()
}

/// The vectors of a checkpoint by name, to be filled, but for those of auxiliary discriminators.
fn tensors(t: &mut Trainer) -> Vec<(String, &mut [f32])> {
    let all: [(&str, &mut [f32]); 8] = [
        ("g.weights", &mut t.g.net.weights),
        ("g.adam.first", &mut t.g.adam.first),
        ("g.adam.second", &mut t.g.adam.second),
        ("g.ema", &mut t.ema),
        ("g.w_avg", &mut t.w_avg),
        ("d.weights", &mut t.d.net.weights),
        ("d.adam.first", &mut t.d.adam.first),
        ("d.adam.second", &mut t.d.adam.second),
    ];
    let wide =
        t.wide.iter_mut().map(|average| (format!("g.average.{}", average.width), average.weights.as_mut_slice()));
    all.into_iter().map(|(name, values)| (name.to_owned(), values)).chain(wide).collect()
}
