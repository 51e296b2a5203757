//! Figure 7: does better alignment go with better accuracy? Final alignment of every run of Tables 2 and 3 against its accuracy relative to that of
//! backpropagation with the same classes and seed.
//!
//! Spearman's rho over runs of all rules but bp (1 on both axes by definition) and frozen (no alignment). A correlation over rules is carried by few
//! rules; the one within fa asks whether better aligned runs of the same rule do better.

use super::analysis::{Found, Run, correlation, rules, words};
use super::conv::{End, Outcome, outcomes, pairs};
use super::{Experiment, SOURCES};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Reference, Series, Side};
use crate::stats::Estimate;
use crate::table::{Cell, Column, Table};

/// Name of the runs and of the data set they are about.
const SETS: [(&str, &str, &str); 2] = [
    ("robertson2024-cifar100", "cifar100", "CIFAR-100"),
    ("robertson2024-tiny", "tiny_imagenet", "Tiny-ImageNet"),
];

/// One run beside its partner under bp.
struct Point {
    rule: String,
    update: f64,
    weight: f64,
    /// Accuracy over that of bp.
    relative: f64,
    /// Gain over chance over that of bp.
    gain: f64,
}

impl Point {
    fn of((o, bp): (&Outcome<'_>, &Outcome<'_>)) -> Point {
        Point {
            rule: o.rule().to_owned(),
            update: o.update_at(End::Last),
            weight: o.weight_at(End::Last),
            relative: o.accuracy / bp.accuracy,
            gain: o.gain() / bp.gain(),
        }
    }
}

type Get = fn(&Point) -> f64;

/// What is set against what: word, words, alignment, accuracy.
const AGAINST: [(&str, &str, Get, Get); 4] = [
    ("update", "cos(update, gradient), accuracy / bp", |p| p.update, |p| p.relative),
    ("weight", "cos(W, B), accuracy / bp", |p| p.weight, |p| p.relative),
    ("update_gain", "cos(update, gradient), gain over chance / bp", |p| p.update, |p| p.gain),
    ("weight_gain", "cos(W, B), gain over chance / bp", |p| p.weight, |p| p.gain),
];

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let mut found = Found { text: text(), ..Found::default() };
    let mut rows = Vec::new();
    let mut panels = Vec::new();
    let rules: Vec<&str> = rules(runs).into_iter().filter(|r| !["bp", "frozen"].contains(r)).collect();
    for (name, set, title) in SETS {
        let points = points(runs, name, &rules);
        if points.is_empty() {
            continue;
        }
        let title = &*data_words(runs, name, set, title);
        for (word, label, x, y) in AGAINST {
            let rho = |rule: Option<&str>| {
                let kept: Vec<&Point> = points.iter().filter(|p| rule.is_none_or(|r| r == p.rule)).collect();
                let side = |f: Get| kept.iter().map(|p| f(p)).collect::<Vec<f64>>();
                correlation(&side(x), &side(y))
            };
            let mut row: Vec<Cell> = vec![title.into(), label.into(), rho(None).into()];
            found.measured.insert(format!("{word}_rho.{set}"), rho(None));
            for rule in &rules {
                let within: Estimate = rho(Some(rule));
                found.measured.insert(format!("{word}_rho.{set}.{rule}"), within);
                row.push(within.into());
            }
            rows.push(row);
        }
        panels.push(panel(&points, &rules, title, "cos(update, gradient)", |p| p.update));
        panels.push(panel(&points, &rules, title, "cos(W, B)", |p| p.weight));
    }
    if !panels.is_empty() {
        found.figures.push(("fig7".into(), figure(panels)));
        found.tables.push(("fig7".into(), table(rows, &rules)));
    }
    Ok(found)
}

fn text() -> Vec<String> {
    vec![
        "Nothing is known of the paper's Figure 7: this is our way to its hypothesis (ii). Each point is one run of Tables 2 and 3, with its alignment at the last recorded step and its \
         test accuracy over that of bp with the same classes and seed. bp itself (1 on both axes) and frozen are left out. adafa is our reconstruction."
            .into(),
        "Read the correlation over all rules with care: rules differ in more than alignment, and a few rules carry it. The columns within one rule are free of that, and see only what \
         differs by number of classes, draw and seed."
            .into(),
    ]
}

