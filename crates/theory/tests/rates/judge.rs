/*!
Whether a planted fault moves the books of any unit by more than rounding can, without the audit: its size is worked out from the definition, and rounding is
bounded by the textbook (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1): a sum of n products errs by at most
n u Σ|terms|, u the unit roundoff, and by half the smallest number per product. The sums of |terms| are made of absolute values, entry by entry:
no Cauchy, no statistics, none of the audit's allowances.

* An error carried too strongly through a layer: the path of unit k moves by 1 % of eta <G[:,k], M[:,k]>. Rounding of the path: (n + terms + 8) u eta Σ|W| Σ_b |delta||x|
  for every writer, the same with M and h for every reader.
* An increment that is too large: P_k moves by 1 % of <W[k,:], dW[k,:]> (a writer), <M[:,k], dW[:,k]> (a reader) or b db. Rounding of the residual: the weights
  themselves, u Σ|W||W'| and u Σ|M||W'|, and 8 u of their increments.
* In both cases the books themselves are n sums in f64: of the terms of Phi and ½‖W‖², and of what the step is made of, Σ|M| (eta |G| + |dW|) and Σ|W| (eta |G| + |dW|).
*/

use super::plants::{EXTRA, Plant};
use realign::layer::Seen;
use realign::network::NodeId;
use realign::probes::{Probe, Rows, View};
use realign::streams::{Columns, Stream, streams};
use realign::tensor::{DType, Par, Tensor};
use realign::train::Journal;
use std::sync::{Arc, Mutex};

/// Operations on one number beside products.
const OPERATIONS: f64 = 8.0;

/// Judges one plant during a run; clones share what they find.
#[derive(Clone)]
pub struct Judge {
    plant: Plant,
    before: Option<State>,
    rates: Vec<f64>,
    margin: Arc<Mutex<f64>>,
}

/// All layers before a step.
#[derive(Clone)]
struct State {
    layers: Vec<Layer>,
    streams: Vec<Stream>,
    dtype: DType,
}

/// One weighted layer before a step.
#[derive(Clone)]
struct Layer {
    w: Vec<f64>,
    b: Vec<f64>,
    /// The matrix that carries the error, and the terms of its potential; 0 where there is none.
    m: Vec<f64>,
    phi: Vec<f64>,
    g: Vec<f64>,
    /// Σ over the batch of |delta||x| per entry of the weight, and of |delta| per row.
    gross: Vec<f64>,
    gross_bias: Vec<f64>,
    /// Σ |x| over everything read.
    read: f64,
    cols: usize,
    terms: f64,
    shape: realign::tensor::Shape,
}

impl Judge {
    pub fn new(plant: Plant) -> Judge {
        Judge { plant, before: None, rates: vec![], margin: Arc::default() }
    }

    /// The largest ratio of what the fault moves to what rounding can.
    pub fn margin(&self) -> f64 {
        *self.margin.lock().unwrap()
    }
}

impl Probe for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }
    fn needs_grads(&self) -> bool {
        true
    }
    fn wants_journal(&self, _: bool) -> bool {
        true
    }
    fn record(&mut self, _: u64, journal: &Journal) {
        self.rates = journal.layers.iter().map(|l| l.lr).collect();
    }
    fn observe(&mut self, view: &mut View<'_>, _: &mut Rows) {
        let after = State::of(view);
        if let Some(before) = self.before.take() {
            let found = before.margin(&after, self.plant, &self.rates);
            let mut margin = self.margin.lock().unwrap();
            *margin = margin.max(found);
        }
        self.before = Some(after);
    }
}

impl State {
    fn of(view: &View<'_>) -> State {
        let layers = view.net.weighted().iter().map(|&n| Layer::of(view, n)).collect();
        State { layers, streams: streams(view.net), dtype: view.net.dtype() }
    }

    fn margin(&self, after: &State, plant: Plant, rates: &[f64]) -> f64 {
        let mut largest = 0.0_f64;
        for stream in self.streams.iter().filter(|s| touches(s, plant)) {
            for k in 0..stream.units {
                let (mut moved, mut rounding, mut books) = (0.0, 0.0, 0.0);
                for side in self.sides(after, stream, k) {
                    let [m, r, b] = side.sums(plant, rates[side.layer], self.dtype);
                    (moved, rounding, books) = (moved + m, rounding + r, books + b);
                }
                let ratio = moved.abs() / (rounding + f64::EPSILON * books);
                // A run has exploded where squares of such terms leave the range of f64.
                let numbers = ratio.is_finite() && moved.abs() + rounding + books < 1e150;
                largest = largest.max(if numbers { ratio } else { 0.0 });
            }
        }
        largest
    }

