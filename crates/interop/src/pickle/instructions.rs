//! The instructions of pickle protocols 0 to 5, as Python's `pickletools` documents them.

use super::machine::{LINE, LONG_TEXT, Machine, pairs};
use super::text;
use super::value::Value;
use crate::error::Error;

impl Machine {
    /// Carries out the instruction `code`, which stands at byte `at`.
    pub(super) fn step(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
            b'N' | 0x88 | 0x89 | b'J' | b'K' | b'M' | b'G' | b'I' | b'L' | b'F' | 0x8a | 0x8b => self.number(code, at),
            b'X' | 0x8c | 0x8d | b'V' | b'S' | b'T' | b'B' | b'U' | b'C' | 0x8e | 0x96 => self.string(code, at),
            b'('
            | b')'
            | 0x85..=0x87
            | b't'
            | b']'
            | b'l'
            | 0x8f
            | 0x91
            | b'}'
            | b'd'
            | b'a'
            | b'e'
            | 0x90
            | b's'
            | b'u' => self.collection(code, at),
            b'0' | b'1' | b'2' | b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.stack_or_memo(code, at),
            b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'i' | b'o' | b'b' | b'P' | b'Q' => self.name_or_call(code, at),
            // What needs no doing here: the protocol's number, frames, marking a buffer as constant.
            0x80 => match self.input.byte()? {
                0..=5 => Ok(()),
                n => Err(Error::damaged(at, format!("pickle protocol {n} is unknown; 0 to 5 are read"))),
            },
            0x95 => self.input.array::<8>().map(drop),
            0x98 => Ok(()),
            0x82..=0x84 | 0x97 => {
                Err(Error::Unknown("the pickle refers to parts that are kept outside the file".into()))
            }
            _ if at == 0 => {
                Err(Error::Unknown("this is neither a pickle, nor a PyTorch file, nor a model file".into()))
            }
            _ => Err(Error::damaged(at, format!("0x{code:02x} is no pickle instruction"))),
        }
    }

    /// Numbers and constants.
    fn number(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
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
            _ => unreachable!("step sends only these"),
        }
        Ok(())
    }

    /// Strings and bytes.
    fn string(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
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
            _ => unreachable!("step sends only these"),
        }
        Ok(())
    }

    /// Tuples, lists, sets and dictionaries.
    fn collection(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
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
            _ => unreachable!("step sends only these"),
        }
        Ok(())
    }

    /// Moving values on the stack, to the memo and back.
    fn stack_or_memo(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
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
            _ => unreachable!("step sends only these"),
        }
        Ok(())
    }

    /// Names, calls, and what lies outside.
    fn name_or_call(&mut self, code: u8, at: u64) -> Result<(), Error> {
        match code {
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
            _ => unreachable!("step sends only these"),
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
}
