//! Verdicts of [`super::check`]: what the drifts of a law at several rates, or under the flow, say about it.

use super::check::{LawReport, LayerReport, Tally, Verdict};
use super::curvature::{smaller, two_digits};
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

/// Rounding may be this share of what was exchanged; beyond it a law that shows no drift shows nothing.
const BLUR: f64 = 0.01;
/// Where the drifts tell no rate, the next to try is so much smaller: first, and after that.
const FAR: [f64; 2] = [10.0, 1000.0];
/// A drift falls with the rate if its slope is above this,
const FLAT: f64 = 0.5;
/// or if its share of the exchange falls by this factor over all rates tried.
const FALLS: f64 = 0.5;

fn total(v: &[f64]) -> f64 {
    v.iter().map(|x| x.abs()).sum()
}

fn gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The report of one law from its runs at every rate, the first at `rate`.
pub(super) fn judge(
    info: &'static Info,
    forced: Option<WhyNot>,
    runs: &[&Tally],
    form: Form,
    rate: f64,
) -> LawReport {
    let places = runs.first().map_or(0, |r| r.start.len());
    let layers = (0..places).map(|i| layer(info.order, runs, i, form, rate)).collect();
    LawReport { name: info.name, statement: info.statement, order: info.order, forced, layers }
}

/// What is measured of a law at one place.
struct Measured {
    drift: Vec<f64>,
    /// The largest that the two sides have been.
    size: f64,
    /// The larger of what the two sides exchanged.
    exchanged: f64,
    /// What no account explains, relative to the two sides: the largest of the runs that stayed finite.
    residual: f64,
    slope: Option<f64>,
    jumps: Vec<Jumps>,
    diverged: bool,
}

fn layer(order: Order, runs: &[&Tally], i: usize, form: Form, rate: f64) -> LayerReport {
    let (first, start, end) = (runs[0], &runs[0].start[i], &runs[0].end[i]);
    let drift: Vec<f64> = runs.iter().map(|r| total(&r.drift[i])).collect();
    let stepped = form.flow.is_none();
    let account: Vec<f64> = runs.iter().filter(|_| stepped).map(|r| total(&r.account[i])).collect();
    let exchanged = [gap(&start.plus, &end.plus), gap(&start.minus, &end.minus)];
    let sound = || runs.iter().filter(|r| !r.diverged);
    let size = sound().map(|r| r.peak[i]).fold(start.size(), f64::max);
    let lost = |r: &&&Tally| gap(&r.drift[i], &r.account[i]);
    let residual = sound().map(|r| lost(&r)).fold(0.0, f64::max);
    let relative = sound().map(|r| lost(&r) / r.peak[i].max(f64::MIN_POSITIVE)).fold(0.0, f64::max);
    let beyond = |d: &f64| *d > ROUNDING * size && d.is_finite();
    let m = Measured {
        slope: (runs.len() > 1 && drift.iter().all(beyond)).then(|| slope(&drift)),
        size,
        exchanged: exchanged[0].max(exchanged[1]),
        residual: relative,
        jumps: runs.iter().map(|r| r.jumps[i]).collect(),
        diverged: runs.iter().any(|r| r.diverged) || !drift.iter().all(|d| d.is_finite()),
        drift,
    };
    let (verdict, reason) = match form.flow {
        Some(flow) => of_flow(&m, flow.rtol, (runs[0].rough_steps > 0).then_some(flow.min_step)),
        None if m.diverged => of_diverged(&m),
        None if m.exchanged <= ROUNDING * m.size => nothing(),
        None if order == Order::Exact => exact(&m),
        None => first_order(&m),
    };
    let try_lr = (verdict == Verdict::StepTooLarge).then(|| {
        let found = <&[f64; 3]>::try_from(&m.drift[..]).ok().and_then(|d| smaller(rate, d));
        found.unwrap_or_else(|| two_digits(rate / FAR[usize::from(m.diverged)]))
    });
    LayerReport {
        layer: start.layer,
        predicted: first.predicted[i],
        measured: first.measured[i],
        exchanged,
        residual: stepped.then_some(residual),
        slope: m.slope,
        expected: (stepped && order == Order::First).then_some(1.0),
        try_lr,
        slope_there: None,
        verdict,
        reason,
        drift: m.drift,
        account,
    }
}

fn is(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Broken }
}

