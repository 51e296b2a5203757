/*!
The journal of one training step: what the step did to every hidden unit, as inner products in f64.

For the row k of a weight (and the bias b[k]) it holds ‖W‖² before and after, ‖dW‖², <W, G> and <W, R_i>; for the column k of a weight
through which the error is carried by the gradient M of the rule's potential Phi it holds Phi before, after the update, and
after the feedback weights have followed, the Bregman divergence of the update, <M, G>, ‖M‖² and <M, R_i>. dW is what the parameters really did,
R_i what the optimizer says it did beside −eta G. For a layer that reads units through statistics it holds the layer's own balance. Sums are taken while a row is in the cache; columns are summed block by block in a fixed order, so bits
do not depend on the number of threads. Nothing is judged here: that is `realign_theory::ledger`.
*/

use super::balance::Balance;
use super::gross;
use super::watch::Watch;
use super::widened::Scratch;
use crate::init::Feedback;
use crate::layer::batch_norm::Backward;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::optim::{At, Form, Optimizer, PARTS};
use crate::rules::{Potential, Rule};
use crate::streams::{Columns, Normalizer, Stream, normalizing, streams};
use realign_tensor::{DType, Par, Slice, Tensor, ops};

/// Sums over one row of a weight and its bias.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowSums {
    /// ‖W[k,:]‖² + b² before the step.
    pub before: f64,
    /// The same after it.
    pub after: f64,
    /// ‖dW[k,:]‖² + db².
    pub moved: f64,
    /// <W, G> + b g_b, before the step.
    pub path: f64,
    /// Sum over examples of ‖x‖² delta[k]²: the size of the terms of `path` before they cancel, less ‖W‖.
    pub gross: f64,
    /// <W, R_i> + b R_b for each part of the remainder.
    pub parts: [f64; PARTS.len()],
    /// ‖W‖ ‖W'‖ + |b b'|, to judge rounding by.
    pub size: f64,
    /// ‖W‖ times the length of the terms of the step before anything cancels, and the same of the bias: dW, what the optimizer adds up
    /// ([`Optimizer::gross`]), and eta |G| + Σ |R_i| as far as sums in f64 err by less than training.
    pub step: f64,
}

/// Sums over one unit's columns of a weight that carries the error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColumnSums {
    /// Phi_t(W_t).
    pub before: f64,
    /// Phi_t(W_{t+1}).
    pub mid: f64,
    /// Phi_{t+1}(W_{t+1}).
    pub after: f64,
    /// Bregman divergence of Phi_t from W_t to W_{t+1}.
    pub bregman: f64,
    /// <G, M>.
    pub path: f64,
    /// Σ |M| (|W| + |W'|) of the weights before and after: the size of the terms of Phi, to judge rounding by.
    pub size: f64,
    /// Σ of |M| times the terms of the step, as [`RowSums::step`].
    pub step: f64,
    /// ‖M‖².
    pub carry: f64,
    /// Sum over examples of ‖delta‖² h[k]²: the size of the terms of `path` before they cancel, less ‖M‖.
    pub gross: f64,
    /// <M, R_i> for each part of the remainder.
    pub parts: [f64; PARTS.len()],
}

/// One weighted layer in one step.
pub struct LayerJournal {
    /// Sums per row; empty unless the layer writes a hidden stream.
    pub rows: Vec<RowSums>,
    /// Sums per unit read; empty unless the layer reads a hidden stream and the rule has a potential there.
    pub columns: Vec<ColumnSums>,
    /// Learning rate of the step; 0 if the layer is not trained.
    pub lr: f64,
    /// Entries of one row of the weight.
    pub inputs: usize,
    /// Entries of one unit's columns.
    pub entries: usize,
    /// Examples (times positions) that each sum over the batch has.
    pub terms: usize,
    /// At least the sum of |delta| over examples, units and positions.
    pub error: f64,
    /// At least the sum of |x| over examples and all that the layer reads.
    pub activity: f64,
    /// [`Form::gain`] at the rate of the step.
    pub gain: f64,
    /// [`ColumnSums::gross`] until the columns are summed.
    pub(super) gross: Vec<f64>,
    node: NodeId,
    potential: Option<Box<dyn Potential>>,
    /// Partial sums of `columns`: per block of rows [`FIELDS`] runs of units, each contiguous so that rows are added as vectors.
    blocks: Vec<f64>,
    /// Whose the columns are.
    geometry: Columns,
    touched: bool,
}

