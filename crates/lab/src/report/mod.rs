/*!
A report: what was run on what data, claims with verdicts, figures, tables, failures, environment, citations; written as files and as one page.

[`Report`] is data; [`write`] stores it as `report.json`, `claims.csv`, `figures/`, `tables/` and `report.html`, which needs nothing else: style,
script, figures with their font and the plotted numbers are inside, so it opens offline and can be sent by mail. Its look is in
`page.html`, `page.css` and `page.js` beside this file.

Not here: where the figures and verdicts come from ([`crate::reproduce`], [`folder`]).
*/

mod cite;
mod folder;
mod groups;
mod page;
mod runs_table;
mod tuning;

pub use cite::citations;
pub use folder::folder;
pub use tuning::edge;

use crate::figure::{self, Figure, FigureError, csv_cell};
use crate::reproduce::{Plan, Run};
use crate::stats::Estimate;
use crate::store::{Status, files};
use crate::table::Table;
use crate::{RunSpec, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything on the page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Head of the page.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// What a reader must not miss.
    pub warnings: Vec<String>,
    /// Sentences about the whole.
    pub notes: Vec<String>,
    /// The command that makes all of it again.
    pub command: String,
    /// Data sets with their files: name, lines.
    pub data: BTreeMap<String, Vec<String>>,
    /// How many runs there are and how they ended, by experiment.
    pub counts: Vec<Count>,
    /// Runs that did not end well.
    pub troubles: Vec<Trouble>,
    /// Runs that are in no mean and no figure because a file of theirs is damaged.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Claims with verdicts.
    pub claims: Vec<Judged>,
    /// One per experiment.
    pub sections: Vec<Section>,
    /// What made the runs: quantity and its values.
    pub environment: BTreeMap<String, Vec<String>>,
    /// BibTeX.
    pub citations: Vec<String>,
}

/// One experiment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// Word for it.
    pub id: String,
    /// Head.
    pub title: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// Commands that make its runs.
    pub commands: Vec<String>,
    /// File stem and figure.
    pub figures: Vec<(String, Figure)>,
    /// File stem and table.
    pub tables: Vec<(String, Table)>,
}

/// Runs of an experiment by how they ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    /// The experiment.
    pub experiment: String,
    /// Asked for.
    pub all: usize,
    /// All steps made.
    pub done: usize,
    /// Ended by a loss that was not finite: a result.
    pub diverged: usize,
    /// Ended by an error.
    pub failed: usize,
    /// Begun or not, without an end.
    pub unfinished: usize,
    /// Ended, but with a damaged file: left out.
    #[serde(default)]
    pub damaged: usize,
    /// Wall time of those that ended.
    pub seconds: f64,
}

/// A run that did not end well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// The experiment.
    pub experiment: String,
    /// The run's folder.
    pub run: String,
    /// What tells it from the others.
    pub label: String,
    /// How it ended.
    pub what: String,
}

/// A run that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its folder.
    pub run: String,
    /// The damaged file, and where in it.
    pub why: String,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The whole interval meets the threshold.
    #[serde(rename = "SUPPORTED")]
    Supported,
    /// None of it does.
    #[serde(rename = "NOT SUPPORTED")]
    NotSupported,
    /// Part of it does, or there is none.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// Nothing was measured.
    #[serde(rename = "NOT RUN")]
    NotRun,
}

impl Verdict {
    /// As in the report.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "SUPPORTED",
            Verdict::NotSupported => "NOT SUPPORTED",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::NotRun => "NOT RUN",
        }
    }
}

