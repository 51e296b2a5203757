/*!
From one output point of a flow to the next: `dW/dt = -G - lambda W`, and `dB/dt` as the rule adapts B in a unit of time.

What moves (trained weights and biases, feedback weights) is one long vector for the integrator. Every interval starts the integrator
afresh, so that a resumed run has the same bits as an uninterrupted one. Options and semantics: [`crate::optim::Flow`].
*/

use super::Trainer;
use super::signs::{Flip, Pair, Signs};
use crate::Error;
use crate::network::{NodeId, sweep};
use crate::optim::Flow;
use crate::rules::Step;
use differential_equations::interpolate::Interpolation;
use differential_equations::methods::ExplicitRungeKutta;
use differential_equations::ode::{ODE, OrdinaryNumericalMethod};
use realign_tensor::{Tensor, ops};
use std::cell::RefCell;

/// Fixed steps made at the smallest size before the error is asked for again: at first, and at most where it has been asked in vain.
const ROUGH: [usize; 2] = [16, 1024];
/// Interpolations at most until a flip of a sign is found to rounding.
const SECANTS: usize = 12;

impl Trainer {
    /// Moves along the flow by one of `total` equal parts of its time; returns how many steps had the smallest size allowed.
    pub(super) fn flow_step(&mut self, flow: Flow, total: u64) -> Result<u64, Error> {
        let interval = flow.t_end / total as f64;
        let start = interval * self.step as f64;
        let signs = self.signs();
        let field = Field { signed: signs.len() > 0, trainer: RefCell::new(self), decay: flow.weight_decay };
        let y = field.trainer.borrow_mut().moving();
        let mut path = Path { field: &field, flow, signs, stuck: 0, t: 0.0, end: interval, y, rough: 0 };
        let walked = path.walk().map_err(|e| Error::Flow { time: start + path.t, reason: reason(&e) });
        let (y, rough) = (path.y, path.rough);
        field.trainer.into_inner().set_moving(&y);
        walked.map(|()| rough)
    }

    /// Every tensor that moves, in a fixed order.
    fn each_moving(&mut self, mut f: impl FnMut(&mut Tensor)) {
        for node in self.net.weighted().to_vec() {
            if self.rule.trains(&self.net, node) {
                let (w, b) = self.net.layer_mut(node).params_mut();
                w.into_iter().chain(b).for_each(&mut f);
            }
            self.feedback.at_mut(node).into_iter().for_each(&mut f);
        }
    }

    fn moving(&mut self) -> Vec<f64> {
        let mut y = Vec::new();
        self.each_moving(|t| y.extend_from_slice(t.as_slice::<f64>()));
        y
    }

    fn set_moving(&mut self, y: &[f64]) {
        let mut rest = y;
        self.each_moving(|t| {
            let (head, tail) = rest.split_at(t.numel());
            t.as_mut_slice::<f64>().copy_from_slice(head);
            rest = tail;
        });
    }

    /// Where weights and their signs are in [`Trainer::moving`], if the rule carries the error by signs of the weights.
    fn signs(&self) -> Signs {
        let (mut signs, mut at) = (Signs::default(), 0);
        for &node in self.net.weighted() {
            let layer = self.net.layer(node);
            let trained = self.rule.trains(&self.net, node);
            let own = if trained { self.net.weight(node).numel() } else { 0 };
            let bias = if trained { layer.bias().map_or(0, Tensor::numel) } else { 0 };
            let (w, m) = (at..at + own, at + own + bias);
            at = m + self.feedback.at(node).map_or(0, Tensor::numel);
            // A weight that is not trained never crosses zero.
            if let (true, true, Some(c)) =
                (trained, self.net.carries(node), self.rule.sign_scale(&self.net, node))
            {
                signs.0.push(Pair { w, m: m..at, c });
            }
        }
        signs
    }

