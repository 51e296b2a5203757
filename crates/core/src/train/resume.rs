//! A run frozen into a checkpoint and taken up again with the same bits: parameters, feedback weights, optimizer memory, probe state and step. Random
//! numbers need no state, they follow from seed and step.

use super::Trainer;
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::init::named_parameters;
use realign_tensor::Tensor;

impl Trainer {
    /// Everything needed to go on from here.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut tensors: Vec<(String, Tensor)> =
            named_parameters(&self.net).into_iter().map(|(n, t)| (n, t.clone())).collect();
        for (i, &node) in self.net.weighted().iter().enumerate() {
            tensors.extend(self.feedback.at(node).map(|b| (format!("layers.{i}.feedback"), b.clone())));
        }
        tensors.extend(self.net.buffers().into_iter().map(|(n, t)| (n, t.clone())));
        tensors.extend(self.updater.memory());
        for (i, (_, probe)) in self.probes.iter().enumerate() {
            tensors.extend(probe.state().into_iter().map(|(n, t)| (format!("probes.{i}.{n}"), t)));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Checkpoint { step: self.step, tensors, meta: Vec::new() }
    }

    /// Goes back to a checkpoint of the same setup.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let find = |name: &str, like: &Tensor| {
            let found =
                checkpoint.get(name).ok_or_else(|| Error::Checkpoint(format!("{name} is missing")))?;
            if found.shape() == like.shape() && found.dtype() == like.dtype() {
                Ok(found.clone())
            } else {
                let (a, b) = (found.shape(), like.shape());
                Err(Error::Checkpoint(format!(
                    "{name} is {a} {}, the network needs {b} {}",
                    found.dtype(),
                    like.dtype()
                )))
            }
        };
        for (i, node) in self.net.weighted().to_vec().into_iter().enumerate() {
            if let Some(b) = self.feedback.at_mut(node) {
                *b = find(&format!("layers.{i}.feedback"), b)?;
            }
            let (w, b) = self.net.layer_mut(node).params_mut();
            if let Some(w) = w {
                *w = find(&format!("layers.{i}.weight"), w)?;
            }
            if let Some(b) = b {
                *b = find(&format!("layers.{i}.bias"), b)?;
            }
        }
        for (name, t) in self.net.buffers_mut() {
            *t = find(&name, t)?;
        }
        self.updater.restore(&find)?;
        for (i, (_, probe)) in self.probes.iter_mut().enumerate() {
            let prefix = format!("probes.{i}.");
            let own = checkpoint
                .tensors
                .iter()
                .filter_map(|(n, t)| Some((n.strip_prefix(&prefix)?.to_string(), t.clone())));
            probe.restore(&own.collect::<Vec<_>>());
        }
        self.step = checkpoint.step;
        // Added up in the order of the steps, so that a resumed run has the same bits.
        let total = self.total_steps();
        self.time = match self.flow {
            Some(flow) => flow.t_end * self.step as f64 / total as f64,
            None => (0..self.step).fold(0.0, |t, s| t + self.updater.lr_at(s, total)),
        };
        self.batch.epoch = None;
        self.evaluator.forget();
        Ok(())
    }
}
