//! Kolen-Pollack: `C = B - kappa W` shrinks by exactly `1 - eta lambda` per step, whatever moves W; by `e^{-lambda t}` in the flow.
//!
//! Entry by entry, for every layer with feedback weights, if W and B decay alike. Without decay C is constant. No homogeneity needed.

use super::{Info, Law, Order, Recursion, Setting, Sides, State, WhyNot, norm, refuse};
use realign::rules::Plasticity;

const INFO: Info = Info {
    name: "contraction",
    statement: "B − κW shrinks by the factor 1 − ηλ in every step (e^{−λt} in the flow), entry by entry: B aligns with W",
    assumptions: &[
        "rule adafa (our reconstruction, Kolen-Pollack form)",
        "rule.decay equals the weight decay λ that is kept apart from the optimizer's increments (0 for adam, whose decay is not)",
        "constant learning rate if λ > 0",
    ],
    order: Order::Exact,
    account: "0",
    citation: "Kolen & Pollack 1994; Akrout et al., NeurIPS 2019",
};

pub(super) struct Contraction;
pub(super) static LAW: Contraction = Contraction;

impl Law for Contraction {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn applies(&self, s: &Setting) -> Result<(), WhyNot> {
        let Plasticity::Follows { decay, .. } = s.plasticity else {
            return refuse(format!("the feedback weights of {} do not follow W's own update", s.rule));
        };
        let apart = if s.form.decay_apart { s.form.weight_decay } else { 0.0 };
        if decay != apart {
            return refuse(format!("B decays at {decay}, W at {apart}: they must be equal"));
        }
        if decay > 0.0 { s.steady() } else { Ok(()) }
    }

    fn sides(&self, s: &Setting, state: &State) -> Vec<Sides> {
        let Plasticity::Follows { kappa, .. } = s.plasticity else { return Vec::new() };
        let with_b = state.layers.iter().enumerate().filter_map(|(i, l)| Some((i, l, l.feedback.as_ref()?)));
        with_b
            .map(|(layer, l, b)| Sides {
                layer,
                plus: b.clone(),
                minus: l.weight.iter().map(|w| kappa * w).collect(),
            })
            .collect()
    }

    fn recursion(&self, s: &Setting) -> Recursion {
        let Plasticity::Follows { decay, .. } = s.plasticity else { return Recursion::CONSTANT };
        let gamma = if s.form.flow.is_some() { (-s.lr * decay).exp() } else { 1.0 - s.lr * decay };
        Recursion { alpha: 1.0, gamma }
    }

    fn account(&self, s: &Setting, before: &State, _: &State) -> Vec<Vec<f64>> {
        self.sides(s, before).iter().map(|c| vec![0.0; c.plus.len()]).collect()
    }

    fn value(&self, sides: &Sides) -> f64 {
        norm(sides)
    }
}
