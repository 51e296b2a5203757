/*!
The rule's update directions F and the true gradient g on examples of one's choice, beside the training batch.

`F = (G_1, ..., G_L)` and `g = dL/dW` of the mean loss over the examples, weights and biases of trained layers, added up over fixed batches in the
dtype of the network (in f32 that costs about 1e-6 relative on 60,000 examples). Noise layers do nothing. Nothing of the run is touched.
*/

use super::{Grads, fill_target};
use crate::init::Feedback;
use crate::layer::Pass;
use crate::loss::{self, Loss, Scratch};
use crate::network::{Errors, Network, NodeId, Trace};
use crate::probes::{Reference, View};
use crate::rules::Rule;
use realign_data::Dataset;
use realign_tensor::{Par, Tensor, ops};

const BATCH: usize = 256;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The network.
    pub net: &'a Network,
    /// Its feedback weights.
    pub feedback: &'a Feedback,
    /// The rule.
    pub rule: &'a dyn Rule,
    /// The loss.
    pub loss: &'a dyn Loss,
    /// Where the examples come from.
    pub data: &'a Dataset,
    /// Threads.
    pub par: Par,
}

impl<'a> Subject<'a> {
    /// What a probe sees, on the train split.
    pub fn of(view: &View<'a>) -> Subject<'a> {
        Subject {
            net: view.net,
            feedback: view.feedback,
            rule: view.rule,
            loss: view.loss,
            data: &view.data.train,
            par: view.par,
        }
    }
}

/// Parameters' worth of numbers by node: for the weight, and for the bias if there is one.
type Sums = Vec<Option<(Tensor, Option<Tensor>)>>;

/// F and g, with the buffers to compute them again.
#[derive(Default)]
pub struct Directions {
    passes: Option<(Trace, Errors)>,
    grads: Grads,
    reference: Reference,
    update: Sums,
    gradient: Sums,
    labels: Vec<u32>,
    values: Vec<f64>,
    scratch: Scratch,
}

impl Directions {
    /// Computes both on the `examples` of the subject's data and returns the mean loss over them.
    ///
    /// # Panics
    /// If there are no examples.
    pub fn measure(&mut self, s: Subject<'_>, examples: &[usize]) -> f64 {
        assert!(!examples.is_empty(), "directions on no examples");
        let mut feedback = s.feedback.clone();
        for sums in [&mut self.update, &mut self.gradient] {
            clear(sums, s.net);
        }
        let (mut trace, mut errors) =
            self.passes.take().unwrap_or_else(|| (Trace::new(s.net, 1), Errors::new(s.net, 1)));
        let mut total = 0.0;
        for batch in examples.chunks(BATCH) {
            s.data.gather(batch, trace.input_mut(batch.len()));
            s.net.forward(&mut trace, Pass { par: s.par, noise: None });
            let target = fill_target(&s.data.targets, batch, &mut self.labels, &mut self.values);
            let signal = errors.signal_mut(s.net, batch.len());
            let output = trace.output(s.net);
            total += loss::evaluate(s.loss, output, &target, Some(&mut *signal), &mut self.scratch).loss;
            // The mean is over all examples, not over this batch.
            ops::scale(signal, batch.len() as f64 / examples.len() as f64);
            s.rule.errors(s.net, &mut feedback, &trace, &mut errors, s.par);
            self.grads.invalidate();
            self.grads.compute(s.net, &trace, &errors, |n| s.rule.trains(s.net, n), s.par);
            self.reference.invalidate();
            let truth = self.reference.grads(s.net, &trace, &errors, s.par);
            add(&mut self.update, &self.grads, s);
            add(&mut self.gradient, truth, s);
        }
        self.passes = Some((trace, errors));
        total / examples.len() as f64
    }

    /// G at a trained layer: weight and bias.
    pub fn update(&self, node: NodeId) -> Option<(&Tensor, Option<&Tensor>)> {
        get(&self.update, node)
    }

    /// dL/dW and dL/db at a trained layer.
    pub fn gradient(&self, node: NodeId) -> Option<(&Tensor, Option<&Tensor>)> {
        get(&self.gradient, node)
    }
}

fn get(sums: &Sums, node: NodeId) -> Option<(&Tensor, Option<&Tensor>)> {
    sums.get(node.0).and_then(Option::as_ref).map(|(w, b)| (w, b.as_ref()))
}

fn clear(sums: &mut Sums, net: &Network) {
    sums.resize_with(net.nodes().len(), || None);
    for (w, b) in sums.iter_mut().flatten() {
        w.clear();
        b.iter_mut().for_each(Tensor::clear);
    }
}

fn add(sums: &mut Sums, grads: &Grads, s: Subject<'_>) {
    for &node in s.net.weighted().iter().filter(|n| s.rule.trains(s.net, **n)) {
        let Some(g) = grads.weight(node) else { continue };
        let gb = grads.bias(node);
        match &mut sums[node.0] {
            None => sums[node.0] = Some((g.clone(), gb.cloned())),
            Some((w, b)) => {
                ops::add_assign(w, g, s.par);
                if let (Some(b), Some(gb)) = (b, gb) {
                    ops::add_assign(b, gb, s.par);
                }
            }
        }
    }
}
