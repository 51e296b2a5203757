//! The report of any folder of runs: accuracy, loss and alignment by rule and setting, what failed, what could not be read, where it ran.

use super::groups::{Group, Grouped};
use super::{Report, Section, citations, runs_table};
use crate::figure::{Axis, Figure, Mark, Panel, Series};
use crate::reproduce::Run;
use crate::{LabError, RunSpec, Spec, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Groups in one figure: more lines are not told apart, so there is another figure.
const LINES: usize = 10;

/// Reads every run directory directly below `dir`, or `dir` itself if it is one. A run of which a file is damaged is left out and named.
///
/// # Errors
/// If the folder cannot be read.
pub fn folder(dir: &Path) -> Result<Report, LabError> {
    let mut report = Report { title: "Report".into(), ..Report::default() };
    let mut by_name: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for path in run_dirs(dir)? {
        let run = Spec::load(&path.join("spec.toml"), &[])
            .map_err(LabError::from)
            .and_then(|spec| Run::load(&spec.runs().remove(0), path.clone()));
        match run {
            Ok(run) => by_name.entry(run.spec.name().to_owned()).or_default().push(run),
            Err(why) => report.leave_out(&path, &why.to_string()),
        }
    }
    let all: Vec<RunSpec> = by_name.values().flatten().map(|r| r.spec.clone()).collect();
    report.subtitle = format!("{} runs", all.len() + report.left_out.len());
    report.citations = citations(&all).into_iter().map(str::to_owned).collect();
    if all.iter().any(|r| r.rule() == "adafa") {
        report.notes.push("adafa is our reconstruction (Kolen-Pollack form): the paper's own definition was not available to us.".into());
    }
    for (stand_in, of) in [("digits", "MNIST"), ("glyphs", "photographs")] {
        if all.iter().any(|r| super::word(r, "data.name") == stand_in) {
            report.warnings.push(format!("STAND-IN DATA. Some of these runs use the built-in drawn {stand_in}: nothing about them is a result on {of}."));
        }
    }
    for (name, runs) in &by_name {
        report.count(name, runs);
        let grouped = Grouped::of(runs);
        report.warnings.extend(grouped.repeated.iter().cloned());
        report.sections.push(section(name, &grouped.groups));
    }
    match crate::sweep::tune::stored(dir) {
        Ok(Some(tuned)) => {
            report.warnings.extend(tuned.warnings());
            report.sections.push(super::tuning::section(&tuned));
        }
        Ok(None) => {}
        Err(e) => report.warnings.push(format!("What was tuned is left out: {}", here(&e.to_string(), dir))),
    }
    Ok(report)
}

/// The folder and those below it that hold a run, or what is left of one.
fn run_dirs(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let below = std::fs::read_dir(dir).map_err(StoreError::io("read", dir))?;
    let mut dirs: Vec<PathBuf> = below.flatten().map(|e| e.path()).collect();
    dirs.sort();
    dirs.insert(0, dir.to_path_buf());
    dirs.retain(|d| d.join("spec.toml").is_file() || d.join("summary.json").is_file());
    Ok(dirs)
}

/// A message without the folder in which the machine that made the report had its files.
pub(super) fn here(message: &str, dir: &Path) -> String {
    message.replace(&format!("{}{}", dir.display(), std::path::MAIN_SEPARATOR), "")
}

fn section(name: &str, groups: &[Group<'_>]) -> Section {
    let mut section = Section { id: format!("runs-{name}"), title: name.to_owned(), ..Section::default() };
    if groups.is_empty() {
        return section;
    }
    let shown: Vec<&Group<'_>> = groups.iter().filter(|g| !g.runs.is_empty()).collect();
    let parts = shown.len().div_ceil(LINES);
    for (i, part) in shown.chunks(LINES).enumerate() {
        let (title, stem) = match parts {
            1 => (name.to_owned(), format!("runs-{name}")),
            _ => (format!("{name} ({} of {parts})", i + 1), format!("runs-{name}-{}", i + 1)),
        };
        let panels = panels(part);
        if !panels.is_empty() {
            let caption =
                "A line for each rule and setting: mean over its seeds; band: 95 % interval of the mean (t)."
                    .into();
            section.figures.push((stem, Figure { title, caption, panels, ..Figure::default() }));
        }
    }
    section.text = groups.iter().filter_map(Group::rises).collect();
    section.tables.push((format!("runs-{name}"), runs_table::table(groups)));
    section
}

type Curve = Vec<(f64, f64)>;

fn panels(groups: &[&Group<'_>]) -> Vec<Panel> {
    let curve = |points: Vec<(u64, f64, f64)>, unit: f64| -> Curve {
        points.into_iter().map(|(_, epoch, value)| (epoch, unit * value)).collect()
    };
    let panels = [
        panel(groups, "test accuracy", Axis::new("test accuracy", "%"), |r| {
            curve(r.curve("accuracy", "accuracy", Some("test"), None), 100.0)
        }),
        panel(groups, "test loss", Axis::new("test loss", ""), |r| {
            curve(r.curve("accuracy", "loss", Some("test"), None), 1.0)
        }),
        panel(groups, "angle of W and B, last layer", Axis::new("angle", "°"), |r| {
            let last = r.rows.iter().filter(|x| x.probe == "weight_angle").filter_map(|x| x.layer).max();
            curve(r.curve("weight_angle", "angle", None, last), 1.0)
        }),
    ];
    panels.into_iter().flatten().collect()
}

fn panel(groups: &[&Group<'_>], title: &str, y: Axis, get: impl Fn(&Run) -> Curve) -> Option<Panel> {
    let series = |group: &&Group<'_>| {
        let curves: Vec<Curve> = group.runs.iter().filter(|r| r.is_done()).map(|r| get(r)).collect();
        let (x, y, low, high) = crate::reproduce::band(&curves);
        (!x.is_empty())
            .then(|| Series::new(Mark::Line, group.style(), group.label.clone(), x, y).band(low, high))
    };
    let series: Vec<Series> = groups.iter().filter_map(series).collect();
    (!series.is_empty()).then(|| Panel {
        title: title.into(),
        x: Axis::new("epoch", ""),
        y,
        series,
        ..Panel::default()
    })
}
