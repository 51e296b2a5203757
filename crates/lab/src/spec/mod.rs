/*!
A spec: one TOML file, overridden from the command line, expanded into runs.

Who wins when a key is given more than once, strongest first: the command line (single values and axes alike), an axis
of `[grid]`, `[per_rule.<rule>]` for runs of that rule, the sections of the file, defaults. A single value on the
command line removes the grid axis of the same key. Every run's table is resolved, which checks each key and fills in each default;
a run's id is the first 10 hex digits of the SHA-256 of that text, so equal runs have equal ids whatever file
they came from.
*/

mod grid;
mod overrides;
mod places;
mod resolve;
mod setup;

pub use places::{Place, SpecError};

use overrides::Change;
use places::{Places, assign, leaves, lookup, remove};
use realign::registry::suggest;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;
use toml::{Table, Value};

/// A whole experiment: the runs of one file and its overrides.
#[derive(Clone, Debug)]
pub struct Spec {
    name: String,
    runs: Vec<RunSpec>,
}

/// One run: a resolved spec without a grid.
#[derive(Clone, Debug)]
pub struct RunSpec {
    table: Table,
    text: String,
    id: String,
    label: String,
    overrides: Vec<String>,
    places: Places,
}

impl Spec {
    /// Reads a spec file, applies overrides and expands the grid. Every run is checked before any can start.
    ///
    /// # Errors
    /// With file, line and key (or the override) for anything that cannot be used.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Spec, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|e| SpecError {
            file: path.to_path_buf(),
            place: Place::File,
            key: String::new(),
            value: None,
            message: format!("cannot read the spec: {e}"),
        })?;
        Spec::parse(&text, path, overrides)
    }

    /// As [`Spec::load`], from a text; `file` only appears in messages.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Spec, SpecError> {
        let (mut tree, mut places) = Places::read(text, file)?;
        let mut axes = take_axes(&mut tree, &places)?;
        let mut command_line = Vec::new();
        for text in overrides {
            apply(text, &mut tree, &mut places, &mut axes, &mut command_line)?;
        }
        let per_rule = take_per_rule(&mut tree, &places)?;
        let sizes: Vec<usize> = axes.iter().map(|a| a.values.len()).collect();
        let tuples = grid::product(&sizes).map_err(|m| places.error("grid", m))?;
        let fixed = |key: &str| {
            let covers = |k: &str| key == k || key.strip_prefix(k).is_some_and(|rest| rest.starts_with('.'));
            command_line.iter().any(|k| covers(k)) || axes.iter().any(|a| covers(&a.path))
        };
        let (mut runs, mut seen) = (Vec::new(), HashSet::new());
        for tuple in tuples {
            let (mut tree, mut places) = (tree.clone(), places.clone());
            let mut label = Vec::new();
            for (axis, &i) in axes.iter().zip(&tuple) {
                let value = axis.values[i].clone();
                label.push(format!("{}={}", axis.path, shown(&value)));
                places.set(&axis.path, axis.place.clone());
                assign(&mut tree, &axis.path, value).map_err(|m| places.error(&axis.path, m))?;
            }
            let rule = rule_name(&tree).unwrap_or_default().to_owned();
            for (_, key, value, place) in per_rule.iter().filter(|r| r.0 == rule && !fixed(&r.1)) {
                places.set(key, place.clone());
                assign(&mut tree, key, value.clone()).map_err(|m| places.error(key, m))?;
            }
            let run = RunSpec::new(&tree, places, label.join(" "), overrides)?;
            // The same run twice is one run.
            if seen.insert(run.id.clone()) {
                runs.push(run);
            }
        }
        let name = runs.first().map(|r| r.name().to_owned()).unwrap_or_default();
        Ok(Spec { name, runs })
    }

    /// Name of the experiment.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The runs, grid expanded, the last axis fastest; at least one.
    pub fn runs(&self) -> Vec<RunSpec> {
        self.runs.clone()
    }
}

impl RunSpec {
    fn new(tree: &Table, places: Places, label: String, overrides: &[String]) -> Result<RunSpec, SpecError> {
        let table = resolve::resolve(tree, &places).map_err(|mut e| {
            // `activation = "rellu"` is short for a table; the key to name is the one that was written.
            if let Some((above, "name")) = e.key.rsplit_once('.')
                && lookup(tree, above).is_some_and(Value::is_str)
            {
                e.key = above.to_owned();
            }
            e.value = lookup(tree, &e.key).filter(|v| !v.is_table()).map(|v| v.to_string().into());
            e
        })?;
        let text = toml::to_string(&table).map_err(|e| places.error("", e.to_string()))?;
        let id = Sha256::digest(text.as_bytes()).iter().take(5).map(|b| format!("{b:02x}")).collect();
        Ok(RunSpec { table, text, id, label, overrides: overrides.to_vec(), places })
    }

    /// First 10 hex digits of the SHA-256 of the resolved spec.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The resolved spec: every default filled in, keys in alphabetical order, no grid.
    pub fn to_toml(&self) -> &str {
        &self.text
    }

    /// Name of the experiment.
    pub fn name(&self) -> &str {
        self.table["name"].as_str().unwrap_or_default()
    }

    /// The values of this run's grid axes, as `rule.name=fa seed=0`; empty without a grid.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Registry word of the rule.
    pub fn rule(&self) -> &str {
        rule_name(&self.table).unwrap_or_default()
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.table["seed"].as_integer().and_then(|i| u64::try_from(i).ok()).unwrap_or(0)
    }

    /// The value at a dotted key of the resolved spec.
    pub fn get(&self, key: &str) -> Option<&Value> {
        lookup(&self.table, key)
    }

