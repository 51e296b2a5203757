//! The report of any folder of runs: accuracy, loss and alignment by rule, what failed, where it ran.

use super::{Report, Section, citations};
use crate::figure::{Axis, Figure, Mark, Panel, Series};
use crate::reproduce::Run;
use crate::stats::{self, Estimate};
use crate::table::{Best, Cell, Column, Table};
use crate::{LabError, Spec};
use std::collections::BTreeMap;
use std::path::Path;

/// What tells apart the lines of a figure: rule and grid values without the seed.
fn group(run: &Run) -> String {
    let other = |w: &&str| !w.starts_with("seed=") && !w.starts_with("rule");
    let rest: Vec<&str> = run.spec.label().split(' ').filter(other).filter(|w| !w.is_empty()).collect();
    let rule = crate::reproduce::words(run.spec.rule());
    if rest.is_empty() { rule } else { format!("{rule} {}", rest.join(" ")) }
}

/// Reads every run directory directly below `dir`, or `dir` itself if it is one.
///
/// # Errors
/// If a run directory cannot be read.
pub fn folder(dir: &Path) -> Result<Report, LabError> {
    let mut dirs = vec![dir.to_path_buf()];
    let below = std::fs::read_dir(dir).map_err(crate::StoreError::io("read", dir))?;
    let mut below: Vec<_> = below.flatten().map(|e| e.path()).collect();
    below.sort();
    dirs.extend(below);
    let mut runs = Vec::new();
    for path in dirs.into_iter().filter(|d| d.join("spec.toml").is_file()) {
        let spec = Spec::load(&path.join("spec.toml"), &[])?.runs().remove(0);
        runs.push(Run::load(&spec, path)?);
    }
    let mut report = Report { title: "Report".into(), ..Report::default() };
    let mut by_name: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for run in runs {
        by_name.entry(run.spec.name().to_owned()).or_default().push(run);
    }
    let all: Vec<crate::RunSpec> = by_name.values().flatten().map(|r| r.spec.clone()).collect();
    report.subtitle = format!("{} runs", all.len());
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
        report.sections.push(section(name, runs));
    }
    if let Some(tuned) = crate::sweep::tune::stored(dir)? {
        report.warnings.extend(tuned.warnings());
        report.sections.push(super::tuning::section(&tuned));
    }
    Ok(report)
}

fn section(name: &str, runs: &[Run]) -> Section {
    let mut groups: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(|r| r.is_done()) {
        groups.entry(group(run)).or_default().push(run);
    }
    let mut section = Section { id: format!("runs-{name}"), title: name.to_owned(), ..Section::default() };
    if groups.is_empty() {
        return section;
    }
    let panels = [
        panel(&groups, "test accuracy", "test accuracy", |r| {
            r.curve("accuracy", "accuracy", Some("test"), None)
        }),
        panel(&groups, "test loss", "test loss", |r| r.curve("accuracy", "loss", Some("test"), None)),
        panel(&groups, "angle of W and B, last layer", "angle (°)", |r| {
            let last = r.rows.iter().filter(|x| x.probe == "weight_angle").filter_map(|x| x.layer).max();
            r.curve("weight_angle", "angle", None, last)
        }),
    ];
    let panels: Vec<Panel> = panels.into_iter().flatten().collect();
    if !panels.is_empty() {
        let caption = "Line: mean over seeds; band: 95 % interval of the mean (t).".into();
        section.figures.push((
            format!("runs-{name}"),
            Figure { title: name.to_owned(), caption, panels, ..Figure::default() },
        ));
    }
    section.tables.push((format!("runs-{name}"), table(&groups)));
    section
}

type Curve = Vec<(u64, f64, f64)>;

fn panel(
    groups: &BTreeMap<String, Vec<&Run>>,
    title: &str,
    label: &str,
    get: fn(&Run) -> Curve,
) -> Option<Panel> {
    let series = |(name, runs): (&String, &Vec<&Run>)| {
        let curves: Vec<Vec<(f64, f64)>> =
            runs.iter().map(|r| get(r).into_iter().map(|p| (p.1, p.2)).collect()).collect();
        let (x, y, low, high) = crate::reproduce::band(&curves);
        let style = if groups.len() <= realign::rules::RULES.len() && name.split(' ').count() == 1 {
            name.clone()
        } else {
            name.replace(' ', "-")
        };
        (!x.is_empty()).then(|| Series::new(Mark::Line, style, name, x, y).band(low, high))
    };
    let series: Vec<Series> = groups.iter().filter_map(series).collect();
    (!series.is_empty()).then(|| Panel {
        title: title.into(),
        x: Axis::new("epoch", ""),
        y: Axis::new(label, ""),
        series,
        ..Panel::default()
    })
}

fn table(groups: &BTreeMap<String, Vec<&Run>>) -> Table {
    let mean = |runs: &[&Run], f: &dyn Fn(&crate::RunReport) -> Option<f64>| -> Estimate {
        let values: Vec<f64> =
            runs.iter().map(|r| r.report.as_ref().and_then(f).unwrap_or(f64::NAN)).collect();
        stats::mean_t(&values, stats::LEVEL)
    };
    let row = |(name, runs): (&String, &Vec<&Run>)| {
        vec![
            Cell::from(name.as_str()),
            Cell::from(runs.len().to_string().as_str()),
            Cell::from(mean(runs, &|r| r.test_accuracy.map(|a| 100.0 * a))),
            Cell::from(mean(runs, &|r| r.test_loss)),
            Cell::from(mean(runs, &|r| r.train_loss)),
        ]
    };
    Table {
        caption: "Finished runs; mean over seeds with 95 % interval (t).".into(),
        columns: vec![
            Column::new("rule and setting"),
            Column::new("runs"),
            Column::new("test accuracy (%)").best(Best::Highest),
            Column::new("test loss").best(Best::Lowest),
            Column::new("train loss"),
        ],
        rows: groups.iter().map(row).collect(),
    }
}