    /// All that writes and reads unit `k` of a stream.
    fn sides<'a>(&'a self, after: &'a State, stream: &'a Stream, k: usize) -> Vec<Side<'a>> {
        let within = move |first: usize, units: usize| (first..first + units).contains(&k);
        let side = |layer: usize, entries: Vec<usize>, row: Option<usize>| Side {
            layer,
            before: &self.layers[layer],
            after: &after.layers[layer],
            entries,
            row,
        };
        let writers = stream.writers.iter().filter(|m| within(m.first, m.units)).map(|m| {
            let (row, cols) = (k - m.first, self.layers[m.layer].cols);
            side(m.layer, (row * cols..(row + 1) * cols).collect(), Some(row))
        });
        let readers = stream.readers.iter().filter(|m| within(m.first, m.units)).map(|m| {
            let layer = &self.layers[m.layer];
            let columns = Columns::of(layer.shape, m.units);
            let own = (0..layer.w.len()).filter(|&i| columns.unit(i) == k - m.first);
            side(m.layer, own.collect(), None)
        });
        writers.chain(readers).collect()
    }
}

fn touches(s: &Stream, plant: Plant) -> bool {
    let layer = plant.layer();
    let (reads, writes) =
        (s.readers.iter().any(|m| m.layer == layer), s.writers.iter().any(|m| m.layer == layer));
    match plant {
        Plant::Backward(_) => reads && s.homogeneous,
        Plant::Update(_) => reads || writes,
        Plant::Bias(_) => writes,
    }
}

/// One layer's entries that belong to a unit: its row (with the bias), or its columns.
struct Side<'a> {
    layer: usize,
    before: &'a Layer,
    after: &'a Layer,
    entries: Vec<usize>,
    row: Option<usize>,
}

impl Side<'_> {
    /// What the plant moves, with its sign; what rounding can; and the size of the books.
    fn sums(&self, plant: Plant, lr: f64, dtype: DType) -> [f64; 3] {
        let (old, new, u) = (self.before, self.after, 0.5 * dtype.epsilon());
        let writes = self.row.is_some();
        let factor = if writes { &old.w } else { &old.m };
        let bias = self.row.filter(|_| !old.b.is_empty()).map(|k| (old.b[k], new.b[k], old.gross_bias[k]));
        let sum = |f: &dyn Fn(usize) -> f64| self.entries.iter().map(|&i| f(i)).sum::<f64>();
        let step = |i: usize| new.w[i] - old.w[i];
        let terms = |i: usize| {
            let phi = if writes {
                old.w[i].powi(2) + new.w[i].powi(2)
            } else {
                old.phi[i].abs() + new.phi[i].abs()
            };
            phi + factor[i].abs() * (old.w[i].abs() + new.w[i].abs() + lr * old.g[i].abs() + step(i).abs())
        };
        let mut books =
            sum(&terms) + bias.map_or(0.0, |b| b.0 * b.0 + b.1 * b.1 + b.0.abs() * (lr * b.2 + b.1.abs()));
        books *= self.entries.len() as f64;
        let own = self.layer == plant.layer();
        let share = EXTRA / (1.0 + EXTRA);
        let (moved, rounding) = match plant {
            Plant::Backward(_) => {
                let moved = if own && !writes { EXTRA * lr * sum(&|i| old.g[i] * factor[i]) } else { 0.0 };
                let gross = sum(&|i| factor[i].abs() * old.gross[i]) + bias.map_or(0.0, |b| b.0.abs() * b.2);
                let (n, size) = (self.entries.len() as f64, sum(&|i| factor[i].abs()));
                let errors = old.gross_bias.iter().sum::<f64>();
                let across = if writes { errors } else { old.read };
                let small = 0.5 * dtype.smallest() * (old.terms * size + (n + OPERATIONS) * across);
                (moved, lr * ((n + old.terms + OPERATIONS) * u * gross + small))
            }
            Plant::Update(_) | Plant::Bias(_) => {
                let of_bias = matches!(plant, Plant::Bias(_));
                let (b, db) = bias.map_or((0.0, 0.0), |b| (b.0, b.1 - b.0));
                let moved = match (own, of_bias) {
                    (false, _) => 0.0,
                    (true, true) => share * b * db * f64::from(u8::from(writes)),
                    (true, false) => share * sum(&|i| factor[i] * step(i)) * if writes { -1.0 } else { 1.0 },
                };
                let rounds = |f: f64, w: f64, d: f64| {
                    f.abs() * (u * w.abs() + OPERATIONS * (u * d.abs() + dtype.smallest()))
                };
                let weights = sum(&|i| rounds(factor[i], new.w[i], step(i)));
                (moved, weights + rounds(b, b + db, db))
            }
        };
        [moved, rounding, books]
    }
}

