//! A file of pickled values together with the arrays they refer to: plain pickles, and both of `PyTorch`'s formats.

use std::collections::HashMap;
use std::io::BufReader;

use crate::blob::Blob;
use crate::error::Error;
use crate::pickle::{Id, Limits, Object, Pickle, Value, read};
use crate::tensor::{Kind, View};

/// `torch.save`'s old format begins with this number, pickled.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// A pickle that holds only the name of a storage needs no more.
const SMALL: Limits = Limits { values: 10_000, steps: 100_000, text: 1 << 20 };
/// Entries in an archive.
const ENTRIES: usize = 100_000;

/// A pickle and what lies beside it.
#[derive(Debug)]
pub struct Document {
    pickle: Pickle,
    /// `PyTorch`'s storages by key.
    storages: HashMap<String, Blob>,
    container: Container,
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
            b"PK\x03\x04" => Self::open_zip(blob),
            [0x1f, 0x8b, ..] => Err(Error::Unknown("the file is compressed with gzip; unpack it first".into())),
            _ => Self::open_pickle(blob),
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
        if is_magic(&pickle)? {
            let (pickle, storages) = open_legacy(blob, Limits::default())?;
            return Ok(Document { pickle, storages, container: Container::TorchLegacy });
        }
        Ok(Document { pickle, storages: HashMap::new(), container: Container::Pickle })
    }

    fn open_zip(blob: &Blob) -> Result<Self, Error> {
        let damaged = |error: zip::result::ZipError| Error::damaged(0, format!("the archive cannot be read ({error})"));
        let mut archive = zip::ZipArchive::new(BufReader::new(blob.reader())).map_err(damaged)?;
        if archive.len() > ENTRIES {
            return Err(Error::TooMuch(format!("{} entries in an archive", archive.len())));
        }
        let mut entries = HashMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            if entry.compression() != zip::CompressionMethod::Stored {
                let problem =
                    format!("{name:?} is compressed inside the archive, which torch.save never does; save it again");
                return Err(Error::Unknown(problem));
            }
            let start = entry.data_start().ok_or_else(|| Error::damaged(0, format!("{name:?} has no place")))?;
            let part = blob.slice(start, entry.size());
            entries.insert(name, part.ok_or_else(|| Error::damaged(start, "an entry reaches beyond the archive"))?);
        }
        let prefix = entries.keys().find_map(|name| name.strip_suffix("data.pkl")).map(ToOwned::to_owned);
        let Some(prefix) = prefix else {
            return Err(Error::Unknown("this archive was not written by torch.save: it holds no data.pkl".into()));
        };
        if let Some(order) = entries.get(&format!("{prefix}byteorder"))
            && order.bytes(16)? != b"little"
        {
            return Err(Error::unsupported("the file was written on a big-endian machine; save it again on another"));
        }
        let pickle = read(&entries[&format!("{prefix}data.pkl")], Limits::default())?;
        let data = format!("{prefix}data/");
        let storages =
            entries.into_iter().filter_map(|(name, part)| Some((name.strip_prefix(&data)?.to_owned(), part)));
        Ok(Document { storages: storages.collect(), pickle, container: Container::TorchZip })
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
    fn storage(&self, id: Id) -> Result<Option<(Blob, Kind)>, Error> {
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
                let (pickle, storages) = open_legacy(&inside, SMALL)?;
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
    fn dtype(&self, id: Id) -> Option<(Kind, bool)> {
        let pickle = &self.pickle;
        let object = pickle.object(id)?;
        let name = pickle.text(*pickle.elements(object.args)?.first()?)?;
        let kind = match name.trim_start_matches(['<', '>', '=']) {
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
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
                let text = match args.first().map(|&id| pickle.get(id)) {
                    Some(Value::Text(text)) => text.to_string(),
                    Some(Value::LongText(blob)) => String::from_utf8(blob.bytes(1 << 32)?)
                        .map_err(|_| Error::damaged(0, "the numbers of an array are not text as they should be"))?,
                    _ => return Ok(None),
                };
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                Ok(bytes.map(Blob::from))
            }
            _ => Ok(None),
        }
    }
}

/// `('storage', type, key, location, count[, view])`.
struct Reference {
    key: String,
    kind: Option<Kind>,
    /// First number and count of a part of the storage.
    part: Option<(u64, u64)>,
    count: u64,
}

