/*!
The `[data]` table of a spec, checked.

A [`DataConfig`] is complete: defaults are filled in when it is parsed, so that writing it out records everything. The
options of one data set lie in the same table as the common ones and are checked against its own list.
*/

use crate::registry::{Allowed, Entry, OptionDoc, registry, unknown};
use crate::{Augment, ConfigError, names};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// A checked `[data]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table")]
pub struct DataConfig {
    /// Name of the data set.
    pub name: String,
    /// Keep this many train examples, drawn by seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<usize>,
    /// Keep these classes, or this many drawn by seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassChoice>,
    /// Fraction of train labels that get a different one, 0 to 1.
    pub label_noise: f64,
    /// Move this many train examples, drawn by seed, into a validation set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Random changes of images in training batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Subtract the mean and divide by the standard deviation of the full train set, per channel.
    pub normalize: bool,
    /// Seed of everything random about the data; the run's seed when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Options of this data set alone, complete with defaults.
    #[serde(flatten)]
    pub options: Options,
}

/// Which classes to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassChoice {
    /// This many, drawn by seed.
    Count(usize),
    /// These original labels.
    List(Vec<u32>),
}

impl DataConfig {
    /// The data set called `name` with every option at its default.
    ///
    /// # Errors
    /// For an unknown name.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        parse_config(Table::from_iter([("name".to_owned(), Value::from(name))]))
    }
}

impl TryFrom<Table> for DataConfig {
    type Error = ConfigError;
    fn try_from(table: Table) -> Result<Self, ConfigError> {
        parse_config(table)
    }
}

/// Options of one data set by name, each checked against its [`OptionDoc`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Options(Table);

impl Options {
    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn size(&self, name: &str) -> usize {
        self.want(name, |v| v.as_integer().and_then(|i| usize::try_from(i).ok()))
    }

    pub(crate) fn real(&self, name: &str) -> f64 {
        self.want(name, Value::as_float)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.want(name, Value::as_bool)
    }

    pub(crate) fn path(&self, name: &str) -> &str {
        self.want(name, Value::as_str)
    }

    pub(crate) fn word(&self, name: &str) -> &str {
        self.want(name, Value::as_str)
    }

    #[track_caller]
    fn want<'a, T>(&'a self, name: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> T {
        self.0
            .get(name)
            .and_then(read)
            .unwrap_or_else(|| panic!("option {name} is not in its data set's list"))
    }
}

const COMMON: &[OptionDoc] = &[
    OptionDoc {
        name: "subset",
        default: "none",
        meaning: "keep this many train examples, drawn by seed (after classes and validation)",
        allowed: Allowed::Size(1, MANY),
    },
    OptionDoc {
        name: "classes",
        default: "none",
        meaning: "keep these labels, or this many classes drawn by seed; renumbered from 0 in ascending order",
        allowed: Allowed::Classes,
    },
    OptionDoc {
        name: "label_noise",
        default: "0.0",
        meaning: "fraction of train labels replaced by another class, drawn by seed",
        allowed: Allowed::SHARE,
    },
    OptionDoc {
        name: "validation",
        default: "none",
        meaning: "move this many train examples, drawn by seed, into a validation set",
        allowed: Allowed::Size(1, MANY),
    },
    OptionDoc {
        name: "augment",
        default: "none",
        meaning: "images, in training batches only, e.g. { pad = 4, flip = true }: crop at random after padding with black, \
                  mirror left and right with probability 1/2",
        allowed: Allowed::Augment,
    },
    OptionDoc {
        name: "normalize",
        default: "true",
        meaning: "images: subtract the mean and divide by the standard deviation of the full train set, per channel",
        allowed: Allowed::Flag,
    },
    OptionDoc {
        name: "seed",
        default: "none",
        meaning: "seed of everything random about the data; the run's seed when not given",
        allowed: Allowed::Size(0, i64::MAX as usize),
    },
];

/// More examples than fit in memory; keeps slips like 1e12 from being tried.
pub(crate) const MANY: usize = 100_000_000;

/// An empty vector with room for `n` examples of `per` values each; `key` is the option that asks for them.
pub(crate) fn room<T>(key: &str, n: usize, per: usize) -> Result<Vec<T>, ConfigError> {
    let mut values = Vec::new();
    let fits = n.checked_mul(per).is_some_and(|all| values.try_reserve_exact(all).is_ok());
    if fits {
        Ok(values)
    } else {
        Err(ConfigError::new(key, format!("{n} examples of {per} values each do not fit in memory")))
    }
}

/// Options that every data set has.
pub fn common_options() -> &'static [OptionDoc] {
    COMMON
}

