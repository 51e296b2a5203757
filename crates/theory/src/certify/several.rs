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

/// Eigenvalues below this share of the largest count as zero: squares of what rounding leaves of errors that cancel.
fn rank(dtype: DType) -> f64 {
    (64.0 * dtype.epsilon()).powi(2).max(1e-12)
}

/// Where alone Q acts, and how far rounding lets one tell what lies in it.
struct Span {
    /// Orthonormal vectors.
    basis: Vec<Vec<f64>>,
    /// A projection below this share of its vector is rounding: the errors are rounded to the dtype of training, the eigenvectors to f64.
    noise: f64,
    /// See [`rank`].
    rank: f64,
}

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
        return c.judged(s.method);
    };
    let (units, read) = (s.net.weight(chain.writer).rows(), s.net.weight(chain.reader).cols());
    if units != read {
        let detail = format!(
            "each of the {units} units of the last hidden layer must be read by one weight per output, not by {}",
            read / units
        );
        c.conditions.push(Condition::new("network", false, None, detail));
        return c.judged(s.method);
    }
    let Some(carry) = carrying(s, chain) else {
        let detail = format!("{} carries no error through the output layer", s.rule.name());
        c.conditions.push(Condition::new("rule", false, None, detail));
        return c.judged(s.method);
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
    c.judged(s.method)
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
    // Column k in the coordinates of the span; none if it has no part there beyond rounding.
    let project = |all: &[f64], k: usize| -> Option<Vec<f64>> {
        let column: Vec<f64> = (0..outputs).map(|j| all[j * units + k]).collect();
        let part: Vec<f64> = span.basis.iter().map(|v| dot(v, &column)).collect();
        (dot(&part, &part).sqrt() > span.noise * dot(&column, &column).sqrt()).then_some(part)
    };
    (0..units)
        .map(|k| {
            // A_k in the coordinates of the span.
            let a: Vec<Vec<f64>> = span
                .basis
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
            let parts = project(&w, k).zip(project(&m, k));
            contribution(&a, parts, &span)
        })
        .collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(p, q)| p * q).sum()
}

/// From A and from the parts of W and M in the span; a vector without a part there has no angle and contributes nothing.
fn contribution(a: &[Vec<f64>], parts: Option<(Vec<f64>, Vec<f64>)>, span: &Span) -> Contribution {
    let r = a.len();
    let q: Vec<f64> = (0..r * r).map(|p| dot(&a[p / r], &a[p % r])).collect();
    let eigen = linalg::symmetric_eigenvalues(&Tensor::from_f64([r, r], &q, DType::F64));
    let (least, largest) = (eigen[0], eigen[r - 1]);
    let condition = if least > span.rank * largest { largest / least } else { f64::INFINITY };
    let Some((w, m)) = parts else { return Contribution { cosine: -1.0, condition, value: 0.0 } };
    let norms = (dot(&w, &w) * dot(&m, &m)).sqrt();
    let value: f64 = (0..r * r).map(|p| w[p / r] * q[p] * m[p % r]).sum();
    let beyond_rounding = value.abs() > 8.0 * r as f64 * f64::EPSILON * largest * norms;
    Contribution { cosine: dot(&w, &m) / norms, condition, value: if beyond_rounding { value } else { 0.0 } }
}

/// The span of the errors of all examples.
fn span_of_errors(s: &Situation<'_>, seen: &Seen) -> Span {
    let e = seen.errors.delta(s.net, s.net.output()).expect("the loss has written its signal");
    let (outputs, values) = (e.cols(), e.to_f64_vec());
    let mut gram = vec![0.0; outputs * outputs];
    for row in values.chunks(outputs) {
        (0..outputs * outputs).for_each(|p| gram[p] += row[p / outputs] * row[p % outputs]);
    }
    let (eigen, vectors) = linalg::symmetric_eigen(&Tensor::from_f64([outputs, outputs], &gram, DType::F64));
    let (rank, largest) = (rank(s.net.dtype()), eigen[outputs - 1]);
    let kept: Vec<usize> = (0..outputs).filter(|&i| eigen[i] > rank * largest || i == outputs - 1).collect();
    // Rounded errors turn a direction of the span by their roundoff over its share of the errors, rounded sums of squares by theirs over its square.
    let spread = largest / eigen[kept[0]];
    let noise = if spread.is_finite() {
        8.0 * outputs as f64 * (s.net.dtype().epsilon() * spread.sqrt() + f64::EPSILON * spread)
    } else {
        0.0
    };
    let basis = kept
        .into_iter()
        .map(|i| vectors.as_slice::<f64>()[i * outputs..(i + 1) * outputs].to_vec())
        .collect();
    Span { basis, noise, rank }
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
