/*!
`results.csv` and `results.parquet`: one tidy row per run of a sweep, none left out.

Columns, in this order: `id`, `folder`, `rule`, `seed`, `status`, `error`; every setting that differs between runs (axes of the
grid, and what a rule's own values or tuning changed) and `data.name`, which tells a stand-in from the data set; `steps`, `epochs` and the figures of
the summary, layers as `weight_angle.0` from the input up; the last value of every measured series that is not of single units ([`series`] says under
which name); `seconds`. All but `seconds` is the same however often the sweep was interrupted. Types of the Parquet columns do not depend on what is in them.
*/

use super::columns::{Cell, Kind, Results};
use super::folder::{Folder, Listed, write_shared};
use super::status::{Standing, State, status};
use crate::settings::flatten;
use crate::store::{self, RunReport, Stored, read_metrics};
use crate::{LabError, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use toml::{Table, Value};

/// One run with all that is known of it.
struct Known {
    standing: Standing,
    settings: BTreeMap<String, Value>,
    report: Option<RunReport>,
    last: BTreeMap<String, f64>,
}

/// What [`collect`] found.
#[derive(Debug)]
pub struct Collected {
    /// What is in the files.
    pub results: Results,
    /// Runs that have ended and have a damaged file, with that file and the place in it: their rows have no figures.
    pub damaged: Vec<Standing>,
}

/// Reads every run of the sweep, writes `results.csv` and `results.parquet`, and returns what is in them.
///
/// # Errors
/// If the folder holds no sweep, or the results cannot be written.
pub fn collect(root: &Path) -> Result<Collected, LabError> {
    let runs: Vec<Known> = status(root)?.runs.into_iter().map(|s| known(root, s)).collect();
    let (results, kinds) = table(&runs);
    write_shared(&root.join("results.csv"), results.csv().as_bytes())?;
    write_parquet(&root.join("results.parquet"), &results, &kinds)?;
    let damaged = runs.into_iter().map(|r| r.standing).filter(|s| s.status == State::Damaged).collect();
    Ok(Collected { results, damaged })
}

fn write_parquet(path: &Path, results: &Results, kinds: &[Kind]) -> Result<(), StoreError> {
    let bytes = results.parquet(kinds).map_err(|e| StoreError::io("pack", path)(io::Error::other(e)))?;
    write_shared(path, &bytes)
}

/// Writes `metrics.parquet` for the sweep: every row of every run with the run's id, rule, seed and axes; of a run whose rows are damaged none.
///
/// # Errors
/// As [`collect`].
pub fn long(root: &Path) -> Result<usize, LabError> {
    let runs = Folder(root.to_path_buf()).runs()?;
    let axes: BTreeSet<&String> = runs.iter().flat_map(|r| r.axes.keys()).collect();
    let axes: Vec<&String> =
        axes.into_iter().filter(|k| !["rule.name", "seed"].contains(&k.as_str())).collect();
    // An axis over the name of the experiment must not be taken for what was measured.
    let named = |k: &String| if k == "name" { "experiment".to_owned() } else { k.clone() };
    let head = ["id", "rule", "seed"].map(str::to_owned).into_iter().chain(axes.iter().map(|k| named(k)));
    let tail = ["step", "epoch", "probe", "name", "split", "layer", "unit", "value"].map(str::to_owned);
    let mut results = Results { columns: head.chain(tail).collect(), rows: Vec::new() };
    let values = |run: &Listed| axes.iter().map(|k| run.axes.get(*k).map_or(Cell::Empty, cell)).collect();
    let all: Vec<Vec<Cell>> = runs.iter().map(values).collect();
    for (run, values) in runs.iter().zip(&all) {
        let head = [Cell::Text(run.id.clone()), Cell::Text(run.rule.clone()), Cell::Int(run.seed as i64)];
        let head: Vec<Cell> = head.into_iter().chain(values.iter().cloned()).collect();
        for row in read_metrics(&root.join(&run.folder).join("metrics.jsonl")).unwrap_or_default() {
            results.rows.push(head.iter().cloned().chain(measured(row)).collect());
        }
    }
    let mut kinds = vec![Kind::Text, Kind::Text, Kind::Int];
    kinds.extend((0..axes.len()).map(|i| Kind::of(all.iter().map(|values| &values[i]))));
    kinds.extend([
        Kind::Int,
        Kind::Float,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Int,
        Kind::Int,
        Kind::Float,
    ]);
    write_parquet(&root.join("metrics.parquet"), &results, &kinds)?;
    Ok(results.rows.len())
}

fn measured(row: Stored) -> [Cell; 8] {
    let count = |n: Option<usize>| n.map_or(Cell::Empty, |n| Cell::Int(n as i64));
    [
        Cell::Int(row.step as i64),
        Cell::Float(row.epoch),
        Cell::Text(row.probe),
        Cell::Text(row.name),
        row.split.map_or(Cell::Empty, Cell::Text),
        count(row.layer),
        count(row.unit),
        number(row.value),
    ]
}

fn known(root: &Path, mut standing: Standing) -> Known {
    let dir = root.join(&standing.run.folder);
    let mut settings = standing.run.axes.clone();
    let path = dir.join("spec.toml");
    let table = std::fs::read_to_string(&path).ok().map(|text| text.parse::<Table>());
    let mut damage = None;
    match table {
        Some(Ok(table)) => settings.extend(flatten(&table)),
        Some(Err(e)) => damage = Some(format!("{}: {}", path.display(), e.message())),
        None => {}
    }
    let mut report = store::finished(&dir);
    let mut last = BTreeMap::new();
    if report.is_some() {
        match read_metrics(&dir.join("metrics.jsonl")) {
            Ok(rows) => last = ends(rows),
            Err(e) => damage = Some(e.to_string()),
        }
    }
    if let Some(damage) = damage {
        (standing.status, standing.error) = (State::Damaged, Some(damage));
        (report, last) = (None, BTreeMap::new());
    }
    Known { standing, settings, report, last }
}

/// Last value of every series that is not of single units.
fn ends(rows: Vec<Stored>) -> BTreeMap<String, f64> {
    let mut last = BTreeMap::new();
    for row in rows.into_iter().filter(|r| r.unit.is_none()) {
        let name = series(&row.probe, &row.name, row.split.as_deref(), row.layer);
        match row.value {
            Some(v) => drop(last.insert(name, v)),
            // What was measured last is not a number: an older one would hide it.
            None => drop(last.remove(&name)),
        }
    }
    last
}

/// The column of a measured series: `probe.name.split.layer`, without the parts it does not have, and without the name where that is the probe's own
/// (`accuracy.test`, `accuracy.loss.test`, `effective_rank.0`, `weight_angle.angle.0`).
pub fn series(probe: &str, name: &str, split: Option<&str>, layer: Option<usize>) -> String {
    let layer = layer.map(|l| l.to_string());
    let parts = [Some(probe), Some(name).filter(|n| *n != probe), split, layer.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// Keys whose values differ between runs that have a spec, all axes of the grid, and the data set.
fn settings(runs: &[Known]) -> Vec<String> {
    let data = "data.name".to_owned();
    let mut keys: BTreeSet<&String> = runs.iter().flat_map(|r| r.standing.run.axes.keys()).collect();
    let with_spec: Vec<&Known> = runs.iter().filter(|r| r.settings.contains_key("name")).collect();
    if let Some(first) = with_spec.first() {
        let all: BTreeSet<&String> = with_spec.iter().flat_map(|r| r.settings.keys()).collect();
        keys.extend(
            all.into_iter()
                .filter(|k| with_spec.iter().any(|r| r.settings.get(*k) != first.settings.get(*k))),
        );
    }
    if !with_spec.is_empty() {
        keys.insert(&data);
    }
    keys.into_iter().filter(|k| !["rule.name", "seed"].contains(&k.as_str())).cloned().collect()
}

fn table(runs: &[Known]) -> (Results, Vec<Kind>) {
    let settings = settings(runs);
    let layers = |get: fn(&RunReport) -> usize| {
        runs.iter().filter_map(|r| r.report.as_ref().map(get)).max().unwrap_or(0)
    };
    let weight = layers(|r| r.weight_angle.len());
    let update = layers(|r| r.update_angle.len());
    let measured: BTreeSet<&String> = runs.iter().flat_map(|r| r.last.keys()).collect();
    let row = |run: &Known| {
        let Listed { id, folder, rule, seed, .. } = run.standing.run.clone();
        let mut row = vec![Cell::Text(id), Cell::Text(folder), Cell::Text(rule), Cell::Int(seed as i64)];
        row.push(Cell::Text(run.standing.status.name().into()));
        row.push(run.standing.error.clone().map_or(Cell::Empty, Cell::Text));
        row.extend(settings.iter().map(|k| run.settings.get(k).map_or(Cell::Empty, cell)));
        row.extend(figures(run.report.as_ref(), weight, update));
        row.extend(measured.iter().map(|s| number(run.last.get(*s).copied())));
        row.push(number(run.report.as_ref().map(|r| r.seconds)));
        row
    };
    let rows: Vec<Vec<Cell>> = runs.iter().map(row).collect();
    let head = ["id", "folder", "rule", "seed", "status", "error"];
    let mut columns: Vec<(String, Kind)> = head
        .iter()
        .map(|name| ((*name).to_owned(), if *name == "seed" { Kind::Int } else { Kind::Text }))
        .collect();
    let kind = |i: usize| Kind::of(rows.iter().map(|row| &row[head.len() + i]));
    columns.extend(settings.iter().enumerate().map(|(i, k)| (k.clone(), kind(i))));
    columns.push(("steps".into(), Kind::Int));
    let plain = ["epochs", "train_loss", "train_accuracy", "val_accuracy", "test_loss", "test_accuracy"];
    let figures = plain.iter().map(|w| (*w).to_owned());
    let angles = |what: &'static str, n: usize| (0..n).map(move |l| format!("{what}.{l}"));
    let figures = figures.chain(angles("weight_angle", weight)).chain(angles("update_angle", update));
    let figures = figures.chain(measured.iter().map(|s| (*s).clone())).chain(["seconds".to_owned()]);
    columns.extend(figures.map(|name| (name, Kind::Float)));
    let (columns, kinds) = columns.into_iter().unzip();
    (Results { columns, rows }, kinds)
}

fn figures(report: Option<&RunReport>, weight: usize, update: usize) -> Vec<Cell> {
    let Some(r) = report else { return vec![Cell::Empty; 7 + weight + update] };
    let mut cells = vec![Cell::Int(r.steps as i64), Cell::Float(r.epochs)];
    let plain = [r.train_loss, r.train_accuracy, r.val_accuracy, r.test_loss, r.test_accuracy];
    cells.extend(plain.map(number));
    let angles = |list: &[Option<f64>], n: usize| {
        (0..n).map(|l| number(list.get(l).copied().flatten())).collect::<Vec<_>>()
    };
    cells.extend(angles(&r.weight_angle, weight));
    cells.extend(angles(&r.update_angle, update));
    cells
}

fn number(value: Option<f64>) -> Cell {
    value.filter(|v| v.is_finite()).map_or(Cell::Empty, Cell::Float)
}

/// A value of a spec as a cell.
pub(super) fn cell(value: &Value) -> Cell {
    match value {
        Value::String(s) => Cell::Text(s.clone()),
        Value::Integer(i) => Cell::Int(*i),
        Value::Float(x) => Cell::Float(*x),
        Value::Boolean(b) => Cell::Bool(*b),
        other => Cell::Text(other.to_string()),
    }
}
