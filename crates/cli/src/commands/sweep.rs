//! `realign sweep status|retry|collect DIR`: looks after a sweep from outside, from its files alone.

use crate::args::SweepCommand;
use crate::exit;
use crate::output;
use crate::output::table::{Column, table, width};
use realign_lab::sweep::{self, Collected, Listed, Standing, State};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Does what was asked for.
pub(crate) fn sweep(command: SweepCommand) -> anyhow::Result<ExitCode> {
    match command {
        SweepCommand::Status { dir, json } => status(&dir, json).map(|()| ExitCode::SUCCESS),
        SweepCommand::Retry { dir, json } => retry(&dir, json).map(|()| ExitCode::SUCCESS),
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
        vec![s.run.folder.clone(), word, name(&s.run).to_owned(), more.replace('\n', " ")]
    };
    let columns = [0, 1, 2, 3].map(|rank| Column::words("", rank));
    output::print(&table(&columns, &summary.runs.iter().map(row).collect::<Vec<_>>(), width()))?;
    output::print(&format!("{} runs: {}\n", summary.runs.len(), counts(&summary.counts)))
}

/// Names runs that cannot be read; the exit code says that something is missing.
pub(super) fn tell_damaged(damaged: &[Standing]) -> ExitCode {
    for run in damaged {
        let why = run.error.as_deref().unwrap_or_default();
        output::note(&format!(
            "warning: 1 run left out: {}: {why}; to make it again, remove its folder and give the same `realign run`",
            run.run.folder
        ));
    }
    if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) }
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

fn collect(dir: &Path, metrics: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let Collected { results, damaged } = sweep::collect(dir)?;
    let long = metrics.then(|| sweep::long(dir)).transpose()?;
    let path = |name: &str| dir.join(name).display().to_string();
    if as_json {
        let (csv, parquet) = (path("results.csv"), path("results.parquet"));
        let metrics = long.map(|rows| json!({ "parquet": path("metrics.parquet"), "rows": rows }));
        output::json(
            &json!({ "csv": csv, "parquet": parquet, "rows": results.rows.len(), "columns": results.columns, "metrics": metrics, "damaged": damaged }),
        )?;
        return Ok(tell_damaged(&damaged));
    }
    let (rows, columns) = (results.rows.len(), results.columns.len());
    output::print(&format!(
        "{}: {rows} runs, {columns} columns\n{}: the same\n",
        path("results.csv"),
        path("results.parquet")
    ))?;
    if let Some(rows) = long {
        output::print(&format!("{}: {rows} rows\n", path("metrics.parquet")))?;
    }
    Ok(tell_damaged(&damaged))
}
