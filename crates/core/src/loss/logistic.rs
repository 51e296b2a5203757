//! Logistic loss of a scalar output with label y = ±1 (class 0 is -1, class 1 is +1): `L = log(1 + exp(-y z))`, `e = -y σ(-y z)`.

use super::sigmoid_cross_entropy::{sigmoid, softplus};
use super::{Loss, One};
use crate::ConfigError;
use crate::registry::Entry;
use realign_data::{Dataset, Targets};

pub(super) const ENTRY: Entry<dyn Loss> = Entry {
    name: "logistic",
    summary: "Logistic loss of one output for two classes, -1 and +1.",
    formula: "L = log(1 + exp(−y z)), y = ±1",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Logistic)),
};

struct Logistic;

impl Loss for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
    }

    fn outputs(&self, data: &Dataset) -> Result<usize, ConfigError> {
        match &data.targets {
            Targets::Classes { classes: 2, .. } => Ok(1),
            Targets::Classes { classes, .. } => {
                Err(ConfigError::new("name", format!("logistic needs 2 classes, these data have {classes}")))
            }
            Targets::Values { dim: 1, values } if values.iter().all(|v| v.abs() == 1.0) => Ok(1),
            Targets::Values { .. } => {
                Err(ConfigError::new("name", "logistic needs one target of -1 or +1 per example"))
            }
        }
    }

    fn example(&self, z: &[f64], target: One<'_>, e: &mut [f64]) -> f64 {
        let y = match target {
            One::Class(c) => 2.0 * c as f64 - 1.0,
            One::Values(v) => v[0],
        };
        if let Some(d) = e.first_mut() {
            *d = -y * sigmoid(-y * z[0]);
        }
        softplus(-y * z[0])
    }

    fn class(&self, z: &[f64]) -> usize {
        usize::from(z[0] > 0.0)
    }
}
