//! Where every key of a spec was written, so that each complaint can name its line or override.

use super::syntax::cure;
use realign::ConfigError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// An override, as given.
    Override(Box<str>),
}

/// A spec that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The spec file.
    pub file: PathBuf,
    /// The line or override at fault.
    pub place: Place,
    /// Dotted key at fault; empty if the file cannot be read at all.
    pub key: String,
    /// The value at fault, as in TOML.
    pub value: Option<Box<str>>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl SpecError {
    /// The line at fault, if it is a line.
    pub fn line(&self) -> Option<usize> {
        match self.place {
            Place::Line(n) => Some(n),
            _ => None,
        }
    }
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File => write!(f, "{}: ", self.file.display())?,
            Place::Line(n) => write!(f, "{}:{n}: ", self.file.display())?,
            Place::Override(text) => write!(f, "override \"{text}\": ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            match &self.value {
                Some(v) if v.len() <= 60 => write!(f, " = {v}: ")?,
                _ => write!(f, ": ")?,
            }
        }
        write!(f, "{}", self.message)
    }
}

/// The place of every dotted key, and the order in which keys were written.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    file: Arc<Path>,
    marks: BTreeMap<String, (Place, usize)>,
}

impl Places {
    /// Reads a TOML text into its values and their places.
    pub(crate) fn read(text: &str, file: &Path) -> Result<(Table, Places), SpecError> {
        let mut places = Places { file: file.into(), marks: BTreeMap::new() };
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let line_at = |span: Option<std::ops::Range<usize>>| {
            span.and_then(|s| text.lines().nth(line_of(s.start) - 1)).unwrap_or_default()
        };
        let syntax = |e: toml::de::Error| SpecError {
            file: file.to_path_buf(),
            place: e.span().map_or(Place::File, |s| Place::Line(line_of(s.start))),
            key: String::new(),
            value: None,
            message: format!("not TOML: {}{}", e.message(), cure(line_at(e.span()))),
        };
        let tree = DeTable::parse(text).map_err(syntax)?;
        places.walk(tree.get_ref(), "", &line_of);
        Ok((toml::from_str(text).map_err(syntax)?, places))
    }

    fn walk(&mut self, table: &DeTable<'_>, above: &str, line_of: &dyn Fn(usize) -> usize) {
        for (key, value) in table {
            let path = join(above, key.get_ref());
            self.marks.insert(path.clone(), (Place::Line(line_of(key.span().start)), key.span().start));
            self.descend(value.get_ref(), &path, line_of);
        }
    }

    fn descend(&mut self, value: &DeValue<'_>, path: &str, line_of: &dyn Fn(usize) -> usize) {
        match value {
            DeValue::Table(t) => self.walk(t, path, line_of),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let path = join(path, &i.to_string());
                    self.marks
                        .insert(path.clone(), (Place::Line(line_of(item.span().start)), item.span().start));
                    self.descend(item.get_ref(), &path, line_of);
                }
            }
            _ => {}
        }
    }

    /// The place of a key, else of something below it (a table that an override made has no place of its own), else of
    /// the nearest table above it.
    pub(crate) fn at(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            let below = format!("{path}.");
            let inside = || self.marks.range(below.clone()..).next().filter(|(k, _)| k.starts_with(&below));
            if let Some((place, _)) = self.marks.get(path).or_else(|| inside().map(|(_, mark)| mark)) {
                return place.clone();
            }
            match path.rfind('.') {
                Some(dot) => path = &path[..dot],
                None => return Place::Line(1),
            }
        }
    }

    /// Position of a key among all keys, in the order written; overrides come last.
    pub(crate) fn order(&self, path: &str) -> usize {
        self.marks.get(path).map_or(usize::MAX, |m| m.1)
    }

    /// Says that `path` now comes from `place`.
    pub(crate) fn set(&mut self, path: &str, place: Place) {
        let order = self.marks.get(path).map_or_else(|| usize::MAX / 2 + self.marks.len(), |m| m.1);
        // Whatever lay below has been replaced with it.
        let below = format!("{path}.");
        self.marks.retain(|k, _| !k.starts_with(&below));
        self.marks.insert(path.to_owned(), (place, order));
    }

    /// An error at `path`.
    pub(crate) fn error(&self, path: &str, message: impl Into<String>) -> SpecError {
        SpecError {
            file: self.file.to_path_buf(),
            place: self.at(path),
            key: path.to_owned(),
            value: None,
            message: message.into(),
        }
    }

    /// A component's complaint about its own table, which lies at `path`.
    pub(crate) fn config(&self, path: &str, e: ConfigError) -> SpecError {
        let e = if path.is_empty() { e } else { e.under(path) };
        self.error(&e.key, e.message)
    }
}

/// `above.key`, or `key` at the top.
pub(crate) fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

/// The value at a dotted path; numbers index arrays.
pub(crate) fn lookup<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let mut value = table.get(first)?;
    for part in rest.into_iter().flat_map(|r| r.split('.')) {
        value = match value {
            Value::Table(t) => t.get(part)?,
            Value::Array(a) => a.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Sets the value at a dotted path, making tables on the way.
pub(crate) fn assign(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Ok(());
    };
    let mut at = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    let mut parts = rest.split('.').peekable();
    while let Some(part) = parts.next() {
        // `loss = "mse"` is short for a table with a name; an override below it keeps the name.
        if let Value::String(name) = at {
            *at = Value::Table(Table::from_iter([("name".to_owned(), Value::from(name.as_str()))]));
        }
        let last = parts.peek().is_none();
        at = match at {
            Value::Table(t) if last => {
                t.insert(part.to_owned(), value);
                return Ok(());
            }
            Value::Table(t) => t.entry(part).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(a) => {
                let n = a.len();
                let slot = part.parse::<usize>().ok().and_then(|i| a.get_mut(i));
                let slot =
                    slot.ok_or_else(|| format!("no element {part}: the list has {n}, counted from 0"))?;
                if last {
                    *slot = value;
                    return Ok(());
                }
                slot
            }
            _ => return Err(format!("cannot set \"{part}\" inside a plain value")),
        };
    }
    Ok(())
}

/// Removes the value at a dotted path; false if there is none.
pub(crate) fn remove(table: &mut Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.remove(path).is_some(),
        Some((first, rest)) => match table.get_mut(first) {
            Some(Value::Table(t)) => remove(t, rest),
            Some(Value::Array(a)) => match rest.split_once('.') {
                None => rest.parse::<usize>().ok().filter(|i| *i < a.len()).map(|i| a.remove(i)).is_some(),
                Some((i, rest)) => match i.parse::<usize>().ok().and_then(|i| a.get_mut(i)) {
                    Some(Value::Table(t)) => remove(t, rest),
                    _ => false,
                },
            },
            _ => false,
        },
    }
}

/// All plain values and lists below a table, with dotted paths.
pub(crate) fn leaves(table: &Table, above: &str, out: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = join(above, key);
        match value {
            Value::Table(t) => leaves(t, &path, out),
            other => out.push((path, other.clone())),
        }
    }
}
