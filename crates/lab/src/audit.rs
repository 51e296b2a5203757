//! An audit of one run: its training made again from the seed with the ledger kept at every step, and what the books say; [`write`] stores it as
//! `audit.json`, `audit.csv` and the figure `accounts`.
//!
//! Training is deterministic, so a run of the past is audited by making it again; that it is the same run is checked against its last checkpoint.

use crate::figure::{self, Axis, Figure, FigureError, Mark, Panel, Series};
use crate::run::Observer;
use crate::store::{self, StoreError, files};
use crate::{LabError, RunSpec};
use realign::checkpoint::Checkpoint;
use realign::train::{Every, Outcome, Progress, Row, Sink, Trainer};
use realign_data::Dirs;
use realign_tensor::Par;
use realign_theory::ledger::{Audit, Finding, Verdict};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use toml::{Table, Value};

/// Points of the curves of an audit's figure.
const POINTS: u64 = 200;

/// What came of an audit.
#[derive(Debug)]
pub struct Audited {
    /// The verdicts.
    pub audit: Audit,
    /// The rows of the ledger.
    pub rows: Vec<Row>,
    /// How the training ended.
    pub outcome: Outcome,
    /// Whether the weights at the end are those of the run's last checkpoint; `None` if there is none to compare with.
    pub same_bits: Option<bool>,
}

impl Audited {
    /// The audit and how the training ended, as one object.
    pub fn to_json(&self) -> serde_json::Value {
        let (outcome, step) = match self.outcome {
            Outcome::Done => ("done", None),
            Outcome::Diverged { step } => ("diverged", Some(step)),
            Outcome::Stopped { step } => ("stopped", Some(step)),
        };
        let mut value = serde_json::json!(self.audit);
        value["outcome"] = outcome.into();
        value["outcome_step"] = step.into();
        value
    }
}

/// Trains `spec` with the ledger and audits it; `run` is the directory of the run if it was made before.
///
/// # Errors
/// If the spec does not fit the data, these are not those of the run, or the run's checkpoint cannot be read.
pub fn audit(
    spec: &RunSpec,
    run: Option<&Path>,
    dirs: &Dirs,
    par: Par,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Audited, LabError> {
    let mut setup = spec.setup(dirs, par)?;
    run.map_or(Ok(()), |dir| store::same_data(dir, &setup.data.record))?;
    let steps = setup.plan.steps(setup.data.train.len());
    setup.plan.checkpoint = Every::Never;
    let ledger: Table = [("name".to_string(), Value::from("ledger"))].into_iter().collect();
    let ledger = realign_theory::probes::build(ledger).expect("the ledger is registered");
    setup.probes = vec![(Every::Steps((steps / POINTS).max(1)), ledger)];
    let mut trainer = Trainer::new(setup)?;
    observer.started(spec, 0, trainer.total_steps());
    let mut memory = Memory { spec, observer, stop, rows: Vec::new() };
    let outcome = trainer.run(&mut memory)?;
    let rows = memory.rows;
    let same_bits = match run {
        Some(dir) => compare(&trainer, dir)?,
        None => None,
    };
    let audit = match outcome {
        Outcome::Diverged { .. } => Audit::of_diverged(&rows),
        _ => Audit::from_rows(&rows),
    };
    Ok(Audited { audit, rows, outcome, same_bits })
}

/// Whether all parameters and feedback weights equal those of the run's checkpoint at the same step.
fn compare(trainer: &Trainer, dir: &Path) -> Result<Option<bool>, StoreError> {
    let Some(saved) = store::checkpoint_at(dir, trainer.step())? else { return Ok(None) };
    let own = trainer.checkpoint();
    let weights = |c: &Checkpoint| {
        let of_layers = c.tensors.iter().filter(|(name, _)| name.starts_with("layers."));
        of_layers.cloned().collect::<Vec<_>>()
    };
    Ok(Some(weights(&saved) == weights(&own)))
}

struct Memory<'a> {
    spec: &'a RunSpec,
    observer: &'a mut dyn Observer,
    stop: &'a AtomicBool,
    rows: Vec<Row>,
}

impl Sink for Memory<'_> {
    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        self.rows.extend_from_slice(rows);
        Ok(())
    }
    fn checkpoint(&mut self, _: &Checkpoint) -> io::Result<()> {
        Ok(())
    }
    fn progress(&mut self, progress: &Progress) {
        self.observer.progress(self.spec, progress);
    }
    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Accounts as drawn and listed: name of the row, words for the key.
const ACCOUNTS: [(&str, &str); 11] = [
    ("writer", "writer: −½‖dW‖²"),
    ("reader", "reader: Bregman divergence"),
    ("decay", "optimizer: weight decay"),
    ("momentum", "optimizer: momentum"),
    ("adaptive", "optimizer: adaptive scaling"),
    ("clipping", "optimizer: clipping"),
    ("eps", "eps of batch norm"),
    ("plasticity", "plasticity of B"),
    ("path", "path"),
    ("unwatched", "not watched"),
    ("residual", "residual"),
];

