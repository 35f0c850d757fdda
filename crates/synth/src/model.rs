//! The model file: safetensors holding the weights, ready to use, and the architecture as JSON beside them.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

pub(crate) mod architecture;
pub(crate) mod average;
pub(crate) mod directions;
pub(crate) mod selection;

use crate::formula::normalise;
use crate::{Seed, latent};
pub(crate) use architecture::ConvPlan;
use architecture::{Architecture, ArchitectureError, LabelNorm};
use selection::Selection;

const FORMAT: &str = "tadne-generator";
const FORMAT_VERSION: &str = "1";
/// Name of the optional truncation centres, [K, `w_dim`].
pub(crate) const CENTRES: &str = "truncation.centres";
/// Name of the optional radius and temperature of truncation, [2]. The centres need it.
pub(crate) const SPREAD: &str = "truncation.spread";
/// Name of the optional directions of w, [K, `w_dim`], as many as there are names for.
pub(crate) const DIRECTIONS: &str = "directions.w";
/// Directions that a file may hold at most.
const MOST_DIRECTIONS: usize = 64;

/// A generator as it lies in a file: architecture, named tensors, and what is to be known about its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Sizes and order of operations.
    pub architecture: Architecture,
    /// Weights by name, ready to use: gains and learning-rate multipliers are folded in.
    pub tensors: BTreeMap<String, Tensor>,
    /// Origin, licence, calibration.
    pub metadata: Metadata,
}

/// A dense array in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// What a model file says about itself beyond what is needed to draw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// A JSON object: configuration, thousands of images seen, who trained it, when.
    pub provenance: serde_json::Value,
    /// Terms of use of the weights.
    pub license: String,
    /// Where the creativity slider's landmarks lie for this model, if they were measured.
    pub calibration: Option<Calibration>,
    /// Names of the directions in which pictures can be edited (`hair-light`), in the order of the rows of the tensor
    /// `directions.w`; empty if none were found.
    pub directions: Vec<String>,
    /// How a seed's `z` is chosen; none takes the one that there is.
    pub selection: Option<Selection>,
}

/// The psi that play the parts of 0.3, 1.0 and 2.0 on the creativity slider.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Calm and alike.
    pub psi_low: f32,
    /// The best pictures.
    pub psi_best: f32,
    /// The strangest that is still worth looking at.
    pub psi_high: f32,
}

/// How numbers are stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightDtype {
    /// Two bytes a weight; pictures differ from those of `F32` by at most about one 8-bit level.
    F16,
    /// Four bytes a weight, exact.
    F32,
}

