/*!
The flow of the learning rule, `dW/dt = -G(W) - lambda W`, instead of steps along it: the limit eta -> 0 at eta * steps = t.

Integrated full-batch in f64 by an adaptive Runge-Kutta method (Verner's 8(7) pair, crate `differential-equations`), see
[`crate::train`]. There is no learning rate. A training "step" is one of `train.steps` equal parts of the time `t_end`: step s is
time `s t_end / steps`, and probes and checkpoints are due at these points only; how many Runge-Kutta steps lie between two of them is
the integrator's business.

The feedback weights flow too, as their rule adapts them in one unit of time: `adafa` `dB/dt = -kappa G - decay B` (W's flow without its
decay); `tracking` `dB/dt = rho (W - B)`, rho being a rate per unit of time here and a share per step under stepping optimizers.

The field of a ReLU net jumps where a pre-activation changes sign, and that of `sign_fa` where a weight does. The integrator makes its
steps as small as the tolerance asks at a kink of an activation, but not smaller than `min_step` (a share of `t_end`): where the field on both sides points at it,
the solution slides along it for a while (seen in most ReLU runs) and no explicit method can follow it at a tight tolerance. Such steps are made by
the classical fourth-order method without error control and counted (`rough_steps`); the error there is of order min_step times the jump in the solution,
and min_step times its square in conserved quantities. The signs of `sign_fa` jump between steps only: a step that takes a weight through zero is cut
there, found to rounding, and goes on with the new sign ([`crate::rules::Rule::sign_scale`]).
*/

use super::{At, Clip, Form, Optimizer, PARTS};
use crate::ConfigError;
use crate::network::{Network, Op};
use crate::registry::{self, Allowed, Entry, Opt};
use crate::train::{BatchSize, Plan};
use realign_tensor::{DType, Slice, SliceMut};
use serde::Deserialize;
use std::ops::Bound;

pub(super) const ENTRY: Entry<dyn Optimizer> = Entry {
    name: "flow",
    summary: "The rule's flow itself, integrated full-batch in f64; no learning rate; train.steps output points.",
    formula: "dW/dt = −G(W) − λW",
    citation: "",
    options: &[
        Opt {
            name: "t_end",
            default: "",
            meaning: "time to integrate to; compare with eta * steps",
            allowed: Allowed::POSITIVE,
        },
        Opt {
            name: "rtol",
            default: "1e-8",
            meaning: "error per Runge-Kutta step relative to an entry",
            allowed: Allowed::POSITIVE,
        },
        Opt {
            name: "atol",
            default: "1e-10",
            meaning: "error per Runge-Kutta step of small entries",
            allowed: Allowed::POSITIVE,
        },
        Opt {
            name: "min_step",
            default: "1e-5",
            meaning: "smallest Runge-Kutta step as a share of t_end",
            allowed: Allowed::Real(Bound::Excluded(0.0), Bound::Included(1.0)),
        },
        Opt { name: "weight_decay", default: "0.0", meaning: "λ", allowed: Allowed::NON_NEGATIVE },
    ],
    build: |table| Ok(Box::new(registry::parse::<Flow>(table)?)),
};

/// See the module's formula.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Time to integrate to.
    pub t_end: f64,
    /// Relative error allowed per Runge-Kutta step.
    #[serde(default = "rtol")]
    pub rtol: f64,
    /// Absolute error allowed per Runge-Kutta step.
    #[serde(default = "atol")]
    pub atol: f64,
    /// Smallest Runge-Kutta step as a share of `t_end`.
    #[serde(default = "min_step")]
    pub min_step: f64,
    /// Weight decay lambda.
    #[serde(default)]
    pub weight_decay: f64,
}

fn rtol() -> f64 {
    1e-8
}

fn atol() -> f64 {
    1e-10
}

fn min_step() -> f64 {
    1e-5
}

impl Flow {
    /// Refuses what makes the field random or rough.
    ///
    /// # Errors
    /// With the key at fault if the run is not in f64, not full-batch, or has noise or clipping.
    pub fn check(&self, net: &Network, plan: &Plan, clip: Clip) -> Result<(), ConfigError> {
        let fail = |key, message: &str| Err(ConfigError::new(key, format!("optimizer \"flow\" {message}")));
        if net.dtype() != DType::F64 {
            return fail("train.dtype", "is integrated in f64: set train.dtype = \"f64\"");
        }
        if plan.batch != BatchSize::Full {
            return fail("train.batch", "is the flow on the whole train split: set train.batch = \"full\"");
        }
        if clip != Clip::None {
            return fail("optimizer.clip", "knows no clipping");
        }
        let noisy = |op: &Op| matches!(op, Op::Pointwise(layer) if layer.kind() == "dropout");
        if net.nodes().iter().any(|n| noisy(&n.op)) {
            return fail("network.dropout", "needs a field without noise: dropout must be 0");
        }
        Ok(())
    }
}

impl Optimizer for Flow {
    fn name(&self) -> &'static str {
        "flow"
    }

    fn memory(&self) -> &'static [&'static str] {
        &[]
    }

    fn form(&self) -> Form {
        Form { weight_decay: self.weight_decay, decay_apart: true, flow: Some(*self), ..Form::default() }
    }

    fn update(
        &self,
        _: At,
        _: SliceMut<'_>,
        _: Slice<'_>,
        _: [Option<SliceMut<'_>>; 2],
        _: Option<SliceMut<'_>>,
    ) {
        unreachable!("a flow is integrated by the trainer, not stepped");
    }

    fn active(&self, _: At) -> [bool; PARTS.len()] {
        [self.weight_decay > 0.0, false, false, false]
    }

    fn remainder(&self, _: At, _: &[f64], _: &[f64], _: [&[f64]; 2], _: [&mut [f64]; PARTS.len()]) {
        unreachable!("a flow has no steps to account for");
    }

    fn gross(&self, _: At, _: &[f64], _: &[f64], _: [&[f64]; 2], _: &mut [f64]) {
        unreachable!("a flow has no steps to account for");
    }
}
