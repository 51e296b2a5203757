//! Logistic function, not homogeneous: `h = 1 / (1 + e⁻ᶻ)`.

use super::{Pass, Pointwise};
use crate::registry::Entry;
use realign_tensor::{Par, Tensor, ops};

pub(super) const ENTRY: Entry<dyn Pointwise> = Entry {
    name: "sigmoid",
    summary: "Logistic function, not homogeneous.",
    formula: "h = 1 / (1 + e⁻ᶻ)",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Sigmoid)),
};

/// See the module's formula.
struct Sigmoid;

impl Pointwise for Sigmoid {
    fn kind(&self) -> &'static str {
        "sigmoid"
    }

    fn forward(&self, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::sigmoid(y, pass.par);
    }

    fn error_back(&self, y: &Tensor, _aux: &Tensor, delta: &mut Tensor, par: Par) {
        ops::sigmoid_back(delta, y, par);
    }

    fn homogeneous(&self) -> bool {
        false
    }
}
