/*!
What chance decides about a training step, each from a branch of its own of the run's random tree (`docs/reproducing.md`): the order of the examples from
"batches" at the epoch, a new one for every epoch; changes of images from "augment" at the step; dropout from "noise" at the step.
*/

use super::{Plan, Trainer};
use crate::loss::Target;
use crate::network::Op;
use realign_data::{Targets, View};
use realign_tensor::Rng;

/// What chance has decided about one training step.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Steps made before this one.
    pub step: u64,
    /// Passes over the train split finished before this step.
    pub epoch: u64,
    /// Positions in the train split, in the order of the batch's rows.
    pub rows: Vec<usize>,
    /// How the image in each row is changed; `None` without augmentation.
    pub views: Option<Vec<View>>,
    /// Key of the random stream of every layer that draws (dropout), from the input up.
    pub noise: Vec<u64>,
    /// Learning rate of the step; `None` for a flow.
    pub lr: Option<f64>,
}

/// The branch that changes of images are drawn from at `step`.
pub(super) fn augment(root: &Rng, step: u64) -> Rng {
    root.child("augment").at(step)
}

/// The branch that layers draw from at `step`.
pub(super) fn noise(root: &Rng, step: u64) -> Rng {
    root.child("noise").at(step)
}

impl Trainer {
    /// What chance decides about the training step after `step` others, made or not; leaves the run where it is.
    pub fn drawn(&mut self, step: u64) -> Drawn {
        let n = self.data.train.len();
        let range = self.batch.select(step, &self.plan, n, &self.root);
        let rows = self.batch.order[range].to_vec();
        let noise = noise(&self.root, step);
        let key = |op: &Op| match op {
            Op::Pointwise(layer) => layer.draws(&noise).map(|rng| rng.key()),
            _ => None,
        };
        Drawn {
            step,
            epoch: step / self.steps_per_epoch(),
            views: self.data.views(rows.len(), &augment(&self.root, step)),
            noise: self.net.nodes().iter().filter_map(|node| key(&node.op)).collect(),
            lr: self.flow.is_none().then(|| self.updater.lr_at(step, self.total_steps())),
            rows,
        }
    }
}

/// The current batch and the order of the current epoch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) epoch: Option<u64>,
    pub(super) order: Vec<usize>,
    pub(super) labels: Vec<u32>,
    pub(super) values: Vec<f64>,
}

impl Batch {
    /// Which part of `order` is the batch of `step`; reshuffles at a new epoch.
    pub(super) fn select(&mut self, step: u64, plan: &Plan, n: usize, root: &Rng) -> std::ops::Range<usize> {
        let (per_epoch, size) = (plan.steps_per_epoch(n), plan.batch_size(n));
        let epoch = step / per_epoch;
        if self.epoch != Some(epoch) {
            self.order.clear();
            self.order.extend(0..n);
            if size < n {
                root.child("batches").at(epoch).shuffle(&mut self.order);
            }
            self.epoch = Some(epoch);
        }
        let start = (step % per_epoch) as usize * size;
        start..(start + size).min(n)
    }
}

/// Copies the targets of `indices` into the buffers.
pub(crate) fn fill_target<'b>(
    targets: &Targets,
    indices: &[usize],
    labels: &'b mut Vec<u32>,
    values: &'b mut Vec<f64>,
) -> Target<'b> {
    match targets {
        Targets::Classes { labels: all, .. } => {
            labels.clear();
            labels.extend(indices.iter().map(|&i| all[i]));
            Target::Classes(labels)
        }
        Targets::Values { values: all, dim } => {
            values.clear();
            indices.iter().for_each(|&i| values.extend_from_slice(&all[i * dim..(i + 1) * dim]));
            Target::Values(values)
        }
    }
}
