/*!
Flips of signs as events of a flow: while the error is carried by `M = c sign(W)`, the field jumps where a weight crosses zero.

The integrator sees a smooth field instead: M is held as it is, a step that takes a weight through zero is cut there, and M follows. What is on the
way lies in one long vector ([`super::flow`]), weights and M as two ranges of equal length.
*/

use crate::ConfigError;
use crate::init::Feedback;
use crate::network::{Network, NodeId};
use crate::rules::Rule;
use std::ops::Range;

/// Refuses a rule whose feedback weights are not what its [`Rule::sign_scale`] says: the flow would integrate another rule.
///
/// # Errors
/// At `rule.name`, with the layer and the entry.
pub(super) fn check(net: &Network, rule: &dyn Rule, feedback: &Feedback) -> Result<(), ConfigError> {
    let carrying: Vec<(usize, NodeId)> =
        net.weighted().iter().copied().enumerate().filter(|(_, node)| net.carries(*node)).collect();
    let signed = carrying.iter().filter(|(_, node)| rule.sign_scale(net, *node).is_some()).count();
    let fail = |what: String| {
        let message = format!(
            "\"{}\" cannot be integrated as a flow: {what}; use optimizer.name = \"sgd\"",
            rule.name()
        );
        Err(ConfigError::new("rule.name", message))
    };
    if signed > 0 && signed < carrying.len() {
        return fail(format!(
            "{signed} of {} layers carry the error by c sign(W), the others do not",
            carrying.len()
        ));
    }
    for (layer, node) in carrying {
        let Some(c) = rule.sign_scale(net, node) else { continue };
        if !(c.is_finite() && c >= 0.0) {
            return fail(format!("c of layer {layer} is {c}, not a number of at least 0"));
        }
        let Some(m) = feedback.at(node).filter(|m| m.numel() == net.weight(node).numel()) else {
            return fail(format!(
                "layer {layer} carries the error by c sign(W) but keeps no M in the shape of W"
            ));
        };
        let w = net.weight(node);
        let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
        if let Some(i) = (0..w.numel()).find(|&i| m.at(i) != c * sign(w.at(i))) {
            return fail(format!(
                "entry {i} of M in layer {layer} is {:e}, not c sign(W) = {:e}; c must be one constant per layer",
                m.at(i),
                c * sign(w.at(i))
            ));
        }
    }
    Ok(())
}

/// One weight and the matrix of its signs in the vector of all that moves.
pub(super) struct Pair {
    /// W.
    pub(super) w: Range<usize>,
    /// M, as long.
    pub(super) m: Range<usize>,
    /// c.
    pub(super) c: f64,
}

/// A weight that goes through zero within a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flip {
    /// Where the weight is.
    pub(super) w: usize,
    /// Where its M is.
    pub(super) m: usize,
    /// M after it.
    pub(super) to: f64,
    /// The part of the step before it, as if the weight moved evenly.
    pub(super) at: f64,
}

/// All weights whose signs matter.
#[derive(Default)]
pub(super) struct Signs(pub(super) Vec<Pair>);

impl Signs {
    /// How many weights there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|p| p.w.len()).sum()
    }

    /// The first flip between two states, by linear interpolation.
    pub(super) fn first(&self, before: &[f64], after: &[f64]) -> Option<Flip> {
        let mut first: Option<Flip> = None;
        for pair in &self.0 {
            for (w, m) in pair.w.clone().zip(pair.m.clone()) {
                let Some(at) = crossing(before[w], after[w], before[m]) else { continue };
                if first.is_none_or(|f| at < f.at) {
                    first = Some(Flip { w, m, to: pair.c.copysign(after[w]), at });
                }
            }
        }
        first
    }
}

/// Where between 0 and 1 a weight that goes from `from` to `to` leaves the side that `m` is for.
fn crossing(from: f64, to: f64, m: f64) -> Option<f64> {
    if to == 0.0 || to * m > 0.0 {
        return None;
    }
    if from * m > 0.0 {
        return Some(from / (from - to));
    }
    // M has flipped and the weight is a rounding short of zero: wait, unless it turns back. A weight that starts at zero has no M yet.
    (m == 0.0 || to.abs() > from.abs()).then_some(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_crossing_is_found() {
        let signs = Signs(vec![Pair { w: 0..4, m: 4..8, c: 0.5 }]);
        let m = [0.5, -0.5, 0.5, 0.0];
        let state = |w: [f64; 4]| [w, m].concat();
        let start = state([1.0, -1.0, 2.0, 0.0]);
        assert_eq!(signs.first(&start, &state([0.5, -0.1, 1.0, 0.0])), None);
        let flip = signs.first(&start, &state([-1.0, 0.25, -0.5, 0.0])).unwrap();
        assert_eq!(flip, Flip { w: 0, m: 4, to: -0.5, at: 0.5 });
        let leaves_zero = signs.first(&start, &state([1.0, -1.0, 2.0, 1e-9])).unwrap();
        assert_eq!((leaves_zero.w, leaves_zero.to, leaves_zero.at), (3, 0.5, 0.0));
        // Flipped a rounding early: nothing to do while it goes on, back if it turns.
        assert_eq!(crossing(1e-17, 1e-18, -0.5), None);
        assert_eq!(crossing(1e-17, -0.1, -0.5), None);
        assert_eq!(crossing(1e-17, 0.1, -0.5), Some(0.0));
    }
}
