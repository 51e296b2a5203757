//! Leaky rectified linear unit: `h = max(z, slope z)`, 0 <= slope < 1; homogeneous of degree 1.

use super::{Pass, Pointwise};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::{Par, Tensor, ops};
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Pointwise> = Entry {
    name: "leaky_relu",
    summary: "Rectified linear unit with a small slope below zero, homogeneous of degree 1.",
    formula: "h = max(z, slope z)",
    citation: "",
    options: &[Opt {
        name: "slope",
        default: "0.01",
        meaning: "slope below zero",
        allowed: Allowed::BELOW_ONE,
    }],
    build: |table| Ok(Box::new(registry::parse::<LeakyRelu>(table)?)),
};

/// See the module's formula.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LeakyRelu {
    slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        LeakyRelu { slope: 0.01 }
    }
}

impl Pointwise for LeakyRelu {
    fn kind(&self) -> &'static str {
        "leaky_relu"
    }

    fn forward(&self, y: &mut Tensor, _aux: &mut Tensor, pass: Pass<'_>) {
        ops::leaky_relu(y, self.slope, pass.par);
    }

    fn error_back(&self, y: &Tensor, _aux: &Tensor, delta: &mut Tensor, par: Par) {
        ops::leaky_relu_back(delta, y, self.slope, par);
    }

    fn homogeneous(&self) -> bool {
        true
    }
}
