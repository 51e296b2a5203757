//! Update directions G of every layer as tensors, when somebody wants to see them.
//!
//! They are computed in the same row blocks as the fused update of [`super::update`], so that looking changes no bit.

use crate::layer::{Layer, Seen};
use crate::network::{Errors, Network, NodeId, Trace};
use realign_tensor::{Par, SliceMut, Tensor};
use std::ops::Range;

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
            let (seen, block) = (errors.seen(net, trace, node), layer.block_rows(w.rows(), w.cols()));
            in_blocks(layer, seen, delta, 0..w.rows(), block, g.slice_mut(), par);
            if let Some(gb) = gb {
                layer.bias_grad(seen, delta, gb, par);
            }
        }
    }
}

/// Rows `rows` of G of a layer into `g`, in blocks of `block` rows from the first. Threads share whole blocks, and a single block among them.
pub(crate) fn in_blocks(
    layer: &dyn Layer,
    seen: Seen<'_>,
    delta: &Tensor,
    rows: Range<usize>,
    block: usize,
    g: SliceMut<'_>,
    par: Par,
) {
    let (blocks, threads) = (rows.len().div_ceil(block), par.count());
    let cols = g.len() / rows.len().max(1);
    if threads > 1 && blocks > 1 {
        let left = threads / 2;
        let mid = rows.start + (blocks * left / threads).max(1) * block;
        let (g1, g2) = g.split_at((mid - rows.start) * cols);
        let part = |rows, g, threads| in_blocks(layer, seen, delta, rows, block, g, Par::threads(threads));
        return par.join(|| part(rows.start..mid, g1, left), || part(mid..rows.end, g2, threads - left));
    }
    let mut rest = g;
    for start in rows.clone().step_by(block) {
        let end = (start + block).min(rows.end);
        let (head, tail) = rest.split_at((end - start) * cols);
        layer.weight_grad(seen, delta, start..end, head, par);
        rest = tail;
    }
}
