/*!
One pass over the weights: G of a block of rows is computed into a small buffer and applied while it is still in cache.

G is written out as a whole only when somebody needs it (clipping, probes). Blocks are the same for every number of
threads, so the bits are too.
*/

use super::grads::Grads;
use super::journal::Journal;
use super::watch::{RowStep, Watch};
use crate::Error;
use crate::init::Feedback;
use crate::layer::{Layer, Seen};
use crate::network::{Errors, Network, NodeId, Trace};
use crate::optim::{At, Clip, Optimizer, Schedule};
use crate::rules::{Rule, Step};
use realign_tensor::{Par, Slice, SliceMut, Tensor, ops};
use std::ops::Range;

/// Optimizer, its memory and buffers.
pub(super) struct Updater {
    optimizer: Box<dyn Optimizer>,
    lr: f64,
    schedule: Box<dyn Schedule>,
    clip: Clip,
    layers: Vec<State>,
    scratch: Vec<Tensor>,
    par: Par,
    last_lr: f64,
}

/// Of one layer: memory of weight and bias, and the increment of the weight where the rule's feedback follows it.
struct State {
    node: NodeId,
    weight: [Option<Tensor>; 2],
    bias: [Option<Tensor>; 2],
    bias_grad: Option<Tensor>,
    increment: Option<Tensor>,
}

impl Updater {
    pub(super) fn new(
        net: &Network,
        optimizer: Box<dyn Optimizer>,
        lr: f64,
        schedule: Box<dyn Schedule>,
        clip: Clip,
        rule: &dyn Rule,
        par: Par,
    ) -> Self {
        let count = optimizer.memory().len();
        let memory =
            |t: Option<&Tensor>| std::array::from_fn(|i| t.filter(|_| i < count).map(Tensor::zeros_like));
        let layers: Vec<State> = net
            .weighted()
            .iter()
            .map(|&node| State {
                node,
                weight: memory(net.layer(node).weight()),
                bias: memory(net.layer(node).bias()),
                bias_grad: net.layer(node).bias().map(Tensor::zeros_like),
                increment: (rule.wants_increments() && net.carries(node))
                    .then(|| net.weight(node).zeros_like()),
            })
            .collect();
        let largest = net
            .weighted()
            .iter()
            .map(|&n| (net.layer(n), net.weight(n)))
            .map(|(layer, w)| layer.block_rows(w.rows(), w.cols()).min(w.rows()) * w.cols());
        let block = largest.max().unwrap_or(0);
        let scratch = (0..par.count()).map(|_| Tensor::zeros([block], net.dtype())).collect();
        Updater { optimizer, lr, schedule, clip, layers, scratch, par, last_lr: 0.0 }
    }

    /// Learning rate of step number `step` from 0.
    pub(super) fn lr_at(&self, step: u64, total: u64) -> f64 {
        self.lr * self.schedule.factor(step, total)
    }

