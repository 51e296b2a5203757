/*!
Streams: which weighted layers write and which read the same hidden units.

Between two weighted layers a unit (a channel for images) keeps its identity through activations, pooling, flattening, dropout
and residual joins. All layers that write rows to, or read columns from, the same units form one stream. For a plain chain that is one
writer and one reader; a residual stream has several. If everything inside the stream is homogeneous,
`Σ_writers (<G[k,:], W[k,:]> + g_b b) = Σ_readers <G[:,k], M[:,k]> + Σ_statistics balance` for every unit k: the balance identity of
docs/theory.md. A layer that reads its input through statistics (batch norm) ends a stream and has a [`Layer::balance`] of its own in place of
<G, M>. Streams that hold the network's input or output, or that no parameter writes, obey no such law and are left out.

[`Layer::balance`]: crate::layer::Layer::balance
*/

use crate::layer::batch_norm::Backward;
use crate::network::{Network, Node, NodeId, Op};
use realign_tensor::{Shape, ops};

/// A weighted layer at one end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Position among the weighted layers, as in files and rows.
    pub layer: usize,
    /// Its node.
    pub node: NodeId,
    /// Its first unit in the numbering of the stream.
    pub first: usize,
    /// How many units it writes or reads.
    pub units: usize,
}

/// A layer that reads units through their statistics and not by the columns of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalizer {
    /// Position among all such layers of the network, bottom to top.
    pub index: usize,
    /// Its node.
    pub node: NodeId,
    /// Its first unit in the numbering of the stream.
    pub first: usize,
    /// How many units it reads.
    pub units: usize,
    /// How it sends the error back: only with [`Backward::Exact`] does it have a balance.
    pub backward: Backward,
}

/// Hidden units with everything that writes and reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Layers whose rows write the units, bottom to top.
    pub writers: Vec<Member>,
    /// Layers whose columns read the units, bottom to top.
    pub readers: Vec<Member>,
    /// Layers that read the units through statistics, bottom to top.
    pub normalizers: Vec<Normalizer>,
    /// Number of units.
    pub units: usize,
    /// Whether every layer inside declares itself homogeneous and all statistics are differentiated, so that the balance identity holds.
    pub homogeneous: bool,
}

/// Which of the units that a weight reads its entries belong to. Neighbouring columns are a unit's filter taps, or its positions in a flattened
/// image; every row of a dense layer reads all units, a row of grouped filters those of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    cols: usize,
    /// Units that a row reads.
    own: usize,
    /// Rows that read the same units.
    pub rows: usize,
    /// Neighbouring columns of a unit.
    taps: usize,
}

impl Columns {
    /// Those of a weight, outputs first, that reads so many units.
    pub fn of(weight: Shape, units: usize) -> Columns {
        let cols = weight.with_rows(1).numel();
        let own = if weight.rank() == 4 { weight.dims()[1].min(units) } else { units }.max(1);
        let rows = weight.dims()[0] / (units / own).max(1);
        Columns { cols, own, rows: rows.max(1), taps: (cols / own).max(1) }
    }

    /// The unit of entry `i` of the weight, row by row.
    pub fn unit(self, i: usize) -> usize {
        i / self.cols / self.rows * self.own + i % self.cols / self.taps
    }

    /// Adds the entries of a row to the sums of their units.
    pub fn add_row(self, row: usize, entries: &[f64], sums: &mut [f64]) {
        let first = row / self.rows * self.own;
        let sums = &mut sums[first..first + self.own];
        if self.taps == 1 {
            return ops::zip_each(
                sums,
                entries,
                #[inline(always)]
                |s, v| s + v,
            );
        }
        for (sum, unit) in sums.iter_mut().zip(entries.chunks(self.taps)) {
            *sum += unit.iter().sum::<f64>();
        }
    }
}

