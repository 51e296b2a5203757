/*!
Fair tuning (design.md section 7): every rule is tried with the same values on the same seeds, and gets the value with the best mean of the
metric on validation examples over these seeds (and over axes of the grid that have no choice of their own).

* A candidate of which one run diverged is no choice; it stays in the curve with its count.
* Of candidates that are equally good (but for rounding: a mean of shares) the middle one is taken.
* If a best value lies at an end of a geometric axis, the axis grows there by one value, **for all rules** so that their budgets stay equal,
  at most `extend` times at each end. What is still at an end then is chosen with a warning.
* The tuning runs are ordinary runs, in the sweep `tune/` of the folder. The choice and all it was made from are written to `tune.json`, the
  sensitivity curves to `tune/sensitivity.csv`; the same spec does not tune again.

The tuning runs have no test examples ([`Stage::Tuning`]): nothing of them is computed, told or stored. Tuning stops without a choice if a tuning run fails for a reason that is no result.
*/

use super::columns::{Cell, Results};
use super::folder::{write_json, write_shared};
use super::{Crew, Stage, SweepError, make};
use crate::stats;
use crate::store::read_metrics;
use crate::{Choice, LabError, Metric, Observer, RunOptions, RunReport, RunSpec, Spec, Status, Tune};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use toml::Value;

type Values = BTreeMap<String, Value>;

/// One candidate of one rule: a point of its sensitivity curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Registry word of the rule.
    pub rule: String,
    /// The values of the `per` axes.
    pub per: Values,
    /// The values tried.
    pub values: Values,
    /// The metric of every run that came to its end, in the order of the runs.
    pub scores: Vec<f64>,
    /// Runs that diverged.
    pub diverged: usize,
}

impl Trial {
    /// Mean of the metric; `None` if a run diverged.
    pub fn mean(&self) -> Option<f64> {
        let n = self.scores.len();
        (self.diverged == 0 && n > 0).then(|| self.scores.iter().sum::<f64>() / n as f64)
    }
}

/// What one rule got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The values, and the runs they hold for.
    #[serde(flatten)]
    pub choice: Choice,
    /// Mean of the metric.
    pub score: f64,
    /// Keys whose value lies at an end of its axis even after extension, with `"lowest"` or `"highest"`.
    pub edges: BTreeMap<String, String>,
}

/// The outcome of tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Hash of what was asked for.
    asked: String,
    /// What was compared.
    pub metric: Metric,
    /// Seeds of the tuning runs.
    pub seeds: Vec<u64>,
    /// The values tried, extensions included: the same for every rule.
    pub axes: Vec<(String, Vec<Value>)>,
    /// The choice for each rule.
    pub chosen: Vec<Chosen>,
    /// All candidates: the sensitivity curves.
    pub trials: Vec<Trial>,
}

impl Tuned {
    /// The tuned values.
    pub fn choices(&self) -> Vec<Choice> {
        self.chosen.iter().map(|c| c.choice.clone()).collect()
    }

    /// A line for every value that lies at an end of its axis.
    pub fn warnings(&self) -> Vec<String> {
        let lines = self.chosen.iter().flat_map(|c| c.edges.iter().map(move |e| (c, e)));
        lines
            .map(|(c, (key, end))| {
                let (whose, value) = (whose(&c.choice.rule, &c.choice.per), &c.choice.values[key]);
                format!("{whose}: the best {key}, {value}, is the {end} that was tried; widen [tune]")
            })
            .collect()
    }