/// The data set, or what stands in for it.
fn data_words(runs: &[Run], name: &str, set: &str, title: &str) -> String {
    let used = runs.iter().find(|r| r.spec.name() == name).and_then(|r| r.spec.get("data.name")?.as_str());
    let source = SOURCES.iter().find(|s| s.name == set && used == Some(s.stand_in));
    source.map_or(title.to_owned(), |s| format!("{} for {title}", s.stand_in_words))
}

fn points(runs: &[Run], name: &str, rules: &[&str]) -> Vec<Point> {
    let mut all = outcomes(runs);
    all.retain(|o| o.pair().0 == name);
    let of_rule = |rule: &&str| pairs(&all, rule, "bp").into_iter().map(Point::of).collect::<Vec<_>>();
    rules.iter().flat_map(of_rule).filter(|p| p.relative.is_finite()).collect()
}

fn panel(points: &[Point], rules: &[&str], title: &str, label: &str, x: Get) -> Panel {
    let series = |rule: &&str| {
        let of: Vec<&Point> = points.iter().filter(|p| p.rule == *rule).collect();
        let side = |f: Get| of.iter().map(|p| f(p)).collect::<Vec<f64>>();
        Series::new(Mark::Scatter, *rule, words(rule), side(x), side(|p| p.relative))
    };
    Panel {
        title: title.into(),
        x: Axis::new(format!("{label} at the end"), ""),
        y: Axis::new("accuracy / accuracy of bp", ""),
        series: rules.iter().map(series).collect(),
        references: vec![Reference { axis: Side::Y, at: 1.0, label: "bp".into() }],
    }
}

fn figure(panels: Vec<Panel>) -> Figure {
    Figure {
        title: "Alignment and accuracy, run by run".into(),
        caption: "Final alignment of each run against its test accuracy relative to bp with the same classes and seed, all numbers of classes together. Left: cosine of the update and the \
                  gradient over all weights; right: cos(W, B) averaged over the layers that carry an error."
            .into(),
        columns: 2,
        panels,
        ..Figure::default()
    }
}

fn table(rows: Vec<Vec<Cell>>, rules: &[&str]) -> Table {
    let within = rules.iter().map(|r| Column::new(format!("within {}", words(r))));
    Table {
        caption: "Spearman's rho over runs with 95 % interval (Bonett & Wright 2000), over all rules but bp and frozen and within each rule; runs that share classes are not independent, so \
                  the intervals are too narrow."
            .into(),
        columns: ["data", "what against what", "all rules"].map(Column::new).into_iter().chain(within).collect(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{named, run};
    use super::*;

    /// The better aligned of three rules is the more accurate one in every pair: rho = 1, with bp and frozen left out.
    #[test]
    fn the_correlation_is_over_runs_beside_bp() {
        let mut runs = Vec::new();
        for seed in 0..3 {
            let small = 0.001 * seed as f64;
            let mut add = |rule: &str, accuracy: f64, cosine: f64| {
                runs.push(run(named(SETS[0].0, rule, 10, seed, seed), Some(accuracy), cosine, cosine));
            };
            add("bp", 0.8, 1.0);
            add("fa", 0.4 + small, 0.2 + small);
            add("sign_fa", 0.7 + small, 0.8 + small);
            add("frozen", 0.1, 0.0);
        }
        let found = analyse(&Experiment { id: "fig7", parts: Vec::new() }, &runs).unwrap();
        let rho = |key: &str| found.measured[key];
        assert_eq!((rho("update_rho.cifar100").mean, rho("update_rho.cifar100").n), (Some(1.0), 6));
        assert_eq!(rho("weight_gain_rho.cifar100.fa").n, 3);
        assert!(!found.measured.contains_key("update_rho.tiny_imagenet"));
        assert_eq!(found.figures[0].1.panels.len(), 2);
        // The runs of this test are on glyphs.
        assert_eq!(found.figures[0].1.panels[0].title, "built-in drawn glyphs for CIFAR-100");
    }
}
