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
                let sums = ops::products(d, r);
                out.angle(Some(i), None, angle(sums));
                total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
            }
        }
        out.angle(None, None, angle(total));
    }
}
