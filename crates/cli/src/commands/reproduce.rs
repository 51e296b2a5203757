//! `realign reproduce`: the runs of the paper's experiments, then figures, verdicts and one page.

use super::run::{progress, stop_flag};
use crate::args::ReproduceArgs;
use crate::exit::UserError;
use crate::{exit, output};
use anyhow::Context;
use realign::tensor::Par;
use realign_lab::report::{self, Report, Verdict};
use realign_lab::reproduce::{self, Known, Plan, Profile, Supply};
use realign_lab::sweep::{self, Crew, Ended};
use realign_lab::{Out, RunOptions, RunSpec, Silent, Status};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs what is not there yet and writes the report.
pub(crate) fn reproduce(args: ReproduceArgs) -> anyhow::Result<ExitCode> {
    let profile: Profile = args.profile.parse().map_err(UserError)?;
    let dirs = args.means.dirs();
    let plan = reproduce::plan(profile, &args.only, &Supply::found(&dirs)).map_err(UserError)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("reproduce").join(format!("{}-{profile}", args.paper)));
    if let Some(message) = reproduce::clash(&plan, &out)? {
        return Err(UserError(message).into());
    }
    if let Some(path) = &args.known {
        // A file that the user names is the user's to mend.
        Known::read(path).map_err(|e| UserError(e.to_string()))?;
        Known::keep(path, &out)?;
    }
    let runs = plan.to_make(&Known::of(&out)?);
    let threads = args.means.threads();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads")?;
    if !args.quiet {
        announce(&plan, runs.len(), &out);
    }
    reproduce::store(&plan, &out)?;
    let root = out.join(reproduce::RUNS);
    let options = RunOptions {
        out: Out::Root(root.clone()),
        dirs,
        par: Par::threads(threads),
        command_line: std::env::args().collect(),
    };
    let stop = stop_flag()?;
    let crew = Crew::new(threads);
    let results = if runs.is_empty() {
        // Everything is known: there is no sweep to make, and no folder of runs to collect.
        Vec::new()
    } else if args.quiet {
        sweep::make(&root, &runs, &options, &crew, &mut Silent, &stop)?
    } else {
        let mut shown = progress::Progress::of(plan.first_uses());
        sweep::make(&root, &runs, &options, &crew, &mut shown, &stop)?
    };
    finish(&args, &plan, &out, &runs, results)
}

fn announce(plan: &Plan, to_make: usize, out: &Path) {
    let ids: Vec<&str> = plan.experiments.iter().map(|e| e.id).collect();
    output::note(&format!("{}: {to_make} runs, profile {}", ids.join(", "), plan.profile));
    let known = plan.runs().len() - to_make;
    if known > 0 {
        output::note(&format!("{known} further runs are known by their ends and not made again"));
    }
    for source in plan.sources() {
        output::note(&if plan.supply.has(source) {
            format!("{} found", source.words)
        } else {
            format!(
                "{} NOT FOUND: {} stand in for it; get it with `realign data fetch {}`",
                source.words, source.stand_in_words, source.name
            )
        });
    }
    if to_make > 0 {
        output::note(&format!("runs go to {}", out.join(reproduce::RUNS).display()));
    }
}

fn finish(
    args: &ReproduceArgs,
    plan: &Plan,
    out: &Path,
    runs: &[RunSpec],
    results: Vec<Ended>,
) -> anyhow::Result<ExitCode> {
    let (mut stopped, mut worst, mut told) = (false, None, Vec::new());
    for (spec, result) in runs.iter().zip(results) {
        match result {
            None => stopped = true,
            Some(Ok(report)) => stopped |= report.status == Status::Stopped,
            Some(Err(error)) => {
                let text = error.to_string();
                let error = anyhow::Error::new(error);
                worst = worst.or_else(|| Some(exit::of(&error)));
                if !told.contains(&text) {
                    output::complain(&error.context(format!("run {}", spec.folder())));
                    told.push(text);
                }
            }
        }
    }
    if stopped && worst.is_none() {
        output::note("stopped; run the same command again to resume");
        return Ok(ExitCode::from(exit::STOPPED));
    }
    let found = reproduce::report(plan, out)?;
    let page = report::write(&found, out)?;
    if args.json {
        output::json(
            &json!({ "report": page, "profile": args.profile, "data": plan.supply.words(), "stand_in": !plan.stand_ins().is_empty(),
            "claims": found.claims, "counts": found.counts, "troubles": found.troubles }),
        )?;
    } else if args.quiet {
        output::print(&format!("{}\n", page.display()))?;
    } else {
        output::print(&text(&found, &page))?;
    }
    Ok(worst.unwrap_or(ExitCode::SUCCESS))
}

/// Verdicts as a person reads them.
fn text(found: &Report, page: &Path) -> String {
    let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    let mut rows = vec![["verdict".to_owned(), "claim".into(), "expected".into(), "measured".into()]];
    for c in &found.claims {
        if c.verdict == Verdict::NotRun {
            continue;
        }
        let mean = c.measured.and_then(|e| e.mean);
        let tiny = mean.filter(|m| *m != 0.0 && m.abs() < 1e-3).map(|m| format!("{m:.1e}"));
        let interval = c.measured.and_then(|e| e.interval);
        let interval = interval.map(|(a, b)| format!(" [{a:.4}, {b:.4}]")).unwrap_or_default();
        rows.push([
            c.verdict.word().to_owned(),
            c.id.clone(),
            c.expected.clone(),
            tiny.unwrap_or_else(|| number(mean)) + &interval,
        ]);
    }
    let mut text = output::columns(&rows);
    let not_run = found.with(Verdict::NotRun);
    if not_run > 0 {
        text += &format!("{not_run} further claims: NOT RUN\n");
    }
    found.warnings.iter().for_each(|w| text += &format!("\n{w}\n"));
    text += &format!("\nadafa is our reconstruction, not the paper's adaFA.\n{}\n", page.display());
    text
}
