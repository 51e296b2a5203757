/*!
When the guarantee of `separable_logistic` holds for steps of a finite size too. Proof in docs/certificates.md.

Notation: x̃ is an example with the constant input of a bias of the first layer, X² the largest ‖x̃‖², λ the largest eigenvalue of E x̃x̃ᵀ; m_k carries the error to
unit k, κ is how much of an increment of w_k it receives (0 where the feedback is fixed, 1 for backpropagation); slack_k = budget_k − ½N_k at the start; m is the least
activation of the class units. For steps of at most eta in a total time t = Σ eta_s,

`p = √(2 t L0)` bounds ‖w(s) − w(0)‖, `J1 = min(t ε², 4 L0/m²)` bounds Σ eta_s (E|e|)² with ε = 1 − e^{−L0}, `J2 = t min(ε, 0.4073 L0)` bounds Σ eta_s E e²,
`A_k = ½ eta (|m_k| + κp)² min(X² J1, λ J2)` bounds the writer account of unit k, `N = Σ N_k + 2‖m‖p + κp² + 2 Σ A_k` the squared weights of the first layer, and
`M = ¼ (λ N + 1 if the output has a bias)` the curvature of the loss in the read-out.

If `eta M <= 1` and `slack_k > A_k` for every unit, every step keeps every unit aligned and `L(s) <= 1/(1/L0 + alpha' t_s)`, `alpha' = alpha (1 − eta M/2)`.
*/

use super::{Seen, Situation, two_layers};
use realign::network::NodeId;
use realign::rules::Alignment;
use realign_tensor::{DType, Tensor, linalg};
use serde::Serialize;

/// The condition on steps of finite size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Steps {
    /// Whether it holds at the run's largest learning rate for all of its steps.
    pub holds: bool,
    /// That rate.
    pub lr: f64,
    /// The largest rate at which it holds for as many steps (of the same schedule).
    pub largest_lr: f64,
    /// Rate times the bound on the curvature of the read-out; at most 1 is asked for.
    pub curvature: f64,
    /// Largest share of a unit's margin that the steps may use up; below 1 is asked for.
    pub used: f64,
    /// Rate of the bound for these steps; the flow's if the condition does not hold.
    pub alpha: f64,
}

/// Largest value of (1 − e^{−l})²/l, at l = 1.2564.
const SQUARE_BY_LOSS: f64 = 0.4074;

/// What the condition is made of.
struct Start {
    loss: f64,
    activation: f64,
    longest_sq: f64,
    eigenvalue: f64,
    output_bias: f64,
    follows: f64,
    carried: Vec<f64>,
    slack: Vec<f64>,
    writers: f64,
}

impl Start {
    /// eta M, and the largest A_k/slack_k, for steps of at most `eta` in a total time `t`.
    fn condition(&self, eta: f64, t: f64) -> (f64, f64) {
        let moved = (2.0 * t * self.loss).sqrt();
        let error = -(-self.loss).exp_m1();
        let first = (t * error * error).min(4.0 * self.loss / self.activation.powi(2));
        let second = t * error.min(SQUARE_BY_LOSS * self.loss);
        let pushes = (self.longest_sq * first).min(self.eigenvalue * second);
        let account = |m: &f64| 0.5 * eta * (m + self.follows * moved).powi(2) * pushes;
        let accounts: f64 = self.carried.iter().map(account).sum();
        let length = self.carried.iter().map(|m| m * m).sum::<f64>().sqrt();
        let writers = self.writers + 2.0 * length * moved + self.follows * moved * moved + 2.0 * accounts;
        let curvature = 0.25 * (self.eigenvalue * writers + self.output_bias);
        let used = self.carried.iter().zip(&self.slack).map(|(m, slack)| account(m) / slack);
        (eta * curvature, used.fold(0.0, f64::max))
    }

    fn holds(&self, eta: f64, t: f64) -> bool {
        let (curvature, used) = self.condition(eta, t);
        curvature <= 1.0 && used < 1.0
    }

