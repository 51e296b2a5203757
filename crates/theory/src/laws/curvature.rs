//! The rate at which the order of a law shows, from the curvature of its drift.
//!
//! With `drift = a eta + b eta²` the slope over eta, eta/2, eta/4 is `1 + ½ log2((1 + u)/(1 + u/4))`, `u = b eta/a`. The two smaller rates give a and b, and
//! with them the eta at which the slope is off by [`AIM`]. Where that says nothing (a <= 0, or a slope that no small b eta has) the rate is far too large.

/// How far off 1 the slope should be at the rate that is proposed: half of what a check allows, because a and b are estimates.
const AIM: f64 = 0.05;
/// A slope further from 1 than this says nothing of a and b: at `AIM`'s size of b eta the next term counts for a tenth, here for as much as b.
const FAR: f64 = 0.5;

/// A rate at most half of `rate` at which a slope of 1 should show, from the drift at `rate` and its half and quarter; `None` if they do not tell.
pub(super) fn smaller(rate: f64, drift: &[f64; 3]) -> Option<f64> {
    let [whole, half, quarter] = *drift;
    let slope = 0.5 * (whole / quarter).log2();
    // Drift over rate at the two smaller rates: a + b eta/2 and a + b eta/4.
    let (at_half, at_quarter) = (2.0 * half / rate, 4.0 * quarter / rate);
    let (a, b) = (2.0 * at_quarter - at_half, 4.0 * (at_half - at_quarter) / rate);
    let far = (slope - 1.0).abs() > FAR;
    if far || !slope.is_finite() || a.is_nan() || a <= 0.0 || b == 0.0 {
        return None;
    }
    let ratio = (2.0 * AIM * b.signum()).exp2();
    let u = (ratio - 1.0) / (1.0 - 0.25 * ratio);
    Some(two_digits((u * a / b).min(0.5 * rate)))
}

/// `x` cut to two digits.
pub(super) fn two_digits(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = x.log10().floor() as i32 - 1;
    // A number is what its digits say, so that 77e-4 prints as 0.0077; the small addition keeps a whole number of digits whole.
    let digits = (x / 10f64.powi(exponent) + 1e-9).floor();
    format!("{digits}e{exponent}").parse().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slope of a eta + b eta² at the rate that is proposed, computed from the definition, is off by 0.05 on either side of 1, less what two digits cut.
    #[test]
    fn the_slope_at_the_proposed_rate_is_off_by_half_the_tolerance() {
        for b in [12.0, -5.0, 40.0] {
            let drift = |eta: f64| 3.0 * eta + b * eta * eta;
            let at = |eta: f64| [drift(eta), drift(0.5 * eta), drift(0.25 * eta)];
            let found = smaller(0.1, &at(0.1)).expect("a small curvature");
            let [whole, _, quarter] = at(found);
            let off = (0.5 * (whole / quarter).log2() - 1.0).abs();
            assert!(off <= 0.05 + 1e-12 && off > 0.044, "{b}: {found} {off}");
        }
    }

    #[test]
    fn what_does_not_tell_gives_nothing() {
        for drift in [[1.0, 1.0, 1.0], [16.0, 4.0, 1.0], [f64::NAN, 1.0, 0.5], [f64::INFINITY, 1.0, 0.5]] {
            assert_eq!(smaller(0.1, &drift), None, "{drift:?}");
        }
        // Almost straight: no more than half.
        assert_eq!(smaller(0.1, &[4.004, 2.001, 1.0]), Some(0.05));
    }

    #[test]
    fn numbers_are_cut_and_not_rounded() {
        let cases = [
            (0.00779, 0.0077),
            (0.05, 0.05),
            (1.99e30, 1.9e30),
            (0.0999, 0.099),
            (7.0, 7.0),
            (3.4e-9, 3.4e-9),
        ];
        cases.iter().for_each(|(x, cut)| assert_eq!(two_digits(*x), *cut));
    }
}
