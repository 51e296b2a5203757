//! FA with momentum mu: `I_k = P_k - eta mu m_k/(1-mu)`, `m_k = <v_{l+1}[:,k], B[:,k]> - <v_l[k,:], W_l[k,:]> - v_b b`, v the velocity after the last
//! step, falls by exactly `(eta²/2) (1+mu)/(1-mu) (‖v_l[k,:]‖² + v_b²)` per step: the law survives as eta -> 0, with (1+mu)/(1-mu) times the drift of plain SGD at
//! equal eta/(1-mu).
//!
//! The velocity of the coming step gives the same number without the factor mu (docs/theory.md): there `m = mu m_here` by the balance identity.

use super::balance::{moves, sides};
use super::{Info, Law, Order, Setting, Sides, State, WhyNot, refuse};
use realign::streams::Stream;

const INFO: Info = Info {
    name: "heavy_ball",
    statement: "P_k − ημ/(1−μ) (<v_{l+1}[:,k], B[:,k]> − <v_l[k,:], W_l[k,:]> − v_b b) stays what it is, P_k the quantity of law fa",
    assumptions: &[
        "rule fa: B fixed",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD with momentum μ (not Nesterov's), no weight decay, constant learning rate",
        "at least 20/(1−μ) steps",
    ],
    order: Order::First,
    account: "−(η²/2)(1+μ)/(1−μ)(‖v_l[k,:]‖² + v_b²) per step",
    citation: "derived for this project",
};

pub(super) struct HeavyBall;
pub(super) static LAW: HeavyBall = HeavyBall;

impl Law for HeavyBall {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn applies(&self, s: &Setting) -> Result<(), WhyNot> {
        s.rule_is("fa")?;
        s.balanced()?;
        s.equal_rates()?;
        s.no_decay()?;
        s.steady()?;
        if s.form.momentum == 0.0 {
            return refuse("there is no momentum (law fa)");
        }
        // While the velocity builds up the drift is not yet eta times a constant rate.
        let memory = 1.0 / (1.0 - s.form.momentum);
        if (s.steps as f64) < 20.0 * memory {
            return refuse(format!(
                "{} steps are too few: the velocity remembers {memory:.0}, and the order shows after 20 times that",
                s.steps
            ));
        }
        if s.form.nesterov { refuse("Nesterov's momentum moves by g + mu v, not by v") } else { Ok(()) }
    }

    fn sides(&self, s: &Setting, state: &State) -> Vec<Sides> {
        let mu = s.form.momentum;
        let c = s.lr * mu / (1.0 - mu);
        let mut out = sides(s, state);
        for (sides, stream) in out.iter_mut().zip(&s.streams) {
            let m = memory(stream, state);
            sides.minus.iter_mut().zip(m).for_each(|(minus, m)| *minus += c * m);
        }
        out
    }

    fn account(&self, s: &Setting, before: &State, after: &State) -> Vec<Vec<f64>> {
        let mu = s.form.momentum;
        let factor = (1.0 + mu) / (1.0 - mu);
        let moved = moves(s, before, after, 0.0);
        moved.into_iter().map(|m| m.into_iter().map(|x| -factor * x).collect()).collect()
    }
}

/// m of every unit.
fn memory(stream: &Stream, state: &State) -> Vec<f64> {
    let product =
        |a: &[f64], b: &[f64], sign: f64| a.iter().zip(b).map(|(a, b)| sign * a * b).collect::<Vec<f64>>();
    let mut out = vec![0.0; stream.units];
    for m in &stream.readers {
        let layer = &state.layers[m.layer];
        let b = layer.feedback.as_deref().unwrap_or_default();
        layer.add_columns(&mut out[m.first..m.first + m.units], &product(&layer.velocity[0], b, 1.0));
    }
    for m in &stream.writers {
        let layer = &state.layers[m.layer];
        let (w, b) = (
            product(&layer.velocity[0], &layer.weight, -1.0),
            product(&layer.velocity[1], &layer.bias, -1.0),
        );
        layer.add_rows(&mut out[m.first..m.first + m.units], &w, &b);
    }
    out
}
