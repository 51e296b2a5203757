/*!
Sweeps: the runs of a grid in one folder, made by any number of processes.

[`run_sweep`] is the whole line: tune if the spec asks for it, make the runs, write `results.csv` and `results.parquet`. Everything
it needs to go on after a kill is in the folder (`folder.rs` lists the files); nothing is kept in a server or a database, so the same
folder serves two terminals, a Slurm array and a container that died. `claim.rs` says how processes keep out of each other's
way.

It does not start processes on other machines: that is the scheduler's work.
*/

mod claim;
mod collect;
mod columns;
mod error;
mod folder;
mod labels;
mod shard;
mod status;
pub mod tune;
mod work;

pub use claim::Pace;
pub use collect::{Collected, collect, long, series};
pub use columns::{Cell, Results};
pub use error::SweepError;
pub use folder::Listed;
pub use labels::labels;
pub use shard::Shard;
pub use status::{Standing, State, Summary, retry, status};
pub use work::{Crew, Ended, Stage, work};

use crate::{LabError, Observer, Out, RunOptions, RunSpec, Spec};
use folder::Folder;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tune::Tuned;

/// What came of a sweep.
pub struct Sweep {
    /// Its runs, with tuned values; empty if tuning was stopped before there were any.
    pub runs: Vec<RunSpec>,
    /// What came of each: `None` if it was not started, or is another part's or another process's.
    pub ended: Vec<Ended>,
    /// The tuned values and what they were chosen from.
    pub tuned: Option<Tuned>,
    /// Whether tuning was cut short, by `stop` or because other processes are still at it: the same command goes on.
    pub unfinished: bool,
    /// Runs of the folder that have ended and have a damaged file, with that file and the place in it.
    pub damaged: Vec<Standing>,
}

/// Tunes if the spec asks for it, makes its runs and writes the results of the folder. To be called again after any
/// interruption, and by several processes at once.
///
/// # Errors
/// If the folder cannot be written, or tuning leads to no choice. A failed run is no error of the sweep.
///
/// # Panics
/// If `options.out` is not a folder of runs.
pub fn run_sweep(
    spec: &Spec,
    options: &RunOptions,
    crew: &Crew,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Result<Sweep, LabError> {
    let Out::Root(root) = &options.out else {
        panic!("a sweep needs a folder of runs, not one run's directory")
    };
    let (spec, tuned) = match spec.tune() {
        None => (spec.clone(), None),
        Some(_) => match tune::tune(spec, root, options, crew, observer, stop)? {
            Some(tuned) => (spec.with_choices(&tuned.choices())?, Some(tuned)),
            None => {
                return Ok(Sweep {
                    runs: vec![],
                    ended: vec![],
                    tuned: None,
                    unfinished: true,
                    damaged: vec![],
                });
            }
        },
    };
    let runs = spec.runs();
    let (ended, damaged) = made(root, &runs, options, crew, observer, stop)?;
    Ok(Sweep { runs, ended, tuned, unfinished: false, damaged })
}

/// Lists runs in the manifest of the folder `root`, makes those that are not there and writes the results of the folder: the part of
/// [`run_sweep`] after tuning, for runs that come from several specs. To be called again after any interruption.
///
/// # Errors
/// If the folder cannot be written. A failed run is no error.
pub fn make(
    root: &Path,
    runs: &[RunSpec],
    options: &RunOptions,
    crew: &Crew,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Result<Vec<Ended>, LabError> {
    made(root, runs, options, crew, observer, stop).map(|(ended, _)| ended)
}

/// As [`make`], with the damaged runs of the folder.
fn made(
    root: &Path,
    runs: &[RunSpec],
    options: &RunOptions,
    crew: &Crew,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Result<(Vec<Ended>, Vec<Standing>), LabError> {
    let folder = Folder(root.to_path_buf());
    folder.list(runs)?;
    let options = RunOptions { out: Out::Root(root.to_path_buf()), ..options.clone() };
    match crew.shard {
        Some(shard) => observer.begins(&shard.of(runs), crew.stage),
        None => observer.begins(runs, crew.stage),
    }
    let ended = work(runs, &options, crew, observer, stop);
    // On a full disk the errors of the runs are what is to be told; the results are written by the next attempt.
    let full = ended.iter().flatten().any(|e| e.as_ref().is_err_and(work::full));
    if !stop.load(Ordering::Relaxed) && !full {
        // The folder may have been deleted in the meantime.
        folder.list(runs)?;
        return Ok((ended, collect(root)?.damaged));
    }
    Ok((ended, Vec::new()))
}
