//! Rectified linear unit, homogeneous of degree 1: `h = max(0, z)`.

use super::{Pass, Pointwise};
use crate::registry::Entry;
use realign_tensor::{Par, Tensor, ops};

pub(super) const ENTRY: Entry<dyn Pointwise> = Entry {
    name: "relu",
    summary: "Rectified linear unit, homogeneous of degree 1.",
    formula: "h = max(0, z)",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Relu)),
};

/// See the module's formula.
struct Relu;

impl Pointwise for Relu {
    fn kind(&self) -> &'static str {
        "relu"
    }

    fn forward(&self, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::leaky_relu(y, 0.0, pass.par);
    }

    fn error_back(&self, y: &Tensor, _aux: &Tensor, delta: &mut Tensor, par: Par) {
        ops::leaky_relu_back(delta, y, 0.0, par);
    }

    fn homogeneous(&self) -> bool {
        true
    }
}
