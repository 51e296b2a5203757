/*!
Laws: quantities that a learning rule conserves, or moves in a known way.

A law names two sides per unit, `Q = plus - minus` (for feedback alignment `<W_{l+1}[:,k], B[:,k]>` and `½‖W_l[k,:]‖²`), and says how Q moves
from one training step to the next: `alpha plus' - minus' = gamma (plus - minus)`, alpha = gamma = 1 for a conserved one. What is left over in a step is
its *defect*: zero in the limit of small steps, and known in closed form (the law's *account*) for any step. Each law
states its assumptions and refuses where they fail, with the reason. Predictions are made from the initial state only.

[`check`] compares all that with training. The law of DFA's virtual read-out has to wait for that rule. What happens where a law does not apply is
the ledger's subject ([`crate::ledger`]). Robertson & Koyejo, ICML 2024; docs/theory.md.
*/

mod adafa;
pub(crate) mod balance;
mod bp;
pub mod check;
mod contraction;
mod curvature;
mod fa;
mod heavy_ball;
mod judge;
mod linear;
mod setting;
mod sign_fa;
mod state;
mod weight_decay;

pub use setting::Setting;
pub use state::{Layer, State};

use serde::Serialize;

macro_rules! laws {
    ($($module:ident),*) => {
        /// All laws.
        pub static LAWS: &[&dyn Law] = &[$(&$module::LAW),*];
    };
}
laws!(fa, sign_fa, adafa, contraction, bp, linear, weight_decay, heavy_ball);

/// How the defect of discrete steps depends on the learning rate at equal eta * steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// None: the law is exact for steps of any size.
    Exact,
    /// Proportional to eta: each step's defect is of order eta².
    First,
}

/// What a law says, for listings.
#[derive(Debug, Serialize)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// The statement.
    pub statement: &'static str,
    /// What it takes for granted, one by one.
    pub assumptions: &'static [&'static str],
    /// Defect of discrete steps.
    pub order: Order,
    /// The account: the defect of one step in closed form.
    pub account: &'static str,
    /// Source.
    pub citation: &'static str,
}

/// Why a law says nothing about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyNot(pub String);

/// The two sides of a law at one place, entry by entry (units, or entries of a matrix).
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// The layer that writes the units, counted from 0 at the input.
    pub layer: usize,
    /// What counts for Q.
    pub plus: Vec<f64>,
    /// What counts against it.
    pub minus: Vec<f64>,
}

impl Sides {
    /// Sum of the absolute values of both sides.
    fn size(&self) -> f64 {
        self.plus.iter().chain(&self.minus).map(|x| x.abs()).sum()
    }
}

/// `alpha plus' - minus' = gamma (plus - minus)` from one step to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recursion {
    /// Factor on the new plus side.
    pub alpha: f64,
    /// Factor on the old Q.
    pub gamma: f64,
}

impl Recursion {
    /// Q stays what it is.
    pub const CONSTANT: Recursion = Recursion { alpha: 1.0, gamma: 1.0 };
}

/// What becomes of Q at one place, summed over its entries or as their norm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// At the start.
    pub start: f64,
    /// At the end.
    pub end: f64,
}

/// Jumps in the defect of a step, e.g. where a sign flips: their sum over a run follows eta only on average over many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jumps {
    /// How many.
    pub count: u64,
    /// Sum of their squares.
    pub squares: f64,
}

impl Jumps {
    fn add(&mut self, more: Jumps) {
        self.count += more.count;
        self.squares += more.squares;
    }
}

/// A law.
pub trait Law: Send + Sync {
    /// Statement, assumptions, order, source.
    fn info(&self) -> &'static Info;

    /// Whether its assumptions hold in this run.
    ///
    /// # Errors
    /// With the first assumption that fails and what it is in this run.
    fn applies(&self, setting: &Setting) -> Result<(), WhyNot>;

    /// Both sides at every place.
    fn sides(&self, setting: &Setting, state: &State) -> Vec<Sides>;

    /// How Q moves in one step.
    fn recursion(&self, _setting: &Setting) -> Recursion {
        Recursion::CONSTANT
    }

    /// The defect of one step in closed form, in the order of [`Law::sides`].
    fn account(&self, setting: &Setting, before: &State, after: &State) -> Vec<Vec<f64>>;

    /// Jumps of the quantity within one step, in the order of [`Law::sides`]; nothing for a law without jumps.
    fn jumps(&self, _setting: &Setting, _before: &State, _after: &State) -> Vec<Jumps> {
        Vec::new()
    }

    /// One number for a place: the sum over its units.
    fn value(&self, sides: &Sides) -> f64 {
        sides.plus.iter().zip(&sides.minus).map(|(p, m)| p - m).sum()
    }

    /// What Q will be after `steps` steps, from the initial state only.
    fn predict(&self, setting: &Setting, start: &[Sides], steps: u64) -> Vec<Prediction> {
        let factor = self.recursion(setting).gamma.powf(steps as f64);
        start.iter().map(|s| self.value(s)).map(|v| Prediction { start: v, end: factor * v }).collect()
    }
}

/// Euclidean norm of `plus - minus`: the value of laws whose entries carry no common sign.
fn norm(sides: &Sides) -> f64 {
    sides.plus.iter().zip(&sides.minus).map(|(p, m)| (p - m).powi(2)).sum::<f64>().sqrt()
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, WhyNot> {
    Err(WhyNot(reason.into()))
}

const ROBERTSON: &str = "Robertson & Koyejo, ICML 2024";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_different() {
        let mut names: Vec<_> = LAWS.iter().map(|l| l.info().name).collect();
        assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LAWS.len());
        assert!(LAWS.iter().all(|l| !l.info().assumptions.is_empty() && !l.info().citation.is_empty()));
    }
}
