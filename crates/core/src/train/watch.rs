//! The watched update: one row's step with the sums of [`super::Journal`] taken around it, while the row is in the cache.

use super::journal::{FIELDS, RowSums};
use super::widened::Scratch;
use crate::optim::{At, Optimizer, PARTS};
use crate::rules::Potential;
use crate::streams::Columns;
use realign_tensor::{Slice, SliceMut, Tensor, ops};

/// The part of a journal that some rows of one layer write to.
pub(super) struct Watch<'a> {
    pub(super) rows: &'a mut [RowSums],
    pub(super) blocks: &'a mut [f64],
    pub(super) units: usize,
    pub(super) geometry: Columns,
    pub(super) potential: Option<&'a dyn Potential>,
    pub(super) feedback: Option<&'a Tensor>,
    pub(super) scratch: &'a mut [Scratch],
}

/// One row's update as it is made.
pub(super) struct RowStep<'a> {
    pub(super) at: At,
    pub(super) optimizer: &'a dyn Optimizer,
    pub(super) grad: Slice<'a>,
}

impl<'a> Watch<'a> {
    /// The first `rows` rows, which are `blocks` blocks, with `threads` scratches, and the rest.
    pub(super) fn split(self, rows: usize, blocks: usize, threads: usize) -> (Watch<'a>, Watch<'a>) {
        let Watch { rows: r, blocks: b, units, geometry, potential, feedback, scratch } = self;
        let (r1, r2) = r.split_at_mut(if r.is_empty() { 0 } else { rows });
        let (b1, b2) = b.split_at_mut(blocks * units * FIELDS);
        let (s1, s2) = scratch.split_at_mut(threads);
        let part =
            |rows, blocks, scratch| Watch { rows, blocks, units, geometry, potential, feedback, scratch };
        (part(r1, b1, s1), part(r2, b2, s2))
    }

    /// Makes the update of row `row` (`own` rows below the first row of this part, in its block number `block`) and notes its sums.
    pub(super) fn step(
        &mut self,
        row: usize,
        own: usize,
        block: usize,
        step: &RowStep<'_>,
        mut w: SliceMut<'_>,
        mut memory: [Option<SliceMut<'_>>; 2],
        increment: Option<SliceMut<'_>>,
    ) {
        let cols = w.len();
        let s = &mut self.scratch[0];
        let detailed = self.potential.is_some() || step.optimizer.active(step.at).contains(&true);
        let plain = !detailed && increment.is_none() && step.optimizer.is_plain(step.at);
        if let Some(sums) = self.rows.get_mut(own).filter(|_| plain) {
            return sums.add(ops::plain_step(w, step.at.lr, step.grad));
        }
        ops::copy(w.as_ref(), s.old.slice_mut().split_at(cols).0);
        if detailed {
            let memory = memory.each_ref().map(|m| m.as_ref().map(SliceMut::as_ref));
            s.widen(w.as_ref(), step.grad, memory);
            s.remainder(step.at, step.optimizer, cols);
        }
        let memory = memory.each_mut().map(|m| m.as_mut().map(SliceMut::reborrow));
        step.optimizer.update(step.at, w.reborrow(), step.grad, memory, increment);
        if let Some(sums) = self.rows.get_mut(own) {
            sums.add(ops::step_sums(s.old.slice().part(0..cols), w.as_ref(), step.grad));
            for i in (0..PARTS.len()).filter(|&i| detailed && s.active[i]) {
                sums.parts[i] += products(&s.w[..cols], &s.parts[i][..cols])[3];
            }
            if detailed {
                let [w, terms, ..] = products(&s.w[..cols], &s.gross[..cols]);
                sums.step += w.sqrt() * terms.sqrt();
            }
        }
        if let Some(potential) = self.potential {
            ops::widen(w.as_ref(), &mut s.x[..cols]);
            match self.feedback {
                Some(b) => ops::widen(b.slice().part(row * cols..(row + 1) * cols), &mut s.b[..cols]),
                None => s.b[..cols].copy_from_slice(&s.w[..cols]),
            }
            let size = self.units * FIELDS;
            let own = block * size..(block + 1) * size;
            let runs = self.blocks[own].chunks_mut(self.units);
            let geometry = self.geometry;
            columns(s, potential, cols, runs, |entries, run| geometry.add_row(row, entries, run));
        }
    }
}

impl RowSums {
    /// Adds what [`ops::step_sums`] says of the row.
    fn add(&mut self, [before, after, moved, path]: [f64; 4]) {
        self.before += before;
        self.after += after;
        self.moved += moved;
        self.path += path;
        self.size += before.sqrt() * after.sqrt();
        self.step += before.sqrt() * moved.sqrt();
    }
}

/// ‖a‖², ‖b‖², ‖b − a‖² and <a, b>.
fn products(a: &[f64], b: &[f64]) -> [f64; 4] {
    ops::step_sums(Slice::F64(a), Slice::F64(b), Slice::F64(b))
}

/// Adds a row to the sums of the units it reads, one of `runs` per field, by `spread`.
fn columns<'a>(
    s: &mut Scratch,
    potential: &dyn Potential,
    cols: usize,
    mut runs: impl Iterator<Item = &'a mut [f64]>,
    spread: impl Fn(&[f64], &mut [f64]),
) {
    let Scratch { w, g, x, b, m, phi, term, parts, gross, active, .. } = s;
    let (w, g, x, b) = (&w[..cols], &g[..cols], &x[..cols], &b[..cols]);
    let (m, phi, term, gross) = (&mut m[..cols], &mut phi[..cols], &mut term[..cols], &gross[..cols]);
    let mut add = |values: &[f64]| spread(values, runs.next().expect("one run per field"));
    potential.carry(w, b, m);
    potential.phi(w, b, w, phi);
    add(phi);
    potential.phi(w, b, x, term);
    add(term);
    ops::vectorize(
        #[inline(always)]
        || (0..cols).for_each(|i| term[i] -= phi[i] + m[i] * (x[i] - w[i])),
    );
    add(term);
    ops::vectorize(
        #[inline(always)]
        || (0..cols).for_each(|i| term[i] = m[i] * g[i]),
    );
    add(term);
    ops::vectorize(
        #[inline(always)]
        || (0..cols).for_each(|i| term[i] = m[i].abs() * (w[i].abs() + x[i].abs())),
    );
    add(term);
    ops::vectorize(
        #[inline(always)]
        || (0..cols).for_each(|i| term[i] = m[i].abs() * gross[i]),
    );
    add(term);
    ops::vectorize(
        #[inline(always)]
        || (0..cols).for_each(|i| term[i] = m[i] * m[i]),
    );
    add(term);
    for ((part, _), run) in parts.iter().zip(*active).zip(runs).filter(|((_, active), _)| *active) {
        ops::vectorize(
            #[inline(always)]
            || (0..cols).for_each(|i| term[i] = m[i] * part[i]),
        );
        spread(term, run);
    }
}
