//! How many directions the error signals of a batch have. The error of layer l at its pre-activation is read as a matrix of examples x features
//! (for images all channels and positions); with its singular values s_i,
//!
//! ```text
//! effective_rank      exp(−Σ p_i ln p_i), p_i = s_i / Σ s          Roy & Vetterli, EUSIPCO 2007
//! participation_ratio (Σ s_i²)² / Σ s_i⁴
//! ```
//!
//! Both are 1 for errors along one line, n for n orthogonal errors of one length, and between otherwise; the second leaves out more of what is small.
//! Mean-centring is not done. Examples without any error change neither; they are counted (`zero_vectors`), and where there is no error at all there is no
//! rank. Errors that are not finite give what is not a number. Costs a singular value decomposition per layer: not for every step.

use super::{Probe, Rows, View};
use crate::network::{Errors, Network};
use crate::registry::{self, Allowed, Entry, Opt};
use realign_tensor::{DType, Tensor, linalg};
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "effective_rank",
    summary: "Effective rank and participation ratio of the error signals over the batch, per layer.",
    formula: "exp(−Σ pᵢ ln pᵢ), pᵢ = sᵢ/Σs; (Σs²)²/Σs⁴; s the singular values of δ_l, examples × features",
    citation: "@inproceedings{roy2007, author={Roy, Olivier and Vetterli, Martin}, title={The effective rank: A measure of effective dimensionality}, booktitle={EUSIPCO}, year={2007}}",
    options: &[Opt {
        name: "reference",
        default: "false",
        meaning: "also those of backpropagation's errors on the same weights and batch",
        allowed: Allowed::Flag,
    }],
    build: |t| Ok(Box::new(registry::parse::<EffectiveRank>(t)?)),
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EffectiveRank {
    reference: bool,
}

/// Names of the rows: effective rank, participation ratio, examples without an error.
type Names = [&'static str; 3];
const RULE: Names = ["effective_rank", "participation_ratio", "zero_vectors"];
const BP: Names = ["bp_effective_rank", "bp_participation_ratio", "bp_zero_vectors"];

impl Probe for EffectiveRank {
    fn name(&self) -> &'static str {
        "effective_rank"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        rows(view.net, view.errors, RULE, out);
        if self.reference {
            let reference = view.reference.errors(view.net, view.trace, view.errors, view.par);
            rows(view.net, reference, BP, out);
        }
    }
}

fn rows(net: &Network, errors: &Errors, [rank, participation, zero]: Names, out: &mut Rows) {
    for (i, &node) in net.weighted().iter().enumerate() {
        let Some(delta) = errors.delta(net, node) else { continue };
        let (found, zeros) = ranks(delta);
        if let Some([r, p]) = found {
            out.layer(rank, i, r);
            out.layer(participation, i, p);
        }
        if zeros > 0 {
            out.layer(zero, i, zeros as f64);
        }
    }
}

/// Effective rank and participation ratio (`None` without any error), and the number of zero rows.
fn ranks(delta: &Tensor) -> (Option<[f64; 2]>, usize) {
    let (cols, values) = (delta.cols(), delta.to_f64_vec());
    let alive: Vec<&[f64]> = values.chunks(cols).filter(|row| row.iter().any(|v| *v != 0.0)).collect();
    let zeros = delta.rows() - alive.len();
    if alive.is_empty() {
        return (None, zeros);
    }
    let largest = alive.iter().flat_map(|row| row.iter()).fold(0.0, |a: f64, v| a.max(v.abs()));
    if !values.iter().all(|v| v.is_finite()) {
        return (Some([f64::NAN; 2]), zeros);
    }
    // Errors of a trained net are tiny and s⁴ is tinier: the scale drops out of both.
    let scaled: Vec<f64> = alive.concat().iter().map(|v| v / largest).collect();
    let s = linalg::singular_values(&Tensor::from_f64([alive.len(), cols], &scaled, DType::F64));
    let sum: f64 = s.iter().sum();
    let entropy: f64 = s.iter().map(|s| s / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    let squares: f64 = s.iter().map(|s| s * s).sum();
    let fourths: f64 = s.iter().map(|s| s.powi(4)).sum();
    (Some([entropy.exp(), squares * squares / fourths]), zeros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_tensor::Rng;

    fn of(rows: usize, cols: usize, values: &[f64]) -> (Option<[f64; 2]>, usize) {
        ranks(&Tensor::from_f64([rows, cols], values, DType::F64))
    }

    /// Orthogonal rows have their lengths for singular values: closed forms, to rounding of the decomposition.
    #[test]
    fn closed_forms() {
        let near = |got: Option<[f64; 2]>, want: [f64; 2]| {
            let got = got.unwrap();
            assert!((got[0] - want[0]).abs() < 1e-12 && (got[1] - want[1]).abs() < 1e-12, "{got:?} {want:?}");
        };
        // One line, n equal directions (whatever the scale), lengths 3 and 4.
        near(of(3, 2, &[1.0, 2.0, -2.0, -4.0, 0.5, 1.0]).0, [1.0, 1.0]);
        near(of(2, 3, &[1e-200, 0.0, 0.0, 0.0, 0.0, 1e-200]).0, [2.0, 2.0]);
        let (a, b) = (3.0f64 / 7.0, 4.0f64 / 7.0);
        let entropy = -a * a.ln() - b * b.ln();
        near(of(2, 2, &[3.0, 0.0, 0.0, -4.0]).0, [entropy.exp(), 625.0 / (81.0 + 256.0)]);
    }

    /// Zero rows change no bit of the rank; errors that are all zero have none.
    #[test]
    fn zero_vectors_are_counted() {
        let (some, zeros) = of(4, 2, &[0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
        assert_eq!((some, zeros), (of(2, 2, &[3.0, 0.0, 0.0, 4.0]).0, 2));
        assert_eq!(of(3, 2, &[0.0; 6]), (None, 3));
        assert!(of(1, 2, &[f64::NAN, 1.0]).0.unwrap()[0].is_nan());
    }

    /// The participation ratio by traces of the Gram matrix, without any decomposition: tr(K)² / tr(K²).
    #[test]
    fn participation_is_a_ratio_of_traces() {
        for (n, d) in [(5, 9), (9, 5)] {
            let x = Rng::new(3).normal_tensor([n, d], 1.0, DType::F64).to_f64_vec();
            let k = |i: usize, j: usize| (0..d).map(|c| x[i * d + c] * x[j * d + c]).sum::<f64>();
            let trace: f64 = (0..n).map(|i| k(i, i)).sum();
            let square: f64 = (0..n * n).map(|ij| k(ij / n, ij % n).powi(2)).sum();
            let got = of(n, d, &x).0.unwrap();
            assert!((got[1] - trace * trace / square).abs() < 1e-11, "{got:?}");
            assert!(got[0] >= got[1] && got[0] <= n.min(d) as f64, "{got:?}");
        }
    }
}
