//! BioTorch's two metrics of every layer, as a probe: the angle of W and B in degrees and ‖B‖/‖W‖.
//!
//! BioTorch keeps feedback weights for the lowest layer too, though they carry nothing, and measures them; a run has none there. A stand-in of the same
//! shape is drawn here, so that both sides compute the same numbers.

use realign::network::Network;
use realign::probes::{Probe, Rows, View, angle};
use realign::tensor::{DType, Rng, Tensor, ops};

pub(crate) const NAME: &str = "biotorch";

/// The stand-in for feedback weights of the lowest layer.
pub(crate) fn lowest(net: &Network) -> Tensor {
    let shape = net.weight(net.weighted()[0]).shape();
    Rng::new(3).normal_tensor(shape, 0.03, DType::F32)
}

#[derive(Default)]
pub(crate) struct Metrics {
    lowest: Option<Tensor>,
}

impl Probe for Metrics {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        let lowest = self.lowest.get_or_insert_with(|| lowest(view.net));
        for (i, &node) in view.net.weighted().iter().enumerate() {
            let (w, b) = (view.net.weight(node), view.feedback.at(node).unwrap_or(lowest));
            let (ww, bb) = (ops::norm_sq(w), ops::norm_sq(b));
            out.angle(Some(i), None, angle([ops::dot(w, b), ww, bb]));
            out.layer("ratio", i, (bb / ww).sqrt());
        }
    }
}
