//! The work of one process on the runs of a folder, beside any number of others.

use super::claim::{Claim, Claims, Pace};
use super::folder::{Failure, Folder};
use super::{Shard, SweepError};
use crate::run::{Control, Shared, run_held};
use crate::{LabError, Observer, Out, RunOptions, RunReport, RunSpec, StoreError, store};
use realign_tensor::Par;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at runs that others are at work on.
const LOOK: Duration = Duration::from_millis(200);

/// How a process takes part in a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// Runs at a time, one thread each.
    pub threads: usize,
    /// How claims are kept and given up.
    pub pace: Pace,
    /// Whether to stay until runs that others are at work on have ended (and to take them over if those others die).
    pub wait: bool,
    /// Make only this part of the runs.
    pub shard: Option<Shard>,
    /// What the runs are for.
    pub stage: Stage,
}

/// What runs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A choice is made from them: they have no test examples.
    Tuning,
    /// They are reported.
    Reported,
}

impl Crew {
    /// All runs, waiting for others, at the usual pace.
    pub fn new(threads: usize) -> Crew {
        Crew { threads, pace: Pace::default(), wait: true, shard: None, stage: Stage::Reported }
    }
}

/// What came of a run; `None` if it was not started, or is left to another process.
pub type Ended = Option<Result<RunReport, LabError>>;

/// Makes runs until all have ended: those that nobody is at work on, in order of the list, then those whose process died.
/// One that fails is left alone by all processes from then on - until `realign sweep retry`, or a process that starts later -
/// and does not stop the others, unless the disk is full: then nothing new is started.
///
/// The list holds the whole sweep; `crew.shard` leaves out what other parts make.
pub fn work(
    specs: &[RunSpec],
    options: &RunOptions,
    crew: &Crew,
    observer: &mut (dyn Observer + Send),
    stop: &AtomicBool,
) -> Vec<Ended> {
    let options = RunOptions { par: Par::threads(1), ..options.clone() };
    let folder = match &options.out {
        Out::Root(root) => Some(Folder(root.clone())),
        Out::Dir(_) => None,
    };
    let claims = folder.as_ref().map(|f| Claims::new(f.claims(), crew.pace));
    let earlier = folder.iter().flat_map(|f| specs.iter().map(move |s| (f, s)));
    let earlier = earlier.filter_map(|(f, s)| Some((s.id().to_owned(), f.failure(s.id())?))).collect();
    let team = Team {
        specs,
        options: &options,
        crew,
        folder,
        claims,
        earlier,
        observer: Mutex::new(observer),
        board: Mutex::new(Board::new(specs.len(), crew.shard)),
        stop,
        full: AtomicBool::new(false),
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let beats = scope.spawn(|| team.beats(&over));
        let workers: Vec<_> =
            (0..crew.threads.clamp(1, specs.len().max(1))).map(|_| scope.spawn(|| team.worker())).collect();
        let ended: Vec<_> = workers.into_iter().map(|w| w.join()).collect();
        over.store(true, Ordering::Relaxed);
        beats.thread().unpark();
        // A panic of a worker is a bug and goes on, after the claims of the others were given back.
        ended.into_iter().for_each(|e| e.unwrap_or_else(|p| std::panic::resume_unwind(p)));
    });
    let board = team.board.into_inner().unwrap_or_else(PoisonError::into_inner);
    board.runs.into_iter().map(|r| if let State::Ended(result) = r { Some(*result) } else { None }).collect()
}

enum State {
    /// To be made.
    Open,
    /// Made by a thread of this process.
    Here,
    /// Claimed by another process when last looked at.
    Elsewhere,
    /// Of no concern: another part's.
    Foreign,
    Ended(Box<Result<RunReport, LabError>>),
}

struct Board {
    runs: Vec<State>,
    told: usize,
}

impl Board {
    fn new(runs: usize, shard: Option<Shard>) -> Board {
        let state = |i| if shard.is_none_or(|s| s.has(i)) { State::Open } else { State::Foreign };
        Board { runs: (0..runs).map(state).collect(), told: 0 }
    }

    fn next(&mut self, first: impl Fn(usize) -> bool) -> Option<usize> {
        let open = |i: &usize| matches!(self.runs[*i], State::Open);
        let mut all = (0..self.runs.len()).filter(open);
        let i = all.clone().find(|i| first(*i)).or_else(|| all.next())?;
        self.runs[i] = State::Here;
        Some(i)
    }
}

struct Team<'a> {
    specs: &'a [RunSpec],
    options: &'a RunOptions,
    crew: &'a Crew,
    folder: Option<Folder>,
    claims: Option<Claims>,
    earlier: HashMap<String, Failure>,
    observer: Mutex<&'a mut (dyn Observer + Send)>,
    board: Mutex<Board>,
    stop: &'a AtomicBool,
    full: AtomicBool,
}

