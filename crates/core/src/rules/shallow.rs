//! Baseline `shallow`: the read-out sits directly on the input, without hidden layers. What a rule reaches beyond this needs depth.

use super::{Feedback, Rule};
use crate::network::{Errors, Network, Trace};
use crate::registry::Entry;
use realign_tensor::Par;

pub(super) const ENTRY: Entry<dyn Rule> = Entry {
    name: "shallow",
    summary: "Baseline: a linear read-out of the input, no hidden layers.",
    formula: "z = W x, G = e xᵀ",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Shallow)),
};

/// See the module's formula.
pub struct Shallow;

impl Rule for Shallow {
    fn name(&self) -> &'static str {
        "shallow"
    }

    fn readout_only(&self) -> bool {
        true
    }

    fn errors(&self, _: &Network, _: &mut Feedback, _: &Trace, _: &mut Errors, _: Par) {}
}
