/*!
Several outputs: unit k of the last hidden layer contributes `W[:,k]ᵀ Q_k B[:,k]` to <g, F>, `Q_k = A_k A_kᵀ`, `A_k = E[e 1_k xᵀ]` (the constant input of a
bias included). For a positive definite Q of condition number κ this is positive for every such Q iff `cos(W[:,k], B[:,k]) > (κ−1)/(κ+1)`, both projected on
the span of the errors, where alone Q_k acts. Where Q_k is singular on that span, κ is infinite and no angle is enough. docs/theory.md section 4.

`A_k[j,:]` is row k of the update direction that results when output j's error alone is carried back with weight 1, so the engine computes it. The
condition is about one moment; no law keeps it.
*/

use super::{Certificate, Condition, Seen, Situation, UNITS, Units, all_seen, separable, shared};
use crate::number::number;
use realign::network::{Errors, NodeId, sweep};
use realign::rules::{Chain, alignment, chains};
use realign::train::Grads;
use realign_tensor::{DType, Tensor, linalg};

/// Eigenvalues below this share of the largest count as zero in the span of the errors.
const RANK: f64 = 1e-12;

/// What one unit's contribution rests on.
struct Contribution {
    cosine: f64,
    condition: f64,
    value: f64,
}

impl Contribution {
    /// cos less (κ−1)/(κ+1).
    fn slack(&self) -> f64 {
        let needed =
            if self.condition.is_finite() { (self.condition - 1.0) / (self.condition + 1.0) } else { 1.0 };
        self.cosine - needed
    }
}

pub(super) fn several_outputs(s: &Situation<'_>, seen: &mut Seen, mut c: Certificate) -> Certificate {
    c.statement = "several_outputs";
    c.conditions = shared(s);
    // The cosine condition needs neither plain steps nor two layers: it is about the start.
    c.notes.extend(c.conditions.iter().filter(|c| !c.holds).map(|c| format!("{}: {}", c.name, c.detail)));
    c.notes.extend(separable(&c.pairs).iter().map(|c| format!("{}: {}", c.name, c.detail)));
    c.conditions.clear();
    let top = chains(s.net).into_iter().find(|k| s.net.weighted().last() == Some(&k.reader));
    let Some(chain) = top else {
        let detail = "the last hidden layer must be read by the output layer alone";
        c.conditions.push(Condition::new("network", false, None, detail));
        return c.judged();
    };
    let (units, read) = (s.net.weight(chain.writer).rows(), s.net.weight(chain.reader).cols());
    if units != read {
        let detail = format!(
            "each of the {units} units of the last hidden layer must be read by one weight per output, not by {}",
            read / units
        );
        c.conditions.push(Condition::new("network", false, None, detail));
        return c.judged();
    }
    let Some(carry) = carrying(s, chain) else {
        let detail = format!("{} carries no error through the output layer", s.rule.name());
        c.conditions.push(Condition::new("rule", false, None, detail));
        return c.judged();
    };
    let units = contributions(s, seen, chain, &carry);
    let holding = units.iter().filter(|u| u.slack() > 0.0).count();
    let positive = units.iter().filter(|u| u.value > 0.0).count();
    let worst = (0..units.len()).min_by(|i, j| units[*i].slack().total_cmp(&units[*j].slack())).unwrap_or(0);
    let mut conditions: Vec<f64> = units.iter().map(|u| u.condition).collect();
    conditions.sort_by(f64::total_cmp);
    let median = conditions[conditions.len() / 2];
    let (of, slack) = (units.len(), units[worst].slack());
    let name = "cos(W[:,k], B[:,k]) > (κ−1)/(κ+1)";
    let detail = format!(
        "{name} holds for {holding} of {of} units; median κ {median:.3e}; least margin {} (unit {worst})",
        number(slack)
    );
    c.notes.push(format!("{positive} of {of} units do contribute positively to <g,F> at the start"));
    if let Some(a) = alignment(s.net, s.rule, s.feedback, chain) {
        let kept = a.guarded_units();
        c.notes.push(format!("the law keeps <W[:,k], M[:,k]> >= 0 for {kept} of {of} units; with several outputs that is not enough"));
    }
    c.conditions.push(Condition::new(
        UNITS,
        false,
        Some(-slack),
        format!("{detail}; nothing keeps it during training"),
    ));
    c.units = Some(Units { condition: name, holding, of, worst, slack });
    c.conditions.push(all_seen(&c));
    c.judged()
}

