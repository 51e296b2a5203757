/*!
Training: one loop, readable in one sitting.

Every step: fetch the batch, forward, signal at the output, the rule's errors, whatever probes are due, then one
pass over the weights. State at step s means: after s updates. Rows of step s are handed out before the checkpoint of step s.
*/

mod balance;
mod batch;
mod directions;
mod evaluate;
mod finish;
mod flow;
mod grads;
mod gross;
mod job;
mod journal;
mod plan;
mod resume;
mod signs;
mod start;
mod update;
mod watch;
mod widened;

use batch::Batch;
pub use batch::Drawn;
pub(crate) use batch::fill_target;
pub use directions::{Directions, Subject};
pub use evaluate::{Evaluator, SplitScore};
pub use finish::Final;
pub use grads::Grads;
pub(crate) use grads::in_blocks;
pub use journal::{ColumnSums, Journal, LayerJournal, NoLaw, RowSums};
pub use plan::{BatchSize, Length, MOST_EPOCHS, MOST_STEPS, Plan};

use crate::checkpoint::Checkpoint;
use crate::init::{Feedback, FeedbackInit, WeightInit};
use crate::layer::Pass;
use crate::loss::{self, Loss, Scratch};
use crate::network::{Errors, Network, Trace};
use crate::optim::{Clip, Flow, Optimizer, Schedule};
pub use crate::probes::{Every, Row};
use crate::probes::{Probe, Reference, Rows, View};
use crate::rules::Rule;
use crate::{ConfigError, Error};
use realign_data::Bundle;
use realign_tensor::{Par, Rng};
use update::Updater;

/// Everything a run consists of.
pub struct Setup {
    /// The network, weights not drawn yet.
    pub net: Network,
    /// The learning rule.
    pub rule: Box<dyn Rule>,
    /// The loss.
    pub loss: Box<dyn Loss>,
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// Base learning rate.
    pub lr: f64,
    /// Factor on the learning rate.
    pub schedule: Box<dyn Schedule>,
    /// Clipping of update directions.
    pub clip: Clip,
    /// How W and b start.
    pub init: WeightInit,
    /// How B starts.
    pub feedback: FeedbackInit,
    /// The data.
    pub data: Bundle,
    /// How long, in what batches.
    pub plan: Plan,
    /// What to measure, and when.
    pub probes: Vec<(Every, Box<dyn Probe>)>,
    /// Root of the random tree.
    pub seed: u64,
    /// Threads of this run.
    pub par: Par,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were made.
    Done,
    /// The loss was not finite before this step: a result, not an error.
    Diverged {
        /// Steps done.
        step: u64,
    },
    /// Stopped on request, with a checkpoint.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps of one epoch.
    pub steps_per_epoch: u64,
    /// Mean batch loss of the current epoch so far.
    pub loss: f64,
}

/// Where a run's output goes.
pub trait Sink {
    /// Takes the rows of one step.
    fn rows(&mut self, rows: &[Row]) -> std::io::Result<()>;
    /// Takes a checkpoint.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> std::io::Result<()>;
    /// Hears of every step.
    fn progress(&mut self, progress: &Progress);
    /// Whether to stop before the next step.
    fn stop_requested(&self) -> bool;
}

/// A run in progress.
pub struct Trainer {
    net: Network,
    feedback: Feedback,
    rule: Box<dyn Rule>,
    loss: Box<dyn Loss>,
    data: Bundle,
    plan: Plan,
    probes: Vec<(Every, Box<dyn Probe>)>,
    updater: Updater,
    flow: Option<Flow>,
    rough_steps: u64,
    root: Rng,
    par: Par,
    step: u64,
    time: f64,
    trace: Trace,
    errors: Errors,
    grads: Grads,
    journal: Option<Journal>,
    reference: Reference,
    evaluator: Evaluator,
    batch: Batch,
    scratch: Scratch,
}

impl Trainer {
    /// Draws W and B and makes all buffers.
    ///
    /// # Errors
    /// If plan and data do not fit.
    pub fn new(setup: Setup) -> Result<Trainer, Error> {
        let Setup {
            mut net,
            rule,
            loss,
            optimizer,
            lr,
            schedule,
            clip,
            init,
            feedback,
            data,
            plan,
            probes,
            seed,
            par,
        } = setup;
        if !(lr.is_finite() && lr >= 0.0) {
            return Err(ConfigError::new("optimizer.lr", format!("must be a number >= 0, got {lr}")).into());
        }
        plan.check(data.train.len())?;
        let flow = optimizer.form().flow;
        if let Some(flow) = flow {
            flow.check(&net, &plan, clip)?;
            if let Some((_, probe)) = probes.iter().find(|(_, p)| p.wants_journal(true)) {
                let message =
                    format!("\"{}\" accounts for steps; optimizer \"flow\" makes none", probe.name());
                return Err(ConfigError::new("probes", message).into());
            }
        }
        let root = Rng::new(seed);
        let feedback = start::start(&mut net, rule.as_ref(), &init, &feedback, &data.train, &root)?;
        if flow.is_some() {
            signs::check(&net, rule.as_ref(), &feedback)?;
        }
        let batch = plan.batch_size(data.train.len());
        let updater = Updater::new(&net, optimizer, lr, schedule, clip, rule.as_ref(), par);
        Ok(Trainer {
            trace: Trace::new(&net, batch),
            errors: Errors::new(&net, batch),
            evaluator: Evaluator::new(&net),
            updater,
            flow,
            rough_steps: 0,
            net,
            feedback,
            rule,
            loss,
            data,
            plan,
            probes,
            root,
            par,
            step: 0,
            time: 0.0,
            grads: Grads::default(),
            journal: None,
            reference: Reference::default(),
            batch: Batch::default(),
            scratch: Scratch::default(),
        })
    }

