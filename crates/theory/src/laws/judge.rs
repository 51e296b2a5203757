//! Verdicts of [`super::check`]: what the drifts of a law at several rates, or under the flow, say about it.

use super::check::{LawReport, LayerReport, Tally, Verdict};
use super::{Info, Jumps, Order, WhyNot};
use realign::optim::Form;

/// How far a slope may be from the law's order.
const SLOPE: f64 = 0.1;
/// Rounding allowed in an identity, relative to the sizes of its two sides (f64, sums of up to 10⁶ terms over up to 10⁵ steps).
const ROUNDING: f64 = 1e-10;
/// So many standard errors off, a slope that jumps blur is wrong.
const ERRORS: f64 = 3.0;
/// Fewer jumps have no standard error worth the name.
const FEW: u64 = 20;
/// A law may drift by this share of min_step, relative to its two sides, where the flow slides (a thousandth is seen).
const SLIDING: f64 = 0.1;

fn total(v: &[f64]) -> f64 {
    v.iter().map(|x| x.abs()).sum()
}

fn gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The report of one law from its runs at every rate.
pub(super) fn judge(info: &'static Info, forced: Option<WhyNot>, runs: &[&Tally], form: Form) -> LawReport {
    let layers = (0..runs[0].start.len()).map(|i| layer(info.order, runs, i, form)).collect();
    LawReport { name: info.name, statement: info.statement, order: info.order, forced, layers }
}

fn layer(order: Order, runs: &[&Tally], i: usize, form: Form) -> LayerReport {
    let (first, start, end) = (runs[0], &runs[0].start[i], &runs[0].end[i]);
    let drift: Vec<f64> = runs.iter().map(|r| total(&r.drift[i])).collect();
    let stepped = form.flow.is_none();
    let account: Vec<f64> = runs.iter().filter(|_| stepped).map(|r| total(&r.account[i])).collect();
    let exchanged = [gap(&start.plus, &end.plus), gap(&start.minus, &end.minus)];
    let size = [start, end].iter().map(|s| total(&s.plus) + total(&s.minus)).fold(0.0, f64::max);
    let residual = gap(&first.drift[i], &first.account[i]);
    let slope = (runs.len() > 1 && drift.iter().all(|d| *d > ROUNDING * size)).then(|| slope(&drift));
    let is = |holds| if holds { Verdict::Holds } else { Verdict::Broken };
    let (verdict, reason) = match (form.flow, order) {
        (Some(flow), _) => {
            // Each step may err by rtol; what adds up over a run stays within a hundred of them.
            let (relative, allowed) = (drift[0] / size.max(f64::MIN_POSITIVE), (100.0 * flow.rtol).max(1e-8));
            let slid = runs[0].rough_steps > 0 && relative <= SLIDING * flow.min_step;
            let verdict =
                if slid && relative > allowed { Verdict::Undecided } else { is(relative <= allowed) };
            let why = if verdict == Verdict::Undecided {
                ": the flow slid along kinks, where only min_step bounds the error; make it smaller"
            } else {
                ""
            };
            (verdict, format!("drift {relative:.1e} of the two sides, {allowed:.0e} allowed{why}"))
        }
        (None, Order::Exact) => {
            let relative = drift.iter().fold(0.0f64, |m, d| m.max(*d)) / size.max(f64::MIN_POSITIVE);
            (
                is(relative <= ROUNDING),
                format!("off by {relative:.1e} of the two sides, {ROUNDING:.0e} allowed"),
            )
        }
        (None, Order::First) => {
            let jumps: Vec<Jumps> = runs.iter().map(|r| r.jumps[i]).collect();
            first_order(slope, residual / size.max(f64::MIN_POSITIVE), noise(&drift, &jumps), &jumps)
        }
    };
    LayerReport {
        layer: start.layer,
        predicted: first.predicted[i],
        measured: first.measured[i],
        exchanged,
        residual: stepped.then_some(residual),
        slope,
        expected: (stepped && order == Order::First).then_some(1.0),
        verdict: if drift.iter().all(|d| d.is_finite()) { verdict } else { Verdict::Broken },
        reason,
        drift,
        account,
    }
}

/// `residual` is relative to the two sides, `noise` the standard error of the slope that comes from the jumps at every rate.
fn first_order(slope: Option<f64>, residual: f64, noise: f64, jumps: &[Jumps]) -> (Verdict, String) {
    use Verdict::{Broken, Holds, Undecided};
    let closes = residual <= ROUNDING;
    let counts = || jumps.iter().map(|j| j.count);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    match slope {
        None if closes => (Holds, "no drift beyond rounding".into()),
        None => (Broken, "no drift at some rate, though the accounts say so".into()),
        Some(s) if !closes => {
            (Broken, format!("slope {s:.3}, but {residual:.1e} of the two sides is not in the accounts"))
        }
        Some(s) if (s - 1.0).abs() <= SLOPE => {
            (Holds, format!("slope {s:.3}, every step as its account says"))
        }
        Some(s) if most > 0 && (least < FEW || (s - 1.0).abs() <= SLOPE + ERRORS * noise) => {
            let why = "too few to tell the order: make the run longer or the net wider";
            (
                Undecided,
                format!(
                    "slope {s:.2} ± {noise:.2} from {most} flips of signs, {why}; every step is as its account says"
                ),
            )
        }
        Some(s) => (Broken, format!("slope {s:.3} instead of 1")),
    }
}

/// Standard error of the slope if the jumps in the drift are spread evenly between nothing and their largest possible size: the standard deviation of
/// such a jump is half its root mean square. The slope of three points a factor 2 apart is that of the outer two.
fn noise(drift: &[f64], jumps: &[Jumps]) -> f64 {
    let relative = |i: usize| 0.25 * jumps[i].squares / (drift[i] * drift[i]).max(f64::MIN_POSITIVE);
    let last = drift.len() - 1;
    (relative(0) + relative(last)).sqrt() / (last.max(1) as f64 * std::f64::consts::LN_2)
}

/// Least squares of log drift against log eta; successive runs halve eta.
fn slope(drift: &[f64]) -> f64 {
    let n = drift.len() as f64;
    let x: Vec<f64> = (0..drift.len()).map(|i| -(i as f64) * std::f64::consts::LN_2).collect();
    let y: Vec<f64> = drift.iter().map(|d| d.ln()).collect();
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (top, bottom) = x
        .iter()
        .zip(&y)
        .fold((0.0, 0.0), |(t, b), (x, y)| (t + (x - mx) * (y - my), b + (x - mx) * (x - mx)));
    top / bottom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_powers() {
        assert!((slope(&[8.0, 4.0, 2.0]) - 1.0).abs() < 1e-15);
        assert!((slope(&[3.0, 3.0, 3.0])).abs() < 1e-15);
        assert!((slope(&[16.0, 4.0, 1.0]) - 2.0).abs() < 1e-15);
    }
}
