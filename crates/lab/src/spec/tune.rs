/*!
`[tune]`: what is tuned, on which seeds, by what.

```toml
[tune]
"optimizer.lr" = "logspace(0.001, 1, 7)"   # any key; several make a product
seeds = "100..102"                          # none of them may be a seed of the spec's own runs
metric = "val_accuracy"                     # or "val_loss"
extend = 2                                  # at most so many further values at each end of a geometric grid
per = ["network.widths"]                    # axes of the grid with a choice of their own for each value; the rule always is
```

It only says what is wanted; `sweep::tune` makes the runs and chooses.
*/

use super::draft::{Axis, Draft, covers};
use super::overrides::Change;
use super::places::{Places, leaves};
use super::{Place, RunSpec, SpecError, grid, keys, overrides, resolve};
use realign::registry::suggest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Words of `[tune]` that are no keys of a run.
const WORDS: [&str; 4] = ["seeds", "metric", "extend", "per"];

/// Further values at each end if `extend` is not given.
const EXTEND: usize = 2;

/// What is compared: always measured on the validation split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of the validation split classified correctly; the most is best.
    ValAccuracy,
    /// Mean loss over the validation split, as the last row of the probe `accuracy` has it; the least is best.
    ValLoss,
}

impl Metric {
    /// The word in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Metric::ValAccuracy => "val_accuracy",
            Metric::ValLoss => "val_loss",
        }
    }
}

/// A checked `[tune]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tune {
    /// Keys and the values to try, in the order written.
    pub axes: Vec<(String, Vec<Value>)>,
    /// Seeds of the tuning runs.
    pub seeds: Vec<u64>,
    /// What is compared.
    pub metric: Metric,
    /// At most so many further values at each end of a geometric axis.
    pub extend: usize,
    /// Axes of the grid with a choice of their own for each value.
    pub per: Vec<String>,
}

/// The values chosen for runs of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Registry word of the rule.
    pub rule: String,
    /// The values of the `per` axes it holds for.
    pub per: BTreeMap<String, Value>,
    /// The chosen value of every tuned key.
    pub values: BTreeMap<String, Value>,
}

impl Choice {
    /// Whether it holds for a run of this rule with these values of the grid's axes.
    pub(super) fn is_for(&self, rule: &str, axes: &[(String, Value)]) -> bool {
        let has = |(key, value): (&String, &Value)| axes.iter().any(|(k, v)| k == key && v == value);
        self.rule == rule && self.per.iter().all(has)
    }
}

/// What is written in `[tune]` and in overrides of it, not checked yet.
pub(super) struct Entries(Vec<(String, Value, Place)>);

impl Entries {
    pub(super) fn take(table: Table, places: &Places) -> Entries {
        let mut found = Vec::new();
        leaves(&table, "", &mut found);
        found.sort_by_key(|(path, _)| places.order(&format!("tune.{path}")));
        let at = |path: &str| places.at(&format!("tune.{path}"));
        Entries(found.into_iter().map(|(path, value)| (path.clone(), value, at(&path))).collect())
    }

    /// Takes an override of `[tune]` for itself and hands back any other.
    pub(super) fn amend(&mut self, change: Change, place: &Place) -> Option<Change> {
        let (path, value) = match &change {
            Change::Set { path, value, .. } => (path, Some(value.clone())),
            Change::Axis { path, values } => (path, Some(Value::Array(values.clone()))),
            Change::Remove { path, .. } => (path, None),
        };
        if path == "tune" && value.is_none() {
            self.0.clear();
            return None;
        }
        let Some(key) = path.strip_prefix("tune.") else { return Some(change) };
        let key = overrides::full_name(key, &[]);
        match (self.0.iter_mut().find(|e| e.0 == key), value) {
            (Some(old), Some(value)) => (old.1, old.2) = (value, place.clone()),
            (None, Some(value)) => self.0.push((key, value, place.clone())),
            (_, None) => self.0.retain(|e| e.0 != key),
        }
        None
    }
}

impl Tune {
    /// Checks what was written; `None` if there is nothing to tune, also where the command line gives every tuned key.
    pub(super) fn parse(entries: Entries, draft: &Draft) -> Result<Option<Tune>, SpecError> {
        let mut tune =
            Tune { axes: vec![], seeds: vec![], metric: Metric::ValAccuracy, extend: EXTEND, per: vec![] };
        let (mut any, mut last) = (false, Place::File);
        for (key, value, place) in entries.0 {
            last = place.clone();
            let wrong = |message: String| SpecError {
                place: place.clone(),
                value: Some(value.to_string().into()),
                ..draft.places.error(&format!("tune.{key}"), message)
            };
            match key.as_str() {
                "seeds" => tune.seeds = seeds(&value).map_err(wrong)?,
                "metric" => tune.metric = metric(&value).map_err(wrong)?,
                "extend" => {
                    keys::find(keys::TUNE, "extend")
                        .allowed
                        .check("extend", &value)
                        .map_err(|e| wrong(e.message))?;
                    tune.extend = value.as_integer().unwrap_or(0) as usize;
                }
                "per" => tune.per = per(&value, draft).map_err(wrong)?,
                key => {
                    any = true;
                    let values = axis(key, &value, draft).map_err(wrong)?;
                    if !draft.said.iter().any(|k| covers(k, key)) {
                        tune.axes.push((key.to_owned(), values));
                    }
                }
            }
        }
        if tune.axes.is_empty() {
            // Without any key the other words would silently do nothing.
            let idle = !any && last != Place::File;
            let message =
                "nothing to tune: give a key and its values, like \"optimizer.lr\" = \"logspace(0.001,1,7)\"";
            return if idle {
                Err(SpecError { place: last, ..draft.places.error("tune", message) })
            } else {
                Ok(None)
            };
        }
        if tune.seeds.is_empty() {
            let message = "missing: seeds of the tuning runs, like \"100..102\"; none of them may be a seed of the spec's own runs";
            return Err(draft.places.error("tune.seeds", message));
        }
        Ok(Some(tune))
    }
}

