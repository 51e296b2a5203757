/*!
Probes: passive readers with their own cadence. They see a run before a training step: the weights, the batch, the errors and
update directions of the rule, and on request those of backpropagation on the same weights and batch.

A quantity at step s belongs to the weights after s training steps. Angles are in degrees; a zero vector has no angle: it is
counted (`zero_vectors`), never averaged.
*/

mod every;
mod reference;

pub use every::Every;
pub use reference::Reference;

use crate::ConfigError;
use crate::init::Feedback;
use crate::loss::Loss;
use crate::network::{Errors, Network, Trace};
use crate::registry::{self, Entry};
use crate::rules::Rule;
use crate::train::{Evaluator, Grads, Journal};
use realign_data::Bundle;
use realign_tensor::{Par, Rng, Tensor, ops};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use toml::Table;

macro_rules! probes {
    ($($module:ident),*) => {
        $(mod $module;)*
        /// All probes by name.
        pub static PROBES: &[Entry<dyn Probe>] = &[$($module::ENTRY),*];
    };
}
probes!(
    accuracy,
    weight_angle,
    error_angle,
    update_angle,
    effective_rank,
    norms,
    dead_units,
    decomposition,
    aligned_units
);

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Training steps done.
    pub step: u64,
    /// Epochs done, fractional.
    pub epoch: f64,
    /// Which probe.
    pub probe: Cow<'static, str>,
    /// Which quantity.
    pub name: Cow<'static, str>,
    /// Which part of the data, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Cow<'static, str>>,
    /// Which weighted layer, from 0 at the bottom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// Which unit of the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<usize>,
    /// The number; not a number is written as null.
    #[serde(deserialize_with = "nan_if_null")]
    pub value: f64,
}

fn nan_if_null<'de, D: serde::Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::NAN))
}

/// What a probe is shown.
pub struct View<'a> {
    /// Training steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// Training steps in all.
    pub steps: u64,
    /// Training steps of one epoch.
    pub steps_per_epoch: u64,
    /// Sum of the learning rates of all steps done: the time of the flow that the run follows.
    pub time: f64,
    /// Root of the run's random tree.
    pub root: &'a Rng,
    /// The network.
    pub net: &'a Network,
    /// Its feedback weights.
    pub feedback: &'a Feedback,
    /// The rule in force.
    pub rule: &'a dyn Rule,
    /// The forward pass on the current batch.
    pub trace: &'a Trace,
    /// The rule's errors on the current batch.
    pub errors: &'a Errors,
    /// The rule's update directions, when a due probe needs them.
    pub grads: &'a Grads,
    /// Backpropagation on the same weights and batch, computed when first asked for.
    pub reference: &'a mut Reference,
    /// Scores data sets.
    pub evaluator: &'a mut Evaluator,
    /// The loss.
    pub loss: &'a dyn Loss,
    /// The data.
    pub data: &'a Bundle,
    /// Threads.
    pub par: Par,
}

/// Collects rows of one step.
pub struct Rows {
    step: u64,
    epoch: f64,
    probe: &'static str,
    rows: Vec<Row>,
}

impl Rows {
    /// Rows of one probe at one step.
    pub fn new(step: u64, epoch: f64, probe: &'static str) -> Self {
        Rows { step, epoch, probe, rows: Vec::new() }
    }

    /// Adds a number.
    pub fn push(
        &mut self,
        name: &'static str,
        split: Option<&'static str>,
        layer: Option<usize>,
        unit: Option<usize>,
        value: f64,
    ) {
        let row = Row {
            step: self.step,
            epoch: self.epoch,
            probe: self.probe.into(),
            name: name.into(),
            split: split.map(Cow::from),
            layer,
            unit,
            value,
        };
        self.rows.push(row);
    }

    /// Adds a number of one layer.
    pub fn layer(&mut self, name: &'static str, layer: usize, value: f64) {
        self.push(name, None, Some(layer), None, value);
    }

    /// Adds an angle of a layer (or of the whole net), or a count of one zero vector.
    pub fn angle(&mut self, layer: Option<usize>, unit: Option<usize>, angle: Option<f64>) {
        match angle {
            Some(a) => self.push("angle", None, layer, unit, a),
            None => self.push("zero_vectors", None, layer, unit, 1.0),
        }
    }

    /// The rows.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// A passive reader.
pub trait Probe: Send {
    /// Registry word.
    fn name(&self) -> &'static str;

    /// Whether [`View::grads`] must be filled.
    fn needs_grads(&self) -> bool {
        false
    }

    /// Reads the run and adds rows.
    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows);

    /// Whether it wants the journal of the step about to be made; `due` says whether its rows were due before it.
    fn wants_journal(&self, _due: bool) -> bool {
        false
    }

    /// Reads what training step `step` (from 0) did.
    fn record(&mut self, _step: u64, _journal: &Journal) {}

    /// What must survive a resume.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Takes over a saved state.
    fn restore(&mut self, _state: &[(String, Tensor)]) {}
}

/// Builds a probe from its table (`name` and options, without `every`).
pub fn build(table: Table) -> Result<Box<dyn Probe>, ConfigError> {
    registry::build(PROBES, "probe", table)
}

/// Angle in degrees from `[<a,b>, ‖a‖², ‖b‖²]` ([`ops::products`]); `None` if a vector is zero, not a number if one is not finite.
pub fn angle([dot, a_sq, b_sq]: [f64; 3]) -> Option<f64> {
    // The root of the product, so that equal vectors give exactly 0 degrees.
    let norms = (a_sq * b_sq).sqrt();
    if norms == 0.0 {
        return None;
    }
    Some(if norms.is_finite() { (dot / norms).clamp(-1.0, 1.0).acos().to_degrees() } else { f64::NAN })
}

/// Angle in degrees between two tensors read as vectors.
pub fn angle_between(a: &Tensor, b: &Tensor) -> Option<f64> {
    angle(ops::products(a, b))
}

/// Adds the angle of every unit of a layer from its [`ops::products_rows`].
pub(crate) fn unit_angles(layer: usize, units: &[[f64; 3]], out: &mut Rows) {
    units.iter().enumerate().for_each(|(k, sums)| out.angle(Some(layer), Some(k), angle(*sums)));
}

/// The option `per_unit` shared by the angle probes.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PerUnit {
    pub(crate) per_unit: bool,
}

pub(crate) const PER_UNIT: registry::Opt = registry::Opt {
    name: "per_unit",
    default: "false",
    meaning: "also one row per unit of every layer",
    allowed: registry::Allowed::Flag,
};
