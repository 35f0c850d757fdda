//! A file of pickled values together with the arrays they refer to: plain pickles, and both of `PyTorch`'s formats.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::blob::Blob;
use crate::error::Error;
use crate::pickle::{Id, Limits, Object, Pickle, Value, read};
use crate::strangers;
use crate::tensor::{Dtype, View};
use crate::torch::{self, Reference, Storages};

/// A pickle and what lies beside it.
#[derive(Debug)]
pub struct Document {
    pickle: Pickle,
    /// `PyTorch`'s storages by key.
    storages: Storages,
    container: Container,
    /// Bytes that stood there as text, by the text: many arrays may share one.
    decoded: RefCell<HashMap<Id, Option<Blob>>>,
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A pickle and nothing else; arrays lie inside.
    Pickle,
    /// `torch.save`, 1.6 and later.
    TorchZip,
    /// `torch.save` before 1.6.
    TorchLegacy,
}

impl Document {
    /// Reads the structure of a file; arrays stay where they are.
    ///
    /// # Errors
    /// The file is of another kind, damaged, or asks for absurd amounts of memory.
    pub fn open(blob: &Blob) -> Result<Self, Error> {
        let mut first = [0; 4];
        let known = first.len().min(blob.len() as usize);
        blob.read_at(0, &mut first[..known])?;
        match &first {
            b"PK\x03\x04" => {
                let (pickle, storages) = torch::open_zip(blob)?;
                Ok(Document { pickle, storages, container: Container::TorchZip, decoded: RefCell::default() })
            }
            _ => match strangers::named(blob)? {
                Some(what) => Err(Error::Unknown(what)),
                None => Self::open_pickle(blob),
            },
        }
    }

    /// The pickled values.
    pub fn pickle(&self) -> &Pickle {
        &self.pickle
    }

    /// How the file is packed.
    pub fn container(&self) -> Container {
        self.container
    }

    fn open_pickle(blob: &Blob) -> Result<Self, Error> {
        let pickle = read(blob, Limits::default())?;
        if torch::is_magic(&pickle)? {
            let (pickle, storages) = torch::open_legacy(blob, Limits::default())?;
            return Ok(Document { pickle, storages, container: Container::TorchLegacy, decoded: RefCell::default() });
        }
        Ok(Document { pickle, storages: Storages::new(), container: Container::Pickle, decoded: RefCell::default() })
    }

