/*!
One pass over the weights: G of a block of rows is computed into a small buffer and applied while it is still in cache; feedback weights that follow
move with their block.

G is written out as a whole only when somebody needs it (clipping, probes). Blocks are the same for every number of
threads, so the bits are too.
*/

use super::grads::Grads;
use super::job::{Along, Job, Scratch};
use super::journal::Journal;
use crate::Error;
use crate::init::Feedback;
use crate::network::{Errors, Network, NodeId, Trace};
use crate::optim::{At, Clip, Optimizer, Schedule};
use crate::rules::{Plasticity, Rule, Step};
use realign_tensor::{Par, SliceMut, Tensor, ops};

/// Optimizer, its memory and buffers.
pub(super) struct Updater {
    optimizer: Box<dyn Optimizer>,
    lr: f64,
    schedule: Box<dyn Schedule>,
    clip: Clip,
    layers: Vec<State>,
    scratch: Vec<Scratch>,
    par: Par,
    last_lr: f64,
    /// Whether the last step has moved the feedback weights too.
    followed: bool,
}

/// Of one layer: memory of weight and bias, and the increment of the weight where the rule asks for it as a whole.
struct State {
    node: NodeId,
    weight: [Option<Tensor>; 2],
    bias: [Option<Tensor>; 2],
    bias_grad: Option<Tensor>,
    wants_increment: bool,
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
                wants_increment: rule.wants_increments() && net.carries(node),
                increment: None,
            })
            .collect();
        let largest = net
            .weighted()
            .iter()
            .map(|&n| (net.layer(n), net.weight(n)))
            .map(|(layer, w)| layer.block_rows(w.rows(), w.cols()).min(w.rows()) * w.cols());
        let block = largest.max().unwrap_or(0);
        let room = || Tensor::zeros([block], net.dtype());
        let follows = matches!(rule.plasticity(), Plasticity::Follows { .. });
        let scratch =
            (0..par.count()).map(|_| Scratch { g: room(), increment: follows.then(room) }).collect();
        Updater { optimizer, lr, schedule, clip, layers, scratch, par, last_lr: 0.0, followed: false }
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
        feedback: &mut Feedback,
        mut journal: Option<&mut Journal>,
        trace: &Trace,
        errors: &Errors,
        grads: &mut Grads,
        rule: &dyn Rule,
    ) {
        self.last_lr = self.lr_at(step, total);
        // A journal reads the feedback weights of before while the weights move.
        let follows = if journal.is_none() { rule.plasticity() } else { Plasticity::None };
        self.followed = matches!(follows, Plasticity::Follows { .. });
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
            let (along, read) = match follows {
                Plasticity::Follows { kappa, decay } => {
                    let follows = |b: _| Along::Feedback { b, kappa, decay };
                    (feedback.at_mut(node).map_or(Along::Nothing, |b| follows(b.slice_mut())), None)
                }
                _ if state.wants_increment => {
                    let whole = state.increment.get_or_insert_with(|| weight.zeros_like());
                    (Along::Increment(whole.slice_mut()), feedback.at(node))
                }
                _ => (Along::Nothing, feedback.at(node)),
            };
            let watch = journal.as_mut().map(|j| j.watch(i, at, self.optimizer.form(), read));
            job.run(rows, weight.slice_mut(), memory, along, watch, &mut self.scratch);
            *net.layer_mut(node).params_mut().0.expect("weighted node") = weight;
        }
    }

    /// Lets the rule's feedback weights follow, unless they did with the weights.
    pub(super) fn adapt(&self, net: &Network, feedback: &mut Feedback, rule: &dyn Rule) {
        if self.followed {
            return;
        }
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
