//! The answer of a certificate, and how much it is worth: how far its bound gets within the run.

use super::Certificate;
use crate::dominance::bound;
use serde::Serialize;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Verdict {
    /// Every condition of the statement holds, and it is about the flow: steps of finite size may do otherwise.
    GuaranteedForTheFlow,
    /// Every condition of the statement holds, and steps of the run's learning rate keep it; see [`super::Steps`].
    GuaranteedAtThisRate,
    /// Some condition fails; see [`Certificate::violated`].
    NotCovered,
    /// The condition on single units holds for some of them.
    HoldsFor {
        /// How many.
        units: usize,
        /// Of how many.
        of: usize,
    },
}

impl Verdict {
    /// Whether something is guaranteed, if only for the flow.
    pub fn guaranteed(self) -> bool {
        matches!(self, Verdict::GuaranteedForTheFlow | Verdict::GuaranteedAtThisRate)
    }
}

/// How far the bound on the loss gets by the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reach {
    /// How long the run takes: the sum of its learning rates, or the time of the flow.
    pub time: f64,
    /// The bound at that time.
    pub loss: f64,
    /// The bound over L(0).
    pub share: f64,
    /// Whether the bound does not even halve the loss: true, but worth nothing.
    pub vacuous: bool,
    /// Whether the rate is its value at the start, of which nothing guarantees that it lasts.
    pub assumed: bool,
}

impl Reach {
    /// Of the bound with these numbers after `time`.
    pub fn of(beta: f64, alpha: f64, l0: f64, time: f64, assumed: bool) -> Reach {
        let loss = bound(beta, alpha, l0, time);
        // A loss of zero has nothing left to halve.
        let share = if l0 > 0.0 { loss / l0 } else { 0.0 };
        Reach { time, loss, share, vacuous: share.is_nan() || share > 0.5, assumed }
    }
}

/// Of a certificate whose verdict and rates are set.
pub(super) fn reach(c: &Certificate, time: f64) -> Option<Reach> {
    let beta = c.beta.filter(|_| c.verdict.guaranteed())?;
    let alpha = c.promised().or(c.alpha_at_start)?;
    Some(Reach::of(beta, alpha, c.initial_loss, time, c.promised().is_none()))
}
