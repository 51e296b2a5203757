//! Angle between the rule's update direction and the true gradient on the same weights and batch, `∠(G_l, dL/dW_l)`, per layer and
//! over the whole net (`layer` absent), degrees. Weights only. Below 90 the step goes downhill.

use super::{PER_UNIT, PerUnit, Probe, Rows, View, angle, unit_angles};
use crate::registry::{self, Entry};

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
        let View { net, trace, errors, grads, par, .. } = *view;
        let mut total = [0.0; 3];
        for (i, &node) in net.weighted().iter().enumerate() {
            let mut units = vec![[0.0; 3]; if self.0.per_unit { net.weight(node).rows() } else { 0 }];
            let sums = view.reference.beside(net, trace, errors, grads, node, &mut units, par);
            let Some(sums) = sums else { continue };
            out.angle(Some(i), None, angle(sums));
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
            unit_angles(i, &units, out);
        }
        out.angle(None, None, angle(total));
    }
}
