//! The values a pickle is made of, in one flat table; they refer to each other by place, so cycles do no harm.

use crate::blob::Blob;

/// Bytes of an entry's name.
const LONGEST_KEY: usize = 1 << 10;

/// The place of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub(super) u32);

/// One value. Nothing in it does anything.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A larger whole number: two's complement, low byte first.
    Long(Blob),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(Box<str>),
    /// A string too long to be a name: its UTF-8.
    LongText(Blob),
    /// Bytes, or a Python 2 string.
    Bytes(Blob),
    /// A tuple.
    Tuple(Box<[Id]>),
    /// A list.
    List(Vec<Id>),
    /// A set or frozen set.
    Set(Vec<Id>),
    /// A dictionary in the order written; of equal keys the last counts.
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function.
    Global {
        /// Module it would have been imported from.
        module: Box<str>,
        /// Its name there.
        name: Box<str>,
    },
    /// What a call would have made.
    Object(Box<Object>),
    /// What the program that wrote the pickle keeps elsewhere, by its name for it.
    Persistent(Id),
}

/// A call that was not made, and what would have been done to its result.
#[derive(Clone, Debug)]
pub struct Object {
    /// Who would have been called, usually a [`Value::Global`].
    pub callable: Id,
    /// With what: usually a [`Value::Tuple`].
    pub args: Id,
    /// What `__setstate__` would have got.
    pub state: Option<Id>,
    /// What would have been appended.
    pub items: Vec<Id>,
    /// What would have been set by key.
    pub pairs: Vec<(Id, Id)>,
}

/// All values of a pickle, and which is the whole.
#[derive(Clone, Debug)]
pub struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
    /// Bytes it took, its last one included.
    pub(super) len: u64,
}

impl Pickle {
    /// The value the pickle stands for.
    pub fn root(&self) -> Id {
        self.root
    }

    /// Bytes it took in the file.
    pub fn byte_len(&self) -> u64 {
        self.len
    }

    /// The value at a place.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    /// All values, in the order they were made.
    pub fn all(&self) -> &[Value] {
        &self.values
    }

    /// Every class and function the pickle names, `module.name`, sorted, once each.
    pub fn globals(&self) -> Vec<String> {
        let name = |value: &Value| match value {
            Value::Global { module, name } => Some(format!("{module}.{name}")),
            _ => None,
        };
        let mut names: Vec<String> = self.values.iter().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A string, or a Python 2 string that is ASCII and short.
    pub fn text(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Value::Text(text) => Some(text.to_string()),
            Value::LongText(blob) => String::from_utf8(blob.bytes(1 << 24).ok()?).ok(),
            Value::Bytes(blob) => String::from_utf8(blob.bytes(256).ok()?).ok().filter(|text| text.is_ascii()),
            _ => None,
        }
    }

    /// The name of an entry: text of at most 1 KiB, since a file may name any number of entries by the same long one.
    pub fn key(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Value::LongText(_) => None,
            Value::Text(text) if text.len() > LONGEST_KEY => None,
            _ => self.text(id),
        }
    }

    /// A whole number.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(n) => Some(*n),
            Value::Bool(b) => Some((*b).into()),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn size(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|n| usize::try_from(n).ok())
    }

    /// The elements of a tuple or list.
    pub fn elements(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(ids) => Some(ids),
            Value::List(ids) => Some(ids),
            Value::Object(object) => self.is_global(object.callable, "torch", "Size").then(|| {
                let inner = self.elements_plain(object.args).and_then(|args| args.first());
                inner.and_then(|&inner| self.elements_plain(inner)).unwrap_or_default()
            }),
            _ => None,
        }
    }

    fn elements_plain(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(ids) => Some(ids),
            Value::List(ids) => Some(ids),
            _ => None,
        }
    }

    /// The pairs of a dictionary, or of an object that behaves like one (`OrderedDict`, `EasyDict`).
    pub fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            Value::Object(object) => Some(&object.pairs),
            _ => None,
        }
    }

    /// The value under a key that is a string.
    pub fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let same = |&&(k, _): &&(Id, Id)| match self.get(k) {
            Value::Text(text) => **text == *key,
            Value::Bytes(blob) => blob.len() == key.len() as u64 && self.text(k).as_deref() == Some(key),
            _ => false,
        };
        self.pairs(id)?.iter().rev().find(same).map(|&(_, value)| value)
    }

    /// A call, if that is what the value is.
    pub fn object(&self, id: Id) -> Option<&Object> {
        match self.get(id) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether the value is the name `module.name`.
    pub fn is_global(&self, id: Id, module: &str, name: &str) -> bool {
        matches!(self.get(id), Value::Global { module: m, name: n } if **m == *module && **n == *name)
    }

    /// The name of the class or function that made an object, without its module.
    pub fn class(&self, object: &Object) -> Option<(&str, &str)> {
        match self.get(object.callable) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self, id: Id) -> String {
        match self.get(id) {
            Value::None => "None".into(),
            Value::Bool(_) => "a truth value".into(),
            Value::Int(_) | Value::Long(_) | Value::Float(_) => "a number".into(),
            Value::Text(_) | Value::LongText(_) => "a string".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::Tuple(ids) => format!("a tuple of {}", ids.len()),
            Value::List(ids) => format!("a list of {}", ids.len()),
            Value::Set(_) => "a set".into(),
            Value::Dict(pairs) => {
                let keys: Vec<String> = pairs.iter().take(6).filter_map(|&(key, _)| self.text(key)).collect();
                format!("a dictionary ({}{})", keys.join(", "), if pairs.len() > 6 { ", ..." } else { "" })
            }
            Value::Global { module, name } => format!("the name {module}.{name}"),
            Value::Object(object) => match self.class(object) {
                Some((module, name)) => format!("an object of {module}.{name}"),
                None => "an object".into(),
            },
            Value::Persistent(_) => "a reference to something outside the pickle".into(),
        }
    }
}
