//! `realign run SPEC.toml`: one run or every run of a grid, with progress on stderr and the outcome on stdout.

mod plan;
pub(super) mod progress;
mod sweep_tally;
mod table;

use crate::args::RunArgs;
use crate::exit::{self, UserError};
use crate::output;
use anyhow::Context;
use realign::tensor::Par;
use realign_lab::sweep::tune::Tuned;
use realign_lab::sweep::{Crew, Pace, Stage, Sweep, run_sweep};
use realign_lab::{Observer, Out, RunOptions, RunReport, RunSpec, Silent, Spec, Status};
use serde::Serialize;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A report with what tells it from the others of its grid.
#[derive(Serialize)]
struct Labelled<'a> {
    rule: &'a str,
    seed: u64,
    label: &'a str,
    #[serde(flatten)]
    report: &'a RunReport,
}

/// Runs what the spec describes.
pub(crate) fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let spec = Spec::load(&args.spec, &args.overrides)?;
    let threads = args.means.threads();
    let options = RunOptions {
        out: Out::choose(args.out.clone(), &spec),
        dirs: args.means.dirs(),
        par: Par::threads(threads),
        command_line: std::env::args().collect(),
    };
    if args.dry_run {
        return plan::plan(&spec, &options.out, &args).map(|()| ExitCode::SUCCESS);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads")?;
    let stop = stop_flag()?;
    let mut shown = progress::Progress::new(spec.is_sweep());
    let mut silent = Silent;
    let observer: &mut (dyn Observer + Send) = if args.quiet { &mut silent } else { &mut shown };
    match (&spec.runs()[..], &options.out) {
        ([run], _) if !spec.is_sweep() => {
            let report = realign_lab::run(run, &options, observer, &stop);
            drop(shown);
            single(run, &report?, &args)
        }
        (_, Out::Root(root)) => {
            let stale = Duration::from_secs(args.stale_after.into());
            let pace = Pace { beat: (stale / 5).min(Pace::default().beat), stale };
            let crew = Crew { threads, pace, wait: !args.no_wait, shard: args.shard, stage: Stage::Reported };
            let sweep = run_sweep(&spec, &options, &crew, observer, &stop);
            drop(shown);
            finish(sweep?, root, &args, stop.load(Ordering::Relaxed))
        }
        (_, Out::Dir(dir)) => Err(UserError(format!("{}: a sweep needs a folder", dir.display())).into()),
    }
}

fn single(run: &RunSpec, report: &RunReport, args: &RunArgs) -> anyhow::Result<ExitCode> {
    if args.json {
        output::json_line(report)?;
        report.rise().iter().for_each(|rise| output::note(&format!("warning: {rise}")));
    } else if args.quiet {
        output::print(&format!("{}\n", report.run))?;
    } else {
        output::print(&table::single(run, report))?;
    }
    Ok(code(report.status == Status::Stopped))
}

/// Prints what came of a sweep: the table or object first, then each different error once.
fn finish(sweep: Sweep, root: &Path, args: &RunArgs, stopped: bool) -> anyhow::Result<ExitCode> {
    let (mut reports, mut errors, mut open) = (Vec::new(), Vec::new(), 0);
    for (i, (spec, ended)) in sweep.runs.iter().zip(sweep.ended).enumerate() {
        match ended {
            None => open += usize::from(args.shard.is_none_or(|s| s.has(i))),
            Some(Ok(report)) => reports.push((spec, report)),
            Some(Err(error)) => errors.push((spec, error)),
        }
    }
    let stopped = stopped || reports.iter().any(|(_, r)| r.status == Status::Stopped);
    let warnings = sweep.tuned.as_ref().map_or(vec![], Tuned::warnings);
    if args.json {
        let mut object = json!({ "runs": reports.iter().map(|(s, r)| label(s, r)).collect::<Vec<_>>() });
        if !errors.is_empty() {
            let failed = errors.iter().map(
                |(s, e)| json!({ "run": root.join(s.folder()), "label": s.label(), "error": e.to_string() }),
            );
            object["failed"] = failed.collect();
        }
        if let Some(tuned) = &sweep.tuned {
            object["tuned"] = json!({ "chosen": tuned.chosen, "warnings": warnings });
        }
        output::json_line(&object)?;
    } else if args.quiet {
        output::print(&format!("{}\n", root.display()))?;
    } else {
        output::print(&sweep.tuned.as_ref().map_or(String::new(), table::tuned))?;
        if !reports.is_empty() {
            output::print(&table::grid(&reports))?;
        }
    }
    if !args.quiet {
        warnings.iter().for_each(|w| output::note(&format!("warning: {w}")));
    }
    if args.json {
        tell_rises(&reports);
    }
    let mut told: Vec<String> = Vec::new();
    let mut worst = None;
    for (spec, error) in errors {
        let text = error.to_string();
        let error = anyhow::Error::new(error);
        worst = worst.or_else(|| Some(exit::of(&error)));
        if !told.contains(&text) {
            output::complain(&error.context(format!("run {}", spec.label())));
            told.push(text);
        }
    }
    if open > 0 && !stopped {
        output::note(&format!(
            "{open} runs were not made here; `realign sweep status {}` says more",
            root.display()
        ));
    }
    if sweep.unfinished && !stopped {
        output::note("tuning is not finished: other processes are at work on it; run the same command again");
    }
    let damaged = super::sweep::tell_damaged(&sweep.damaged);
    if worst.is_none() && !sweep.damaged.is_empty() {
        return Ok(damaged);
    }
    Ok(worst.unwrap_or_else(|| code(stopped || (sweep.unfinished && args.no_wait))))
}

/// Says what the table would: the object has no words for it.
fn tell_rises(reports: &[(&RunSpec, RunReport)]) {
    for (spec, rise) in reports.iter().filter_map(|(spec, report)| Some((spec, report.rise()?))) {
        output::note(&format!("warning: run {}: {rise}", spec.label()));
    }
}

fn label<'a>(spec: &'a RunSpec, report: &'a RunReport) -> Labelled<'a> {
    Labelled { rule: spec.rule(), seed: spec.seed(), label: spec.label(), report }
}

fn code(stopped: bool) -> ExitCode {
    if stopped {
        output::note("stopped; run the same command again to resume");
        ExitCode::from(exit::STOPPED)
    } else {
        ExitCode::SUCCESS
    }
}

/// Set by SIGINT, SIGTERM and SIGUSR1 (Slurm's warning before the time limit); a second SIGINT ends at once.
pub(super) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = || {
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stop))?;
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        Ok::<_, std::io::Error>(())
    };
    register().context("cannot listen to signals")?;
    Ok(stop)
}
