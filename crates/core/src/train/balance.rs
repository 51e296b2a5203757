//! What a layer that reads its units through statistics says of its own path in one step, per channel.

use crate::network::{Errors, Network, NodeId, Trace};
use crate::streams::Normalizer;
use realign_tensor::Par;

/// The sums of one such layer; empty where no error came.
pub(super) struct Balance {
    pub(super) node: NodeId,
    /// [`crate::layer::Layer::balance`].
    known: Vec<f64>,
    /// [`crate::layer::Layer::gross`], below and above.
    below: Vec<f64>,
    pub(super) above: Vec<f64>,
}

impl Balance {
    pub(super) fn of(node: NodeId) -> Balance {
        Balance { node, known: Vec::new(), below: Vec::new(), above: Vec::new() }
    }

    /// Takes the sums of a pass.
    pub(super) fn note(&mut self, net: &Network, trace: &Trace, errors: &Errors, par: Par) {
        let Balance { node, known, below, above } = self;
        [&mut *known, &mut *below, &mut *above].into_iter().for_each(Vec::clear);
        if let Some(delta) = errors.delta(net, *node) {
            let (layer, seen) = (net.layer(*node), errors.seen(net, trace, *node));
            layer.balance(seen, delta, known, par);
            layer.gross(seen, delta, below, above, par);
        }
    }

    /// The balance of unit `k` of those that the layer reads.
    pub(super) fn known(&self, reader: &Normalizer, k: usize) -> f64 {
        of_unit(&self.known, reader, k)
    }

    /// The square of its gross size.
    pub(super) fn gross(&self, reader: &Normalizer, k: usize) -> f64 {
        of_unit(&self.below, reader, k)
    }
}

/// A flattened image has several channels of the layer per unit.
fn of_unit(channels: &[f64], reader: &Normalizer, k: usize) -> f64 {
    let each = channels.len() / reader.units;
    channels[k * each..(k + 1) * each].iter().sum()
}
