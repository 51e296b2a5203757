//! Conservation: P(t)/P(0), what was exchanged, what drifted, what the ledger says of it, and how the drift goes with the rate.
//!
//! From the probe `ledger` (units of the first hidden layer, summed): P = Phi − ½‖W_1‖², exchanged |ΔPhi| and |Δ½‖W_1‖²|, drift ΔP, predicted = reader + writer
//! account. The slope is that of a straight line through log |drift| against log eta at equal eta · steps, per rule, width and seed.

use super::analysis::{Found, Run, band, crossed, estimate, extreme, rules, thin, widths, words};
use super::{Experiment, analysis::Band};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Reference, Scale, Series, Side};
use crate::table::{Cell, Column, Table};
use std::collections::BTreeMap;

/// Points of a curve.
const POINTS: usize = 40;

/// The books of one run over time.
pub(super) struct Books {
    rule: String,
    width: u64,
    seed: u64,
    lr: f64,
    opening: f64,
    /// (eta · step, ΔPhi, Δ½‖W‖², reader + writer, |path| + |residual|).
    points: Vec<[f64; 5]>,
}

impl Books {
    /// The books of the stream that `layer` writes.
    pub(super) fn of(run: &Run, layer: usize) -> Option<Books> {
        let lr = run.number("optimizer.lr");
        let mut rows: BTreeMap<u64, [f64; 8]> = BTreeMap::new();
        let names = ["phi", "norm", "reader", "writer", "path", "residual", "opening_phi", "opening_norm"];
        for (i, name) in names.iter().enumerate() {
            for (step, _, value) in run.curve("ledger", name, None, Some(layer)) {
                rows.entry(step).or_insert([f64::NAN; 8])[i] = value;
            }
        }
        let opening = rows.values().next().map(|r| r[6] - r[7])?;
        let mut points = vec![[0.0; 5]];
        points.extend(
            rows.iter().map(|(s, r)| [lr * *s as f64, r[0], r[1], r[2] + r[3], r[4].abs() + r[5].abs()]),
        );
        Some(Books {
            rule: run.rule().to_owned(),
            width: run.width(),
            seed: run.spec.seed(),
            lr,
            opening,
            points,
        })
    }

    fn last(&self) -> [f64; 5] {
        *self.points.last().expect("at least the start")
    }

    /// Width and seed: what it shares with other runs.
    fn levels(&self) -> [u64; 2] {
        [self.width, self.seed]
    }

    /// The larger side of the exchange.
    pub(super) fn exchanged(&self) -> f64 {
        let [_, phi, norm, ..] = self.last();
        phi.abs().max(norm.abs())
    }

    /// What the potential moved.
    pub(super) fn drift(&self) -> f64 {
        let [_, phi, norm, ..] = self.last();
        phi - norm
    }

    /// What the accounts of a plain run leave unexplained, over the exchange.
    pub(super) fn unexplained(&self) -> f64 {
        self.last()[4] / self.exchanged()
    }

    fn ratio(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|p| (p[0], 1.0 + (p[1] - p[2]) / self.opening)).collect()
    }
}

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let books: Vec<Books> = runs.iter().filter(|r| r.is_done()).filter_map(|r| Books::of(r, 0)).collect();
    let mut found = Found { text: text(), ..Found::default() };
    if books.is_empty() {
        return Ok(found);
    }
    let (rules, widths) = (rules(runs), widths(runs));
    let smallest = books.iter().map(|b| b.lr).fold(f64::INFINITY, f64::min);
    let slow = |rule: &str| books.iter().filter(|b| b.rule == rule && b.lr == smallest).collect::<Vec<_>>();
    for rule in &rules {
        let of: Vec<&Books> = slow(rule);
        let mut put = |key: &str, e| {
            found.measured.insert(format!("{key}.{rule}"), e);
        };
        let shares: Vec<_> = of.iter().map(|b| (b.levels(), b.drift().abs() / b.exchanged())).collect();
        put("drift_share", crossed(&shares));
        let off = |b: &&Books| b.ratio().iter().map(|p| (p.1 - 1.0).abs()).fold(0.0, f64::max);
        put("ratio_worst", extreme(&of.iter().map(off).collect::<Vec<_>>(), f64::max));
        let all = books.iter().filter(|b| b.rule == *rule);
        let closed: Vec<f64> = all.map(Books::unexplained).collect();
        put("books_worst", extreme(&closed, f64::max));
        put("slope", crossed(&slopes(&books, rule, None)));
    }
    found.figures.push(("fig2-ratio".into(), ratio(&books, &rules, &widths, smallest)));
    found.figures.push(("fig2-exchange".into(), exchange(&books, &rules, &widths, smallest)));
    found.figures.push(("fig2-slope".into(), slope_figure(&books, &rules, &widths)));
    found.tables.push(("fig2".into(), table(&books, &rules, &widths, smallest)));
    Ok(found)
}

