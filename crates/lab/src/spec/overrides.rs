/*!
Overrides in Hydra's spelling (hydra.cc, "override grammar"), as far as a spec needs it.

`key=value` sets, `+key=value` adds a key that must not be there, `++key=value` sets either way, `~key` removes, `~key=value`
removes if that is its value. A comma list (`rule.name=bp,fa`), `range(0,5)` (end excluded, optional step), `0..5` and `logspace(a,b,n)` make a grid
axis. The name of a section alone stands for its name: `rule=fa` is `rule.name=fa`; a table takes the place of the whole section, whatever
the file has in it: `data={name=cifar100,classes=10}`. `key=null` is `~key`.

Nothing of an override is dropped in silence: what TOML would read as a comment, further lines, a key twice and missing values are refused.
*/

use super::draft::covers;
use super::grid;
use toml::{Table, Value};

/// One override, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Set a key; `fresh` if it must not be there yet.
    Set { path: String, value: Value, fresh: bool },
    /// Make an axis of the grid.
    Axis { path: String, values: Vec<Value> },
    /// Remove a key; `strict` if it must be there, `only` if it must have this value.
    Remove { path: String, strict: bool, only: Option<Value> },
}

impl Change {
    /// The key.
    pub(crate) fn path(&self) -> &str {
        match self {
            Change::Set { path, .. } | Change::Axis { path, .. } | Change::Remove { path, .. } => path,
        }
    }

    /// Whether nothing is left of `earlier` after this one, and this one does more than give the same key another value: there the last one wins,
    /// as in Hydra, so that scripts can append overrides to those they are handed.
    pub(crate) fn undoes(&self, earlier: &Change) -> bool {
        if matches!((self, earlier), (Change::Set { path, .. }, Change::Set { path: old, .. }) if path == old)
        {
            return false;
        }
        let axis = matches!(earlier, Change::Axis { .. });
        match self.path().strip_prefix("grid") {
            Some("") => axis,
            Some(rest) if rest.starts_with('.') => axis && full_name(&rest[1..], &[]) == earlier.path(),
            _ => covers(self.path(), earlier.path()),
        }
    }
}

/// Understands one override, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Change, String> {
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err("one override is one line: give each as an argument of its own".into());
    }
    if let Some(rest) = text.strip_prefix('~') {
        let (path, only) = match rest.split_once('=') {
            Some((path, value)) => (path, Some(single(value)?)),
            None => (rest, None),
        };
        let path = path.trim();
        return check_path(path).map(|()| Change::Remove { path: path.to_owned(), strict: true, only });
    }
    let (key, value) = text.split_once('=').ok_or_else(|| no_equals(text))?;
    let (key, fresh) = match (key.strip_prefix("++"), key.strip_prefix('+')) {
        (Some(k), _) => (k, false),
        (None, Some(k)) => (k, true),
        (None, None) => (key, false),
    };
    let key = key.trim();
    check_path(key)?;
    if let Some(axis) = key.strip_prefix("grid.") {
        let values = match axis_values(value)? {
            Some(values) => values,
            None => match single(value)? {
                Value::Array(a) => a,
                one => vec![one],
            },
        };
        return Ok(Change::Axis { path: full_name(axis, &values), values });
    }
    if let Some(values) = axis_values(value)? {
        return Ok(Change::Axis { path: full_name(key, &values), values });
    }
    if value.trim() == "null" {
        return Ok(Change::Remove { path: full_name(key, &[]), strict: false, only: None });
    }
    let value = single(value)?;
    Ok(Change::Set { path: full_name(key, std::slice::from_ref(&value)), value, fresh })
}

/// One `key=value`, read as an override that sets one value.
///
/// # Errors
/// If it is none, or makes a grid.
pub fn key_value(text: &str) -> Result<(String, Value), String> {
    match parse(text)? {
        Change::Set { path, value, .. } => Ok((path, value)),
        _ => Err("expected key=value with one value (a list in brackets: key=[0, 3])".into()),
    }
}

/// `rule` alone means its name, unless one of its values is the whole section as a table.
pub(crate) fn full_name(key: &str, values: &[Value]) -> String {
    match key {
        _ if values.iter().any(Value::is_table) => key.to_owned(),
        "rule" | "data" | "loss" | "optimizer" | "init.weight" | "init.bias" | "init.feedback"
        | "optimizer.schedule" => {
            format!("{key}.name")
        }
        "network" => "network.model".to_owned(),
        _ => key.to_owned(),
    }
}

/// What is wrong with an override without `=`.
fn no_equals(text: &str) -> String {
    let meant = match text.split_once(':') {
        Some((key, value)) => format!("; write {}={}", key.trim(), value.trim()),
        None if check_path(text).is_ok() => {
            format!("; write {text}=VALUE without spaces around \"=\", or ~{text} to remove it")
        }
        None => String::new(),
    };
    format!("expected key=value, +key=value or ~key{meant}")
}

