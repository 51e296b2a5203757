//! Potentials: Phi(W) = sum over entries of `phi`, with `M = grad Phi` the matrix that carries the error through W.
//!
//! If the error is carried by the gradient of a potential, every hidden unit k has a conserved quantity under the rule's flow,
//! `P_k = Phi_k(W_{l+1}) − ½(‖W_l[k,:]‖² + b_l[k]²)`, Phi_k being the part of column k; and a ledger that explains every change of it in
//! real training (`realign_theory::ledger`). A rule states phi and M next to its formula; rules without a potential state none.
//! Robertson & Koyejo, ICML 2024; Du et al. 2018 for backpropagation. Only potentials that are sums over entries are covered.

use realign_tensor::ops;

/// The potential of the weight at one node, entry by entry.
///
/// All slices belong to the same run of entries: `w` and `b` are weight and feedback weight when the error was carried
/// (where the rule keeps no feedback weights, `b` is `w`), and `x` is the weight at which the potential is asked for. The potential
/// is the one in force at (w, b): where B follows W, `x` moves B along in thought.
pub trait Potential: Send + Sync {
    /// The potential in words of the field, e.g. `<W, B>`.
    fn formula(&self) -> &'static str;

    /// `out[i] = phi(x[i])` as seen from the state (w, b).
    fn phi(&self, w: &[f64], b: &[f64], x: &[f64], out: &mut [f64]);

    /// `out[i] = M[i]`, the gradient of the potential at w.
    fn carry(&self, w: &[f64], b: &[f64], out: &mut [f64]);
}

struct Entrywise<P, M> {
    formula: &'static str,
    phi: P,
    carry: M,
}

/// A potential from phi(w, b, x) and M(w, b) of one entry.
pub fn entrywise<P, M>(formula: &'static str, phi: P, carry: M) -> Option<Box<dyn Potential>>
where
    P: Fn(f64, f64, f64) -> f64 + Send + Sync + 'static,
    M: Fn(f64, f64) -> f64 + Send + Sync + 'static,
{
    Some(Box::new(Entrywise { formula, phi, carry }))
}

impl<P, M> Potential for Entrywise<P, M>
where
    P: Fn(f64, f64, f64) -> f64 + Send + Sync,
    M: Fn(f64, f64) -> f64 + Send + Sync,
{
    fn formula(&self) -> &'static str {
        self.formula
    }

    fn phi(&self, w: &[f64], b: &[f64], x: &[f64], out: &mut [f64]) {
        let n = out.len();
        let (w, b, x) = (&w[..n], &b[..n], &x[..n]);
        ops::vectorize(
            #[inline(always)]
            || (0..n).for_each(|i| out[i] = (self.phi)(w[i], b[i], x[i])),
        );
    }

    fn carry(&self, w: &[f64], b: &[f64], out: &mut [f64]) {
        let n = out.len();
        let (w, b) = (&w[..n], &b[..n]);
        ops::vectorize(
            #[inline(always)]
            || (0..n).for_each(|i| out[i] = (self.carry)(w[i], b[i])),
        );
    }
}
