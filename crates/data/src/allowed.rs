/*!
What values an option takes: declared beside its name, checked here and nowhere else, for data sets and for every registry of the crates above.

No number of a spec may be infinite or not a number. A refusal says what is allowed, what was given and, where a common slip is
recognised (`True`, `"0.1"`, `3.0`, a list without brackets), what to write.
*/

use crate::config::{MANY, as_size, class_choice};
use crate::{Augment, ConfigError, names};
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;
use toml::Value;

/// One option: a key of a component's table.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OptionDoc {
    /// The key.
    pub name: &'static str,
    /// Default as written in a spec (data sets: words without quotes); `none` when the option is off unless given, empty when
    /// it must be given.
    pub default: &'static str,
    /// What it does, with units.
    pub meaning: &'static str,
    /// Type and range.
    pub allowed: Allowed,
}

/// Type and range of an option. Serialised as the words shown to users.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// An integer from..=to.
    Size(usize, usize),
    /// A finite number between two ends; an integer will do.
    Real(Bound<f64>, Bound<f64>),
    /// true or false.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The path of a folder or file.
    Path,
    /// A list of at least so many entries, each allowed by this.
    List(usize, &'static Allowed),
    /// Any of these.
    Either(&'static [Allowed]),
    /// A number of classes or a list of labels.
    Classes,
    /// A table of [`crate::Augment`].
    Augment,
    /// A form in words, and what reads it; the key of its complaint is relative to the option.
    Form(&'static str, fn(&Value) -> Result<(), ConfigError>),
}

impl Allowed {
    /// Any finite number.
    pub const FINITE: Allowed = Allowed::Real(Unbounded, Unbounded);
    /// A number above 0.
    pub const POSITIVE: Allowed = Allowed::Real(Excluded(0.0), Unbounded);
    /// A number of at least 0.
    pub const NON_NEGATIVE: Allowed = Allowed::Real(Included(0.0), Unbounded);
    /// 0 <= x < 1.
    pub const BELOW_ONE: Allowed = Allowed::Real(Included(0.0), Excluded(1.0));
    /// 0 <= x <= 1.
    pub const SHARE: Allowed = Allowed::between(0.0, 1.0);

    /// A number between two ends that both belong to it.
    pub const fn between(from: f64, to: f64) -> Allowed {
        Allowed::Real(Included(from), Included(to))
    }

    /// Whether `value` may stand at `key`.
    ///
    /// # Errors
    /// If not; at `key`, or below it for tables.
    pub fn check(&self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let good = match self {
            Allowed::Size(from, to) => as_size(value).is_some_and(|n| (*from..=*to).contains(&n)),
            Allowed::Real(from, to) => {
                number(value).is_some_and(|x| x.is_finite() && (*from, *to).contains(&x))
            }
            Allowed::Flag => value.is_bool(),
            Allowed::Word(words) => value.as_str().is_some_and(|w| words.contains(&w)),
            Allowed::Path => value.as_str().is_some_and(|s| !s.is_empty()),
            Allowed::List(least, each) => return self.check_list(key, value, *least, each),
            Allowed::Either(kinds) => kinds.iter().any(|kind| kind.check(key, value).is_ok()),
            Allowed::Classes => class_choice(value).is_some(),
            // Tables with keys of their own: their parsers name the key that is wrong.
            Allowed::Augment => return Augment::parse(value.clone()).map(drop),
            Allowed::Form(_, read) => {
                return read(value).map_err(|e| ConfigError {
                    key: if e.key.is_empty() { key.to_owned() } else { format!("{key}.{}", e.key) },
                    ..e
                });
            }
        };
        if good { Ok(()) } else { Err(ConfigError::new(key, self.complaint(value))) }
    }

    fn check_list(&self, key: &str, value: &Value, least: usize, each: &Allowed) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError::new(key, message));
        let Some(list) = value.as_array() else { return wrong(self.complaint(value)) };
        if list.len() < least {
            return wrong(format!("expected {self}, got {value}"));
        }
        match list.iter().find(|v| each.check(key, v).is_err()) {
            Some(bad) => wrong(format!("expected {self}; {bad} is not{}", each.cure(bad))),
            None => Ok(()),
        }
    }

    fn complaint(&self, value: &Value) -> String {
        if let (Some(words), Some(word)) = (self.words(), value.as_str())
            && !word.is_empty()
            && self.cure(value).is_empty()
        {
            let also = self.beside_words().map(|other| format!(" (or {other})")).unwrap_or_default();
            return format!("unknown word \"{word}\"; {}{also}", names::suggest(word, words));
        }
        let expected = match (self, value.as_integer()) {
            // Too large: then the largest must be told.
            (Allowed::Size(from, to), Some(i)) if i > 0 && i as u64 > *from as u64 => {
                format!("an integer from {from} to {to}")
            }
            _ => self.to_string(),
        };
        let kind = if value.is_str() { ", a string" } else { "" };
        format!("expected {expected}, got {value}{kind}{}", self.cure(value))
    }

    /// The words that may stand here, if any may.
    fn words(&self) -> Option<&'static [&'static str]> {
        match self {
            Allowed::Word(words) => Some(words),
            Allowed::Either(kinds) => kinds.iter().find_map(Allowed::words),
            _ => None,
        }
    }

    /// What may stand here beside words.
    fn beside_words(&self) -> Option<&'static Allowed> {
        match self {
            Allowed::Either(kinds) => kinds.iter().find(|k| k.words().is_none()),
            _ => None,
        }
    }

    /// What to write instead, where the slip is recognised; begins with "; write" or is empty.
    fn cure(&self, value: &Value) -> String {
        let instead = match self {
            Allowed::Flag => truth(value),
            Allowed::Size(..) => whole(value).map(|i| i.to_string()),
            Allowed::Real(..) => value.as_str().and_then(decimal),
            Allowed::List(least, each) => listed(value, *least, each),
            Allowed::Either(kinds) => {
                kinds.iter().map(|k| k.cure(value)).find(|c| !c.is_empty()).map(|c| c.replace("; write ", ""))
            }
            Allowed::Path if !value.is_str() && !value.is_table() => {
                Some(format!("\"{value}\" with its quotes (in a shell '\"{value}\"')"))
            }
            _ => None,
        };
        instead.map(|text| format!("; write {text}")).unwrap_or_default()
    }
}

