//! The decomposition of progress: along training `dL/dt = −<g, F> = −cos(g, F) ‖g‖ ‖F‖`, an alignment factor, a gradient factor and an FA factor
//! (docs/theory.md section 4). F are the rule's update directions, g = dL/dW the true gradient, weights AND biases of trained layers, on the
//! full train split or on a fixed sample of it, over the whole net (`layer` absent), per layer and, if asked, per unit (row of W with its bias).
//!
//! Rows: `loss`, `time` (sum of learning rates), `inner` <g,F>, `cosine`, `gradient` ‖g‖, `update` ‖F‖, `gap` ‖g − F‖ and `share` =
//! 2<g,F>/(‖g‖² + ‖F‖²) = 1 − ‖g − F‖²/(‖g‖² + ‖F‖²), the polarisation form: 1 iff F = g. A zero vector has no cosine and is counted.

use super::{PER_UNIT, Probe, Rows, View};
use crate::registry::{self, Allowed, Entry, Opt};
use crate::train::{Directions, Subject};
use realign_tensor::{Par, Rng, Tensor, ops};
use serde::Deserialize;
use toml::Value;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "decomposition",
    summary: "Inner product of update and true gradient, its factors and the loss, on the train split or a sample.",
    formula: "dL/dt = −<g, F> = −cos(g, F) ‖g‖ ‖F‖; 2<g, F> = ‖g‖² + ‖F‖² − ‖g − F‖²",
    citation: "",
    options: &[
        Opt {
            name: "examples",
            default: "\"full\"",
            meaning: "\"full\" train split, or the size of a fixed random sample of it",
            allowed: Allowed::Either(&[Allowed::Word(&["full"]), Allowed::Size(1, i64::MAX as usize)]),
        },
        PER_UNIT,
    ],
    build: |t| {
        let options: Options = registry::parse(t)?;
        let examples = options.examples.as_integer().map(|n| n as usize);
        Ok(Box::new(Decomposition {
            examples,
            per_unit: options.per_unit,
            chosen: Vec::new(),
            directions: Directions::default(),
        }))
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    examples: Value,
    per_unit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { examples: Value::from("full"), per_unit: false }
    }
}

struct Decomposition {
    examples: Option<usize>,
    per_unit: bool,
    chosen: Vec<usize>,
    directions: Directions,
}

/// <g,F>, ‖g‖², ‖F‖² and ‖g − F‖².
type Parts = [f64; 4];

impl Probe for Decomposition {
    fn name(&self) -> &'static str {
        "decomposition"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        if self.chosen.is_empty() {
            self.chosen = sample(self.examples, view.data.train.len(), view.root);
        }
        let loss = self.directions.measure(Subject::of(view), &self.chosen);
        out.push("loss", None, None, None, loss);
        out.push("time", None, None, None, view.time);
        let mut total = Parts::default();
        for (i, &node) in view.net.weighted().iter().enumerate() {
            let (Some(f), Some(g)) = (self.directions.update(node), self.directions.gradient(node)) else {
                continue;
            };
            let rows = parts(g, f, view.par);
            let layer = rows.iter().fold(Parts::default(), plus);
            total = plus(total, &layer);
            report(&layer, Some(i), None, out);
            if self.per_unit {
                rows.iter().enumerate().for_each(|(k, p)| report(p, Some(i), Some(k), out));
            }
        }
        report(&total, None, None, out);
    }
}

/// All examples, or the first `n` of a random order of the run's tree, in ascending order.
fn sample(n: Option<usize>, of: usize, root: &Rng) -> Vec<usize> {
    match n.filter(|n| *n < of) {
        None => (0..of).collect(),
        Some(n) => {
            let mut order = root.child("probes").child("decomposition").permutation(of);
            order.truncate(n);
            order.sort_unstable();
            order
        }
    }
}

fn plus(a: Parts, b: &Parts) -> Parts {
    std::array::from_fn(|i| a[i] + b[i])
}

/// The four sums of every row, bias included.
fn parts(g: (&Tensor, Option<&Tensor>), f: (&Tensor, Option<&Tensor>), par: Par) -> Vec<Parts> {
    let mut difference = g.0.clone();
    ops::axpy(&mut difference, f.0, -1.0);
    let (mut three, mut gap) = (vec![[0.0; 3]; g.0.rows()], vec![0.0; g.0.rows()]);
    ops::products_rows(g.0.slice(), f.0.slice(), &mut three, par);
    ops::dot_rows(&difference, &difference, &mut gap);
    let mut out: Vec<Parts> =
        three.into_iter().zip(gap).map(|([gf, gg, ff], gap)| [gf, gg, ff, gap]).collect();
    if let (Some(g), Some(f)) = (g.1, f.1) {
        for (k, o) in out.iter_mut().enumerate() {
            let (g, f) = (g.at(k), f.at(k));
            *o = plus(*o, &[g * f, g * g, f * f, (g - f) * (g - f)]);
        }
    }
    out
}

fn report(p: &Parts, layer: Option<usize>, unit: Option<usize>, out: &mut Rows) {
    let [inner, gg, ff, gap] = *p;
    out.push("inner", None, layer, unit, inner);
    let norms = (gg * ff).sqrt();
    if norms > 0.0 && norms.is_finite() {
        out.push("cosine", None, layer, unit, (inner / norms).clamp(-1.0, 1.0));
    } else {
        out.push("zero_vectors", None, layer, unit, 1.0);
    }
    for (name, square) in [("gradient", gg), ("update", ff), ("gap", gap)] {
        out.push(name, None, layer, unit, square.sqrt());
    }
    if gg + ff > 0.0 {
        out.push("share", None, layer, unit, 1.0 - gap / (gg + ff));
    }
}
