//! Update directions G of every layer as tensors, when somebody wants to see them.
//!
//! They are computed in the same row blocks as the fused update of [`super::update`], so that looking changes no bit.

use crate::network::{Errors, Network, NodeId, Trace};
use realign_tensor::{Par, Tensor};

/// Update directions by node.
#[derive(Default)]
pub struct Grads {
    nodes: Vec<Option<(Tensor, Option<Tensor>)>>,
    fresh: bool,
}

impl Grads {
    /// Forgets what belongs to an earlier step.
    pub fn invalidate(&mut self) {
        self.fresh = false;
    }

    /// Whether these belong to the current step.
    pub fn fresh(&self) -> bool {
        self.fresh
    }

    /// G of the weight at `node`; `None` if it was not computed or is not trained.
    pub fn weight(&self, node: NodeId) -> Option<&Tensor> {
        self.nodes.get(node.0).and_then(Option::as_ref).filter(|_| self.fresh).map(|(w, _)| w)
    }

    /// G of the bias at `node`.
    pub fn bias(&self, node: NodeId) -> Option<&Tensor> {
        self.nodes.get(node.0).and_then(Option::as_ref).filter(|_| self.fresh).and_then(|(_, b)| b.as_ref())
    }

    /// Computes G of every trained layer from the errors, once per step.
    pub fn compute(
        &mut self,
        net: &Network,
        trace: &Trace,
        errors: &Errors,
        trains: impl Fn(NodeId) -> bool,
        par: Par,
    ) {
        if std::mem::replace(&mut self.fresh, true) {
            return;
        }
        self.nodes.resize_with(net.nodes().len(), || None);
        for &node in net.weighted() {
            let (layer, slot) = (net.layer(node), &mut self.nodes[node.0]);
            let Some(delta) = errors.delta(net, node).filter(|_| trains(node)) else {
                *slot = None;
                continue;
            };
            let w = net.weight(node);
            let (g, gb) = slot.get_or_insert_with(|| (w.zeros_like(), layer.bias().map(Tensor::zeros_like)));
            let (rows, cols, seen) = (w.rows(), w.cols(), errors.seen(net, trace, node));
            let mut rest = g.slice_mut();
            let step = layer.block_rows(rows, cols);
            for start in (0..rows).step_by(step) {
                let end = (start + step).min(rows);
                let (block, tail) = rest.split_at((end - start) * cols);
                layer.weight_grad(seen, delta, start..end, block, par);
                rest = tail;
            }
            if let Some(gb) = gb {
                layer.bias_grad(seen, delta, gb, par);
            }
        }
    }
}
