//! Baseline `frozen`: hidden layers keep their random weights, only the read-out learns (by the delta rule, as under every rule).
//! What a rule reaches beyond this is due to its hidden layers.

use super::{Feedback, Potential, Rule, entrywise};
use crate::network::{Errors, Network, NodeId, Trace};
use crate::registry::Entry;
use realign_tensor::Par;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "frozen",
    summary: "Baseline: random hidden layers, only the read-out is trained.",
    formula: "G_l = 0 for hidden l, G_L = e h_{L−1}ᵀ",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Frozen)),
};

/// See the module's formula.
pub struct Frozen;

impl Rule for Frozen {
    fn name(&self) -> &'static str {
        "frozen"
    }

    fn errors(&self, _: &Network, _: &mut Feedback, _: &Trace, _: &mut Errors, _: Par) {}

    fn trains(&self, net: &Network, node: NodeId) -> bool {
        net.weighted().last() == Some(&node)
    }

    /// No error is carried and no hidden weight moves: the potential is zero.
    fn potential(&self, _: &Network, _: NodeId) -> Option<Box<dyn Potential>> {
        entrywise("0", |_, _, _| 0.0, |_, _| 0.0)
    }
}
