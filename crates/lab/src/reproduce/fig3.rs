//! Alignment: cos(W_2, B_2) during training by width and rule, and its distribution over hidden units at the end.
//!
//! B_2 is the matrix that carries the error (c sign(W_2) under sign_fa). Per hidden unit k: cos(W_2[:,k], B_2[:,k]), from the checkpoint after the last step.

use super::Experiment;
use super::analysis::{Found, Run, band, correlation, crossed, estimate, rules, thin, widths, words};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Series};
use crate::table::{Cell, Column, Table};
use realign::tensor::Tensor;
use std::collections::BTreeMap;

/// Points of a curve.
const POINTS: usize = 60;

/// Units per run that a distribution is drawn from: every n-th, so that the page stays small.
const UNITS: usize = 64;

/// One run's cosine over epochs.
struct Curve<'a> {
    run: &'a Run,
    points: Vec<(f64, f64)>,
}

impl<'a> Curve<'a> {
    fn of(run: &'a Run) -> Option<Curve<'a>> {
        let angles = run.curve("weight_angle", "angle", None, Some(1));
        let points: Vec<(f64, f64)> = angles.iter().map(|a| (a.1, a.2.to_radians().cos())).collect();
        (!points.is_empty()).then_some(Curve { run, points })
    }

    fn start(&self) -> f64 {
        self.points[0].1
    }

    fn end(&self) -> f64 {
        self.points[self.points.len() - 1].1
    }
}

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let curves: Vec<Curve<'_>> = runs.iter().filter(|r| r.is_done()).filter_map(Curve::of).collect();
    let mut found = Found {
        text: vec![
            "Bias-free ReLU networks 784-n-10 on a random subset with 20 % wrong labels. W₂ and B₂ are drawn independently (fa, adafa), so the cosine starts near 0; under \
             sign_fa B₂ = c·sign(W₂), so it starts at cos 30° = 0.87 for uniform weights. adafa is our reconstruction."
                .into(),
        ],
        ..Found::default()
    };
    if curves.is_empty() {
        return Ok(found);
    }
    let (rules, widths) = (rules(runs), widths(runs));
    for rule in &rules {
        measure(&curves, rule, &mut found);
    }
    found.figures.push(("fig3-cosine".into(), cosine(&curves, &rules, &widths)));
    found.figures.push(("fig3-end".into(), ends(&curves, &rules)));
    if let Some(units) = units(&curves, &rules, &widths)? {
        found.figures.push(("fig3-units".into(), units));
    }
    found.tables.push(("fig3".into(), table(&curves, &rules, &widths)));
    Ok(found)
}

