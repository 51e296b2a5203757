//! One row of a weight, or a bias, in f64 while its step is watched: what it was, what moves it, and how large the terms of the step are.

use crate::optim::{At, Optimizer, PARTS};
use realign_tensor::{DType, Slice, Tensor, ops};

/// Room for one row in f64.
pub(super) struct Scratch {
    pub(super) old: Tensor,
    pub(super) w: Vec<f64>,
    pub(super) g: Vec<f64>,
    pub(super) x: Vec<f64>,
    pub(super) b: Vec<f64>,
    pub(super) m: Vec<f64>,
    pub(super) phi: Vec<f64>,
    pub(super) term: Vec<f64>,
    pub(super) units: Vec<f64>,
    pub(super) memory: [Vec<f64>; 2],
    pub(super) parts: [Vec<f64>; PARTS.len()],
    /// Of the terms of the step.
    pub(super) gross: Vec<f64>,
    pub(super) active: [bool; PARTS.len()],
}

impl Scratch {
    pub(super) fn new(cols: usize, dtype: DType) -> Scratch {
        let row = || vec![0.0; cols];
        Scratch {
            old: Tensor::zeros([cols], dtype),
            w: row(),
            g: row(),
            x: row(),
            b: row(),
            m: row(),
            phi: row(),
            term: row(),
            units: Vec::new(),
            memory: std::array::from_fn(|_| row()),
            parts: std::array::from_fn(|_| row()),
            gross: row(),
            active: [false; PARTS.len()],
        }
    }

    pub(super) fn widen(&mut self, w: Slice<'_>, g: Slice<'_>, memory: [Option<Slice<'_>>; 2]) {
        self.grow(w.len());
        ops::widen(w, &mut self.w[..w.len()]);
        ops::widen(g, &mut self.g[..g.len()]);
        for (to, from) in self.memory.iter_mut().zip(memory) {
            if let Some(from) = from {
                ops::widen(from, &mut to[..from.len()]);
            }
        }
    }

    /// A bias may be longer than any row; grows once.
    fn grow(&mut self, n: usize) {
        if self.w.len() < n {
            *self = Scratch::new(n, self.old.dtype());
        }
    }

    /// The parts of the remainder of the `n` entries just widened, and how large its terms are.
    pub(super) fn remainder(&mut self, at: At, optimizer: &dyn Optimizer, n: usize) {
        self.active = optimizer.active(at);
        self.parts.iter_mut().for_each(|p| p[..n].fill(0.0));
        let [decay, momentum, adaptive, clipping] = &mut self.parts;
        let parts = [&mut decay[..n], &mut momentum[..n], &mut adaptive[..n], &mut clipping[..n]];
        let memory = [&self.memory[0][..n], &self.memory[1][..n]];
        let (w, g, gross) = (&self.w[..n], &self.g[..n], &mut self.gross[..n]);
        optimizer.remainder(at, w, g, memory, parts);
        optimizer.gross(at, w, g, memory, gross);
        let share = f64::EPSILON / self.old.dtype().epsilon();
        for part in self.parts.iter().zip(self.active).filter_map(|(part, active)| active.then_some(part)) {
            ops::zip_each(
                gross,
                &part[..n],
                #[inline(always)]
                |sum, part| sum + share * part.abs(),
            );
        }
        ops::zip_each(
            gross,
            g,
            #[inline(always)]
            |sum, g| sum + share * at.lr * g.abs(),
        );
    }
}