fn metric(value: &Value) -> Result<Metric, String> {
    match value.as_str() {
        Some(test) if test.starts_with("test") => {
            Err("tuning on test examples would spoil them; use \"val_accuracy\" or \"val_loss\"".into())
        }
        word => {
            keys::find(keys::TUNE, "metric").allowed.check("metric", value).map_err(|e| e.message)?;
            Ok(if word == Some("val_loss") { Metric::ValLoss } else { Metric::ValAccuracy })
        }
    }
}

fn seeds(value: &Value) -> Result<Vec<u64>, String> {
    let values = match value {
        Value::Integer(_) => vec![value.clone()],
        other => grid::axis(other)?,
    };
    let seed = |v: &Value| v.as_integer().and_then(|i| u64::try_from(i).ok());
    let seeds: Option<BTreeSet<u64>> = values.iter().map(seed).collect();
    seeds.map(|s| s.into_iter().collect()).ok_or_else(|| "expected integers of at least 0".into())
}

fn per(value: &Value, draft: &Draft) -> Result<Vec<String>, String> {
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let axes: Vec<&str> =
        draft.axes.iter().map(|a| a.path.as_str()).filter(|p| !["seed", "rule.name"].contains(p)).collect();
    let one = |v: &Value| match v.as_str() {
        Some("rule" | "rule.name") => Err("the rule always has its own choice; leave it out".to_owned()),
        Some(key) if axes.contains(&key) => Ok(key.to_owned()),
        Some(key) => Err(format!(
            "\"{key}\" is no axis of the grid that could have its own choice{}",
            suggest(key, &axes)
        )),
        None => Err("expected a list of axes of the grid".into()),
    };
    list.iter().map(one).collect()
}

fn axis(key: &str, value: &Value, draft: &Draft) -> Result<Vec<Value>, String> {
    let top = key.split('.').next().unwrap_or_default();
    if !resolve::TOP.contains(&top) {
        let known: Vec<&str> = WORDS.iter().chain(resolve::TOP).copied().collect();
        return Err(format!("unknown key \"{key}\"{}", suggest(top, &known)));
    }
    if ["grid", "per_rule", "tune", "name", "seed", "data"].contains(&top)
        || ["rule", "rule.name"].contains(&key)
    {
        return Err(format!("\"{key}\" cannot be tuned: it is not a setting of a rule"));
    }
    if draft.axes.iter().any(|a| covers(&a.path, key) || covers(key, &a.path))
        && !draft.said.iter().any(|k| covers(k, key))
    {
        return Err(format!("\"{key}\" is an axis of the grid as well; it is either tuned or compared"));
    }
    let values = grid::axis(value)?;
    // 1 and 1.0 are the same rate.
    let whole = |v: &Value| match v {
        Value::Integer(i) if values.iter().any(Value::is_float) => Value::Float(*i as f64),
        other => other.clone(),
    };
    Ok(values.iter().map(whole).collect())
}

impl Draft {
    /// What only the expanded runs can tell: validation examples are there, tuning seeds are others, seeds are paired.
    pub(super) fn check_tuning(&self, runs: &[RunSpec]) -> Result<(), SpecError> {
        let Some(tune) = &self.tune else { return Ok(()) };
        if let Some(run) =
            runs.iter().find(|r| r.get("data.validation").and_then(Value::as_integer).unwrap_or(0) < 1)
        {
            let whose =
                if run.label().is_empty() { String::new() } else { format!(" (run {})", run.label()) };
            let message = format!(
                "[tune] selects on validation examples and there are none{whose}: set data.validation"
            );
            return Err(self.places.error("data.validation", message));
        }
        if let Some(run) = runs.iter().find(|r| tune.seeds.contains(&r.seed())) {
            let message =
                format!("seed {} is a seed of the spec's own runs too; tune on other seeds", run.seed());
            return Err(self.places.error("tune.seeds", message));
        }
        let mut seeds: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for run in runs {
            seeds.entry(run.rule()).or_default().insert(run.seed());
        }
        let mut each = seeds.iter();
        let first = each.next();
        if let Some((rule, _)) = each.find(|(_, s)| first.is_some_and(|f| f.1 != *s)) {
            let message = format!("rules are compared on the same seeds, but those of \"{rule}\" are others");
            return Err(self.places.error(&format!("per_rule.{rule}.seed"), message));
        }
        Ok(())
    }

    pub(super) fn tuning(&self, axes: &[(String, Vec<Value>)]) -> Result<Vec<RunSpec>, SpecError> {
        let seeds = self.tune.iter().flat_map(|t| &t.seeds).map(|s| Value::Integer(*s as i64)).collect();
        let at = |key: &str| self.places.at(&format!("tune.{key}"));
        let tuned = axes.iter().map(|(path, values)| Axis {
            path: path.clone(),
            values: values.clone(),
            place: at(path),
        });
        let seeds = Axis { path: "seed".into(), values: seeds, place: at("seeds") };
        self.expand(&tuned.chain([seeds]).collect::<Vec<_>>(), &[])
    }
}
