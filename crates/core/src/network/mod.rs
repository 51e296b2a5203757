/*!
A network is a small graph: nodes in topological order, each with the nodes it reads; `Add` joins residual paths, and
errors accumulate at forks.

[`Trace`] holds what the forward pass left, [`Errors`] the error signals of a backward pass. Pointwise layers share
the buffer of the node they act on, so the error kept for a layer is the one at its own output, the pre-activation:
`delta_l = phi'(z_l) * (M_{l+1}^T delta_{l+1})`. [`sweep`] is that line, node by node from the top.
*/

mod builder;
mod passes;

pub use builder::Builder;
pub use passes::{Errors, Trace, sweep};

use crate::layer::{Description, Layer, Pass, Pointwise};
use realign_tensor::ops;
use realign_tensor::{DType, Shape, Tensor};

pub(crate) const ADD: Description = Description {
    name: "add",
    summary: "Sums its inputs: the join of a residual path.",
    formula: "h = Σ hᵢ",
    options: &[],
};

/// Index of a node; also its position in topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What a node does.
pub enum Op {
    /// The examples.
    Input,
    /// A layer from one buffer to another.
    Layer(Box<dyn Layer>),
    /// A layer in place on its input's buffer.
    Pointwise(Box<dyn Pointwise>),
    /// The sum of all inputs.
    Add,
}

/// One node of the graph.
pub struct Node {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<NodeId>,
    /// Shape of its output for one example.
    pub shape: Shape,
    slot: usize,
    /// Whether some weight lies below it, so that its error is of use to somebody.
    needs_error: bool,
}

/// A network: nodes in topological order and the output node.
pub struct Network {
    nodes: Vec<Node>,
    output: NodeId,
    slots: usize,
    dtype: DType,
    weighted: Vec<NodeId>,
}

impl Network {
    /// All nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node the loss reads.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// Element type of parameters and signals.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape of one input example.
    pub fn input_shape(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Number of network outputs.
    pub fn outputs(&self) -> usize {
        self.nodes[self.output.0].shape.numel()
    }

    /// Nodes with a weight, bottom to top; position i here is `layers.<i>` in files and rows.
    pub fn weighted(&self) -> &[NodeId] {
        &self.weighted
    }

    /// The layer at a weighted node.
    #[track_caller]
    pub fn layer(&self, node: NodeId) -> &dyn Layer {
        match &self.nodes[node.0].op {
            Op::Layer(l) => l.as_ref(),
            _ => panic!("node {} is no layer", node.0),
        }
    }

    /// The layer at a weighted node, writable.
    #[track_caller]
    pub fn layer_mut(&mut self, node: NodeId) -> &mut dyn Layer {
        match &mut self.nodes[node.0].op {
            Op::Layer(l) => l.as_mut(),
            _ => panic!("node {} is no layer", node.0),
        }
    }

    /// W of a weighted node.
    #[track_caller]
    pub fn weight(&self, node: NodeId) -> &Tensor {
        self.layer(node).weight().unwrap_or_else(|| panic!("node {} has no weight", node.0))
    }

    /// Whether an error is carried through the weight of this node by a matrix that a rule may choose: some weight lies below it.
    pub fn carries(&self, node: NodeId) -> bool {
        self.layer(node).carried() && self.nodes[node.0].inputs.iter().any(|b| self.nodes[b.0].needs_error)
    }

    /// Lets every layer take in what the training pass in `trace` left (running statistics).
    pub fn absorb(&mut self, trace: &Trace) {
        for i in 0..self.nodes.len() {
            let seen = self.nodes[i].inputs.first().map(|_| trace.seen(self, NodeId(i)));
            if let (Op::Layer(layer), Some(seen)) = (&mut self.nodes[i].op, seen) {
                layer.absorb(seen);
            }
        }
    }

    /// State of layers beside their parameters, by name: `layers.<i>.<name>`, or `nodes.<i>.<name>` for a layer without a weight.
    pub fn buffers(&self) -> Vec<(String, &Tensor)> {
        let mut out = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            if let Op::Layer(layer) = &node.op {
                let named = layer.buffers().into_iter();
                out.extend(named.map(|(name, t)| (buffer_name(&self.weighted, i, name), t)));
            }
        }
        out
    }

    /// The same, writable.
    pub fn buffers_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let mut out = Vec::new();
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if let Op::Layer(layer) = &mut node.op {
                let named = layer.buffers_mut().into_iter();
                out.extend(named.map(|(name, t)| (buffer_name(&self.weighted, i, name), t)));
            }
        }
        out
    }

    /// Entries of all buffers of a pass over one example.
    pub fn activations(&self) -> usize {
        passes::slot_shapes(self).iter().map(Shape::numel).sum()
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        let count = |t: Option<&Tensor>| t.map_or(0, Tensor::numel);
        self.weighted.iter().map(|&n| count(self.layer(n).weight()) + count(self.layer(n).bias())).sum()
    }

    /// Forward pass over the examples in `trace.input`; the output is `trace.output(net.output())`.
    pub fn forward(&self, trace: &mut Trace, pass: Pass<'_>) {
        let batch = trace.slots[0].rows();
        trace.set_batch(batch);
        for (i, node) in self.nodes.iter().enumerate() {
            let mut y = std::mem::replace(&mut trace.slots[node.slot], Tensor::empty(self.dtype));
            let mut aux = std::mem::replace(&mut trace.aux[i], Tensor::empty(self.dtype));
            match &node.op {
                Op::Input => {}
                Op::Layer(layer) => layer.forward(trace.value(self, node.inputs[0]), &mut y, &mut aux, pass),
                Op::Pointwise(layer) => {
                    if self.nodes[node.inputs[0].0].slot != node.slot {
                        ops::assign(&mut y, trace.value(self, node.inputs[0]), pass.par);
                    }
                    layer.forward(&mut y, &mut aux, pass);
                }
                Op::Add => {
                    let of = |n: usize| trace.value(self, node.inputs[n]);
                    match node.inputs.len() {
                        1 => ops::assign(&mut y, of(0), pass.par),
                        _ => ops::add(&mut y, of(0), of(1), pass.par),
                    }
                    (2..node.inputs.len()).for_each(|n| ops::add_assign(&mut y, of(n), pass.par));
                }
            }
            trace.slots[node.slot] = y;
            trace.aux[i] = aux;
        }
    }
}

fn buffer_name(weighted: &[NodeId], node: usize, name: &str) -> String {
    match weighted.binary_search(&NodeId(node)) {
        Ok(i) => format!("layers.{i}.{name}"),
        Err(_) => format!("nodes.{node}.{name}"),
    }
}
