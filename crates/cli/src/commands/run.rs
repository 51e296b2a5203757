//! `realign run SPEC.toml`: one run or every run of a grid, with progress on stderr and the outcome on stdout.

pub(super) mod progress;
mod table;

use crate::args::RunArgs;
use crate::{exit, output};
use anyhow::Context;
use realign::tensor::Par;
use realign_data::Dirs;
use realign_lab::{LabError, Out, RunOptions, RunReport, RunSpec, Silent, Spec, Status};
use serde::Serialize;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    let runs = Spec::load(&args.spec, &args.overrides)?.runs();
    let threads = args.threads.map_or_else(usual_threads, |n| n as usize);
    let options = RunOptions {
        out: Out::choose(args.out, runs.len()),
        dirs: Dirs { data_dir: args.data_dir },
        par: Par::threads(threads),
        command_line: std::env::args().collect(),
    };
    if args.dry_run {
        return plan(&runs, &options.out, args.json).map(|()| ExitCode::SUCCESS);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads")?;
    let stop = stop_flag()?;
    let mut shown = progress::Progress::new(runs.len());
    let mut silent = Silent;

    if let [spec] = &runs[..] {
        let report = if args.quiet {
            realign_lab::run(spec, &options, &mut silent, &stop)
        } else {
            realign_lab::run(spec, &options, &mut shown, &stop)
        };
        drop(shown);
        let report = report?;
        if args.json {
            output::print(&(serde_json::to_string(&report)? + "\n"))?;
        } else {
            output::print(&table::single(spec, &report))?;
        }
        return Ok(code(report.status == Status::Stopped));
    }

    let results = if args.quiet {
        realign_lab::run_all(&runs, &options, threads, &mut silent, &stop)
    } else {
        realign_lab::run_all(&runs, &options, threads, &mut shown, &stop)
    };
    drop(shown);
    finish(&runs, results, &options.out, args.json)
}

/// Prints what came of a grid: the table or object first, then each different error once.
fn finish(
    runs: &[RunSpec],
    results: Vec<Option<Result<RunReport, LabError>>>,
    out: &Out,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (mut reports, mut errors, mut stopped) = (Vec::new(), Vec::new(), false);
    for (spec, result) in runs.iter().zip(results) {
        match result {
            None => stopped = true,
            Some(Ok(report)) => {
                stopped |= report.status == Status::Stopped;
                reports.push((spec, report));
            }
            Some(Err(error)) => errors.push((spec, error)),
        }
    }
    if json {
        let labelled = |(spec, report)| label(spec, report);
        let done: Vec<Labelled<'_>> = reports.iter().map(|(s, r)| labelled((*s, r))).collect();
        let failed: Vec<_> = errors
            .iter()
            .map(|(s, e)| json!({ "run": out.dir(s), "label": s.label(), "error": e.to_string() }))
            .collect();
        let text = if failed.is_empty() {
            serde_json::to_string(&json!({ "runs": done }))?
        } else {
            serde_json::to_string(&json!({ "runs": done, "failed": failed }))?
        };
        output::print(&(text + "\n"))?;
    } else if !reports.is_empty() {
        output::print(&table::grid(&reports))?;
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
    Ok(worst.unwrap_or_else(|| code(stopped)))
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

/// `--dry-run`: the runs, where they go and what is there already.
fn plan(runs: &[RunSpec], out: &Out, as_json: bool) -> anyhow::Result<()> {
    let state =
        |dir: &std::path::Path| realign_lab::store::status(dir).map_or_else(|| json!("new"), |s| json!(s));
    if as_json {
        let value = |spec: &RunSpec| {
            let dir = out.dir(spec);
            json!({ "run": dir, "rule": spec.rule(), "seed": spec.seed(), "label": spec.label(), "status": state(&dir) })
        };
        return output::json(&json!({ "runs": runs.iter().map(value).collect::<Vec<_>>() }));
    }
    let row = |spec: &RunSpec| {
        let dir = out.dir(spec);
        let state = state(&dir).as_str().unwrap_or_default().to_owned();
        let label = if spec.label().is_empty() {
            format!("rule.name={}", spec.rule())
        } else {
            spec.label().to_owned()
        };
        [dir.display().to_string(), state, label]
    };
    output::print(&output::columns(&runs.iter().map(row).collect::<Vec<_>>()))
}

/// `SLURM_CPUS_PER_TASK`, else all cores.
pub(super) fn usual_threads() -> usize {
    let slurm = std::env::var("SLURM_CPUS_PER_TASK").ok().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    slurm.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
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
