//! Angle between the rule's update direction and the true gradient on the same weights and batch, `∠(G_l, dL/dW_l)`, per layer and
//! over the whole net (`layer` absent), degrees. Weights only. Below 90 the step goes downhill.

use super::{PER_UNIT, PerUnit, Probe, Rows, View, angle, unit_angles};
use crate::registry::{self, Entry};
use realign_tensor::ops;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "update_angle",
    summary: "Angle between the rule's update direction and the gradient, degrees.",
    formula: "∠(G_l, ∂L/∂W_l)",
    citation: "",
    options: &[PER_UNIT],
    build: |t| Ok(Box::new(UpdateAngle(registry::parse(t)?))),
};

struct UpdateAngle(PerUnit);

impl Probe for UpdateAngle {
    fn name(&self) -> &'static str {
        "update_angle"
    }

    fn needs_grads(&self) -> bool {
        true
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let reference = view.reference.grads(view.net, view.trace, view.errors, view.par);
        let mut total = [0.0; 3];
        for (i, &node) in view.net.weighted().iter().enumerate() {
            if let (Some(g), Some(r)) = (view.grads.weight(node), reference.weight(node)) {
                let parts = [ops::dot(g, r), ops::norm_sq(g), ops::norm_sq(r)];
                out.angle(Some(i), None, angle(parts[0], parts[1], parts[2]));
                total.iter_mut().zip(parts).for_each(|(t, p)| *t += p);
                if self.0.per_unit {
                    unit_angles(i, g, r, out);
                }
            }
        }
        out.angle(None, None, angle(total[0], total[1], total[2]));
    }
}
