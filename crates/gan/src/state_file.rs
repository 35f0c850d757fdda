//! States as safetensors files, written whole or not at all: equal states are equal files.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;

use crate::Error;

/// Writes a state to `path`, whole or not at all: tensors of one kind (name, length, bytes), and a header under the name of its format.
pub(crate) fn write_file(
    path: &Path,
    format: &str,
    header: &impl Serialize,
    kind: Dtype,
    tensors: &[(&str, usize, &[u8])],
) -> Result<(), Error> {
    let views = tensors.iter().map(|&(name, count, bytes)| {
        (name, TensorView::new(kind, vec![count], bytes).expect("length and shape agree"))
    });
    let header = serde_json::to_string(header).expect("a header is plain data");
    let metadata = HashMap::from([("format".into(), format.into()), ("header".into(), header)]);
    let mut bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::Checkpoint { path: path.into(), what: e.to_string() })?;
    in_order(&mut bytes);
    synth::write_atomically(path, &bytes).map_err(Error::write(path))
}

/// Puts the entries of a safetensors header in order, which the crate writes in a random one: equal states are equal files.
fn in_order(bytes: &mut [u8]) {
    type Entries = BTreeMap<String, serde_json::Value>;
    let (length, rest) = bytes.split_at_mut(8);
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let header = &mut rest[..length];
    let mut entries: Entries = serde_json::from_slice(header).expect("it was just written");
    if let Some(metadata) = entries.remove("__metadata__") {
        let metadata: Entries = serde_json::from_value(metadata).expect("metadata is an object");
        entries.insert("__metadata__".into(), metadata.into_iter().collect());
    }
    let text = serde_json::to_vec(&entries).expect("it was read from JSON");
    header[text.len()..].fill(b' ');
    header[..text.len()].copy_from_slice(&text);
}

/// The header of a file that [`write_file`] wrote under this format, or what is wrong with it.
pub(crate) fn header(bytes: &[u8], format: &str) -> Result<String, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let mut metadata = metadata.metadata().clone().unwrap_or_default();
    if metadata.get("format").map(String::as_str) != Some(format) {
        return Err("it is a safetensors file of another kind".into());
    }
    metadata.remove("header").ok_or_else(|| "its header is missing".into())
}

/// Whether a file of this version can be read by a program that writes `newest`, or what to say of it.
pub(crate) fn readable(version: u32, newest: u32) -> Result<(), String> {
    if (1..=newest).contains(&version) {
        return Ok(());
    }
    Err(format!("it has version {version}, this program reads versions up to {newest}"))
}

/// A tensor's values, of which there must be `length` of `kind` (F16 or F32), or what is wrong with it.
pub(crate) fn tensor(file: &SafeTensors<'_>, name: &str, kind: Dtype, length: usize) -> Result<Vec<f32>, String> {
    let view = file.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if view.dtype() != kind || view.shape() != [length] {
        return Err(format!("tensor {name} must be {kind:?} with {length} values"));
    }
    Ok(if kind == Dtype::F16 {
        view.data().as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect()
    } else {
        view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
    })
}
