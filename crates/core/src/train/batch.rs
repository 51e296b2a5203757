//! Which examples make the batch of a step: a new order for every epoch, drawn from the branch "batches" of the random tree.

use super::Plan;
use crate::loss::Target;
use realign_data::Targets;
use realign_tensor::Rng;

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
