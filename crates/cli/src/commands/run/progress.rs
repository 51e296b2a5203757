//! Progress on stderr. On a terminal: a bar per run at work and, for a sweep, one over all runs. Anywhere else: a line per epoch
//! of a single run, per ended run of a sweep. Every line and bar says which experiment it is about, which rule, and what tells the run from the others.

use super::sweep_tally::Tally;
use crate::output;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use realign::train;
use realign_lab::sweep::{Stage, labels};
use realign_lab::table::plain;
use realign_lab::{LabError, Observer, RunReport, RunSpec, Status};
use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two changes of the text beside a bar.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows how runs go.
pub(crate) struct Progress {
    terminal: bool,
    sweep: bool,
    tally: Tally,
    all: MultiProgress,
    over: Option<Bar>,
    bars: HashMap<String, Bar>,
    /// Experiment of a run by its id, where that is not the name of its spec.
    experiments: HashMap<String, &'static str>,
    /// What a run is called, by its id.
    names: HashMap<String, String>,
}

struct Bar {
    bar: ProgressBar,
    changed: Instant,
}

fn bar(length: u64, template: &str) -> Bar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Bar { bar, changed: Instant::now() }
}

impl Progress {
    /// For a single run, or for the runs of a sweep.
    pub(crate) fn new(sweep: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let all = MultiProgress::new();
        let (bars, names, experiments) = (HashMap::new(), HashMap::new(), HashMap::new());
        Progress { terminal, sweep, tally: Tally::new(0), all, over: None, bars, experiments, names }
    }

    /// For runs of several experiments.
    pub(crate) fn of(experiments: HashMap<String, &'static str>) -> Self {
        Progress { experiments, ..Progress::new(true) }
    }

    /// What the run is called on the screen.
    fn name(&self, run: &RunSpec) -> String {
        let known = self.names.get(run.id()).cloned();
        known.unwrap_or_else(|| format!("{}: {}", run.name(), run.rule()))
    }

    /// Names runs by experiment, rule, and what differs among the runs of the experiment.
    fn christen(&mut self, runs: &[RunSpec], stage: Stage) {
        let mut by_experiment: BTreeMap<&str, Vec<RunSpec>> = BTreeMap::new();
        for run in runs {
            let own = self.experiments.get(run.id()).copied();
            by_experiment.entry(own.unwrap_or(run.name())).or_default().push(run.clone());
        }
        let before = if stage == Stage::Tuning { "tuning " } else { "" };
        for (experiment, runs) in by_experiment {
            for (run, label) in runs.iter().zip(labels(&runs)) {
                self.names.insert(run.id().to_owned(), format!("{before}{experiment}: {label}"));
            }
        }
    }

    fn say(&self, line: &str) {
        if self.terminal {
            // A terminal that cannot be drawn on loses a line of progress and nothing else.
            let _ = self.all.println(line);
        } else {
            output::note(line);
        }
    }

    /// Refreshes the bar over all runs.
    fn overall(&mut self, now: bool) {
        if let Some(over) = self.over.as_mut().filter(|o| now || o.changed.elapsed() >= PAUSE) {
            over.changed = Instant::now();
            over.bar.set_position(self.tally.ended() as u64);
            over.bar.set_message(self.tally.text());
        }
    }

    fn ends(&mut self, run: &RunSpec) {
        if let Some(entry) = self.bars.remove(run.id()) {
            entry.bar.finish_and_clear();
        }
    }

    /// The line of an ended run of a sweep.
    fn line(&mut self, run: &RunSpec, what: &str) {
        let (ended, many) = (self.tally.ended(), self.tally.many());
        let more = if self.terminal { String::new() } else { format!(" ({})", self.tally.text()) };
        self.say(&format!("[{ended}/{many}] {}: {what}{more}", self.name(run)));
        self.overall(true);
    }
}

impl Observer for Progress {
    fn begins(&mut self, runs: &[RunSpec], stage: Stage) {
        self.tally = Tally::new(runs.len());
        self.christen(runs, stage);
        if self.terminal && self.sweep {
            if let Some(old) = self.over.take() {
                old.bar.finish_and_clear();
            }
            let over = bar(runs.len() as u64, "runs {bar:30} {pos}/{len} {msg}");
            self.over = Some(Bar { bar: self.all.add(over.bar), ..over });
            self.overall(true);
        }
    }

    fn noted(&mut self, run: &RunSpec, sentence: &str) {
        self.say(&format!("{}: {sentence}", self.name(run)));
    }

    fn started(&mut self, run: &RunSpec, step: u64, steps: u64) {
        self.tally.started(run.id());
        if step > 0 {
            self.say(&format!("{}: resumed at step {step} of {steps}", self.name(run)));
        }
        if !self.terminal {
            return;
        }
        let new = bar(steps, "{prefix} {bar:30} {pos}/{len} steps, {per_sec}, eta {eta} {msg}");
        let shown = self.all.insert(0, new.bar);
        shown.set_prefix(self.name(run));
        shown.set_position(step);
        shown.reset_eta();
        self.bars.insert(run.id().to_owned(), Bar { bar: shown, changed: new.changed });
    }

    fn progress(&mut self, run: &RunSpec, p: &train::Progress) {
        self.tally.progress(run.id(), p.step, p.steps);
        if self.terminal {
            let Some(entry) = self.bars.get_mut(run.id()) else { return };
            entry.bar.set_position(p.step);
            if entry.changed.elapsed() >= PAUSE {
                entry.changed = Instant::now();
                entry.bar.set_message(format!("loss {}", plain(p.loss)));
            }
            self.overall(false);
        } else if !self.sweep && (p.step.is_multiple_of(p.steps_per_epoch.max(1)) || p.step == p.steps) {
            let per_epoch = p.steps_per_epoch.max(1);
            let (epoch, epochs) = (p.step.div_ceil(per_epoch), p.steps.div_ceil(per_epoch));
            let line = format!(
                "{}: epoch {epoch}/{epochs}, step {}/{}, loss {}",
                self.name(run),
                p.step,
                p.steps,
                plain(p.loss)
            );
            output::note(&line);
        }
    }

    fn ended(&mut self, run: &RunSpec, report: &RunReport) {
        self.tally.finished(run.id(), report.status);
        self.ends(run);
        let word = super::table::status(report);
        if self.sweep {
            // Tuning runs have no test examples.
            let (which, accuracy) = match report.test_accuracy {
                None => ("validation", report.val_accuracy),
                test => ("test", test),
            };
            let accuracy = accuracy.map(|a| format!(", {which} accuracy {:.2} %", 100.0 * a));
            self.line(run, &format!("{word}{}", accuracy.unwrap_or_default()));
        } else if report.status == Status::Diverged {
            self.say(&format!("{}: {word}", self.name(run)));
        }
    }

    fn failed(&mut self, run: &RunSpec, _error: &LabError) {
        self.tally.failed(run.id());
        self.ends(run);
        // The error itself is told at the end, once for all runs that have it.
        self.line(run, "failed");
    }

    fn waiting(&mut self, runs: usize) {
        self.say(&format!("waiting for {runs} runs that other processes are at work on"));
    }
}