    /// Applies one step, number `step` from 0; a journal is told what was done.
    pub(super) fn step(
        &mut self,
        step: u64,
        total: u64,
        net: &mut Network,
        feedback: &Feedback,
        mut journal: Option<&mut Journal>,
        trace: &Trace,
        errors: &Errors,
        grads: &mut Grads,
        rule: &dyn Rule,
    ) {
        self.last_lr = self.lr_at(step, total);
        if self.clip != Clip::None {
            grads.compute(net, trace, errors, |n| rule.trains(net, n), self.par);
        }
        let norm_sq = |node: NodeId| {
            grads.weight(node).map_or(0.0, ops::norm_sq) + grads.bias(node).map_or(0.0, ops::norm_sq)
        };
        let global = match self.clip {
            Clip::Global(_) => self.clip.factor(net.weighted().iter().map(|&n| norm_sq(n)).sum()),
            _ => 1.0,
        };
        for (i, state) in self.layers.iter_mut().enumerate() {
            let node = state.node;
            let Some(delta) = errors.delta(net, node).filter(|_| rule.trains(net, node)) else { continue };
            let clip =
                if matches!(self.clip, Clip::Layer(_)) { self.clip.factor(norm_sq(node)) } else { global };
            let at = At { lr: self.last_lr, step: step + 1, clip };
            // The weight is taken out so that the layer can be read while its weight is written.
            let (w, b) = net.layer_mut(node).params_mut();
            let mut weight =
                w.map(|w| std::mem::replace(w, Tensor::empty(delta.dtype()))).expect("weighted node");
            if let (Some(b), Some(_)) = (b, &state.bias_grad) {
                let mut bias = std::mem::replace(b, Tensor::empty(delta.dtype()));
                let g = state.bias_grad.as_mut().expect("just seen");
                match grads.bias(node) {
                    Some(kept) => g.copy_from(kept),
                    None => net.layer(node).bias_grad(errors.seen(net, trace, node), delta, g, self.par),
                }
                if let Some(journal) = &mut journal {
                    let memory = state.bias.each_ref().map(|m| m.as_ref().map(Tensor::slice));
                    journal.bias_still(at, self.optimizer.as_ref(), bias.slice(), g.slice(), memory);
                }
                self.optimizer.update(at, bias.slice_mut(), g.slice(), slices(&mut state.bias), None);
                if let Some(journal) = &mut journal {
                    journal.bias_moved(i, &bias);
                }
                *net.layer_mut(node).params_mut().1.expect("has a bias") = bias;
            }
            let job = Job {
                layer: net.layer(node),
                seen: errors.seen(net, trace, node),
                delta,
                kept: grads.weight(node),
                optimizer: self.optimizer.as_ref(),
                at,
                cols: weight.cols(),
                block: net.layer(node).block_rows(weight.rows(), weight.cols()),
                all: weight.rows(),
            };
            let rows = 0..weight.rows();
            let memory = slices(&mut state.weight);
            let increment = state.increment.as_mut().map(Tensor::slice_mut);
            let watch = journal.as_mut().map(|j| j.watch(i, at.lr, feedback.at(node)));
            job.run(rows, weight.slice_mut(), memory, increment, watch, &mut self.scratch);
            *net.layer_mut(node).params_mut().0.expect("weighted node") = weight;
        }
    }

    /// Lets the rule's feedback weights follow.
    pub(super) fn adapt(&self, net: &Network, feedback: &mut Feedback, rule: &dyn Rule) {
        let increments =
            |node: NodeId| self.layers.iter().find(|s| s.node == node).and_then(|s| s.increment.as_ref());
        rule.adapt(feedback, &Step { net, increments: &increments, lr: self.last_lr });
    }

    /// The optimizer's memory by name.
    pub(super) fn memory(&self) -> Vec<(String, Tensor)> {
        let mut out = Vec::new();
        for (i, s) in self.layers.iter().enumerate() {
            for (parameter, memory) in [("weight", &s.weight), ("bias", &s.bias)] {
                for (name, t) in self.optimizer.memory().iter().zip(memory) {
                    out.extend(
                        t.as_ref().map(|t| (format!("optimizer.layers.{i}.{parameter}.{name}"), t.clone())),
                    );
                }
            }
        }
        out
    }