    /// The largest rate for `steps` steps as long as the largest, by bisection of its logarithm: everything grows with the rate.
    fn largest(&self, steps: f64) -> f64 {
        let (mut low, mut high) = (-700.0, 700.0);
        for _ in 0..60 {
            let middle: f64 = 0.5 * (low + high);
            let eta = middle.exp();
            if self.holds(eta, eta * steps) { low = middle } else { high = middle }
        }
        if low > -700.0 { low.exp() } else { 0.0 }
    }
}

/// The condition for a run whose other conditions may hold; `None` where a unit has no margin at all.
pub(super) fn steps(
    s: &Situation<'_>,
    seen: &Seen,
    a: &Alignment,
    activation: f64,
    alpha: f64,
) -> Option<Steps> {
    let chain = two_layers(s.net).ok()?;
    let slack: Vec<f64> = (0..a.units()).map(|k| a.slack(k)).collect();
    if activation <= 0.0 || slack.iter().any(|s| *s <= 0.0) {
        return None;
    }
    let bias = f64::from(s.net.layer(chain.writer).bias().is_some());
    let (longest_sq, eigenvalue) = inputs(&seen.x, bias);
    let start = Start {
        loss: seen.loss,
        activation,
        longest_sq,
        eigenvalue,
        output_bias: f64::from(s.net.layer(chain.reader).bias().is_some()),
        follows: follows(s, chain.reader),
        carried: a.carry_sq.iter().map(|v| v.sqrt()).collect(),
        slack,
        writers: a.writer_sq.iter().sum(),
    };
    let m = s.method;
    let (curvature, used) = start.condition(m.lr, m.time);
    let holds = start.holds(m.lr, m.time);
    let equal = if m.lr > 0.0 { m.time / m.lr } else { m.steps as f64 };
    Some(Steps {
        holds,
        lr: m.lr,
        largest_lr: start.largest(equal),
        curvature,
        used,
        alpha: if holds { alpha * (1.0 - 0.5 * curvature) } else { alpha },
    })
}

/// Largest ‖x̃‖² and largest eigenvalue of E x̃x̃ᵀ, from the smaller of the two matrices that have it.
fn inputs(x: &Tensor, bias: f64) -> (f64, f64) {
    let (n, d, values) = (x.rows(), x.cols(), x.as_slice::<f64>());
    let row = |i: usize| &values[i * d..(i + 1) * d];
    let product = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>() + bias;
    let longest = (0..n).map(|i| product(i, i)).fold(0.0, f64::max);
    let columns = d + usize::from(bias > 0.0);
    let entry = |i: usize, j: usize| if j < d { row(i)[j] } else { 1.0 };
    let (side, matrix): (usize, Vec<f64>) = if n <= columns {
        (n, (0..n * n).map(|p| if p / n >= p % n { product(p / n, p % n) } else { 0.0 }).collect())
    } else {
        let mut gram = vec![0.0; columns * columns];
        for i in 0..n {
            for a in 0..columns {
                (0..=a).for_each(|b| gram[a * columns + b] += entry(i, a) * entry(i, b));
            }
        }
        (columns, gram)
    };
    let eigen = linalg::symmetric_eigenvalues(&Tensor::from_f64([side, side], &matrix, DType::F64));
    // Rounded up: a bound must not be short of the last bits.
    (longest * (1.0 + 1e-12), eigen[side - 1] / n as f64 * (1.0 + 1e-12))
}

/// κ: how much of an increment of the weight the carrying weight receives, from the curvature of the potential.
fn follows(s: &Situation<'_>, reader: NodeId) -> f64 {
    // Signs do not move while none flips.
    if s.rule.sign_scale(s.net, reader).is_some() {
        return 0.0;
    }
    let Some(potential) = s.rule.potential(s.net, reader) else { return 0.0 };
    let mut phi = [0.0; 2];
    potential.phi(&[0.0; 2], &[0.0; 2], &[1.0, -1.0], &mut phi);
    phi[0] + phi[1]
}
