//! Scores whole splits in batches, without noise layers. A split is scored once for the same weights: what asks for it again (the figures at the end of a
//! run after a probe at its last step) is told the same score.

use super::fill_target;
use crate::layer::Pass;
use crate::loss::{self, Loss, Scratch, Target};
use crate::network::{Network, Trace};
use realign_data::{Bundle, Dataset};
use realign_tensor::Par;

/// Most examples scored at once.
const BATCH: usize = 256;
/// Most entries of all buffers of a pass: 256 MiB in f32. Large images are scored in smaller batches.
const ENTRIES: usize = 1 << 26;

/// Mean loss and accuracies of a split.
#[derive(Clone, Copy, Debug)]
pub struct SplitScore {
    /// Mean loss.
    pub loss: f64,
    /// Share classified correctly; `None` for real targets.
    pub accuracy: Option<f64>,
    /// Share classified correctly against the clean labels, if they were given.
    pub clean_accuracy: Option<f64>,
}

/// Buffers for scoring, and the scores of the weights as they are.
pub struct Evaluator {
    known: Vec<(&'static str, SplitScore)>,
    trace: Trace,
    indices: Vec<usize>,
    labels: Vec<u32>,
    values: Vec<f64>,
    scratch: Scratch,
}

impl Evaluator {
    /// Buffers for `net`.
    pub fn new(net: &Network) -> Self {
        let trace = Trace::new(net, 1);
        let scratch = Scratch::default();
        Evaluator { known: vec![], trace, indices: vec![], labels: vec![], values: vec![], scratch }
    }

    /// Forgets all scores: must be called when parameters, or what layers keep beside them, have moved.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Scores `train` (with its clean labels, if there are any), `validation` or `test`, unless that was done since [`Evaluator::forget`]; `None` if there is
    /// no such split.
    pub fn split(
        &mut self,
        split: &'static str,
        net: &Network,
        data: &Bundle,
        loss: &dyn Loss,
        par: Par,
    ) -> Option<SplitScore> {
        if let Some((_, score)) = self.known.iter().find(|k| k.0 == split) {
            return Some(*score);
        }
        let (set, clean) = match split {
            "train" => (&data.train, data.clean_train_labels.as_deref()),
            "validation" => (data.validation.as_ref()?, None),
            _ => (data.test.as_ref()?, None),
        };
        let score = self.score(net, set, clean, loss, par);
        self.known.push((split, score));
        Some(score)
    }

    /// Scores `data`, and its accuracy on `clean` labels if given.
    pub fn score(
        &mut self,
        net: &Network,
        data: &Dataset,
        clean: Option<&[u32]>,
        loss: &dyn Loss,
        par: Par,
    ) -> SplitScore {
        let (mut total, mut correct, mut clean_correct) = (0.0, 0, 0);
        let batch = (ENTRIES / net.activations().max(1)).clamp(1, BATCH);
        for start in (0..data.len()).step_by(batch) {
            self.indices.clear();
            self.indices.extend(start..(start + batch).min(data.len()));
            data.gather(&self.indices, self.trace.input_mut(self.indices.len()));
            par.enter(|| net.forward(&mut self.trace, Pass { par, noise: None }));
            let target = fill_target(&data.targets, &self.indices, &mut self.labels, &mut self.values);
            let score = loss::evaluate(loss, self.trace.output(net), &target, None, &mut self.scratch);
            (total, correct) = (total + score.loss, correct + score.correct);
            if let Some(clean) = clean {
                let target = Target::Classes(&clean[start..start + self.indices.len()]);
                clean_correct +=
                    loss::evaluate(loss, self.trace.output(net), &target, None, &mut self.scratch).correct;
            }
        }
        let n = data.len().max(1) as f64;
        SplitScore {
            loss: total / n,
            accuracy: data.classes().map(|_| correct as f64 / n),
            clean_accuracy: clean.map(|_| clean_correct as f64 / n),
        }
    }
}
