//! Figures 5 and 6: cos(W_l, B_l) of every layer during the training of convolutional nets, and how far the updates follow the gradient.
//!
//! Under bp there is no B, so no cos(W, B); it appears where the update is compared with the gradient, with cosine 1 by definition. sign_fa's B is
//! c sign(W). "Mean over layers" is over the layers that carry an error: all weighted ones but the first.

use super::Experiment;
use super::analysis::{Found, Run, band_crossed, rules, words};
use super::conv::{End, INTERVAL, Outcome, mean, mean_pairs, outcomes, pairs};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Series};
use crate::table::{Cell, Column, Table};

pub(super) fn analyse(experiment: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let all = outcomes(runs);
    let mut found = Found { text: text(), ..Found::default() };
    if all.is_empty() {
        return Ok(found);
    }
    let id = experiment.id;
    let with_b: Vec<&str> =
        rules(runs).into_iter().filter(|r| of(&all, r).any(|o| !o.weight.is_empty())).collect();
    for rule in rules(runs) {
        measure(&all, rule, &mut found);
    }
    found.figures.push((format!("{id}-cosine"), cosine(&all, &with_b)));
    found.figures.push((format!("{id}-update"), update(&all, &rules(runs))));
    found.tables.push((id.to_owned(), table(&all, &rules(runs))));
    Ok(found)
}

fn text() -> Vec<String> {
    vec![
        "The runs with 10 classes of the table below. cos(W, B) is taken per layer that carries an error back: layer 1 is the second convolution, counted from 0 at the input. \
         W and B are drawn independently under fa and adafa; under sign_fa B = c·sign(W), so the cosine starts at 0.87 for uniform weights. Under bp there is no B: it is \
         shown only where the update is compared with the gradient, which is its own update. adafa is our reconstruction."
            .into(),
    ]
}

fn of<'b, 'a>(all: &'b [Outcome<'a>], rule: &'b str) -> impl Iterator<Item = &'b Outcome<'a>> {
    all.iter().filter(move |o| o.rule() == rule)
}

