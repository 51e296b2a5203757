//! Angle between W and the matrix M that carries the error through the layer, `∠(W_l, M_l)` in degrees; 90 is no alignment.
//! Under backpropagation and the baselines there is no B and no row.

use super::{PER_UNIT, PerUnit, Probe, Rows, View, angle_between, unit_angles};
use crate::registry::{self, Entry};

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "weight_angle",
    summary: "Angle between forward and feedback weights per layer, degrees.",
    formula: "∠(W_l, B_l)",
    citation: "",
    options: &[PER_UNIT],
    build: |t| Ok(Box::new(WeightAngle(registry::parse(t)?))),
};

struct WeightAngle(PerUnit);

impl Probe for WeightAngle {
    fn name(&self) -> &'static str {
        "weight_angle"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        for (i, &node) in view.net.weighted().iter().enumerate() {
            if let Some(b) = view.feedback.at(node) {
                out.angle(Some(i), None, angle_between(view.net.weight(node), b));
                if self.0.per_unit {
                    unit_angles(i, view.net.weight(node), b, out);
                }
            }
        }
    }
}