fn nothing() -> (Verdict, String) {
    (Verdict::Undecided, "nothing was exchanged: no unit moved beyond rounding".into())
}

/// `sliding` is the smallest step of a flow that slid along kinks.
fn of_flow(m: &Measured, rtol: f64, sliding: Option<f64>) -> (Verdict, String) {
    if m.diverged {
        return (Verdict::Undecided, "the flow left the finite numbers: make t_end smaller".into());
    }
    // Each step may err by rtol; what adds up over a run stays within a hundred of them.
    let (relative, allowed) = (m.drift[0] / m.size.max(f64::MIN_POSITIVE), (100.0 * rtol).max(1e-8));
    let slid = sliding.is_some_and(|min_step| relative <= SLIDING * min_step);
    let told = format!("drift {relative:.1e} of the two sides, {allowed:.0e} allowed");
    if relative > allowed {
        let why = ": the flow slid along kinks, where only min_step bounds the error; make it smaller";
        return if slid { (Verdict::Undecided, told + why) } else { (Verdict::Broken, told) };
    }
    if m.exchanged <= ROUNDING * m.size { nothing() } else { (Verdict::Holds, told) }
}

/// A run that left the finite numbers says nothing against a law that the other runs keep step by step.
fn of_diverged(m: &Measured) -> (Verdict, String) {
    if m.residual <= ROUNDING {
        (Verdict::StepTooLarge, "the run diverged".into())
    } else {
        (Verdict::Broken, format!("{:.1e} of the two sides is not in the accounts", m.residual))
    }
}

fn exact(m: &Measured) -> (Verdict, String) {
    let relative = m.drift.iter().fold(0.0f64, |m, d| m.max(*d)) / m.size.max(f64::MIN_POSITIVE);
    (is(relative <= ROUNDING), format!("off by {relative:.1e} of the two sides, {ROUNDING:.0e} allowed"))
}

fn first_order(m: &Measured) -> (Verdict, String) {
    use Verdict::{Broken, Holds, StepTooLarge, Undecided};
    let (residual, jumps) = (m.residual, &m.jumps);
    // The standard error of the slope that comes from the jumps at every rate.
    let noise = noise(&m.drift, jumps);
    let closes = residual <= ROUNDING;
    let counts = || jumps.iter().map(|j| j.count);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    match m.slope {
        None if closes && ROUNDING * m.size > BLUR * m.exchanged => (
            Undecided,
            "rounding is a fair part of what was exchanged: make the steps larger or the run longer".into(),
        ),
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
        Some(s) => {
            (StepTooLarge, format!("slope {s:.3} instead of 1, though every step is as its account says"))
        }
    }
}