fn check_path(path: &str) -> Result<(), String> {
    if path.contains(['"', '\'']) {
        let plain = path.replace(['"', '\''], "");
        return Err(format!("{path} is not a dotted key; write {plain} without quotes"));
    }
    if path.is_empty() || path.split('.').any(|p| p.is_empty() || p.contains(char::is_whitespace)) {
        return Err(format!("\"{path}\" is not a dotted key"));
    }
    Ok(())
}

/// The values of a sweep, or `None` for a single value.
fn axis_values(text: &str) -> Result<Option<Vec<Value>>, String> {
    if let Some(values) = grid::range(text.trim())? {
        return Ok(Some(values));
    }
    let parts = split_commas(text);
    if parts.len() < 2 {
        return Ok(None);
    }
    if let [a, b] = parts[..]
        && b.trim().is_empty()
    {
        return Err(format!("nothing after the comma; write {} alone, or further values", a.trim()));
    }
    parts.into_iter().map(single).collect::<Result<_, _>>().map(Some)
}

/// Splits at commas outside brackets, braces, parentheses and quotes.
fn split_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0i32, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// One value: TOML if it is, a list or table with bare words if it looks so, otherwise a string.
fn single(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(
            "no value; write one after \"=\", \"\" for an empty text, or ~KEY to remove the key".into()
        );
    }
    let parsed = toml::from_str::<Table>(&format!("v = {text}"))
        .ok()
        .filter(|t| t.len() == 1)
        .and_then(|mut t| t.remove("v"));
    match parsed {
        Some(Value::Datetime(_)) | None => {}
        Some(value) => return if let Some(at) = comment(text) { Err(dropped(text, at)) } else { Ok(value) },
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let mut parts = split_commas(inner);
        // `[a, b,]` has two entries, as in TOML.
        if parts.len() > 1 && parts.last().is_some_and(|p| p.trim().is_empty()) {
            parts.pop();
        }
        return parts.into_iter().map(single).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        return pairs(inner).map(Value::Table);
    }
    if let Some(open) = text.chars().next().filter(|c| "[{".contains(*c)) {
        return Err(format!(
            "the bracket \"{open}\" is not closed (put quotes around the whole override if it has spaces)"
        ));
    }
    // `.1` and `1.` are numbers to everyone but TOML; `008` may mean anything.
    let digits = text.trim_start_matches(['+', '-']);
    let octal = digits.len() > 1 && digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit());
    if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && !octal
        && let Ok(x) = text.parse::<f64>()
    {
        return Ok(Value::Float(x));
    }
    Ok(Value::from(text))
}

/// The inside of a table whose words need no quotes.
fn pairs(inner: &str) -> Result<Table, String> {
    let mut table = Table::new();
    for part in split_commas(inner) {
        let (key, value) = part
            .split_once([':', '='])
            .ok_or_else(|| format!("\"{}\" is no key=value inside {{ }}", part.trim()))?;
        let key = key.trim().trim_matches('"');
        check_path(key)?;
        if table.insert(key.to_owned(), single(value)?).is_some() {
            return Err(format!("\"{key}\" is given twice inside {{ }}; leave one out"));
        }
    }
    Ok(table)
}

/// Where a comment of TOML begins, outside quotes.
fn comment(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => return Some(i),
            _ => {}
        }
    }
    None
}

