//! What a forward and a backward pass leave, and the sweep of errors from the top.

use super::{Network, NodeId, Op};
use crate::layer::Seen;
use realign_tensor::ops::{self, Accum};
use realign_tensor::{Par, Shape, Tensor};

/// Outputs of every node for one batch. Pointwise nodes share the buffer of the node they act on.
pub struct Trace {
    pub(super) slots: Vec<Tensor>,
    pub(super) aux: Vec<Tensor>,
}

impl Trace {
    /// Buffers for up to `batch` examples.
    pub fn new(net: &Network, batch: usize) -> Self {
        Trace { slots: slots(net, batch), aux: net.nodes.iter().map(|_| Tensor::empty(net.dtype)).collect() }
    }

    /// The examples, to be filled before a forward pass; holds `batch` of them afterwards.
    pub fn input_mut(&mut self, batch: usize) -> &mut Tensor {
        self.slots[0].set_rows(batch);
        &mut self.slots[0]
    }

    /// Number of examples.
    pub fn batch(&self) -> usize {
        self.slots[0].rows()
    }

    /// Output of `node` after whatever pointwise layers share its buffer.
    pub fn value(&self, net: &Network, node: NodeId) -> &Tensor {
        &self.slots[net.nodes[node.0].slot]
    }

    /// Output of the network.
    pub fn output(&self, net: &Network) -> &Tensor {
        self.value(net, net.output)
    }

    /// What the layer at `node` saw.
    pub fn seen(&self, net: &Network, node: NodeId) -> Seen<'_> {
        Seen { x: self.value(net, net.nodes[node.0].inputs[0]), aux: &self.aux[node.0], sums: &[] }
    }

    pub(super) fn set_batch(&mut self, batch: usize) {
        self.slots.iter_mut().for_each(|s| s.set_rows(batch));
    }
}

/// Shape of one example in every buffer.
pub(super) fn slot_shapes(net: &Network) -> Vec<Shape> {
    let mut shapes: Vec<Option<Shape>> = vec![None; net.slots];
    for node in &net.nodes {
        shapes[node.slot].get_or_insert(node.shape);
    }
    shapes.into_iter().map(|s| s.expect("every slot has a node")).collect()
}

fn slots(net: &Network, batch: usize) -> Vec<Tensor> {
    slot_shapes(net).iter().map(|s| Tensor::zeros(s.batched(batch), net.dtype)).collect()
}

/// Error signals of one backward pass: for a layer, delta at its own output.
pub struct Errors {
    slots: Vec<Tensor>,
    written: Vec<bool>,
    /// What the layer at every node took of its delta, for its error at the input and its update directions ([`crate::layer::Layer::sums`]).
    sums: Vec<Vec<f64>>,
}

impl Errors {
    /// Buffers for up to `batch` examples. The input needs none.
    pub fn new(net: &Network, batch: usize) -> Self {
        let mut slots = slots(net, batch);
        slots[0] = Tensor::empty(net.dtype);
        Errors { written: vec![false; slots.len()], slots, sums: vec![Vec::new(); net.nodes.len()] }
    }

    /// The error at the output, to be filled by the loss; forgets all other errors.
    pub fn signal_mut(&mut self, net: &Network, batch: usize) -> &mut Tensor {
        self.written.fill(false);
        self.sums.iter_mut().for_each(Vec::clear);
        self.slots.iter_mut().skip(1).for_each(|s| s.set_rows(batch));
        let top = net.nodes[net.output.0].slot;
        self.written[top] = true;
        &mut self.slots[top]
    }

    /// delta at the output of the layer `node`; `None` if no error was sent there.
    pub fn delta(&self, net: &Network, node: NodeId) -> Option<&Tensor> {
        let slot = net.nodes[node.0].slot;
        self.written[slot].then(|| &self.slots[slot])
    }

    /// What the layer at `node` saw in the forward pass of `trace` and took of its delta in this backward pass.
    pub fn seen<'a>(&'a self, net: &Network, trace: &'a Trace, node: NodeId) -> Seen<'a> {
        Seen { sums: &self.sums[node.0], ..trace.seen(net, node) }
    }

    /// Takes over the signal at the output from another backward pass on the same batch.
    pub fn copy_signal(&mut self, net: &Network, from: &Errors) {
        let top = net.nodes[net.output.0].slot;
        let rows = from.slots[top].rows();
        self.signal_mut(net, rows).copy_from(&from.slots[top]);
    }
}

/// Sends the error back layer by layer from the top; `carry` names the matrix that carries it through a weighted layer.
pub fn sweep<'a>(
    net: &Network,
    trace: &Trace,
    errors: &mut Errors,
    carry: impl Fn(NodeId) -> &'a Tensor,
    par: Par,
) {
    for (i, node) in net.nodes.iter().enumerate().rev() {
        if !errors.written[node.slot] {
            continue;
        }
        let needed = node.inputs.iter().any(|b| net.nodes[b.0].needs_error);
        let mut delta = std::mem::replace(&mut errors.slots[node.slot], Tensor::empty(net.dtype));
        match &node.op {
            Op::Layer(layer) => {
                let (mut sums, seen) = (std::mem::take(&mut errors.sums[i]), trace.seen(net, NodeId(i)));
                sums.clear();
                layer.sums(seen, &delta, &mut sums, par);
                if needed {
                    let weight = layer.carried().then(|| carry(NodeId(i)));
                    let (dx, accum) = target(net, errors, node.inputs[0]);
                    layer.error_back(weight, Seen { sums: &sums, ..seen }, &delta, dx, accum, par);
                }
                errors.sums[i] = sums;
            }
            _ if !needed => {}
            Op::Input => {}
            Op::Pointwise(layer) => {
                layer.error_back(&trace.slots[node.slot], &trace.aux[i], &mut delta, par);
                if net.nodes[node.inputs[0].0].slot != node.slot {
                    deliver(net, errors, node.inputs[0], &delta, par);
                }
            }
            Op::Add => node.inputs.iter().for_each(|&n| deliver(net, errors, n, &delta, par)),
        }
        errors.slots[node.slot] = delta;
    }
}

fn target<'e>(net: &Network, errors: &'e mut Errors, node: NodeId) -> (&'e mut Tensor, Accum) {
    let slot = net.nodes[node.0].slot;
    let accum = if errors.written[slot] { Accum::Add } else { Accum::Replace };
    errors.written[slot] = true;
    (&mut errors.slots[slot], accum)
}

fn deliver(net: &Network, errors: &mut Errors, node: NodeId, delta: &Tensor, par: Par) {
    if !net.nodes[node.0].needs_error {
        return;
    }
    match target(net, errors, node) {
        (dx, Accum::Replace) => ops::assign(dx, delta, par),
        (dx, Accum::Add) => ops::add_assign(dx, delta, par),
    }
}