fn measure(all: &[Outcome<'_>], rule: &str, found: &mut Found) {
    let mean = |f: &dyn Fn(&Outcome<'_>) -> f64| mean(of(all, rule), f);
    let mut put = |key: &str, e| {
        found.measured.insert(format!("{key}.{rule}"), e);
    };
    put("start", mean(&|o| o.weight_at(End::First)));
    put("end", mean(&|o| o.weight_at(End::Last)));
    put("growth", mean(&|o| o.weight_at(End::Last) - o.weight_at(End::First)));
    put("update", mean(&|o| o.update_at(End::Last)));
    if rule != "fa" {
        let paired = pairs(all, rule, "fa");
        let differences =
            |f: &dyn Fn(&Outcome<'_>) -> f64| mean_pairs(paired.iter().copied(), |o, fa| f(o) - f(fa));
        put("better", differences(&|o| o.weight_at(End::Last)));
        put("better_update", differences(&|o| o.update_at(End::Last)));
    }
}

fn cosine(all: &[Outcome<'_>], rules: &[&str]) -> Figure {
    let panel = |rule: &&str| {
        let mut layers: Vec<usize> = of(all, rule).flat_map(|o| o.weight.iter().map(|w| w.0)).collect();
        layers.sort_unstable();
        layers.dedup();
        let series = |layer: &usize| {
            let curve = |o: &Outcome<'_>| {
                let found = o.weight.iter().find(|w| w.0 == *layer)?;
                Some((o.levels(), found.1.clone()))
            };
            let (x, y, low, high) = band_crossed(&of(all, rule).filter_map(curve).collect::<Vec<_>>());
            Series::new(Mark::Line, format!("l{layer}"), format!("layer {layer}"), x, y).band(low, high)
        };
        Panel {
            title: words(rule),
            x: Axis::new("epoch", ""),
            y: Axis::new("cos(W, B)", "").limits(-0.1, 1.0),
            series: layers.iter().map(series).collect(),
            ..Panel::default()
        }
    };
    Figure {
        title: "Alignment of forward and feedback weights, 10 classes".into(),
        caption: format!(
            "cos(W, B) by epoch for each rule and layer that carries an error, from the input up. Line: mean over runs (draws of classes and seeds); band: {INTERVAL}. bp has no B."
        ),
        share_y: true,
        panels: rules.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn update(all: &[Outcome<'_>], rules: &[&str]) -> Figure {
    let series = |rule: &&str| {
        let curves: Vec<_> = of(all, rule).map(|o| (o.levels(), o.update.clone())).collect();
        let (x, y, low, high) = band_crossed(&curves);
        Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high)
    };
    let panel = Panel {
        x: Axis::new("epoch", ""),
        y: Axis::new("cos(update, gradient)", "").limits(-0.1, 1.05),
        series: rules.iter().map(series).collect(),
        ..Panel::default()
    };
    Figure {
        title: "How far the update follows the gradient, 10 classes".into(),
        caption: format!(
            "Cosine of the rule's update direction and the true gradient on the same batch, over all weights, by epoch; 1 under bp by definition. Line: mean over runs (draws of classes \
             and seeds); band: {INTERVAL}."
        ),
        panels: vec![panel],
        ..Figure::default()
    }
}

fn table(all: &[Outcome<'_>], rules: &[&str]) -> Table {
    let row = |rule: &&str| {
        let mean = |f: &dyn Fn(&Outcome<'_>) -> f64| Cell::from(mean(of(all, rule), f));
        vec![
            words(rule).as_str().into(),
            of(all, rule).count().to_string().as_str().into(),
            super::conv::mean(of(all, rule), |o| o.update_at(End::Last)).n.to_string().as_str().into(),
            mean(&|o| o.weight_at(End::First)),
            mean(&|o| o.weight_at(End::Last)),
            mean(&|o| o.update_at(End::First)),
            mean(&|o| o.update_at(End::Last)),
        ]
    };
    let heads = [
        "rule",
        "runs",
        "n",
        "cos(W, B) at the start",
        "cos(W, B) at the end",
        "cos(update, gradient) at the start",
        "cos(update, gradient) at the end",
    ];
    Table {
        caption: format!(
            "Mean over runs (draws of classes and seeds) with {INTERVAL}; n: how many such means. cos(W, B) averaged over the layers that carry an error, the update over all weights."
        ),
        columns: heads.map(Column::new).to_vec(),
        rows: rules.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{run, spec};
    use super::*;

    /// fa grows by 0.3, sign_fa by 0.7 in every run: growth and paired difference follow by hand.
    #[test]
    fn growth_and_difference_are_those_of_the_runs() {
        let mut runs = Vec::new();
        for seed in 0..3 {
            runs.push(run(spec("bp", 10, 0, seed), Some(0.9), 0.0, 1.0));
            runs.push(run(spec("fa", 10, 0, seed), Some(0.5), 0.3, 0.4));
            runs.push(run(spec("sign_fa", 10, 0, seed), Some(0.8), 0.7, 0.6));
        }
        let experiment = Experiment { id: "fig5", parts: Vec::new() };
        let found = analyse(&experiment, &runs).unwrap();
        let mean = |key: &str| found.measured[key].mean.unwrap();
        for (key, expected) in
            [("growth.fa", 0.3), ("better.sign_fa", 0.4), ("better_update.sign_fa", 0.2), ("update.bp", 1.0)]
        {
            assert!((mean(key) - expected).abs() < 1e-9, "{key}: {}", mean(key));
        }
        assert!(found.measured["growth.bp"].mean.is_none(), "there is no B under bp");
        assert_eq!(found.figures[0].1.panels.len(), 2);
        assert_eq!(found.figures[1].1.panels[0].series.len(), 3);
    }
}
