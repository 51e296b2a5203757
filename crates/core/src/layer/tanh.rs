//! Hyperbolic tangent, not homogeneous: `h = tanh(z)`.

use super::{Pass, Pointwise};
use crate::registry::Entry;
use realign_tensor::{Tensor, ops};

pub(super) const ENTRY: Entry<dyn Pointwise> = Entry {
    name: "tanh",
    summary: "Hyperbolic tangent, not homogeneous.",
    formula: "h = tanh(z)",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Tanh)),
};

/// See the module's formula.
struct Tanh;

impl Pointwise for Tanh {
    fn kind(&self) -> &'static str {
        "tanh"
    }

    fn forward(&self, y: &mut Tensor, _aux: &mut Tensor, _pass: Pass<'_>) {
        ops::tanh(y);
    }

    fn error_back(&self, y: &Tensor, _aux: &Tensor, delta: &mut Tensor) {
        ops::tanh_back(delta, y);
    }

    fn homogeneous(&self) -> bool {
        false
    }
}
