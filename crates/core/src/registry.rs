//! One shape for every registry: a name, what to show a user, and how to build the thing from its table.

use crate::ConfigError;
pub use realign_data::{Allowed, OptionDoc as Opt};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A registered component of kind `T`.
pub struct Entry<T: ?Sized> {
    /// The word used in specs.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The defining formula, in Unicode.
    pub formula: &'static str,
    /// BibTeX of the source; empty for folklore.
    pub citation: &'static str,
    /// The options it takes.
    pub options: &'static [Opt],
    /// Builds it from its table without the `name` key.
    pub build: fn(Table) -> Result<Box<T>, ConfigError>,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Entry<T> {}

impl<T: ?Sized> Entry<T> {
    /// Builds the component from options that [`check`] lets pass.
    pub fn make(&self, options: Table) -> Result<Box<T>, ConfigError> {
        check(self.name, self.options, &options)?;
        (self.build)(options)
    }
}

/// Refuses options of `owner` that are unknown, out of their declared range, or missing: the one place where this is done.
///
/// # Errors
/// With the key at fault, its value and what is allowed.
pub fn check(owner: &str, options: &[Opt], table: &Table) -> Result<(), ConfigError> {
    let known: Vec<&str> = options.iter().map(|o| o.name).collect();
    if let Some(key) = table.keys().find(|k| !known.contains(&k.as_str())) {
        let message = format!("\"{owner}\" has no option \"{key}\"{}", suggest(key, &known));
        return Err(ConfigError::new(key, message));
    }
    for option in options {
        match table.get(option.name) {
            Some(value) => option.allowed.check(option.name, value)?,
            None if option.default.is_empty() => {
                let message = format!("missing: {}; give {}", option.meaning, option.allowed);
                return Err(ConfigError::new(option.name, message));
            }
            None => {}
        }
    }
    Ok(())
}

/// Finds `name` among the entries of `kind`, or names the nearest and all known ones.
pub fn find<'a, T: ?Sized>(
    entries: &'a [Entry<T>],
    kind: &str,
    name: &str,
) -> Result<&'a Entry<T>, ConfigError> {
    let known: Vec<&str> = entries.iter().map(|e| e.name).collect();
    entries.iter().find(|e| e.name == name).ok_or_else(|| {
        ConfigError::new("name", format!("unknown {kind} \"{name}\"{}", suggest(name, &known)))
    })
}

/// Splits a table into its `name` and the rest, finds the entry and builds it.
pub fn build<T: ?Sized>(entries: &[Entry<T>], kind: &str, mut table: Table) -> Result<Box<T>, ConfigError> {
    let name = match table.remove("name") {
        Some(Value::String(s)) => s,
        Some(other) => {
            return Err(ConfigError::new("name", format!("expected a word in quotes, got {other}")));
        }
        None => {
            let known: Vec<&str> = entries.iter().map(|e| e.name).collect();
            let message = format!("missing: which {kind}? known: {}", known.join(", "));
            return Err(ConfigError::new("name", message));
        }
    };
    find(entries, kind, &name)?.make(table)
}

/// Deserialises a component's own struct, turning serde's complaint into the key at fault.
pub fn parse<C: DeserializeOwned>(table: Table) -> Result<C, ConfigError> {
    // One key at a time tells which one is at fault without any help from the deserialiser.
    let whole = Value::Table(table.clone()).try_into::<C>();
    whole.map_err(|e| {
        let message = e.message().to_string();
        let culprit = table.iter().find(|(key, value)| {
            let one: Table = [((*key).clone(), (*value).clone())].into_iter().collect();
            Value::Table(one).try_into::<C>().is_err_and(|e| !e.message().starts_with("missing field"))
        });
        let (key, shown) =
            culprit.map_or(("", String::new()), |(k, v)| (k.as_str(), format!(" (given: {v})")));
        ConfigError::new(key, format!("{message}{shown}"))
    })
}

/// `; did you mean "x"? known: a, b, c`, to follow a complaint about `word`.
pub fn suggest(word: &str, known: &[&str]) -> String {
    if known.is_empty() {
        "; it takes none".to_owned()
    } else {
        format!("; {}", realign_data::suggest(word, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_words_get_no_suggestion() {
        assert_eq!(suggest("sing_fa", &["bp", "sign_fa"]), "; did you mean \"sign_fa\"? known: bp, sign_fa");
        assert_eq!(suggest("zebra", &["bp", "fa"]), "; known: bp, fa");
        assert_eq!(suggest("scale", &[]), "; it takes none");
    }
}
