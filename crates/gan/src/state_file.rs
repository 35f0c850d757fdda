//! States as safetensors files, written whole or not at all: equal states are equal files.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::Serialize;

use crate::Error;

/// Numbers that are written at once.
const AT_ONCE: usize = 1 << 14;

/// Writes a state to `path`, whole or not at all: vectors by name, each number as `kind` (F16 or F32), and a header under the name of its format. What
/// is written is nowhere in memory a second time.
pub(crate) fn write_file(
    path: &Path,
    format: &str,
    header: &impl Serialize,
    kind: Dtype,
    tensors: &[(&str, &[f32])],
) -> Result<(), Error> {
    let mut tensors = tensors.to_vec();
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let header = serde_json::to_string(header).expect("a header is plain data");
    let start = start(kind, &tensors, HashMap::from([("format".into(), format.into()), ("header".into(), header)]))
        .map_err(|what| Error::Checkpoint { path: path.into(), what })?;
    let written = synth::write_atomically_with(path, |file| {
        file.write_all(&start)?;
        tensors.iter().try_for_each(|(_, values)| write_values(file, kind, values))
    });
    written.map_err(Error::write(path))
}

/// What stands before the values: the length of the entries, and the entries in order.
fn start(kind: Dtype, tensors: &[(&str, &[f32])], metadata: HashMap<String, String>) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let infos = tensors.iter().map(|(name, values)| {
        let from = end;
        end += values.len() * kind.bitsize() / 8;
        ((*name).to_owned(), TensorInfo { dtype: kind, shape: vec![values.len()], data_offsets: (from, end) })
    });
    let entries = Metadata::new(Some(metadata), infos.collect()).map_err(|e| e.to_string())?;
    let mut text = in_order(serde_json::to_value(entries).expect("entries are plain data"));
    // Values begin at a multiple of eight bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let length = text.len() as u64;
    Ok([length.to_le_bytes().as_slice(), &text].concat())
}

/// The entries as JSON, in the order of their names, where the crate keeps them in a random one: equal states are equal files.
fn in_order(entries: serde_json::Value) -> Vec<u8> {
    type Entries = BTreeMap<String, serde_json::Value>;
    let mut entries: Entries = serde_json::from_value(entries).expect("entries are an object");
    if let Some(metadata) = entries.remove("__metadata__") {
        let metadata: Entries = serde_json::from_value(metadata).expect("metadata is an object");
        entries.insert("__metadata__".into(), metadata.into_iter().collect());
    }
    serde_json::to_vec(&entries).expect("they are plain data")
}

/// Writes numbers in the order of little ends.
fn write_values(file: &mut dyn Write, kind: Dtype, values: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4 * AT_ONCE);
    for part in values.chunks(AT_ONCE) {
        bytes.clear();
        if kind == Dtype::F16 {
            bytes.extend(part.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()));
        } else {
            bytes.extend(part.iter().flat_map(|v| v.to_le_bytes()));
        }
        file.write_all(&bytes)?;
    }
    Ok(())
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
