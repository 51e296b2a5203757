//! Angle between W and the matrix M that carries the error through the layer, `∠(W_l, M_l)` in degrees (90 is no alignment), and `ratio`
//! ‖M_l‖/‖W_l‖: the two metrics of BioTorch, where the ratio is that way round too. Where W is zero there is no ratio. Under backpropagation and the
//! baselines there is no B and no row.

use super::{PER_UNIT, PerUnit, Probe, Rows, View, angle, unit_angles};
use crate::registry::{self, Entry};
use realign_tensor::ops;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "weight_angle",
    summary: "Angle between forward and feedback weights per layer, degrees, and the ratio of their norms.",
    formula: "∠(W_l, B_l), ‖B_l‖/‖W_l‖",
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
            let sums = ops::products(w, b);
            out.angle(Some(i), None, angle(sums));
            let [_, ww, bb] = sums.map(f64::sqrt);
            if ww > 0.0 {
                out.layer("ratio", i, bb / ww);
            }
            if self.0.per_unit {
                let mut units = vec![[0.0; 3]; w.rows()];
                ops::products_rows(w.slice(), b.slice(), &mut units, view.par);
                unit_angles(i, &units, out);
            }
        }
    }
}