    pub(super) fn restore(
        &mut self,
        find: &dyn Fn(&str, &Tensor) -> Result<Tensor, Error>,
    ) -> Result<(), Error> {
        for (i, s) in self.layers.iter_mut().enumerate() {
            for (parameter, memory) in [("weight", &mut s.weight), ("bias", &mut s.bias)] {
                for (name, t) in self.optimizer.memory().iter().zip(memory) {
                    if let Some(t) = t {
                        *t = find(&format!("optimizer.layers.{i}.{parameter}.{name}"), t)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn slices(memory: &mut [Option<Tensor>; 2]) -> [Option<SliceMut<'_>>; 2] {
    memory.each_mut().map(|m| m.as_mut().map(Tensor::slice_mut))
}

/// The update of one weight, cut into blocks of rows.
struct Job<'a> {
    layer: &'a dyn Layer,
    seen: Seen<'a>,
    delta: &'a Tensor,
    kept: Option<&'a Tensor>,
    optimizer: &'a dyn Optimizer,
    at: At,
    cols: usize,
    /// Rows of a block, and rows in all.
    block: usize,
    all: usize,
}

impl Job<'_> {
    /// Splits the rows over as many threads as there are scratch buffers; every thread walks its blocks in order.
    fn run(
        &self,
        rows: Range<usize>,
        w: SliceMut<'_>,
        memory: [Option<SliceMut<'_>>; 2],
        increment: Option<SliceMut<'_>>,
        watch: Option<Watch<'_>>,
        scratch: &mut [Tensor],
    ) {
        let block = self.block;
        let blocks = rows.len().div_ceil(block);
        if scratch.len() == 1 || blocks == 1 {
            // The threads that have no block of their own help inside the products.
            let par = Par::threads(scratch.len());
            return self.walk(rows, w, memory, increment, watch, &mut scratch[0], par);
        }
        let threads = scratch.len() / 2;
        let mid = rows.start + (blocks * threads / scratch.len()).max(1) * block;
        let at = (mid - rows.start) * self.cols;
        let (w1, w2) = w.split_at(at);
        let [m, v] = memory;
        let ((m1, m2), (v1, v2)) = (cut(m, at), cut(v, at));
        let (i1, i2) = cut(increment, at);
        let (s1, s2) = scratch.split_at_mut(threads);
        let parts = watch.map(|p| p.split(mid - rows.start, (mid - rows.start) / block, threads));
        let (p1, p2) = parts.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        Par::Threads(2).join(
            || self.run(rows.start..mid, w1, [m1, v1], i1, p1, s1),
            || self.run(mid..rows.end, w2, [m2, v2], i2, p2, s2),
        );
    }

    /// Plain steps of which nobody sees G or the increment: the product is added to the weights as it is made, to the same bits.
    fn at_once(&self, rows: &Range<usize>, w: &mut SliceMut<'_>, seen: bool) -> bool {
        if seen || self.kept.is_some() || !self.optimizer.is_plain(self.at) {
            return false;
        }
        let smallest = self.all - (self.all.max(1) - 1) / self.block * self.block;
        self.layer.add_weight_grad(w.reborrow(), -self.at.lr, self.seen, self.delta, rows.clone(), smallest)
    }

    fn walk(
        &self,
        rows: Range<usize>,
        mut w: SliceMut<'_>,
        mut memory: [Option<SliceMut<'_>>; 2],
        mut increment: Option<SliceMut<'_>>,
        mut watch: Option<Watch<'_>>,
        scratch: &mut Tensor,
        par: Par,
    ) {
        if self.at_once(&rows, &mut w, increment.is_some() || watch.is_some()) {
            return;
        }
        let block = self.block;
        for start in rows.clone().step_by(block) {
            let end = (start + block).min(rows.end);
            let n = (end - start) * self.cols;
            let (head, tail) = w.split_at(n);
            w = tail;
            let [m, v] = memory;
            let ((m1, m2), (v1, v2)) = (cut(m, n), cut(v, n));
            memory = [m2, v2];
            let (i1, i2) = cut(increment, n);
            increment = i2;
            let g = match self.kept {
                Some(kept) => kept.slice().part(start * self.cols..end * self.cols),
                None => {
                    let (mut buffer, _) = scratch.slice_mut().split_at(n);
                    self.layer.weight_grad(self.seen, self.delta, start..end, buffer.reborrow(), par);
                    scratch.slice().part(0..n)
                }
            };
            match &mut watch {
                None => self.optimizer.update(self.at, head, g, [m1, v1], i1),
                Some(watch) => self.watched(watch, rows.start, start..end, head, g, [m1, v1], i1),
            }
        }
    }

    /// A block's update row by row, each row's sums taken around it. `first` is the first row of the watched part.
    fn watched(
        &self,
        watch: &mut Watch<'_>,
        first: usize,
        rows: Range<usize>,
        mut w: SliceMut<'_>,
        g: Slice<'_>,
        [mut m, mut v]: [Option<SliceMut<'_>>; 2],
        mut increment: Option<SliceMut<'_>>,
    ) {
        let block = (rows.start - first) / self.block;
        for (i, row) in rows.enumerate() {
            let (head, tail) = w.split_at(self.cols);
            w = tail;
            let ((m1, m2), (v1, v2)) = (cut(m, self.cols), cut(v, self.cols));
            (m, v) = (m2, v2);
            let (i1, i2) = cut(increment, self.cols);
            increment = i2;
            let grad = g.part(i * self.cols..(i + 1) * self.cols);
            let step = RowStep { at: self.at, optimizer: self.optimizer, grad };
            watch.step(row, row - first, block, &step, head, [m1, v1], i1);
        }
    }
}

fn cut<'a>(s: Option<SliceMut<'a>>, at: usize) -> (Option<SliceMut<'a>>, Option<SliceMut<'a>>) {
    match s {
        None => (None, None),
        Some(s) => {
            let (a, b) = s.split_at(at);
            (Some(a), Some(b))
        }
    }
}
