//! Checkpoints: the whole state of a run in one safetensors file, written whole or not at all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};

use crate::trainer::Progress;
use crate::{Config, Error, Trainer, params};

const FORMAT: &str = "tadne-checkpoint";
const VERSION: u32 = 1;

/// What a checkpoint says besides its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
    progress: Progress,
    adam_steps: [u64; 2],
    #[serde(default)]
    critic_steps: u64,
    dataset: String,
    seconds: f64,
    /// Weights only and in half precision: for starting other runs from, not for going on exactly.
    #[serde(default)]
    compact: bool,
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

    /// Reads a checkpoint onto `device`.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, [`Error::Checkpoint`] if it is damaged or not a checkpoint.
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        Self::from_bytes(&fs::read(path).map_err(Error::read(path))?, path, device)
    }

    /// Reads a checkpoint from memory; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn from_bytes(bytes: &[u8], name: &Path, device: Device) -> Result<Self, Error> {
        let fail = |what: String| Error::Checkpoint { path: name.into(), what };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(fail("it is a safetensors file of another kind".into()));
        }
        let header = metadata.get("header").ok_or_else(|| fail("its header is missing".into()))?;
        let header: Header = serde_json::from_str(header).map_err(|e| fail(format!("its header is damaged: {e}")))?;
        if header.version != VERSION {
            return Err(fail(format!("it has version {}, this program reads version {VERSION}", header.version)));
        }
        let mut config = header.config;
        if header.compact {
            // Its heads were left out, and whoever starts from these networks chooses a critic anew.
            config.critic = None;
            config.ema.widths.clear();
            config.growth.anchor = 0.0;
        }
        let mut trainer = Trainer::bare(config, device)?;
        trainer.progress = header.progress;
        [trainer.g.adam.steps, trainer.d.adam.steps] = header.adam_steps;
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
        if let Some(side) = &mut trainer.critic {
            side.heads.adam.steps = header.critic_steps;
            // Its length depends on the frozen network, which may be elsewhere today; the file knows.
            let length = file.tensor("critic.mixing").map_or(0, |view| view.shape().iter().product());
            side.critic.mixing = Tensor::zeros([length as i64], (Kind::Float, device));
        }
        for (name, mut tensor) in tensors(&trainer) {
            if header.compact && !kept_when_compact(&name) {
                continue;
            }
            let view = file.tensor(&name).map_err(|_| fail(format!("tensor {name} is missing")))?;
            let kind = if header.compact { Dtype::F16 } else { Dtype::F32 };
            if view.dtype() != kind || view.shape() != [tensor.numel()] {
                return Err(fail(format!("tensor {name} must be {kind:?} with {} values", tensor.numel())));
            }
            let values: Vec<f32> = if header.compact {
                view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            } else {
                params::f32s(view.data())
            };
            no_grad(|| tensor.f_copy_(&Tensor::from_slice(&values)))?;
        }
        Ok(Self { trainer, dataset: header.dataset, seconds: header.seconds })
    }

    /// The newest checkpoint of a run folder that can be read, or `path` itself where it is a file. A damaged newest one is passed
    /// over with a warning: the one before it is kept for that.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] if there is none.
    pub fn find(path: &Path, device: Device) -> Result<Self, Error> {
        if path.is_file() {
            return Self::load(path, device);
        }
        let folder = path.join("checkpoints");
        let none = || Error::NoCheckpoint { path: path.into() };
        for file in list(&folder).map_err(|_| none())?.iter().rev() {
            match Self::load(file, device) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error @ (Error::Checkpoint { .. } | Error::Read { .. })) => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        Err(none())
    }
}

fn write(trainer: &Trainer, dataset: &str, seconds: f64, path: &Path, compact: bool) -> Result<(), Error> {
    let header = Header {
        version: VERSION,
        config: trainer.config().clone(),
        progress: trainer.progress,
        adam_steps: if compact { [0, 0] } else { [trainer.g.adam.steps, trainer.d.adam.steps] },
        critic_steps: trainer.critic.as_ref().map_or(0, |c| c.heads.adam.steps),
        dataset: dataset.into(),
        seconds,
        compact,
    };
    let mut buffers = Vec::new();
    for (name, tensor) in tensors(trainer) {
        if compact && !kept_when_compact(&name) {
            continue;
        }
        let tensor = tensor.detach().to_device(Device::Cpu);
        let mut values = vec![0f32; tensor.numel()];
        let count = values.len();
        tensor.f_copy_data(&mut values, count)?;
        let bytes: Vec<u8> = if compact {
            values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()
        } else {
            bytemuck::cast_slice(&values).to_vec()
        };
        buffers.push((name, count, bytes));
    }
    let kind = if compact { Dtype::F16 } else { Dtype::F32 };
    let views = buffers.iter().map(|(name, count, bytes)| {
        (name.as_str(), TensorView::new(kind, vec![*count], bytes).expect("length and shape agree"))
    });
    let header = serde_json::to_string(&header).expect("a header is plain data");
    let metadata = HashMap::from([("format".into(), FORMAT.into()), ("header".into(), header)]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::Checkpoint { path: path.into(), what: e.to_string() })?;
    synth::write_atomically(path, &bytes).map_err(Error::write(path))
}

/// Whether a compact checkpoint holds the tensor called `name`.
fn kept_when_compact(name: &str) -> bool {
    ["g.weights", "g.ema", "g.w_avg", "d.weights"].contains(&name)
}

/// The tensors of a checkpoint by name. They share storage with the trainer's.
fn tensors(t: &Trainer) -> Vec<(String, Tensor)> {
    let mut all = vec![
        ("g.weights", t.g.weights.detach()),
        ("g.adam.first", t.g.adam.first.shallow_clone()),
        ("g.adam.second", t.g.adam.second.shallow_clone()),
        ("g.ema", t.ema.shallow_clone()),
        ("g.w_avg", t.w_avg.shallow_clone()),
        ("d.weights", t.d.weights.detach()),
        ("d.adam.first", t.d.adam.first.shallow_clone()),
        ("d.adam.second", t.d.adam.second.shallow_clone()),
    ];
    if let Some(side) = &t.critic {
        all.extend([
            ("critic.mixing", side.critic.mixing.shallow_clone()),
            ("critic.weights", side.heads.weights.detach()),
            ("critic.adam.first", side.heads.adam.first.shallow_clone()),
            ("critic.adam.second", side.heads.adam.second.shallow_clone()),
        ]);
    }
    all.extend(t.anchor.as_ref().map(|anchor| ("g.anchor", anchor.weights.shallow_clone())));
    let wide = t.wide.iter().map(|average| (format!("g.average.{}", average.width), average.weights.shallow_clone()));
    all.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).chain(wide).collect()
}
