//! Cross-entropy of independent logistic outputs: `L = Σᵢ log(1 + exp zᵢ) - tᵢ zᵢ`, `eᵢ = σ(zᵢ) - tᵢ`; a class is read as one-hot.

use super::{Loss, One, component, one_per_target};
use crate::ConfigError;
use crate::registry::Entry;
use realign_data::{Dataset, Targets};

pub(super) const ENTRY: Entry<dyn Loss> = Entry {
    name: "sigmoid_cross_entropy",
    summary: "Logistic cross-entropy of every output on its own; a class is read as one-hot.",
    formula: "L = Σᵢ log(1 + exp zᵢ) − tᵢ zᵢ",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(SigmoidCrossEntropy)),
};

struct SigmoidCrossEntropy;

/// log(1 + e^z) without overflow.
pub(super) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// The logistic function without overflow.
pub(super) fn sigmoid(z: f64) -> f64 {
    let small = (-z.abs()).exp();
    if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

impl Loss for SigmoidCrossEntropy {
    fn name(&self) -> &'static str {
        "sigmoid_cross_entropy"
    }

    fn outputs(&self, data: &Dataset) -> Result<usize, ConfigError> {
        if let Targets::Values { values, .. } = &data.targets
            && let Some(v) = values.iter().find(|v| !(0.0..=1.0).contains(*v))
        {
            return Err(ConfigError::new(
                "name",
                format!("sigmoid_cross_entropy needs targets in 0..1, these data hold {v}"),
            ));
        }
        Ok(one_per_target(data))
    }

    fn example(&self, z: &[f64], target: One<'_>, e: &mut [f64]) -> f64 {
        for (i, d) in e.iter_mut().enumerate() {
            *d = sigmoid(z[i]) - component(target, i);
        }
        z.iter().enumerate().map(|(i, &v)| softplus(v) - component(target, i) * v).sum()
    }
}
