//! One run from its spec to its report, new or resumed; or many, one thread each.

use crate::store::{self, RunDir, RunReport, Session, Status, StoreError};
use crate::sweep::Stage;
use crate::{LabError, RunSpec, Spec};
use realign::checkpoint::Checkpoint;
use realign::train::{Final, Outcome, Progress, Row, Setup, Sink, Trainer};
use realign_data::Dirs;
use realign_tensor::Par;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Where a run is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// In `<name>-<id>` below this folder of runs.
    Root(PathBuf),
    /// In this very directory.
    Dir(PathBuf),
}

impl Out {
    /// What `--out` means: the very directory for a single run, a folder of runs for a sweep; if it is not given, below
    /// `runs`, a sweep in a folder of its own.
    pub fn choose(given: Option<PathBuf>, spec: &Spec) -> Out {
        match given {
            Some(dir) if !spec.is_sweep() => Out::Dir(dir),
            Some(root) => Out::Root(root),
            None if spec.is_sweep() => Out::Root(Path::new("runs").join(spec.name())),
            None => Out::Root(PathBuf::from("runs")),
        }
    }

    /// The directory of one run.
    pub fn dir(&self, spec: &RunSpec) -> PathBuf {
        match self {
            Out::Root(root) => root.join(spec.folder()),
            Out::Dir(dir) => dir.clone(),
        }
    }
}

/// What a run needs beside its spec; none of it changes a bit of the result.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where it is stored.
    pub out: Out,
    /// Where real data lie.
    pub dirs: Dirs,
    /// Threads of one run.
    pub par: Par,
    /// The command line, for `env.json`.
    pub command_line: Vec<String>,
}

/// Hears how runs go. All runs of [`run_all`] share one observer, one call at a time.
pub trait Observer {
    /// These runs are to be made, or read if they have ended.
    fn begins(&mut self, _runs: &[RunSpec], _stage: Stage) {}
    /// Something about a run that its user should know, in a sentence.
    fn noted(&mut self, _run: &RunSpec, _sentence: &str) {}
    /// A run starts, from `step` if it is resumed, of `steps`.
    fn started(&mut self, _run: &RunSpec, _step: u64, _steps: u64) {}
    /// A step was made.
    fn progress(&mut self, _run: &RunSpec, _progress: &Progress) {}
    /// A run has ended, perhaps long ago.
    fn ended(&mut self, _run: &RunSpec, _report: &RunReport) {}
    /// A run of [`run_all`] has failed, here or in another process.
    fn failed(&mut self, _run: &RunSpec, _error: &LabError) {}
    /// Nothing is left but these many runs that other processes are at work on.
    fn waiting(&mut self, _runs: usize) {}
}

/// An observer that does nothing.
pub struct Silent;
impl Observer for Silent {}

/// Makes one run: new, resumed from its newest usable checkpoint, or handed back if it has ended. Setting `stop` ends
/// it before the next step, with a checkpoint.
///
/// # Errors
/// If the spec does not fit the data, or the run directory belongs to another spec or process or cannot be written.
pub fn run(
    spec: &RunSpec,
    options: &RunOptions,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<RunReport, LabError> {
    let stop = || stop.load(Ordering::Relaxed);
    run_held(spec, options, observer, &Control { stop: &stop, mine: &|| true, stage: Stage::Reported })
}

/// Who may end a run, and who may write it.
pub(crate) struct Control<'a> {
    /// Whether to stop before the next step.
    pub(crate) stop: &'a dyn Fn() -> bool,
    /// Whether the run still is this process's own, asked before each write.
    pub(crate) mine: &'a dyn Fn() -> bool,
    /// What the run is for.
    pub(crate) stage: Stage,
}

impl Control<'_> {
    /// The parts of the run. One that tunes has no test examples: what is not there cannot be computed, printed or stored. Training never reads them, so
    /// its bits are the same.
    fn setup(&self, spec: &RunSpec, options: &RunOptions) -> Result<Setup, LabError> {
        let mut setup = spec.setup(&options.dirs, options.par)?;
        if self.stage == Stage::Tuning {
            setup.data.test = None;
            setup.data.record.test_indices = None;
        }
        Ok(setup)
    }
}