/// Checks a `[data]` table and fills in defaults.
///
/// # Errors
/// For a missing or unknown name, an unknown key, a wrong type or a value out of range; the error names the key.
pub fn parse_config(mut table: Table) -> Result<DataConfig, ConfigError> {
    let entry = take_name(&mut table)?;
    let options = take_options(entry, &mut table)?;
    let mut common = |name: &str| -> Result<Option<Value>, ConfigError> {
        let doc = COMMON.iter().find(|d| d.name == name).expect("a common option");
        table.remove(name).map(|v| check(doc, v)).transpose()
    };
    let config = DataConfig {
        name: entry.name.to_owned(),
        subset: common("subset")?.as_ref().and_then(as_size),
        classes: common("classes")?.as_ref().map(as_choice),
        label_noise: common("label_noise")?.and_then(|v| v.as_float()).unwrap_or(0.0),
        validation: common("validation")?.as_ref().and_then(as_size),
        augment: common("augment")?.map(Augment::parse).transpose()?,
        normalize: common("normalize")?.and_then(|v| v.as_bool()).unwrap_or(true),
        seed: common("seed")?.as_ref().and_then(as_size).map(|s| s as u64),
        options: Options(options),
    };
    if let Some(key) = table.keys().next() {
        return Err(unknown_key(key, entry));
    }
    fits(&config, entry)?;
    Ok(config)
}

/// A config made or changed by hand, checked like a parsed one.
pub(crate) fn checked(config: &DataConfig) -> Result<DataConfig, ConfigError> {
    let table = Table::try_from(config).map_err(|e| ConfigError::new("name", e.to_string()))?;
    parse_config(table)
}

fn take_name(table: &mut Table) -> Result<&'static Entry, ConfigError> {
    match table.remove("name") {
        Some(Value::String(name)) => {
            registry().iter().find(|e| e.name == name).ok_or_else(|| ConfigError::new("name", unknown(&name)))
        }
        Some(other) => Err(ConfigError::new("name", format!("expected a word in quotes, got {other}"))),
        None => {
            let known: Vec<&str> = registry().iter().map(|e| e.name).collect();
            Err(ConfigError::new("name", format!("missing; known data sets: {}", known.join(", "))))
        }
    }
}

fn take_options(entry: &Entry, table: &mut Table) -> Result<Table, ConfigError> {
    let mut out = Table::new();
    for doc in entry.options {
        let value = table.remove(doc.name).unwrap_or_else(|| default(doc));
        out.insert(doc.name.to_owned(), check(doc, value)?);
    }
    Ok(out)
}

/// The written default as a value; a word stays a word.
fn default(doc: &OptionDoc) -> Value {
    doc.default.parse().unwrap_or_else(|_| Value::from(doc.default))
}

fn unknown_key(key: &str, entry: &Entry) -> ConfigError {
    let own = entry.options.iter().chain(COMMON).map(|d| d.name);
    let mut known: Vec<&str> = std::iter::once("name").chain(own).collect();
    known.dedup();
    ConfigError::new(
        key,
        format!("data set \"{}\" has no option \"{key}\"; {}", entry.name, names::suggest(key, &known)),
    )
}

/// The value, if the option allows it. An integer is a number too; it is stored as one, so that 1 and 1.0 are the same spec.
fn check(doc: &OptionDoc, value: Value) -> Result<Value, ConfigError> {
    doc.allowed.check(doc.name, &value)?;
    Ok(match (doc.allowed, value) {
        (Allowed::Real(..), Value::Integer(i)) => Value::Float(i as f64),
        (_, value) => value,
    })
}

pub(crate) fn as_size(value: &Value) -> Option<usize> {
    value.as_integer().and_then(|i| usize::try_from(i).ok())
}

pub(crate) fn class_choice(value: &Value) -> Option<ClassChoice> {
    if let Some(n) = as_size(value) {
        return (n > 0).then_some(ClassChoice::Count(n));
    }
    let labels: Option<Vec<u32>> =
        value.as_array()?.iter().map(|v| as_size(v).and_then(|n| u32::try_from(n).ok())).collect();
    let labels = labels?;
    let mut sorted = labels.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (!labels.is_empty() && sorted.len() == labels.len()).then_some(ClassChoice::List(labels))
}

fn as_choice(value: &Value) -> ClassChoice {
    class_choice(value).expect("checked before")
}

/// What can be told about the fit before the data are there; module `select` checks it all again.
fn fits(config: &DataConfig, entry: &Entry) -> Result<(), ConfigError> {
    if let (Some(choice), Some(n)) = (&config.classes, entry.classes) {
        check_choice(choice, n, entry.name)?;
    }
    Ok(())
}

/// Whether a data set of `n` classes has these.
pub(crate) fn check_choice(choice: &ClassChoice, n: usize, name: &str) -> Result<(), ConfigError> {
    let wrong = |what: String| Err(ConfigError::new("classes", what));
    match choice {
        ClassChoice::Count(k) if *k == 0 || *k > n => {
            wrong(format!("{k} classes asked for; data set \"{name}\" has {n}"))
        }
        ClassChoice::List(labels) => match labels.iter().find(|&&l| l as usize >= n) {
            Some(l) => wrong(format!("no class {l}; data set \"{name}\" has labels 0 to {}", n - 1)),
            None => Ok(()),
        },
        ClassChoice::Count(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
