//! Scores whole splits in batches, without noise layers.

use super::fill_target;
use crate::layer::Pass;
use crate::loss::{self, Loss, Scratch, Target};
use crate::network::{Network, Trace};
use realign_data::Dataset;
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

/// Buffers for scoring.
pub struct Evaluator {
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
        Evaluator { trace, indices: vec![], labels: vec![], values: vec![], scratch: Scratch::default() }
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
