//! How a run ended: `STATUS` and `summary.json`.

use super::metrics::first_losses;
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

/// A run that made all its steps and has a higher train loss than before the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// Loss before the first step.
    pub start: Option<f64>,
    /// Mean loss over the train split at the end; `None` if it is no finite number.
    pub end: Option<f64>,
}

/// How much higher than the loss of other examples before the first step the train loss must end: no example was seen then, so both starts have the same
/// expectation, and no more than this lies between means over a few hundred examples.
const SLACK: f64 = 1.05;

impl Rise {
    /// From the losses before the first step by split and the train loss at the end.
    fn of(first: &[(String, f64)], end: Option<f64>) -> Option<Rise> {
        let on = |split: &str| first.iter().find(|(s, _)| s == split).map(|(_, loss)| *loss);
        let (start, bound) = match on("train") {
            Some(start) => (Some(start), Some(start)),
            None => {
                let start = on("validation").or_else(|| on("test"));
                (start, start.map(|s| SLACK * s))
            }
        };
        let rose = match (bound, end) {
            (_, None) => true,
            (Some(bound), Some(end)) => end > bound,
            (None, Some(_)) => false,
        };
        rose.then_some(Rise { start, end })
    }
}

impl fmt::Display for Rise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = crate::table::plain;
        match self.end {
            Some(end) => write!(f, "the train loss ended at {}", number(end))?,
            None => f.write_str("the train loss ended at no finite number")?,
        }
        if let Some(start) = self.start {
            write!(f, ", above its start at {}", number(start))?;
        }
        f.write_str(": the rate may be too high")
    }
}

impl RunReport {
    /// Whether the train loss ended above its start, told from the rows of the probe `accuracy` before the first step: of the train split, or else
    /// of other examples. None if it did not, or nothing was measured then. A run that diverged says so itself.
    pub fn rise(&self) -> Option<Rise> {
        if self.status != Status::Done {
            return None;
        }
        let first = first_losses(&Path::new(&self.run).join("metrics.jsonl")).unwrap_or_default();
        Rise::of(&first, self.train_loss)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn rose(split: &str, start: f64, end: f64) -> bool {
        Rise::of(&[(split.to_owned(), start)], Some(end)).is_some()
    }

    /// On the train split itself any rise counts; other examples leave 5 %.
    #[test]
    fn a_loss_above_its_start_is_told_and_one_just_below_is_not() {
        assert!(rose("train", 2.0, 2.000_001) && !rose("train", 2.0, 2.0));
        assert!(rose("test", 2.0, 2.101) && !rose("test", 2.0, 2.099));
        let both = [("test".to_owned(), 1.0), ("train".to_owned(), 3.0)];
        assert!(Rise::of(&both, Some(2.9)).is_none(), "the train split's own start decides");
        assert!(Rise::of(&[], Some(1e9)).is_none(), "nothing was measured at the start");
        assert!(Rise::of(&[], None).is_some(), "no finite loss at the end");
        let text = Rise { start: Some(2.45), end: Some(3.2e31) }.to_string();
        assert_eq!(
            text,
            "the train loss ended at 3.2000e31, above its start at 2.4500: the rate may be too high"
        );
    }
}