impl Reference {
    fn of(pickle: &Pickle, name: Id) -> Result<Self, Error> {
        let wrong = || Error::damaged(0, "a reference to a storage is malformed");
        let [_, class, key, _, count, view @ ..] = pickle.elements(name).ok_or_else(wrong)? else {
            return Err(wrong());
        };
        let Value::Global { name: class, .. } = pickle.get(*class) else { return Err(wrong()) };
        let kind = match &**class {
            "HalfStorage" => Some(Kind::F16),
            "BFloat16Storage" => Some(Kind::Bf16),
            "FloatStorage" => Some(Kind::F32),
            "DoubleStorage" => Some(Kind::F64),
            _ => None,
        };
        let number = |id| pickle.size(id).map(|n| n as u64);
        let part = match view.first().and_then(|&view| pickle.elements(view)) {
            Some(&[_, first, count]) => Some((number(first).ok_or_else(wrong)?, number(count).ok_or_else(wrong)?)),
            _ => None,
        };
        Ok(Reference {
            key: pickle.text(*key).ok_or_else(wrong)?,
            kind,
            part,
            count: number(*count).ok_or_else(wrong)?,
        })
    }

    /// The part of the storage that is meant, with its kind.
    fn cut(&self, storage: &Blob) -> Result<Option<(Blob, Kind)>, Error> {
        let Some(kind) = self.kind else { return Ok(None) };
        let (first, count) = self.part.unwrap_or((0, self.count));
        let range = first.checked_mul(kind.width()).zip(count.checked_mul(kind.width()));
        match range.and_then(|(start, len)| storage.slice(start, len)) {
            Some(part) => Ok(Some((part, kind))),
            None => Err(Error::damaged(0, format!("storage {:?} is shorter than said", self.key))),
        }
    }

    /// Bytes of a number of the storage, whole numbers included.
    fn width(&self, pickle: &Pickle, name: Id) -> u64 {
        let class = pickle.elements(name).and_then(|parts| parts.get(1)).map(|&id| pickle.get(id));
        match (self.kind, class) {
            (Some(kind), _) => kind.width(),
            (None, Some(Value::Global { name, .. })) => match &**name {
                "LongStorage" | "ComplexFloatStorage" => 8,
                "IntStorage" => 4,
                "ShortStorage" => 2,
                "ComplexDoubleStorage" => 16,
                _ => 1,
            },
            _ => 1,
        }
    }
}

/// Whether a pickle is the number at the start of `torch.save`'s old format.
fn is_magic(pickle: &Pickle) -> Result<bool, Error> {
    Ok(match pickle.get(pickle.root()) {
        Value::Long(digits) => digits.len() == 10 && digits.bytes(10)? == LEGACY_MAGIC,
        _ => false,
    })
}

/// The old format: four pickles (magic number, version, machine, values), one with the keys of the storages, then each
/// storage's count and numbers.
fn open_legacy(blob: &Blob, limits: Limits) -> Result<(Pickle, HashMap<String, Blob>), Error> {
    let mut place = 0;
    let mut next = |limits| -> Result<(Pickle, u64), Error> {
        let rest = blob.slice(place, blob.len() - place).expect("the place is within the file");
        let pickle = read(&rest, limits)?;
        place += pickle.byte_len();
        Ok((pickle, place))
    };
    if !is_magic(&next(SMALL)?.0)? {
        return Err(Error::damaged(0, "a storage is of no format that torch.save writes"));
    }
    let (version, _) = next(SMALL)?;
    if version.int(version.root()) != Some(1001) {
        return Err(Error::damaged(0, "the version of a torch file is unknown"));
    }
    let (machine, _) = next(SMALL)?;
    let little = machine.entry(machine.root(), "little_endian").map(|id| machine.get(id));
    if matches!(little, Some(Value::Bool(false))) {
        return Err(Error::unsupported("the file was written on a big-endian machine; save it again on another"));
    }
    let (values, _) = next(limits)?;
    let (keys, mut place) = next(limits)?;
    // The kind of a storage is said only where it is used.
    let mut widths = HashMap::new();
    for value in values.all() {
        if let Value::Persistent(name) = value
            && let Ok(reference) = Reference::of(&values, *name)
        {
            let width = reference.width(&values, *name);
            widths.insert(reference.key, width);
        }
    }
    let mut storages = HashMap::new();
    for &key in keys.elements(keys.root()).unwrap_or_default() {
        let key = keys.text(key).ok_or_else(|| Error::damaged(place, "the key of a storage is not text"))?;
        let Some(&width) = widths.get(&key) else {
            return Err(Error::damaged(place, format!("storage {key:?} is of unknown kind")));
        };
        let mut count = [0; 8];
        blob.read_at(place, &mut count).map_err(|_| Error::damaged(place, "it ends before its last storage"))?;
        let part = u64::from_le_bytes(count).checked_mul(width).and_then(|len| blob.slice(place + 8, len));
        let part = part.ok_or_else(|| Error::damaged(place, format!("storage {key:?} reaches beyond the end")))?;
        place += 8 + part.len();
        storages.insert(key, part);
    }
    Ok((values, storages))
}