/// A claim with its verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// Word for it.
    pub id: String,
    /// Experiment that measures it.
    pub experiment: String,
    /// `FOUND` in the paper or `GUESS`.
    pub source: String,
    /// Where it comes from.
    pub by: String,
    /// In words.
    pub statement: String,
    /// What is measured.
    pub quantity: String,
    /// Threshold in words.
    pub expected: String,
    /// Mean, or worst case, with its interval.
    pub measured: Option<Estimate>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Report {
    /// Counts the runs of an experiment and notes those that did not end well.
    pub(crate) fn count(&mut self, experiment: &str, runs: &[Run]) {
        let mut count = Count { experiment: experiment.to_owned(), all: runs.len(), ..Count::default() };
        let labels = crate::settings::labels(&runs.iter().map(|r| &r.spec).collect::<Vec<_>>());
        for (i, run) in runs.iter().enumerate() {
            count.seconds += run.report.as_ref().map_or(0.0, |r| r.seconds);
            if let Some(why) = &run.damage {
                count.damaged += 1;
                self.leave_out(&run.dir, why);
                continue;
            }
            let (slot, what) = match run.status {
                Some(Status::Done) => (&mut count.done, None),
                Some(Status::Diverged) => {
                    let step = run.report.as_ref().map_or(0, |r| r.steps);
                    (&mut count.diverged, Some(format!("diverged at step {step}")))
                }
                Some(Status::Failed) => (&mut count.failed, Some("failed".into())),
                Some(Status::Running | Status::Stopped) => {
                    (&mut count.unfinished, Some("unfinished: run the command again to resume".into()))
                }
                None if run.dir.is_dir() => {
                    (&mut count.unfinished, Some("STATUS is not there or holds no known word".into()))
                }
                None => (&mut count.unfinished, None),
            };
            *slot += 1;
            if let Some(what) = what {
                let label =
                    format!("{} {} seed={}", run.spec.rule(), labels[i], run.spec.seed()).replace("  ", " ");
                let run = run.spec.folder();
                self.troubles.push(Trouble { experiment: experiment.to_owned(), run, label, what });
            }
        }
        self.counts.push(count);
        self.gather(runs);
    }

    /// Notes that a run is in no mean and no figure; once, however many experiments share it.
    pub(crate) fn leave_out(&mut self, dir: &Path, why: &str) {
        let run = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left = LeftOut { run, why: folder::here(why, dir) };
        if !self.left_out.contains(&left) {
            self.warnings.push(format!(
                "1 RUN LEFT OUT of every mean and figure: {}: {}. To make it again, remove its folder and give the same command.",
                left.run, left.why
            ));
            self.left_out.push(left);
        }
    }

    /// Notes data and environment of the runs, without the paths of the machine that made them.
    fn gather(&mut self, runs: &[Run]) {
        for run in runs {
            let read = |name: &str| {
                let text = std::fs::read_to_string(run.dir.join(name)).ok()?;
                serde_json::from_str::<serde_json::Value>(&text).ok()
            };
            let Some(env) = read("env.json") else { continue };
            for key in ["version", "commit", "cpu", "cores", "os", "arch"] {
                let text = match &env[key] {
                    serde_json::Value::Null => continue,
                    serde_json::Value::String(s) => s.clone(),
                    other => other.to_string(),
                };
                let values = self.environment.entry(key.to_owned()).or_default();
                if !values.contains(&text) {
                    values.push(text);
                }
            }
            let name = run.spec.get("data.name").and_then(toml::Value::as_str).unwrap_or_default();
            let lines = self.data.entry(name.to_owned()).or_default();
            let file = |f: &serde_json::Value| {
                let name = Path::new(f["path"].as_str()?).file_name()?.to_string_lossy().into_owned();
                Some(format!("{name}, SHA-256 {}", f["sha256"].as_str()?))
            };
            let found: Vec<String> = match env["data"]["files"].as_array() {
                Some(files) => files.iter().filter_map(file).collect(),
                None => vec!["made from the seed of each run; no file".into()],
            };
            found.into_iter().for_each(|f| {
                if !lines.contains(&f) {
                    lines.push(f);
                }
            });
        }
    }

    /// Head, warnings, notes, command and citations of a plan.
    pub(crate) fn describe(&mut self, plan: &Plan) {
        self.subtitle = format!("profile {}, {} runs", plan.profile, plan.runs().len());
        for s in plan.stand_ins() {
            self.warnings.push(format!(
                "STAND-IN DATA. {0} was not found, so the {1} stand in for it. {2}: nothing here is a result on {0}. Get {0} with `realign data fetch {3}` and run \
                 the command again.",
                s.words, s.stand_in_words, s.likeness, s.name
            ));
        }
        if plan.profile == crate::reproduce::Profile::Quick {
            self.warnings.push(
                "QUICK PROFILE. Small networks, subsets and few seeds: it shows that everything works. Verdicts are those of this small run, not of the paper's setting."
                    .into(),
            );
        }
        self.notes.extend([
            "The text of the paper beyond its first page was not available to us: widths, rates, batch sizes, steps, seeds and all thresholds are ours. FOUND marks what the paper \
             states, GUESS what is our reading of it or ours alone."
                .into(),
            "adafa is our reconstruction (Kolen-Pollack form): the definition of adaFA in the paper is not in any text available to us. Do not read its results as those of the paper's \
             adaFA."
                .into(),
            "MLP experiments: no tuning, one rate for all rules, chosen at a seed that is not reported, because it lets every rule train. Convolutional experiments: each rule's rate is the \
             best of three on held-out train images of CIFAR-100, draws of classes and seeds that are not shown, the same trials for every rule; activation and initialisation were chosen \
             there too, because they bring fa above frozen; table2.toml says all that was tried. Rules are compared on the same seeds, so with the same W, B, data and batches. \
             Neither is a comparison of rules at their best."
                .into(),
        ]);
        let ids: Vec<&str> = plan.experiments.iter().map(|e| e.id).collect();
        self.command =
            format!("realign reproduce robertson2024 --profile {} --only {}", plan.profile, ids.join(","));
        self.citations = citations(&plan.runs()).into_iter().map(str::to_owned).collect();
    }

    /// Claims with this verdict.
    pub fn with(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|c| c.verdict == verdict).count()
    }

    /// The claims as CSV.
    fn claims_csv(&self) -> String {
        let mut text = String::from(
            "id,experiment,source,statement,quantity,expected,measured,low,high,n,missing,verdict\n",
        );
        for c in &self.claims {
            let e = c.measured;
            let number = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
            let interval = e.and_then(|e| e.interval);
            let count = |f: fn(Estimate) -> usize| e.map_or(String::new(), |e| f(e).to_string());
            let cells = [
                csv_cell(&c.id),
                csv_cell(&c.experiment),
                csv_cell(&c.source),
                csv_cell(&c.statement),
                csv_cell(&c.quantity),
                csv_cell(&c.expected),
                number(e.and_then(|e| e.mean)),
                number(interval.map(|i| i.0)),
                number(interval.map(|i| i.1)),
                count(|e| e.n),
                count(|e| e.missing),
                c.verdict.word().to_owned(),
            ];
            text += &(cells.join(",") + "\n");
        }
        text
    }
}

/// Writes the report with its figures and tables into `dir`; returns the path of the page.
///
/// # Errors
/// If a figure cannot be drawn or a file cannot be written.
pub fn write(report: &Report, dir: &Path) -> Result<PathBuf, FigureError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    for section in &report.sections {
        for (stem, figure) in &section.figures {
            figure::write(figure, &dir.join("figures"), stem)?;
        }
        for (stem, table) in &section.tables {
            table.write(&dir.join("tables"), stem)?;
        }
    }
    if !report.claims.is_empty() {
        files::write(&dir.join("claims.csv"), report.claims_csv().as_bytes())?;
    }
    let json = serde_json::to_vec_pretty(report).expect("a report is plain data");
    files::write(&dir.join("report.json"), &json)?;
    let path = dir.join("report.html");
    files::write(&path, page::html(report)?.as_bytes())?;
    Ok(path)
}

/// Whether two runs use the same words for a key.
pub(crate) fn word(run: &RunSpec, key: &str) -> String {
    run.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}
