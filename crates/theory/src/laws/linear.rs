//! Linear nets: the whole symmetric matrix `S(W_{l+1}) - W_l W_lᵀ - b_l b_lᵀ` is conserved, units x units, with `dS = Mᵀ dW + dWᵀ M`:
//! `BᵀW + WᵀB` under FA, `WᵀW` under BP, `BᵀB/kappa` under adafa. Its diagonal is twice the norm balance.
//!
//! Because `Mᵀ G_{l+1} = G_l W_lᵀ + g_b b_lᵀ` where nothing but linear maps lies between. The signs of sign-FA have no such S.

use super::{Info, Law, Order, Setting, Sides, State, WhyNot, norm, refuse};
use realign::rules::Plasticity;

const INFO: Info = Info {
    name: "linear",
    statement: "B_{l+1}ᵀW_{l+1} + W_{l+1}ᵀB_{l+1} − W_lW_lᵀ − b_lb_lᵀ stays what it is (bp: WᵀW, adafa: BᵀB/κ for the first two terms)",
    assumptions: &[
        "rule fa, bp or adafa without decay",
        "a chain of linear layers: nothing but identity between them, no dropout, no residual paths",
        "SGD or flow without momentum and weight decay, the same rate for all layers",
    ],
    order: Order::First,
    account: "−dW_l dW_lᵀ − db dbᵀ per step; bp + dWᵀdW, adafa + κ dWᵀdW of the layer above",
    citation: "derived for this project (fa); Arora, Cohen & Hazan, ICML 2018 (bp)",
};

pub(super) struct Linear;
pub(super) static LAW: Linear = Linear;

impl Law for Linear {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn applies(&self, s: &Setting) -> Result<(), WhyNot> {
        if !["fa", "bp", "adafa"].contains(&s.rule) {
            return refuse(format!("no such matrix is known for {}", s.rule));
        }
        if let Some(kind) = s.kinds.iter().find(|k| !["identity", "flatten"].contains(*k)) {
            return refuse(format!("{kind} is not linear"));
        }
        s.balanced()?;
        if s.streams.iter().any(|st| st.writers.len() != 1 || st.readers.len() != 1) {
            return refuse("there are residual paths");
        }
        s.equal_rates()?;
        s.no_momentum()?;
        s.no_decay()?;
        match s.plasticity {
            Plasticity::Follows { decay, .. } if decay > 0.0 => {
                refuse(format!("rule.decay {decay}: B moves by itself"))
            }
            Plasticity::Follows { kappa: 0.0, .. } => refuse("kappa = 0 is fa"),
            _ => Ok(()),
        }
    }

    fn sides(&self, s: &Setting, state: &State) -> Vec<Sides> {
        let one = |stream: &realign::streams::Stream| {
            let (writer, reader) =
                (&state.layers[stream.writers[0].layer], &state.layers[stream.readers[0].layer]);
            let (w, n) = (&reader.weight, stream.units);
            let plus = match (s.plasticity, &reader.feedback) {
                (Plasticity::Follows { kappa, .. }, Some(b)) => scaled(gram(b, b, n), 1.0 / kappa),
                (_, Some(b)) => symmetric(gram(b, w, n), n),
                (_, None) => gram(w, w, n),
            };
            Sides { layer: stream.writers[0].layer, plus, minus: outer(&writer.weight, &writer.bias, n) }
        };
        s.streams.iter().map(one).collect()
    }

    fn account(&self, s: &Setting, before: &State, after: &State) -> Vec<Vec<f64>> {
        let step =
            |old: &[f64], new: &[f64]| -> Vec<f64> { old.iter().zip(new).map(|(o, n)| n - o).collect() };
        let share = match (s.plasticity, s.rule) {
            (Plasticity::Follows { kappa, .. }, _) => kappa,
            (_, "bp") => 1.0,
            _ => 0.0,
        };
        let one = |stream: &realign::streams::Stream| {
            let (n, w, r) = (stream.units, stream.writers[0].layer, stream.readers[0].layer);
            let (below, above) =
                ((&before.layers[w], &after.layers[w]), (&before.layers[r], &after.layers[r]));
            let d = step(&above.0.weight, &above.1.weight);
            let loss = outer(&step(&below.0.weight, &below.1.weight), &step(&below.0.bias, &below.1.bias), n);
            scaled(gram(&d, &d, n), share).iter().zip(loss).map(|(g, l)| g - l).collect()
        };
        s.streams.iter().map(one).collect()
    }

    fn value(&self, sides: &Sides) -> f64 {
        norm(sides)
    }
}

/// aᵀ b for two matrices of n columns.
fn gram(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (a, b) in a.chunks(n).zip(b.chunks(n)) {
        for (x, row) in a.iter().zip(out.chunks_mut(n)) {
            row.iter_mut().zip(b).for_each(|(o, y)| *o += x * y);
        }
    }
    out
}

/// w wᵀ + b bᵀ for a matrix of n rows.
fn outer(w: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let rows: Vec<&[f64]> = w.chunks(w.len() / n).collect();
    let dot = |i: usize, j: usize| rows[i].iter().zip(rows[j]).map(|(x, y)| x * y).sum::<f64>();
    let bias = |i: usize, j: usize| if b.is_empty() { 0.0 } else { b[i] * b[j] };
    (0..n * n).map(|k| (k / n, k % n)).map(|(i, j)| dot(i, j) + bias(i, j)).collect()
}

fn scaled(mut m: Vec<f64>, by: f64) -> Vec<f64> {
    m.iter_mut().for_each(|x| *x *= by);
    m
}

/// m + mᵀ.
fn symmetric(m: Vec<f64>, n: usize) -> Vec<f64> {
    (0..n * n).map(|k| m[k] + m[k % n * n + k / n]).collect()
}
