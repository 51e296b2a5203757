//! The norm balance of a rule with a potential: `P_k = Phi_k(W_{l+1}) - ½(‖W_l[k,:]‖² + b_l[k]²)` per hidden unit k.
//!
//! In a residual stream both sides are sums over all readers and all writers. The account of one plain step is exact:
//! `D_Phi(W', W)_k - ½‖dW_l[k,:]‖² - ½ db²`, D_Phi the Bregman divergence of the rule's potential.

use super::{Info, Jumps, Law, Setting, Sides, State, WhyNot, refuse};
use realign::network::Network;
use realign::rules::{Plasticity, Potential, Rule};
use realign::streams::Stream;

/// The balance of one rule.
pub(super) struct Balance {
    pub(super) rule: &'static str,
    pub(super) info: &'static Info,
    /// Whether the potential has kinks where a weight is zero.
    pub(super) kinks: bool,
}

impl Law for Balance {
    fn info(&self) -> &'static Info {
        self.info
    }

    fn applies(&self, s: &Setting) -> Result<(), WhyNot> {
        s.rule_is(self.rule)?;
        s.balanced()?;
        s.equal_rates()?;
        s.no_momentum()?;
        s.no_decay()?;
        match s.plasticity {
            Plasticity::Follows { decay, .. } if decay > 0.0 => {
                refuse(format!("rule.decay {decay}: B moves by itself (law contraction)"))
            }
            Plasticity::Other => refuse("B moves by itself"),
            _ => Ok(()),
        }
    }

    fn sides(&self, s: &Setting, state: &State) -> Vec<Sides> {
        sides(s, state)
    }

    fn account(&self, s: &Setting, before: &State, after: &State) -> Vec<Vec<f64>> {
        let (readers, writers) = (divergences(s, before, after), moves(s, before, after, 0.0));
        readers.into_iter().zip(writers).map(|(r, w)| r.iter().zip(w).map(|(r, w)| r - w).collect()).collect()
    }

    fn jumps(&self, s: &Setting, before: &State, after: &State) -> Vec<Jumps> {
        let at = |layer: usize| {
            let flipped = |i: &usize| before.layers[layer].weight[*i] * after.layers[layer].weight[*i] < 0.0;
            let gaps = gaps(s, layer, before, after);
            let sizes = (0..gaps.len()).filter(flipped).map(|i| gaps[i]);
            sizes.fold(Jumps::default(), |j, x| Jumps { count: j.count + 1, squares: j.squares + x * x })
        };
        let of_stream = |stream: &Stream| {
            let mut sum = Jumps::default();
            stream.readers.iter().for_each(|m| sum.add(at(m.layer)));
            sum
        };
        if self.kinks { s.streams.iter().map(of_stream).collect() } else { Vec::new() }
    }
}

/// Phi per unit and half the squared norm of what writes it, stream by stream.
pub(super) fn sides(s: &Setting, state: &State) -> Vec<Sides> {
    s.streams.iter().map(|stream| of_stream(stream, &s.potentials, state)).collect()
}

/// The potential of every weighted layer, as far as the rule has one and the layer carries an error.
pub(crate) fn potentials(net: &Network, rule: &dyn Rule) -> Vec<Option<Box<dyn Potential>>> {
    let potential = |&node| if net.carries(node) { rule.potential(net, node) } else { None };
    net.weighted().iter().map(potential).collect()
}

/// Phi per unit and half the squared norm of what writes it; `potentials` and `state` by weighted layer.
pub(crate) fn of_stream(stream: &Stream, potentials: &[Option<Box<dyn Potential>>], state: &State) -> Sides {
    let half_square = |v: &[f64]| v.iter().map(|x| 0.5 * x * x).collect::<Vec<f64>>();
    let (mut plus, mut minus) = (vec![0.0; stream.units], vec![0.0; stream.units]);
    for m in &stream.readers {
        let layer = &state.layers[m.layer];
        let phi = potential(&potentials[m.layer], &layer.weight, layer.feedback.as_deref(), &layer.weight);
        layer.add_columns(&mut plus[m.first..m.first + m.units], &phi);
    }
    for m in &stream.writers {
        let layer = &state.layers[m.layer];
        let (w, b) = (half_square(&layer.weight), half_square(&layer.bias));
        layer.add_rows(&mut minus[m.first..m.first + m.units], &w, &b);
    }
    Sides { layer: stream.writers.first().map_or(0, |m| m.layer), plus, minus }
}

/// phi of every entry at `x`, seen from (w, b).
fn potential(p: &Option<Box<dyn Potential>>, w: &[f64], b: Option<&[f64]>, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; w.len()];
    if let Some(p) = p {
        p.phi(w, b.unwrap_or(w), x, &mut out);
    }
    out
}

/// Bregman divergence of the potential of `layer` over one step, entry by entry.
fn gaps(s: &Setting, layer: usize, before: &State, after: &State) -> Vec<f64> {
    let (old, new) = (&before.layers[layer], &after.layers[layer]);
    let (w, b) = (&old.weight, old.feedback.as_deref());
    let p = &s.potentials[layer];
    let (there, here) = (potential(p, w, b, &new.weight), potential(p, w, b, w));
    let mut carry = vec![0.0; w.len()];
    if let Some(p) = p {
        p.carry(w, b.unwrap_or(w), &mut carry);
    }
    (0..w.len()).map(|i| there[i] - here[i] - carry[i] * (new.weight[i] - w[i])).collect()
}

/// Bregman divergence of the potential over one step, per unit and stream.
fn divergences(s: &Setting, before: &State, after: &State) -> Vec<Vec<f64>> {
    let of_stream = |stream: &Stream| {
        let mut out = vec![0.0; stream.units];
        for m in &stream.readers {
            let gap = gaps(s, m.layer, before, after);
            before.layers[m.layer].add_columns(&mut out[m.first..m.first + m.units], &gap);
        }
        out
    };
    s.streams.iter().map(of_stream).collect()
}

/// ½‖dW + shrink W‖² of what writes each unit, biases with it: with shrink = eta lambda the step without its decay.
pub(super) fn moves(s: &Setting, before: &State, after: &State, shrink: f64) -> Vec<Vec<f64>> {
    let half_square = |old: &[f64], new: &[f64]| -> Vec<f64> {
        old.iter().zip(new).map(|(o, n)| 0.5 * (n - o + shrink * o).powi(2)).collect()
    };
    let of_stream = |stream: &Stream| {
        let mut out = vec![0.0; stream.units];
        for m in &stream.writers {
            let (old, new) = (&before.layers[m.layer], &after.layers[m.layer]);
            let (w, b) = (half_square(&old.weight, &new.weight), half_square(&old.bias, &new.bias));
            old.add_rows(&mut out[m.first..m.first + m.units], &w, &b);
        }
        out
    };
    s.streams.iter().map(of_stream).collect()
}
