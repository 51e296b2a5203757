//! Softmax cross-entropy of a label c: `L = log Σ exp z - z_c`, `e = softmax(z) - 1_c`.

use super::{Loss, One, one_per_target};
use crate::ConfigError;
use crate::registry::Entry;
use realign_data::{Dataset, Targets};

pub(super) const ENTRY: Entry<dyn Loss> = Entry {
    name: "cross_entropy",
    summary: "Softmax cross-entropy, for classes.",
    formula: "L = log Σⱼ exp zⱼ − z_c",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(CrossEntropy)),
};

struct CrossEntropy;

impl Loss for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn outputs(&self, data: &Dataset) -> Result<usize, ConfigError> {
        match data.targets {
            Targets::Classes { .. } => Ok(one_per_target(data)),
            Targets::Values { .. } => {
                Err(ConfigError::new("name", "cross_entropy needs classes, these data have real targets"))
            }
        }
    }

    fn example(&self, z: &[f64], target: One<'_>, e: &mut [f64]) -> f64 {
        let One::Class(c) = target else { panic!("cross_entropy on real targets") };
        let top = z.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        let total: f64 = z.iter().map(|v| (v - top).exp()).sum();
        for (i, d) in e.iter_mut().enumerate() {
            *d = (z[i] - top).exp() / total - f64::from(i == c);
        }
        total.ln() + top - z[c]
    }
}
