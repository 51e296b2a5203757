//! Faults of 1 %, put in from outside: a rule that carries the error through one layer too strongly, an optimizer that moves one layer's
//! weights or biases further than it says.

use realign::ConfigError;
use realign::init::Feedback;
use realign::network::{Errors, Network, NodeId, Trace, sweep};
use realign::optim::{At, Form, Optimizer, PARTS};
use realign::rules::{InitCx, Plasticity, Potential, Rule, Step};
use realign::streams::streams;
use realign::tensor::{Par, Rng, Slice, SliceMut, Tensor};
use realign::train::Setup;
use std::ops::Range;
use std::sync::Mutex;

/// How much too large.
pub const EXTRA: f64 = 0.01;

/// A fault in a weighted layer, by its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plant {
    /// The error that the layer sends down is 1 % too large.
    Backward(usize),
    /// The increment of its weight is.
    Update(usize),
    /// The increment of its bias is.
    Bias(usize),
}

impl Plant {
    pub fn layer(self) -> usize {
        let (Plant::Backward(layer) | Plant::Update(layer) | Plant::Bias(layer)) = self;
        layer
    }

    /// The account that must open.
    pub fn account(self) -> &'static str {
        if matches!(self, Plant::Backward(_)) { "path" } else { "residual" }
    }

    /// The streams it belongs to, by their lowest writers.
    pub fn streams(self, net: &Network) -> Vec<usize> {
        let layer = self.layer();
        let touches = |s: &realign::streams::Stream| {
            let (reads, writes) =
                (s.readers.iter().any(|m| m.layer == layer), s.writers.iter().any(|m| m.layer == layer));
            match self {
                Plant::Backward(_) => reads && s.homogeneous,
                Plant::Update(_) => reads || writes,
                Plant::Bias(_) => writes,
            }
        };
        streams(net).iter().filter(|s| touches(s)).map(|s| s.writers[0].layer).collect()
    }

    /// Puts the fault into a setup.
    pub fn put(self, setup: &mut Setup) {
        let node = setup.net.weighted()[self.layer()];
        match self {
            Plant::Backward(_) => {
                let inner = std::mem::replace(&mut setup.rule, Box::new(realign::rules::bp::Bp));
                setup.rule = Box::new(StrongRule { inner, node });
            }
            Plant::Update(_) | Plant::Bias(_) => {
                let calls = calls(&setup.net, setup.rule.as_ref(), self);
                let flow = realign::optim::build("name = \"sgd\"".parse().unwrap()).unwrap();
                let inner = std::mem::replace(&mut setup.optimizer, flow);
                setup.optimizer = Box::new(FarOptimizer { inner, calls, count: Mutex::new((0, 0)) });
            }
        }
    }
}

/// One plant of every kind that has a place in the network.
pub fn draw(net: &Network, rule: &dyn Rule, rng: &mut Rng) -> Vec<Plant> {
    let layers = 0..net.weighted().len();
    let kinds: [fn(usize) -> Plant; 3] = [Plant::Backward, Plant::Update, Plant::Bias];
    let mut out = Vec::new();
    for kind in kinds {
        let fits = |&l: &usize| {
            let node = net.weighted()[l];
            let parts = match kind(l) {
                Plant::Backward(_) => net.carries(node),
                Plant::Update(_) => true,
                Plant::Bias(_) => net.layer(node).bias().is_some(),
            };
            // A rule that trains the top alone sends no error and moves nothing else.
            rule.trains(net, node)
                && rule.trains(net, net.weighted()[0])
                && parts
                && !kind(l).streams(net).is_empty()
        };
        let places: Vec<usize> = layers.clone().filter(fits).collect();
        if !places.is_empty() {
            out.push(kind(places[rng.below(places.len())]));
        }
    }
    out
}

/// Carries the error as `inner` does, but through the layer at `node` by 1.01 M.
struct StrongRule {
    inner: Box<dyn Rule>,
    node: NodeId,
}

