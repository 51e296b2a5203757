//! Where the runs of a sweep stand, told from its files alone.

use super::claim;
use super::folder::{Folder, Listed};
use super::work::Crew;
use crate::{LabError, Status, store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All steps were made.
    Done,
    /// The loss was not finite: a result.
    Diverged,
    /// A process is at work on it.
    Running,
    /// A process was at work on it and has not been heard of for too long; the next one takes it over.
    Stale,
    /// Stopped on request, to be resumed.
    Stopped,
    /// Ended by an error.
    Failed,
    /// Ended, but a file of it cannot be read.
    Damaged,
    /// Not started.
    Queued,
}

impl State {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            State::Done => "done",
            State::Diverged => "diverged",
            State::Running => "running",
            State::Stale => "stale",
            State::Stopped => "stopped",
            State::Failed => "failed",
            State::Damaged => "damaged",
            State::Queued => "queued",
        }
    }
}

/// One run and where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The run.
    #[serde(flatten)]
    pub run: Listed,
    /// Where it stands.
    pub status: State,
    /// The error of a failed run; of a damaged one the file, and where in it.
    pub error: Option<String>,
    /// Machine and process at work on it.
    pub worker: Option<String>,
}

/// A sweep and where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// How many runs stand where; states without runs are left out.
    pub counts: BTreeMap<State, usize>,
    /// The runs in the order of the manifest.
    pub runs: Vec<Standing>,
}

/// Looks at a sweep.
///
/// # Errors
/// If the folder holds no sweep or cannot be read.
pub fn status(root: &Path) -> Result<Summary, LabError> {
    let folder = Folder(root.to_path_buf());
    let runs: Vec<Standing> = folder.runs()?.into_iter().map(|run| standing(&folder, run)).collect();
    let mut counts = BTreeMap::new();
    for run in &runs {
        *counts.entry(run.status).or_insert(0) += 1;
    }
    Ok(Summary { counts, runs })
}

fn standing(folder: &Folder, run: Listed) -> Standing {
    let dir = folder.0.join(&run.folder);
    let word = store::status(&dir);
    let claim = claim::look(&folder.claims(), &run.id);
    let failure = folder.failure(&run.id);
    let alive = claim.as_ref().is_some_and(|(note, age)| {
        *age < Crew::new(1).pace.stale && !claim::abandoned(&folder.claims(), &run.id, note)
    });
    let status = match word {
        Some(Status::Done) => State::Done,
        Some(Status::Diverged) => State::Diverged,
        _ if alive => State::Running,
        _ if claim.is_some() => State::Stale,
        _ if failure.is_some() => State::Failed,
        Some(Status::Failed) => State::Failed,
        // Made by a process without claims, or left by one whose machine lost its files of claims.
        Some(Status::Running) => State::Stale,
        Some(Status::Stopped) => State::Stopped,
        None => State::Queued,
    };
    let worker = claim.filter(|_| alive).map(|(note, _)| format!("{}, process {}", note.host, note.pid));
    if let Err(damage) = store::ending(&dir) {
        return Standing { run, status: State::Damaged, error: Some(damage.to_string()), worker };
    }
    let error = (status == State::Failed).then(|| failure.map(|f| f.error)).flatten();
    Standing { run, status, error, worker }
}

/// Makes failed runs runnable again for processes at work (one that starts later tries them anyway); returns them.
///
/// # Errors
/// As [`status`], or if the notes of failures cannot be removed.
pub fn retry(root: &Path) -> Result<Vec<Listed>, LabError> {
    let folder = Folder(root.to_path_buf());
    let mut again = Vec::new();
    for standing in status(root)?.runs.into_iter().filter(|s| s.status == State::Failed) {
        folder.clear_failure(&standing.run.id)?;
        let path = folder.0.join(&standing.run.folder);
        if store::status(&path) == Some(Status::Failed) {
            store::files::write(&path.join("STATUS"), format!("{}\n", Status::Stopped).as_bytes())?;
        }
        again.push(standing.run);
    }
    Ok(again)
}
