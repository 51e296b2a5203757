/*!
Batch norm over every channel c: `h = gamma_c (z - mean_c) / sqrt(var_c + eps) + beta_c`. Ioffe & Szegedy, ICML 2015.

In training, mean and (biased) variance are those of the batch; [`Layer::absorb`] then moves the running statistics, as PyTorch does:
`running = 0.9 running + 0.1 batch`, with the unbiased variance. In evaluation the running statistics stand in for the
batch's. With xhat the normalised input and m entries per channel, the error at the input is

```text
dz = gamma / sqrt(var + eps) (delta - mean(delta) - xhat mean(delta xhat))      backward = "exact"
dz = gamma / sqrt(var + eps) delta                                              "frozen_stats", and in evaluation
```

the second taking the statistics for constants. gamma and beta are trained, but they carry no error that a rule could replace: every rule
sends its error through this layer in this way. The output does not change with the scale of the input but for eps. With "exact", from
sum dz = 0, z - mean = xhat sqrt(var + eps) and mean(xhat²) = var / (var + eps),

```text
sum dz z = gamma sum(delta xhat) eps / (var + eps)           [`Layer::balance`], with gamma = 1 where there is none
```

which is <G[c,:], W[c,:]> + g_b b of the weight below; and gamma G_gamma + beta G_beta = sum delta h = <G, M> of the reader above. `aux` holds, in
f64 and per channel, mean, 1 / sqrt(var + eps), and in training var.
*/

use super::{Description, Layer, Pass, Seen};
use crate::registry::{Allowed, Opt};
use realign_tensor::ops::{self, Accum};
use realign_tensor::{DType, Par, Shape, SliceMut, Tensor};
use serde::Deserialize;
use std::ops::Range;

pub(super) const DESCRIPTION: Description = Description {
    name: "batch_norm",
    summary: "Normalises every channel over the batch, then scales and shifts it.",
    formula: "h = γ (z − mean) / √(var + ε) + β, ε = 1e-5",
    options: &[
        Opt {
            name: "affine", default: "true", meaning: "whether γ and β are there", allowed: Allowed::Flag
        },
        Opt {
            name: "backward",
            default: "\"exact\"",
            meaning: "\"frozen_stats\": the statistics are constants to the error",
            allowed: BACKWARD,
        },
    ],
};

/// How the error passes, as written in a spec.
pub(crate) const BACKWARD: Allowed = Allowed::Word(&["exact", "frozen_stats"]);

/// Added to the variance.
pub const EPS: f64 = 1e-5;
/// Share of the batch's statistics in the new running statistics.
pub const MOMENTUM: f64 = 0.1;

/// How the error passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backward {
    /// Through the statistics as well.
    #[default]
    Exact,
    /// Taking the statistics for constants.
    FrozenStats,
}

/// See the module's formula.
pub struct BatchNorm {
    affine: Option<(Tensor, Tensor)>,
    running_mean: Tensor,
    running_var: Tensor,
    backward: Backward,
}

impl BatchNorm {
    /// gamma = 1, beta = 0, running mean 0 and variance 1 for so many channels.
    pub fn new(channels: usize, affine: bool, backward: Backward, dtype: DType) -> Self {
        let full = |v: f64| Tensor::from_f64([channels], &vec![v; channels], dtype);
        BatchNorm {
            affine: affine.then(|| (full(1.0), full(0.0))),
            running_mean: full(0.0),
            running_var: full(1.0),
            backward,
        }
    }

    fn channels(&self) -> usize {
        self.running_mean.numel()
    }

    /// Whether the error passes through the statistics: never through running ones.
    fn exact(&self, stats: &Stats<'_>) -> bool {
        stats.variance.is_some() && self.backward == Backward::Exact
    }