/// Why a stream has no law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLaw {
    /// The rule states no potential for a layer that reads the units.
    Potential,
    /// A layer reads the units through statistics that its backward pass takes for constants.
    Statistics,
}

/// The journal of one step.
pub struct Journal {
    /// By position among the weighted layers.
    pub layers: Vec<LayerJournal>,
    /// Of the layers that read through statistics, by their position among these.
    balances: Vec<Balance>,
    streams: Vec<Stream>,
    scratch: Vec<Scratch>,
    dtype: DType,
}

impl Journal {
    /// Makes all buffers; `threads` is how many may write at once.
    pub(super) fn new(net: &Network, rule: &dyn Rule, threads: usize) -> Journal {
        let streams = streams(net);
        let layers: Vec<LayerJournal> = net
            .weighted()
            .iter()
            .enumerate()
            .map(|(i, &node)| {
                let writes = streams.iter().any(|s| s.writers.iter().any(|m| m.layer == i));
                let read =
                    streams.iter().flat_map(|s| &s.readers).find(|m| m.layer == i).map_or(0, |m| m.units);
                LayerJournal::new(net, rule, node, writes, read)
            })
            .collect();
        let cols = net.weighted().iter().map(|&n| net.weight(n).cols()).max().unwrap_or(0);
        let scratch = (0..threads).map(|_| Scratch::new(cols, net.dtype())).collect();
        let balances = normalizing(net).map(|(node, _)| Balance::of(node)).collect();
        Journal { layers, balances, streams, scratch, dtype: net.dtype() }
    }

    /// The hidden streams that the sums belong to.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Whether a stream has a law: every reader has a potential or a balance of its own.
    pub fn law(&self, stream: &Stream) -> Result<(), NoLaw> {
        if stream.normalizers.iter().any(|n| n.backward != Backward::Exact) {
            return Err(NoLaw::Statistics);
        }
        let all = stream.readers.iter().all(|m| self.layers[m.layer].potential.is_some());
        if all { Ok(()) } else { Err(NoLaw::Potential) }
    }

    /// The balance of a layer that reads through statistics, for unit `k` of those it reads.
    pub fn balance(&self, reader: &Normalizer, k: usize) -> f64 {
        self.balances[reader.index].known(reader, k)
    }

    /// Sum over examples of squares: the size of the terms of that balance before they cancel.
    pub fn balance_gross(&self, reader: &Normalizer, k: usize) -> f64 {
        self.balances[reader.index].gross(reader, k)
    }

    /// Element type of training.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Empties the sums, and notes what only the pass before the step knows.
    pub(super) fn open(&mut self, net: &Network, trace: &Trace, errors: &Errors, par: Par) {
        for balance in &mut self.balances {
            balance.note(net, trace, errors, par);
        }
        for layer in &mut self.layers {
            layer.rows.fill(RowSums::default());
            layer.blocks.fill(0.0);
            (layer.touched, layer.lr, layer.gain, layer.terms) = (false, 0.0, 0.0, 0);
            (layer.error, layer.activity) = (0.0, 0.0);
        }
        gross::note(net, trace, errors, &self.balances, &mut self.layers);
    }

    /// Lets the update of `layer`, made `at` this rate by an optimizer of this form, write its sums.
    pub(super) fn watch<'a>(
        &'a mut self,
        layer: usize,
        at: At,
        form: Form,
        feedback: Option<&'a Tensor>,
    ) -> Watch<'a> {
        let own = &mut self.layers[layer];
        (own.touched, own.lr, own.gain) = (true, at.lr, form.gain(at.lr));
        Watch {
            rows: &mut own.rows,
            blocks: &mut own.blocks,
            units: own.columns.len(),
            geometry: own.geometry,
            potential: own.potential.as_deref().filter(|_| !own.columns.is_empty()),
            feedback,
            scratch: &mut self.scratch,
        }
    }

    /// Looks at the bias of a layer before its update; [`Journal::bias_moved`] must follow.
    pub(super) fn bias_still(
        &mut self,
        at: At,
        optimizer: &dyn Optimizer,
        bias: Slice<'_>,
        grad: Slice<'_>,
        memory: [Option<Slice<'_>>; 2],
    ) {
        let s = &mut self.scratch[0];
        s.widen(bias, grad, memory);
        s.remainder(at, optimizer, bias.len());
    }

    /// Notes what the update did to the bias of `layer`.
    pub(super) fn bias_moved(&mut self, layer: usize, bias: &Tensor) {
        let s = &self.scratch[0];
        for (k, row) in self.layers[layer].rows.iter_mut().enumerate() {
            let (b, after) = (s.w[k], bias.at(k));
            row.before += b * b;
            row.after += after * after;
            row.moved += (after - b) * (after - b);
            row.path += b * s.g[k];
            row.parts.iter_mut().zip(&s.parts).for_each(|(sum, part)| *sum += b * part[k]);
            row.size += (b * after).abs();
            row.step += b.abs() * s.gross[k];
        }
    }

    /// Sums what is left after weights and feedback weights have moved.
    pub(super) fn close(&mut self, net: &Network, feedback: &Feedback) {
        for layer in &mut self.layers {
            layer.close(net, feedback.at(layer.node), &mut self.scratch[0]);
        }
    }
}

