//! Progress on stderr: a bar per run at work on a terminal, a line per epoch anywhere else.

use crate::output;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use realign::train;
use realign_lab::{Observer, RunReport, RunSpec, Status};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two changes of the text beside a bar.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows how runs go.
pub(crate) struct Progress {
    terminal: bool,
    many: usize,
    ended: usize,
    all: MultiProgress,
    bars: HashMap<String, Bar>,
}

struct Bar {
    bar: ProgressBar,
    changed: Instant,
}

impl Progress {
    /// For this many runs.
    pub(crate) fn new(many: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Progress { terminal, many, ended: 0, all: MultiProgress::new(), bars: HashMap::new() }
    }

    fn say(&self, line: &str) {
        if self.terminal {
            // A terminal that cannot be drawn on loses a line of progress and nothing else.
            let _ = self.all.println(line);
        } else {
            output::note(line);
        }
    }
}

/// What tells a run from the others on the screen.
fn name(run: &RunSpec) -> &str {
    if run.label().is_empty() { run.rule() } else { run.label() }
}

impl Observer for Progress {
    fn started(&mut self, run: &RunSpec, step: u64, steps: u64) {
        if step > 0 {
            self.say(&format!("{}: resumed at step {step} of {steps}", name(run)));
        }
        if !self.terminal {
            return;
        }
        let bar = self.all.add(ProgressBar::new(steps));
        let template = "{prefix} {bar:30} {pos}/{len} {per_sec} eta {eta} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name(run).to_owned());
        bar.set_position(step);
        bar.reset_eta();
        self.bars.insert(run.id().to_owned(), Bar { bar, changed: Instant::now() });
    }

    fn progress(&mut self, run: &RunSpec, p: &train::Progress) {
        if self.terminal {
            let Some(entry) = self.bars.get_mut(run.id()) else { return };
            entry.bar.set_position(p.step);
            if entry.changed.elapsed() >= PAUSE {
                entry.changed = Instant::now();
                entry.bar.set_message(format!("loss {:.4}", p.loss));
            }
        } else if p.step.is_multiple_of(p.steps_per_epoch.max(1)) || p.step == p.steps {
            let per_epoch = p.steps_per_epoch.max(1);
            let (epoch, epochs) = (p.step.div_ceil(per_epoch), p.steps.div_ceil(per_epoch));
            let line = format!(
                "{}: epoch {epoch}/{epochs}, step {}/{}, loss {:.4}",
                name(run),
                p.step,
                p.steps,
                p.loss
            );
            output::note(&line);
        }
    }

    fn ended(&mut self, run: &RunSpec, report: &RunReport) {
        self.ended += 1;
        if let Some(entry) = self.bars.remove(run.id()) {
            entry.bar.finish_and_clear();
        }
        if self.many > 1 {
            let word = super::table::status(report);
            let accuracy = report
                .test_accuracy
                .map(|a| format!(", test accuracy {:.2} %", 100.0 * a))
                .unwrap_or_default();
            self.say(&format!("[{}/{}] {}: {word}{accuracy}", self.ended, self.many, name(run)));
        } else if report.status == Status::Diverged {
            self.say(&format!("{}: {}", name(run), super::table::status(report)));
        }
    }
}