/// Why a model cannot be read, used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Reading or writing failed.
    #[error("cannot {action} the model file {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not a complete safetensors file.
    #[error("not a complete safetensors file ({0}); it may be cut short: copy or download it again")]
    Format(#[from] safetensors::SafeTensorError),
    /// An entry of the safetensors metadata is missing or malformed.
    #[error("the model file's metadata entry {entry:?} is unusable: {problem}")]
    Metadata {
        /// Key in `__metadata__`.
        entry: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The architecture is out of bounds.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// A tensor is missing, unknown, misshapen, of a wrong type, or holds values that are not finite.
    #[error("tensor {name:?} {problem}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// `TADNE_SIMD` asks for what this machine does not have.
    #[error(transparent)]
    Simd(#[from] kernels::IsaError),
}

impl ModelError {
    fn tensor(name: &str, problem: impl Into<String>) -> Self {
        ModelError::Tensor { name: name.into(), problem: problem.into() }
    }
}

impl ModelFile {
    /// What each class puts behind `z`, [`classes`, `features`]: column k of the embedding plus its bias, divided by its own
    /// root mean square if classes are normalised apart.
    pub(crate) fn class_embeddings(&self) -> Vec<f32> {
        let Some(labels) = self.architecture.labels else { return Vec::new() };
        let (weight, bias) = (self.values("mapping.embed.weight"), self.values("mapping.embed.bias"));
        let mut table = Vec::with_capacity(labels.classes * labels.features);
        for class in 0..labels.classes {
            let start = table.len();
            table.extend(bias.iter().enumerate().map(|(i, bias)| weight[i * labels.classes + class] + bias));
            if labels.normalize == LabelNorm::Apart {
                normalise(&mut table[start..]);
            }
        }
        table
    }

    /// Reads a model from the bytes of a file and checks it whole.
    ///
    /// # Errors
    /// The bytes are cut short or corrupt, the architecture is unknown or out of bounds, or a tensor does not fit it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let (architecture, metadata) = described(header.metadata().as_ref())?;
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            let data = match view.dtype() {
                Dtype::F16 => view.data().as_chunks().0.iter().map(|&pair| f16::from_le_bytes(pair).to_f32()).collect(),
                Dtype::F32 => view.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
                other => {
                    return Err(ModelError::tensor(&name, format!("has type {other:?}; only F16 and F32 are read")));
                }
            };
            tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
        }
        let model = ModelFile { architecture, tensors, metadata };
        model.check()?;
        Ok(model)
    }

    /// Reads a model from a file; see [`ModelFile::from_bytes`].
    ///
    /// # Errors
    /// The file cannot be read, or its contents are not a valid model.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(io("read", path))?;
        Self::from_bytes(&bytes)
    }

    /// The bytes of a model file. Equal models give equal bytes.
    ///
    /// # Errors
    /// The tensors do not fit the architecture, or a value is too large for the precision.
    pub fn to_bytes(&self, precision: WeightDtype) -> Result<Vec<u8>, ModelError> {
        self.check()?;
        let (dtype, width) = match precision {
            WeightDtype::F16 => ("F16", 2),
            WeightDtype::F32 => ("F32", 4),
        };
        let mut entries = serde_json::Map::new();
        let mut entry = |key: &str, value: String| entries.insert(key.into(), value.into());
        let architecture = serde_json::to_string(&self.architecture);
        entry("architecture", architecture.map_err(unserialisable("architecture"))?);
        if let Some(calibration) = &self.metadata.calibration {
            let text = serde_json::to_string(calibration);
            entry("calibration", text.map_err(unserialisable("calibration"))?);
        }
        if !self.metadata.directions.is_empty() {
            let text = serde_json::to_string(&self.metadata.directions);
            entry("directions", text.map_err(unserialisable("directions"))?);
        }
        if let Some(selection) = &self.metadata.selection {
            let text = serde_json::to_string(selection);
            entry("selection", text.map_err(unserialisable("selection"))?);
        }
        entry("format", FORMAT.into());
        entry("format_version", FORMAT_VERSION.into());
        entry("license", self.metadata.license.clone());
        entry("provenance", self.metadata.provenance.to_string());

        // The header is written here because the safetensors crate writes metadata in a random order.
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".into(), entries.into());
        let mut end = 0;
        for (name, tensor) in &self.tensors {
            let start = end;
            end += tensor.data.len() * width;
            let info = serde_json::json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end] });
            header.insert(name.clone(), info);
        }
        let mut header = serde_json::Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');

        let mut bytes = Vec::with_capacity(8 + header.len() + end);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for (name, tensor) in &self.tensors {
            for &value in &tensor.data {
                match precision {
                    WeightDtype::F16 => {
                        let stored = f16::from_f32(value);
                        if stored.is_infinite() {
                            return Err(ModelError::tensor(name, format!("holds {value}, which f16 cannot store")));
                        }
                        bytes.extend(stored.to_le_bytes());
                    }
                    WeightDtype::F32 => bytes.extend(value.to_le_bytes()),
                }
            }
        }
        Ok(bytes)
    }

    /// Writes a model file so that `path` holds either its old contents or the new ones whole, never a part.
    ///
    /// # Errors
    /// The model is not valid (see [`ModelFile::to_bytes`]) or the folder cannot be written.
    pub fn save(&self, path: &Path, precision: WeightDtype) -> Result<(), ModelError> {
        let bytes = self.to_bytes(precision)?;
        crate::write_atomically(path, &bytes).map_err(io("write", path))
    }

    /// The smaller precision that keeps every weight as it is.
    pub fn exact_dtype(&self) -> WeightDtype {
        let is_half = |v: &f32| f16::from_f32(*v).to_f32().to_bits() == v.to_bits();
        let halves = self.tensors.values().all(|tensor| tensor.data.iter().all(is_half));
        if halves { WeightDtype::F16 } else { WeightDtype::F32 }
    }

    /// The model without its ink network, if it has one: it draws what the last block composes.
    #[must_use]
    pub fn without_ink(mut self) -> Self {
        self.architecture.ink = None;
        self.tensors.retain(|name, _| !name.starts_with("ink."));
        self
    }

    /// The model without its lens, if it has one: its pictures are the same, and are not redrawn for a closer look.
    #[must_use]
    pub fn without_lens(mut self) -> Self {
        self.architecture.lens = None;
        self.tensors.retain(|name, _| !name.starts_with("lens."));
        self
    }

    /// Checks the architecture, and that exactly its tensors are there with its shapes and finite values.
    ///
    /// # Errors
    /// The first problem found, naming the tensor or field.
    pub fn check(&self) -> Result<(), ModelError> {
        self.architecture.validate()?;
        let required = self.architecture.tensors();
        for (name, shape) in &required {
            match self.tensors.get(name) {
                None => return Err(ModelError::tensor(name, format!("is missing; its shape should be {shape:?}"))),
                Some(tensor) => check_shape(name, tensor, shape)?,
            }
        }
        if let Some(calibration) = self.metadata.calibration.filter(|calibration| !calibration.is_sound()) {
            let problem = format!("{calibration:?} must rise from above 0 to at most 2");
            return Err(ModelError::Metadata { entry: "calibration", problem });
        }
        self.check_directions()?;
        self.check_selection()?;
        let optional = self.architecture.optional_tensors();
        for (name, tensor) in &self.tensors {
            if let Some((_, shape)) = optional.iter().find(|(known, _)| known == name) {
                check_shape(name, tensor, shape)?;
            } else if name == CENTRES {
                let rows = tensor.shape.first().copied().unwrap_or(0).max(1);
                check_shape(name, tensor, &[rows, self.architecture.w_dim])?;
                if !self.tensors.contains_key(SPREAD) {
                    return Err(ModelError::tensor(name, format!("needs {SPREAD:?} beside it")));
                }
            } else if name == SPREAD {
                check_shape(name, tensor, &[2])?;
                if tensor.data.iter().any(|&value| value <= 0.0) {
                    return Err(ModelError::tensor(name, "must hold a radius and a temperature above 0"));
                }
            } else if name == DIRECTIONS {
                check_shape(name, tensor, &[self.metadata.directions.len(), self.architecture.w_dim])?;
            } else if self.metadata.selection.is_some() && name.starts_with(Selection::TENSORS) {
                // Checked above.
            } else if !required.iter().any(|(known, _)| known == name) {
                return Err(ModelError::tensor(name, "is unknown to the file's architecture"));
            }
            if let Some(value) = tensor.data.iter().find(|value| !value.is_finite()) {
                return Err(ModelError::tensor(name, format!("holds {value}; all weights must be finite")));
            }
        }
        Ok(())
    }

    /// Checks that directions have plain names, each its own, and numbers.
    fn check_directions(&self) -> Result<(), ModelError> {
        let names = &self.metadata.directions;
        let plain = |name: &String| {
            (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let problem = if let Some(name) = names.iter().find(|name| !plain(name)) {
            format!("{name:?} is no name: up to 32 small letters and hyphens are")
        } else if let Some((_, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            format!("{name:?} is there twice")
        } else if names.len() > MOST_DIRECTIONS {
            format!("there are {}, more than {MOST_DIRECTIONS}", names.len())
        } else if !names.is_empty() && !self.tensors.contains_key(DIRECTIONS) {
            format!("the tensor {DIRECTIONS:?} is missing")
        } else {
            return Ok(());
        };
        Err(ModelError::Metadata { entry: "directions", problem })
    }

    /// Checks that the network that chooses is whole: every layer takes what the one before gives, the last gives one number.
    fn check_selection(&self) -> Result<(), ModelError> {
        let Some(selection) = self.metadata.selection else { return Ok(()) };
        if !selection.is_sound() {
            let problem = format!("{} candidates; there must be 2 to 64", selection.candidates);
            return Err(ModelError::Metadata { entry: "selection", problem });
        }
        if self.architecture.labels.is_some() {
            let problem = "a model with classes cannot choose".into();
            return Err(ModelError::Metadata { entry: "selection", problem });
        }
        let ours = self.tensors.keys().filter(|name| name.starts_with(Selection::TENSORS)).count();
        let (mut inputs, layers) = (self.architecture.w_dim, ours / 2);
        if !(1..=selection::MOST_LAYERS).contains(&layers) || ours % 2 > 0 {
            let problem = format!("{ours} tensors begin with {:?}; two a layer are wanted", Selection::TENSORS);
            return Err(ModelError::Metadata { entry: "selection", problem });
        }
        for layer in 0..layers {
            let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", Selection::layer(layer)));
            let missing = |name: &str| ModelError::tensor(name, "is missing; the selection's layers are numbered");
            let rows = self.tensors.get(&weight).ok_or_else(|| missing(&weight))?;
            let outputs = if layer + 1 == layers { 1 } else { rows.shape.first().map_or(1, |&rows| rows.max(1)) };
            if outputs > selection::WIDEST {
                let problem = format!("has {outputs} outputs, more than {}", selection::WIDEST);
                return Err(ModelError::tensor(&weight, problem));
            }
            check_shape(&weight, rows, &[outputs, inputs])?;
            check_shape(&bias, self.tensors.get(&bias).ok_or_else(|| missing(&bias))?, &[outputs])?;
            inputs = outputs;
        }
        Ok(())
    }

    /// Puts a network that chooses among the `z` of a seed into the file, in place of the one that it may hold: `weight` [outputs, inputs] and bias
    /// of each layer; none takes it out.
    ///
    /// # Errors
    /// The layers do not follow on `w` and each other, or the number of candidates is not one; the model is as it was then.
    pub fn set_selection(&mut self, selection: Option<(Selection, Vec<[Tensor; 2]>)>) -> Result<(), ModelError> {
        let mut changed = self.clone();
        changed.tensors.retain(|name, _| !name.starts_with(Selection::TENSORS));
        changed.metadata.selection = selection.as_ref().map(|(selection, _)| *selection);
        for (index, [weight, bias]) in selection.into_iter().flat_map(|(_, layers)| layers).enumerate() {
            let name = Selection::layer(index);
            changed.tensors.insert(format!("{name}.weight"), weight);
            changed.tensors.insert(format!("{name}.bias"), bias);
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Lets the layers that make styles of a `w` read `matrix w + shift` in its place, `matrix` being [`w_dim`, `w_dim`]. What they are packed from
    /// changes, and nothing else: a picture takes as long as before.
    ///
    /// # Panics
    /// If the two are of another size.
    pub fn move_w(&mut self, matrix: &[f64], shift: &[f64]) {
        let dim = self.architecture.w_dim;
        assert!(shift.len() == dim && matrix.len() == dim * dim, "a map of w");
        let layers = self.tensors.keys().filter_map(|name| name.strip_suffix(".affine.weight"));
        let layers: Vec<_> = layers.map(str::to_owned).collect();
        for layer in layers {
            let Some(weight) = self.tensors.get_mut(&format!("{layer}.affine.weight")) else { continue };
            let mut moved = Vec::new();
            for row in weight.data.chunks_exact_mut(dim) {
                let old: Vec<f64> = row.iter().map(|&v| v.into()).collect();
                moved.push(old.iter().zip(shift).map(|(w, by)| w * by).sum::<f64>());
                let mut sums = vec![0.0; dim];
                for (factor, line) in old.iter().zip(matrix.chunks_exact(dim)) {
                    sums.iter_mut().zip(line).for_each(|(sum, v)| *sum += factor * v);
                }
                row.iter_mut().zip(sums).for_each(|(to, v)| *to = v as f32);
            }
            if let Some(bias) = self.tensors.get_mut(&format!("{layer}.affine.bias")) {
                bias.data.iter_mut().zip(moved).for_each(|(bias, by)| *bias = (f64::from(*bias) + by) as f32);
            }
        }
    }

    /// Puts directions of w into the file, in place of those that it may hold: names, and `w_dim` values each, whose length is
    /// one standard deviation of what the name says.
    ///
    /// # Errors
    /// A name is none, or a vector has another length; the model is as it was then.
    pub fn set_directions(&mut self, directions: &[(&str, Vec<f32>)]) -> Result<(), ModelError> {
        let mut changed = self.clone();
        changed.metadata.directions = directions.iter().map(|(name, _)| (*name).to_owned()).collect();
        changed.tensors.remove(DIRECTIONS);
        if !directions.is_empty() {
            let data = directions.iter().flat_map(|(_, values)| values.clone()).collect();
            let tensor = Tensor { shape: vec![directions.len(), self.architecture.w_dim], data };
            changed.tensors.insert(DIRECTIONS.into(), tensor);
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// An untrained model with weights drawn from N(0, 1 / `fan_in`), for tests, benchmarks and examples.
    ///
    /// # Errors
    /// The architecture is out of bounds.
    pub fn random(architecture: Architecture, seed: Seed) -> Result<Self, ModelError> {
        architecture.validate()?;
        let mut tensors = BTreeMap::new();
        for (stream, (name, shape)) in architecture.tensors().into_iter().enumerate() {
            let mut data = vec![0.0; shape.iter().product()];
            latent::normal(seed, stream as u32, &mut data);
            let fan_in: usize = shape.iter().skip(1).product();
            let (mean, deviation) = match name.rsplit('.').next() {
                Some("const") => (0.0, 1.0),
                Some("weight") => (0.0, (fan_in as f32).powf(-0.5)),
                _ if name.ends_with("affine.bias") => (1.0, 0.0),
                _ => (0.0, 0.1),
            };
            for value in &mut data {
                *value = mean + deviation * *value;
            }
            tensors.insert(name, Tensor { shape, data });
        }
        let metadata = Metadata { provenance: serde_json::json!({ "untrained": true }), ..Metadata::default() };
        Ok(ModelFile { architecture, tensors, metadata })
    }

    /// Sixteen hexadecimal digits that change whenever the architecture, a weight, the calibration or the selection does: FNV-1a, not
    /// cryptographic. What is hashed is what a file says, as canonical JSON, so a part that a later version of this program can read, and
    /// the model has not, changes nothing.
    #[allow(clippy::missing_panics_doc, reason = "plain data always serialises")]
    pub fn fingerprint(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |value: u64| hash = (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        let architecture = serde_json::to_value(&self.architecture).expect("an architecture is plain data");
        canonical(&architecture).bytes().for_each(|byte| add(byte.into()));
        if let Some(calibration) = &self.metadata.calibration {
            let calibration = serde_json::to_value(calibration).expect("a calibration is plain data");
            canonical(&calibration).bytes().for_each(|byte| add(byte.into()));
        }
        if let Some(selection) = &self.metadata.selection {
            add(selection.candidates.into());
        }
        for (name, tensor) in &self.tensors {
            name.bytes().for_each(|byte| add(byte.into()));
            // Whole words instead of bytes: four times as fast; the rotation lets high bits reach low ones.
            tensor.data.iter().for_each(|value| add(u64::from(value.to_bits().rotate_left(16))));
        }
        // The multiplication only carries upwards, so the top is folded onto the bottom at the end.
        format!("{:016x}", hash ^ (hash >> 29))
    }

    /// A tensor's values. The name must be one of the architecture's, and the model checked.
    pub(crate) fn values(&self, name: &str) -> &[f32] {
        &self.tensors[name].data
    }
}

/// JSON on which nothing but the meaning has an influence: keys in order, and none whose value is null.
fn canonical(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().filter(|(_, value)| !value.is_null()).collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            let entry =
                |(key, value): &(&String, &Value)| format!("{}:{}", Value::from(key.as_str()), canonical(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        simple => simple.to_string(),
    }
}

/// What a model file says about itself, read without its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelHeader {
    /// Sizes and order of operations.
    pub architecture: Architecture,
    /// Origin, licence, calibration.
    pub metadata: Metadata,
    /// How many numbers the file holds.
    pub parameters: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

impl ModelHeader {
    /// Reads the header of a model file.
    ///
    /// # Errors
    /// The file cannot be read, is cut short, or is no model file.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let read = || -> std::io::Result<(Vec<u8>, u64)> {
            let mut file = std::fs::File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut len = [0; 8];
            file.read_exact(&mut len)?;
            // The safetensors format allows headers of 100 MB; a shorter read than announced is noticed below.
            let mut header = Vec::new();
            file.take(u64::from_le_bytes(len).min(100_000_000)).read_to_end(&mut header)?;
            Ok((header, bytes))
        };
        let (header, bytes) = match read() {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(SafeTensorError::HeaderTooSmall.into());
            }
            other => other.map_err(io("read", path))?,
        };
        let info: safetensors::tensor::Metadata =
            serde_json::from_slice(&header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        let (architecture, metadata) = described(info.metadata().as_ref())?;
        let tensors = info.tensors();
        let end = tensors.values().map(|tensor| tensor.data_offsets.1 as u64).max().unwrap_or(0);
        if 8 + header.len() as u64 + end != bytes {
            return Err(SafeTensorError::MetadataIncompleteBuffer.into());
        }
        let parameters = tensors.values().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        Ok(ModelHeader { architecture, metadata, parameters, bytes })
    }
}

/// Architecture and metadata in the entries of a safetensors header.
fn described(entries: Option<&HashMap<String, String>>) -> Result<(Architecture, Metadata), ModelError> {
    let get = |entry| entries.and_then(|entries| entries.get(entry));
    let text = |entry: &'static str| match get(entry) {
        Some(text) => Ok(text.as_str()),
        None => Err(ModelError::Metadata { entry, problem: "it is missing".into() }),
    };
    expect("format", text("format")?, FORMAT)?;
    expect("format_version", text("format_version")?, FORMAT_VERSION)?;
    let architecture: Architecture = json("architecture", text("architecture")?)?;
    architecture.validate()?;
    let metadata = Metadata {
        provenance: get("provenance").map(|text| json("provenance", text)).transpose()?.unwrap_or_default(),
        license: get("license").cloned().unwrap_or_default(),
        calibration: get("calibration").map(|text| json("calibration", text)).transpose()?,
        selection: get("selection").map(|text| json("selection", text)).transpose()?,
        directions: get("directions").map(|text| json("directions", text)).transpose()?.unwrap_or_default(),
    };
    Ok((architecture, metadata))
}

fn check_shape(name: &str, tensor: &Tensor, shape: &[usize]) -> Result<(), ModelError> {
    // A single number may be stored as a list of one.
    let same = tensor.shape == shape || (shape.is_empty() && tensor.shape == [1]);
    if !same {
        return Err(ModelError::tensor(
            name,
            format!("has shape {:?}; the architecture asks for {shape:?}", tensor.shape),
        ));
    }
    let count: usize = shape.iter().product();
    if tensor.data.len() != count {
        return Err(ModelError::tensor(
            name,
            format!("holds {} values; its shape {shape:?} asks for {count}", tensor.data.len()),
        ));
    }
    Ok(())
}

fn expect(entry: &'static str, found: &str, wanted: &str) -> Result<(), ModelError> {
    if found == wanted {
        Ok(())
    } else {
        Err(ModelError::Metadata { entry, problem: format!("it is {found:?}; this program reads {wanted:?}") })
    }
}

fn json<'a, T: Deserialize<'a>>(entry: &'static str, text: &'a str) -> Result<T, ModelError> {
    serde_json::from_str(text).map_err(|error| ModelError::Metadata { entry, problem: error.to_string() })
}

fn unserialisable(entry: &'static str) -> impl Fn(serde_json::Error) -> ModelError {
    move |error| ModelError::Metadata { entry, problem: error.to_string() }
}

fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> ModelError {
    let path = path.to_path_buf();
    move |source| ModelError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::sync::Arc;

    use super::*;
    use crate::Generator;
    use crate::{Creativity, Ink};

    fn model() -> ModelFile {
        let architecture = Architecture::plain(2, 3, &[4, 2]);
        let mut tensors = BTreeMap::new();
        for (number, (name, shape)) in architecture.tensors().into_iter().enumerate() {
            let values = 0..shape.iter().product::<usize>();
            let data = values.map(|i| number as f32 - i as f32 / 8.0).collect();
            tensors.insert(name, Tensor { shape, data });
        }
        ModelFile { architecture, tensors, metadata: Metadata::default() }
    }

    /// Addresses carry it: it may not change unless the model does.
    #[test]
    fn moved_w_draw_what_they_are_moved_to() {
        let model = ModelFile::random(Architecture::plain(4, 4, &[4, 4]), Seed(5)).unwrap();
        let mut worker = Arc::new(Generator::new(&model).unwrap()).worker();
        let matrix: Vec<f64> = (0..16).map(|i| f64::from(i * 7 % 5) / 4.0 - 0.5).collect();
        let shift = [0.5, -0.25, 0.0, 1.0];
        let mut moved = model.clone();
        moved.move_w(&matrix, &shift);
        let mut other = Arc::new(Generator::new(&moved).unwrap()).worker();
        for seed in 0..5 {
            let w = worker.generator().w(Seed(seed));
            assert_eq!(w, other.generator().w(Seed(seed)), "w itself stays");
            let line = |row: &[f64]| row.iter().zip(&w).map(|(m, w)| m * f64::from(*w)).sum::<f64>();
            let to: Vec<f32> = matrix.chunks(4).zip(shift).map(|(row, by)| (line(row) + by) as f32).collect();
            let (a, b) = (worker.draw_w(&to, None), other.draw_w(&w, None));
            let apart = a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1) && a.rgb != worker.draw_w(&w, None).rgb, "{apart:?}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_what_the_file_says() {
        let plain = model();
        assert_eq!(plain.fingerprint(), "2db612de15dbe343");
        let mut others = vec![plain.fingerprint()];
        let mut note = |change: &dyn Fn(&mut ModelFile)| {
            let mut changed = model();
            change(&mut changed);
            others.push(changed.fingerprint());
        };
        note(&|m| m.architecture.conv_clamp = Some(256.0));
        note(&|m| m.architecture.ink = Some(Ink { channels: 4, blocks: 1, factor: 2 }));
        note(&|m| m.architecture.normalize_z = !m.architecture.normalize_z);
        note(&|m| m.metadata.calibration = Some(Calibration { psi_low: 0.5, psi_best: 1.0, psi_high: 1.5 }));
        note(&|m| m.metadata.calibration = Some(Calibration { psi_low: 0.5, psi_best: 1.0, psi_high: 2.0 }));
        note(&|m| m.tensors.values_mut().next().expect("there are weights").data[0] += 1e-6);
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 7, "each change has a fingerprint of its own");
        // What is said of its origin does not draw.
        let mut told = model();
        told.metadata.license = "mine".into();
        told.metadata.provenance = json!({ "kimg": Creativity::default().get() });
        assert_eq!(told.fingerprint(), plain.fingerprint());
        let read = ModelFile::from_bytes(&plain.to_bytes(WeightDtype::F32).unwrap()).unwrap();
        assert_eq!(read.fingerprint(), plain.fingerprint());
    }

    #[test]
    fn what_is_absent_does_not_count() {
        let says = |text: &str| canonical(&serde_json::from_str(text).unwrap());
        assert_eq!(says(r#"{"b": [1, {"y": null}], "a": {"d": 0.5, "c": null}}"#), r#"{"a":{"d":0.5},"b":[1,{}]}"#);
        assert_eq!(says(r#"{"a": 1, "part of a later version": null}"#), says(r#"{"a": 1}"#));
        assert_ne!(says(r#"{"a": 1, "part of a later version": 2}"#), says(r#"{"a": 1}"#));
        // A list's places count, so its nulls stay.
        assert_ne!(says("[null, 1]"), says("[1]"));
        assert_eq!(says(r#"{"a\"": "b\n"}"#), r#"{"a\"":"b\n"}"#);
    }
}
