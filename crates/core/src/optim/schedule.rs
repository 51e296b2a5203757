//! Learning-rate schedules: a factor on the base rate as a function of the step (from 0) and the total; all take a linear
//! `warmup` of so many steps: factor (t+1)/warmup before it ends.

use crate::registry::{self, Allowed, Entry, Opt};
use crate::train::MOST_STEPS;
use serde::Deserialize;

/// Factor on the base learning rate.
pub trait Schedule: Send + Sync {
    /// Factor at step `step` (from 0) of `total`.
    fn factor(&self, step: u64, total: u64) -> f64;
}

const WARMUP: Opt = Opt {
    name: "warmup",
    default: "0",
    meaning: "steps of linear warm-up",
    allowed: Allowed::Size(0, MOST_STEPS as usize),
};

/// All schedules by name.
pub static SCHEDULES: &[Entry<dyn Schedule>] = &[
    Entry {
        name: "constant",
        summary: "The base rate throughout.",
        formula: "η(t) = η",
        citation: "",
        options: &[WARMUP],
        build: |t| Ok(Box::new(registry::parse::<Constant>(t)?)),
    },
    Entry {
        name: "step",
        summary: "Multiplied by gamma at every milestone, a fraction of the training.",
        formula: "η(t) = η γ^#{milestones passed}",
        citation: "",
        options: &[
            Opt {
                name: "gamma",
                default: "0.1",
                meaning: "factor at a milestone",
                allowed: Allowed::POSITIVE,
            },
            Opt {
                name: "milestones",
                default: "[0.5, 0.75]",
                meaning: "fractions of the training",
                allowed: Allowed::List(0, &Allowed::SHARE),
            },
            WARMUP,
        ],
        build: |t| Ok(Box::new(registry::parse::<Step>(t)?)),
    },
    Entry {
        name: "cosine",
        summary: "Falls along half a cosine to `floor` times the base rate.",
        formula: "η(t) = η (f + (1−f)(1 + cos(π t/T))/2)",
        citation: "",
        options: &[
            Opt {
                name: "floor",
                default: "0.0",
                meaning: "share of the base rate at the end",
                allowed: Allowed::SHARE,
            },
            WARMUP,
        ],
        build: |t| Ok(Box::new(registry::parse::<Cosine>(t)?)),
    },
];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Constant {
    warmup: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    gamma: f64,
    milestones: Vec<f64>,
    warmup: u64,
}

impl Default for Step {
    fn default() -> Self {
        Step { gamma: 0.1, milestones: vec![0.5, 0.75], warmup: 0 }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Cosine {
    floor: f64,
    warmup: u64,
}

fn warm(step: u64, warmup: u64) -> f64 {
    if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 }
}

impl Schedule for Constant {
    fn factor(&self, step: u64, _total: u64) -> f64 {
        warm(step, self.warmup)
    }
}

impl Schedule for Step {
    fn factor(&self, step: u64, total: u64) -> f64 {
        let passed = self.milestones.iter().filter(|m| step as f64 >= **m * total as f64).count();
        warm(step, self.warmup) * self.gamma.powi(passed as i32)
    }
}

impl Schedule for Cosine {
    fn factor(&self, step: u64, total: u64) -> f64 {
        let phase = (std::f64::consts::PI * step as f64 / total.max(1) as f64).cos();
        warm(step, self.warmup) * (self.floor + (1.0 - self.floor) * 0.5 * (1.0 + phase))
    }
}