    /// The overrides it was loaded with, as given.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// `<name>-<id>`: the run's folder in a folder of runs.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.name(), self.id)
    }
}

struct Axis {
    path: String,
    values: Vec<Value>,
    place: Place,
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rule_name(tree: &Table) -> Option<&str> {
    match tree.get("rule")? {
        Value::String(s) => Some(s),
        Value::Table(t) => t.get("name")?.as_str(),
        _ => None,
    }
}

fn table_at(tree: &mut Table, key: &str, places: &Places) -> Result<Table, SpecError> {
    match tree.remove(key) {
        None => Ok(Table::new()),
        Some(Value::Table(t)) => Ok(t),
        Some(other) => Err(places.error(key, format!("expected a table, got {}", other.type_str()))),
    }
}

/// The axes of `[grid]` in the order written.
fn take_axes(tree: &mut Table, places: &Places) -> Result<Vec<Axis>, SpecError> {
    let mut found = Vec::new();
    leaves(&table_at(tree, "grid", places)?, "", &mut found);
    found.sort_by_key(|(path, _)| places.order(&format!("grid.{path}")));
    let axis = |(path, value): (String, Value)| {
        let key = format!("grid.{path}");
        let values = grid::axis(&value).map_err(|m| places.error(&key, m))?;
        can_vary(&path).map_err(|m| places.error(&key, m))?;
        Ok(Axis { path: overrides::full_name(&path), values, place: places.at(&key) })
    };
    found.into_iter().map(axis).collect()
}

/// Refuses an axis of something that no run has.
fn can_vary(path: &str) -> Result<(), String> {
    let top = path.split('.').next().unwrap_or_default();
    if ["grid", "per_rule"].contains(&top) {
        return Err(format!(
            "\"{top}\" cannot vary over a grid; write the axis as grid.KEY=[a,b] or KEY=a,b"
        ));
    }
    let known = resolve::TOP.contains(&top);
    if known { Ok(()) } else { Err(format!("unknown key \"{top}\"{}", suggest(top, resolve::TOP))) }
}

type ForRule = (String, String, Value, Place);

/// `[per_rule.<rule>]` as (rule, key, value, place).
fn take_per_rule(tree: &mut Table, places: &Places) -> Result<Vec<ForRule>, SpecError> {
    let known: Vec<&str> = realign::rules::RULES.iter().map(|e| e.name).collect();
    let mut out = Vec::new();
    for (rule, value) in table_at(tree, "per_rule", places)? {
        let key = format!("per_rule.{rule}");
        if !known.contains(&rule.as_str()) {
            return Err(places.error(&key, format!("unknown rule \"{rule}\"{}", suggest(&rule, &known))));
        }
        let Value::Table(table) = value else {
            return Err(places.error(&key, "expected a table of keys, like \"optimizer.lr\" = 0.1"));
        };
        let mut found = Vec::new();
        leaves(&table, "", &mut found);
        for (path, value) in found {
            let full = format!("{key}.{path}");
            let top = path.split('.').next().unwrap_or_default();
            if !resolve::TOP.contains(&top)
                || ["grid", "per_rule", "name", "rule.name"].contains(&top)
                || path == "rule.name"
            {
                return Err(places.error(
                    &full,
                    format!("unknown or unusable key \"{path}\"{}", suggest(top, resolve::TOP)),
                ));
            }
            out.push((rule.clone(), path, value, places.at(&full)));
        }
    }
    Ok(out)
}

/// Applies one override to the tree or the grid and notes its key as the user's word.
fn apply(
    text: &str,
    tree: &mut Table,
    places: &mut Places,
    axes: &mut Vec<Axis>,
    said: &mut Vec<String>,
) -> Result<(), SpecError> {
    let place = Place::Override(text.into());
    let key_of =
        |text: &str| text.trim_start_matches(['+', '~']).split('=').next().unwrap_or_default().to_owned();
    let wrong = |places: &Places, key: &str, message: String| SpecError {
        place: place.clone(),
        ..places.error(key, message)
    };
    match overrides::parse(text).map_err(|m| wrong(places, &key_of(text), m))? {
        Change::Set { path, .. } if path == "grid" => {
            return Err(wrong(places, &path, "set its axes one by one: grid.KEY=[a,b] or KEY=a,b".into()));
        }
        Change::Set { path, value, fresh } => {
            if fresh && lookup(tree, &path).is_some() {
                return Err(wrong(
                    places,
                    &path,
                    "is there already; leave out the \"+\" to change it".into(),
                ));
            }
            axes.retain(|a| a.path != path);
            assign(tree, &path, value).map_err(|m| wrong(places, &path, m))?;
            places.set(&path, place.clone());
            said.push(path);
        }
        Change::Axis { path, values } => {
            can_vary(&path).map_err(|m| wrong(places, &path, m))?;
            if values.is_empty() {
                return Err(wrong(places, &path, "an empty list makes no runs".into()));
            }
            let axis = Axis { path: path.clone(), values, place: place.clone() };
            match axes.iter_mut().find(|a| a.path == path) {
                Some(old) => *old = axis,
                None => axes.push(axis),
            }
            said.push(path);
        }
        Change::Remove { path, strict, only } => {
            if let (Some(only), Some(there)) = (only, lookup(tree, &path))
                && only != *there
            {
                let message = format!("is {there}, not {only}, so it is not removed");
                return Err(wrong(places, &path, message));
            }
            let axis = path.strip_prefix("grid.").map_or_else(|| path.clone(), overrides::full_name);
            let before = axes.len();
            axes.retain(|a| a.path != axis && path != "grid");
            if !remove(tree, &path) && strict && axes.len() == before {
                return Err(wrong(places, &path, "there is no such key to remove".into()));
            }
            said.push(path);
        }
    }
    Ok(())
}