/// The hidden streams of a network, in the order of their lowest writer.
pub fn streams(net: &Network) -> Vec<Stream> {
    let spaces = Spaces::of(net);
    let mut roots: Vec<usize> = Vec::new();
    for &node in net.weighted() {
        let root = spaces.root[node.0];
        if root != spaces.root[0] && root != spaces.root[net.output().0] && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots.into_iter().map(|root| spaces.stream(net, root)).collect()
}

/// Nodes that read their input through statistics, bottom to top.
pub fn normalizing(net: &Network) -> impl Iterator<Item = (NodeId, Backward)> {
    let of = |(i, node): (usize, &Node)| match &node.op {
        Op::Layer(layer) => layer.statistics().map(|backward| (NodeId(i), backward)),
        _ => None,
    };
    net.nodes().iter().enumerate().filter_map(of)
}

/// Whether the units of the node's output are others than those of its input.
fn starts_units(node: &Node) -> bool {
    match &node.op {
        Op::Input => true,
        Op::Layer(layer) => layer.weight().is_some() || layer.statistics().is_some(),
        Op::Pointwise(_) | Op::Add => false,
    }
}

/// The space of units that every node's output lives in.
struct Spaces {
    /// Lowest node of the space.
    root: Vec<usize>,
    /// Channels of the node's output.
    channels: Vec<usize>,
    /// Number of its first channel, counted from the first of the lowest node.
    first: Vec<isize>,
}

impl Spaces {
    fn of(net: &Network) -> Spaces {
        let n = net.nodes().len();
        let mut s = Spaces { root: (0..n).collect(), channels: vec![0; n], first: vec![0; n] };
        for (i, node) in net.nodes().iter().enumerate() {
            let padding = match &node.op {
                Op::Layer(layer) => layer.padding(),
                _ => [0, 0],
            };
            s.channels[i] = match &node.op {
                Op::Input => node.shape.dims().first().copied().unwrap_or(1),
                Op::Layer(layer) if layer.weight().is_some() => layer.weight().map_or(0, |w| w.rows()),
                _ => s.channels[node.inputs[0].0] + padding[0] + padding[1],
            };
            if !starts_units(node) {
                node.inputs.iter().for_each(|&below| s.join(below.0, i, padding[0] as isize));
            }
        }
        s
    }

    /// Joins the spaces of a node and of its input, whose first channel is channel `before` of the node.
    fn join(&mut self, below: usize, node: usize, before: isize) {
        let (a, b) = (self.root[below], self.root[node]);
        let (low, high) = (a.min(b), a.max(b));
        let shift = self.first[below] - before - self.first[node];
        let shift = if high == b { shift } else { -shift };
        for i in 0..self.root.len() {
            if self.root[i] == high && low != high {
                (self.root[i], self.first[i]) = (low, self.first[i] + shift);
            }
        }
    }

    fn stream(&self, net: &Network, root: usize) -> Stream {
        let inside = |node: usize| self.root[node] == root;
        let lowest = (0..self.root.len()).filter(|&i| inside(i)).map(|i| self.first[i]).min().unwrap_or(0);
        let member = |(layer, node): (usize, NodeId), at: usize| {
            let first = (self.first[at] - lowest) as usize;
            Member { layer, node, first, units: self.channels[at] }
        };
        let weighted = || net.weighted().iter().copied().enumerate();
        let below = |node: NodeId| net.nodes()[node.0].inputs[0].0;
        let writers: Vec<Member> = weighted().filter(|w| inside(w.1.0)).map(|w| member(w, w.1.0)).collect();
        let readers: Vec<Member> =
            weighted().filter(|w| inside(below(w.1))).map(|w| member(w, below(w.1))).collect();
        // What reads through statistics has no columns.
        let normalizes = |node: NodeId| net.layer(node).statistics().is_some();
        let readers: Vec<Member> = readers.into_iter().filter(|r| !normalizes(r.node)).collect();
        let normalizers: Vec<Normalizer> = normalizing(net)
            .enumerate()
            .map(|(index, (node, backward))| (index, node, below(node), backward))
            .filter(|&(_, _, from, _)| inside(from))
            .map(|(index, node, from, backward)| {
                let first = (self.first[from] - lowest) as usize;
                Normalizer { index, node, first, units: self.channels[from], backward }
            })
            .collect();
        let carried = readers.iter().all(|r| net.layer(r.node).carried())
            && normalizers.iter().all(|n| n.backward == Backward::Exact);
        let homogeneous = carried
            && net.nodes().iter().enumerate().filter(|(i, _)| inside(*i)).all(|(_, n)| match &n.op {
                Op::Layer(layer) => layer.homogeneous(),
                Op::Pointwise(layer) => layer.homogeneous(),
                Op::Input | Op::Add => true,
            });
        let ends = writers.iter().chain(&readers).map(|m| m.first + m.units);
        let units = ends.chain(normalizers.iter().map(|n| n.first + n.units)).max().unwrap_or(0);
        Stream { writers, readers, normalizers, units, homogeneous }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{BatchNorm, Conv2d, Dense, Flatten, PadShortcut, activation};
    use crate::network::Builder;
    use realign_tensor::DType;
    use realign_tensor::ops::Window;

    fn act(name: &str) -> Box<dyn crate::layer::Pointwise> {
        activation(&toml::Value::from(name)).unwrap()
    }

    fn layers(members: &[Member]) -> Vec<usize> {
        members.iter().map(|m| m.layer).collect()
    }

    #[test]
    fn a_chain_has_one_writer_and_one_reader_per_stream() {
        let mut b = Builder::new(Shape::new(&[2, 3]), DType::F64);
        let mut h = b.pointwise(b.input(), Box::new(Flatten));
        for (inputs, outputs, name) in [(6, 5, "relu"), (5, 4, "tanh"), (4, 2, "identity")] {
            h = b.layer(h, Dense::new(inputs, outputs, true, DType::F64));
            h = b.pointwise(h, act(name));
        }
        let net = b.finish(h);
        let found = streams(&net);
        assert_eq!(found.len(), 2);
        assert_eq!((layers(&found[0].writers), layers(&found[0].readers)), (vec![0], vec![1]));
        assert_eq!((layers(&found[1].writers), layers(&found[1].readers)), (vec![1], vec![2]));
        assert_eq!((found[0].units, found[0].homogeneous), (5, true));
        assert_eq!((found[1].units, found[1].homogeneous), (4, false));
    }

    #[test]
    fn a_residual_stream_has_all_its_writers_and_readers() {
        // h1 = W0 x; h2 = h1 + relu(W1 h1); block: h3 = h2 + W3 relu(W2 h2); out = W4 h3.
        let mut b = Builder::new(Shape::new(&[3]), DType::F64);
        let dense = |i, o| Dense::new(i, o, false, DType::F64);
        let h1 = b.layer(b.input(), dense(3, 4));
        let mut t = b.layer(h1, dense(4, 4));
        t = b.pointwise(t, act("relu"));
        let h2 = b.add(&[t, h1]);
        let mut t = b.layer(h2, dense(4, 7));
        t = b.pointwise(t, act("relu"));
        t = b.layer(t, dense(7, 4));
        let h3 = b.add(&[h2, t]);
        let out = b.layer(h3, dense(4, 2));
        let net = b.finish(out);
        let found = streams(&net);
        assert_eq!(found.len(), 2);
        assert_eq!((layers(&found[0].writers), layers(&found[0].readers)), (vec![0, 1, 3], vec![1, 2, 4]));
        assert_eq!((layers(&found[1].writers), layers(&found[1].readers)), (vec![2], vec![3]));
        assert_eq!((found[0].units, found[1].units), (4, 7));
    }

    /// Stage one has 2 channels, stage two 6: they are channels 2 and 3 of the stream, between zeros.
    #[test]
    fn a_padded_shortcut_shifts_the_units_of_its_stage() {
        let image = Shape::new(&[3, 4, 4]);
        let mut b = Builder::new(image, DType::F64);
        let conv = |shape, outputs, stride| {
            Conv2d::new(shape, outputs, Window::square(3, stride, 1), 1, false, DType::F64).unwrap()
        };
        let one = b.layer(b.input(), conv(image, 2, 1));
        let h = b.pointwise(one, act("relu"));
        let two = b.layer(h, conv(b.shape(h), 6, 2));
        let pad = b.layer(h, PadShortcut::new(b.shape(h), 6, 2).unwrap());
        let h = b.add(&[two, pad]);
        let h = b.pointwise(h, Box::new(Flatten));
        let out = b.layer(h, Dense::new(24, 2, false, DType::F64));
        let found = streams(&b.finish(out));
        assert_eq!(found.len(), 1);
        let spans = |m: &[Member]| m.iter().map(|m| (m.layer, m.first, m.units)).collect::<Vec<_>>();
        assert_eq!(spans(&found[0].writers), [(0, 2, 2), (1, 0, 6)]);
        assert_eq!(spans(&found[0].readers), [(1, 2, 2), (2, 0, 6)]);
        assert_eq!((found[0].units, found[0].homogeneous), (6, true));
    }

    /// Against the geometry: two groups of three rows that read two channels of 2x2 taps each; a dense layer that reads three positions of each of
    /// four channels.
    #[test]
    fn columns_belong_to_the_channels_that_their_row_reads() {
        let grouped = Columns::of(Shape::new(&[6, 2, 2, 2]), 4);
        for (row, channel, tap) in (0..48).map(|i| (i / 8, i / 4 % 2, i % 4)) {
            assert_eq!(grouped.unit(row * 8 + channel * 4 + tap), row / 3 * 2 + channel);
        }
        let dense = Columns::of(Shape::new(&[5, 12]), 4);
        (0..60).for_each(|i| assert_eq!(dense.unit(i), i % 12 / 3));
    }

    /// Dense, batch norm, ReLU, dense: the streams with their homogeneity.
    fn normalized(affine: bool, backward: Backward) -> Vec<Stream> {
        let mut b = Builder::new(Shape::new(&[3]), DType::F64);
        let h = b.layer(b.input(), Dense::new(3, 4, false, DType::F64));
        let h = b.layer(h, BatchNorm::new(4, affine, backward, DType::F64));
        let h = b.pointwise(h, act("relu"));
        let out = b.layer(h, Dense::new(4, 2, false, DType::F64));
        streams(&b.finish(out))
    }

    /// The stream below batch norm is read through statistics and by no columns; the one above is written by gamma and beta, or by nothing.
    #[test]
    fn batch_norm_ends_a_stream_and_writes_the_next() {
        for (affine, backward) in
            [(true, Backward::Exact), (true, Backward::FrozenStats), (false, Backward::Exact)]
        {
            let found = normalized(affine, backward);
            let below = &found[0];
            assert_eq!((layers(&below.writers), below.readers.len()), (vec![0], 0));
            assert_eq!((below.normalizers.len(), below.normalizers[0].units), (1, 4));
            assert_eq!(below.homogeneous, backward == Backward::Exact);
            assert_eq!(found.len(), if affine { 2 } else { 1 });
            if affine {
                let above = &found[1];
                assert_eq!((layers(&above.writers), layers(&above.readers)), (vec![1], vec![2]));
                assert!(above.homogeneous && above.normalizers.is_empty());
            }
        }
    }

    /// h1 = W0 x; h2 = h1 + BN(W1 h1) without gamma and beta: nothing trained writes the second summand, so the sum does not balance.
    #[test]
    fn what_no_parameter_writes_opens_the_stream() {
        let mut b = Builder::new(Shape::new(&[3]), DType::F64);
        let h1 = b.layer(b.input(), Dense::new(3, 4, false, DType::F64));
        let t = b.layer(h1, Dense::new(4, 4, false, DType::F64));
        let t = b.layer(t, BatchNorm::new(4, false, Backward::Exact, DType::F64));
        let h2 = b.add(&[t, h1]);
        let out = b.layer(h2, Dense::new(4, 2, false, DType::F64));
        let found = streams(&b.finish(out));
        assert_eq!(found.iter().map(|s| s.homogeneous).collect::<Vec<_>>(), [false, true]);
        assert_eq!((layers(&found[0].writers), layers(&found[0].readers)), (vec![0], vec![1, 2]));
        assert_eq!((layers(&found[1].writers), found[1].normalizers.len()), (vec![1], 1));
    }

    #[test]
    fn a_skip_from_the_input_leaves_no_law() {
        let mut b = Builder::new(Shape::new(&[4]), DType::F64);
        let h = b.layer(b.input(), Dense::new(4, 4, false, DType::F64));
        let input = b.input();
        let h = b.add(&[h, input]);
        let out = b.layer(h, Dense::new(4, 2, false, DType::F64));
        assert!(streams(&b.finish(out)).is_empty());
    }
}
