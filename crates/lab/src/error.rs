//! Everything that can go wrong between a spec file and a finished run.

use crate::sweep::SweepError;
use crate::{SpecError, StoreError};
use thiserror::Error;

/// What stopped a run from starting or going on. Divergence is not among them: it is a result.
#[derive(Debug, Error)]
pub enum LabError {
    /// The spec cannot be used; names file, line and key.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Data could not be read or made.
    #[error(transparent)]
    Data(#[from] realign_data::DataError),
    /// The run directory cannot be used or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] realign::Error),
    /// Something is wrong with a sweep as a whole.
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

impl LabError {
    /// Whether the user's input is at fault (exit code 2 on the command line) rather than the machine.
    pub fn is_usage(&self) -> bool {
        match self {
            LabError::Spec(_) | LabError::Data(_) => true,
            LabError::Store(e) => e.is_usage(),
            LabError::Sweep(e) => e.is_usage(),
            LabError::Train(e) => matches!(e, realign::Error::Config(_) | realign::Error::Data(_)),
        }
    }
}
