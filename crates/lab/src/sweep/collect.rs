/*!
`results.csv` and `results.parquet`: one tidy row per run of a sweep, none left out.

Columns, in this order: `id`, `folder`, `rule`, `seed`, `status`, `error`; every setting that differs between runs (axes of the
grid, and what a rule's own values or tuning changed) and `data.name`, which tells a stand-in from the data set; `steps`, `epochs` and the figures of the summary, layers as `weight_angle.0`
from the input up; the last value of every measured series that is not of single units, as `name.split.layer`; `seconds`. All but `seconds`
is the same however often the sweep was interrupted.
*/

use super::columns::{Cell, Results};
use super::folder::{Folder, Listed, write_shared};
use super::status::{Standing, status};
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

/// Reads every run of the sweep, writes `results.csv` and `results.parquet`, and returns what is in them.
///
/// # Errors
/// If the folder holds no sweep, a run's files are damaged, or the results cannot be written.
pub fn collect(root: &Path) -> Result<Results, LabError> {
    let runs = status(root)?.runs.into_iter().map(|s| known(root, s)).collect::<Result<Vec<_>, _>>()?;
    let results = table(&runs);
    write_shared(&root.join("results.csv"), results.csv().as_bytes())?;
    write_parquet(&root.join("results.parquet"), &results)?;
    Ok(results)
}

fn write_parquet(path: &Path, results: &Results) -> Result<(), StoreError> {
    let bytes = results.parquet().map_err(|e| StoreError::io("pack", path)(io::Error::other(e)))?;
    write_shared(path, &bytes)
}

/// Writes `metrics.parquet` for the sweep: every row of every run with the run's id, rule, seed and axes.
///
/// # Errors
/// As [`collect`].
pub fn long(root: &Path) -> Result<usize, LabError> {
    let runs = Folder(root.to_path_buf()).runs()?;
    let axes: BTreeSet<&String> = runs.iter().flat_map(|r| r.axes.keys()).collect();
    let axes: Vec<&String> =
        axes.into_iter().filter(|k| !["rule.name", "seed"].contains(&k.as_str())).collect();
    let head = ["id", "rule", "seed"].map(str::to_owned).into_iter().chain(axes.iter().map(|k| (*k).clone()));
    let tail = ["step", "epoch", "probe", "name", "split", "layer", "unit", "value"].map(str::to_owned);
    let mut results = Results { columns: head.chain(tail).collect(), rows: Vec::new() };
    for run in &runs {
        let head = [Cell::Text(run.id.clone()), Cell::Text(run.rule.clone()), Cell::Int(run.seed as i64)];
        let values = axes.iter().map(|k| run.axes.get(*k).map_or(Cell::Empty, cell));
        let head: Vec<Cell> = head.into_iter().chain(values).collect();
        for row in read_metrics(&root.join(&run.folder).join("metrics.jsonl"))? {
            results.rows.push(head.iter().cloned().chain(measured(row)).collect());
        }
    }
    write_parquet(&root.join("metrics.parquet"), &results)?;
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

fn known(root: &Path, standing: Standing) -> Result<Known, LabError> {
    let dir = root.join(&standing.run.folder);
    let mut settings = standing.run.axes.clone();
    if let Ok(text) = std::fs::read_to_string(dir.join("spec.toml"))
        && let Ok(table) = text.parse::<Table>()
    {
        flatten(&Value::Table(table), "", &mut settings);
    }
    let report = store::finished(&dir);
    let mut last = BTreeMap::new();
    if report.is_some() {
        for row in read_metrics(&dir.join("metrics.jsonl"))?.into_iter().filter(|r| r.unit.is_none()) {
            let parts = [Some(row.name), row.split, row.layer.map(|l| l.to_string())];
            let name = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
            match row.value {
                Some(v) => drop(last.insert(name, v)),
                // What was measured last is not a number: an older one would hide it.
                None => drop(last.remove(&name)),
            }
        }
    }
    Ok(Known { standing, settings, report, last })
}

/// Plain values and lists of a spec with dotted keys.
pub(super) fn flatten(value: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, &path, out);
            }
        }
        // Probes change what is looked at, not what happens.
        _ if path == "probes" => {}
        other => drop(out.insert(path.to_owned(), other.clone())),
    }
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

fn table(runs: &[Known]) -> Results {
    let settings = settings(runs);
    let layers = |get: fn(&RunReport) -> usize| {
        runs.iter().filter_map(|r| r.report.as_ref().map(get)).max().unwrap_or(0)
    };
    let weight = layers(|r| r.weight_angle.len());
    let update = layers(|r| r.update_angle.len());
    let series: BTreeSet<&String> = runs.iter().flat_map(|r| r.last.keys()).collect();
    let series: Vec<&String> = series.into_iter().collect();
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let mut columns = words(&["id", "folder", "rule", "seed", "status", "error"]);
    columns.extend(settings.iter().cloned());
    columns.extend(words(&[
        "steps",
        "epochs",
        "train_loss",
        "train_accuracy",
        "val_accuracy",
        "test_loss",
        "test_accuracy",
    ]));
    columns.extend((0..weight).map(|l| format!("weight_angle.{l}")));
    columns.extend((0..update).map(|l| format!("update_angle.{l}")));
    // A probe may measure what the summary has too; the name says that it is the probe's.
    let taken: BTreeSet<String> = columns.iter().cloned().collect();
    columns
        .extend(series.iter().map(|s| if taken.contains(*s) { format!("last.{s}") } else { (*s).clone() }));
    columns.push("seconds".into());
    let row = |run: &Known| {
        let Listed { id, folder, rule, seed, .. } = run.standing.run.clone();
        let mut row = vec![Cell::Text(id), Cell::Text(folder), Cell::Text(rule), Cell::Int(seed as i64)];
        row.push(Cell::Text(run.standing.status.name().into()));
        row.push(run.standing.error.clone().map_or(Cell::Empty, Cell::Text));
        row.extend(settings.iter().map(|k| run.settings.get(k).map_or(Cell::Empty, cell)));
        row.extend(figures(run.report.as_ref(), weight, update));
        row.extend(series.iter().map(|s| number(run.last.get(*s).copied())));
        row.push(number(run.report.as_ref().map(|r| r.seconds)));
        row
    };
    Results { rows: runs.iter().map(row).collect(), columns }
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
