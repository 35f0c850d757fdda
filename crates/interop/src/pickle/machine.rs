//! The stack machine that a pickle is a program for: its stack, its memo, what it has made so far, and its limits.

use std::collections::HashMap;

use super::input::Input;
use super::value::{Id, Object, Pickle, Value};
use crate::blob::Blob;
use crate::error::Error;

/// How much a pickle may ask for. The defaults are ten times what the largest known model needs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Values it may make, and references between them.
    pub values: usize,
    /// Instructions it may have.
    pub steps: u64,
    /// Bytes of names and short strings it may hold.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { values: 1_000_000, steps: 20_000_000, text: 64 << 20 }
    }
}

/// A string longer than this stays in the file.
pub(super) const LONG_TEXT: u64 = 1 << 16;
/// The longest line of protocol 0.
pub(super) const LINE: usize = 1 << 20;

/// Reads the pickle at the start of `blob`. What follows it is left alone; [`Pickle::byte_len`] says where that begins.
///
/// # Errors
/// The bytes are no pickle, are cut short, contradict themselves or ask for more than `limits` allows.
pub fn read(blob: &Blob, limits: Limits) -> Result<Pickle, Error> {
    let mut machine = Machine {
        input: Input::new(blob.clone()),
        limits,
        values: Vec::new(),
        links: 0,
        text: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..limits.steps {
        let at = machine.input.place();
        let code = machine.input.byte()?;
        if code == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { values: machine.values, root, len: machine.input.place() });
        }
        machine.step(code, at)?;
    }
    Err(Error::TooMuch(format!("more than {} pickle instructions", limits.steps)))
}

pub(super) struct Machine {
    pub(super) input: Input,
    limits: Limits,
    pub(super) values: Vec<Value>,
    /// References from values to values so far.
    links: usize,
    /// Bytes of text so far.
    text: usize,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at the marks.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u64, Id>,
}

impl Machine {
    // The stack.

    pub(super) fn push(&mut self, value: Value) -> Result<(), Error> {
        self.count_links(match &value {
            Value::Tuple(ids) => ids.len(),
            Value::List(ids) | Value::Set(ids) => ids.len(),
            Value::Dict(pairs) => 2 * pairs.len(),
            _ => 0,
        })?;
        if self.values.len() >= self.limits.values {
            return Err(Error::TooMuch(format!("more than {} values", self.limits.values)));
        }
        let id = Id(self.values.len() as u32);
        self.values.push(value);
        self.push_id(id)
    }

    pub(super) fn count_text(&mut self, len: usize) -> Result<(), Error> {
        self.text += len;
        if self.text > self.limits.text {
            return Err(Error::TooMuch(format!("more than {} MiB of names", self.limits.text >> 20)));
        }
        Ok(())
    }

    pub(super) fn count_links(&mut self, more: usize) -> Result<(), Error> {
        self.links += more;
        if self.links > self.limits.values {
            return Err(Error::TooMuch(format!("more than {} references", self.limits.values)));
        }
        Ok(())
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<(), Error> {
        if self.stack.len() >= self.limits.values {
            return Err(Error::TooMuch(format!("a stack of more than {}", self.limits.values)));
        }
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self, at: u64) -> Result<Id, Error> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor());
        top.copied().ok_or_else(|| Error::damaged(at, "a value is missing"))
    }

    pub(super) fn pop(&mut self) -> Result<Id, Error> {
        let top = self.top(self.input.place() - 1)?;
        self.stack.pop();
        Ok(top)
    }

    /// The place of the `count`th value from the top.
    pub(super) fn below(&self, count: usize, at: u64) -> Result<usize, Error> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        start.ok_or_else(|| Error::damaged(at, "a value is missing"))
    }

    pub(super) fn mark(&mut self) -> Result<(), Error> {
        if self.marks.len() >= self.limits.values {
            return Err(Error::TooMuch(format!("more than {} marks", self.limits.values)));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop_mark(&mut self, at: u64) -> Result<usize, Error> {
        self.marks.pop().ok_or_else(|| Error::damaged(at, "the beginning of a list is missing"))
    }

    /// The values above the last mark, which go away with it.
    pub(super) fn marked(&mut self, at: u64) -> Result<Vec<Id>, Error> {
        let start = self.pop_mark(at)?;
        Ok(self.stack.split_off(start))
    }

    pub(super) fn tuple(&mut self, start: usize) -> Result<(), Error> {
        let ids = self.stack.split_off(start);
        self.push(Value::Tuple(ids.into()))
    }

    // The memo.

    pub(super) fn memo_line(&mut self, at: u64) -> Result<u64, Error> {
        let line = self.input.line(64)?;
        let number = str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| Error::damaged(at, "a place in the memo is not a number"))
    }

    pub(super) fn memorise(&mut self, key: u64, at: u64) -> Result<(), Error> {
        let top = self.top(at)?;
        self.memo.insert(key, top);
        if self.memo.len() > self.limits.values {
            return Err(Error::TooMuch(format!("a memo of more than {}", self.limits.values)));
        }
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u64, at: u64) -> Result<(), Error> {
        let id = self.memo.get(&key).copied();
        self.push_id(id.ok_or_else(|| Error::damaged(at, format!("nothing was put at place {key} of the memo")))?)
    }

    // Calls and changes.

    pub(super) fn global(&mut self, module: &[u8], name: &[u8], at: u64) -> Result<(), Error> {
        let (Ok(module), Ok(name)) = (str::from_utf8(module), str::from_utf8(name)) else {
            return Err(Error::damaged(at, "the name of a class is not text"));
        };
        self.count_text(module.len() + name.len())?;
        self.push(Value::Global { module: module.into(), name: name.into() })
    }

    pub(super) fn call(&mut self, callable: Id, args: Id) -> Result<(), Error> {
        let object = Object { callable, args, state: None, items: Vec::new(), pairs: Vec::new() };
        self.push(Value::Object(Box::new(object)))
    }

    pub(super) fn extend(&mut self, new: &[Id], at: u64) -> Result<(), Error> {
        self.count_links(new.len())?;
        let target = self.top(at)?;
        match &mut self.values[target.0 as usize] {
            Value::List(items) | Value::Set(items) => items.extend(new),
            Value::Object(object) => object.items.extend(new),
            _ => return Err(Error::damaged(at, "something is appended to what is no list")),
        }
        Ok(())
    }

    pub(super) fn set(&mut self, new: &[Id], at: u64) -> Result<(), Error> {
        self.count_links(new.len())?;
        let new = pairs(new, at)?;
        let target = self.top(at)?;
        match &mut self.values[target.0 as usize] {
            Value::Dict(pairs) => pairs.extend(new),
            Value::Object(object) => object.pairs.extend(new),
            _ => return Err(Error::damaged(at, "a key is set in what is no dictionary")),
        }
        Ok(())
    }

    pub(super) fn build(&mut self, at: u64) -> Result<(), Error> {
        let state = self.pop()?;
        let target = self.top(at)?;
        match &mut self.values[target.0 as usize] {
            Value::Object(object) => object.state = Some(state),
            _ => return Err(Error::damaged(at, "a state is given to what is no object")),
        }
        Ok(())
    }
}

/// Key, value, key, value to pairs.
pub(super) fn pairs(ids: &[Id], at: u64) -> Result<Vec<(Id, Id)>, Error> {
    match ids.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(Error::damaged(at, "a dictionary has a key without a value")),
    }
}
