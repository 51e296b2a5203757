/*!
The Python version of CIFAR, as torchvision unpacks it: a pickle of one dictionary with a byte array `data`
(examples x 3072) and lists of labels.

A pickle is a program for a stack machine (Python's `pickletools` documents every opcode) that may ask for any function to
be called. This machine calls nothing: it knows the opcodes that dictionaries, lists, numbers, strings and byte arrays of
numpy are made of, and the two names numpy asks for; anything else is an error.
*/

use super::cifar::{Format, IMAGE, Part, check_labels};
use crate::{DataError, files};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads one file of the Python version.
pub(super) fn read(path: &Path, format: &Format, which: usize) -> Result<Part, DataError> {
    parse(&files::read(path)?, format, which).map_err(|message| DataError::format(path, message))
}

/// The content of one file of the Python version.
pub(super) fn parse(bytes: &[u8], format: &Format, which: usize) -> Result<Part, String> {
    let mut machine =
        Machine { input: bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
    let value = machine.run().map_err(|e| format!("not a pickle of CIFAR: byte {}: {e}", machine.at))?;
    part(value, format, which).map_err(|e| format!("not a file of CIFAR: {e}"))
}

fn part(value: Value<'_>, format: &Format, which: usize) -> Result<Part, String> {
    let Value::Dict(items) = value else { return Err("it holds no dictionary".to_owned()) };
    let get = |key: &[u8]| {
        let found = items.iter().find(|(k, _)| matches!(k, Value::Bytes(b) if *b == key));
        found.map(|(_, v)| v).ok_or_else(|| format!("it has no key \"{}\"", String::from_utf8_lossy(key)))
    };
    let Value::Array { shape, bytes } = get(b"data")? else {
        return Err("\"data\" is no byte array".to_owned());
    };
    let n = bytes.len() / IMAGE;
    if *shape != [n, IMAGE] || n == 0 {
        return Err(format!("\"data\" has shape {shape:?}, expected examples x {IMAGE}"));
    }
    if bytes.len() != n * IMAGE {
        return Err(format!("\"data\" has {} bytes, expected {n} x {IMAGE}", bytes.len()));
    }
    let mut columns = Vec::new();
    for key in format.python_labels {
        columns.push(labels(get(key)?, key, n)?);
    }
    for i in 0..n {
        let record: Vec<u8> = columns.iter().map(|c| c[i]).collect();
        check_labels(&record, i, None, format)?;
    }
    Ok(Part { labels: columns.swap_remove(which), pixels: bytes.to_vec() })
}

fn labels(value: &Value<'_>, key: &[u8], n: usize) -> Result<Vec<u8>, String> {
    let key = String::from_utf8_lossy(key);
    let Value::List(items) = value else { return Err(format!("\"{key}\" is no list")) };
    if items.len() != n {
        return Err(format!("{} labels in \"{key}\", but {n} images", items.len()));
    }
    let label = |(i, v): (usize, &Value<'_>)| match v {
        Value::Int(l) => u8::try_from(*l).map_err(|_| format!("\"{key}\" {i} is {l}")),
        _ => Err(format!("\"{key}\" {i} is no number")),
    };
    items.iter().enumerate().map(label).collect()
}

/// What a CIFAR pickle is made of.
#[derive(Clone, Debug)]
enum Value<'a> {
    None,
    Int(i64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Global(String),
    /// A type of array elements; `true` for bytes.
    Dtype(bool),
    Array {
        shape: Vec<usize>,
        bytes: &'a [u8],
    },
}

/// The deepest that CIFAR has is an array's state with its shape. Without a limit a short file could nest containers, or by the memo double
/// them, until memory or the stack is used up.
fn tuple(items: Vec<Value<'_>>) -> Step<Value<'_>> {
    let holds_tuple = |v: &Value<'_>| matches!(v, Value::Tuple(inner) if inner.iter().any(is_container));
    if items.iter().any(|v| holds_tuple(v) || matches!(v, Value::Dict(_) | Value::List(_))) {
        return Err("tuples nested deeper than in any CIFAR file".to_owned());
    }
    Ok(Value::Tuple(items))
}

fn is_container(value: &Value<'_>) -> bool {
    matches!(value, Value::Tuple(_) | Value::List(_) | Value::Dict(_))
}

struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    /// Values that cannot change any more; containers are not kept, since they would be kept unfinished.
    memo: BTreeMap<usize, Value<'a>>,
}

type Step<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Value<'a>> {
        loop {
            let op = self.take(1)?[0];
            if op == b'.' {
                return self.pop();
            }
            self.step(op)?;
        }
    }

    fn step(&mut self, op: u8) -> Step {
        let value = match op {
            0x80 => return self.take(1).map(drop),
            // A frame only announces its length.
            0x95 => return self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            b'q' => return self.number(1).map(|key| self.remember(key)),
            b'r' => return self.number(4).map(|key| self.remember(key)),
            0x94 => {
                self.remember(self.memo.len());
                return Ok(());
            }
            b'a' | b'e' => return self.append(op == b'e'),
            b's' | b'u' => return self.set(op == b'u'),
            b'b' => return self.build(),
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'N' => Value::None,
            0x88 | 0x89 => Value::Int(i64::from(op == 0x88)),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            b'U' | b'C' | 0x8C => self.bytes(1)?,
            b'T' | b'B' | b'X' => self.bytes(4)?,
            0x8E | 0x8D => self.bytes(8)?,
            b'}' => Value::Dict(Vec::new()),
            b']' => Value::List(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            0x85..=0x87 => tuple(self.last(usize::from(op - 0x84))?)?,
            b't' => tuple(self.since_mark()?)?,
            b'c' => Value::Global(format!("{}.{}", self.line()?, self.line()?)),
            0x93 => self.named()?,
            b'R' => self.call()?,
            other => return Err(format!("opcode 0x{other:02x} has no place in a CIFAR file")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn take(&mut self, n: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.input.len());
        let end = end.ok_or("the file ends in the middle: truncated")?;
        let bytes = &self.input[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// A little-endian number.
    fn number(&mut self, width: usize) -> Step<usize> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    }

    fn bytes(&mut self, width: usize) -> Step<Value<'a>> {
        let n = self.number(width)?;
        self.take(n).map(Value::Bytes)
    }

    fn line(&mut self) -> Step<String> {
        let rest = &self.input[self.at..];
        let n = rest.iter().position(|&b| b == b'\n').ok_or("the file ends in the middle: truncated")?;
        let line = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Step<Value<'a>> {
        self.stack.pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn last(&mut self, n: usize) -> Step<Vec<Value<'a>>> {
        let from = self.stack.len().checked_sub(n).ok_or("the stack is too short")?;
        Ok(self.stack.split_off(from))
    }

    fn since_mark(&mut self) -> Step<Vec<Value<'a>>> {
        let mark = self.marks.pop().filter(|&m| m <= self.stack.len()).ok_or("no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: usize) {
        let kept = match self.stack.last() {
            Some(Value::List(_) | Value::Dict(_) | Value::Array { .. }) | None => Value::None,
            Some(value) => value.clone(),
        };
        self.memo.insert(key, kept);
    }

    fn recall(&mut self, width: usize) -> Step<Value<'a>> {
        let key = self.number(width)?;
        match self.memo.get(&key) {
            Some(Value::None) | None => Err(format!("value {key} is used twice, which no CIFAR file does")),
            Some(value) => Ok(value.clone()),
        }
    }

    fn append(&mut self, many: bool) -> Step {
        let new = if many { self.since_mark()? } else { self.last(1)? };
        if new.iter().any(is_container) {
            return Err("lists of containers are in no CIFAR file".to_owned());
        }
        match self.stack.last_mut() {
            Some(Value::List(items)) => {
                items.extend(new);
                Ok(())
            }
            _ => Err("appends to what is no list".to_owned()),
        }
    }

    fn set(&mut self, many: bool) -> Step {
        let new = if many { self.since_mark()? } else { self.last(2)? };
        if new.iter().any(|v| matches!(v, Value::Dict(_))) {
            return Err("dictionaries inside dictionaries are in no CIFAR file".to_owned());
        }
        let Some(Value::Dict(items)) = self.stack.last_mut() else {
            return Err("sets a key of what is no dictionary".to_owned());
        };
        let mut new = new.into_iter();
        while let (Some(key), Some(value)) = (new.next(), new.next()) {
            items.push((key, value));
        }
        Ok(())
    }

    fn named(&mut self) -> Step<Value<'a>> {
        match &self.last(2)?[..] {
            [Value::Bytes(module), Value::Bytes(name)] => {
                let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                Ok(Value::Global(format!("{module}.{name}")))
            }
            _ => Err("a name that is no string".to_owned()),
        }
    }

    /// Stands in for the two calls that make an array.
    fn call(&mut self) -> Step<Value<'a>> {
        let call = self.last(2)?;
        match &call[..] {
            [Value::Global(name), Value::Tuple(arguments)] => match (name.as_str(), arguments.first()) {
                ("numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct", _) => {
                    Ok(Value::Array { shape: Vec::new(), bytes: &[] })
                }
                ("numpy.dtype", Some(Value::Bytes(kind))) => Ok(Value::Dtype(*kind == b"u1")),
                _ => Err(format!("refused to call {name}")),
            },
            _ => Err("a call of what is no function".to_owned()),
        }
    }

    /// Fills in an array made by `call`: (version, shape, dtype, column-major, bytes).
    fn build(&mut self) -> Step {
        let state = self.pop()?;
        match (self.stack.last_mut(), state) {
            (Some(Value::Dtype(_)), _) => Ok(()),
            (Some(Value::Array { shape, bytes }), Value::Tuple(state)) => match &state[..] {
                [_, Value::Tuple(dims), Value::Dtype(true), Value::Int(0), Value::Bytes(content)] => {
                    let dim = |v: &Value<'_>| match v {
                        Value::Int(n) => usize::try_from(*n).ok(),
                        _ => None,
                    };
                    *shape = dims.iter().map(dim).collect::<Option<_>>().ok_or("a shape that is no shape")?;
                    *bytes = content;
                    Ok(())
                }
                _ => Err("an array that is not of bytes, row by row".to_owned()),
            },
            _ => Err("a state of what is no array".to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
