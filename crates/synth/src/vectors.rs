//! Explicit `w` as a file: what no seed leads to, such as the point that a projector found.
//!
//! A safetensors file with one tensor `w` of 32-bit floats, [1, `w_dim`] or [convolutions, `w_dim`], and in its metadata `format`
//! (`tadne-w`), `format_version` (1), `model` (the fingerprint of the model it was found for) and, where that model has noise,
//! `noise_seed`.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use crate::{Generator, Seed};

const FORMAT: &str = "tadne-w";
const VERSION: &str = "1";
/// Values further from 0 than this are no `w`: trained ones stay below 100.
const FURTHEST: f32 = 1e4;

/// A `w` for all layers of a model, or one for each convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    /// [rows, `w_dim`]
    pub w: Vec<f32>,
    /// Vectors: 1, or as many as the model has convolutions.
    pub rows: usize,
    /// Fingerprint of the model that they are for.
    pub model: String,
    /// The seed whose noise the picture wears, if any.
    pub noise: Option<Seed>,
}

/// Why a file gives no vectors for a model.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else, or damaged.
    #[error("{} holds no vectors: {what}; `tadne project` writes such files", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// They are of another length.
    #[error(
        "{rows} vectors of {length} values are not for this model, which takes 1 or {layers} of {w_dim}; draw with the \
         model that they were found for"
    )]
    Model {
        /// Vectors in the file.
        rows: usize,
        /// Values of each.
        length: usize,
        /// Convolutions of the model.
        layers: usize,
        /// Values of its `w`.
        w_dim: usize,
    },
}

impl Vectors {
    /// The bytes of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut metadata = serde_json::json!({ "format": FORMAT, "format_version": VERSION, "model": self.model });
        if let Some(seed) = self.noise {
            metadata["noise_seed"] = seed.0.to_string().into();
        }
        let shape = [self.rows, self.w.len() / self.rows.max(1)];
        let tensor = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [0, 4 * self.w.len()] });
        let mut header = serde_json::json!({ "__metadata__": metadata, "w": tensor }).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(self.w.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is of another kind, or holds numbers that are not finite or absurdly large.
    pub fn open(path: &Path) -> Result<Self, VectorsError> {
        let bytes = std::fs::read(path).map_err(|source| VectorsError::Read { path: path.into(), source })?;
        Self::from_bytes(&bytes).map_err(|what| VectorsError::Content { path: path.into(), what })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).map(String::as_str);
        match (entry("format"), entry("format_version")) {
            (Some(FORMAT), Some(VERSION)) => {}
            (Some(FORMAT), version) => return Err(format!("its version is {version:?}, and only {VERSION} is read")),
            (format, _) => return Err(format!("its format is {:?}, not {FORMAT}", format.unwrap_or("unknown"))),
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let view = file.tensor("w").map_err(|_| "its tensor w is missing".to_owned())?;
        let &[rows, length] = view.shape() else { return Err(format!("its w is of the shape {:?}", view.shape())) };
        if view.dtype() != Dtype::F32 || rows * length == 0 {
            return Err(format!("its w is {:?} of {rows} x {length}", view.dtype()));
        }
        let w: Vec<f32> = view.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
        if let Some(at) = w.iter().position(|v| !(v.is_finite() && v.abs() <= FURTHEST)) {
            return Err(format!("value {at} is {}, which is no w", w[at]));
        }
        let noise = match entry("noise_seed") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| format!("its noise_seed is {text:?}"))?),
        };
        Ok(Self { w, rows, model: entry("model").unwrap_or_default().to_owned(), noise })
    }

    /// Checks that a model can be ruled by them.
    ///
    /// # Errors
    /// [`VectorsError::Model`] if they are of another number or length.
    pub fn check(&self, generator: &Generator) -> Result<(), VectorsError> {
        let (length, w_dim, layers) = (self.w.len() / self.rows, generator.architecture().w_dim, generator.layers());
        if length == w_dim && (self.rows == 1 || self.rows == layers) {
            return Ok(());
        }
        Err(VectorsError::Model { rows: self.rows, length, layers, w_dim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, ModelFile};

    fn vectors(rows: usize) -> Vectors {
        let w = (0..rows * 8).map(|i| i as f32 * 0.37 - 3.0).collect();
        Vectors { w, rows, model: "00ff".into(), noise: (rows > 1).then_some(Seed(u64::MAX)) }
    }

    #[test]
    fn files_read_back() {
        for rows in [1, 3] {
            assert_eq!(Vectors::from_bytes(&vectors(rows).to_bytes()).unwrap(), vectors(rows));
        }
    }

    #[test]
    fn what_holds_no_vectors_says_why() {
        let whole = vectors(1).to_bytes();
        let changed = |from: &[u8], to: &[u8]| {
            let at = whole.windows(from.len()).position(|part| part == from).unwrap();
            [&whole[..at], to, &whole[at + from.len()..]].concat()
        };
        let mut endless = whole.clone();
        let last = endless.len() - 4;
        endless[last..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let model = ModelFile::random(Architecture::plain(8, 8, &[8]), Seed(1)).unwrap();
        for (bytes, word) in [
            (whole[..whole.len() - 1].to_vec(), ""),
            (changed(b"tadne-w", b"tadne-x"), "tadne-x"),
            (changed(b"version\":\"1\"", b"version\":\"2\""), "2"),
            (changed(b"[1,8]", b"[8]  "), "shape"),
            (changed(b"\"w\"", b"\"v\""), "tensor w"),
            (endless, "inf"),
            (model.to_bytes(crate::WeightDtype::F32).unwrap(), "tadne-generator"),
            (b"words".to_vec(), ""),
        ] {
            let error = Vectors::from_bytes(&bytes).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn vectors_of_other_models_are_refused() {
        let of = |w_dim: usize, channels: &[usize]| {
            let model = ModelFile::random(Architecture::plain(8, w_dim, channels), Seed(1)).unwrap();
            Generator::new(&model).unwrap()
        };
        for (rows, fits) in [(1, true), (3, true), (2, false)] {
            assert_eq!(vectors(rows).check(&of(8, &[8, 8])).is_ok(), fits, "{rows}");
        }
        assert!(vectors(1).check(&of(4, &[8])).unwrap_err().to_string().contains("takes 1 or 1 of 4"));
    }
}
