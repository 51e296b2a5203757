//! Feedback alignment: `M_l = B_l`, fixed.
//!
//! Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7 (2016). Conserved per hidden unit by the flow:
//! <W_{l+1}[:,k], B_{l+1}[:,k]> − ½‖W_l[k,:]‖².

use super::{Feedback, InitCx, Potential, Rule, entrywise, sweep_feedback};
use crate::ConfigError;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::registry::Entry;
use realign_tensor::Par;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "fa",
    summary: "Feedback alignment: the error is carried by fixed random feedback weights.",
    formula: "δ_l = φ'(z_l) ∘ (B_{l+1}ᵀ δ_{l+1}), B fixed",
    citation: "@article{lillicrap2016, author={Lillicrap, Timothy P. and Cownden, Daniel and Tweed, Douglas B. and Akerman, Colin J.}, title={Random synaptic feedback weights support error backpropagation for deep learning}, journal={Nature Communications}, volume={7}, pages={13276}, year={2016}}",
    options: &[],
    build: |_| Ok(Box::new(Fa)),
};

/// See the module's formula.
pub struct Fa;

impl Rule for Fa {
    fn name(&self) -> &'static str {
        "fa"
    }

    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        Ok(cx.drawn())
    }

    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        sweep_feedback(net, b, trace, errors, par);
    }

    fn potential(&self, _: &Network, _: NodeId) -> Option<Box<dyn Potential>> {
        entrywise("<W, B>", |_, b, x| x * b, |_, b| b)
    }
}
