/*!
Alignment dominance: how fast the loss must fall if `<g, F> >= alpha L^beta` along training.

Our reading of Robertson & Koyejo (ICML 2024), definition and Theorem 5.1, with L* = 0; docs/theory.md section 4. Along the flow dL/dt = −<g, F>, so

`beta = 1:  L(t) <= L(0) e^{−alpha t}`,
`beta > 1:  L(t) <= (L(0)^{1−beta} + (beta − 1) alpha t)^{−1/(beta−1)}`,
`beta < 1:  L(t) <= (L(0)^{1−beta} − (1 − beta) alpha t)_+^{1/(1−beta)}`, zero from t* = L(0)^{1−beta}/((1−beta) alpha) on.

t is the sum of the learning rates. From recorded (t, L, <g,F>) this file computes for given beta the running alpha, the least `<g,F>/L^beta` so far, the bound
that it implies and whether the measured loss lies under it; a fitted beta, the slope of log <g,F> on log L over points where both are positive; and
the stretches with negative <g, F>. Alpha comes from the run that it bounds: the bound describes the run and predicts nothing. Between recorded steps nothing is known, and discrete steps of an M-smooth loss lower alpha to
`alpha (1 − eta M ‖F‖²/(2<g,F>))`, M unknown here: a measured loss slightly above its bound may be that. [`Dominance::explained`] tells how much.
*/

use serde::Serialize;

/// What is known at one recorded step, over the whole net.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Training steps done.
    pub step: u64,
    /// Sum of the learning rates so far.
    pub time: f64,
    /// L, with L* = 0.
    pub loss: f64,
    /// <g, F>.
    pub inner: f64,
}

/// Puts rows (step, name, value) of the probe `decomposition`, whole net, together; steps that lack a number are left out.
pub fn samples<'a>(rows: impl IntoIterator<Item = (u64, &'a str, f64)>) -> Vec<Sample> {
    let mut found: std::collections::BTreeMap<u64, [Option<f64>; 3]> = std::collections::BTreeMap::new();
    for (step, name, value) in rows {
        if let Some(i) = ["time", "loss", "inner"].iter().position(|n| *n == name) {
            found.entry(step).or_default()[i] = Some(value).filter(|v| v.is_finite());
        }
    }
    let whole =
        |(step, v): (u64, [Option<f64>; 3])| Some(Sample { step, time: v[0]?, loss: v[1]?, inner: v[2]? });
    found.into_iter().filter_map(whole).collect()
}

/// The largest loss at time `t` after a start at loss `l0` that alpha-dominance with exponent beta allows.
pub fn bound(beta: f64, alpha: f64, l0: f64, t: f64) -> f64 {
    if beta == 1.0 || l0 <= 0.0 {
        return l0.max(0.0) * (-alpha * t).exp();
    }
    let base = l0.powf(1.0 - beta) + (beta - 1.0) * alpha * t;
    base.max(0.0).powf(1.0 / (1.0 - beta))
}

/// What a measured loss may stand above its bound without refuting it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// Share of the bound.
    pub relative: f64,
    /// Added to the root of the loss (squared loss is a square of outputs that are rounded).
    pub root: f64,
    /// Added to the loss.
    pub absolute: f64,
}

impl Floor {
    /// Rounding of the formulas alone.
    pub const NONE: Floor = Floor { relative: 1e-9, root: 0.0, absolute: 0.0 };

    /// Of a run of which only dtype, tolerance of the integrator (0 without) and losses are known: a loss is rounded to 16 units of its start, and what the
    /// integrator leaves is of second order in its tolerance.
    pub fn of_run(epsilon: f64, rtol: f64, l0: f64) -> Floor {
        Floor { absolute: (16.0 * epsilon + rtol * rtol) * l0.max(0.0), ..Floor::NONE }
    }

    /// The largest loss that is still under `bound`.
    pub fn above(&self, bound: f64) -> f64 {
        // Without a root nothing may be rounded that need not be.
        let root = if self.root > 0.0 {
            ((bound * (1.0 + self.relative)).sqrt() + self.root).powi(2)
        } else {
            bound * (1.0 + self.relative)
        };
        root + self.absolute
    }
}

/// One recorded step under one beta.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// Training steps done.
    pub step: u64,
    /// Measured L.
    pub loss: f64,
    /// Least <g,F>/L^beta up to here.
    pub alpha: f64,
    /// What that implies; `None` where alpha is not a positive number: then there is no dominance and no bound.
    pub bound: Option<f64>,
    /// Whether the loss is at most the bound, up to its floor.
    pub under: Option<bool>,
}

