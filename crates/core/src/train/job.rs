//! The update of one weight, cut into blocks of rows: a block's G is made into a small buffer and applied while it is in the cache, and what goes along with the
//! weight (its increment, or feedback weights that follow it) is moved with the block.

use super::watch::{RowStep, Watch};
use crate::layer::{Layer, Seen};
use crate::optim::{At, Optimizer};
use crate::rules::follow;
use realign_tensor::{Par, Slice, SliceMut, Tensor};
use std::ops::Range;

/// What is written beside the weight, in its shape.
pub(super) enum Along<'a> {
    Nothing,
    /// The increment, without the weight's decay.
    Increment(SliceMut<'a>),
    /// Feedback weights that receive a share of the increment, and their own decay.
    Feedback {
        b: SliceMut<'a>,
        kappa: f64,
        decay: f64,
    },
}

impl<'a> Along<'a> {
    fn cut(self, at: usize) -> (Along<'a>, Along<'a>) {
        match self {
            Along::Nothing => (Along::Nothing, Along::Nothing),
            Along::Increment(d) => {
                let (a, b) = d.split_at(at);
                (Along::Increment(a), Along::Increment(b))
            }
            Along::Feedback { b, kappa, decay } => {
                let (b1, b2) = b.split_at(at);
                (Along::Feedback { b: b1, kappa, decay }, Along::Feedback { b: b2, kappa, decay })
            }
        }
    }
}

/// The buffers of one thread: a block of G, and a block of increments where feedback follows them.
pub(super) struct Scratch {
    pub(super) g: Tensor,
    pub(super) increment: Option<Tensor>,
}

/// The update of one weight.
pub(super) struct Job<'a> {
    pub(super) layer: &'a dyn Layer,
    pub(super) seen: Seen<'a>,
    pub(super) delta: &'a Tensor,
    pub(super) kept: Option<&'a Tensor>,
    pub(super) optimizer: &'a dyn Optimizer,
    pub(super) at: At,
    pub(super) cols: usize,
    /// Rows of a block, and rows in all.
    pub(super) block: usize,
    pub(super) all: usize,
}

impl Job<'_> {
    /// Splits the rows over as many threads as there are scratch buffers; every thread walks its blocks in order.
    pub(super) fn run(
        &self,
        rows: Range<usize>,
        w: SliceMut<'_>,
        memory: [Option<SliceMut<'_>>; 2],
        along: Along<'_>,
        watch: Option<Watch<'_>>,
        scratch: &mut [Scratch],
    ) {
        let block = self.block;
        let blocks = rows.len().div_ceil(block);
        if scratch.len() == 1 || blocks == 1 {
            // The threads that have no block of their own help inside the products.
            let par = Par::threads(scratch.len());
            return self.walk(rows, w, memory, along, watch, &mut scratch[0], par);
        }
        let threads = scratch.len() / 2;
        let mid = rows.start + (blocks * threads / scratch.len()).max(1) * block;
        let at = (mid - rows.start) * self.cols;
        let (w1, w2) = w.split_at(at);
        let [m, v] = memory;
        let ((m1, m2), (v1, v2)) = (cut(m, at), cut(v, at));
        let (a1, a2) = along.cut(at);
        let (s1, s2) = scratch.split_at_mut(threads);
        let parts = watch.map(|p| p.split(mid - rows.start, (mid - rows.start) / block, threads));
        let (p1, p2) = parts.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        Par::Threads(2).join(
            || self.run(rows.start..mid, w1, [m1, v1], a1, p1, s1),
            || self.run(mid..rows.end, w2, [m2, v2], a2, p2, s2),
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
        mut along: Along<'_>,
        mut watch: Option<Watch<'_>>,
        scratch: &mut Scratch,
        par: Par,
    ) {
        if self.at_once(&rows, &mut w, !matches!(along, Along::Nothing) || watch.is_some()) {
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
            let (own, rest) = along.cut(n);
            along = rest;
            let Scratch { g, increment } = &mut *scratch;
            let g = self.direction(start..end, g, par);
            let update = |out: Option<SliceMut<'_>>| match &mut watch {
                None => self.optimizer.update(self.at, head, g, [m1, v1], out),
                Some(watch) => self.watched(watch, rows.start, start..end, head, g, [m1, v1], out),
            };
            match own {
                Along::Nothing => update(None),
                Along::Increment(out) => update(Some(out)),
                Along::Feedback { b, kappa, decay } => {
                    let room = increment.as_mut().expect("room for the increments that feedback follows");
                    update(Some(room.slice_mut().split_at(n).0));
                    follow(b, room.slice().part(0..n), kappa, decay, self.at.lr);
                }
            }
        }
    }

    /// G of some rows: kept from before, or made in the buffer.
    fn direction<'s>(&'s self, rows: Range<usize>, buffer: &'s mut Tensor, par: Par) -> Slice<'s> {
        let n = rows.len() * self.cols;
        match self.kept {
            Some(kept) => kept.slice().part(rows.start * self.cols..rows.end * self.cols),
            None => {
                let (g, _) = buffer.slice_mut().split_at(n);
                self.layer.weight_grad(self.seen, self.delta, rows, g, par);
                buffer.slice().part(0..n)
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