    /// The sensitivity curves as a table: a row per rule and candidate.
    pub fn curves(&self) -> Results {
        let keys = |get: fn(&Trial) -> &Values| {
            self.trials.first().map_or(vec![], |t| get(t).keys().cloned().collect())
        };
        let (per, tuned): (Vec<String>, Vec<String>) = (keys(|t| &t.per), keys(|t| &t.values));
        let figures = ["metric", "runs", "diverged", "mean", "min", "max", "chosen"].map(str::to_owned);
        let columns = ["rule".to_owned()].into_iter().chain(per).chain(tuned).chain(figures).collect();
        let row = |t: &Trial| {
            let float = |v: Option<f64>| v.map_or(Cell::Empty, Cell::Float);
            let settings = t.per.values().chain(t.values.values()).map(super::collect::cell);
            let chosen = self
                .chosen
                .iter()
                .any(|c| (&c.choice.rule, &c.choice.per, &c.choice.values) == (&t.rule, &t.per, &t.values));
            [Cell::Text(t.rule.clone())]
                .into_iter()
                .chain(settings)
                .chain([
                    Cell::Text(self.metric.name().into()),
                    Cell::Int((t.scores.len() + t.diverged) as i64),
                    Cell::Int(t.diverged as i64),
                    float(t.mean()),
                    float(t.scores.iter().copied().reduce(f64::min)),
                    float(t.scores.iter().copied().reduce(f64::max)),
                    Cell::Bool(chosen),
                ])
                .collect()
        };
        Results { columns, rows: self.trials.iter().map(row).collect() }
    }
}

/// A rule, with its values of the `per` axes if there are any.
pub(crate) fn whose(rule: &str, per: &Values) -> String {
    let per: String = per.iter().map(|(k, v)| format!(" {k}={v}")).collect();
    format!("{rule}{per}")
}

/// What was last chosen in this folder, for whatever spec.
///
/// # Errors
/// If `tune.json` is damaged.
pub fn stored(root: &Path) -> Result<Option<Tuned>, LabError> {
    let path = root.join("tune.json");
    let Ok(text) = fs::read(&path) else { return Ok(None) };
    let tuned = serde_json::from_slice(&text);
    Ok(Some(tuned.map_err(|e| SweepError::Damaged { path, message: e.to_string() })?))
}

/// What an earlier process chose in this folder for this very spec.
///
/// # Errors
/// If `tune.json` is damaged or a run of the spec cannot be made.
pub fn chosen(spec: &Spec, root: &Path) -> Result<Option<Tuned>, LabError> {
    let Some(tune) = spec.tune() else { return Ok(None) };
    let Some(tuned) = stored(root)? else { return Ok(None) };
    Ok((tuned.asked == asked(spec, tune)?).then_some(tuned))
}

/// Hash of all that the choice depends on.
fn asked(spec: &Spec, tune: &Tune) -> Result<String, LabError> {
    let mut hash = Sha256::new();
    for run in spec.tuning_runs(&tune.axes)? {
        hash.update(run.id());
    }
    hash.update(format!("{:?} {} {:?}", tune.metric, tune.extend, tune.per));
    Ok(hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect())
}

