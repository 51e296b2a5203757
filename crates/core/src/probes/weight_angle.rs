//! Angle between W and the matrix M that carries the error through the layer, `∠(W_l, M_l)` in degrees; 90 is no alignment.
//! Under backpropagation and the baselines there is no B and no row.

use super::{PER_UNIT, PerUnit, Probe, Rows, View, angle, unit_angles};
use crate::registry::{self, Entry};
use realign_tensor::ops;

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
            let (w, Some(b)) = (view.net.weight(node), view.feedback.at(node)) else { continue };
            out.angle(Some(i), None, angle(ops::products(w, b)));
            if self.0.per_unit {
                let mut units = vec![[0.0; 3]; w.rows()];
                ops::products_rows(w.slice(), b.slice(), &mut units, view.par);
                unit_angles(i, &units, out);
            }
        }
    }
}
