//! Frobenius norms per layer: W, B, the ratio ‖B‖/‖W‖, delta and G.

use super::{Probe, Rows, View};
use crate::registry::Entry;
use realign_tensor::{Tensor, ops};

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "norms",
    summary: "Norms of weights, feedback, error signals and update directions per layer.",
    formula: "‖W_l‖, ‖B_l‖, ‖B_l‖/‖W_l‖, ‖δ_l‖, ‖G_l‖",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(Norms)),
};

struct Norms;

impl Probe for Norms {
    fn name(&self) -> &'static str {
        "norms"
    }

    fn needs_grads(&self) -> bool {
        true
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let norm = |t: &Tensor| ops::norm_sq(t).sqrt();
        for (i, &node) in view.net.weighted().iter().enumerate() {
            let w = view.net.weight(node);
            match view.feedback.at(node) {
                None => out.layer("weight", i, norm(w)),
                Some(b) => {
                    let [_, w, b] = ops::products(w, b).map(f64::sqrt);
                    out.layer("weight", i, w);
                    out.layer("feedback", i, b);
                    out.layer("ratio", i, b / w);
                }
            }
            if let Some(d) = view.errors.delta(view.net, node) {
                out.layer("delta", i, norm(d));
            }
            if let Some(g) = view.grads.weight(node) {
                out.layer("update", i, norm(g));
            }
        }
    }
}
