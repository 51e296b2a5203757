//! No activation: the network is linear here: `h = z`.

use super::{Pass, Pointwise};
use crate::registry::Entry;
use realign_tensor::{Par, Tensor};

pub(super) const ENTRY: Entry<dyn Pointwise> = Entry {
    name: "identity",
    summary: "No activation: the network is linear here.",
    formula: "h = z",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Identity)),
};

/// See the module's formula.
struct Identity;

impl Pointwise for Identity {
    fn kind(&self) -> &'static str {
        "identity"
    }

    fn forward(&self, _y: &mut Tensor, _aux: &mut Tensor, _pass: Pass<'_>) {}

    fn error_back(&self, _y: &Tensor, _aux: &Tensor, _delta: &mut Tensor, _par: Par) {}

    fn homogeneous(&self) -> bool {
        true
    }
}
