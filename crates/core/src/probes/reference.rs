//! What backpropagation would do: its errors and update directions on the same weights, batch and signal as the rule's.
//!
//! Errors are computed at most once per step, for all probes. To be compared with the rule's, a gradient is made a few blocks at a time and never
//! lies in memory as a whole; and where the rule's error is backpropagation's (at the top under every rule), so is its update.

use crate::init::Feedback;
use crate::layer::{Layer, Seen};
use crate::network::{Errors, Network, NodeId, Trace};
use crate::rules::{Rule, bp::Bp};
use crate::train::{Grads, in_blocks};
use realign_tensor::ops::{self, Products};
use realign_tensor::{Par, Tensor};

/// Buffers for backpropagation's errors and update directions, computed at most once per step.
#[derive(Default)]
pub struct Reference {
    errors: Option<Errors>,
    grads: Grads,
    errors_fresh: bool,
    blocks: Option<Tensor>,
}

impl Reference {
    /// Forgets what belongs to an earlier step.
    pub fn invalidate(&mut self) {
        self.errors_fresh = false;
        self.grads.invalidate();
    }

    /// Backpropagation's errors.
    pub fn errors(&mut self, net: &Network, trace: &Trace, signal: &Errors, par: Par) -> &Errors {
        let errors = self.errors.get_or_insert_with(|| Errors::new(net, trace.batch()));
        if !self.errors_fresh {
            errors.copy_signal(net, signal);
            Bp.errors(net, &mut Feedback::none(), trace, errors, par);
            self.errors_fresh = true;
        }
        errors
    }

    /// Backpropagation's update directions: the gradient of the loss.
    pub fn grads(&mut self, net: &Network, trace: &Trace, signal: &Errors, par: Par) -> &Grads {
        if !self.grads.fresh() {
            self.errors(net, trace, signal, par);
            let errors = self.errors.as_ref().expect("just made");
            self.grads.compute(net, trace, errors, |_| true, par);
        }
        &self.grads
    }

    /// `[<G, g>, ‖G‖², ‖g‖²]` of the rule's update direction G of the weight at `node` (in `own`, made from `errors`) and backpropagation's g; in
    /// `units` (one entry per row, or none) the same for every row. `None` where there is no G.
    ///
    /// # Panics
    /// If `units` has entries for another number of rows.
    pub fn beside(
        &mut self,
        net: &Network,
        trace: &Trace,
        errors: &Errors,
        own: &Grads,
        node: NodeId,
        units: &mut [[f64; 3]],
        par: Par,
    ) -> Option<[f64; 3]> {
        let (g, delta) = (own.weight(node)?, errors.delta(net, node)?);
        self.errors(net, trace, errors, par);
        let reference = self.errors.as_ref().expect("just made");
        let truth = reference.delta(net, node)?;
        // Equal up to the sign of zeros, which no sum shows.
        let same = (delta == truth).then_some(g);
        if let Some(other) = same.or(self.grads.weight(node)) {
            if !units.is_empty() {
                ops::products_rows(g.slice(), other.slice(), units, par);
            }
            return Some(ops::products(g, other));
        }
        let seen = reference.seen(net, trace, node);
        let sums = streamed(net.layer(node), seen, truth, g, &mut self.blocks, units, par);
        Some(sums)
    }
}

/// [`Reference::beside`] with g made in as many blocks at a time as there are threads.
fn streamed(
    layer: &dyn Layer,
    seen: Seen<'_>,
    delta: &Tensor,
    own: &Tensor,
    buffer: &mut Option<Tensor>,
    units: &mut [[f64; 3]],
    par: Par,
) -> [f64; 3] {
    let (rows, cols) = (own.rows(), own.cols());
    let block = layer.block_rows(rows, cols);
    let some = (block * par.count()).min(rows);
    // What does not fill the lanes of the sums waits in front for the next blocks.
    let space = some * cols + Products::STEP;
    let buffer = match buffer {
        Some(b) if b.numel() >= space => b,
        small => small.insert(Tensor::zeros([space], own.dtype())),
    };
    let (mut sums, mut summed, mut waiting) = (Products::default(), 0, 0);
    for start in (0..rows).step_by(some.max(1)) {
        let end = (start + some).min(rows);
        let n = (end - start) * cols;
        let (_, made) = buffer.slice_mut().split_at(waiting);
        in_blocks(layer, seen, delta, start..end, block, made.split_at(n).0, par);
        if !units.is_empty() {
            let (g, made) =
                (own.slice().part(start * cols..end * cols), buffer.slice().part(waiting..waiting + n));
            ops::products_rows(g, made, &mut units[start..end], par);
        }
        let there = waiting + n;
        let take = if end == rows { there } else { there / Products::STEP * Products::STEP };
        sums.add(own.slice().part(summed..summed + take), buffer.slice().part(0..take));
        (summed, waiting) = (summed + take, there - take);
        for i in 0..waiting {
            buffer.set(i, buffer.at(take + i));
        }
    }
    sums.sums()
}