/// Dominance with one exponent.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    /// The exponent.
    pub beta: f64,
    /// Least <g,F>/L^beta over the run; infinite where the loss is zero from the start.
    pub alpha: f64,
    /// Whether alpha is a positive number and no measured loss lies above its bound.
    pub holds: bool,
    /// Least `1 − loss/bound` over the recorded steps whose loss lies above the floor: negative where the loss lies above its bound.
    pub margin: Option<f64>,
    /// How far the bound gets by the last recorded step, over L(0); `None` without a bound.
    pub reach: Option<f64>,
    /// Whether it does not even halve the loss.
    pub vacuous: bool,
    /// Every recorded step.
    pub points: Vec<Point>,
}

/// Slope of log <g,F> on log L.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Slope {
    /// The fitted exponent.
    pub beta: f64,
    /// Share of the variance explained.
    pub r_squared: f64,
    /// Points with positive L and <g,F>.
    pub points: usize,
}

/// A stretch of recorded steps with negative <g, F>: the update goes uphill. A finding, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// First recorded step with <g,F> < 0.
    pub from: u64,
    /// Last one in a row.
    pub to: u64,
    /// Least <g,F> in it.
    pub least: f64,
}

/// Everything about one run.
#[derive(Clone, Debug, Serialize)]
pub struct Dominance {
    /// Recorded steps used.
    pub samples: usize,
    /// L at the first of them.
    pub initial_loss: f64,
    /// L at the last of them.
    pub final_loss: f64,
    /// Sum of the learning rates between them.
    pub time: f64,
    /// The fitted exponent, if two points with different losses allow one.
    pub slope: Option<Slope>,
    /// Dominance for beta = 1, 2 and the fitted one.
    pub fits: Vec<Fit>,
    /// What a loss may stand above its bound.
    pub floor: Floor,
    /// Where alpha comes from: always `this run`, so that the bounds describe and do not predict.
    pub alpha_from: &'static str,
    /// Stretches with negative <g, F>.
    pub negative: Vec<Interval>,
    /// ∫<g,F>dt (trapezoids between recorded steps) over the measured fall of the loss: 1 where training follows the flow.
    pub explained: Option<f64>,
}

/// Analyses the samples of one run, in order of steps; `None` without any.
pub fn dominance(samples: &[Sample]) -> Option<Dominance> {
    dominance_above(samples, Floor::NONE)
}

/// The same where losses stand on a floor.
pub fn dominance_above(samples: &[Sample], floor: Floor) -> Option<Dominance> {
    let (first, last) = (samples.first()?, samples.last()?);
    let slope = slope(samples);
    let mut betas = vec![1.0, 2.0];
    betas.extend(slope.map(|s| s.beta));
    let area = |w: &[Sample]| 0.5 * (w[0].inner + w[1].inner) * (w[1].time - w[0].time);
    let fall = first.loss - last.loss;
    Some(Dominance {
        samples: samples.len(),
        initial_loss: first.loss,
        final_loss: last.loss,
        time: last.time - first.time,
        slope,
        fits: betas.into_iter().map(|b| fit_above(samples, b, floor)).collect(),
        floor,
        alpha_from: "this run",
        negative: negative(samples),
        // A quotient by what rounding left of two equal losses says nothing.
        explained: (fall.abs() > 1e-12 * first.loss.abs().max(last.loss.abs()))
            .then(|| samples.windows(2).map(area).sum::<f64>() / fall),
    })
}

/// Dominance of the samples with exponent beta.
pub fn fit(samples: &[Sample], beta: f64) -> Fit {
    fit_above(samples, beta, Floor::NONE)
}

