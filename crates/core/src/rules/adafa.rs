//! Adaptive feedback alignment, OUR RECONSTRUCTION in Kolen-Pollack form: `M_l = B_l`,
//! `dB_l = kappa (dW_l without the decay of this step, where the optimizer keeps it apart) − eta decay B_l`.
//!
//! The definition of adaFA in Robertson & Koyejo (ICML 2024) is not in any text available to us. We take this form because
//! among natural adaptive rules it is the one with a conservation law: ‖B_{l+1}[:,k]‖²/(2 kappa) − ½‖W_l[k,:]‖². With equal decay
//! of W and B, B − kappa W shrinks by exactly (1 − eta decay) per step, so B aligns with W. Kolen & Pollack 1994; Akrout et al. 2019.

use super::{Feedback, InitCx, Plasticity, Potential, Rule, entrywise, sweep_feedback};
use crate::ConfigError;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::Par;
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "adafa",
    summary: "Adaptive FA (our reconstruction, Kolen-Pollack form): the feedback receives the forward weight's own update.",
    formula: "δ_l = φ'(z_l) ∘ (B_{l+1}ᵀ δ_{l+1}), dB = κ dW − η·decay·B",
    citation: "@inproceedings{akrout2019, author={Akrout, Mohamed and Wilson, Collin and Humphreys, Peter C. and Lillicrap, Timothy and Tweed, Douglas}, title={Deep learning without weight transport}, booktitle={NeurIPS}, year={2019}}",
    options: &[
        Opt {
            name: "kappa",
            default: "1.0",
            meaning: "share of W's increment that B receives",
            allowed: Allowed::POSITIVE,
        },
        Opt {
            name: "decay",
            default: "0.0",
            meaning: "decay of B, eta * decay per step",
            allowed: Allowed::NON_NEGATIVE,
        },
    ],
    build: |table| Ok(Box::new(registry::parse::<AdaFa>(table)?)),
};

/// See the module's formula.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaFa {
    /// Share of W's increment that B receives, above 0.
    pub kappa: f64,
    /// Decay of B.
    pub decay: f64,
}

impl Default for AdaFa {
    fn default() -> Self {
        AdaFa { kappa: 1.0, decay: 0.0 }
    }
}

impl Rule for AdaFa {
    fn name(&self) -> &'static str {
        "adafa"
    }

    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        Ok(cx.drawn())
    }

    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep_feedback(net, b, trace, errors, par);
    }

    fn plasticity(&self) -> Plasticity {
        Plasticity::Follows { kappa: self.kappa, decay: self.decay }
    }

    fn potential(&self, _: &Network, _: NodeId) -> Option<Box<dyn Potential>> {
        let kappa = self.kappa;
        // B − κW stays as it is while W moves from w to x.
        let moved = move |w: f64, b: f64, x: f64| b + kappa * (x - w);
        entrywise("‖B‖²/(2κ)", move |w, b, x| moved(w, b, x).powi(2) / (2.0 * kappa), |_, b| b)
    }
}
