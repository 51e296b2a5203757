/*!
Learning rules: how the error travels back, what the feedback weights are, how they change.

A rule is three small functions and only `errors` is required. The struct that implements a rule is its configuration.
Adding one is one file here and one word in the registry line.
*/

use crate::ConfigError;
use crate::init::{Feedback, FeedbackInit, WeightInit};
use crate::network::{Errors, Network, NodeId, Trace, sweep};
use crate::registry::{self, Entry};
use realign_tensor::{Element, Par, Rng, Slice, SliceMut, Tensor, dispatch, ops};
use toml::Table;

mod alignment;
mod potential;

pub use alignment::{Alignment, Chain, alignment, chains, writer_sq};
pub use potential::{Potential, entrywise};

macro_rules! rules {
    ($($module:ident),*) => {
        $(pub mod $module;)*
        /// All learning rules by name.
        pub static RULES: &[Entry<dyn Rule>] = &[$($module::ENTRY),*];
    };
}
rules!(bp, fa, sign_fa, adafa, tracking, frozen, shallow);

/// What a rule may make its feedback weights from: the state before the first step.
pub struct InitCx<'a> {
    /// The network, W and b drawn.
    pub net: &'a Network,
    /// What `init.feedback` asks for.
    pub feedback: &'a FeedbackInit,
    /// The laws that W and b were drawn by.
    pub weight: &'a WeightInit,
    /// Root of the run's random tree; the branch "feedback" is for B.
    pub root: &'a Rng,
}

impl InitCx<'_> {
    /// B as `init.feedback` asks for it.
    pub fn drawn(&self) -> Feedback {
        self.feedback.make(self.net, self.root)
    }
}

/// What one optimizer step did to a weight, for rules whose feedback moves.
pub struct Step<'a> {
    /// The network after the step.
    pub net: &'a Network,
    /// Increment of W at a node without its weight decay, if the rule asked for it.
    pub increments: &'a dyn Fn(NodeId) -> Option<&'a Tensor>,
    /// Learning rate of the step.
    pub lr: f64,
}

/// What moves the feedback weights, as far as laws must know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plasticity {
    /// Nothing, or they are no state of their own.
    None,
    /// They receive kappa times the increment of W (without its decay) and shrink by eta decay per step. The training step moves them with W,
    /// block by block, and calls [`Rule::adapt`], which does the same of itself, only where it cannot (books are kept, or a flow is integrated).
    Follows {
        /// Share of the increment.
        kappa: f64,
        /// Their decay.
        decay: f64,
    },
    /// Something else.
    Other,
}

/// A learning rule.
pub trait Rule: Send + Sync {
    /// Registry word.
    fn name(&self) -> &'static str;

    /// Whether the network is replaced by a linear read-out of the input: only a baseline does so.
    fn readout_only(&self) -> bool {
        false
    }

    /// Feedback weights at the start.
    ///
    /// # Errors
    /// If the rule cannot start from what `[init]` asks for; the key is relative to `init.feedback` and may be empty.
    fn feedback(&self, _cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        Ok(Feedback::none())
    }

    /// Sends the signal at the output back. `b` may be used for scratch that follows from W.
    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par);

    /// Whether the weight at this node is trained.
    fn trains(&self, _net: &Network, _node: NodeId) -> bool {
        true
    }

    /// Whether [`Rule::adapt`] needs the increments of W.
    fn wants_increments(&self) -> bool {
        matches!(self.plasticity(), Plasticity::Follows { .. })
    }

    /// c >= 0 if the error is carried through the weight at this node by `M = c sign(W)`, kept as feedback weights: then M jumps where a weight
    /// crosses zero, and a flow must be told when. One constant for the whole layer, in all layers that carry an error or in none; a flow
    /// compares it with the feedback weights at the start and refuses any other rule.
    fn sign_scale(&self, _net: &Network, _node: NodeId) -> Option<f64> {
        None
    }

    /// The potential whose gradient carries the error through the weight at this node; `None` if there is none.
    fn potential(&self, _net: &Network, _node: NodeId) -> Option<Box<dyn Potential>> {
        None
    }

    /// What [`Rule::adapt`] does, in words for laws.
    fn plasticity(&self) -> Plasticity {
        Plasticity::None
    }

    /// Plasticity of the feedback path, after the weights have moved. What is added to B must be linear in the increments and the
    /// learning rate together: a flow takes what B gains at rate 1 from the increments -G as its velocity.
    fn adapt(&self, b: &mut Feedback, step: &Step<'_>) {
        let Plasticity::Follows { kappa, decay } = self.plasticity() else { return };
        for &node in step.net.weighted() {
            if let (Some(b), Some(dw)) = (b.at_mut(node), (step.increments)(node)) {
                follow(b.slice_mut(), dw.slice(), kappa, decay, step.lr);
            }
        }
    }
}

/// [`Plasticity::Follows`] for a run of entries: `b = (1 - lr decay) b + kappa dw`.
pub(crate) fn follow(b: SliceMut<'_>, dw: Slice<'_>, kappa: f64, decay: f64, lr: f64) {
    dispatch!(b.dtype(), T => {
        let (kept, kappa) = (T::of(1.0 - lr * decay), T::of(kappa));
        ops::zip_each(b.get::<T>(), dw.get::<T>(), #[inline(always)] |b, dw| b * kept + kappa * dw);
    });
}

/// Builds a rule from its table (`name` and options).
pub fn build(table: Table) -> Result<Box<dyn Rule>, ConfigError> {
    registry::build(RULES, "rule", table)
}

/// Sends the error back through B at every layer that carries one: the backward step of every rule with feedback weights.
fn sweep_feedback(net: &Network, b: &Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
    sweep(net, trace, errors, |node| b.get(node), par);
}