/// The same where losses stand on a floor.
pub fn fit_above(samples: &[Sample], beta: f64, floor: Floor) -> Fit {
    let mut alpha = f64::INFINITY;
    let points: Vec<Point> = samples
        .iter()
        .map(|s| {
            // A loss of zero is at its bound whatever alpha is.
            if s.loss > 0.0 {
                alpha = alpha.min(s.inner / s.loss.powf(beta));
            }
            let start = samples[0];
            let bound = (alpha > 0.0 && alpha.is_finite())
                .then(|| bound(beta, alpha, start.loss, s.time - start.time));
            Point { step: s.step, loss: s.loss, alpha, bound, under: bound.map(|b| s.loss <= floor.above(b)) }
        })
        .collect();
    let told = points.iter().filter(|p| p.loss > floor.above(0.0));
    let margin = told.filter_map(|p| p.bound.map(|b| if b > 0.0 { 1.0 - p.loss / b } else { -p.loss }));
    let margin = margin.reduce(f64::min);
    let reach = points.last().and_then(|p| p.bound).map(|b| b / samples[0].loss);
    Fit {
        beta,
        alpha,
        holds: alpha.is_finite() && alpha > 0.0 && points.iter().all(|p| p.under == Some(true)),
        margin,
        reach,
        vacuous: reach.is_some_and(|r| r > 0.5),
        points,
    }
}

fn slope(samples: &[Sample]) -> Option<Slope> {
    let logs: Vec<(f64, f64)> = samples
        .iter()
        .filter(|s| s.loss > 0.0 && s.inner > 0.0)
        .map(|s| (s.loss.ln(), s.inner.ln()))
        .collect();
    let n = logs.len() as f64;
    let mean = |f: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(&|p| p.0), mean(&|p| p.1));
    let (xx, xy, yy) =
        (mean(&|p| (p.0 - mx).powi(2)), mean(&|p| (p.0 - mx) * (p.1 - my)), mean(&|p| (p.1 - my).powi(2)));
    // A loss that has not moved beyond rounding (of f32) has no slope.
    (logs.len() >= 2 && xx > 1e-14).then(|| Slope {
        beta: xy / xx,
        r_squared: if yy > 0.0 { xy * xy / (xx * yy) } else { 1.0 },
        points: logs.len(),
    })
}

