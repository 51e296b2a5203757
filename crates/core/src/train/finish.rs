//! The figures of a run when it has ended.

use super::Trainer;
use crate::probes::{angle, angle_between};

/// Figures of a finished (or stopped, or diverged) run; `None` where the data or the rule have no such thing.
#[derive(Clone, Debug, Default)]
pub struct Final {
    /// Mean loss over the train split.
    pub train_loss: Option<f64>,
    /// Share of the train split classified correctly.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the validation split.
    pub val_loss: Option<f64>,
    /// Share of the validation split classified correctly.
    pub val_accuracy: Option<f64>,
    /// Mean loss over the test split.
    pub test_loss: Option<f64>,
    /// Share of the test split classified correctly.
    pub test_accuracy: Option<f64>,
    /// Angle of W and B in degrees per weighted layer.
    pub weight_angle: Vec<Option<f64>>,
    /// Angle of the update direction to the gradient in degrees per weighted layer, on the next batch.
    pub update_angle: Vec<Option<f64>>,
}

impl Trainer {
    /// Scores every split and measures the angles once more.
    pub fn evaluate_final(&mut self) -> Final {
        let mut out = Final::default();
        let mut score = |split| {
            let score = self.evaluator.split(split, &self.net, &self.data, self.loss.as_ref(), self.par);
            (score.map(|s| s.loss), score.and_then(|s| s.accuracy))
        };
        (out.train_loss, out.train_accuracy) = score("train");
        (out.val_loss, out.val_accuracy) = score("validation");
        (out.test_loss, out.test_accuracy) = score("test");
        self.look_at_batch();
        self.compute_grads();
        let Trainer { net, trace, errors, grads, reference, par, .. } = self;
        for &node in net.weighted() {
            out.weight_angle.push(self.feedback.at(node).and_then(|b| angle_between(net.weight(node), b)));
            let sums = reference.beside(net, trace, errors, grads, node, &mut [], *par);
            out.update_angle.push(sums.and_then(angle));
        }
        out
    }
}