/// As [`run()`].
pub(crate) fn run_held(
    spec: &RunSpec,
    options: &RunOptions,
    observer: &mut dyn Observer,
    control: &Control<'_>,
) -> Result<RunReport, LabError> {
    let path = options.out.dir(spec);
    store::check(&path, spec)?;
    if let Some(mut report) = store::finished(&path) {
        if control.stage == Stage::Tuning {
            // A version that still scored them may have made it.
            (report.test_loss, report.test_accuracy) = (None, None);
        }
        observer.ended(spec, &report);
        return Ok(report);
    }
    let started = Instant::now();
    let setup = control.setup(spec, options)?;
    let session =
        Session { command_line: &options.command_line, threads: options.par.count(), id: spec.id() };
    let mut dir = RunDir::open(&path, spec, &setup.data.record, &session)?;
    dir.notes().iter().for_each(|sentence| observer.noted(spec, sentence));
    let mut trainer = Trainer::new(setup)?;
    // A checkpoint may read well and still not fit; then the one before it is tried.
    let mut unfit = false;
    let mut fits = |c: &Checkpoint| {
        let ok = trainer.restore(c).is_ok();
        unfit |= !ok;
        ok
    };
    let resumed = dir.checkpoints().find(|c| fits(c)).map(|c| c.step);
    if resumed.is_none() && unfit {
        // A failed restore may have left half of its tensors behind.
        trainer = Trainer::new(control.setup(spec, options)?)?;
    }
    let earlier = if resumed.is_some() { dir.earlier_seconds() } else { 0.0 };
    dir.open_metrics(resumed)?;
    dir.set_status(Status::Running)?;
    observer.started(spec, trainer.step(), trainer.total_steps());

    let mut recorder = Recorder { spec, dir: &mut dir, observer, control, failure: None };
    let outcome = trainer.run(&mut recorder);
    let failure = recorder.failure.take();
    let finish = |dir: &mut RunDir, trainer: &mut Trainer, outcome: Outcome| {
        let (status, step) = match outcome {
            Outcome::Done => (Status::Done, trainer.step()),
            Outcome::Diverged { step } => (Status::Diverged, step),
            Outcome::Stopped { step } => (Status::Stopped, step),
        };
        let last = if status == Status::Done { trainer.evaluate_final() } else { Final::default() };
        let epochs = step as f64 / trainer.steps_per_epoch() as f64;
        let seconds = earlier + started.elapsed().as_secs_f64();
        let report = RunReport::new(&path, status, step, epochs, seconds, last);
        dir.finish(&report).map(|()| report)
    };
    // What the store said is clearer than what the trainer made of it.
    let report = match (failure, outcome) {
        (None, Ok(_)) if !(control.mine)() => Err(LabError::Store(StoreError::TakenOver(path.clone()))),
        (Some(e), _) => Err(LabError::Store(e)),
        (None, Err(e)) => Err(LabError::Train(e)),
        (None, Ok(outcome)) => finish(&mut dir, &mut trainer, outcome).map_err(LabError::Store),
    };
    let report = report.map_err(|e| deleted(e, &path));
    match &report {
        Ok(report) => observer.ended(spec, report),
        // The word in there is the other process's now.
        Err(LabError::Store(StoreError::TakenOver(_))) => {}
        // The disk that refused the rows may refuse this word as well; the error is told either way.
        Err(_) => drop(dir.set_failed()),
    }
    report
}

/// A file that cannot be found because the whole directory went away is told as that.
fn deleted(error: LabError, path: &Path) -> LabError {
    match error {
        LabError::Store(StoreError::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !path.join("spec.toml").exists() =>
        {
            LabError::Store(StoreError::Deleted(path.to_path_buf()))
        }
        other => other,
    }
}

/// Makes many runs, `threads` at a time and one thread each, in order of the list; one that fails does not stop the
/// others. Runs not started when `stop` is set are left out (`None`). Other processes may be at work in the same folder
/// of runs: each run is made by one of them, and this returns when all have ended (see [`crate::sweep`]).
pub fn run_all(
    specs: &[RunSpec],
    options: &RunOptions,
    threads: usize,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Vec<Option<Result<RunReport, LabError>>> {
    crate::sweep::work(specs, options, &crate::sweep::Crew::new(threads), observer, stop)
}

/// One observer for many threads.
pub(crate) struct Shared<'a, 'b>(pub(crate) &'a Mutex<&'b mut (dyn Observer + Send)>);

impl Shared<'_, '_> {
    pub(crate) fn with(&self, f: impl FnOnce(&mut dyn Observer)) {
        f(&mut **self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Shared<'_, '_> {
    fn noted(&mut self, run: &RunSpec, sentence: &str) {
        self.with(|o| o.noted(run, sentence));
    }
    fn started(&mut self, run: &RunSpec, step: u64, steps: u64) {
        self.with(|o| o.started(run, step, steps));
    }
    fn progress(&mut self, run: &RunSpec, progress: &Progress) {
        self.with(|o| o.progress(run, progress));
    }
    fn ended(&mut self, run: &RunSpec, report: &RunReport) {
        self.with(|o| o.ended(run, report));
    }
    fn failed(&mut self, run: &RunSpec, error: &LabError) {
        self.with(|o| o.failed(run, error));
    }
    fn waiting(&mut self, runs: usize) {
        self.with(|o| o.waiting(runs));
    }
}

/// Stores what the trainer hands out.
struct Recorder<'a> {
    spec: &'a RunSpec,
    dir: &'a mut RunDir,
    observer: &'a mut dyn Observer,
    control: &'a Control<'a>,
    failure: Option<StoreError>,
}

impl Recorder<'_> {
    fn mine(&self) -> Result<(), StoreError> {
        let path = self.dir.path();
        if !(self.control.mine)() {
            return Err(StoreError::TakenOver(path.to_path_buf()));
        }
        Ok(())
    }

    fn keep(&mut self, result: Result<(), StoreError>) -> io::Result<()> {
        result.map_err(|e| {
            let short = io::Error::other(e.to_string());
            self.failure = Some(e);
            short
        })
    }
}

impl Sink for Recorder<'_> {
    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        let result = self.mine().and_then(|()| self.dir.append(rows));
        self.keep(result)
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let result = self.mine().and_then(|()| self.dir.save(checkpoint));
        self.keep(result)
    }
    fn progress(&mut self, progress: &Progress) {
        self.observer.progress(self.spec, progress);
    }
    fn stop_requested(&self) -> bool {
        (self.control.stop)()
    }
}