/// Share of the exchange below which an account is not drawn.
const THINNEST: f64 = 1e-3;

/// Writes `audit.json`, `audit.csv` and the figure into `dir`, which is made if need be; returns the paths.
///
/// # Errors
/// If a file cannot be written.
pub fn write(dir: &Path, spec: &RunSpec, done: &Audited) -> Result<Vec<PathBuf>, FigureError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    let (json, csv) = (dir.join("audit.json"), dir.join("audit.csv"));
    let text = serde_json::to_string_pretty(&done.to_json()).expect("an audit is plain data");
    files::write(&json, (text + "\n").as_bytes())?;
    files::write(&csv, table(&done.audit).as_bytes())?;
    let mut paths = vec![json, csv];
    if done.rows.iter().any(|r| r.name == "writer" && r.unit.is_none()) {
        paths.extend(figure::write(&accounts(spec, &done.audit, &done.rows), dir, "accounts")?);
    }
    Ok(paths)
}

/// One line per layer; columns `abs_...` are sums over units of absolute values.
fn table(audit: &Audit) -> String {
    let mut text = "layer,verdict,opening,closing,drift,exchanged_phi,exchanged_norm,reader,writer,decay,momentum,adaptive,clipping,eps,plasticity,unwatched,path,residual,finding,allowance,path_allowance".to_owned();
    let sizes =
        audit.layers.first().map(|l| l.unit_by_unit.keys().map(|k| format!(",abs_{k}")).collect::<String>());
    text += &(sizes.unwrap_or_default() + "\n");
    for l in &audit.layers {
        let verdict = match l.verdict {
            Verdict::Closed => "closed",
            Verdict::Open { .. } => "open",
            Verdict::Undecided => "undecided",
            Verdict::NoLaw { .. } => "no_law",
        };
        let finding = match l.finding {
            Some(Finding::Conserved) => "conserved",
            Some(Finding::NotConserved) => "not_conserved",
            Some(Finding::NothingExchanged) => "nothing_exchanged",
            Some(Finding::Diverged) => "diverged",
            None => "",
        };
        let numbers = [
            l.opening,
            l.closing,
            l.drift,
            l.exchanged_phi,
            l.exchanged_norm,
            l.reader,
            l.writer,
            l.decay,
            l.momentum,
            l.adaptive,
            l.clipping,
            l.eps,
            l.plasticity,
            l.unwatched,
            l.path,
            l.residual,
        ];
        let join = |numbers: &[f64]| numbers.iter().map(|x| format!("{x:e}")).collect::<Vec<_>>().join(",");
        let sizes: Vec<f64> =
            [l.allowance, l.path_allowance].into_iter().chain(l.unit_by_unit.values().copied()).collect();
        text += &format!("{},{verdict},{},{finding},{}\n", l.layer, join(&numbers), join(&sizes));
    }
    text
}

/// The accounts of every layer as they grow, stacked, with the measured drift as a line.
fn accounts(spec: &RunSpec, audit: &Audit, rows: &[Row]) -> Figure {
    let mut layers: Vec<usize> = rows.iter().filter_map(|r| r.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let panel = |&layer: &usize| {
        let books = audit.layers.iter().find(|l| l.layer == layer);
        let scale = books.map_or(0.0, |l| l.exchanged_phi.max(l.exchanged_norm));
        let of = |name: &str| -> (Vec<f64>, Vec<f64>) {
            let found = rows.iter().filter(|r| r.layer == Some(layer) && r.unit.is_none() && r.name == name);
            found.map(|r| (r.step as f64, r.value)).unzip()
        };
        let stacked = ACCOUNTS.iter().filter_map(|(name, words)| {
            let (x, y) = of(name);
            // Nothing thinner than a line: path and residual stand in the title.
            let shown = y.iter().any(|v| v.abs() > THINNEST * scale);
            shown.then(|| Series::new(Mark::Stack, *name, *words, x, y))
        });
        let mut series: Vec<Series> = stacked.collect();
        let ((x, phi), (_, norm)) = (of("phi"), of("norm"));
        let drift = phi.iter().zip(&norm).map(|(p, n)| p - n).collect();
        series.push(Series::new(Mark::Line, "measured", "measured drift of P", x, drift));
        let (residual, path) = books.map_or((0.0, 0.0), |l| (l.relative_residual, l.relative_path));
        let title = format!(
            "units written by layer {layer}: residual {residual:.0e}, path {path:.0e} of the exchange, unit by unit"
        );
        Panel {
            title,
            x: Axis::new("training step", ""),
            y: Axis::new("ΔP since the start, summed over units", "weight²"),
            series,
            ..Panel::default()
        }
    };
    Figure {
        title: format!("{}: where the potential went ({})", spec.name(), rule_words(spec.rule())),
        caption: "Accounts of the conservation ledger, summed since the first step; the line is the measured change of the potential."
            .into(),
        panels: layers.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn rule_words(rule: &str) -> String {
    if rule == "adafa" { "adafa, our reconstruction".into() } else { rule.into() }
}
