/*!
A network is a small graph: nodes in topological order, each with the nodes it reads; `Add` joins residual paths, and
errors accumulate at forks.

[`Trace`] holds what the forward pass left, [`Errors`] the error signals of a backward pass. Pointwise layers share
the buffer of the node they act on, so the error kept for a layer is the one at its own output, the pre-activation:
`delta_l = phi'(z_l) * (M_{l+1}^T delta_{l+1})`. [`sweep`] is that line, node by node from the top.
*/

use crate::layer::{Description, Layer, Pass, Pointwise, Seen};
use realign_tensor::ops::{self, Accum};
use realign_tensor::{DType, Par, Shape, Tensor};

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

/// Puts a network together, node by node.
pub struct Builder {
    nodes: Vec<Node>,
    dtype: DType,
}

impl Builder {
    /// Starts with the input node for examples of this shape.
    pub fn new(input: Shape, dtype: DType) -> Self {
        let node = Node { op: Op::Input, inputs: vec![], shape: input, slot: 0, needs_error: false };
        Builder { nodes: vec![node], dtype }
    }

    /// The input node.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of one example at `node`.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.nodes[node.0].shape
    }

    /// Adds a layer that reads `from`.
    ///
    /// # Panics
    /// If the layer cannot read this shape.
    #[track_caller]
    pub fn layer(&mut self, from: NodeId, layer: impl Layer + 'static) -> NodeId {
        let shape = layer.output_shape(self.shape(from)).unwrap_or_else(|e| panic!("{e}"));
        self.push(Op::Layer(Box::new(layer)), vec![from], shape)
    }

    /// Adds an in-place layer on `from`.
    pub fn pointwise(&mut self, from: NodeId, layer: Box<dyn Pointwise>) -> NodeId {
        let shape = layer.output_shape(self.shape(from));
        self.push(Op::Pointwise(layer), vec![from], shape)
    }

    /// Adds the sum of nodes of one shape.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn add(&mut self, from: &[NodeId]) -> NodeId {
        let shape = self.shape(from[0]);
        from.iter().for_each(|&n| assert_eq!(self.shape(n), shape, "add: inputs of different shapes"));
        self.push(Op::Add, from.to_vec(), shape)
    }

    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: Shape) -> NodeId {
        self.nodes.push(Node { op, inputs, shape, slot: 0, needs_error: false });
        NodeId(self.nodes.len() - 1)
    }

    /// Closes the network: `output` is where the loss reads.
    pub fn finish(self, output: NodeId) -> Network {
        let mut nodes = self.nodes;
        let mut readers = vec![0usize; nodes.len()];
        nodes.iter().flat_map(|n| &n.inputs).for_each(|n| readers[n.0] += 1);
        let mut slots = 0;
        for i in 0..nodes.len() {
            let below = nodes[i].inputs.first().copied();
            let shares = matches!(nodes[i].op, Op::Pointwise(_))
                && below.is_some_and(|b| b.0 > 0 && readers[b.0] == 1);
            nodes[i].slot = if shares { nodes[below.expect("pointwise has an input").0].slot } else { slots };
            slots += usize::from(!shares);
            let own = matches!(&nodes[i].op, Op::Layer(l) if l.weight().is_some());
            nodes[i].needs_error = own || nodes[i].inputs.iter().any(|b| nodes[b.0].needs_error);
        }
        let has_weight = |n: &Node| matches!(&n.op, Op::Layer(l) if l.weight().is_some());
        let weighted = (0..nodes.len()).filter(|&i| has_weight(&nodes[i])).map(NodeId).collect();
        Network { nodes, output, slots, dtype: self.dtype, weighted }
    }
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
        slot_shapes(self).iter().map(Shape::numel).sum()
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
                        y.copy_from(trace.value(self, node.inputs[0]));
                    }
                    layer.forward(&mut y, &mut aux, pass);
                }
                Op::Add => {
                    let of = |n: usize| trace.value(self, node.inputs[n]);
                    match node.inputs.len() {
                        1 => y.copy_from(of(0)),
                        _ => ops::add(&mut y, of(0), of(1)),
                    }
                    (2..node.inputs.len()).for_each(|n| ops::add_assign(&mut y, of(n)));
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

/// Outputs of every node for one batch. Pointwise nodes share the buffer of the node they act on.
pub struct Trace {
    slots: Vec<Tensor>,
    aux: Vec<Tensor>,
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
        Seen { x: self.value(net, net.nodes[node.0].inputs[0]), aux: &self.aux[node.0] }
    }

    fn set_batch(&mut self, batch: usize) {
        self.slots.iter_mut().for_each(|s| s.set_rows(batch));
    }
}

/// Shape of one example in every buffer.
fn slot_shapes(net: &Network) -> Vec<Shape> {
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
}

impl Errors {
    /// Buffers for up to `batch` examples. The input needs none.
    pub fn new(net: &Network, batch: usize) -> Self {
        let mut slots = slots(net, batch);
        slots[0] = Tensor::empty(net.dtype);
        Errors { written: vec![false; slots.len()], slots }
    }

    /// The error at the output, to be filled by the loss; forgets all other errors.
    pub fn signal_mut(&mut self, net: &Network, batch: usize) -> &mut Tensor {
        self.written.fill(false);
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
        if !errors.written[node.slot] || !node.inputs.iter().any(|b| net.nodes[b.0].needs_error) {
            continue;
        }
        let mut delta = std::mem::replace(&mut errors.slots[node.slot], Tensor::empty(net.dtype));
        match &node.op {
            Op::Input => {}
            Op::Layer(layer) => {
                let weight = layer.carried().then(|| carry(NodeId(i)));
                let (dx, accum) = target(net, errors, node.inputs[0]);
                layer.error_back(weight, trace.seen(net, NodeId(i)), &delta, dx, accum, par);
            }
            Op::Pointwise(layer) => {
                layer.error_back(&trace.slots[node.slot], &trace.aux[i], &mut delta);
                if net.nodes[node.inputs[0].0].slot != node.slot {
                    deliver(net, errors, node.inputs[0], &delta);
                }
            }
            Op::Add => node.inputs.iter().for_each(|&n| deliver(net, errors, n, &delta)),
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

fn deliver(net: &Network, errors: &mut Errors, node: NodeId, delta: &Tensor) {
    if !net.nodes[node.0].needs_error {
        return;
    }
    match target(net, errors, node) {
        (dx, Accum::Replace) => dx.copy_from(delta),
        (dx, Accum::Add) => ops::add_assign(dx, delta),
    }
}
