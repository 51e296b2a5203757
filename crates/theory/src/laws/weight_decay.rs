//! FA with weight decay: with `q = 1 - eta lambda`, `A = <W_{l+1}[:,k], B[:,k]>`, `N = ½(‖W_l[k,:]‖² + b²)`:
//! `q A' - N' = q² (A - N)` up to `-(eta²/2)‖G_l[k,:]‖²` per step. So at a stationary point A = 2N, that is `<W_{l+1}, B> = ‖W_l‖² >= 0`:
//! decay forces positive alignment.
//!
//! The value of a place is the gap A - 2N, predicted to vanish at a stationary point only.

use super::balance::{moves, sides};
use super::{Info, Law, Order, Prediction, Recursion, Setting, Sides, State, WhyNot, refuse};

const INFO: Info = Info {
    name: "weight_decay",
    statement: "qA' − N' = q²(A − N), q = 1 − ηλ, A = <W_{l+1}[:,k], B[:,k]>, N = ½(‖W_l[k,:]‖² + b²); stationary only if A = 2N: <W_{l+1}, B> = ‖W_l‖²",
    assumptions: &[
        "rule fa: B fixed",
        "everything between the two layers positively homogeneous (ReLU, leaky ReLU, linear, dropout)",
        "SGD with weight decay λ > 0 on all layers, without momentum, constant learning rate",
    ],
    order: Order::First,
    account: "−½‖dW_l[k,:] + ηλW_l[k,:]‖² per step (bias likewise)",
    citation: "derived for this project",
};

pub(super) struct WeightDecay;
pub(super) static LAW: WeightDecay = WeightDecay;

impl Law for WeightDecay {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn applies(&self, s: &Setting) -> Result<(), WhyNot> {
        s.rule_is("fa")?;
        s.balanced()?;
        s.stepped()?;
        s.equal_rates()?;
        s.no_momentum()?;
        s.steady()?;
        if s.form.weight_decay > 0.0 { Ok(()) } else { refuse("there is no weight decay (law fa)") }
    }

    fn sides(&self, s: &Setting, state: &State) -> Vec<Sides> {
        sides(s, state)
    }

    fn recursion(&self, s: &Setting) -> Recursion {
        let q = 1.0 - s.lr * s.form.weight_decay;
        Recursion { alpha: q, gamma: q * q }
    }

    fn account(&self, s: &Setting, before: &State, after: &State) -> Vec<Vec<f64>> {
        let moved = moves(s, before, after, s.lr * s.form.weight_decay);
        moved.into_iter().map(|m| m.into_iter().map(|x| -x).collect()).collect()
    }

    fn value(&self, sides: &Sides) -> f64 {
        sides.plus.iter().zip(&sides.minus).map(|(a, n)| a - 2.0 * n).sum()
    }

    fn predict(&self, _: &Setting, start: &[Sides], _: u64) -> Vec<Prediction> {
        start.iter().map(|s| Prediction { start: self.value(s), end: 0.0 }).collect()
    }
}
