//! Hyperbolic tangent, not homogeneous: `h = tanh(z)`.

use super::{Pass, Pointwise};
use crate::registry::Entry;
use realign_tensor::{Par, Tensor, ops};

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

    fn forward(&self, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::tanh(y, pass.par);
    }

    fn error_back(&self, y: &Tensor, _aux: &Tensor, delta: &mut Tensor, par: Par) {
        ops::tanh_back(delta, y, par);
    }

    fn homogeneous(&self) -> bool {
        false
    }
}
