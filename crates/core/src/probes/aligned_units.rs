//! Which hidden units are aligned, and which the conservation law keeps aligned ([`crate::rules::Alignment`]), per pair of layers (`layer`
//! is the one that writes the units) and over the whole net (`layer` absent).
//!
//! Rows: `units`; `misaligned`, how many have <W_{l+1}[:,k], M[:,k]> < 0; `unguarded`, how many violate budget_k >= ½(‖W_l[k,:]‖² + b_l[k]²)
//! (> for signs) or have M[:,k] = 0 (only where the path is homogeneous); `min_cosine`; `zero_vectors`, units without a direction. Units with several writers or readers, and
//! rules without a potential, give no rows.

use super::{Probe, Rows, View};
use crate::registry::Entry;
use crate::rules::{alignment, chains};

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "aligned_units",
    summary: "How many hidden units are misaligned, and how many the law does not guard.",
    formula: "#{k : <W_{l+1}[:,k], M[:,k]> < 0}, #{k : Φ_k(W) − Φ_k(0) < ½(‖W_l[k,:]‖² + b_l[k]²)}",
    citation: "",
    options: &[],
    build: |_| Ok(Box::new(AlignedUnits)),
};

struct AlignedUnits;

impl Probe for AlignedUnits {
    fn name(&self) -> &'static str {
        "aligned_units"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let mut total = [0usize; 4];
        for chain in chains(view.net) {
            let Some(a) = alignment(view.net, view.rule, view.feedback, chain) else { continue };
            let cosines: Vec<f64> = (0..a.units()).filter_map(|k| a.cosine(k)).collect();
            let misaligned = (0..a.units()).filter(|k| a.misaligned(*k)).count();
            let unguarded = if chain.homogeneous { a.units() - a.guarded_units() } else { 0 };
            let counts = [a.units(), misaligned, unguarded, a.units() - cosines.len()];
            report(counts, Some(chain.layer), chain.homogeneous, out);
            if let Some(least) = cosines.iter().copied().reduce(f64::min) {
                out.layer("min_cosine", chain.layer, least);
            }
            total.iter_mut().zip(counts).for_each(|(t, c)| *t += c);
        }
        if total[0] > 0 {
            report(total, None, true, out);
        }
    }
}

fn report(counts: [usize; 4], layer: Option<usize>, law: bool, out: &mut Rows) {
    for (name, count) in ["units", "misaligned", "unguarded", "zero_vectors"].into_iter().zip(counts) {
        // No law, no guard to lose; and no zero vectors is the rule.
        if (name != "unguarded" || law) && (name != "zero_vectors" || count > 0) {
            out.push(name, None, layer, None, count as f64);
        }
    }
}
