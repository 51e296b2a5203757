/*!
From one output point of a flow to the next: `dW/dt = -G - lambda W`, and `dB/dt` as the rule adapts B in a unit of time.

What moves (trained weights and biases, feedback weights) is one long vector for the integrator. Every interval starts the integrator
afresh, so that a resumed run has the same bits as an uninterrupted one. Options and semantics: [`crate::optim::Flow`].
*/

use super::Trainer;
use crate::Error;
use crate::network::NodeId;
use crate::optim::Flow;
use crate::rules::Step;
use differential_equations::methods::ExplicitRungeKutta;
use differential_equations::ode::{ODE, OrdinaryNumericalMethod};
use realign_tensor::{Tensor, ops};
use std::cell::RefCell;

/// Fixed steps made at the smallest size before the error is asked for again.
const ROUGH: usize = 16;

impl Trainer {
    /// Moves along the flow by one of `total` equal parts of its time; returns how many steps had the smallest size allowed.
    pub(super) fn flow_step(&mut self, flow: Flow, total: u64) -> Result<u64, Error> {
        let interval = flow.t_end / total as f64;
        let start = interval * self.step as f64;
        let field = Field { trainer: RefCell::new(self), decay: flow.weight_decay };
        let y = field.trainer.borrow_mut().moving();
        let mut path = Path { field: &field, flow, t: 0.0, end: interval, y, rough: 0 };
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

    /// Velocity of everything that moves, in the order of [`Trainer::each_moving`].
    fn velocity(&mut self, decay: f64, out: &mut Vec<f64>) {
        self.look_at_batch();
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
}

impl ODE<f64, Vec<f64>> for Field<'_> {
    fn diff(&self, _: f64, y: &Vec<f64>, velocity: &mut Vec<f64>) {
        let mut trainer = self.trainer.borrow_mut();
        trainer.set_moving(y);
        trainer.velocity(self.decay, velocity);
    }
}

type Failure = differential_equations::error::Error<f64, Vec<f64>>;

/// A solution under way.
struct Path<'a, 'b> {
    field: &'a Field<'b>,
    flow: Flow,
    t: f64,
    end: f64,
    y: Vec<f64>,
    rough: u64,
}

impl Path<'_, '_> {
    /// To the end: as the tolerance asks, but never in smaller steps than allowed.
    fn walk(&mut self) -> Result<(), Failure> {
        let smallest = self.flow.min_step * self.flow.t_end;
        while !self.done() {
            self.smooth(smallest)?;
            if !self.done() {
                self.rough(smallest)?;
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
        let mut solver = ExplicitRungeKutta::rkv877e().rtol(rtol).atol(atol).max_steps(usize::MAX);
        solver.init(self.field, self.t, self.end, &self.y)?;
        while !self.done() && (solver.h() >= smallest || self.end - self.t < smallest) {
            solver.set_h(solver.h().min(self.end - self.t));
            solver.step(self.field)?;
            self.t = solver.t();
        }
        self.y.clone_from(solver.y());
        Ok(())
    }

    /// A few steps of the smallest size by the classical method, whose weights are positive: on a jump of the field it takes a mean
    /// of both sides.
    fn rough(&mut self, smallest: f64) -> Result<(), Failure> {
        let mut solver = ExplicitRungeKutta::rk4(smallest);
        solver.init(self.field, self.t, self.end, &self.y)?;
        for _ in 0..ROUGH {
            if self.done() {
                break;
            }
            solver.set_h(smallest.min(self.end - self.t));
            solver.step(self.field)?;
            self.t = solver.t();
            self.rough += 1;
        }
        self.y.clone_from(solver.y());
        Ok(())
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
