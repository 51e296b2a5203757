//! `--dry-run`: the runs, where they go and what is there already.

use crate::args::RunArgs;
use crate::output;
use crate::output::table::{Column, table, width};
use realign_lab::sweep::tune;
use realign_lab::{Out, RunSpec, Spec};
use serde_json::{Value, json};
use std::path::Path;

/// Prints the runs of a spec; of one that is not tuned yet, the tuning runs.
pub(super) fn plan(spec: &Spec, out: &Out, args: &RunArgs) -> anyhow::Result<()> {
    let (mut tuning, mut spec) = (Vec::new(), spec.clone());
    if let (Some(tune), Out::Root(root)) = (spec.tune(), out) {
        match tune::chosen(&spec, root)? {
            Some(tuned) => spec = spec.with_choices(&tuned.choices())?,
            None => tuning = spec.tuning_runs(&tune.axes)?,
        }
    }
    let runs = spec.runs();
    let part = args.shard.map_or_else(|| runs.clone(), |s| s.of(&runs));
    if tuning.is_empty() {
        return print(&part, out, "runs", args.json);
    }
    let Out::Root(root) = out else { return Ok(()) };
    print(&tuning, &Out::Root(root.join("tune")), "tuning", args.json)?;
    output::note(&format!("{} runs follow with the values chosen by these", part.len()));
    Ok(())
}

fn print(runs: &[RunSpec], out: &Out, what: &str, as_json: bool) -> anyhow::Result<()> {
    let state = |dir: &Path| realign_lab::store::status(dir).map_or_else(|| json!("new"), |s| json!(s));
    if as_json {
        let value = |spec: &RunSpec| {
            let dir = out.dir(spec);
            json!({ "run": dir, "rule": spec.rule(), "seed": spec.seed(), "label": spec.label(), "status": state(&dir) })
        };
        let list: Vec<Value> = runs.iter().map(value).collect();
        return output::json(&json!({ what: list }));
    }
    let row = |spec: &RunSpec| {
        let dir = out.dir(spec);
        let state = state(&dir).as_str().unwrap_or_default().to_owned();
        let label = if spec.label().is_empty() {
            format!("rule.name={}", spec.rule())
        } else {
            spec.label().to_owned()
        };
        vec![dir.display().to_string(), state, label]
    };
    let columns = [0, 1, 2].map(|rank| Column::words("", rank));
    output::print(&table(&columns, &runs.iter().map(row).collect::<Vec<_>>(), width()))
}