fn measure(curves: &[Curve<'_>], rule: &str, found: &mut Found) {
    let of: Vec<&Curve<'_>> = curves.iter().filter(|c| c.run.rule() == rule).collect();
    let all = |f: &dyn Fn(&Curve<'_>) -> f64| of.iter().map(|c| f(c)).collect::<Vec<f64>>();
    let mut put = |key: &str, e| {
        found.measured.insert(format!("{key}.{rule}"), e);
    };
    let mean = |f: &dyn Fn(&Curve<'_>) -> f64| {
        crossed(&of.iter().map(|c| (c.run.levels(), f(c))).collect::<Vec<_>>())
    };
    put("start", mean(&|c| c.start()));
    put("growth", mean(&|c| c.end() - c.start()));
    put("width_rho", correlation(&all(&|c| c.run.width() as f64), &all(&|c| c.end())));
    if rule != "fa" {
        let fa: BTreeMap<_, f64> =
            curves.iter().filter(|c| c.run.rule() == "fa").map(|c| (c.run.levels(), c.end())).collect();
        let pair = |c: &&Curve<'_>| Some((c.run.levels(), c.end() - fa.get(&c.run.levels())?));
        put("better", crossed(&of.iter().filter_map(pair).collect::<Vec<_>>()));
    }
}

fn cosine(curves: &[Curve<'_>], rules: &[&str], widths: &[u64]) -> Figure {
    let panel = |rule: &&str| {
        let series = |width: &u64| {
            let of = curves.iter().filter(|c| c.run.rule() == *rule && c.run.width() == *width);
            let (x, y, low, high) = band(&of.map(|c| thin(&c.points, POINTS)).collect::<Vec<_>>());
            Series::new(Mark::Line, format!("n{width}"), format!("width {width}"), x, y).band(low, high)
        };
        Panel {
            title: words(rule),
            x: Axis::new("epoch", ""),
            y: Axis::new("cos(W₂, B₂)", "").limits(-0.1, 1.0),
            series: widths.iter().map(series).collect(),
            ..Panel::default()
        }
    };
    Figure {
        title: "Alignment of forward and feedback weights during training".into(),
        caption: "cos(W₂, B₂) by epoch for each rule and width. Line: mean over seeds; band: 95 % interval of the mean (t).".into(),
        share_y: true,
        panels: rules.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn ends(curves: &[Curve<'_>], rules: &[&str]) -> Figure {
    let series = |rule: &&str| {
        let of = curves.iter().filter(|c| c.run.rule() == *rule);
        let points: Vec<Vec<(f64, f64)>> = of.map(|c| vec![(c.run.width() as f64, c.end())]).collect();
        let (x, y, low, high) = band(&points);
        Series::new(Mark::Line, *rule, words(rule), x, y).band(low, high)
    };
    let panel = Panel {
        x: Axis::new("width n", "").scale(crate::figure::Scale::Log),
        y: Axis::new("cos(W₂, B₂) at the end", "").limits(0.0, 1.0),
        series: rules.iter().map(series).collect(),
        ..Panel::default()
    };
    Figure {
        title: "Alignment at the end of training against width".into(),
        caption:
            "cos(W₂, B₂) after the last epoch. Line: mean over seeds; band: 95 % interval of the mean (t)."
                .into(),
        panels: vec![panel],
        ..Figure::default()
    }
}

/// cos(W[:,k], B[:,k]) of every column with a direction.
fn column_cosines(w: &Tensor, b: &Tensor) -> Vec<f64> {
    let (rows, cols) = (w.rows(), w.cols());
    let at = |t: &Tensor, j: usize, k: usize| t.at(j * cols + k);
    let cosine = |k: usize| {
        let (mut wb, mut ww, mut bb) = (0.0, 0.0, 0.0);
        for j in 0..rows {
            let (x, y) = (at(w, j, k), at(b, j, k));
            (wb, ww, bb) = (wb + x * y, ww + x * x, bb + y * y);
        }
        (ww * bb > 0.0).then(|| wb / (ww * bb).sqrt())
    };
    (0..cols).filter_map(cosine).collect()
}

fn units(curves: &[Curve<'_>], rules: &[&str], widths: &[u64]) -> Result<Option<Figure>, LabError> {
    let mut panels = Vec::new();
    for rule in rules {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for c in curves.iter().filter(|c| c.run.rule() == *rule) {
            let place = widths.iter().position(|w| *w == c.run.width()).unwrap_or(0) as f64;
            let Some(saved) = c.run.last_checkpoint()? else { continue };
            let (Some(w), Some(b)) = (saved.get("layers.1.weight"), saved.get("layers.1.feedback")) else {
                continue;
            };
            let kept = thin(&column_cosines(w, b), UNITS);
            x.extend(kept.iter().map(|_| place));
            y.extend(kept);
        }
        if !y.is_empty() {
            panels.push(Panel {
                title: words(rule),
                x: Axis::new("width n", "").categories(widths.iter().map(u64::to_string)),
                y: Axis::new("cos(W₂[:,k], B₂[:,k])", "").limits(-1.0, 1.0),
                series: vec![Series::new(Mark::Box, *rule, words(rule), x, y)],
                ..Panel::default()
            });
        }
    }
    let figure = Figure {
        title: "Alignment of single hidden units at the end".into(),
        caption: format!(
            "Cosine of each hidden unit's outgoing and feedback weights after the last epoch, all seeds together, every n-th unit so that about {UNITS} per run are \
             shown. Box: quartiles; whiskers: last value within 1.5 interquartile ranges."
        ),
        share_y: true,
        panels,
        ..Figure::default()
    };
    Ok((!figure.panels.is_empty()).then_some(figure))
}

fn table(curves: &[Curve<'_>], rules: &[&str], widths: &[u64]) -> Table {
    let mut rows = Vec::new();
    for rule in rules {
        for width in widths {
            let of: Vec<&Curve<'_>> =
                curves.iter().filter(|c| c.run.rule() == *rule && c.run.width() == *width).collect();
            let mean = |f: &dyn Fn(&Curve<'_>) -> f64| {
                Cell::from(estimate(&of.iter().map(|c| f(c)).collect::<Vec<_>>()))
            };
            rows.push(vec![
                words(rule).as_str().into(),
                width.to_string().as_str().into(),
                mean(&|c| c.start()),
                mean(&|c| c.end()),
                of.len().to_string().as_str().into(),
            ]);
        }
    }
    Table {
        caption: "cos(W₂, B₂), mean over seeds with 95 % interval (t).".into(),
        columns: ["rule", "width", "at the start", "at the end", "runs"].map(Column::new).to_vec(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign::tensor::DType;

    /// Columns (3,4) and (0,0) against (4,3) and (1,1): cosine 24/25, and no direction.
    #[test]
    fn cosines_are_taken_column_by_column() {
        let w = Tensor::from_f64([2, 2], &[3.0, 0.0, 4.0, 0.0], DType::F64);
        let b = Tensor::from_f64([2, 2], &[4.0, 1.0, 3.0, 1.0], DType::F64);
        assert_eq!(column_cosines(&w, &b), [24.0 / 25.0]);
    }
}
