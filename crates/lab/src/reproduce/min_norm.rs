//! Minimum norm: the end of an over-parameterised two-layer linear network against the pseudo-inverse solution.
//!
//! With examples as rows of X and targets as rows of Y the minimum-norm map is M* = (X⁺ Y)ᵀ, made from X and Y alone by the singular value decomposition; the
//! network is M = W_2 W_1. Distance ‖M − M*‖_F/‖M*‖_F.

use super::Experiment;
use super::analysis::{Found, Run, band, estimate, extreme, rules, words};
use crate::LabError;
use crate::figure::{Axis, Figure, Mark, Panel, Scale, Series};
use crate::table::{Cell, Column, Table};
use realign::tensor::{DType, Tensor, linalg};
use realign_data::{Dirs, Targets};
use realign_tensor::Par;

struct End<'a> {
    run: &'a Run,
    /// Whether W_1 started at zero.
    zero: bool,
    distance: f64,
    norm: f64,
    least_norm: f64,
}

impl<'a> End<'a> {
    fn of(run: &'a Run) -> Result<Option<End<'a>>, LabError> {
        let Some(saved) = run.last_checkpoint()? else { return Ok(None) };
        let (Some(w1), Some(w2)) = (saved.get("layers.0.weight"), saved.get("layers.1.weight")) else {
            return Ok(None);
        };
        let least = minimum_norm(run)?;
        let m = product(w2, w1);
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let apart: Vec<f64> = m.iter().zip(&least).map(|(a, b)| a - b).collect();
        let zero = run.spec.get("init.weight.name").and_then(toml::Value::as_str) == Some("zeros");
        let (norm_m, least_norm) = (norm(&m), norm(&least));
        Ok(Some(End { run, zero, distance: norm(&apart) / least_norm, norm: norm_m, least_norm }))
    }

    fn final_loss(&self) -> f64 {
        self.run.curve("accuracy", "loss", Some("train"), None).last().map_or(f64::NAN, |p| p.2)
    }
}

/// A B, row after row.
fn product(a: &Tensor, b: &Tensor) -> Vec<f64> {
    assert_eq!(a.cols(), b.rows(), "product of {:?} and {:?}", a.shape(), b.shape());
    let mut out = vec![0.0; a.rows() * b.cols()];
    for i in 0..a.rows() {
        for k in 0..a.cols() {
            let x = a.at(i * a.cols() + k);
            for j in 0..b.cols() {
                out[i * b.cols() + j] += x * b.at(k * b.cols() + j);
            }
        }
    }
    out
}

/// M* of the run's data, outputs x inputs, row after row.
fn minimum_norm(run: &Run) -> Result<Vec<f64>, LabError> {
    let data = run.spec.setup(&Dirs::default(), Par::threads(1))?.data.train;
    let (n, d) = (data.len(), data.features_per_example());
    let mut x = Tensor::zeros([n, d], DType::F64);
    data.gather(&(0..n).collect::<Vec<_>>(), &mut x);
    let Targets::Values { values, dim } = &data.targets else { return Ok(Vec::new()) };
    let y = Tensor::from_f64([n, *dim], values, DType::F64);
    let solution = linalg::pseudo_inverse_solve(&x, &y);
    Ok((0..*dim).flat_map(|o| (0..d).map(move |j| (j, o))).map(|(j, o)| solution.at(j * dim + o)).collect())
}

pub(super) fn analyse(_: &Experiment, runs: &[Run]) -> Result<Found, LabError> {
    let ends: Vec<Option<End<'_>>> =
        runs.iter().filter(|r| r.is_done()).map(End::of).collect::<Result<_, _>>()?;
    let ends: Vec<End<'_>> = ends.into_iter().flatten().collect();
    let mut found = Found {
        text: vec![
            "A two-layer linear network with more inputs than examples, squared loss, full-batch steps. From W₁ = 0 the rows of W₁ stay in the span of the data, so an interpolator \
             that is reached has the least norm; from a random W₁ the part outside the span stays. Not tested in the paper as we know it for adafa (our reconstruction)."
                .into(),
        ],
        ..Found::default()
    };
    if ends.is_empty() {
        return Ok(found);
    }
    let rules = rules(runs);
    for rule in &rules {
        let of = |zero: bool| {
            ends.iter()
                .filter(|e| e.zero == zero && e.run.rule() == *rule)
                .map(|e| e.distance)
                .collect::<Vec<_>>()
        };
        found.measured.insert(format!("distance_worst.{rule}"), extreme(&of(true), f64::max));
        found.measured.insert(format!("distance_control_least.{rule}"), extreme(&of(false), f64::min));
    }
    found.figures.push(("min-norm".into(), figure(&ends, &rules)));
    found.tables.push(("min-norm".into(), table(&ends, &rules)));
    Ok(found)
}

const STARTS: [(bool, &str); 2] = [(true, "W₁ = 0"), (false, "W₁ random (control)")];

fn figure(ends: &[End<'_>], rules: &[&str]) -> Figure {
    let distance = Panel {
        title: "distance from the minimum-norm solution".into(),
        x: Axis::new("start", "").categories(STARTS.iter().map(|s| s.1)),
        y: Axis::new("‖M − M*‖ / ‖M*‖", "").scale(Scale::Log),
        series: rules
            .iter()
            .map(|rule| {
                let of: Vec<&End<'_>> = ends.iter().filter(|e| e.run.rule() == *rule).collect();
                let x = of.iter().map(|e| if e.zero { 0.0 } else { 1.0 }).collect();
                Series::new(Mark::Scatter, *rule, words(rule), x, of.iter().map(|e| e.distance).collect())
            })
            .collect(),
        ..Panel::default()
    };
    let loss = Panel {
        title: "train loss from W₁ = 0".into(),
        x: Axis::new("step", "").scale(Scale::Log),
        y: Axis::new("train loss", "").scale(Scale::Log),
        series: rules
            .iter()
            .map(|rule| {
                let of = ends.iter().filter(|e| e.zero && e.run.rule() == *rule);
                let curves: Vec<Vec<(f64, f64)>> = of
                    .map(|e| {
                        let points = e.run.curve("accuracy", "loss", Some("train"), None);
                        points
                            .into_iter()
                            .filter(|p| p.0 > 0 && p.2 > 0.0)
                            .map(|p| (p.0 as f64, p.2))
                            .collect()
                    })
                    .collect();
                let (x, y, _, _) = band(&curves);
                Series::new(Mark::Line, *rule, words(rule), x, y)
            })
            .collect(),
        ..Panel::default()
    };
    Figure {
        title: "Where a two-layer linear network ends".into(),
        caption: "Left: relative distance of W₂W₁ after the last step from the pseudo-inverse solution, one point per seed. Right: mean train loss over seeds.".into(),
        panels: vec![distance, loss],
        ..Figure::default()
    }
}

fn table(ends: &[End<'_>], rules: &[&str]) -> Table {
    let mut rows = Vec::new();
    for (zero, start) in STARTS {
        for rule in rules {
            let of: Vec<&End<'_>> = ends.iter().filter(|e| e.zero == zero && e.run.rule() == *rule).collect();
            let all = |f: &dyn Fn(&End<'_>) -> f64| of.iter().map(|e| f(e)).collect::<Vec<f64>>();
            let worst = of.iter().map(|e| e.distance).fold(f64::NAN, f64::max);
            let loss = of.iter().map(|e| e.final_loss()).fold(f64::NAN, f64::max);
            rows.push(vec![
                start.into(),
                words(rule).as_str().into(),
                format!("{worst:.1e}").as_str().into(),
                format!("{loss:.1e}").as_str().into(),
                Cell::from(estimate(&all(&|e| e.norm))),
                Cell::from(estimate(&all(&|e| e.least_norm))),
            ]);
        }
    }
    let heads = ["start", "rule", "largest distance", "largest train loss", "‖W₂W₁‖", "least norm ‖M*‖"];
    Table {
        caption: "Largest over seeds; norms as means over seeds with 95 % interval (t).".into(),
        columns: heads.map(Column::new).to_vec(),
        rows,
    }
}
