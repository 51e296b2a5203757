/*!
Is a hidden unit aligned, and does the conservation law keep it so?

Unit k of a layer pair is written by row W_l[k,:] (and b_l[k]) and read by column W_{l+1}[:,k]; the rule carries the error back through M.
It is misaligned when `<W_{l+1}[:,k], M[:,k]> < 0` ([`Alignment::misaligned`]). Every potential here is convex, so that `<W, M> >= Phi(W) − Phi(0)`, and the law
`Phi_k − ½N_k = P_k`, `N_k = ‖W_l[k,:]‖² + b_l[k]²`, gives `<W_{l+1}[:,k], M[:,k]> >= P_k − Phi_k(0) + ½N_k`. The aligned condition

`budget_k = Phi_k(W) − Phi_k(0) >= ½N_k`

at the start therefore keeps `<W, M> >= ½N_k >= 0` for ever under the rule's flow ([`Alignment::guarded`]). Equality belongs
to it, also with W[:,k] = 0 and N_k = 0: from there on `<W, M> >= ½N_k` all the same. It reads `w_k b_k >= ½N_k` for FA, `c|w_k| > ½N_k` for sign-FA
(strictly: then no sign flips; with equality w_k and N_k can reach 0 together, where sign(0) = 0 holds them or either sign may follow),
`‖B‖² − κN >= ‖B − κW‖²` for adaFA/Kolen-Pollack, `‖w_k‖² >= N_k` for backpropagation; docs/theory.md section 4.
It says nothing about rules whose feedback moves by itself (tracking), nor about units with several writers or readers.
*/

use super::Rule;
use crate::init::Feedback;
use crate::network::{Network, NodeId};
use crate::streams::{Columns, streams};
use realign_tensor::{Tensor, ops};

/// A layer and the one that reads it: the only writer and the only reader of their units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Position of the writer among the weighted layers.
    pub layer: usize,
    /// The layer whose rows write the units.
    pub writer: NodeId,
    /// The layer whose columns read them.
    pub reader: NodeId,
    /// Whether everything between them is homogeneous, so that there is a law.
    pub homogeneous: bool,
}

/// All pairs of layers without a fork or join between them, bottom to top.
pub fn chains(net: &Network) -> Vec<Chain> {
    let pair = |s: crate::streams::Stream| match (&s.writers[..], &s.readers[..]) {
        ([w], [r]) if w.units == s.units && r.units == s.units => {
            Some(Chain { layer: w.layer, writer: w.node, reader: r.node, homogeneous: s.homogeneous })
        }
        _ => None,
    };
    streams(net).into_iter().filter_map(pair).collect()
}

/// What decides about the units of one pair of layers; every vector has one entry per unit.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// `<W_{l+1}[:,k], M[:,k]>`.
    pub inner: Vec<f64>,
    /// `‖W_{l+1}[:,k]‖²`.
    pub reader_sq: Vec<f64>,
    /// `‖M[:,k]‖²`.
    pub carry_sq: Vec<f64>,
    /// `Phi_k(W) − Phi_k(0)`.
    pub budget: Vec<f64>,
    /// `N_k = ‖W_l[k,:]‖² + b_l[k]²`.
    pub writer_sq: Vec<f64>,
    /// Whether equality is not enough, because M jumps where a weight is zero.
    strict: bool,
}

impl Alignment {
    /// Number of units.
    pub fn units(&self) -> usize {
        self.inner.len()
    }

    /// `budget_k − ½N_k`: at least 0 where the law keeps the unit aligned.
    pub fn slack(&self, k: usize) -> f64 {
        self.budget[k] - 0.5 * self.writer_sq[k]
    }

    /// Whether the law keeps <W, M> of the unit from becoming negative: an error is carried to it (M[:,k] is not zero), and the aligned condition holds.
    pub fn guarded(&self, k: usize) -> bool {
        let slack = self.slack(k);
        self.carry_sq[k] > 0.0 && if self.strict { slack > 0.0 } else { slack >= 0.0 }
    }

    /// Whether the unit's part of the error goes uphill: <W, M> < 0.
    pub fn misaligned(&self, k: usize) -> bool {
        self.inner[k] < 0.0
    }

    /// How many units the law guards.
    pub fn guarded_units(&self) -> usize {
        (0..self.units()).filter(|k| self.guarded(*k)).count()
    }

    /// cos(W_{l+1}[:,k], M[:,k]); `None` if one of them is zero.
    pub fn cosine(&self, k: usize) -> Option<f64> {
        let norms = (self.reader_sq[k] * self.carry_sq[k]).sqrt();
        (norms > 0.0 && norms.is_finite()).then(|| (self.inner[k] / norms).clamp(-1.0, 1.0))
    }
}

/// Looks at the units of one pair; `None` if the rule has no potential there.
pub fn alignment(net: &Network, rule: &dyn Rule, b: &Feedback, chain: Chain) -> Option<Alignment> {
    let potential = rule.potential(net, chain.reader)?;
    let w = net.weight(chain.reader).to_f64_vec();
    let b = b.at(chain.reader).map_or_else(|| w.clone(), Tensor::to_f64_vec);
    let (mut full, mut empty, mut m) = (vec![0.0; w.len()], vec![0.0; w.len()], vec![0.0; w.len()]);
    potential.phi(&w, &b, &w, &mut full);
    potential.phi(&w, &b, &vec![0.0; w.len()], &mut empty);
    potential.carry(&w, &b, &mut m);
    let units = net.weight(chain.writer).rows();
    let columns = Columns::of(net.weight(chain.reader).shape(), units);
    let [mut inner, mut reader_sq, mut carry_sq, mut budget] = [0; 4].map(|_| vec![0.0; units]);
    for i in 0..w.len() {
        let k = columns.unit(i);
        inner[k] += w[i] * m[i];
        reader_sq[k] += w[i] * w[i];
        carry_sq[k] += m[i] * m[i];
        budget[k] += full[i] - empty[i];
    }
    Some(Alignment {
        inner,
        reader_sq,
        carry_sq,
        budget,
        writer_sq: writer_sq(net, chain.writer),
        strict: rule.sign_scale(net, chain.reader).is_some(),
    })
}

/// `‖W[k,:]‖² + b[k]²` of every row.
pub fn writer_sq(net: &Network, node: NodeId) -> Vec<f64> {
    let w = net.weight(node);
    let mut out = vec![0.0; w.rows()];
    ops::dot_rows(w, w, &mut out);
    if let Some(b) = net.layer(node).bias() {
        out.iter_mut().enumerate().for_each(|(k, v)| *v += b.at(k).powi(2));
    }
    out
}
