//! How a run ended: `STATUS` and `summary.json`.

use realign::train::Final;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The word in `STATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// At work, or killed.
    Running,
    /// All steps were made.
    Done,
    /// The loss was not finite: a result.
    Diverged,
    /// Stopped on request; can be resumed.
    Stopped,
    /// Ended by an error; can be resumed.
    Failed,
}

impl Status {
    /// Whether there is nothing left to do.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Done | Status::Diverged)
    }

    pub(crate) fn parse(text: &str) -> Option<Status> {
        let all = [Status::Running, Status::Done, Status::Diverged, Status::Stopped, Status::Failed];
        all.into_iter().find(|s| s.to_string() == text.trim())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Running => "running",
            Status::Done => "done",
            Status::Diverged => "diverged",
            Status::Stopped => "stopped",
            Status::Failed => "failed",
        })
    }
}

/// What a run came to. Losses and accuracies are `None` where there is no such split, and before the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run directory.
    pub run: String,
    /// How it ended.
    pub status: Status,
    /// Updates made.
    pub steps: u64,
    /// The same in epochs.
    pub epochs: f64,
    /// Wall time, earlier sessions included as far as they ended in order.
    pub seconds: f64,
    /// Mean loss over the train split.
    pub train_loss: Option<f64>,
    /// Share of the train split classified correctly.
    pub train_accuracy: Option<f64>,
    /// Share of the validation split classified correctly.
    pub val_accuracy: Option<f64>,
    /// Mean loss over the test split.
    pub test_loss: Option<f64>,
    /// Share of the test split classified correctly.
    pub test_accuracy: Option<f64>,
    /// Angle of W and B in degrees, per weighted layer from the input.
    pub weight_angle: Vec<Option<f64>>,
    /// Angle of the update to the gradient in degrees, per weighted layer from the input.
    pub update_angle: Vec<Option<f64>>,
}

impl RunReport {
    pub(crate) fn new(
        run: &Path,
        status: Status,
        steps: u64,
        epochs: f64,
        seconds: f64,
        last: Final,
    ) -> RunReport {
        // JSON has no word for NaN; a stored report must read back equal.
        let finite = |v: Option<f64>| v.filter(|x| x.is_finite());
        RunReport {
            run: run.display().to_string(),
            status,
            steps,
            epochs,
            seconds,
            train_loss: finite(last.train_loss),
            train_accuracy: finite(last.train_accuracy),
            val_accuracy: finite(last.val_accuracy),
            test_loss: finite(last.test_loss),
            test_accuracy: finite(last.test_accuracy),
            weight_angle: last.weight_angle.into_iter().map(finite).collect(),
            update_angle: last.update_angle.into_iter().map(finite).collect(),
        }
    }
}
