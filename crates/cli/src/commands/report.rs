//! `realign report DIR`: one page for a folder of runs, or again for what `reproduce` made.

use crate::args::ReportArgs;
use crate::exit::{self, UserError};
use crate::output;
use realign_lab::report::{self, Report};
use realign_lab::reproduce;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Reads the runs and writes the page. Runs that cannot be read are named, and the exit code says that something is missing.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let found = read(&args.dir)?;
    let path = report::write(&found, args.out.as_deref().unwrap_or(&args.dir))?;
    if args.json {
        output::json(
            &json!({ "report": path, "claims": found.claims, "counts": found.counts, "left_out": found.left_out }),
        )?;
    } else {
        output::print(&format!("{}\n", path.display()))?;
    }
    found.warnings.iter().for_each(|w| output::note(&format!("warning: {w}")));
    Ok(if found.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn read(dir: &Path) -> anyhow::Result<Report> {
    if !dir.is_dir() {
        return Err(UserError(format!(
            "{} is no folder: give one that `run` or `reproduce` made",
            dir.display()
        ))
        .into());
    }
    if let Some(plan) = reproduce::stored(dir)? {
        return Ok(reproduce::report(&plan, dir)?);
    }
    let below = dir.join(reproduce::RUNS);
    let found = report::folder(if below.is_dir() { &below } else { dir })?;
    if found.counts.is_empty() && found.left_out.is_empty() {
        return Err(UserError(format!("{} has no run directories", dir.display())).into());
    }
    Ok(found)
}