    /// The array a value stands for: a `PyTorch` tensor or parameter, a `NumPy` array or number. None if it is something
    /// else, or an array of whole numbers.
    ///
    /// # Errors
    /// It is an array, but a damaged one.
    pub fn array(&self, id: Id) -> Result<Option<View>, Error> {
        let pickle = &self.pickle;
        let mut id = id;
        // A parameter wraps a tensor; a hostile file may wrap it often.
        for _ in 0..4 {
            let Some(object) = pickle.object(id) else { return Ok(None) };
            let args = pickle.elements(object.args).unwrap_or_default();
            match pickle.class(object) {
                Some(("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")) => match args.first() {
                    Some(&inner) => id = inner,
                    None => return Ok(None),
                },
                Some(("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2")) => return self.tensor(args),
                Some((module, name)) if module.starts_with("numpy") => return self.numpy(name, object, args),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// A number: Python's, `NumPy`'s, or an array of one.
    pub fn number(&self, id: Id) -> Option<f64> {
        match self.pickle.get(id) {
            Value::Int(n) => Some(*n as f64),
            Value::Float(v) => Some(*v),
            _ => self.array(id).ok()??.single().ok().map(f64::from),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, ...)`.
    fn tensor(&self, args: &[Id]) -> Result<Option<View>, Error> {
        let pickle = &self.pickle;
        let [storage, offset, size, stride, ..] = args else {
            return Err(Error::damaged(0, "a tensor is without its shape"));
        };
        let Some((storage, kind)) = self.storage(*storage)? else { return Ok(None) };
        let sizes = |id| -> Option<Vec<usize>> { pickle.elements(id)?.iter().map(|&n| pickle.size(n)).collect() };
        let strides = |id| -> Option<Vec<i64>> { pickle.elements(id)?.iter().map(|&n| pickle.int(n)).collect() };
        let (Some(offset), Some(shape), Some(strides)) = (pickle.int(*offset), sizes(*size), strides(*stride)) else {
            return Err(Error::damaged(0, "the shape of a tensor is not made of whole numbers"));
        };
        View::new(storage, kind, shape, strides, offset).map(Some)
    }

    /// The bytes of a storage and their kind; none if they are whole numbers.
    fn storage(&self, id: Id) -> Result<Option<(Blob, Dtype)>, Error> {
        let pickle = &self.pickle;
        match pickle.get(id) {
            Value::Persistent(name) => {
                let reference = Reference::of(pickle, *name)?;
                let Some(part) = self.storages.get(&reference.key) else {
                    return Err(Error::damaged(0, format!("storage {:?} is missing", reference.key)));
                };
                reference.cut(part)
            }
            // A tensor in a plain pickle carries its storage as a whole file of the old format.
            Value::Object(object) if pickle.class(object) == Some(("torch.storage", "_load_from_bytes")) => {
                let inside = pickle.elements(object.args).and_then(|args| args.first());
                let inside = inside.map(|&id| self.raw(id)).transpose()?.flatten();
                let inside = inside.ok_or_else(|| Error::damaged(0, "a storage is without its bytes"))?;
                let (pickle, storages) = torch::open_legacy(&inside, torch::SMALL)?;
                match pickle.get(pickle.root()) {
                    Value::Persistent(name) => {
                        let reference = Reference::of(&pickle, *name)?;
                        let part = storages.get(&reference.key);
                        reference.cut(part.ok_or_else(|| Error::damaged(0, "a storage is without its bytes"))?)
                    }
                    _ => Err(Error::damaged(0, "a storage holds something else")),
                }
            }
            _ => Err(Error::damaged(0, format!("a storage is expected, not {}", pickle.kind(id)))),
        }
    }

    /// `NumPy`'s ways to pickle an array or a number.
    fn numpy(&self, function: &str, object: &Object, args: &[Id]) -> Result<Option<View>, Error> {
        let pickle = &self.pickle;
        let shape = |id| -> Option<Vec<usize>> { pickle.elements(id)?.iter().map(|&n| pickle.size(n)).collect() };
        let parts = match function {
            "_reconstruct" => {
                let state = object.state.and_then(|state| pickle.elements(state));
                let Some(&[_, size, dtype, fortran, bytes]) = state else { return Ok(None) };
                (bytes, dtype, shape(size), matches!(pickle.get(fortran), Value::Bool(true)))
            }
            "_frombuffer" => {
                let &[bytes, dtype, size, order] = args else { return Ok(None) };
                (bytes, dtype, shape(size), pickle.text(order).as_deref() == Some("F"))
            }
            "scalar" => {
                let &[dtype, bytes] = args else { return Ok(None) };
                (bytes, dtype, Some(Vec::new()), false)
            }
            _ => return Ok(None),
        };
        let (bytes, dtype, Some(mut shape), fortran) = parts else {
            return Err(Error::damaged(0, "the shape of an array is not made of whole numbers"));
        };
        let Some((kind, big_endian)) = self.dtype(dtype) else { return Ok(None) };
        let Some(storage) = self.raw(bytes)? else { return Ok(None) };
        if fortran {
            shape.reverse();
        }
        let axes = shape.len();
        let view = View::dense(storage, kind, shape)?;
        let view = if big_endian { view.big_endian() } else { view };
        let reversed: Vec<usize> = (0..axes).rev().collect();
        Ok(Some(if fortran { view.permuted(&reversed) } else { view }))
    }

    /// Kind and byte order of a `numpy.dtype`, if it is of floating-point numbers.
    fn dtype(&self, id: Id) -> Option<(Dtype, bool)> {
        let pickle = &self.pickle;
        let object = pickle.object(id)?;
        let name = pickle.text(*pickle.elements(object.args)?.first()?)?;
        let kind = match name.trim_start_matches(['<', '>', '=']) {
            "f2" => Dtype::F16,
            "f4" => Dtype::F32,
            "f8" => Dtype::F64,
            _ => return None,
        };
        let order = object.state.and_then(|state| pickle.text(*pickle.elements(state)?.get(1)?));
        Some((kind, order.as_deref() == Some(">")))
    }

    /// Bytes; with protocols before 3 Python 3 writes them as Latin-1 text to be encoded.
    fn raw(&self, id: Id) -> Result<Option<Blob>, Error> {
        let pickle = &self.pickle;
        match pickle.get(id) {
            Value::Bytes(blob) => Ok(Some(blob.clone())),
            Value::Object(object) if pickle.class(object) == Some(("_codecs", "encode")) => {
                let args = pickle.elements(object.args).unwrap_or_default();
                let Some(&written) = args.first() else { return Ok(None) };
                if let Some(known) = self.decoded.borrow().get(&written) {
                    return Ok(known.clone());
                }
                let text = match pickle.get(written) {
                    Value::Text(text) => text.to_string(),
                    Value::LongText(blob) => String::from_utf8(blob.bytes(1 << 32)?)
                        .map_err(|_| Error::damaged(0, "the numbers of an array are not text as they should be"))?,
                    _ => return Ok(None),
                };
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                let blob = bytes.map(Blob::from);
                self.decoded.borrow_mut().insert(written, blob.clone());
                Ok(blob)
            }
            _ => Ok(None),
        }
    }
}
