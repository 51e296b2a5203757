//! Putting a network together, and which nodes share a buffer.

use super::{Network, Node, NodeId, Op};
use crate::layer::{Layer, Pointwise};
use realign_tensor::{DType, Shape};

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
            let shares =
                below.is_some_and(|b| b.0 > 0 && readers[b.0] == 1 && in_place(&nodes[i].op, &nodes[b.0].op));
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

/// Whether `op` may write over the output of `below`. A pointwise layer computes its derivative from its own output: a homogeneous one from
/// the sign alone, which homogeneous layers on top keep wherever they let an error through (dropout scales by a positive number or drops
/// both); 1 - h² of tanh needs h itself.
fn in_place(op: &Op, below: &Op) -> bool {
    match (op, below) {
        (Op::Pointwise(upper), Op::Pointwise(lower)) => upper.homogeneous() && lower.homogeneous(),
        (Op::Pointwise(_), _) => true,
        _ => false,
    }
}