    /// Calls `f` with the sums of delta and of delta (x - mean) per channel, read anew if this pass has not left them.
    fn with_sums<R>(
        &self,
        seen: Seen<'_>,
        delta: &Tensor,
        par: Par,
        f: impl FnOnce(&[f64], &[f64]) -> R,
    ) -> R {
        let c = self.channels();
        if !seen.sums.is_empty() {
            let (plain, along) = seen.sums.split_at(c);
            return f(plain, along);
        }
        ops::with_scratch::<f64, _>(2 * c, |sums| {
            let (plain, along) = sums.split_at_mut(c);
            ops::channel_sums_and_dots(delta, seen.x, Stats::of(seen.aux).mean, plain, along, par);
            f(plain, along)
        })
    }

    fn gamma(&self, c: usize) -> f64 {
        self.affine.as_ref().map_or(1.0, |(gamma, _)| gamma.at(c))
    }
}

/// Rows of `aux`.
struct Stats<'a> {
    mean: &'a [f64],
    inverse: &'a [f64],
    variance: Option<&'a [f64]>,
}

impl<'a> Stats<'a> {
    fn of(aux: &'a Tensor) -> Self {
        let (mean, rest) = aux.as_slice::<f64>().split_at(aux.cols());
        let (inverse, variance) = rest.split_at(aux.cols());
        Stats { mean, inverse, variance: (!variance.is_empty()).then_some(variance) }
    }
}

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        match input.dims().first() {
            Some(&c) if c == self.channels() => Ok(input),
            _ => Err(format!("batch norm reads {} channels, got {input}", self.channels())),
        }
    }

    fn forward(&self, x: &Tensor, y: &mut Tensor, aux: &mut Tensor, pass: Pass<'_>) {
        let c = self.channels();
        super::fit(aux, Shape::new(&[if pass.training() { 3 } else { 2 }, c]), DType::F64);
        let (mean, rest) = aux.as_mut_slice::<f64>().split_at_mut(c);
        let (inverse, variance) = rest.split_at_mut(c);
        if pass.training() {
            ops::channel_moments(x, mean, variance, pass.par);
            inverse.iter_mut().zip(variance).for_each(|(i, v)| *i = 1.0 / (*v + EPS).sqrt());
        } else {
            for k in 0..c {
                mean[k] = self.running_mean.at(k);
                inverse[k] = 1.0 / (self.running_var.at(k) + EPS).sqrt();
            }
        }
        let beta = |k: usize| self.affine.as_ref().map_or(0.0, |(_, beta)| beta.at(k));
        let of = |k: usize| [mean[k], self.gamma(k) * inverse[k], beta(k)];
        ops::channel_map(y, x, c, of, pass.par);
    }

    fn sums(&self, seen: Seen<'_>, delta: &Tensor, out: &mut Vec<f64>, par: Par) {
        let stats = Stats::of(seen.aux);
        if self.affine.is_some() || self.exact(&stats) {
            out.resize(2 * self.channels(), 0.0);
            let (plain, along) = out.split_at_mut(self.channels());
            ops::channel_sums_and_dots(delta, seen.x, stats.mean, plain, along, par);
        }
    }

    fn error_back(
        &self,
        _: Option<&Tensor>,
        seen: Seen<'_>,
        delta: &Tensor,
        dx: &mut Tensor,
        accum: Accum,
        par: Par,
    ) {
        let (c, stats) = (self.channels(), Stats::of(seen.aux));
        let count = (seen.x.numel() / c) as f64;
        let scale = |k: usize| self.gamma(k) * stats.inverse[k];
        if !self.exact(&stats) {
            return ops::add_linear(
                dx,
                accum,
                (delta, seen.x),
                c,
                |k| [scale(k), 0.0, 0.0, stats.mean[k]],
                par,
            );
        }
        self.with_sums(seen, delta, par, |plain, along| {
            let of = |k: usize| {
                let inverse = stats.inverse[k];
                let t = along[k] * inverse * inverse / count;
                [scale(k), plain[k] / count, t, stats.mean[k]]
            };
            ops::add_linear(dx, accum, (delta, seen.x), c, of, par);
        });
    }

    fn weight_grad(&self, seen: Seen<'_>, delta: &Tensor, rows: Range<usize>, g: SliceMut<'_>, par: Par) {
        let stats = Stats::of(seen.aux);
        self.with_sums(seen, delta, par, |_, along| {
            let scaled = rows.map(|k| along[k] * stats.inverse[k]);
            match g {
                SliceMut::F32(g) => g.iter_mut().zip(scaled).for_each(|(g, v)| *g = v as f32),
                SliceMut::F64(g) => g.iter_mut().zip(scaled).for_each(|(g, v)| *g = v),
            }
        });
    }

    fn bias_grad(&self, seen: Seen<'_>, delta: &Tensor, g: &mut Tensor, par: Par) {
        self.with_sums(seen, delta, par, |plain, _| plain.iter().enumerate().for_each(|(k, &s)| g.set(k, s)));
    }

    fn weight(&self) -> Option<&Tensor> {
        self.affine.as_ref().map(|(gamma, _)| gamma)
    }

    fn bias(&self) -> Option<&Tensor> {
        self.affine.as_ref().map(|(_, beta)| beta)
    }

    fn params_mut(&mut self) -> (Option<&mut Tensor>, Option<&mut Tensor>) {
        self.affine.as_mut().map_or((None, None), |(gamma, beta)| (Some(gamma), Some(beta)))
    }

    fn carried(&self) -> bool {
        false
    }

    fn statistics(&self) -> Option<Backward> {
        Some(self.backward)
    }

    fn balance(&self, seen: Seen<'_>, delta: &Tensor, out: &mut Vec<f64>, par: Par) {
        let stats = Stats::of(seen.aux);
        out.clear();
        self.with_sums(seen, delta, par, |_, along| out.extend_from_slice(along));
        for (k, v) in out.iter_mut().enumerate() {
            *v *= self.gamma(k) * EPS * stats.inverse[k].powi(3);
        }
    }

    /// What is subtracted from delta and from the input can be larger than what is left, so both count with their own size: dz = γ/√(var + ε)
    /// (delta − s − t (x − mean)) below, (x − mean)/√(var + ε) above.
    fn gross(&self, seen: Seen<'_>, delta: &Tensor, below: &mut Vec<f64>, above: &mut Vec<f64>, par: Par) {
        let (c, stats) = (self.channels(), Stats::of(seen.aux));
        let count = (seen.x.numel() / c) as f64;
        // Numbers below the smallest normal one are rounded by as much as that one is.
        let least = (delta.dtype().smallest() / delta.dtype().epsilon()).powi(2).max(f64::MIN_POSITIVE);
        below.resize(c, 0.0);
        above.resize(c, 0.0);
        self.with_sums(seen, delta, par, |plain, along| {
            let of = |k: usize| {
                let (s, t) = (plain[k] / count, along[k] * stats.inverse[k].powi(2) / count);
                [stats.mean[k], s * s + least, t * t + least, stats.inverse[k].powi(2)]
            };
            ops::channel_gross(delta, seen.x, of, below, above, par);
        });
        below.iter_mut().enumerate().for_each(|(k, v)| *v *= (self.gamma(k) * stats.inverse[k]).powi(2));
    }

    fn absorb(&mut self, seen: Seen<'_>) {
        let stats = Stats::of(seen.aux);
        let Some(variance) = stats.variance else { return };
        let count = (seen.x.numel() / self.channels()) as f64;
        // One entry has no unbiased variance; PyTorch refuses, we keep the biased one.
        let unbiased = count / (count - 1.0).max(1.0);
        for k in 0..variance.len() {
            let blend = |old: f64, new: f64| (1.0 - MOMENTUM) * old + MOMENTUM * new;
            self.running_mean.set(k, blend(self.running_mean.at(k), stats.mean[k]));
            self.running_var.set(k, blend(self.running_var.at(k), unbiased * variance[k]));
        }
    }

    fn buffers(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("running_mean", &self.running_mean), ("running_var", &self.running_var)]
    }

    fn buffers_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        vec![("running_mean", &mut self.running_mean), ("running_var", &mut self.running_var)]
    }

    /// gamma and beta act linearly on what they write; without them nothing trained writes the units above.
    fn homogeneous(&self) -> bool {
        self.affine.is_some()
    }
}
