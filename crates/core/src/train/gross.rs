/*!
Gross sizes of the two sides of the path account, before anything cancels, to judge rounding by.

Both sides of the balance identity are sums over examples of the error at a unit times the unit's activity. Rounding is proportional to the terms, and these
can be much larger than their sum (at convergence the sum vanishes and the terms do not). Per unit k, with Cauchy's inequality on every term,

`|<W[k,:], x_b> delta_b[k]| <= ‖W[k,:]‖ ‖x_b‖ |delta_b[k]|`,   `|h_b[k] <M[:,k], delta_b>| <= ‖M[:,k]‖ ‖delta_b‖ |h_b[k]|`;

this file sums the squares of the right sides, without the weights: `Σ_b ‖x_b‖² delta_b[k]²` and `Σ_b ‖delta_b‖² h_b[k]²`. For images the length of an
example stands in for that of its patches, which is too generous by about the root of the number of patches that the image holds. A square below the smallest
normal f64 is lost, so each sum gets that much per term. Batch norm subtracts, so its sizes are its own ([`Layer::gross`](crate::layer::Layer::gross)).

Where numbers fall below the smallest normal one of the training dtype (the errors of a saturated softmax), rounding is no longer proportional to
anything; how much of that the path may hold goes with the sums of |delta| and |x| over all entries, bounded here by Cauchy's inequality.
*/

use super::balance::Balance;
use super::journal::LayerJournal;
use crate::network::{Errors, Network, Trace};
use realign_tensor::{Element, Slice, Tensor, ops};

/// Notes the gross sizes of every layer that got an error.
pub(super) fn note(
    net: &Network,
    trace: &Trace,
    errors: &Errors,
    balances: &[Balance],
    layers: &mut [LayerJournal],
) {
    let (mut inputs, mut signals) = (Vec::new(), Vec::new());
    for (layer, &node) in layers.iter_mut().zip(net.weighted()) {
        let Some(delta) = errors.delta(net, node) else { continue };
        let x = trace.seen(net, node).x;
        layer.activity = squared_lengths(x, &mut inputs);
        layer.error = squared_lengths(delta, &mut signals);
        let (rows, columns) = (layer.rows.len(), layer.columns.len());
        if let Some(terms) = delta.numel().checked_div(rows) {
            layer.terms = layer.terms.max(terms);
            let of_rows = match balances.iter().find(|b| b.node == node) {
                Some(balance) => &balance.above,
                None => {
                    // A bias reads a constant 1.
                    let bias = f64::from(net.layer(node).bias().is_some());
                    inputs.iter_mut().for_each(|l| *l += bias);
                    weighted_squares(delta, &inputs, rows, &mut layer.gross);
                    &layer.gross
                }
            };
            layer.rows.iter_mut().zip(of_rows).for_each(|(row, g)| row.gross = *g);
        }
        if let Some(terms) = x.numel().checked_div(columns) {
            layer.terms = layer.terms.max(terms);
            weighted_squares(x, &signals, columns, &mut layer.gross);
        }
    }
}

/// Squares of the lengths of the examples; returns a bound of the sum of all |entries|.
fn squared_lengths(t: &Tensor, out: &mut Vec<f64>) -> f64 {
    out.resize(t.rows(), 0.0);
    ops::dot_rows(t, t, out);
    let lost = t.cols() as f64 * f64::MIN_POSITIVE;
    out.iter_mut().for_each(|l| *l += lost);
    (t.numel() as f64 * out.iter().sum::<f64>()).sqrt()
}

/// `out[k] = Σ_b factors[b] Σ t_b²` over the entries of unit k: every example holds `units` runs of them.
fn weighted_squares(t: &Tensor, factors: &[f64], units: usize, out: &mut Vec<f64>) {
    out.clear();
    out.resize(units, (t.numel() / units.max(1)) as f64 * f64::MIN_POSITIVE);
    match t.slice() {
        Slice::F32(values) => add_squares(values, factors, out),
        Slice::F64(values) => add_squares(values, factors, out),
    }
}

fn add_squares<T: Element>(values: &[T], factors: &[f64], out: &mut [f64]) {
    let features = values.len() / factors.len().max(1);
    let run = features / out.len();
    for (example, factor) in values.chunks(features.max(1)).zip(factors) {
        ops::vectorize(
            #[inline(always)]
            || {
                if run == 1 {
                    out.iter_mut().zip(example).for_each(|(o, v)| *o += factor * v.to_f64() * v.to_f64());
                } else {
                    for (o, entries) in out.iter_mut().zip(example.chunks(run)) {
                        *o += factor * entries.iter().map(|v| v.to_f64() * v.to_f64()).sum::<f64>();
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_tensor::{DType, Rng};

    /// Against the definition, exactly up to the order of a sum of a few squares.
    #[test]
    fn sums_agree_with_the_definition() {
        for (dtype, run) in [(DType::F32, 1), (DType::F64, 1), (DType::F32, 4)] {
            let t = Rng::new(2).normal_tensor([5, 3 * run], 1.0, dtype);
            let factors = [0.5, 2.0, 0.0, 1.0, 3.0];
            let mut out = Vec::new();
            weighted_squares(&t, &factors, 3, &mut out);
            for (k, got) in out.iter().enumerate() {
                let entry = |b: usize, j: usize| t.at(b * 3 * run + k * run + j).powi(2);
                let want: f64 = (0..5).map(|b| factors[b] * (0..run).map(|j| entry(b, j)).sum::<f64>()).sum();
                assert!((got - want).abs() < 1e-13 * want, "{got} {want}");
            }
        }
    }
}
