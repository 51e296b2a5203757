/*!
Optimizers: from update directions to increments, in one pass over the weights.

Every optimizer states its increment as `dW = -eta G + R`; [`Optimizer::update`] can hand out the increment without this
step's weight decay, so that a rule's feedback may follow it. Decay is coupled (added to G) in `sgd` and `adam`, as in PyTorch,
and decoupled in `adamw`.
*/

mod adam;
mod adamw;
mod clip;
mod flow;
mod schedule;
mod sgd;

pub use clip::Clip;
pub use flow::Flow;
pub use schedule::{SCHEDULES, Schedule};

use crate::ConfigError;
use crate::registry::{self, Entry};
use realign_tensor::ops::vectorize;
use realign_tensor::{Element, Slice, SliceMut};
use toml::Table;

/// When and how strongly a step is applied.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Learning rate eta of this step.
    pub lr: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// Factor on G from clipping (1 without).
    pub clip: f64,
}

/// The parts of what an optimizer does beside the plain step: `R = dW + eta G`.
pub const PARTS: [&str; 4] = ["decay", "momentum", "adaptive", "clipping"];

/// What an optimizer does beside the plain step `dW = -eta G`, as far as laws and audits must know.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Form {
    /// Momentum mu.
    pub momentum: f64,
    /// Whether momentum looks ahead.
    pub nesterov: bool,
    /// Weight decay lambda.
    pub weight_decay: f64,
    /// Whether every entry has its own rate (Adam).
    pub adaptive: bool,
    /// What such a rate's denominator has added (eps).
    pub eps: f64,
    /// Whether the decay is kept out of the memory and the increment handed out (`sgd`, `adamw`) or is part of them (`adam`).
    pub decay_apart: bool,
    /// Set where the flow is integrated instead of stepped.
    pub flow: Option<Flow>,
}

impl Form {
    /// How far an error of 1 in G may move a weight. Adaptive scaling divides by its eps, and does so with the product with the learning rate, which has an
    /// error of its own.
    pub fn gain(&self, lr: f64) -> f64 {
        if self.adaptive { (1.0 + lr) / self.eps } else { lr }
    }
}

/// Applies update directions. Stateless: its memory is handed in, one buffer per name in [`Optimizer::memory`].
pub trait Optimizer: Send + Sync {
    /// Registry word.
    fn name(&self) -> &'static str;

    /// Names of the buffers kept per parameter, each of the parameter's shape (at most two).
    fn memory(&self) -> &'static [&'static str];

    /// What it does beside the plain step.
    fn form(&self) -> Form;

    /// Whether this step is `w = w - lr g` and nothing else.
    fn is_plain(&self, _at: At) -> bool {
        false
    }

    /// Moves a run of entries `w` along `g`, updating `memory`; writes the increment without its decay if asked.
    fn update(
        &self,
        at: At,
        w: SliceMut<'_>,
        g: Slice<'_>,
        memory: [Option<SliceMut<'_>>; 2],
        increment: Option<SliceMut<'_>>,
    );

    /// Which of [`PARTS`] a step may have.
    fn active(&self, at: At) -> [bool; PARTS.len()];

    /// R entry by entry in f64, from the state before the update: adds to `parts` (all of one length, zero at first) in the
    /// order of [`PARTS`]. Stated from the formula, not from what `update` did, so that books kept with it can fail to close.
    fn remainder(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], parts: [&mut [f64]; PARTS.len()]);

    /// How large the terms are that `update` adds up for the increment, entry by entry in f64, before they cancel: what its rounding goes by.
    fn gross(&self, at: At, w: &[f64], g: &[f64], memory: [&[f64]; 2], out: &mut [f64]);
}

macro_rules! optimizers {
    ($($module:ident),*) => {
        /// All optimizers by name.
        pub static OPTIMIZERS: &[Entry<dyn Optimizer>] = &[$($module::ENTRY),*];
    };
}
optimizers!(sgd, adam, adamw, flow);

/// Builds an optimizer from its table (`name` and options, without `lr`, `schedule` and `clip`).
pub fn build(table: Table) -> Result<Box<dyn Optimizer>, ConfigError> {
    registry::build(OPTIMIZERS, "optimizer", table)
}

/// Reads `{ name = "constant", ... }`.
pub fn schedule(table: Table) -> Result<Box<dyn Schedule>, ConfigError> {
    registry::build(SCHEDULES, "schedule", table)
}

/// Steps from one [`settle`] to the next: seldom enough to cost nothing, often enough that few steps see a subnormal number.
const SETTLED: u64 = 64;

/// Puts zero in place of memories below the smallest normal number, after every [`SETTLED`]th step. By the number of the step, so that a resumed run does it
/// where the uninterrupted one does.
fn settle<T: Element>(at: At, memory: &mut [T]) {
    if at.step.is_multiple_of(SETTLED) {
        vectorize(
            #[inline(always)]
            || memory.iter_mut().for_each(|x| *x = x.normal_or_zero()),
        );
    }
}
