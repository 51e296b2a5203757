//! Tuning in the report: what was tried with which outcome, what each rule got, and how sensitive it is to each tuned value.
//!
//! A curve shows, for every value of a key, the best mean of the metric over the values of the other tuned keys; its band runs from the worst to the best
//! run of that candidate. A candidate of which a run diverged has no mean and leaves a gap. Nothing is chosen here ([`crate::sweep::tune`]).

use super::Section;
use crate::Metric;
use crate::figure::{Axis, Figure, Mark, Panel, Scale, Series};
use crate::reproduce::words;
use crate::sweep::tune::{Chosen, Trial, Tuned, best, whose};
use crate::table::{Cell, Column, Table, plain};
use std::collections::BTreeMap;
use toml::Value;

/// What is said of a tuned value at an end of what was tried.
pub fn edge(key: &str, end: &str) -> String {
    let what = match (key, end) {
        ("optimizer.lr", "lowest") => ": the rate may be too high",
        ("optimizer.lr", _) => ": a higher rate may be better",
        _ => "",
    };
    format!("{key} is the {end} tried{what}")
}

/// The section of a sweep that was tuned.
pub(super) fn section(tuned: &Tuned) -> Section {
    let seeds: Vec<String> = tuned.seeds.iter().map(u64::to_string).collect();
    let mut text = vec![format!(
        "Every rule was tried with the same values on the same seeds ({}), which no reported run uses; the best mean of {} on validation examples was \
         chosen, never one of which a run diverged. Test examples were not looked at.",
        seeds.join(", "),
        tuned.metric.name()
    )];
    let runs = |t: &Trial| t.scores.len() + t.diverged;
    if let Some(trial) = tuned.trials.iter().find(|t| runs(t) > tuned.seeds.len()) {
        text.push(format!(
            "Each mean is over {} runs: the seeds, and every value of the axes of the grid that have no choice of their own.",
            runs(trial)
        ));
    }
    text.extend(tuned.warnings());
    Section {
        id: "tuning".into(),
        title: "Tuning".into(),
        text,
        figures: vec![("tuning-sensitivity".into(), sensitivity(tuned))],
        tables: vec![("tuning".into(), chosen(tuned))],
        ..Section::default()
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or(value.as_integer().map(|i| i as f64))
}

fn sensitivity(tuned: &Tuned) -> Figure {
    Figure {
        title: "Sensitivity to the tuned values".into(),
        caption: format!(
            "Best mean of {} on validation examples over the values of the other tuned keys; band: worst to best tuning run of that candidate. No point where a run diverged.",
            tuned.metric.name()
        ),
        share_y: true,
        panels: tuned.axes.iter().map(|(key, values)| panel(tuned, key, values)).collect(),
        ..Figure::default()
    }
}

fn panel(tuned: &Tuned, key: &str, values: &[Value]) -> Panel {
    let numbers: Option<Vec<f64>> = values.iter().map(number).collect();
    let mut x = Axis::new(key, "");
    match &numbers {
        // A grid over a decade or more was meant in ratios.
        Some(n) if n.iter().all(|v| *v > 0.0) && wide(n) => x = x.scale(Scale::Log),
        Some(_) => {}
        None => x = x.categories(values.iter().map(Value::to_string)),
    }
    let mut groups: BTreeMap<String, (&str, Vec<&Trial>)> = BTreeMap::new();
    for trial in &tuned.trials {
        groups.entry(whose(&words(&trial.rule), &trial.per)).or_insert((&trial.rule, vec![])).1.push(trial);
    }
    let series = groups.into_iter().map(|(label, (rule, trials))| {
        let style = if label == words(rule) { rule.to_owned() } else { label.replace(' ', "-") };
        let (mut xs, mut y, mut low, mut high) = (vec![], vec![], vec![], vec![]);
        for (i, value) in values.iter().enumerate() {
            let at: Vec<&Trial> =
                trials.iter().copied().filter(|t| t.values.get(key) == Some(value)).collect();
            let Some((best, mean)) = best(&at, tuned.metric).and_then(|t| Some((t, t.mean()?))) else {
                continue;
            };
            xs.push(numbers.as_ref().map_or(i as f64, |n| n[i]));
            y.push(mean);
            low.push(best.scores.iter().copied().fold(f64::INFINITY, f64::min));
            high.push(best.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
        Series::new(Mark::Line, style, label, xs, y).band(low, high)
    });
    Panel {
        x,
        y: Axis::new(tuned.metric.name(), if tuned.metric == Metric::ValAccuracy { "share" } else { "" }),
        series: series.collect(),
        ..Panel::default()
    }
}

fn wide(n: &[f64]) -> bool {
    let low = n.iter().copied().fold(f64::INFINITY, f64::min);
    n.iter().any(|v| *v >= 10.0 * low)
}

fn chosen(tuned: &Tuned) -> Table {
    let row = |c: &Chosen| {
        let values: Vec<String> = c.choice.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let edges: Vec<String> = c.edges.iter().map(|(k, end)| edge(k, end)).collect();
        let diverged: usize = tuned
            .trials
            .iter()
            .filter(|t| (&t.rule, &t.per) == (&c.choice.rule, &c.choice.per))
            .map(|t| t.diverged)
            .sum();
        [
            whose(&words(&c.choice.rule), &c.choice.per),
            values.join(" "),
            match tuned.metric {
                Metric::ValAccuracy => format!("{:.2}", 100.0 * c.score),
                Metric::ValLoss => plain(c.score),
            },
            if edges.is_empty() { "–".into() } else { edges.join(", ") },
            diverged.to_string(),
        ]
        .iter()
        .map(|s| Cell::from(s.as_str()))
        .collect()
    };
    let unit = if tuned.metric == Metric::ValAccuracy { " (%)" } else { "" };
    let score = format!("mean {}{unit}", tuned.metric.name());
    let head = ["rule", "chosen", score.as_str(), "at an end of its axis", "tuning runs that diverged"];
    Table {
        caption: "What each rule got.".into(),
        columns: head.map(Column::new).to_vec(),
        rows: tuned.chosen.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_at_an_end_of_what_was_tried_is_judged_and_other_values_are_only_named() {
        assert_eq!(
            edge("optimizer.lr", "lowest"),
            "optimizer.lr is the lowest tried: the rate may be too high"
        );
        assert_eq!(
            edge("optimizer.lr", "highest"),
            "optimizer.lr is the highest tried: a higher rate may be better"
        );
        assert_eq!(edge("rule.kappa", "lowest"), "rule.kappa is the lowest tried");
    }
}
