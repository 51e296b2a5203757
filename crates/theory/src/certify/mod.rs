/*!
Certificates: does a statement of docs/theory.md section 4 cover this run, before it has made a step?

Three statements are known. `separable_logistic`: two layers, one output, logistic loss, orthogonally separable data, aligned start and one unit per class
that is active (by at least m) on its own class only: `<g,F> >= alpha L²`, `alpha = m² c0²/2`, `c0 = (1 − e^{−n L0})/(n L0)`. `squared_loss`: two layers, one output,
squared loss, aligned start: `<g,F> >= alpha L`, `alpha = 2 inf_t lambda_min(H Hᵀ)/n`; the infimum is known only along training, its value at the start is given.
`several_outputs`: unit k contributes positively to <g,F> if `cos(W[:,k], B[:,k]) > (κ−1)/(κ+1)`, κ = cond(Q_k) on the span of the errors; nothing known keeps
that condition during training, so it is never a guarantee. All are statements about the flow of full-batch training, after the paper
(Robertson & Koyejo, ICML 2024), whose own conditions may differ; the file `steps.rs` has the condition under which the first one holds for steps of a
finite size as well. A certificate that does not cover a run says nothing against the run.
*/

mod check;
mod precision;
mod scalar;
pub mod separability;
mod several;
mod steps;
mod verdict;

pub use check::{Check, UnderBound, UnitRow, check};
pub use precision::Precision;
pub use steps::Steps;
pub use verdict::{Reach, Verdict};

use crate::number::number;
use realign::init::{Feedback, class_labels};
use realign::layer::Pass;
use realign::loss::{self, Loss, Scratch, Target};
use realign::network::{Errors, Network, Op, Trace};
use realign::rules::{Chain, Rule, chains};
use realign_data::{Dataset, Targets};
use realign_tensor::{DType, Par, Rng, Tensor};
use separability::{Linear, Pair};
use serde::Serialize;

/// How the run will be trained.
#[derive(Clone, Debug)]
pub struct Method {
    /// Registry word of the optimizer.
    pub optimizer: String,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether update directions are clipped.
    pub clipped: bool,
    /// Whether every step sees all examples.
    pub full_batch: bool,
    /// Whether training sees changed copies of them.
    pub augmented: bool,
    /// Decay of the feedback weights (adafa).
    pub feedback_decay: f64,
    /// Largest learning rate of the schedule; 0 under the flow.
    pub lr: f64,
    /// Training steps.
    pub steps: u64,
    /// How long training takes: the sum of the learning rates, or the time to which the flow is integrated.
    pub time: f64,
}

impl Method {
    /// Whether training is the flow itself and not steps along it.
    fn is_flow(&self) -> bool {
        self.optimizer == "flow"
    }
}

/// A run at its start.
pub struct Situation<'a> {
    /// The network with its initial weights.
    pub net: &'a Network,
    /// The rule.
    pub rule: &'a dyn Rule,
    /// Initial feedback weights.
    pub feedback: &'a Feedback,
    /// The loss.
    pub loss: &'a dyn Loss,
    /// The train split.
    pub data: &'a Dataset,
    /// How it will be trained.
    pub method: &'a Method,
    /// At most so many examples are looked at, a random sample by seed; `None` is all.
    pub examples: Option<usize>,
    /// Seed of the sample.
    pub seed: u64,
    /// Threads.
    pub par: Par,
}

/// One condition of a statement.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// What it is about.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// By how much it is violated, where that is a number.
    pub by: Option<f64>,
    /// In words, with numbers.
    pub detail: String,
}

impl Condition {
    fn new(name: &'static str, holds: bool, by: Option<f64>, detail: impl Into<String>) -> Condition {
        Condition { name, holds, by: by.filter(|_| !holds), detail: detail.into() }
    }
}

