/*!
How far the outputs of a two-layer network may be off through rounding and the integrator, and so what a measured loss may stand above its bound.

Per example, `A = Σ_k |w_k| Σ_j |v_kj x̃_j| + |b|` is the forward pass without cancellation. Sums of d + units + 8 terms are rounded by at most that many units of
roundoff of A; rounding the two weights of a product moves the output by four more, in every step; the integrator may be off by `rtol|θ| + atol` in every entry.
With squared loss √(2L) is the root mean square of the errors, so all of this adds to √L; a perturbation made at time s is damped like the loss itself, by
e^{−alpha (t−s)/2}. With the logistic loss an output that is off by d makes a factor of at most e^d.
*/

use super::two_layers;
use crate::dominance::Floor;
use realign::network::Network;
use realign_data::Dataset;
use realign_tensor::{DType, Tensor};
use serde::Serialize;

/// Largest deviations of an output, in its own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Precision {
    /// Of evaluating the loss, and of the integrator.
    pub once: f64,
    /// Of every step.
    pub per_step: f64,
    /// Relative rounding of a measured <g,F>/L.
    pub relative: f64,
}

impl Precision {
    /// Of this network on these examples; `tolerance` is (rtol, atol) of the integrator if the run is a flow. Nothing is known of other than two dense layers.
    pub fn of(net: &Network, data: &Dataset, tolerance: Option<(f64, f64)>) -> Precision {
        let Ok(chain) = two_layers(net) else { return Precision::default() };
        let absolute = |t: &Tensor| t.to_f64_vec().into_iter().map(f64::abs).collect::<Vec<f64>>();
        let (v, w) = (absolute(net.weight(chain.writer)), absolute(net.weight(chain.reader)));
        let bias = |node| net.layer(node).bias().map(absolute);
        let (units, d) = (w.len(), net.weight(chain.writer).cols());
        // Per input, the constant one of the bias last: what an entry of 1 adds to the output, and to all units together.
        let first = bias(chain.writer).unwrap_or_else(|| vec![0.0; units]);
        let (v, first) = (&v, &first);
        let column = |j: usize| (0..units).map(move |k| if j < d { v[k * d + j] } else { first[k] });
        let reach: Vec<f64> = (0..=d).map(|j| column(j).zip(&w).map(|(v, w)| v * w).sum()).collect();
        let hidden: Vec<f64> = (0..=d).map(|j| column(j).sum()).collect();
        let (last, read) = (bias(chain.reader).map_or(0.0, |b| b[0]), w.iter().sum::<f64>());
        let (rtol, atol) = tolerance.unwrap_or((0.0, 0.0));
        let (mut largest, mut moved) = (0.0, 0.0);
        let mut x = Tensor::zeros([1, d], DType::F64);
        for i in 0..data.len() {
            data.gather(&[i], &mut x);
            let mut x = absolute(&x);
            x.push(1.0);
            let sum = |of: &[f64]| of.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>();
            let (through, inputs) = (sum(&reach), x.iter().sum::<f64>());
            largest = f64::max(largest, through + last);
            let entries = read * inputs + sum(&hidden) + 1.0;
            moved = f64::max(moved, rtol * (2.0 * through + last) + atol * entries);
        }
        let roundoff = 0.5 * net.dtype().epsilon();
        let terms = (d + units + 8) as f64;
        Precision {
            once: terms * roundoff * largest + if tolerance.is_some() { moved } else { 0.0 },
            per_step: if tolerance.is_some() { 0.0 } else { 4.0 * roundoff * largest },
            relative: 16.0 * roundoff * terms.sqrt(),
        }
    }

    /// The larger of both, entry by entry.
    pub fn or(self, other: Precision) -> Precision {
        Precision {
            once: self.once.max(other.once),
            per_step: self.per_step.max(other.per_step),
            relative: self.relative.max(other.relative),
        }
    }

    /// What a loss may stand above the bound e^{−alpha t} L(0) (`squared`), or above that of the logistic loss, after `steps` steps in time `t`.
    pub(super) fn floor(&self, squared: bool, alpha: f64, steps: u64, t: f64) -> Floor {
        let steps = steps as f64;
        if !squared {
            return Floor { relative: (self.once + self.per_step * steps).exp_m1().max(1e-9), ..Floor::NONE };
        }
        let damped = -(-0.5 * alpha * t / steps.max(1.0)).exp_m1();
        let kept = if damped > 0.0 { steps.min(1.0 / damped) } else { steps };
        Floor {
            relative: (self.relative * (1.0 + alpha * t)).max(1e-9),
            root: (self.once + self.per_step * kept) / std::f64::consts::SQRT_2,
            absolute: 0.0,
        }
    }
}
