//! Other people's `StyleGAN2` generators in, ours out.
//!
//! [`open`] finds the generator in a file that others wrote: NVIDIA's pickles (`PyTorch` and `TensorFlow`) and
//! rosinality's checkpoints, and state dictionaries and safetensors files with the names of either. Nothing in the file is run: a [pickle] is read as inert values, and its arrays stay in the
//! file until [`ForeignGenerator::load`] asks for them. [`onnx`] writes a model as a graph that other runtimes draw with.
//!
//! This crate converts; it neither draws nor trains.
//!
//! ```no_run
//! use interop::{WeightSet, open};
//!
//! let network = open("network-snapshot.pkl".as_ref(), WeightSet::Ema)?;
//! println!("{} of {}: {:?}", network.name, network.origin.name(), network.architecture);
//! let model = network.load(synth::Metadata::default(), &mut |_| ())?;
//! model.save("model.safetensors".as_ref(), synth::WeightDtype::F32)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ada;
pub mod blob;
pub mod document;
mod error;
mod network;
mod nvidia;
pub mod onnx;
pub mod pickle;
mod rosinality;
mod source;
mod state;
mod states;
mod strangers;
mod tensor;
mod tensorflow;
mod torch;

use std::path::Path;

pub use error::Error;
pub use network::{ForeignGenerator, Origin};

use blob::Blob;
use document::Document;
use tensor::View;

/// How many `w` are averaged where a file has no mean.
const W_SAMPLES: usize = 4096;

/// Which of a snapshot's generators is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightSet {
    /// The running average of the weights, which draws better.
    #[default]
    Ema,
    /// The weights as they were at that step.
    Raw,
}

impl WeightSet {
    fn pick<T>(self, ema: T, raw: T) -> T {
        match self {
            WeightSet::Ema => ema,
            WeightSet::Raw => raw,
        }
    }
}

/// Finds the generator in a file, reading its structure only.
///
/// # Errors
/// The file is damaged or hostile, holds something else, or a network that cannot be drawn.
pub fn open(path: &Path, which: WeightSet) -> Result<ForeignGenerator, Error> {
    open_blob(&Blob::open(path)?, which)
}

/// Finds the generator in a file whose bytes are at hand.
///
/// # Errors
/// As for [`open`].
pub fn open_blob(blob: &Blob, which: WeightSet) -> Result<ForeignGenerator, Error> {
    if states::is_safetensors(blob).is_some() {
        return states::in_safetensors(blob, which);
    }
    find(&Document::open(blob)?, which)
}

/// Finds the generator in a file that is open.
///
/// # Errors
/// As for [`open`].
pub fn find(document: &Document, which: WeightSet) -> Result<ForeignGenerator, Error> {
    let mut network = if nvidia::is_one(document) {
        nvidia::find(document, which)
    } else if tensorflow::is_one(document) {
        tensorflow::find(document, which)
    } else if let Some(network) = states::in_document(document, which) {
        network
    } else {
        Err(stranger(document))
    }?;
    network.notes.extend(warnings(document));
    Ok(network)
}

/// Whether a file is one for [`open`] rather than a model file: everything but safetensors files with this project's
/// description, for what is neither is named there.
///
/// # Errors
/// The file cannot be read.
pub fn is_importable(path: &Path) -> std::io::Result<bool> {
    Ok(states::is_safetensors(&Blob::open(path)?) != Some(true))
}

/// What a file holds that is none of the known layouts.
fn stranger(document: &Document) -> Error {
    let pickle = document.pickle();
    let root = pickle.root();
    let names = pickle.globals();
    let named = if names.is_empty() { String::new() } else { format!("; it names {}", shortened(&names)) };
    Error::Unknown(format!(
        "no StyleGAN2 generator was found: the file holds {}{named}. Files of NVIDIA's StyleGAN2 (PyTorch, TensorFlow) and \
         of rosinality/stylegan2-pytorch are read, and state dictionaries of both",
        pickle.kind(root)
    ))
}

/// Names in a pickle that no honest model file has: whoever opens it in Python runs them.
fn warnings(document: &Document) -> Vec<String> {
    const HARMLESS: [&str; 10] = [
        "torch.",
        "torch_utils.",
        "numpy.",
        "collections.",
        "dnnlib.",
        "training.",
        "_codecs.encode",
        "copyreg.",
        "copy_reg.",
        "argparse.Namespace",
    ];
    let mut names = document.pickle().globals();
    names.retain(|name| !HARMLESS.iter().any(|start| name.starts_with(start)));
    match names.as_slice() {
        [] => Vec::new(),
        names => {
            vec![format!("opened in Python this file would call {}; nothing of it was run here", shortened(names))]
        }
    }
}

/// The first few of a list.
fn shortened(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| name.chars().take(80).collect()).collect();
    shown.join(", ") + if names.len() > 5 { ", ..." } else { "" }
}

/// What is said of a file without the mean of `w`.
fn no_w_avg() -> String {
    format!("the file holds no mean of w; that of {W_SAMPLES} seeds is taken")
}

/// The gain of a weight `[out, in, ...]` that learns as fast as all others (equalised learning rate, arXiv 1710.10196): `1 / sqrt(inputs)`.
fn fan_in_gain(weight: &View) -> f32 {
    (weight.shape().iter().skip(1).product::<usize>() as f32).sqrt().recip()
}

/// Checks that a resampling filter is [1, 3, 3, 1], as a row or its outer product, whatever its gain.
fn check_filter(filter: &View) -> Result<(), Error> {
    let row = [1.0_f32, 3.0, 3.0, 1.0];
    let expected: Vec<f32> = match filter.shape() {
        [4] => row.to_vec(),
        [4, 4] => row.iter().flat_map(|a| row.map(|b| a * b)).collect(),
        shape => return Err(Error::unsupported(format!("a resampling filter of shape {shape:?} cannot be drawn"))),
    };
    let values = filter.values()?;
    let gain = values.iter().sum::<f32>() / expected.iter().sum::<f32>();
    if values.iter().zip(&expected).all(|(v, e)| (v - gain * e).abs() < 1e-4 * gain.abs()) {
        Ok(())
    } else {
        Err(Error::unsupported("the resampling filter is not [1, 3, 3, 1], the only one that can be drawn"))
    }
}