/// The condition on single units.
#[derive(Clone, Debug, Serialize)]
pub struct Units {
    /// The condition.
    pub condition: &'static str,
    /// Units that meet it.
    pub holding: usize,
    /// Units.
    pub of: usize,
    /// The unit furthest from it (or nearest to failing).
    pub worst: usize,
    /// Left side less right side of that unit's condition.
    pub slack: f64,
}

/// What can be said about a run before training.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// The answer.
    pub verdict: Verdict,
    /// The statement that was tried: `separable_logistic`, `squared_loss`, `several_outputs` or `none`.
    pub statement: &'static str,
    /// Exponent of alignment dominance, where the statement has one.
    pub beta: Option<f64>,
    /// Guaranteed rate of the flow; `None` if nothing is guaranteed or the rate is known only along training.
    pub alpha: Option<f64>,
    /// Value at the start of a rate that is known only along training.
    pub alpha_at_start: Option<f64>,
    /// The condition on the learning rate, where one is known; `None` under the flow.
    pub steps: Option<Steps>,
    /// Whether the guarantee is about the training of this run: the flow, or steps that meet their condition.
    pub covers_training: bool,
    /// How far the bound gets by the end of the run.
    pub reach: Option<Reach>,
    /// Loss at the start, over the examples looked at.
    pub initial_loss: f64,
    /// The conditions in the order in which they are tried.
    pub conditions: Vec<Condition>,
    /// The condition on single units, if the statement has one.
    pub units: Option<Units>,
    /// Every pair of classes.
    pub pairs: Vec<Pair>,
    /// Examples looked at.
    pub examples_used: usize,
    /// Examples there are.
    pub examples: usize,
    /// Further findings in words.
    pub notes: Vec<String>,
}

impl Certificate {
    /// The first condition that does not hold.
    pub fn violated(&self) -> Option<&Condition> {
        self.conditions.iter().find(|c| !c.holds)
    }

    /// Sets the verdict from the conditions, partly true of units if that is all that is missing, and what follows from it for training by `m`.
    fn judged(mut self, m: &Method) -> Certificate {
        let safe_steps = !m.is_flow() && self.steps.as_ref().is_some_and(|s| s.holds);
        self.verdict = match (self.violated(), &self.units) {
            (None, _) if safe_steps => Verdict::GuaranteedAtThisRate,
            (None, _) => Verdict::GuaranteedForTheFlow,
            (Some(c), Some(u)) if c.name == UNITS && u.holding > 0 => {
                Verdict::HoldsFor { units: u.holding, of: u.of }
            }
            _ => Verdict::NotCovered,
        };
        if !self.verdict.guaranteed() {
            (self.alpha, self.steps) = (None, None);
        }
        self.covers_training = self.verdict.guaranteed() && (m.is_flow() || safe_steps);
        self.reach = verdict::reach(&self, m.time);
        self
    }

    /// The rate that the verdict promises: that of the steps where it is about them, else that of the flow.
    pub fn promised(&self) -> Option<f64> {
        match self.verdict {
            Verdict::GuaranteedAtThisRate => self.steps.as_ref().map(|s| s.alpha),
            _ => self.alpha,
        }
    }
}

/// Name of the condition on single units.
const UNITS: &str = "aligned units";

/// Checks the data and the initial state.
///
/// # Panics
/// If there are no examples.
pub fn certify(s: &Situation<'_>) -> Certificate {
    let mut seen = Seen::new(s);
    let pairs = seen.pairs(s);
    let certificate = Certificate {
        verdict: Verdict::NotCovered,
        statement: "none",
        beta: None,
        alpha: None,
        alpha_at_start: None,
        steps: None,
        covers_training: false,
        reach: None,
        initial_loss: seen.loss,
        conditions: Vec::new(),
        units: None,
        pairs,
        examples_used: seen.x.rows(),
        examples: s.data.len(),
        notes: Vec::new(),
    };
    match (s.net.outputs(), s.loss.name()) {
        (1, "logistic") => scalar::separable_logistic(s, &seen, certificate),
        (1, "mse") => scalar::squared_loss(s, &seen, certificate),
        (1, other) => {
            let mut c = certificate;
            let detail =
                format!("no statement covers one output with loss \"{other}\"; logistic and mse are");
            c.conditions.push(Condition::new("loss", false, None, detail));
            c.judged(s.method)
        }
        _ => several::several_outputs(s, &mut seen, certificate),
    }
}

