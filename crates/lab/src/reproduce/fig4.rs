//! Benign overfitting: test loss and clean test accuracy against width, of runs trained until they fit the wrong labels.
//!
//! Of the train examples a share nu has a wrong label. Fitted: train errors <= 1 % of the number of wrong labels, so at least 99 % of these are
//! fitted (the train split is scored on its noisy labels). The interpolation epoch is that of the first evaluation at which this holds; test figures
//! are those of that evaluation and of the end.

use super::Experiment;
use super::analysis::{Found, Run, band, correlation, crossed, estimate, extreme, rules, widths, words};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Reference, Scale, Series, Side};
use crate::table::{Best, Cell, Column, Table};
use std::collections::BTreeMap;

/// Share of the wrong labels that must be fitted.
const FIT: f64 = 0.99;

/// How one run generalises.
struct Outcome<'a> {
    run: &'a Run,
    /// Epoch, test loss and test accuracy when the noise was first fitted.
    fitted: Option<[f64; 3]>,
    test_loss: f64,
    test_accuracy: f64,
    train_accuracy: f64,
}

impl<'a> Outcome<'a> {
    fn of(run: &'a Run) -> Option<Outcome<'a>> {
        let noise = run.number("data.label_noise");
        let train = run.curve("accuracy", "accuracy", Some("train"), None);
        let (loss, accuracy) = (
            run.curve("accuracy", "loss", Some("test"), None),
            run.curve("accuracy", "accuracy", Some("test"), None),
        );
        let at = |curve: &[(u64, f64, f64)], step: u64| {
            curve.iter().find(|p| p.0 == step).map_or(f64::NAN, |p| p.2)
        };
        // A hair of tolerance: shares are ratios of whole numbers in floating point.
        let first = train.iter().find(|p| p.2 >= 1.0 - (1.0 - FIT) * noise - 1e-12);
        Some(Outcome {
            run,
            fitted: first.map(|p| [p.1, at(&loss, p.0), at(&accuracy, p.0)]),
            test_loss: loss.last()?.2,
            test_accuracy: accuracy.last()?.2,
            train_accuracy: train.last()?.2,
        })
    }

    /// Figures at interpolation; missing for a run that did not get there.
    fn at_fit(&self, i: usize) -> f64 {
        self.fitted.map_or(f64::NAN, |f| f[i])
    }
}

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let outcomes: Vec<Outcome<'_>> = runs.iter().filter(|r| r.is_done()).filter_map(Outcome::of).collect();
    let mut found = Found {
        text: vec![
            "The runs of Figure 3, and the same under backpropagation. A run has fitted the noise from the first evaluation (every 10 epochs) at which its errors on the \
             noisy train labels are at most 1 % of the number of wrong labels. All test labels are clean. Runs that did not fit are left out of the figures at \
             interpolation and counted in the table. adafa is our reconstruction."
                .into(),
        ],
        ..Found::default()
    };
    if outcomes.is_empty() {
        return Ok(found);
    }
    let (rules, widths) = (rules(runs), widths(runs));
    for rule in &rules {
        measure(&outcomes, rule, &widths, &mut found);
    }
    let noise = runs[0].number("data.label_noise");
    found.figures.push(("fig4".into(), figure(&outcomes, &rules, noise)));
    found.tables.push(("fig4".into(), table(&outcomes, &rules, &widths)));
    Ok(found)
}