fn dropped(text: &str, at: usize) -> String {
    let (kept, rest) = text.split_at(at);
    let kept = kept.trim();
    format!(
        "\"{rest}\" would be dropped as a comment; write {kept} alone, or \"{text}\" in quotes for a text with \"#\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &str, value: Value) -> Change {
        Change::Set { path: path.into(), value, fresh: false }
    }

    #[test]
    fn values_get_their_types() {
        assert_eq!(parse("optimizer.lr=0.1"), Ok(set("optimizer.lr", Value::Float(0.1))));
        assert_eq!(parse("optimizer.lr=.5"), Ok(set("optimizer.lr", Value::Float(0.5))));
        assert_eq!(parse("seed=3"), Ok(set("seed", Value::Integer(3))));
        assert_eq!(parse("network.bias=false"), Ok(set("network.bias", Value::Boolean(false))));
        assert_eq!(parse("rule=fa"), Ok(set("rule.name", Value::from("fa"))));
        assert_eq!(parse("train.checkpoint=1 epoch"), Ok(set("train.checkpoint", Value::from("1 epoch"))));
        let widths = Value::Array(vec![Value::Integer(784), Value::Integer(10)]);
        assert_eq!(parse("network.widths=[784,10]"), Ok(set("network.widths", widths)));
        let table = Value::Table(Table::from_iter([("name".to_owned(), Value::from("cosine"))]));
        assert_eq!(parse("init.feedback.x={name: cosine}"), Ok(set("init.feedback.x", table)));
    }

    #[test]
    fn lists_and_ranges_are_axes() {
        let axis = |path: &str, values: &[i64]| Change::Axis {
            path: path.into(),
            values: values.iter().map(|i| Value::Integer(*i)).collect(),
        };
        assert_eq!(parse("seed=range(0,3)"), Ok(axis("seed", &[0, 1, 2])));
        assert_eq!(parse("seed=0..2"), Ok(axis("seed", &[0, 1])));
        assert_eq!(parse("seed=5,7"), Ok(axis("seed", &[5, 7])));
        let words =
            Change::Axis { path: "rule.name".into(), values: vec![Value::from("bp"), Value::from("fa")] };
        assert_eq!(parse("rule=bp,fa"), Ok(words.clone()));
        assert_eq!(parse("grid.rule.name=[bp,fa]"), Ok(words));
    }

    /// A table is the whole section, a word is its name.
    #[test]
    fn tables_take_the_place_of_sections() {
        let table = |text: &str| Value::Table(text.parse().unwrap());
        for (text, path, value) in [
            ("data={name=cifar100,classes=3}", "data", table("name='cifar100'\nclasses=3")),
            ("network={model: lenet}", "network", table("model='lenet'")),
            (
                "data={name=image_folder,path=my/pictures}",
                "data",
                table("name='image_folder'\npath='my/pictures'"),
            ),
            ("data=glyphs", "data.name", Value::from("glyphs")),
        ] {
            assert_eq!(parse(text), Ok(set(path, value)), "{text}");
        }
        let values = vec![table("name='glyphs'"), Value::from("digits")];
        let axis = Change::Axis { path: "data".into(), values };
        assert_eq!(parse("data={name=glyphs},digits"), Ok(axis.clone()));
        assert_eq!(parse("grid.data=[{name=glyphs}, digits]"), Ok(axis));
    }

    #[test]
    fn adding_and_removing() {
        assert_eq!(
            parse("+a.b=1"),
            Ok(Change::Set { path: "a.b".into(), value: Value::Integer(1), fresh: true })
        );
        assert_eq!(parse("++a.b=1"), Ok(set("a.b", Value::Integer(1))));
        assert_eq!(parse("~a.b"), Ok(Change::Remove { path: "a.b".into(), strict: true, only: None }));
        let only = Some(Value::Integer(3));
        assert_eq!(parse("~a.b=3"), Ok(Change::Remove { path: "a.b".into(), strict: true, only }));
        assert!(parse("nonsense").is_err());
        assert!(parse("=3").is_err());
        assert!(parse("a..b=3").is_err());
    }

    /// A part that TOML would drop or that would win in silence is refused; the same signs where nothing is lost are not.
    #[test]
    fn nothing_is_dropped() {
        for (text, word) in [
            ("optimizer.lr=0.1#0.01", "write 0.1 alone"),
            ("optimizer.lr=0.1 # fast", "write 0.1 alone"),
            ("optimizer.lr=0.1,0.2#0.3", "write 0.2 alone"),
            ("network.widths=[784, 10] # small", "comment"),
            ("a=\"x\"#y", "comment"),
            ("a={b=1,b=2}", "\"b\" is given twice"),
            ("a={b=x,b=y}", "\"b\" is given twice"),
            ("a=1\nb=2", "one line"),
            ("a=1\n", ""),
            ("a=1\rb=2", "one line"),
            ("a=", "no value"),
            ("a=1,", "write 1 alone"),
            ("a=1,,2", "no value"),
            ("a=[1,2", "not closed"),
            ("a={b", "not closed"),
            ("a={b}", "no key=value"),
            ("optimizer.lr", "write optimizer.lr=VALUE"),
            ("optimizer.lr:0.1", "write optimizer.lr=0.1"),
            ("\"optimizer.lr\"=1", "write optimizer.lr without quotes"),
        ] {
            match parse(text) {
                Err(message) => assert!(!word.is_empty() && message.contains(word), "{text}: {message}"),
                Ok(change) => assert!(word.is_empty(), "{text}: {change:?}"),
            }
        }
        for (text, value) in [
            ("p=a#b", Value::from("a#b")),
            ("p=\"a#b\"", Value::from("a#b")),
            ("p=\"a\\\"#b\"", Value::from("a\"#b")),
            ("p='#'", Value::from("#")),
            ("p=[a#b, c]", Value::Array(vec![Value::from("a#b"), Value::from("c")])),
            ("p=008", Value::from("008")),
            ("p=-08", Value::from("-08")),
            ("p=0", Value::Integer(0)),
            ("p=00.5", Value::Float(0.5)),
            ("p=1_000", Value::Integer(1000)),
            ("p=0x10", Value::Integer(16)),
            ("p=2024-01-02", Value::from("2024-01-02")),
            ("p=\"\"", Value::from("")),
            ("p=[a,b,]", Value::Array(vec![Value::from("a"), Value::from("b")])),
        ] {
            assert_eq!(parse(text), Ok(set("p", value)), "{text}");
        }
    }
}