/// Stretches of recorded steps in a row with <g, F> < 0.
pub fn negative(samples: &[Sample]) -> Vec<Interval> {
    let mut out: Vec<Interval> = Vec::new();
    let mut open = false;
    for s in samples {
        if s.inner >= 0.0 {
            open = false;
        } else if open {
            let last = out.last_mut().expect("an open stretch");
            (last.to, last.least) = (s.step, last.least.min(s.inner));
        } else {
            out.push(Interval { from: s.step, to: s.step, least: s.inner });
            open = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(loss: impl Fn(f64) -> f64, inner: impl Fn(f64) -> f64) -> Vec<Sample> {
        (0..200)
            .map(|i| (i, f64::from(i) * 0.05))
            .map(|(i, t)| Sample { step: i as u64, time: t, loss: loss(t), inner: inner(loss(t)) })
            .collect()
    }

    /// L = 3 e^{-0.7 t} solves dL/dt = -0.7 L: alpha = 0.7 at beta = 1 and the bound IS the loss; everything is a closed form, so the
    /// tolerance is rounding (200 powers and logarithms of order 1).
    #[test]
    fn an_exact_exponential_has_beta_one_and_meets_its_bound() {
        let d = dominance(&curve(|t| 3.0 * (-0.7 * t).exp(), |l| 0.7 * l)).unwrap();
        let slope = d.slope.unwrap();
        assert!((slope.beta - 1.0).abs() < 1e-10 && (slope.r_squared - 1.0).abs() < 1e-10, "{slope:?}");
        let one = &d.fits[0];
        assert!(one.holds && (one.alpha - 0.7).abs() < 1e-12, "{}", one.alpha);
        assert!(one.points.iter().all(|p| (p.bound.unwrap() / p.loss - 1.0).abs() < 1e-10));
        // beta = 2: <g,F>/L^2 = 0.7/L is least at the start, 0.7/3, and the bound 3/(1 + 0.7 t) is above the exponential.
        let two = &d.fits[1];
        assert!(two.holds && (two.alpha - 0.7 / 3.0).abs() < 1e-12);
        let t = 0.05 * 100.0;
        assert!((two.points[100].bound.unwrap() - 3.0 / (1.0 + 0.7 * t)).abs() < 1e-12);
        // Trapezoids of an exponential: relative error (a h)^2/12 = 1e-4.
        assert!((d.explained.unwrap() - 1.0).abs() < 2e-4);
        assert!(d.negative.is_empty());
    }

    /// L = 1/(1/2 + 3 t) solves dL/dt = -3 L^2: alpha = 3 at beta = 2. At beta = 1 the running alpha is 3 L(t), the value at the last step.
    #[test]
    fn an_exact_hyperbola_has_beta_two_and_meets_its_bound() {
        let samples = curve(|t| 1.0 / (0.5 + 3.0 * t), |l| 3.0 * l * l);
        let d = dominance(&samples).unwrap();
        assert!((d.slope.unwrap().beta - 2.0).abs() < 1e-10);
        let (one, two) = (&d.fits[0], &d.fits[1]);
        assert!(two.holds && (two.alpha - 3.0).abs() < 1e-11);
        assert!(two.points.iter().all(|p| (p.bound.unwrap() / p.loss - 1.0).abs() < 1e-10));
        let last = samples.last().unwrap();
        assert!((one.alpha - 3.0 * last.loss).abs() < 1e-12 && one.holds);
    }

    /// beta = 1/2: dL/dt = -alpha sqrt(L) gives sqrt L = sqrt L0 - alpha t/2, zero from t* = 2 sqrt(L0)/alpha on.
    #[test]
    fn below_one_the_loss_reaches_zero() {
        assert!((bound(0.5, 1.0, 4.0, 2.0) - 1.0).abs() < 1e-14);
        assert_eq!(bound(0.5, 1.0, 4.0, 4.0), 0.0);
        assert_eq!(bound(0.5, 1.0, 4.0, 9.0), 0.0);
    }

    #[test]
    fn negative_stretches_are_found_and_leave_no_bound() {
        let inner = [1.0, -0.5, -2.0, 0.0, 3.0, -1.0];
        let samples: Vec<Sample> = (0..6)
            .map(|i| Sample { step: 10 * i as u64, time: i as f64, loss: 1.0, inner: inner[i] })
            .collect();
        let d = dominance(&samples).unwrap();
        let want = [Interval { from: 10, to: 20, least: -2.0 }, Interval { from: 50, to: 50, least: -1.0 }];
        assert_eq!(d.negative, want);
        assert!(!d.fits[0].holds && d.fits[0].points[1].bound.is_none());
        assert!(d.slope.is_none(), "a constant loss has no slope");
    }

    /// A loss that falls slower than its <g,F> says (a step too large) lies above its bound, and that is reported.
    #[test]
    fn a_loss_above_its_bound_is_reported() {
        let samples: Vec<Sample> = (0..5)
            .map(|i| Sample { step: i, time: i as f64, loss: 1.0 - 0.01 * i as f64, inner: 1.0 })
            .collect();
        let one = fit(&samples, 1.0);
        assert!(!one.holds && one.margin.unwrap() < -1.0 && one.points[0].under == Some(true));
    }

    /// A floor of 16 eps L(0), with a near miss on both sides; without it both are above. The bound is e^{-200}, nothing beside it.
    #[test]
    fn a_loss_below_its_floor_is_under_and_one_above_is_not() {
        let floor = Floor::of_run(f64::EPSILON, 0.0, 2.0);
        let top = 32.0 * f64::EPSILON;
        let of = |last: f64, floor: Floor| {
            let sample = |step: u64, loss: f64| Sample { step, time: step as f64, loss, inner: loss };
            fit_above(&[sample(0, 2.0), sample(1, 2.0 / 1f64.exp()), sample(200, last)], 1.0, floor)
        };
        assert!(of(0.999 * top, floor).holds && !of(1.001 * top, floor).holds);
        assert!(!of(0.999 * top, Floor::NONE).holds);
        assert!(!of(0.999 * top, floor).vacuous);
        // An integrator's tolerance counts squared.
        assert!((Floor::of_run(0.0, 1e-4, 2.0).above(0.0) / 2e-8 - 1.0).abs() < 1e-12);
    }

    /// Losses that differ by rounding have no fall to explain.
    #[test]
    fn a_fall_of_rounding_is_not_explained() {
        let of = |last: f64| {
            let sample = |step: u64, loss: f64| Sample { step, time: step as f64, loss, inner: 1.0 };
            dominance(&[sample(0, 1.0), sample(1, last)]).unwrap().explained
        };
        assert_eq!(of(1.0 - f64::EPSILON), None);
        assert!((of(1.0 - 1e-9).unwrap() - 1e9).abs() < 1e3);
    }

    #[test]
    fn rows_become_samples() {
        let rows = [
            (0, "loss", 2.0),
            (0, "inner", 1.0),
            (0, "time", 0.0),
            (5, "loss", 1.0),
            (5, "time", f64::NAN),
            (5, "inner", 1.0),
        ];
        assert_eq!(samples(rows), [Sample { step: 0, time: 0.0, loss: 2.0, inner: 1.0 }]);
    }
}
