//! `torch.save`'s two formats: a pickle, and beside it the storages that it refers to by key.

use std::collections::HashMap;
use std::io::BufReader;

use crate::blob::Blob;
use crate::error::Error;
use crate::pickle::{Id, Limits, Pickle, Value, read};
use crate::strangers;
use crate::tensor::Dtype;

/// The old format begins with this number, pickled.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// A pickle that holds only the name of a storage needs no more.
pub(crate) const SMALL: Limits = Limits { values: 10_000, steps: 100_000, text: 1 << 20 };
/// Entries in an archive.
const ENTRIES: usize = 100_000;

/// Storages by key.
pub(crate) type Storages = HashMap<String, Blob>;

/// The format of `PyTorch` 1.6 and later: an archive, stored, of the pickle and a file a storage.
pub(crate) fn open_zip(blob: &Blob) -> Result<(Pickle, Storages), Error> {
    let damaged = |error: zip::result::ZipError| {
        Error::damaged(0, format!("the archive cannot be read ({error}); it may be cut off, so download it again"))
    };
    let mut archive = zip::ZipArchive::new(BufReader::new(blob.reader())).map_err(damaged)?;
    if archive.len() > ENTRIES {
        return Err(Error::TooMuch(format!("{} entries in an archive", archive.len())));
    }
    let mut entries = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if let Some(what) = strangers::entry(&name) {
            return Err(Error::Unknown(what));
        }
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
    let storages = entries.into_iter().filter_map(|(name, part)| Some((name.strip_prefix(&data)?.to_owned(), part)));
    let storages = storages.collect();
    Ok((pickle, storages))
}

/// `('storage', type, key, location, count[, view])`.
pub(crate) struct Reference {
    pub(crate) key: String,
    kind: Option<Dtype>,
    /// First number and count of a part of the storage.
    part: Option<(u64, u64)>,
    count: u64,
}

impl Reference {
    pub(crate) fn of(pickle: &Pickle, name: Id) -> Result<Self, Error> {
        let wrong = || Error::damaged(0, "a reference to a storage is malformed");
        let [_, class, key, _, count, view @ ..] = pickle.elements(name).ok_or_else(wrong)? else {
            return Err(wrong());
        };
        let Value::Global { name: class, .. } = pickle.get(*class) else { return Err(wrong()) };
        let kind = match &**class {
            "HalfStorage" => Some(Dtype::F16),
            "BFloat16Storage" => Some(Dtype::Bf16),
            "FloatStorage" => Some(Dtype::F32),
            "DoubleStorage" => Some(Dtype::F64),
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
    pub(crate) fn cut(&self, storage: &Blob) -> Result<Option<(Blob, Dtype)>, Error> {
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
pub(crate) fn is_magic(pickle: &Pickle) -> Result<bool, Error> {
    Ok(match pickle.get(pickle.root()) {
        Value::Long(digits) => digits.len() == 10 && digits.bytes(10)? == MAGIC,
        _ => false,
    })
}

/// The old format: four pickles (magic number, version, machine, values), one with the keys of the storages, then each
/// storage's count and numbers.
pub(crate) fn open_legacy(blob: &Blob, limits: Limits) -> Result<(Pickle, Storages), Error> {
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