impl Team<'_> {
    fn beats(&self, over: &AtomicBool) {
        let mut last = Instant::now();
        while !over.load(Ordering::Relaxed) {
            let left = self.crew.pace.beat.saturating_sub(last.elapsed());
            if left.is_zero() {
                self.claims.iter().for_each(Claims::beat);
                last = Instant::now();
            } else {
                std::thread::park_timeout(left);
            }
        }
    }

    fn board<T>(&self, f: impl FnOnce(&mut Board) -> T) -> T {
        f(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn worker(&self) {
        while !self.stop.load(Ordering::Relaxed) && !self.full.load(Ordering::Relaxed) {
            // What failed before this process started comes last: it may well fail again.
            let next = self.board(|b| b.next(|i| !self.earlier.contains_key(self.specs[i].id())));
            let Some(i) = next else {
                if self.look_around() {
                    continue;
                }
                return;
            };
            let state = self.attempt(&self.specs[i]).map_or(State::Elsewhere, |r| State::Ended(Box::new(r)));
            self.board(|b| b.runs[i] = state);
        }
    }

    /// Opens runs that have become free; false if there is nothing to wait for.
    fn look_around(&self) -> bool {
        let (waiting, tell) = self.board(|b| {
            let n = b.runs.iter().filter(|r| matches!(r, State::Elsewhere)).count();
            let tell = n != b.told && !b.runs.iter().any(|r| matches!(r, State::Here));
            if tell {
                b.told = n;
            }
            (n, tell)
        });
        if waiting == 0 || !self.crew.wait {
            return false;
        }
        if tell {
            Shared(&self.observer).waiting(waiting);
        }
        std::thread::sleep(LOOK);
        self.board(|b| {
            for state in b.runs.iter_mut().filter(|r| matches!(r, State::Elsewhere)) {
                *state = State::Open;
            }
        });
        true
    }

    /// Makes a run, or finds that it has ended; `None` if another process has it.
    fn attempt(&self, spec: &RunSpec) -> Option<Result<RunReport, LabError>> {
        let mut observer = Shared(&self.observer);
        let result = match (&self.folder, &self.claims) {
            (Some(folder), Some(claims)) => self.shared(spec, folder, claims)?,
            _ => self.make(spec, None),
        };
        if let Err(error) = &result {
            observer.failed(spec, error);
            if full(error) {
                self.full.store(true, Ordering::Relaxed);
            }
        }
        Some(result)
    }

    fn shared(
        &self,
        spec: &RunSpec,
        folder: &Folder,
        claims: &Claims,
    ) -> Option<Result<RunReport, LabError>> {
        let path = self.options.out.dir(spec);
        if store::check(&path, spec).is_ok() && store::finished(&path).is_some() {
            return Some(self.make(spec, None));
        }
        if let Some(failure) = folder.failure(spec.id()).filter(|f| self.earlier.get(spec.id()) != Some(f)) {
            let Failure { error, usage, .. } = failure;
            return Some(Err(SweepError::Elsewhere { run: path, error, usage }.into()));
        }
        let claim = match claims.take(spec.id()) {
            Ok(claim) => claim?,
            Err(e) => return Some(Err(e.into())),
        };
        match self.make(spec, Some(&claim)) {
            // A process that knows no claims is at work there, or one whose claim ran out while it was suspended: the lock tells. A
            // claim released at each look would leave a file each time.
            Err(LabError::Store(StoreError::Locked(_))) => {
                claim.finished();
                None
            }
            Err(LabError::Store(StoreError::TakenOver(_))) => None,
            Err(error) => {
                // A disk that refuses this as well leaves a run that looks as if it had been killed.
                let _ = folder.set_failure(spec.id(), &error);
                Some(Err(error))
            }
            Ok(report) => {
                if report.status.is_final() {
                    // At worst an old error is shown beside a finished run.
                    let _ = folder.clear_failure(spec.id());
                    claim.finished();
                }
                Some(Ok(report))
            }
        }
    }

    fn make(&self, spec: &RunSpec, claim: Option<&Claim<'_>>) -> Result<RunReport, LabError> {
        let stop = || self.stop.load(Ordering::Relaxed) || claim.is_some_and(Claim::lost);
        let mine = || claim.is_none_or(Claim::valid);
        let control = Control { stop: &stop, mine: &mine, stage: self.crew.stage };
        run_held(spec, self.options, &mut Shared(&self.observer), &control)
    }
}

/// Whether a full disk is to blame: it will be for every other run.
pub(super) fn full(error: &LabError) -> bool {
    matches!(error, LabError::Store(StoreError::Io { source, .. })
        if [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&source.kind()))
}