/// Takes in what the check made again at `rate` says of a layer whose steps were too large; `last` if no smaller rate will be tried.
pub(super) fn settle(own: &mut LayerReport, found: &LayerReport, rate: f64, last: bool) {
    let share = |l: &LayerReport| l.drift[0] / l.exchanged[0].max(l.exchanged[1]);
    match found.verdict {
        Verdict::Holds => (own.try_lr, own.slope_there) = (Some(rate), Some(found.slope.unwrap_or(1.0))),
        Verdict::Broken => {
            own.verdict = Verdict::Broken;
            own.reason = format!("at lr {rate}: {}", found.reason);
        }
        Verdict::StepTooLarge => {
            own.try_lr = found.try_lr;
            let flat = found.slope.is_some_and(|s| s < FLAT) && share(found) > FALLS * share(own);
            if last && flat {
                own.verdict = Verdict::Broken;
                let (there, here) = (share(found), share(own));
                own.reason = format!(
                    "the drift does not go to 0 with the rate: {here:.1e} of what was exchanged, {there:.1e} at lr {rate}"
                );
            }
        }
        // A shorter run with fewer flips, or nothing left to see: that rate is small enough.
        Verdict::Undecided => own.try_lr = Some(two_digits(rate / 2.0)),
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
    use crate::laws::{Prediction, Sides};

    #[test]
    fn slopes_of_powers() {
        assert!((slope(&[8.0, 4.0, 2.0]) - 1.0).abs() < 1e-15);
        assert!((slope(&[3.0, 3.0, 3.0])).abs() < 1e-15);
        assert!((slope(&[16.0, 4.0, 1.0]) - 2.0).abs() < 1e-15);
    }

    const INFO: Info = Info {
        name: "made",
        statement: "",
        assumptions: &[],
        order: Order::First,
        account: "",
        citation: "",
    };

    /// Runs of one unit whose sides have sizes 1 each at the start, exchange `exchanged`, and drift so much at eta, eta/2, eta/4, `lost` of it in no account.
    fn judged(drift: [f64; 3], exchanged: f64, lost: f64) -> LayerReport {
        let sides = |x: f64| vec![Sides { layer: 0, plus: vec![x], minus: vec![x] }];
        let run = |d: &f64| Tally {
            start: sides(1.0),
            end: sides(1.0 + exchanged),
            predicted: vec![Prediction { start: 0.0, end: 0.0 }],
            measured: vec![0.0],
            drift: vec![vec![*d]],
            account: vec![vec![d - lost]],
            jumps: vec![Jumps::default()],
            peak: vec![2.0 + 2.0 * exchanged],
            rough_steps: 0,
            diverged: !d.is_finite(),
        };
        let runs: Vec<Tally> = drift.iter().map(run).collect();
        judge(&INFO, None, &runs.iter().collect::<Vec<_>>(), Form::default(), 0.1).layers.remove(0)
    }

    /// Drift eta^s at eta = 1, 1/2, 1/4.
    fn power(s: f64) -> [f64; 3] {
        [1.0, 0.5f64.powf(s), 0.25f64.powf(s)].map(|x| 1e-2 * x)
    }

    /// Both sides of every bound of a verdict: the slope by 0.1, what no account explains by 1e-10 of the sides (of size 3), nothing exchanged, and rounding by a
    /// hundredth of the exchange.
    #[test]
    fn verdicts_have_their_limits() {
        use Verdict::{Broken, Holds, StepTooLarge, Undecided};
        let of = |s: f64, lost: f64| judged(power(s), 0.5, lost).verdict;
        assert_eq!(
            [of(1.099, 0.0), of(1.101, 0.0), of(0.901, 0.0), of(0.899, 0.0)],
            [Holds, StepTooLarge, Holds, StepTooLarge]
        );
        assert_eq!([of(1.0, 2.9e-10), of(1.0, 3.1e-10)], [Holds, Broken]);
        assert_eq!([of(1.3, 2.9e-10), of(1.3, 3.1e-10)], [StepTooLarge, Broken]);
        let moved = |exchanged: f64| judged(power(1.0), exchanged, 0.0).verdict;
        assert_eq!([moved(1.9e-10), moved(2.1e-10)], [Undecided, Holds]);
        let no_drift = |exchanged: f64| judged([0.0; 3], exchanged, 0.0).verdict;
        assert_eq!([no_drift(1.9e-8), no_drift(2.1e-8)], [Undecided, Holds]);
    }

    /// A run that diverged refutes nothing, but what the other runs lost does.
    #[test]
    fn a_diverged_run_is_no_evidence_against_a_law() {
        let drift = [f64::NAN, 0.02, 0.01];
        let found = judged(drift, 0.5, 0.0);
        assert_eq!((found.verdict, found.try_lr), (Verdict::StepTooLarge, Some(1e-4)));
        assert_eq!(judged(drift, 0.5, 1e-3).verdict, Verdict::Broken);
    }

    /// At the last rate tried a drift that is flat in the rate and still more than half of what it was of the exchange breaks a law; on the other side of either bound it does not.
    #[test]
    fn a_drift_that_does_not_go_to_zero_breaks_a_law() {
        let after = |slope: f64, share: f64, last: bool| {
            let mut own = judged(power(0.2), 0.5, 0.0);
            assert_eq!(own.verdict, Verdict::StepTooLarge);
            let found = judged(power(slope).map(|x| share * x), 0.5, 0.0);
            settle(&mut own, &found, 0.01, last);
            own.verdict
        };
        assert_eq!(after(0.49, 0.51, true), Verdict::Broken);
        assert_eq!(after(0.51, 0.51, true), Verdict::StepTooLarge);
        assert_eq!(after(0.49, 0.49, true), Verdict::StepTooLarge);
        assert_eq!(after(0.49, 0.51, false), Verdict::StepTooLarge);
        let mut own = judged(power(1.3), 0.5, 0.0);
        settle(&mut own, &judged(power(1.02), 0.5, 0.0), 0.01, true);
        assert!(own.try_lr == Some(0.01) && (own.slope_there.unwrap() - 1.02).abs() < 1e-9);
    }
}