    /// Velocity of everything that moves, in the order of [`Trainer::each_moving`]; `held`: the error is carried by the feedback weights as they are.
    fn velocity(&mut self, decay: f64, held: bool, out: &mut Vec<f64>) {
        if held {
            self.signal_of(self.step);
            let Trainer { net, trace, errors, feedback, par, .. } = self;
            sweep(net, trace, errors, |node| feedback.get(node), *par);
        } else {
            self.look_at_batch();
        }
        self.compute_grads();
        let moved = self.adapted();
        out.clear();
        for &node in self.net.weighted() {
            let layer = self.net.layer(node);
            if self.rule.trains(&self.net, node) {
                let pairs =
                    [(layer.weight(), self.grads.weight(node)), (layer.bias(), self.grads.bias(node))];
                for (w, g) in pairs {
                    let Some(w) = w.map(Tensor::as_slice::<f64>) else { continue };
                    match g.map(Tensor::as_slice::<f64>) {
                        Some(g) => out.extend(w.iter().zip(g).map(|(w, g)| -g - decay * w)),
                        None => out.extend(w.iter().map(|w| -decay * w)),
                    }
                }
            }
            if let (Some(old), Some(new)) = (self.feedback.at(node), moved.at(node)) {
                out.extend(new.as_slice::<f64>().iter().zip(old.as_slice::<f64>()).map(|(n, o)| n - o));
            }
        }
    }

    /// B after a unit of time at this velocity: adaptation is linear in the increments and the rate (see [`crate::rules::Rule::adapt`]).
    fn adapted(&self) -> crate::init::Feedback {
        let minus = |node: NodeId| {
            let mut g = self.grads.weight(node)?.clone();
            ops::scale(&mut g, -1.0);
            Some(g)
        };
        let wanted = self.rule.wants_increments();
        let increments: Vec<(NodeId, Option<Tensor>)> =
            self.net.weighted().iter().filter(|_| wanted).map(|&n| (n, minus(n))).collect();
        let find = |node: NodeId| increments.iter().find(|i| i.0 == node).and_then(|i| i.1.as_ref());
        let mut b = self.feedback.clone();
        self.rule.adapt(&mut b, &Step { net: &self.net, increments: &find, lr: 1.0 });
        b
    }
}

/// The velocity as the integrator wants to see it.
struct Field<'a> {
    trainer: RefCell<&'a mut Trainer>,
    decay: f64,
    /// Whether M consists of signs, which flip between steps only.
    signed: bool,
}

impl ODE<f64, Vec<f64>> for Field<'_> {
    fn diff(&self, _: f64, y: &Vec<f64>, velocity: &mut Vec<f64>) {
        let mut trainer = self.trainer.borrow_mut();
        trainer.set_moving(y);
        trainer.velocity(self.decay, self.signed, velocity);
    }
}

type Failure = differential_equations::error::Error<f64, Vec<f64>>;

/// A solution under way.
struct Path<'a, 'b> {
    field: &'a Field<'b>,
    flow: Flow,
    signs: Signs,
    /// Flips since time went on.
    stuck: usize,
    t: f64,
    end: f64,
    y: Vec<f64>,
    rough: u64,
}

impl Path<'_, '_> {
    /// To the end: as the tolerance asks, but never in smaller steps than allowed.
    fn walk(&mut self) -> Result<(), Failure> {
        let smallest = self.flow.min_step * self.flow.t_end;
        let mut rough = ROUGH[0];
        while !self.done() {
            let start = self.t;
            self.smooth(smallest)?;
            rough = if self.t > start { ROUGH[0] } else { (2 * rough).min(ROUGH[1]) };
            if !self.done() {
                self.rough(smallest, rough)?;
            }
        }
        Ok(())
    }

    /// A part of the last bit is no time.
    fn done(&self) -> bool {
        self.t >= self.end * (1.0 - 4.0 * f64::EPSILON)
    }