impl Layer {
    fn of(view: &View<'_>, node: NodeId) -> Layer {
        let (net, layer, w) = (view.net, view.net.layer(node), view.net.weight(node));
        // What the rule says that it carries the error by.
        let carried = view.rule.potential(net, node).filter(|_| net.carries(node)).map(|potential| {
            let mut m = vec![0.0; w.numel()];
            let (mut phi, w) = (m.clone(), w.to_f64_vec());
            let b = view.feedback.at(node).map_or_else(|| w.clone(), Tensor::to_f64_vec);
            potential.carry(&w, &b, &mut m);
            potential.phi(&w, &b, &w, &mut phi);
            (m, phi)
        });
        let none = || (vec![0.0; w.numel()], vec![0.0; w.numel()]);
        let (m, phi) = carried.unwrap_or_else(none);
        let list = |t: Option<&Tensor>| t.map_or(vec![], Tensor::to_f64_vec);
        let mut out = Layer {
            w: w.to_f64_vec(),
            b: list(layer.bias()),
            m,
            phi,
            g: vec![0.0; w.numel()],
            gross: vec![0.0; w.numel()],
            gross_bias: vec![0.0; w.rows()],
            read: 0.0,
            cols: w.cols(),
            terms: 0.0,
            shape: w.shape(),
        };
        let (Some(delta), Some(g)) = (view.errors.delta(net, node), view.grads.weight(node)) else {
            return out;
        };
        out.g = g.to_f64_vec();
        let seen = view.trace.seen(net, node);
        let (sizes, errors) = (absolute(seen.x), absolute(delta));
        let run = errors.cols() / w.rows();
        for i in 0..errors.numel() {
            out.gross_bias[i / run % w.rows()] += errors.at(i);
        }
        out.read = sizes.to_f64_vec().iter().sum();
        out.terms = (errors.numel() / w.rows()) as f64;
        if layer.statistics().is_some() {
            out.gross = of_statistics(seen.x, &errors, w.rows());
        } else {
            let mut gross = Tensor::zeros(w.shape(), DType::F64);
            let seen = Seen { x: &sizes, aux: seen.aux, sums: &[] };
            layer.weight_grad(seen, &errors, 0..w.rows(), gross.slice_mut(), Par::Seq);
            out.gross = gross.to_f64_vec();
        }
        out
    }
}

/// |t| in f64, so that sums of it do not overflow.
fn absolute(t: &Tensor) -> Tensor {
    let values: Vec<f64> = t.to_f64_vec().iter().map(|v| v.abs()).collect();
    Tensor::from_f64(t.shape(), &values, DType::F64)
}

/// Of batch norm: Σ |delta| (|x| + |mean|) / sd per channel, what its output subtracts counting with its own size.
fn of_statistics(x: &Tensor, errors: &Tensor, channels: usize) -> Vec<f64> {
    let (n, area) = (x.numel(), x.cols() / channels);
    let of = |c: usize| (0..n).filter(move |i| i / area % channels == c);
    let count = (n / channels) as f64;
    let channel = |c: usize| {
        let mean = of(c).map(|i| x.at(i)).sum::<f64>() / count;
        let var = of(c).map(|i| (x.at(i) - mean).powi(2)).sum::<f64>() / count;
        let sd = (var + realign::layer::batch_norm::EPS).sqrt();
        of(c).map(|i| errors.at(i) * (x.at(i).abs() + mean.abs()) / sd).sum()
    };
    (0..channels).map(channel).collect()
}