fn text() -> Vec<String> {
    vec![
        "Bias-free ReLU networks 784-n-10, plain SGD. P = Φ(W₂) − ½‖W₁‖², summed over hidden units; Φ is ⟨W₂, B₂⟩ (fa), c‖W₂‖₁ (sign_fa), ½‖B₂‖² (adafa, our \
         reconstruction), ½‖W₂‖² (bp). The law is exact for the flow (rate → 0); a step of finite size makes a drift that the ledger predicts."
            .into(),
        "Read P(t)/P(0) with care: at a standard start P(0) is mostly −½‖W₁(0)‖², so the ratio stays near 1 even if nothing is conserved. What tells is the drift \
         against what the two sides exchanged."
            .into(),
    ]
}

/// Slopes of log |drift| on log eta, one per width and seed that has two rates or more.
fn slopes(books: &[Books], rule: &str, width: Option<u64>) -> Vec<([u64; 2], f64)> {
    let mut groups: BTreeMap<[u64; 2], Vec<(f64, f64)>> = BTreeMap::new();
    for b in books.iter().filter(|b| b.rule == rule && width.is_none_or(|w| w == b.width)) {
        groups.entry(b.levels()).or_default().push((b.lr.ln(), b.drift().abs().ln()));
    }
    groups.iter().filter(|(_, g)| g.len() > 1).map(|(levels, g)| (*levels, line(g))).collect()
}

/// Least-squares slope.
fn line(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let (xy, xx) =
        points.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - mx) * (p.1 - my), b + (p.0 - mx).powi(2)));
    xy / xx
}

fn one(at: f64) -> Vec<Reference> {
    vec![Reference { axis: Side::Y, at, label: "theory: 1".into() }]
}

