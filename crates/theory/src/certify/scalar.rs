/*!
One output, two layers: the aligned initialisation keeps every unit aligned, and that gives a rate on separable data (logistic) or with a
full-rank hidden layer (squared loss). docs/theory.md section 4.

Rates come from the read-out's own term `‖E[e h]‖²` of <g, F>, which is the same under every rule; alignment makes all other terms >= 0.
Monotone pre-activations (the step behind the logistic rate) need `x_i.x_j` of one sign per pair of classes, the constant input of a first-layer bias included.
*/

use super::{
    Certificate, Condition, Seen, Situation, UNITS, Units, all_seen, separable, shared, steps, two_layers,
};
use crate::number::number;
use realign::rules::{Alignment, alignment};
use realign_tensor::{DType, Tensor, linalg};

/// `<g,F> >= alpha L²`.
pub(super) fn separable_logistic(s: &Situation<'_>, seen: &Seen, mut c: Certificate) -> Certificate {
    (c.statement, c.beta) = ("separable_logistic", Some(2.0));
    c.conditions = shared(s);
    c.conditions.extend(separable(&c.pairs));
    let aligned = units(s, &mut c);
    if let Some(a) = &aligned {
        let m = activation(s, seen, a);
        let (least, why) =
            m.iter().copied().enumerate().fold((f64::INFINITY, 0), |(least, class), (k, v)| {
                if v < least { (v, k) } else { (least, class) }
            });
        let detail = format!(
            "every class needs a unit that is active on all its examples and on no other; least activation m = {} (class {why})",
            number(least)
        );
        c.conditions.push(Condition::new("class units", least > 0.0, Some(-least), detail));
        let total = s.data.len() as f64 * seen.loss;
        let c0 = -(-total).exp_m1() / total;
        c.alpha = Some(0.5 * (least * c0).powi(2));
        if !s.method.is_flow() {
            c.steps = steps::steps(s, seen, a, least, c.alpha.unwrap_or(0.0));
        }
    }
    c.conditions.push(all_seen(&c));
    c.judged(s.method)
}

/// `<g,F> >= alpha L`.
pub(super) fn squared_loss(s: &Situation<'_>, seen: &Seen, mut c: Certificate) -> Certificate {
    (c.statement, c.beta) = ("squared_loss", Some(1.0));
    c.conditions = shared(s);
    let aligned = units(s, &mut c);
    if aligned.is_some() {
        let (least, columns) = kernel(s, seen);
        let n = s.data.len();
        let short = n.saturating_sub(columns);
        let detail = if short > 0 {
            format!("lambda_min(H Hᵀ) = 0: {n} examples, but {columns} features feed the output")
        } else {
            format!("lambda_min(H Hᵀ) = {} at the start", number(least))
        };
        c.conditions.push(Condition::new(
            "hidden layer of full rank",
            least > 0.0,
            Some(short as f64),
            detail,
        ));
        c.alpha_at_start = Some(2.0 * least / n as f64);
        c.notes.push(
            "before training every unit is sure to stay aligned, so that L cannot rise; the rate 2 inf_t lambda_min(H Hᵀ)/n is known only \
             along training: the probe decomposition measures it, and `certify RUN_DIR` checks it"
                .into(),
        );
        if !s.method.is_flow() {
            c.notes.push(
                "steps: no condition on the learning rate is known for squared loss (errors change sign, so kinks of the activation can raise L); \
                 the guarantee is that of the flow"
                    .into(),
            );
        }
    }
    c.conditions.push(all_seen(&c));
    c.judged(s.method)
}

/// The aligned condition of every unit.
fn units(s: &Situation<'_>, c: &mut Certificate) -> Option<Alignment> {
    let chain = two_layers(s.net).ok()?;
    let a = alignment(s.net, s.rule, s.feedback, chain)?;
    let holding = a.guarded_units();
    let worst = (0..a.units()).min_by(|i, j| a.slack(*i).total_cmp(&a.slack(*j)))?;
    let condition = match s.rule.name() {
        "sign_fa" => "c|w_k| > ½‖W_1[k,:]‖²",
        "adafa" => "b_k² − κ‖W_1[k,:]‖² >= (b_k − κ w_k)²",
        "bp" => "w_k² >= ‖W_1[k,:]‖²",
        _ => "w_k b_k >= ½‖W_1[k,:]‖²",
    };
    let slack = a.slack(worst);
    let detail = format!(
        "{condition} (bias counted) holds for {holding} of {} units; least margin {} (unit {worst})",
        a.units(),
        number(slack)
    );
    c.conditions.push(Condition::new(UNITS, holding == a.units(), Some(-slack), detail));
    c.units = Some(Units { condition, holding, of: a.units(), worst, slack });
    Some(a)
}

/// Per class the largest m such that some unit of the class's sign answers every example of the class with at least m and every other one
/// with at most 0. Class 0 is −1 and class 1 is +1; the sign of a unit is that of its feedback weight.
fn activation(s: &Situation<'_>, seen: &Seen, a: &Alignment) -> [f64; 2] {
    let mut best = [f64::NEG_INFINITY; 2];
    let (Ok(chain), Some((labels, _))) = (two_layers(s.net), &seen.labels) else { return best };
    let h = seen.trace.value(s.net, chain.writer).to_f64_vec();
    let w = s.net.weight(chain.reader);
    for k in 0..a.units() {
        // The carrying weight has the sign of <w, M> times that of w.
        let class = usize::from(a.inner[k] * w.at(k) > 0.0);
        let own = |of: bool| {
            let h = &h;
            labels
                .iter()
                .enumerate()
                .filter(move |(_, l)| (**l == class) == of)
                .map(move |(i, _)| h[i * a.units() + k])
        };
        if own(false).all(|v| v <= 0.0) {
            best[class] = best[class].max(own(true).fold(f64::INFINITY, f64::min));
        }
    }
    best.map(|m| if m == f64::INFINITY { f64::NEG_INFINITY } else { m })
}

/// Least eigenvalue of H Hᵀ (0 unless clearly positive), and the number of columns of H, the constant of an output bias included.
fn kernel(s: &Situation<'_>, seen: &Seen) -> (f64, usize) {
    let Ok(chain) = two_layers(s.net) else { return (0.0, 0) };
    let bias = s.net.layer(chain.reader).bias().is_some();
    let hidden = seen.trace.value(s.net, chain.writer);
    let (n, units) = (hidden.rows(), hidden.cols());
    let columns = units + usize::from(bias);
    if n > columns {
        return (0.0, columns);
    }
    let h = hidden.to_f64_vec();
    let entry = |i: usize, j: usize| {
        let (a, b) = (&h[i * units..(i + 1) * units], &h[j * units..(j + 1) * units]);
        a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() + f64::from(bias)
    };
    let gram: Vec<f64> = (0..n * n).map(|p| if p / n >= p % n { entry(p / n, p % n) } else { 0.0 }).collect();
    let values = linalg::symmetric_eigenvalues(&Tensor::from_f64([n, n], &gram, DType::F64));
    let (least, largest) = (values[0], values[n - 1]);
    // Rounding of the sums behind H, in the dtype of training, leaves that much of a rank that is not there.
    let rounded = 16.0 * s.net.dtype().epsilon().powi(2) * seen.x.cols() as f64;
    let clear = rounded.max(1e-13 * n as f64) * largest;
    (if least > clear { least } else { 0.0 }, columns)
}