    /// Verner's 8(7) pair with error control, until the end or until the steps become too small.
    fn smooth(&mut self, smallest: f64) -> Result<(), Failure> {
        let Flow { rtol, atol, .. } = self.flow;
        // A first step of 0 is found by the solver.
        let new = |first| ExplicitRungeKutta::rkv877e().rtol(rtol).atol(atol).max_steps(usize::MAX).h0(first);
        let mut solver = new(0.0);
        solver.init(self.field, self.t, self.end, &self.y)?;
        while !self.done() && (solver.h() >= smallest || self.end - self.t < smallest) {
            solver.set_h(solver.h().min(self.end - self.t));
            let start = self.t;
            solver.step(self.field)?;
            if solver.t() == start {
                continue;
            }
            match self.flip(solver.y_prev(), solver.y()) {
                None => self.went_to(solver.t()),
                Some(flip) => {
                    let (t, mut y, flip) = self.locate(&mut solver, flip)?;
                    y[flip.m] = flip.to;
                    self.went_to(t);
                    self.y = y;
                    if self.done() {
                        return Ok(());
                    }
                    solver = new(solver.h().min(self.end - t));
                    solver.init(self.field, t, self.end, &self.y)?;
                }
            }
        }
        self.y.clone_from(solver.y());
        Ok(())
    }

    /// `most` steps of the smallest size by the classical method, whose weights are positive: on a jump of the field it takes a mean
    /// of both sides.
    fn rough(&mut self, smallest: f64, most: usize) -> Result<(), Failure> {
        let end = self.end;
        let from = |t: f64, h: f64, y: &Vec<f64>| {
            let mut solver = ExplicitRungeKutta::rk4(h.min(end - t));
            solver.init(self.field, t, end, y).map(|_| solver)
        };
        let mut solver = from(self.t, smallest, &self.y)?;
        for _ in 0..most {
            if self.done() {
                break;
            }
            let (start, h) = (self.t, smallest.min(self.end - self.t));
            solver.set_h(h);
            solver.step(self.field)?;
            self.rough += 1;
            let Some(flip) = self.flip(solver.y_prev(), solver.y()) else {
                self.went_to(solver.t());
                continue;
            };
            self.y.clone_from(solver.y_prev());
            if flip.at > 0.0 {
                // Not interpolated: the field may jump on the way.
                solver = from(start, flip.at * h, &self.y)?;
                solver.step(self.field)?;
                self.y.clone_from(solver.y());
            }
            self.y[flip.m] = flip.to;
            self.went_to(start + flip.at * h);
            if self.done() {
                return Ok(());
            }
            solver = from(self.t, smallest, &self.y)?;
        }
        self.y.clone_from(solver.y());
        Ok(())
    }

    fn went_to(&mut self, t: f64) {
        self.stuck = if t > self.t { 0 } else { self.stuck + 1 };
        self.t = t;
    }

    /// The first flip of a sign in a step; none where flips keep time from going on.
    fn flip(&self, before: &[f64], after: &[f64]) -> Option<Flip> {
        self.signs.first(before, after).filter(|_| self.stuck <= self.signs.len())
    }

    /// Time and state of the first flip in the solver's last step, by the secant method on its interpolation.
    fn locate<S>(&self, solver: &mut S, mut flip: Flip) -> Result<(f64, Vec<f64>, Flip), Failure>
    where
        S: OrdinaryNumericalMethod<f64, Vec<f64>> + Interpolation<f64, Vec<f64>>,
    {
        let (start, before) = (solver.t_prev(), solver.y_prev().clone());
        let (mut end, mut after) = (solver.t(), solver.y().clone());
        loop {
            let (mut low, mut high) = ((start, before[flip.w]), (end, after[flip.w]));
            let (mut t, mut y) = (start, before.clone());
            for _ in 0..if flip.at > 0.0 { SECANTS } else { 0 } {
                t = low.0 + (high.0 - low.0) * (low.1 / (low.1 - high.1));
                y = solver.interpolate(t)?;
                let w = y[flip.w];
                if w.abs() <= f64::EPSILON * before[flip.w].abs() || t <= low.0 || t >= high.0 {
                    break;
                }
                if w * before[flip.w] > 0.0 { low = (t, w) } else { high = (t, w) }
            }
            // What moved less evenly may have flipped before.
            match self.flip(&before, &y).filter(|f| f.w != flip.w) {
                Some(earlier) => (flip, end, after) = (earlier, t, y),
                None => return Ok((t, y, flip)),
            }
        }
    }
}

/// The integrator's complaint without the state it carries.
fn reason(e: &Failure) -> String {
    match e {
        Failure::StepSize { .. } | Failure::Stiffness { .. } => "no step is small enough".to_owned(),
        Failure::BadInput { msg } => msg.clone(),
        other => format!("{other:?}"),
    }
}
