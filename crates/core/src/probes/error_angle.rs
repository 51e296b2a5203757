//! Angle between the rule's error signals and backpropagation's on the same weights and batch, `∠(delta_rule, delta_BP)`, over the
//! batch, per layer and over the whole net (`layer` absent), degrees.

use super::{Probe, Rows, View, angle};
use crate::registry::Entry;
use realign_tensor::ops;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "error_angle",
    summary: "Angle between the rule's and backpropagation's error signals, degrees.",
    formula: "∠(δ_l, δ_l^BP)",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(ErrorAngle)),
};

struct ErrorAngle;

impl Probe for ErrorAngle {
    fn name(&self) -> &'static str {
        "error_angle"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let reference = view.reference.errors(view.net, view.trace, view.errors, view.par);
        let mut total = [0.0; 3];
        for (i, &node) in view.net.weighted().iter().enumerate() {
            if let (Some(d), Some(r)) = (view.errors.delta(view.net, node), reference.delta(view.net, node)) {
                let parts = [ops::dot(d, r), ops::norm_sq(d), ops::norm_sq(r)];
                out.angle(Some(i), None, angle(parts[0], parts[1], parts[2]));
                total.iter_mut().zip(parts).for_each(|(t, p)| *t += p);
            }
        }
        out.angle(None, None, angle(total[0], total[1], total[2]));
    }
}