/// M of the output layer.
fn carrying(s: &Situation<'_>, chain: Chain) -> Option<Tensor> {
    match s.feedback.at(chain.reader) {
        Some(b) => Some(b.clone()),
        None if s.rule.name() == "bp" => Some(s.net.weight(chain.reader).clone()),
        None => None,
    }
}

fn contributions(s: &Situation<'_>, seen: &mut Seen, chain: Chain, carry: &Tensor) -> Vec<Contribution> {
    let outputs = s.net.outputs();
    let span = span_of_errors(s, seen);
    let rows: Vec<Vec<f64>> = (0..outputs).map(|j| carried(s, seen, chain, j)).collect();
    let units = s.net.weight(chain.writer).rows();
    let width = rows[0].len() / units;
    let (w, m) = (s.net.weight(chain.reader).to_f64_vec(), carry.to_f64_vec());
    let project = |all: &[f64], k: usize| -> Vec<f64> {
        span.iter().map(|v| (0..outputs).map(|j| v[j] * all[j * units + k]).sum()).collect()
    };
    (0..units)
        .map(|k| {
            // A_k in the coordinates of the span.
            let a: Vec<Vec<f64>> = span
                .iter()
                .map(|v| {
                    let mut row = vec![0.0; width];
                    for j in 0..outputs {
                        let part = &rows[j][k * width..(k + 1) * width];
                        row.iter_mut().zip(part).for_each(|(r, x)| *r += v[j] * x);
                    }
                    row
                })
                .collect();
            contribution(&a, &project(&w, k), &project(&m, k))
        })
        .collect()
}

fn contribution(a: &[Vec<f64>], w: &[f64], m: &[f64]) -> Contribution {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    let r = a.len();
    let q: Vec<f64> = (0..r * r).map(|p| dot(&a[p / r], &a[p % r])).collect();
    let value = (0..r * r).map(|p| w[p / r] * q[p] * m[p % r]).sum();
    let eigen = linalg::symmetric_eigenvalues(&Tensor::from_f64([r, r], &q, DType::F64));
    let (least, largest) = (eigen[0], eigen[r - 1]);
    let condition = if least > RANK * largest { largest / least } else { f64::INFINITY };
    let norms = (dot(w, w) * dot(m, m)).sqrt();
    // A zero vector has no angle and contributes nothing.
    let cosine = if norms > 0.0 { dot(w, m) / norms } else { -1.0 };
    Contribution { cosine, condition, value }
}

/// Orthonormal basis of the span of the errors of all examples.
fn span_of_errors(s: &Situation<'_>, seen: &Seen) -> Vec<Vec<f64>> {
    let e = seen.errors.delta(s.net, s.net.output()).expect("the loss has written its signal");
    let (outputs, values) = (e.cols(), e.to_f64_vec());
    let mut gram = vec![0.0; outputs * outputs];
    for row in values.chunks(outputs) {
        (0..outputs * outputs).for_each(|p| gram[p] += row[p / outputs] * row[p % outputs]);
    }
    let (eigen, vectors) = linalg::symmetric_eigen(&Tensor::from_f64([outputs, outputs], &gram, DType::F64));
    // Squares of f32 errors that sum to zero leave about 1e-14 of the largest.
    let kept = (0..outputs).filter(|&i| eigen[i] > RANK * eigen[outputs - 1] || i == outputs - 1);
    kept.map(|i| vectors.as_slice::<f64>()[i * outputs..(i + 1) * outputs].to_vec()).collect()
}

/// Rows of `A_k[j,:]` for all units: units x (inputs, and 1 for a bias).
fn carried(s: &Situation<'_>, seen: &Seen, chain: Chain, output: usize) -> Vec<f64> {
    let mut only = s.net.weight(chain.reader).zeros_like();
    let cols = only.cols();
    (0..cols).for_each(|k| only.set(output * cols + k, 1.0));
    let mut errors = Errors::new(s.net, seen.trace.batch());
    errors.copy_signal(s.net, &seen.errors);
    let carry = |node: NodeId| if node == chain.reader { &only } else { s.net.weight(node) };
    sweep(s.net, &seen.trace, &mut errors, carry, s.par);
    let mut grads = Grads::default();
    grads.compute(s.net, &seen.trace, &errors, |n| n == chain.writer, s.par);
    let g = grads.weight(chain.writer).expect("the error reaches the last hidden layer").to_f64_vec();
    let bias = grads.bias(chain.writer).map(Tensor::to_f64_vec);
    let inputs = s.net.weight(chain.writer).cols();
    g.chunks(inputs)
        .enumerate()
        .flat_map(|(k, row)| row.iter().copied().chain(bias.as_ref().map(|b| b[k])))
        .collect()
}
