//! Tracking feedback: `M_l = B_l`, `dB_l = rho (W_l − B_l)` per step; B follows W exponentially if W stops.
//!
//! Offered beside `adafa` as the other reading of "adaptive". It equals symmetric alignment (Kunin et al. 2020) with W not updated by
//! the alignment loss. Under `optimizer.name = "flow"` rho is a rate per unit of time. No conservation law: the plasticity account of the ledger is rho <W, W − B> per step.

use super::{Feedback, InitCx, Plasticity, Potential, Rule, Step, entrywise, sweep_feedback};
use crate::ConfigError;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::{Par, ops};
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "tracking",
    summary: "Tracking: the feedback weights move towards the forward weights at a fixed rate.",
    formula: "δ_l = φ'(z_l) ∘ (B_{l+1}ᵀ δ_{l+1}), dB = ρ (W − B)",
    citation: "@inproceedings{kunin2020, author={Kunin, Daniel and Nayebi, Aran and Sagastuy-Brena, Javier and Ganguli, Surya and Bloom, Jonathan and Yamins, Daniel}, title={Two routes to scalable credit assignment without weight symmetry}, booktitle={ICML}, year={2020}}",
    options: &[Opt {
        name: "rho",
        default: "0.01",
        meaning: "share of the distance to W covered per step",
        allowed: Allowed::SHARE,
    }],
    build: |table| Ok(Box::new(registry::parse::<Tracking>(table)?)),
};

/// See the module's formula.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracking {
    /// Share of the distance covered per step.
    pub rho: f64,
}

impl Default for Tracking {
    fn default() -> Self {
        Tracking { rho: 0.01 }
    }
}

impl Rule for Tracking {
    fn name(&self) -> &'static str {
        "tracking"
    }

    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        Ok(cx.drawn())
    }

    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep_feedback(net, b, trace, errors, par);
    }

    fn plasticity(&self) -> Plasticity {
        Plasticity::Other
    }

    fn adapt(&self, b: &mut Feedback, step: &Step<'_>) {
        for &node in step.net.weighted() {
            if let Some(b) = b.at_mut(node) {
                ops::scale(b, 1.0 - self.rho);
                ops::axpy(b, step.net.weight(node), self.rho);
            }
        }
    }

    /// The potential of FA at the present B; that B moves by itself is the ledger's plasticity account.
    fn potential(&self, _: &Network, _: NodeId) -> Option<Box<dyn Potential>> {
        entrywise("<W, B>", |_, b, x| x * b, |_, b| b)
    }
}
