//! What backpropagation would do: its errors and update directions on the same weights, batch and signal as the rule's.

use crate::init::Feedback;
use crate::network::{Errors, Network, Trace};
use crate::rules::{Rule, bp::Bp};
use crate::train::Grads;
use realign_tensor::Par;

/// Buffers for backpropagation's errors and update directions, computed at most once per step.
#[derive(Default)]
pub struct Reference {
    errors: Option<Errors>,
    grads: Grads,
    errors_fresh: bool,
}

impl Reference {
    /// Forgets what belongs to an earlier step.
    pub fn invalidate(&mut self) {
        self.errors_fresh = false;
        self.grads.invalidate();
    }

    /// Backpropagation's errors.
    pub fn errors(&mut self, net: &Network, trace: &Trace, signal: &Errors, par: Par) -> &Errors {
        let errors = self.errors.get_or_insert_with(|| Errors::new(net, trace.batch()));
        if !self.errors_fresh {
            errors.copy_signal(net, signal);
            Bp.errors(net, &mut Feedback::none(), trace, errors, par);
            self.errors_fresh = true;
        }
        errors
    }

    /// Backpropagation's update directions: the gradient of the loss.
    pub fn grads(&mut self, net: &Network, trace: &Trace, signal: &Errors, par: Par) -> &Grads {
        if !self.grads.fresh() {
            self.errors(net, trace, signal, par);
            let errors = self.errors.as_ref().expect("just made");
            self.grads.compute(net, trace, errors, |_| true, par);
        }
        &self.grads
    }
}