impl Rule for StrongRule {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn feedback(&self, cx: &InitCx<'_>) -> Result<Feedback, ConfigError> {
        self.inner.feedback(cx)
    }
    fn errors(&self, net: &Network, b: &mut Feedback, trace: &Trace, errors: &mut Errors, par: Par) {
        self.inner.errors(net, b, trace, errors, par);
        // Once more from the signal at the output, which a pass leaves as it is.
        errors.signal_mut(net, trace.batch());
        let carried = |node| b.at(node).unwrap_or_else(|| net.weight(node));
        let mut strong: Tensor = carried(self.node).clone();
        (0..strong.numel()).for_each(|i| strong.set(i, (1.0 + EXTRA) * strong.at(i)));
        sweep(net, trace, errors, |node| if node == self.node { &strong } else { carried(node) }, par);
    }
    fn trains(&self, net: &Network, node: NodeId) -> bool {
        self.inner.trains(net, node)
    }
    fn wants_increments(&self) -> bool {
        self.inner.wants_increments()
    }
    fn sign_scale(&self, net: &Network, node: NodeId) -> Option<f64> {
        self.inner.sign_scale(net, node)
    }
    fn potential(&self, net: &Network, node: NodeId) -> Option<Box<dyn Potential>> {
        self.inner.potential(net, node)
    }
    fn plasticity(&self) -> Plasticity {
        self.inner.plasticity()
    }
    fn adapt(&self, b: &mut Feedback, step: &Step<'_>) {
        self.inner.adapt(b, step);
    }
}

/// Which calls of `update` within a step move the faulty parameter: a step updates layer by layer, first the bias, then the weight row by row.
fn calls(net: &Network, rule: &dyn Rule, plant: Plant) -> Range<u64> {
    let mut at = 0;
    for (i, &node) in net.weighted().iter().enumerate().filter(|(_, node)| rule.trains(net, **node)) {
        let (bias, rows) = (u64::from(net.layer(node).bias().is_some()), net.weight(node).rows() as u64);
        match plant {
            Plant::Bias(l) if l == i => return at..at + bias,
            Plant::Update(l) if l == i => return at + bias..at + bias + rows,
            _ => at += bias + rows,
        }
    }
    unreachable!("a layer of the network")
}

/// Moves some parameters 1 % further than `inner`, and says nothing of it.
struct FarOptimizer {
    inner: Box<dyn Optimizer>,
    calls: Range<u64>,
    /// The step at hand and the calls so far in it.
    count: Mutex<(u64, u64)>,
}

impl Optimizer for FarOptimizer {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn memory(&self) -> &'static [&'static str] {
        self.inner.memory()
    }
    fn form(&self) -> Form {
        self.inner.form()
    }
    fn update(
        &self,
        at: At,
        w: SliceMut<'_>,
        g: Slice<'_>,
        memory: [Option<SliceMut<'_>>; 2],
        out: Option<SliceMut<'_>>,
    ) {
        let call = {
            let mut count = self.count.lock().unwrap();
            let call = if count.0 == at.step { count.1 + 1 } else { 0 };
            *count = (at.step, call);
            call
        };
        if !self.calls.contains(&call) {
            return self.inner.update(at, w, g, memory, out);
        }
        match w {
            SliceMut::F32(w) => {
                let old = w.to_vec();
                self.inner.update(at, SliceMut::F32(w), g, memory, out);
                for (w, old) in w.iter_mut().zip(old).map(|(w, o)| (w, f64::from(o))) {
                    *w = (old + (1.0 + EXTRA) * (f64::from(*w) - old)) as f32;
                }
            }
            SliceMut::F64(w) => {
                let old = w.to_vec();
                self.inner.update(at, SliceMut::F64(w), g, memory, out);
                w.iter_mut().zip(old).for_each(|(w, old)| *w = old + (1.0 + EXTRA) * (*w - old));
            }
        }
    }
    fn active(&self, at: At) -> [bool; PARTS.len()] {
        self.inner.active(at)
    }
    fn remainder(&self, at: At, w: &[f64], g: &[f64], m: [&[f64]; 2], parts: [&mut [f64]; PARTS.len()]) {
        self.inner.remainder(at, w, g, m, parts);
    }
    fn gross(&self, at: At, w: &[f64], g: &[f64], m: [&[f64]; 2], out: &mut [f64]) {
        self.inner.gross(at, w, g, m, out);
    }
}
