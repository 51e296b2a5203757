//! What can be wrong with a sweep.

use std::path::PathBuf;
use thiserror::Error;

/// A sweep that cannot go on, or a folder that is none.
#[derive(Debug, Error)]
pub enum SweepError {
    /// Another process tried this run and failed.
    #[error("{run}: failed in another process: {error}", run = run.display())]
    Elsewhere {
        /// The run directory.
        run: PathBuf,
        /// Its error.
        error: String,
        /// Whether that was something to correct.
        usage: bool,
    },
    /// No sweep was made here.
    #[error("{path} is no sweep: it holds no sweep.json (`realign run SPEC --out DIR` makes one for a grid)", path = .0.display())]
    NotASweep(PathBuf),
    /// A file of the sweep is damaged.
    #[error("{path}: {message}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// No fair choice can be made.
    #[error("tuning: {message}")]
    Tuning {
        /// Why.
        message: String,
        /// Whether that is something to correct.
        usage: bool,
    },
}

impl SweepError {
    /// Whether the user has something to correct.
    pub fn is_usage(&self) -> bool {
        match self {
            SweepError::Elsewhere { usage, .. } | SweepError::Tuning { usage, .. } => *usage,
            SweepError::NotASweep(_) | SweepError::Damaged { .. } => true,
        }
    }
}
