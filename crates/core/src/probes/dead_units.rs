//! Dead units: hidden units whose output is zero for every example of the batch, as a share of the layer's units.

use super::{Probe, Rows, View};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "dead_units",
    summary: "Share of hidden units that are zero on the whole batch.",
    formula: "#{k : h_l[k] = 0 on every example} / units",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(DeadUnits)),
};

struct DeadUnits;

impl Probe for DeadUnits {
    fn name(&self) -> &'static str {
        "dead_units"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let layers = view.net.weighted();
        for (i, &node) in layers.iter().enumerate().take(layers.len().saturating_sub(1)) {
            let h = view.trace.value(view.net, node);
            let (units, values) = (view.net.weight(node).rows(), h.to_f64_vec());
            // A unit is a feature of a dense layer or a channel with all its positions.
            let per_unit = h.cols() / units.max(1);
            let mut alive = vec![false; units];
            values.iter().enumerate().filter(|(_, v)| **v != 0.0).for_each(|(j, _)| alive[j % h.cols() / per_unit] = true);
            let dead = alive.iter().filter(|a| !**a).count();
            out.layer("dead_units", i, dead as f64 / units as f64);
        }
    }
}