    /// The network.
    pub fn net(&self) -> &Network {
        &self.net
    }

    /// The feedback weights.
    pub fn feedback(&self) -> &Feedback {
        &self.feedback
    }

    /// The learning rule.
    pub fn rule(&self) -> &dyn Rule {
        self.rule.as_ref()
    }

    /// The loss.
    pub fn loss(&self) -> &dyn Loss {
        self.loss.as_ref()
    }

    /// The data.
    pub fn data(&self) -> &Bundle {
        &self.data
    }

    /// Training steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Training steps in all.
    pub fn total_steps(&self) -> u64 {
        self.plan.steps(self.data.train.len())
    }

    /// Training steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.plan.steps_per_epoch(self.data.train.len())
    }

    /// Trains to the end, or until the loss is not finite or the sink asks to stop.
    ///
    /// # Errors
    /// If the sink cannot store what it is given.
    pub fn run(&mut self, sink: &mut dyn Sink) -> Result<Outcome, Error> {
        let (total, per_epoch) = (self.total_steps(), self.steps_per_epoch());
        let store = |context: &str, source| Error::Io { context: context.to_string(), source };
        let mut resumed = self.step > 0;
        let (mut loss_sum, mut counted) = (0.0, 0u64);
        loop {
            let loss = self.look_at_batch();
            let mut saved = resumed;
            if !std::mem::take(&mut resumed) {
                let rows = self.observe(total, per_epoch);
                if !rows.is_empty() {
                    sink.rows(&rows).map_err(|e| store("writing metrics", e))?;
                }
                if self.plan.checkpoint.due(self.step, total, per_epoch) {
                    sink.checkpoint(&self.checkpoint()).map_err(|e| store("writing a checkpoint", e))?;
                    saved = true;
                }
            }
            if !loss.is_finite() {
                return Ok(Outcome::Diverged { step: self.step });
            }
            if self.step == total {
                return Ok(Outcome::Done);
            }
            if sink.stop_requested() {
                if !saved {
                    sink.checkpoint(&self.checkpoint()).map_err(|e| store("writing a checkpoint", e))?;
                }
                return Ok(Outcome::Stopped { step: self.step });
            }
            self.apply(total)?;
            if self.step % per_epoch == 1 || per_epoch == 1 {
                (loss_sum, counted) = (0.0, 0);
            }
            (loss_sum, counted) = (loss_sum + loss, counted + 1);
            let loss = loss_sum / counted as f64;
            sink.progress(&Progress { step: self.step, steps: total, steps_per_epoch: per_epoch, loss });
        }
    }

    /// Makes one training step and returns the batch loss before it. For benchmarks and tests.
    ///
    /// # Panics
    /// If a flow cannot be integrated; see [`Trainer::step_on`].
    pub fn train_step(&mut self) -> f64 {
        self.step_on(self.step).expect("the flow can be integrated")
    }

    /// Integration steps of the last part of a flow that had the smallest size allowed.
    pub fn rough_steps(&self) -> u64 {
        self.rough_steps
    }

    /// Makes one training step on the batch (and with the noise) of step `batch`; returns the batch loss before it. With each batch held for
    /// several steps, runs of different learning rates see the same batch at the same eta * steps.
    ///
    /// # Errors
    /// If a flow cannot be integrated.
    pub fn step_on(&mut self, batch: u64) -> Result<f64, Error> {
        let loss = self.look_at(batch);
        let total = self.total_steps();
        self.apply(total)?;
        Ok(loss)
    }

    /// Forward pass on the batch of this step, signal at the output, the rule's errors; returns the batch loss.
    pub fn look_at_batch(&mut self) -> f64 {
        self.look_at(self.step)
    }

    fn look_at(&mut self, step: u64) -> f64 {
        self.par.enter(|| {
            let loss = self.signal_of(step);
            self.rule.errors(&self.net, &mut self.feedback, &self.trace, &mut self.errors, self.par);
            loss
        })
    }

    /// Forward pass on the batch of `step` and signal at the output; returns the batch loss.
    fn signal_of(&mut self, step: u64) -> f64 {
        let n = self.data.train.len();
        let range = self.batch.select(step, &self.plan, n, &self.root);
        let indices = &self.batch.order[range];
        let augment = batch::augment(&self.root, step);
        self.data.gather_train(indices, self.trace.input_mut(indices.len()), &augment);
        let target =
            fill_target(&self.data.train.targets, indices, &mut self.batch.labels, &mut self.batch.values);
        let noise = batch::noise(&self.root, step);
        self.net.forward(&mut self.trace, Pass { par: self.par, noise: Some(&noise) });
        let signal = self.errors.signal_mut(&self.net, indices.len());
        let score = loss::evaluate(
            self.loss.as_ref(),
            self.trace.output(&self.net),
            &target,
            Some(signal),
            &mut self.scratch,
        );
        self.reference.invalidate();
        self.grads.invalidate();
        score.loss / indices.len() as f64
    }

    fn apply(&mut self, total: u64) -> Result<(), Error> {
        self.evaluator.forget();
        if let Some(flow) = self.flow {
            self.rough_steps = self.flow_step(flow, total)?;
            self.step += 1;
            self.time = flow.t_end * self.step as f64 / total as f64;
            return Ok(());
        }
        self.par.enter(|| self.update(total));
        self.step += 1;
        Ok(())
    }

    /// One pass over the weights, with a journal if a probe keeps books of this step.
    fn update(&mut self, total: u64) {
        let per_epoch = self.steps_per_epoch();
        let wanted = |(every, probe): &(Every, Box<dyn Probe>)| {
            probe.wants_journal(every.due(self.step, total, per_epoch))
        };
        let mut journal = self.probes.iter().any(wanted).then(|| {
            let kept = self.journal.take();
            kept.unwrap_or_else(|| Journal::new(&self.net, self.rule.as_ref(), self.par.count()))
        });
        if let Some(journal) = &mut journal {
            journal.open(&self.net, &self.trace, &self.errors, self.par);
        }
        self.updater.step(
            self.step,
            total,
            &mut self.net,
            &mut self.feedback,
            journal.as_mut(),
            &self.trace,
            &self.errors,
            &mut self.grads,
            self.rule.as_ref(),
        );
        self.updater.adapt(&self.net, &mut self.feedback, self.rule.as_ref());
        if let Some(mut journal) = journal {
            journal.close(&self.net, &self.feedback);
            for (every, probe) in &mut self.probes {
                if probe.wants_journal(every.due(self.step, total, per_epoch)) {
                    probe.record(self.step, &journal);
                }
            }
            self.journal = Some(journal);
        }
        self.time += self.updater.lr_at(self.step, total);
        self.net.absorb(&self.trace);
    }

    /// The rule's update directions on the current batch, as tensors.
    pub fn compute_grads(&mut self) -> &Grads {
        let Trainer { net, rule, grads, trace, errors, par, .. } = self;
        grads.compute(net, trace, errors, |n| rule.trains(net, n), *par);
        grads
    }

    fn observe(&mut self, total: u64, per_epoch: u64) -> Vec<Row> {
        let due = |every: &Every| every.due(self.step, total, per_epoch);
        if self.probes.iter().any(|(e, p)| due(e) && p.needs_grads()) {
            self.compute_grads();
        }
        let epoch = self.step as f64 / per_epoch as f64;
        let mut rows = Vec::new();
        let mut probes = std::mem::take(&mut self.probes);
        for (every, probe) in &mut probes {
            if every.due(self.step, total, per_epoch) {
                let mut out = Rows::new(self.step, epoch, probe.name());
                probe.observe(&mut self.view(epoch), &mut out);
                rows.extend(out.into_rows());
            }
        }
        if let Some(flow) = self.flow.filter(|_| !rows.is_empty()) {
            let mut out = Rows::new(self.step, epoch, "flow");
            out.push("time", None, None, None, flow.t_end * self.step as f64 / total as f64);
            out.push("rough_steps", None, None, None, self.rough_steps as f64);
            rows.extend(out.into_rows());
        }
        self.probes = probes;
        rows
    }

    fn view(&mut self, epoch: f64) -> View<'_> {
        View {
            step: self.step,
            epoch,
            steps: self.total_steps(),
            steps_per_epoch: self.steps_per_epoch(),
            time: self.time,
            root: &self.root,
            net: &self.net,
            feedback: &self.feedback,
            rule: self.rule.as_ref(),
            trace: &self.trace,
            errors: &self.errors,
            grads: &self.grads,
            reference: &mut self.reference,
            evaluator: &mut self.evaluator,
            loss: self.loss.as_ref(),
            data: &self.data,
            par: self.par,
        }
    }
}
