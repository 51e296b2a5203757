/*!
The state before the first step: W and b, then B, and for `init.feedback = "aligned"` the shrinking of hidden rows.

From the top layer down, row k of a hidden layer (with its bias) is multiplied by `min(1, √(cap_k / N_k))`,
`cap_k = min(‖W_{l+1}[:,k]‖², 2 budget_k)/(1 + margin)`, so that the aligned condition of [`crate::rules::Alignment`] holds with room to spare.
The first term of the minimum is the same for every rule and is the smaller one for `fa`, `sign_fa` (usual scale), `adafa` (kappa <= 1) and `bp`
at scale 1, so that these start from the same W.
*/

use crate::ConfigError;
use crate::init::{Feedback, FeedbackInit, WeightInit};
use crate::network::{Network, NodeId};
use crate::rules::{Alignment, InitCx, Rule, alignment, chains, writer_sq};
use crate::streams::Columns;
use realign_data::Dataset;
use realign_tensor::{Rng, Tensor};

/// Fills W and b and makes B.
pub(super) fn start(
    net: &mut Network,
    rule: &dyn Rule,
    init: &WeightInit,
    feedback: &FeedbackInit,
    data: &Dataset,
    root: &Rng,
) -> Result<Feedback, ConfigError> {
    init.apply(net, root);
    init.place(net, data)?;
    let make = |net: &Network| {
        let cx = InitCx { net, feedback, weight: init, root };
        rule.feedback(&cx).map_err(|e| e.under("init.feedback"))
    };
    if let FeedbackInit::Aligned { margin, .. } = feedback {
        align(net, rule, &make, *margin)?;
    }
    make(net)
}

fn align(
    net: &mut Network,
    rule: &dyn Rule,
    feedback: &dyn Fn(&Network) -> Result<Feedback, ConfigError>,
    margin: f64,
) -> Result<(), ConfigError> {
    for chain in chains(net).into_iter().rev() {
        let mut columns = squared_columns(net.weight(chain.reader), net.weight(chain.writer).rows());
        let b = feedback(net)?;
        if let Some(a) = alignment(net, rule, &b, chain) {
            cap(&a, &mut columns)?;
        }
        shrink(net, chain.writer, &columns, margin);
    }
    Ok(())
}

/// ‖W[:,k]‖² for each of the units that W reads, column by column.
fn squared_columns(w: &Tensor, units: usize) -> Vec<f64> {
    let (columns, cols) = (Columns::of(w.shape(), units), w.cols());
    let mut out = vec![0.0; units];
    for first in (0..w.rows()).step_by(columns.rows) {
        let rows = first..(first + columns.rows).min(w.rows());
        for j in 0..cols {
            let squares = rows.clone().map(|r| w.at(r * cols + j).powi(2));
            out[columns.unit(first * cols + j)] += squares.sum::<f64>();
        }
    }
    out
}

/// Lowers the squared column norms to twice the budget where the rule's law needs it.
fn cap(a: &Alignment, columns: &mut [f64]) -> Result<(), ConfigError> {
    for (k, c) in columns.iter_mut().enumerate().filter(|(k, _)| a.carry_sq[*k] > 0.0) {
        if a.budget[k] <= 0.0 {
            let message = format!(
                "no length of hidden unit {k} can be aligned: budget {:.3e} (for adafa, scale must exceed kappa/2)",
                a.budget[k]
            );
            return Err(ConfigError::new("init.feedback.scale", message));
        }
        // Equal up to rounding is equal: rules must not differ in the last digit of W.
        if 2.0 * a.budget[k] < *c * (1.0 - 1e-6) {
            *c = 2.0 * a.budget[k];
        }
    }
    Ok(())
}

fn shrink(net: &mut Network, writer: NodeId, caps: &[f64], margin: f64) {
    let norms = writer_sq(net, writer);
    let factors: Vec<f64> = norms
        .iter()
        .zip(caps)
        .map(|(n, cap)| if *n > 0.0 { (cap / (1.0 + margin) / n).sqrt().min(1.0) } else { 1.0 })
        .collect();
    let (w, b) = net.layer_mut(writer).params_mut();
    let w = w.expect("weighted node");
    let cols = w.cols();
    for (k, f) in factors.iter().enumerate().filter(|(_, f)| **f < 1.0) {
        (k * cols..(k + 1) * cols).for_each(|i| w.set(i, w.at(i) * f));
    }
    if let Some(b) = b {
        factors.iter().enumerate().for_each(|(k, f)| b.set(k, b.at(k) * f));
    }
}
