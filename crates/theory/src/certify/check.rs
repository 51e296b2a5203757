/*!
A certificate against the run it was given for: did every unit stay aligned at every recorded step, and did the loss stay under its bound?

The bound is `L(t) <= bound(beta, alpha, L(0), t)` of [`crate::dominance`]; where alpha is known only along training (squared loss) it is the running
minimum of the measured <g,F>/L, and the check then tests the implication, not the value. A loss may stand above its bound by what rounding and the integrator
leave of it ([`Precision`]); under steps of a finite size that no condition covers, a loss above the bound of the flow refutes nothing.
*/

use super::{Certificate, Precision, Reach};
use crate::dominance::{self, Interval, Sample};
use serde::Serialize;

/// Counts of the probe `aligned_units` over the whole net at one step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UnitRow {
    /// Training steps done.
    pub step: u64,
    /// Units that were misaligned.
    pub misaligned: f64,
    /// Units that the law did not guard.
    pub unguarded: f64,
}

/// The loss against its bound.
#[derive(Clone, Debug, Serialize)]
pub struct UnderBound {
    /// Exponent.
    pub beta: f64,
    /// Rate.
    pub alpha: f64,
    /// Whether the rate was measured along training instead of guaranteed before.
    pub measured: bool,
    /// Whether every recorded loss lies under the bound, up to its floor.
    pub holds: bool,
    /// Least `1 − loss/bound` over the steps whose loss lies above the floor.
    pub margin: f64,
    /// Where that was.
    pub step: u64,
    /// What rounding and the integrator can leave of a loss whose bound is 0, at the last recorded step.
    pub floor: f64,
    /// How far the bound gets by the last recorded step.
    pub reach: Reach,
}

/// What the run says about its certificate.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Recorded steps of `aligned_units`.
    pub unit_steps: usize,
    /// Largest number of misaligned units at a recorded step.
    pub misaligned: Option<f64>,
    /// First recorded step with a misaligned unit.
    pub first_misaligned: Option<u64>,
    /// Largest number of units that the law did not guard.
    pub unguarded: Option<f64>,
    /// Recorded steps of `decomposition`.
    pub loss_steps: usize,
    /// The loss against its bound, where there is one.
    pub bound: Option<UnderBound>,
    /// Stretches with negative <g, F>.
    pub negative: Vec<Interval>,
    /// Whether all that was guaranteed (for the flow, if no more) was measured and held; `None` if nothing was guaranteed or the probes are missing.
    pub passed: Option<bool>,
}

/// Compares the recorded rows of a run with its certificate, to the precision of its losses.
pub fn check(c: &Certificate, units: &[UnitRow], samples: &[Sample], p: &Precision) -> Check {
    let most = |f: &dyn Fn(&UnitRow) -> f64| units.iter().map(f).reduce(f64::max);
    let mut out = Check {
        unit_steps: units.len(),
        misaligned: most(&|u| u.misaligned),
        first_misaligned: units.iter().find(|u| u.misaligned > 0.0).map(|u| u.step),
        unguarded: most(&|u| u.unguarded),
        loss_steps: samples.len(),
        bound: under_bound(c, samples, p),
        negative: dominance::negative(samples),
        passed: None,
    };
    if c.verdict.guaranteed()
        && let (Some(misaligned), Some(bound)) = (out.misaligned, &out.bound)
    {
        out.passed = Some(misaligned == 0.0 && bound.holds);
    }
    out
}

fn under_bound(c: &Certificate, samples: &[Sample], p: &Precision) -> Option<UnderBound> {
    if !c.verdict.guaranteed() {
        return None;
    }
    let (beta, start, last) = (c.beta?, samples.first()?, samples.last()?);
    let measured = c.promised();
    let alpha = measured.unwrap_or_else(|| dominance::fit(samples, beta).alpha);
    let after = |s: &Sample| dominance::bound(beta, alpha, start.loss, s.time - start.time);
    let floor = |s: &Sample| p.floor(beta == 1.0, alpha, s.step - start.step, s.time - start.time);
    let margin = |s: &Sample| 1.0 - s.loss / after(s);
    // A loss at the floor has a margin of noise.
    let told = samples.iter().filter(|s| s.loss > floor(s).above(0.0));
    let least = told.map(|s| (s.step, margin(s))).min_by(|a, b| a.1.total_cmp(&b.1));
    let (step, margin) = least.unwrap_or((start.step, 0.0));
    Some(UnderBound {
        beta,
        alpha,
        measured: measured.is_none(),
        holds: alpha > 0.0 && samples.iter().all(|s| s.loss <= floor(s).above(after(s))),
        margin,
        step,
        floor: floor(last).above(0.0),
        reach: Reach::of(beta, alpha, start.loss, last.time - start.time, false),
    })
}