/// What was looked at: the examples, and the network's and the loss's answer to them.
struct Seen {
    x: Tensor,
    labels: Option<(Vec<usize>, usize)>,
    trace: Trace,
    errors: Errors,
    loss: f64,
}

impl Seen {
    fn new(s: &Situation<'_>) -> Seen {
        let all = s.data.len();
        assert!(all > 0, "a certificate needs examples");
        let n = s.examples.map_or(all, |n| n.clamp(1, all));
        let mut chosen: Vec<usize> =
            if n < all { Rng::new(s.seed).child("certify").permutation(all) } else { (0..all).collect() };
        chosen.truncate(n);
        chosen.sort_unstable();
        let mut x = Tensor::zeros([n, s.data.features_per_example()], DType::F64);
        s.data.gather(&chosen, &mut x);
        let (mut trace, mut errors) = (Trace::new(s.net, n), Errors::new(s.net, n));
        s.data.gather(&chosen, trace.input_mut(n));
        s.net.forward(&mut trace, Pass { par: s.par, noise: None });
        let (classes, values);
        let target = match &s.data.targets {
            Targets::Classes { labels, .. } => {
                classes = chosen.iter().map(|&i| labels[i]).collect::<Vec<u32>>();
                Target::Classes(&classes)
            }
            Targets::Values { values: v, dim } => {
                values =
                    chosen.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].to_vec()).collect::<Vec<f64>>();
                Target::Values(&values)
            }
        };
        let signal = errors.signal_mut(s.net, n);
        let score =
            loss::evaluate(s.loss, trace.output(s.net), &target, Some(signal), &mut Scratch::default());
        let labels = class_labels(s.data).map(|(l, k)| (chosen.iter().map(|&i| l[i]).collect(), k));
        Seen { x, labels, trace, errors, loss: score.loss / n as f64 }
    }

    fn pairs(&self, s: &Situation<'_>) -> Vec<Pair> {
        let bias = s.net.weighted().first().is_some_and(|&n| s.net.layer(n).bias().is_some());
        self.labels.as_ref().map_or_else(Vec::new, |(labels, classes)| {
            separability::pairs(&self.x, labels, *classes, bias, s.par)
        })
    }
}

/// The only pair of layers of a two-layer network that a statement covers, or why there is none.
fn two_layers(net: &Network) -> Result<Chain, String> {
    let weighted = net.weighted();
    let [first, last] = weighted else {
        return Err(format!("two weighted layers are needed, the network has {}", weighted.len()));
    };
    if let Some(n) = weighted.iter().find(|n| net.layer(**n).kind() != "dense") {
        return Err(format!("dense layers are needed, the network has {}", net.layer(*n).kind()));
    }
    let odd = net.nodes().iter().find_map(|n| match &n.op {
        Op::Pointwise(p) if !["relu", "leaky_relu", "identity", "flatten"].contains(&p.kind()) => {
            Some(p.kind())
        }
        Op::Layer(l) if l.weight().is_none() && l.kind() != "flatten" => Some(l.kind()),
        Op::Add => Some("add"),
        _ => None,
    });
    if let Some(kind) = odd {
        return Err(format!("{kind} is not covered: relu, leaky_relu and identity are"));
    }
    let found = chains(net).into_iter().find(|c| c.writer == *first && c.reader == *last);
    found.filter(|_| net.output() == *last).ok_or_else(|| "the output layer must be linear".into())
}

