//! How long a run is and in what batches: steps per epoch = ceil(n / batch). The last batch of an epoch may be smaller: it is kept, and its mean is
//! over the examples that it has.

use super::Every;
use crate::ConfigError;

/// Most passes over the train split, and most updates, of a run: the products of larger numbers would overflow.
pub const MOST_EPOCHS: u64 = 1_000_000_000;
/// See [`MOST_EPOCHS`].
pub const MOST_STEPS: u64 = 1_000_000_000_000_000;

/// Length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Passes over the train split.
    Epochs(u64),
    /// Updates.
    Steps(u64),
}

/// Examples per update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// So many.
    Size(usize),
    /// The whole train split, in its own order.
    Full,
}

/// How long, in what batches, how often a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Length of the run.
    pub length: Length,
    /// Examples per update.
    pub batch: BatchSize,
    /// Cadence of checkpoints.
    pub checkpoint: Every,
}

impl Plan {
    /// Refuses what does not fit `n` train examples.
    pub fn check(&self, n: usize) -> Result<(), ConfigError> {
        match self.batch {
            _ if n == 0 => Err(ConfigError::new("data", "no train examples are left")),
            BatchSize::Size(0) => Err(ConfigError::new("train.batch", "must be at least 1")),
            BatchSize::Size(b) if b > n => Err(ConfigError::new(
                "train.batch",
                format!("{b} is more than the {n} train examples; use \"full\" for full batch"),
            )),
            _ => Ok(()),
        }
    }

    /// Examples per update for `n` train examples.
    pub fn batch_size(&self, n: usize) -> usize {
        match self.batch {
            BatchSize::Size(b) => b.min(n),
            BatchSize::Full => n,
        }
    }

    /// Updates per pass over `n` examples.
    pub fn steps_per_epoch(&self, n: usize) -> u64 {
        n.div_ceil(self.batch_size(n)) as u64
    }

    /// Updates in all.
    pub fn steps(&self, n: usize) -> u64 {
        match self.length {
            Length::Epochs(e) => e.saturating_mul(self.steps_per_epoch(n)),
            Length::Steps(s) => s,
        }
    }
}
