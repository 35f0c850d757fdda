//! The stack machine of pickle protocols 0 to 5, as Python's `pickletools` documents its opcodes, without the calls.

use std::collections::HashMap;

use super::input::Input;
use super::text;
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
const LONG_TEXT: u64 = 1 << 16;
/// The longest line of protocol 0.
const LINE: usize = 1 << 20;

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

struct Machine {
    input: Input,
    limits: Limits,
    values: Vec<Value>,
    /// References from values to values so far.
    links: usize,
    /// Bytes of text so far.
    text: usize,
    stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine {
    fn step(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
            // Numbers and constants.
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => self.push_array(|b| Value::Int(i32::from_le_bytes(b).into()))?,
            b'K' => self.push_array(|[b]| Value::Int(b.into()))?,
            b'M' => self.push_array(|b| Value::Int(u16::from_le_bytes(b).into()))?,
            b'G' => self.push_array(|b| Value::Float(f64::from_be_bytes(b)))?,
            b'I' | b'L' | b'F' => self.number_line(code, at)?,
            0x8a => {
                let len = self.input.byte()?;
                self.long(len.into())?;
            }
            0x8b => {
                let len = self.length4(at)?;
                self.long(len)?;
            }
            // Strings and bytes.
            b'X' => {
                let len = self.length4(at)?;
                self.unicode(len, at)?;
            }
            0x8c => {
                let len = self.input.byte()?;
                self.unicode(len.into(), at)?;
            }
            0x8d => {
                let len = u64::from_le_bytes(self.input.array()?);
                self.unicode(len, at)?;
            }
            b'V' => {
                let line = self.input.line(LINE)?;
                let text = text::raw_unicode(&line).ok_or_else(|| Error::damaged(at, "a string is not text"))?;
                self.push_text(&text)?;
            }
            b'S' => {
                let line = self.input.line(LINE)?;
                let bytes = text::quoted(&line).ok_or_else(|| Error::damaged(at, "a string is not quoted"))?;
                self.count_text(bytes.len())?;
                self.push(Value::Bytes(bytes.into()))?;
            }
            b'T' | b'B' => {
                let len = self.length4(at)?;
                self.payload(len)?;
            }
            b'U' | b'C' => {
                let len = self.input.byte()?;
                self.payload(len.into())?;
            }
            0x8e | 0x96 => {
                let len = u64::from_le_bytes(self.input.array()?);
                self.payload(len)?;
            }
            // Collections.
            b'(' => self.mark()?,
            b')' => self.push(Value::Tuple(Box::default()))?,
            0x85..=0x87 => {
                let start = self.below(usize::from(code - 0x84), at)?;
                self.tuple(start)?;
            }
            b't' => {
                let start = self.pop_mark(at)?;
                self.tuple(start)?;
            }
            b']' => self.push(Value::List(Vec::new()))?,
            b'l' => {
                let ids = self.marked(at)?;
                self.push(Value::List(ids))?;
            }
            0x8f => self.push(Value::Set(Vec::new()))?,
            0x91 => {
                let ids = self.marked(at)?;
                self.push(Value::Set(ids))?;
            }
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'd' => {
                let ids = self.marked(at)?;
                let pairs = pairs(&ids, at)?;
                self.push(Value::Dict(pairs))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item], at)?;
            }
            b'e' | 0x90 => {
                let items = self.marked(at)?;
                self.extend(&items, at)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value], at)?;
            }
            b'u' => {
                let items = self.marked(at)?;
                self.set(&items, at)?;
            }
            // The stack and the memo.
            b'0' => {
                // Python pops a mark if it lies on top.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => {
                let start = self.pop_mark(at)?;
                self.stack.truncate(start);
            }
            b'2' => {
                let top = self.top(at)?;
                self.push_id(top)?;
            }
            b'p' => {
                let key = self.memo_line(at)?;
                self.memorise(key, at)?;
            }
            b'q' => {
                let key = self.input.byte()?;
                self.memorise(key.into(), at)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.memorise(key.into(), at)?;
            }
            0x94 => self.memorise(self.memo.len() as u64, at)?,
            b'g' => {
                let key = self.memo_line(at)?;
                self.recall(key, at)?;
            }
            b'h' => {
                let key = self.input.byte()?;
                self.recall(key.into(), at)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.recall(key.into(), at)?;
            }
            // Names, calls, and what lies outside.
            b'c' => {
                let (module, name) = (self.input.line(4096)?, self.input.line(4096)?);
                self.global(&module, &name, at)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = match (&self.values[module.0 as usize], &self.values[name.0 as usize]) {
                    (Value::Text(module), Value::Text(name)) => (module.clone(), name.clone()),
                    _ => return Err(Error::damaged(at, "the name of a class is not text")),
                };
                self.count_text(module.len() + name.len())?;
                self.push(Value::Global { module, name })?;
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args)?;
            }
            0x92 => {
                let (kwargs, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Value::Tuple([args, kwargs].into()))?;
                let both = self.pop()?;
                self.call(callable, both)?;
            }
            b'i' => {
                let (module, name) = (self.input.line(4096)?, self.input.line(4096)?);
                let start = self.pop_mark(at)?;
                self.tuple(start)?;
                let args = self.pop()?;
                self.global(&module, &name, at)?;
                let callable = self.pop()?;
                self.call(callable, args)?;
            }
            b'o' => {
                let start = self.pop_mark(at)?;
                let class = *self.stack.get(start).ok_or_else(|| Error::damaged(at, "a class is missing"))?;
                self.tuple(start + 1)?;
                let args = self.pop()?;
                self.stack.truncate(start);
                self.call(class, args)?;
            }
            b'b' => self.build(at)?,
            b'P' => {
                let line = self.input.line(LINE)?;
                let name = String::from_utf8(line).map_err(|_| Error::damaged(at, "a name is not text"))?;
                self.push_text(&name)?;
                let name = self.pop()?;
                self.push(Value::Persistent(name))?;
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Persistent(name))?;
            }
            // What needs no doing here: the protocol's number, frames, marking a buffer as constant.
            0x80 => match self.input.byte()? {
                0..=5 => {}
                n => return Err(Error::damaged(at, format!("pickle protocol {n} is unknown; 0 to 5 are read"))),
            },
            0x95 => drop(self.input.array::<8>()?),
            0x98 => {}
            0x82..=0x84 | 0x97 => {
                return Err(Error::Unknown("the pickle refers to parts that are kept outside the file".into()));
            }
            _ if at == 0 => {
                return Err(Error::Unknown("this is neither a pickle, nor a PyTorch file, nor a model file".into()));
            }
            _ => return Err(Error::damaged(at, format!("0x{code:02x} is no pickle instruction"))),
        }
        Ok(())
    }

    // Numbers and strings.

    fn push_array<const N: usize>(&mut self, value: impl Fn([u8; N]) -> Value) -> Result<(), Error> {
        let value = value(self.input.array()?);
        self.push(value)
    }

    /// A number as a line of text: protocol 0.
    fn number_line(&mut self, code: u8, at: u64) -> Result<(), Error> {
        let line = self.input.line(4096)?;
        let text = str::from_utf8(&line).unwrap_or_default().trim();
        let value = match (code, text) {
            (b'I', "00") => Some(Value::Bool(false)),
            (b'I', "01") => Some(Value::Bool(true)),
            (b'F', _) => text.parse().ok().map(Value::Float),
            _ => text.strip_suffix('L').unwrap_or(text).parse().ok().map(Value::Int),
        };
        self.push(value.ok_or_else(|| Error::damaged(at, format!("{text:.40?} is no number that fits")))?)
    }

    fn long(&mut self, len: u64) -> Result<(), Error> {
        if len > 8 {
            let digits = self.input.skip(len)?;
            return self.push(Value::Long(digits));
        }
        let bytes = self.input.bytes(len as usize)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..bytes.len()].copy_from_slice(&bytes);
        self.push(Value::Int(i64::from_le_bytes(all)))
    }

    fn length4(&mut self, at: u64) -> Result<u64, Error> {
        let len = i32::from_le_bytes(self.input.array()?);
        // BINUNICODE and BINBYTES count without sign, LONG4 and BINSTRING with it; no string has more than 2 GiB here.
        u64::try_from(len).map_err(|_| Error::damaged(at, "a length is negative or above 2 GiB"))
    }

    fn unicode(&mut self, len: u64, at: u64) -> Result<(), Error> {
        if len > LONG_TEXT {
            let text = self.input.skip(len)?;
            return self.push(Value::LongText(text));
        }
        let bytes = self.input.bytes(len as usize)?;
        // Python lets lone surrogates through, which are no UTF-8; no name that matters here has one.
        let text = String::from_utf8(bytes).map_err(|_| Error::damaged(at, "a string is not UTF-8"))?;
        self.push_text(&text)
    }

    fn payload(&mut self, len: u64) -> Result<(), Error> {
        let bytes = self.input.skip(len)?;
        self.push(Value::Bytes(bytes))
    }

    fn push_text(&mut self, text: &str) -> Result<(), Error> {
        self.count_text(text.len())?;
        self.push(Value::Text(text.into()))
    }

    fn count_text(&mut self, len: usize) -> Result<(), Error> {
        self.text += len;
        if self.text > self.limits.text {
            return Err(Error::TooMuch(format!("more than {} MiB of names", self.limits.text >> 20)));
        }
        Ok(())
    }

    // The stack.

    fn push(&mut self, value: Value) -> Result<(), Error> {
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

    fn count_links(&mut self, more: usize) -> Result<(), Error> {
        self.links += more;
        if self.links > self.limits.values {
            return Err(Error::TooMuch(format!("more than {} references", self.limits.values)));
        }
        Ok(())
    }

    fn push_id(&mut self, id: Id) -> Result<(), Error> {
        if self.stack.len() >= self.limits.values {
            return Err(Error::TooMuch(format!("a stack of more than {}", self.limits.values)));
        }
        self.stack.push(id);
        Ok(())
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self, at: u64) -> Result<Id, Error> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor());
        top.copied().ok_or_else(|| Error::damaged(at, "a value is missing"))
    }

    fn pop(&mut self) -> Result<Id, Error> {
        let top = self.top(self.input.place() - 1)?;
        self.stack.pop();
        Ok(top)
    }

    /// The place of the `count`th value from the top.
    fn below(&self, count: usize, at: u64) -> Result<usize, Error> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        start.ok_or_else(|| Error::damaged(at, "a value is missing"))
    }

    fn mark(&mut self) -> Result<(), Error> {
        if self.marks.len() >= self.limits.values {
            return Err(Error::TooMuch(format!("more than {} marks", self.limits.values)));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self, at: u64) -> Result<usize, Error> {
        self.marks.pop().ok_or_else(|| Error::damaged(at, "the beginning of a list is missing"))
    }

    /// The values above the last mark, which go away with it.
    fn marked(&mut self, at: u64) -> Result<Vec<Id>, Error> {
        let start = self.pop_mark(at)?;
        Ok(self.stack.split_off(start))
    }

    fn tuple(&mut self, start: usize) -> Result<(), Error> {
        let ids = self.stack.split_off(start);
        self.push(Value::Tuple(ids.into()))
    }

    // The memo.

    fn memo_line(&mut self, at: u64) -> Result<u64, Error> {
        let line = self.input.line(64)?;
        let number = str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| Error::damaged(at, "a place in the memo is not a number"))
    }

    fn memorise(&mut self, key: u64, at: u64) -> Result<(), Error> {
        let top = self.top(at)?;
        self.memo.insert(key, top);
        if self.memo.len() > self.limits.values {
            return Err(Error::TooMuch(format!("a memo of more than {}", self.limits.values)));
        }
        Ok(())
    }

    fn recall(&mut self, key: u64, at: u64) -> Result<(), Error> {
        let id = self.memo.get(&key).copied();
        self.push_id(id.ok_or_else(|| Error::damaged(at, format!("nothing was put at place {key} of the memo")))?)
    }

    // Calls and changes.

    fn global(&mut self, module: &[u8], name: &[u8], at: u64) -> Result<(), Error> {
        let (Ok(module), Ok(name)) = (str::from_utf8(module), str::from_utf8(name)) else {
            return Err(Error::damaged(at, "the name of a class is not text"));
        };
        self.count_text(module.len() + name.len())?;
        self.push(Value::Global { module: module.into(), name: name.into() })
    }

    fn call(&mut self, callable: Id, args: Id) -> Result<(), Error> {
        let object = Object { callable, args, state: None, items: Vec::new(), pairs: Vec::new() };
        self.push(Value::Object(Box::new(object)))
    }

    fn extend(&mut self, new: &[Id], at: u64) -> Result<(), Error> {
        self.count_links(new.len())?;
        let target = self.top(at)?;
        match &mut self.values[target.0 as usize] {
            Value::List(items) | Value::Set(items) => items.extend(new),
            Value::Object(object) => object.items.extend(new),
            _ => return Err(Error::damaged(at, "something is appended to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, new: &[Id], at: u64) -> Result<(), Error> {
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

    fn build(&mut self, at: u64) -> Result<(), Error> {
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
fn pairs(ids: &[Id], at: u64) -> Result<Vec<(Id, Id)>, Error> {
    match ids.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(Error::damaged(at, "a dictionary has a key without a value")),
    }
}