impl LayerJournal {
    fn new(net: &Network, rule: &dyn Rule, node: NodeId, writes: bool, read: usize) -> LayerJournal {
        let w = net.weight(node);
        // A layer whose parameters carry no error reads without a potential.
        let carries = read > 0 && net.layer(node).carried();
        let potential = carries.then(|| rule.potential(net, node)).flatten();
        let units = if potential.is_some() { read } else { 0 };
        let blocks = w.rows().div_ceil(net.layer(node).block_rows(w.rows(), w.cols())) * units * FIELDS;
        LayerJournal {
            rows: vec![RowSums::default(); if writes { w.rows() } else { 0 }],
            columns: vec![ColumnSums::default(); units],
            lr: 0.0,
            inputs: w.cols(),
            entries: w.numel() / units.max(1),
            terms: 0,
            error: 0.0,
            activity: 0.0,
            gain: 0.0,
            gross: Vec::new(),
            node,
            potential,
            blocks: vec![0.0; blocks],
            geometry: Columns::of(w.shape(), read),
            touched: false,
        }
    }

    fn close(&mut self, net: &Network, feedback: Option<&Tensor>, s: &mut Scratch) {
        let w = net.weight(self.node);
        if !self.touched {
            self.idle_rows(net);
        }
        let (units, cols) = (self.columns.len(), w.cols());
        if units == 0 {
            return;
        }
        self.columns.fill(ColumnSums::default());
        for block in self.blocks.chunks(FIELDS * units) {
            for (k, sum) in self.columns.iter_mut().enumerate() {
                sum.add(std::array::from_fn(|field| block[field * units + k]));
            }
        }
        let mut after = std::mem::take(&mut s.units);
        after.clear();
        after.resize(units, 0.0);
        let potential = self.potential.as_deref().expect("columns have a potential");
        for r in 0..w.rows() {
            let range = r * cols..(r + 1) * cols;
            ops::widen(w.slice().part(range.clone()), &mut s.x[..cols]);
            match feedback {
                Some(b) => ops::widen(b.slice().part(range), &mut s.b[..cols]),
                None => s.b[..cols].copy_from_slice(&s.x[..cols]),
            }
            potential.phi(&s.x[..cols], &s.b[..cols], &s.x[..cols], &mut s.phi[..cols]);
            self.geometry.add_row(r, &s.phi[..cols], &mut after);
        }
        self.columns.iter_mut().zip(&after).for_each(|(c, after)| c.after = *after);
        self.columns.iter_mut().zip(&self.gross).for_each(|(c, gross)| c.gross = *gross);
        s.units = after;
        if !self.touched {
            self.columns.iter_mut().for_each(|c| (c.before, c.mid) = (c.after, c.after));
        }
    }

    fn idle_rows(&mut self, net: &Network) {
        let (w, bias) = (net.weight(self.node), net.layer(self.node).bias());
        let cols = w.cols();
        for (k, row) in self.rows.iter_mut().enumerate() {
            let part = w.slice().part(k * cols..(k + 1) * cols);
            let norm = ops::step_sums(part, part, part)[0] + bias.map_or(0.0, |b| b.at(k) * b.at(k));
            *row = RowSums { before: norm, after: norm, size: norm, ..RowSums::default() };
        }
    }
}

/// Sums taken row by row: before, mid, bregman, path, size, step, carry and the parts.
pub(super) const FIELDS: usize = 7 + PARTS.len();

impl ColumnSums {
    fn add(&mut self, [before, mid, bregman, path, size, step, carry, parts @ ..]: [f64; FIELDS]) {
        self.before += before;
        self.mid += mid;
        self.bregman += bregman;
        self.path += path;
        self.size += size;
        self.step += step;
        self.carry += carry;
        self.parts.iter_mut().zip(parts).for_each(|(a, b)| *a += b);
    }
}