fn measure(outcomes: &[Outcome<'_>], rule: &str, widths: &[u64], found: &mut Found) {
    let of: Vec<&Outcome<'_>> = outcomes.iter().filter(|o| o.run.rule() == rule).collect();
    let all = |f: &dyn Fn(&Outcome<'_>) -> f64| of.iter().map(|o| f(o)).collect::<Vec<f64>>();
    let mut put = |key: &str, e| {
        found.measured.insert(format!("{key}.{rule}"), e);
    };
    let fitted = all(&|o| f64::from(u8::from(o.fitted.is_some())));
    let mut share = extreme(&fitted, f64::max);
    share.mean = Some(fitted.iter().sum::<f64>() / fitted.len().max(1) as f64);
    put("fitted_share", share);
    let widest = widths.last().copied().unwrap_or(0);
    let wide: Vec<f64> = of.iter().filter(|o| o.run.width() == widest).map(|o| o.at_fit(2)).collect();
    put("test_accuracy_widest", estimate(&wide));
    put("loss_width_rho", correlation(&all(&|o| o.run.width() as f64), &all(&|o| o.at_fit(1))));
    if rule != "fa" {
        let of_fa = outcomes.iter().filter(|o| o.run.rule() == "fa");
        let fa: BTreeMap<_, f64> = of_fa.map(|o| (o.run.levels(), o.test_accuracy)).collect();
        let pair = |o: &&Outcome<'_>| Some((o.run.levels(), o.test_accuracy - fa.get(&o.run.levels())?));
        put("better_accuracy", crossed(&of.iter().filter_map(pair).collect::<Vec<_>>()));
    }
}

fn figure(outcomes: &[Outcome<'_>], rules: &[&str], noise: f64) -> Figure {
    type Get = fn(&Outcome<'_>) -> f64;
    let panel = |title: &str, label: &str, unit: &str, get: Get| {
        let series = |rule: &&str| {
            let of = outcomes.iter().filter(|o| o.run.rule() == *rule);
            let points: Vec<Vec<(f64, f64)>> = of
                .map(|o| vec![(o.run.width() as f64, get(o))])
                .filter(|p: &Vec<(f64, f64)>| p[0].1.is_finite())
                .collect();
            let (x, y, low, high) = band(&points);
            Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high)
        };
        Panel {
            title: title.into(),
            x: Axis::new("width n", "").scale(Scale::Log),
            y: Axis::new(label, unit),
            series: rules.iter().map(series).collect(),
            ..Panel::default()
        }
    };
    let mut accuracy =
        panel("clean test accuracy at interpolation", "test accuracy", "%", |o| 100.0 * o.at_fit(2));
    accuracy.references.push(Reference {
        axis: Side::Y,
        at: 100.0 * (1.0 - noise),
        label: "1 − noise".into(),
    });
    Figure {
        title: "Generalisation of networks that fit wrong labels".into(),
        caption: "Test figures at the first evaluation that fits at least 99 % of the wrong labels, when that was, and the test loss after the last epoch. Line: mean over \
                  seeds; band: 95 % interval of the mean (t)."
            .into(),
        columns: 2,
        panels: vec![
            panel("test loss at interpolation", "test loss", "nats", |o| o.at_fit(1)),
            accuracy,
            panel("interpolation epoch", "epoch", "", |o| o.at_fit(0)),
            panel("test loss at the end", "test loss", "nats", |o| o.test_loss),
        ],
        ..Figure::default()
    }
}

fn table(outcomes: &[Outcome<'_>], rules: &[&str], widths: &[u64]) -> Table {
    let mut rows = Vec::new();
    for rule in rules {
        for width in widths {
            let of: Vec<&Outcome<'_>> =
                outcomes.iter().filter(|o| o.run.rule() == *rule && o.run.width() == *width).collect();
            let mean = |f: &dyn Fn(&Outcome<'_>) -> f64| {
                Cell::from(estimate(&of.iter().map(|o| f(o)).collect::<Vec<_>>()))
            };
            let fitted = of.iter().filter(|o| o.fitted.is_some()).count();
            rows.push(vec![
                words(rule).as_str().into(),
                width.to_string().as_str().into(),
                format!("{fitted} of {}", of.len()).as_str().into(),
                mean(&|o| o.at_fit(0)),
                mean(&|o| o.at_fit(1)),
                mean(&|o| 100.0 * o.at_fit(2)),
                mean(&|o| o.test_loss),
                mean(&|o| 100.0 * o.test_accuracy),
                mean(&|o| 100.0 * o.train_accuracy),
            ]);
        }
    }
    Table {
        caption: "Mean over seeds with 95 % interval (t); figures at interpolation over the runs that fitted the noise.".into(),
        columns: vec![
            Column::new("rule"),
            Column::new("width"),
            Column::new("fitted"),
            Column::new("interpolation epoch"),
            Column::new("test loss there"),
            Column::new("test accuracy there (%)"),
            Column::new("test loss at the end").best(Best::Lowest),
            Column::new("test accuracy at the end (%)").best(Best::Highest),
            Column::new("train accuracy on noisy labels (%)"),
        ],
        rows,
    }
}