/// Makes the tuning runs and chooses; `None` if that was cut short, so that the same call has to go on.
///
/// # Errors
/// If a run fails, or a rule diverges with every value.
pub(super) fn tune(
    spec: &Spec,
    root: &Path,
    options: &RunOptions,
    crew: &Crew,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Result<Option<Tuned>, LabError> {
    let Some(tune) = spec.tune() else { return Ok(None) };
    if let Some(tuned) = chosen(spec, root)? {
        return Ok(Some(tuned));
    }
    // Parts share the tuning runs among themselves: each part needs them all.
    let crew = Crew { shard: None, stage: Stage::Tuning, ..*crew };
    let dir = root.join("tune");
    let mut grids: Vec<Grid> = tune.axes.iter().map(|(key, values)| Grid::new(key, values)).collect();
    let (axes, trials) = loop {
        let axes: Vec<(String, Vec<Value>)> =
            grids.iter().map(|g| (g.key.clone(), g.values.clone())).collect();
        let runs = spec.tuning_runs(&axes)?;
        let ended = make(&dir, &runs, options, &crew, observer, stop)?;
        let Some(reports) = reports(&runs, ended)? else { return Ok(None) };
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let trials = trials(tune, &runs, &reports)?;
        if !grow(&mut grids, &trials, tune) {
            break (axes, trials);
        }
    };
    let mut found = Vec::new();
    for group in groups(&trials) {
        let first = group[0];
        let best = best(&group, tune.metric).ok_or_else(|| SweepError::Tuning {
            message: format!(
                "{} diverged with every value; tune over others",
                whose(&first.rule, &first.per)
            ),
            usage: true,
        })?;
        let edges = grids.iter().filter_map(|g| Some((g.key.clone(), g.end(&best.values[&g.key])?.into())));
        found.push(Chosen {
            choice: Choice { rule: best.rule.clone(), per: best.per.clone(), values: best.values.clone() },
            score: best.mean().unwrap_or(f64::NAN),
            edges: edges.collect(),
        });
    }
    let seeds = tune.seeds.clone();
    let tuned = Tuned { asked: asked(spec, tune)?, metric: tune.metric, seeds, axes, chosen: found, trials };
    write_shared(&dir.join("sensitivity.csv"), tuned.curves().csv().as_bytes())?;
    write_json(&root.join("tune.json"), &tuned)?;
    Ok(Some(tuned))
}

/// All reports, or `None` if a run was not made to its end.
fn reports(runs: &[RunSpec], ended: Vec<super::Ended>) -> Result<Option<Vec<RunReport>>, LabError> {
    let (mut reports, mut failed, mut open) = (Vec::new(), Vec::new(), false);
    for (run, result) in runs.iter().zip(ended) {
        match result {
            Some(Ok(report)) if report.status.is_final() => reports.push(report),
            Some(Err(e)) => failed.push((run, e)),
            _ => open = true,
        }
    }
    if let Some((run, error)) = failed.first() {
        let message = format!(
            "{} of {} tuning runs failed, so no fair choice can be made; first {}: {error}",
            failed.len(),
            runs.len(),
            run.label()
        );
        return Err(SweepError::Tuning { message, usage: error.is_usage() }.into());
    }
    Ok((!open).then_some(reports))
}

fn trials(tune: &Tune, runs: &[RunSpec], reports: &[RunReport]) -> Result<Vec<Trial>, LabError> {
    let mut trials: Vec<Trial> = Vec::new();
    for (run, report) in runs.iter().zip(reports) {
        let of = |keys: &mut dyn Iterator<Item = &String>| -> Values {
            let value = |k: &String| run.axes().iter().find(|a| a.0 == *k).map(|a| (k.clone(), a.1.clone()));
            keys.filter_map(value).collect()
        };
        let (per, values) = (of(&mut tune.per.iter()), of(&mut tune.axes.iter().map(|a| &a.0)));
        let same = |t: &Trial| t.rule == run.rule() && t.per == per && t.values == values;
        let i = trials.iter().position(same).unwrap_or_else(|| {
            trials.push(Trial { rule: run.rule().into(), per, values, scores: vec![], diverged: 0 });
            trials.len() - 1
        });
        match score(tune.metric, report)? {
            Some(score) => trials[i].scores.push(score),
            None => trials[i].diverged += 1,
        }
    }
    Ok(trials)
}

/// The metric of a run, `None` if it diverged.
fn score(metric: Metric, report: &RunReport) -> Result<Option<f64>, LabError> {
    if report.status == Status::Diverged {
        return Ok(None);
    }
    let none = |what: &str| SweepError::Tuning { message: format!("{}: {what}", report.run), usage: true };
    match metric {
        Metric::ValAccuracy => {
            let score =
                report.val_accuracy.ok_or_else(|| none("has no val_accuracy (targets are no classes?)"))?;
            Ok(Some(score))
        }
        Metric::ValLoss => {
            let path = Path::new(&report.run).join("metrics.jsonl");
            let rows = read_metrics(&path)?;
            let is = |r: &&crate::store::Stored| r.name == "loss" && r.split.as_deref() == Some("validation");
            let last = rows.iter().rfind(is).filter(|r| r.step == report.steps);
            let last = last.ok_or_else(|| {
                none("val_loss needs the probe \"accuracy\" on the validation split at the last step")
            })?;
            Ok(last.value)
        }
    }
}

/// The trials of each rule (and `per` value).
fn groups(trials: &[Trial]) -> Vec<Vec<&Trial>> {
    let mut groups: Vec<Vec<&Trial>> = Vec::new();
    for trial in trials {
        match groups.iter_mut().find(|g| (&g[0].rule, &g[0].per) == (&trial.rule, &trial.per)) {
            Some(group) => group.push(trial),
            None => groups.push(vec![trial]),
        }
    }
    groups
}

/// The candidate with the best mean; of equally good ones the middle. `None` if a run of each diverged.
pub(crate) fn best<'a>(group: &[&'a Trial], metric: Metric) -> Option<&'a Trial> {
    let better = |a: f64, b: f64| if metric == Metric::ValLoss { a.min(b) } else { a.max(b) };
    let top = group.iter().filter_map(|t| t.mean()).reduce(better)?;
    let equal: Vec<&&Trial> =
        group.iter().filter(|t| t.mean().is_some_and(|m| stats::equal(m, top))).collect();
    equal.get((equal.len() - 1) / 2).map(|t| **t)
}

