//! `realign sweep status|retry|collect DIR`: looks after a sweep from outside, from its files alone.

use crate::args::SweepCommand;
use crate::output;
use realign_lab::sweep::{self, Listed, Standing, State};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Does what was asked for.
pub(crate) fn sweep(command: SweepCommand) -> anyhow::Result<()> {
    match command {
        SweepCommand::Status { dir, json } => status(&dir, json),
        SweepCommand::Retry { dir, json } => retry(&dir, json),
        SweepCommand::Collect { dir, metrics, json } => collect(&dir, metrics, json),
    }
}

fn status(dir: &Path, as_json: bool) -> anyhow::Result<()> {
    let summary = sweep::status(dir)?;
    if as_json {
        return output::json(&summary);
    }
    let row = |s: &Standing| {
        let word = s.status.name().to_owned();
        let more = s.error.clone().or_else(|| s.worker.clone()).unwrap_or_default();
        [s.run.folder.clone(), word, name(&s.run).to_owned(), more.replace('\n', " ")]
    };
    output::print(&output::columns(&summary.runs.iter().map(row).collect::<Vec<_>>()))?;
    output::print(&format!("{} runs: {}\n", summary.runs.len(), counts(&summary.counts)))
}

fn name(run: &Listed) -> &str {
    if run.label.is_empty() { &run.rule } else { &run.label }
}

fn counts(counts: &BTreeMap<State, usize>) -> String {
    counts.iter().map(|(state, n)| format!("{n} {}", state.name())).collect::<Vec<_>>().join(", ")
}

fn retry(dir: &Path, as_json: bool) -> anyhow::Result<()> {
    let again = sweep::retry(dir)?;
    if as_json {
        return output::json(&json!({ "retry": again }));
    }
    let lines: String = again.iter().map(|r| format!("{}  {}\n", r.folder, name(r))).collect();
    output::print(&format!("{lines}{} failed runs can be made again\n", again.len()))
}

fn collect(dir: &Path, metrics: bool, as_json: bool) -> anyhow::Result<()> {
    let results = sweep::collect(dir)?;
    let long = metrics.then(|| sweep::long(dir)).transpose()?;
    let path = |name: &str| dir.join(name).display().to_string();
    if as_json {
        let (csv, parquet) = (path("results.csv"), path("results.parquet"));
        let metrics = long.map(|rows| json!({ "parquet": path("metrics.parquet"), "rows": rows }));
        return output::json(
            &json!({ "csv": csv, "parquet": parquet, "rows": results.rows.len(), "columns": results.columns, "metrics": metrics }),
        );
    }
    let (rows, columns) = (results.rows.len(), results.columns.len());
    output::print(&format!(
        "{}: {rows} runs, {columns} columns\n{}: the same\n",
        path("results.csv"),
        path("results.parquet")
    ))?;
    long.map_or(Ok(()), |rows| output::print(&format!("{}: {rows} rows\n", path("metrics.parquet"))))
}