/// Conditions that every statement shares: network, rule, training.
fn shared(s: &Situation<'_>) -> Vec<Condition> {
    let network = two_layers(s.net);
    let ok = network.is_ok();
    let detail =
        network.err().unwrap_or_else(|| "two dense layers, homogeneous activation, linear output".into());
    let mut out = vec![Condition::new("network", ok, None, detail)];
    let (rule, m) = (s.rule.name(), s.method);
    let (ok, detail) = match rule {
        "adafa" if m.feedback_decay > 0.0 => {
            (false, "the feedback decays: the law is not conserved".to_owned())
        }
        "adafa" => (
            true,
            "Kolen-Pollack form (our reconstruction of adaFA): ‖B‖²/(2κ) − ½‖W‖² is conserved".to_owned(),
        ),
        "bp" | "fa" | "sign_fa" => (true, format!("{rule} has a conservation law")),
        _ => (false, format!("{rule} has no conservation law that keeps units aligned")),
    };
    out.push(Condition::new("rule", ok, None, detail));
    let odd = [
        (m.optimizer != "sgd" && m.optimizer != "flow", format!("optimizer {}", m.optimizer)),
        (m.momentum != 0.0, format!("momentum {}", m.momentum)),
        (m.weight_decay != 0.0, format!("weight decay {}", m.weight_decay)),
        (m.clipped, "clipping".to_owned()),
        (!m.full_batch, "minibatches".to_owned()),
        (m.augmented, "augmentation".to_owned()),
    ];
    let odd: Vec<String> = odd.into_iter().filter(|o| o.0).map(|o| o.1).collect();
    let detail = if odd.is_empty() {
        format!("full batch, {}", if m.is_flow() { "the flow itself" } else { "plain gradient steps" })
    } else {
        format!("the statements are about plain full-batch steps; this run has {}", odd.join(", "))
    };
    out.push(Condition::new("training", odd.is_empty(), None, detail));
    out
}

/// That nothing was left out: the last condition, because more examples cannot mend one that fails on some.
fn all_seen(c: &Certificate) -> Condition {
    let missing = c.examples - c.examples_used;
    let detail = format!("on {} of {} examples", c.examples_used, c.examples);
    Condition::new("all examples looked at", missing == 0, Some(missing as f64), detail)
}

/// Linear, then orthogonal separability of every pair.
fn separable(pairs: &[Pair]) -> [Condition; 2] {
    let margin = |p: &Pair| if let Linear::Separable { margin } = p.linear { Some(margin) } else { None };
    let linear = match pairs.iter().find(|p| margin(p).is_none()) {
        Some(p) => {
            let (by, why) = match &p.linear {
                Linear::NotSeparable { gap } => {
                    (Some(*gap), format!("no plane separates them: hulls meet to within {gap:.1e}"))
                }
                Linear::Undecided { reason } => (None, format!("undecided: {reason}")),
                Linear::Separable { .. } => (None, String::new()),
            };
            Condition::new("linear separability", false, by, format!("classes {} and {}: {why}", p.a, p.b))
        }
        None => {
            let least = pairs.iter().filter_map(margin).fold(f64::INFINITY, f64::min);
            Condition::new(
                "linear separability",
                !pairs.is_empty(),
                None,
                format!("margin {}", number(least)),
            )
        }
    };
    let excess = |p: &Pair| (-p.within).max(p.across);
    let worst = pairs.iter().max_by(|p, q| excess(p).total_cmp(&excess(q)));
    let (holds, by, detail) = worst.map_or((false, None, "no classes".to_owned()), |p| {
        let detail = format!(
            "classes {} and {}: x_i.x_j >= {} within (must be > 0), <= {} across (must be <= 0)",
            p.a,
            p.b,
            number(p.within),
            number(p.across)
        );
        (pairs.iter().all(Pair::orthogonal), Some(excess(p)), detail)
    });
    [linear, Condition::new("orthogonal separability", holds, by, detail)]
}
