//! Squared error: `L = ½ Σᵢ (zᵢ - tᵢ)²`, `e = z - t`; a class is read as one-hot.

use super::{Loss, One, component, one_per_target};
use crate::ConfigError;
use crate::registry::Entry;
use realign_data::Dataset;

pub(super) const ENTRY: Entry<dyn Loss> = Entry {
    name: "mse",
    summary: "Half the squared distance to the target; a class is read as one-hot.",
    formula: "L = ½ Σᵢ (zᵢ − tᵢ)²",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Mse)),
};

struct Mse;

impl Loss for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn outputs(&self, data: &Dataset) -> Result<usize, ConfigError> {
        Ok(one_per_target(data))
    }

    fn example(&self, z: &[f64], target: One<'_>, e: &mut [f64]) -> f64 {
        for (i, d) in e.iter_mut().enumerate() {
            *d = z[i] - component(target, i);
        }
        z.iter().enumerate().map(|(i, v)| 0.5 * (v - component(target, i)).powi(2)).sum()
    }
}
