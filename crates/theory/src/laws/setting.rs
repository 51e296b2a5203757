//! What laws must know of a run before it starts, and the assumptions that several of them share.

use super::balance::potentials;
use super::{WhyNot, refuse};
use realign::network::Op;
use realign::optim::{Clip, Form};
use realign::rules::{Plasticity, Potential};
use realign::streams::{Stream, streams};
use realign::train::Setup;

/// Facts of a run before it starts.
pub struct Setting {
    /// The rule's name.
    pub rule: &'static str,
    /// What moves its feedback weights.
    pub plasticity: Plasticity,
    /// Potential of every weighted layer, as far as the rule has one and the layer carries an error.
    pub potentials: Vec<Option<Box<dyn Potential>>>,
    /// The hidden units and who writes and reads them.
    pub streams: Vec<Stream>,
    /// What the optimizer does beside the plain step.
    pub form: Form,
    /// Clipping.
    pub clip: Clip,
    /// Learning rate at the start; the time between two states for a flow.
    pub lr: f64,
    /// Steps in all; output points of a flow.
    pub steps: u64,
    /// Whether the learning rate stays what it is.
    pub constant_rate: bool,
    /// Kinds of the layers without weights, in the order of the network.
    pub kinds: Vec<&'static str>,
    /// Those among them that are not positively homogeneous.
    pub inhomogeneous: Vec<&'static str>,
}

impl Setting {
    /// The facts of a setup.
    pub fn of(setup: &Setup) -> Setting {
        let (net, rule, form) = (&setup.net, setup.rule.as_ref(), setup.optimizer.form());
        let steps = setup.plan.steps(setup.data.train.len()).max(1);
        let factor = |s: u64| setup.schedule.factor(s, steps);
        let (mut kinds, mut inhomogeneous) = (Vec::new(), Vec::new());
        for node in net.nodes() {
            let (kind, homogeneous) = match &node.op {
                Op::Pointwise(layer) => (layer.kind(), layer.homogeneous()),
                Op::Layer(layer) if layer.weight().is_none() => (layer.kind(), layer.homogeneous()),
                _ => continue,
            };
            kinds.push(kind);
            inhomogeneous.extend(Some(kind).filter(|_| !homogeneous));
        }
        Setting {
            rule: rule.name(),
            plasticity: rule.plasticity(),
            potentials: potentials(net, rule),
            streams: streams(net),
            form,
            clip: setup.clip,
            lr: form.flow.map_or(setup.lr * factor(0), |f| f.t_end / steps as f64),
            steps,
            constant_rate: (0..steps).all(|s| factor(s) == factor(0)),
            kinds,
            inhomogeneous,
        }
    }

    /// The rule is the one the law is about.
    pub(super) fn rule_is(&self, name: &str) -> Result<(), WhyNot> {
        if self.rule == name { Ok(()) } else { refuse(format!("a law of {name}; the rule is {}", self.rule)) }
    }

    /// There are hidden units and all between their writers and readers is homogeneous: the balance identity holds.
    pub(super) fn balanced(&self) -> Result<(), WhyNot> {
        if self.streams.is_empty() {
            return refuse("there are no hidden units between two weighted layers");
        }
        if self.streams.iter().any(|s| !s.normalizers.is_empty()) {
            return refuse(
                "batch norm leaves eps to the scale of the rows below it: an account of the ledger, no law of the flow",
            );
        }
        match self.inhomogeneous.first() {
            Some(kind) => {
                refuse(format!("{kind} is not positively homogeneous: h(a z) = a h(z) for a > 0 fails"))
            }
            None => Ok(()),
        }
    }

    /// All weights move by one and the same factor times -G, apart from momentum and decay, which the caller looks at.
    pub(super) fn equal_rates(&self) -> Result<(), WhyNot> {
        if self.form.adaptive {
            return refuse("Adam gives every weight its own rate: broken at leading order, whatever eta");
        }
        if matches!(self.clip, Clip::Layer(_)) {
            return refuse("clipping per layer gives every layer its own rate");
        }
        Ok(())
    }

    pub(super) fn no_momentum(&self) -> Result<(), WhyNot> {
        match self.form.momentum {
            0.0 => Ok(()),
            mu => refuse(format!("momentum {mu}: what is conserved contains the velocity (law heavy_ball)")),
        }
    }

    pub(super) fn no_decay(&self) -> Result<(), WhyNot> {
        match self.form.weight_decay {
            0.0 => Ok(()),
            lambda => {
                refuse(format!("weight decay {lambda}: it moves both sides (laws weight_decay, contraction)"))
            }
        }
    }

    pub(super) fn steady(&self) -> Result<(), WhyNot> {
        if self.constant_rate { Ok(()) } else { refuse("the learning rate changes during the run") }
    }

    pub(super) fn stepped(&self) -> Result<(), WhyNot> {
        if self.form.flow.is_none() { Ok(()) } else { refuse("a statement about steps; this run is a flow") }
    }
}
