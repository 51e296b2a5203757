//! A spec as written: sections, axes, values for single rules and overrides taken apart, ready to be expanded into runs.

use super::overrides::{self, Change};
use super::places::{Places, assign, leaves, lookup, remove};
use super::tune::{self, Choice, Tune};
use super::{Place, RunSpec, SpecError, grid, resolve, rule_name};
use realign::registry::suggest;
use std::collections::HashSet;
use std::path::Path;
use toml::{Table, Value};

/// A spec before its grid is expanded.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    tree: Table,
    pub(super) places: Places,
    pub(super) axes: Vec<Axis>,
    per_rule: Vec<ForRule>,
    pub(super) said: Vec<String>,
    overrides: Vec<String>,
    pub(super) tune: Option<Tune>,
}

/// One axis of the grid.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) path: String,
    pub(super) values: Vec<Value>,
    pub(super) place: Place,
}

impl Draft {
    pub(super) fn parse(text: &str, file: &Path, given: &[String]) -> Result<Draft, SpecError> {
        let (mut tree, mut places) = Places::read(text, file)?;
        let mut axes = take_axes(&mut tree, &places)?;
        let mut tuned = tune::Entries::take(table_at(&mut tree, "tune", &places)?, &places);
        let mut said = Vec::new();
        let mut seen = Vec::new();
        for text in given {
            once(text, &mut seen, &places)?;
            apply(text, &mut tree, &mut places, &mut axes, &mut tuned, &mut said)?;
        }
        let per_rule = take_per_rule(&mut tree, &places)?;
        let mut draft = Draft { tree, places, axes, per_rule, said, overrides: given.to_vec(), tune: None };
        draft.tune = Tune::parse(tuned, &draft)?;
        Ok(draft)
    }

    /// The same without `[tune]`.
    pub(super) fn untuned(&self) -> Draft {
        Draft { tune: None, ..self.clone() }
    }

    /// The runs, the last axis fastest, with `extra` axes in place of those of the same key or after them.
    pub(super) fn expand(&self, extra: &[Axis], choices: &[Choice]) -> Result<Vec<RunSpec>, SpecError> {
        let mut axes = self.axes.clone();
        for axis in extra {
            match axes.iter_mut().find(|a| a.path == axis.path) {
                Some(old) => *old = axis.clone(),
                None => axes.push(axis.clone()),
            }
        }
        let sizes: Vec<usize> = axes.iter().map(|a| a.values.len()).collect();
        let tuples = grid::product(&sizes).map_err(|m| self.places.error("grid", m))?;
        let (mut runs, mut seen) = (Vec::new(), HashSet::new());
        for tuple in tuples {
            let run = self.one(&axes, &tuple, choices)?;
            // The same run twice is one run.
            if seen.insert(run.id().to_owned()) {
                runs.push(run);
            }
        }
        Ok(runs)
    }

    fn one(&self, axes: &[Axis], tuple: &[usize], choices: &[Choice]) -> Result<RunSpec, SpecError> {
        let (mut tree, mut places) = (self.tree.clone(), self.places.clone());
        let mut values = Vec::new();
        for (axis, &i) in axes.iter().zip(tuple) {
            let value = axis.values[i].clone();
            values.push((axis.path.clone(), value.clone()));
            places.set(&axis.path, axis.place.clone());
            assign(&mut tree, &axis.path, value).map_err(|m| places.error(&axis.path, m))?;
        }
        let fixed = |key: &str| self.said.iter().chain(axes.iter().map(|a| &a.path)).any(|k| covers(k, key));
        let rule = rule_name(&tree).unwrap_or_default().to_owned();
        let per_rule = self.per_rule.iter().filter(|r| r.0 == rule);
        let per_rule = per_rule.map(|(_, key, value, place)| (key, value, place.clone()));
        let chosen = choices.iter().filter(|c| c.is_for(&rule, &values)).flat_map(|c| &c.values);
        let chosen = chosen.map(|(key, value)| (key, value, self.places.at(&format!("tune.{key}"))));
        for (key, value, place) in per_rule.chain(chosen).filter(|v| !fixed(v.0)) {
            places.set(key, place);
            assign(&mut tree, key, value.clone()).map_err(|m| places.error(key, m))?;
        }
        RunSpec::new(&tree, places, values, &self.overrides)
    }
}

/// Whether `key` is `k` or something inside it.
pub(super) fn covers(k: &str, key: &str) -> bool {
    key == k || key.strip_prefix(k).is_some_and(|rest| rest.starts_with('.'))
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
        Ok(Axis { path: overrides::full_name(&path, &values), values, place: places.at(&key) })
    };
    found.into_iter().map(axis).collect()
}

/// Refuses an axis of something that no run has.
fn can_vary(path: &str) -> Result<(), String> {
    let top = path.split('.').next().unwrap_or_default();
    if ["grid", "per_rule", "tune"].contains(&top) {
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
                || ["grid", "per_rule", "tune", "name", "rule.name"].contains(&top)
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

/// Refuses an override that takes back an earlier one: which of them is meant, nobody can tell.
fn once<'a>(text: &'a str, seen: &mut Vec<(Change, &'a str)>, places: &Places) -> Result<(), SpecError> {
    // What cannot be understood is told by `apply`.
    let Ok(change) = overrides::parse(text) else { return Ok(()) };
    let undone = |(earlier, by): &&(Change, &str)| {
        *by != text && !matches!(earlier, Change::Remove { .. }) && change.undoes(earlier)
    };
    if let Some((_, earlier)) = seen.iter().find(undone) {
        let message = format!("takes back the override \"{earlier}\" before it; leave one of the two out");
        let place = Place::Override(text.into());
        return Err(SpecError { place, ..places.error(change.path(), message) });
    }
    seen.push((change, text));
    Ok(())
}

/// Applies one override to the tree or the grid and notes its key as the user's word.
fn apply(
    text: &str,
    tree: &mut Table,
    places: &mut Places,
    axes: &mut Vec<Axis>,
    tuned: &mut tune::Entries,
    said: &mut Vec<String>,
) -> Result<(), SpecError> {
    let place = Place::Override(text.into());
    let key_of =
        |text: &str| text.trim_start_matches(['+', '~']).split('=').next().unwrap_or_default().to_owned();
    let wrong = |places: &Places, key: &str, message: String| SpecError {
        place: place.clone(),
        ..places.error(key, message)
    };
    let change = overrides::parse(text).map_err(|m| wrong(places, &key_of(text), m))?;
    let Some(change) = tuned.amend(change, &place) else { return Ok(()) };
    match change {
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
            axes.retain(|a| !covers(&path, &a.path));
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
            // Whole sections leave nothing of an axis inside them.
            axes.retain(|a| a.path == path || !covers(&path, &a.path));
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
            let axis =
                path.strip_prefix("grid.").map_or_else(|| path.clone(), |p| overrides::full_name(p, &[]));
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
