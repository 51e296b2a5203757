//! Flatten: one example of any shape read as a vector. A change of view; no number moves.

use super::{Description, Pass, Pointwise};
use realign_tensor::{Par, Shape, Tensor};

pub(super) const DESCRIPTION: Description = Description {
    name: "flatten",
    summary: "Reads an example of any shape as a vector.",
    formula: "h = vec(z)",
    options: &[],
};

/// See the module's formula.
pub struct Flatten;

impl Pointwise for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn output_shape(&self, input: Shape) -> Shape {
        Shape::new(&[input.numel()])
    }

    fn forward(&self, _y: &mut Tensor, _aux: &mut Tensor, _pass: Pass<'_>) {}

    fn error_back(&self, _y: &Tensor, _aux: &Tensor, _delta: &mut Tensor, _par: Par) {}

    fn homogeneous(&self) -> bool {
        true
    }
}