/// Lengthens the axes at whose ends best values lie; false if none may grow.
fn grow(grids: &mut [Grid], trials: &[Trial], tune: &Tune) -> bool {
    let mut grown = false;
    for grid in grids {
        let mut ends = [false; 2];
        for group in groups(trials) {
            match best(&group, tune.metric) {
                Some(best) => match grid.end(&best.values[&grid.key]) {
                    Some("lowest") => ends[0] = true,
                    Some(_) => ends[1] = true,
                    None => {}
                },
                // Nothing survives steps that are too long.
                None => ends[0] |= grid.key == "optimizer.lr",
            }
        }
        grown |= (ends[0] && grid.lower(tune.extend)) | (ends[1] && grid.raise(tune.extend));
    }
    grown
}

/// One tuned key, its values, and how far it has grown.
struct Grid {
    key: String,
    values: Vec<Value>,
    ratio: Option<f64>,
    added: [usize; 2],
}

impl Grid {
    fn new(key: &str, values: &[Value]) -> Grid {
        let mut values = values.to_vec();
        let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64));
        // Ascending, so that its ends are its extremes.
        if values.iter().all(|v| number(v).is_some()) {
            values.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
        }
        let floats: Option<Vec<f64>> = values.iter().map(Value::as_float).collect();
        let ratio = floats.filter(|x| x.len() > 1 && x[0] > 0.0).and_then(|x| {
            let ratio = (x[x.len() - 1] / x[0]).powf(1.0 / (x.len() - 1) as f64);
            let even = x.windows(2).all(|w| (w[1] / w[0] / ratio - 1.0).abs() < 1e-3);
            (even && ratio > 1.0).then_some(ratio)
        });
        Grid { key: key.to_owned(), values, ratio, added: [0; 2] }
    }

    /// At which end of the axis a value lies; a single value, or words, have no ends.
    fn end(&self, value: &Value) -> Option<&'static str> {
        let ordered = self.values.len() > 1 && self.values.iter().all(|v| v.is_float() || v.is_integer());
        match value {
            _ if !ordered => None,
            v if self.values.first() == Some(v) => Some("lowest"),
            v if self.values.last() == Some(v) => Some("highest"),
            _ => None,
        }
    }

    fn lower(&mut self, most: usize) -> bool {
        let Some(value) = self.beyond(0, most, |x, r| x / r) else { return false };
        self.values.insert(0, value);
        true
    }

    fn raise(&mut self, most: usize) -> bool {
        let Some(value) = self.beyond(1, most, |x, r| x * r) else { return false };
        self.values.push(value);
        true
    }

    fn beyond(&mut self, end: usize, most: usize, step: impl Fn(f64, f64) -> f64) -> Option<Value> {
        let last = if end == 0 { self.values.first() } else { self.values.last() };
        let next = step(last?.as_float()?, self.ratio?);
        if self.added[end] >= most {
            return None;
        }
        self.added[end] += 1;
        // Six digits, as `logspace` has them.
        format!("{next:.5e}").parse().ok().map(Value::Float)
    }
}