/// What is allowed, in words.
impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Size(from, to) if *to >= MANY => write!(f, "an integer of at least {from}"),
            Allowed::Size(from, to) => write!(f, "an integer from {from} to {to}"),
            Allowed::Real(Included(a), Included(b)) => write!(f, "a number from {a} to {b}"),
            Allowed::Real(Included(a), Excluded(b)) => write!(f, "a number from {a} to below {b}"),
            Allowed::Real(Excluded(a), Included(b)) => write!(f, "a number above {a}, at most {b}"),
            Allowed::Real(Excluded(a), Excluded(b)) => write!(f, "a number above {a} and below {b}"),
            Allowed::Real(Included(a), Unbounded) => write!(f, "a number of at least {a}"),
            Allowed::Real(Excluded(a), Unbounded) => write!(f, "a number above {a}"),
            Allowed::Real(Unbounded, Included(b)) => write!(f, "a number of at most {b}"),
            Allowed::Real(Unbounded, Excluded(b)) => write!(f, "a number below {b}"),
            Allowed::Real(Unbounded, Unbounded) => f.write_str("a finite number"),
            Allowed::Flag => f.write_str("true or false"),
            Allowed::Word([one]) => write!(f, "\"{one}\""),
            Allowed::Word(words) => {
                let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
                write!(f, "one of the words {}", quoted.join(", "))
            }
            Allowed::Path => f.write_str("a path in quotes"),
            Allowed::List(0, each) => write!(f, "a list, each entry {each}"),
            Allowed::List(least, each) => write!(f, "a list of {least} or more, each entry {each}"),
            Allowed::Either(kinds) => {
                let all: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", or "))
            }
            Allowed::Classes => {
                f.write_str("a number of classes (at least 1) or a list of different labels, like [0, 3, 7]")
            }
            Allowed::Augment => f.write_str("a table like { pad = 4, flip = true }"),
            Allowed::Form(words, _) => f.write_str(words),
        }
    }
}

impl Serialize for Allowed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The number that a value is.
fn number(value: &Value) -> Option<f64> {
    value.as_float().or(value.as_integer().map(|i| i as f64))
}

/// The truth value that was probably meant.
fn truth(value: &Value) -> Option<String> {
    let word = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
    match word.trim() {
        "true" | "yes" | "on" | "1" => Some("true".into()),
        "false" | "no" | "off" | "0" => Some("false".into()),
        _ => None,
    }
}

/// The integer that was probably meant: `3.0`, `"3"`, `"008"`.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some(*x as i64),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// The number that a text in quotes, or one with a decimal comma, probably means.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim().replacen(',', ".", 1);
    let x: f64 = text.parse().ok().filter(|x: &f64| x.is_finite())?;
    Some(format!("{x}, without quotes"))
}

/// The list that was probably meant: `3`, `"784, 16, 10"`, `"784-16-10"`.
fn listed(value: &Value, least: usize, each: &Allowed) -> Option<String> {
    let parts: Vec<Value> = match value {
        Value::String(s) => {
            let text = s.trim().trim_matches(['[', ']', '(', ')']);
            let parts = text.split([',', ' ', ';', 'x', '-']).filter(|p| !p.is_empty());
            let one = |p: &str| match each {
                Allowed::Word(_) => Value::from(p),
                _ => p.parse().map_or_else(|_| Value::from(p), Value::Integer),
            };
            parts.map(one).collect()
        }
        Value::Array(_) | Value::Table(_) => return None,
        other => vec![other.clone()],
    };
    let fit = !parts.is_empty() && parts.iter().all(|p| each.check("", p).is_ok());
    let dots = if parts.len() < least { ", ...]" } else { "]" };
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    fit.then(|| format!("a list in brackets: [{}{dots}", parts.join(", ")))
}
