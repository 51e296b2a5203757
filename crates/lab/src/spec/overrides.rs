/*!
Overrides in Hydra's spelling (hydra.cc, "override grammar"), as far as a spec needs it.

`key=value` sets, `+key=value` adds a key that must not be there, `++key=value` sets either way, `~key` removes, `~key=value`
removes if that is its value. A comma list (`rule.name=bp,fa`), `range(0,5)` (end excluded, optional step), `0..5` and `logspace(a,b,n)` make a grid
axis. The name of a section alone stands for its name: `rule=fa` is `rule.name=fa`; a table takes the place of the whole section, whatever
the file has in it: `data={name=cifar100,classes=10}`. `key=null` is `~key`.
*/

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

/// Understands one override, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Change, String> {
    if let Some(rest) = text.strip_prefix('~') {
        let (path, only) =
            rest.split_once('=').map_or((rest, None), |(path, value)| (path, Some(single(value))));
        let path = path.trim();
        return check_path(path).map(|()| Change::Remove { path: path.to_owned(), strict: true, only });
    }
    let (key, value) = text.split_once('=').ok_or("expected key=value, +key=value or ~key")?;
    let (key, fresh) = match (key.strip_prefix("++"), key.strip_prefix('+')) {
        (Some(k), _) => (k, false),
        (None, Some(k)) => (k, true),
        (None, None) => (key, false),
    };
    let key = key.trim();
    check_path(key)?;
    if let Some(axis) = key.strip_prefix("grid.") {
        let values = axis_values(value)?.unwrap_or_else(|| match single(value) {
            Value::Array(a) => a,
            one => vec![one],
        });
        return Ok(Change::Axis { path: full_name(axis, &values), values });
    }
    if let Some(values) = axis_values(value)? {
        return Ok(Change::Axis { path: full_name(key, &values), values });
    }
    if value.trim() == "null" {
        return Ok(Change::Remove { path: full_name(key, &[]), strict: false, only: None });
    }
    let value = single(value);
    Ok(Change::Set { path: full_name(key, std::slice::from_ref(&value)), value, fresh })
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

fn check_path(path: &str) -> Result<(), String> {
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
    Ok((parts.len() > 1).then(|| parts.into_iter().map(single).collect()))
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
fn single(text: &str) -> Value {
    let text = text.trim();
    let parsed = toml::from_str::<Table>(&format!("v = {text}"))
        .ok()
        .filter(|t| t.len() == 1)
        .and_then(|mut t| t.remove("v"));
    match parsed {
        Some(Value::Datetime(_)) | None => {}
        Some(value) => return value,
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Value::Array(split_commas(inner).into_iter().map(single).collect());
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        let pair = |p: &str| {
            p.split_once([':', '=']).map(|(k, v)| (k.trim().trim_matches('"').to_owned(), single(v)))
        };
        if let Some(pairs) = split_commas(inner).into_iter().map(pair).collect::<Option<Vec<_>>>() {
            return Value::Table(pairs.into_iter().collect());
        }
    }
    // `.1` and `1.` are numbers to everyone but TOML.
    if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && let Ok(x) = text.parse::<f64>()
    {
        return Value::Float(x);
    }
    Value::from(text)
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
}