fn ratio(books: &[Books], rules: &[&str], widths: &[u64], lr: f64) -> Figure {
    let series = |rule: &str, width: u64| {
        let of = books.iter().filter(|b| b.rule == rule && b.width == width && b.lr == lr);
        let curves: Vec<Vec<(f64, f64)>> = of.map(|b| thin(&b.ratio(), POINTS)).collect();
        let (x, y, low, high) = band(&curves);
        Series::new(Mark::Line, format!("n{width}"), format!("width {width}"), x, y).band(low, high)
    };
    let panel = |rule: &&str| Panel {
        title: words(rule),
        x: Axis::new("time η·t", ""),
        y: Axis::new("P(t)/P(0)", ""),
        series: widths.iter().map(|w| series(rule, *w)).collect(),
        references: one(1.0),
    };
    Figure {
        title: format!("Potential over its start, rate {lr}"),
        caption: format!(
            "P(t)/P(0) for each rule and width at the smallest rate, {lr}. Line: mean over seeds; band: 95 % interval of the mean (t). \
             With fixed B the potential can only fall and starts below 0, so the ratio can only rise. A weak test by itself: see the exchanged amounts."
        ),
        columns: 2,
        panels: rules.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn mean_of(books: &[&Books], f: impl Fn(&[f64; 5]) -> f64) -> Band {
    let curve = |b: &&Books| {
        // The start is zero everywhere and has no place on a logarithmic axis.
        let points: Vec<(f64, f64)> = b.points.iter().skip(1).map(|p| (p[0], f(p).abs())).collect();
        thin(&points, POINTS)
    };
    band(&books.iter().map(curve).collect::<Vec<_>>())
}

fn exchange(books: &[Books], rules: &[&str], widths: &[u64], lr: f64) -> Figure {
    // 256 where it was run: present in every profile and neither the narrowest nor the widest of the paper's.
    let width = if widths.contains(&256) { 256 } else { widths[widths.len() / 2] };
    let panel = |rule: &&str| {
        let of: Vec<&Books> =
            books.iter().filter(|b| b.rule == *rule && b.width == width && b.lr == lr).collect();
        let line = |word: &str, label: &str, f: &dyn Fn(&[f64; 5]) -> f64| {
            let (x, y, _, _) = mean_of(&of, f);
            Series::new(Mark::Line, word, label, x, y)
        };
        Panel {
            title: words(rule),
            x: Axis::new("time η·t", ""),
            y: Axis::new("amount", "weight²").scale(Scale::Log),
            series: vec![
                line("exchanged-phi", "exchanged: |ΔΦ|", &|p| p[1]),
                line("exchanged-norm", "exchanged: |Δ½‖W₁‖²|", &|p| p[2]),
                line("drift", "drift |ΔP|", &|p| p[1] - p[2]),
                line("predicted", "predicted by the ledger", &|p| p[3]),
                line("rest", "left over: path + residual", &|p| p[4]),
            ],
            ..Panel::default()
        }
    };
    Figure {
        title: format!("What was exchanged, what drifted, what is unexplained (width {width}, rate {lr})"),
        caption: format!(
            "Means over seeds at width {width}, rate {lr}. Conserved means: the drift lies far below the exchanged amounts. The drift is predicted by the ledger \
             (reader and writer account: steps of finite size); what is left over (path and residual) must be rounding."
        ),
        columns: 2,
        share_y: true,
        panels: rules.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn slope_figure(books: &[Books], rules: &[&str], widths: &[u64]) -> Figure {
    let panel = |rule: &&str| {
        let series = |width: &u64| {
            let of = books.iter().filter(|b| b.rule == *rule && b.width == *width);
            let points: Vec<Vec<(f64, f64)>> =
                of.map(|b| vec![(b.lr, b.drift().abs() / b.exchanged())]).collect();
            let (x, y, low, high) = band(&points);
            Series::new(Mark::Line, format!("n{width}"), format!("width {width}"), x, y).band(low, high)
        };
        Panel {
            title: words(rule),
            x: Axis::new("rate η", "").scale(Scale::Log),
            y: Axis::new("drift / exchanged", "").scale(Scale::Log),
            series: widths.iter().map(series).collect(),
            ..Panel::default()
        }
    };
    Figure {
        title: "Drift against the rate at equal η·t".into(),
        caption: "Drift relative to the larger exchanged amount, at three rates with equal η·t; both axes logarithmic. A law of the flow has slope 1. \
                  Line: mean over seeds; band: 95 % interval of the mean (t)."
            .into(),
        columns: 2,
        share_y: true,
        panels: rules.iter().map(panel).collect(),
        ..Figure::default()
    }
}

fn table(books: &[Books], rules: &[&str], widths: &[u64], lr: f64) -> Table {
    let heads = [
        "rule",
        "width",
        "P(0)",
        "exchanged |ΔΦ|",
        "exchanged |Δ½‖W₁‖²|",
        "drift ΔP",
        "predicted",
        "drift / exchanged",
        "slope",
    ];
    let mut rows = Vec::new();
    for rule in rules {
        for width in widths {
            let of: Vec<&Books> =
                books.iter().filter(|b| b.rule == *rule && b.width == *width && b.lr == lr).collect();
            let mean = |f: &dyn Fn(&Books) -> f64| {
                Cell::from(estimate(&of.iter().map(|b| f(b)).collect::<Vec<_>>()))
            };
            rows.push(vec![
                Cell::from(words(rule).as_str()),
                Cell::from(width.to_string().as_str()),
                mean(&|b| b.opening),
                mean(&|b| b.last()[1].abs()),
                mean(&|b| b.last()[2].abs()),
                mean(&|b| b.drift()),
                mean(&|b| b.last()[3]),
                mean(&|b| b.drift().abs() / b.exchanged()),
                Cell::from(crossed(&slopes(books, rule, Some(*width)))),
            ]);
        }
    }
    Table {
        caption: format!("At rate {lr}, at the end; mean over seeds with 95 % interval (t)."),
        columns: heads.map(Column::new).to_vec(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// drift = -3 eta by construction: slope 1 to rounding.
    #[test]
    fn a_drift_proportional_to_the_rate_has_slope_one() {
        let books: Vec<Books> = [0.1, 0.05, 0.025]
            .iter()
            .map(|&lr| Books {
                rule: "fa".into(),
                width: 64,
                seed: 0,
                lr,
                opening: -10.0,
                points: vec![[0.0; 5], [1.0, 2.0, 2.0 + 3.0 * lr, -3.0 * lr, 0.0]],
            })
            .collect();
        let found = slopes(&books, "fa", None);
        assert!(found.len() == 1 && (found[0].1 - 1.0).abs() < 1e-9, "{found:?}");
        assert!((books[0].ratio()[1].1 - 1.03).abs() < 1e-12);
        assert!((books[0].exchanged() - 2.3).abs() < 1e-12);
    }
}
