//! Estimates against closed forms, published examples, exhaustive enumeration and simulation.

use realign_lab::stats::{
    LEVEL, differences, mean_bootstrap, mean_t, quantile, spearman, spearman_bootstrap, t_quantile,
};
use realign_tensor::Rng;

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} against {b}");
}

/// Student's t has closed quantiles for one and two degrees of freedom; the others are from the usual printed table
/// (three decimals) and hold to half a unit of the last.
#[test]
fn t_quantiles() {
    for p in [0.01, 0.3, 0.6, 0.9, 0.975, 0.995] {
        // The library iterates to about nine digits.
        close(t_quantile(p, 1.0), (std::f64::consts::PI * (p - 0.5)).tan(), 1e-8);
        close(t_quantile(p, 2.0), (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt(), 1e-8);
    }
    for (freedom, table) in [(4.0, 2.776), (9.0, 2.262), (19.0, 2.093), (30.0, 2.042), (120.0, 1.980)] {
        assert!((t_quantile(0.975, freedom) - table).abs() <= 5e-4, "{freedom}");
    }
}

#[test]
fn means_and_what_is_missing() {
    // 1..5: mean 3, variance 2.5, half width 2.776445 * sqrt(0.5).
    let e = mean_t(&[1.0, 2.0, f64::NAN, 3.0, 4.0, 5.0, f64::INFINITY], LEVEL);
    assert_eq!((e.mean, e.n, e.missing), (Some(3.0), 5, 2));
    close(e.sd.unwrap(), 2.5_f64.sqrt(), 1e-15);
    let (low, high) = e.interval.unwrap();
    close(high - 3.0, 2.776_445_105 * 0.5_f64.sqrt(), 1e-8);
    close(3.0 - low, high - 3.0, 1e-14);
    let one = mean_t(&[7.0, f64::NAN], LEVEL);
    assert_eq!((one.mean, one.sd, one.interval, one.missing), (Some(7.0), None, None, 1));
    let none = mean_t(&[f64::NAN], LEVEL);
    assert_eq!((none.mean, none.n, none.missing), (None, 0, 1));
    let same = mean_t(&[2.0; 3], LEVEL);
    assert_eq!((same.sd, same.interval), (Some(0.0), Some((2.0, 2.0))));
}

/// 95 % of the intervals of normal samples hold the true mean: 4,000 of them within four binomial deviations (0.35 % each).
#[test]
fn t_intervals_cover() {
    let mut rng = Rng::new(11);
    let covers = |rng: &mut Rng| {
        let values: Vec<f64> = (0..5).map(|_| 3.0 + 2.0 * rng.normal()).collect();
        let (low, high) = mean_t(&values, LEVEL).interval.unwrap();
        (low..=high).contains(&3.0)
    };
    let share = (0..4000).filter(|_| covers(&mut rng)).count() as f64 / 4000.0;
    assert!((share - 0.95).abs() < 0.014, "{share}");
}

/// All 5^5 resamples of five numbers, against 40,000 drawn ones: the share of draws below a percentile is off by at most
/// 0.0008 in one deviation, which moves it by at most one of the distinct means.
#[test]
fn bootstrap_agrees_with_enumeration() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    let mut means: Vec<f64> = (0..3125_usize)
        .map(|code| (0..5).map(|k| values[code / 5_usize.pow(k) % 5]).sum::<f64>() / 5.0)
        .collect();
    means.sort_by(f64::total_cmp);
    let (low, high) = mean_bootstrap(&values, 0.9, 40_000, &Rng::new(1)).interval.unwrap();
    let around = |p: f64| (quantile(&means, p - 0.005), quantile(&means, p + 0.005));
    for (found, p) in [(low, 0.05), (high, 0.95)] {
        let (a, b) = around(p);
        assert!((a..=b).contains(&found), "{p}: {found} not in {a}..{b}");
    }
}

#[test]
fn bootstrap_is_seeded_and_counts() {
    let values = [3.1, 2.7, 4.42, f64::NAN, 3.93, 5.01, 2.2, 3.37, 4.06];
    let draw = |seed| mean_bootstrap(&values, LEVEL, 1000, &Rng::new(seed));
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5).interval, draw(6).interval);
    assert_eq!((draw(5).n, draw(5).missing), (8, 1));
    assert_eq!(mean_bootstrap(&[1.0], LEVEL, 10, &Rng::new(0)).interval, None);
}

#[test]
fn pairs_keep_their_gaps() {
    let d = differences(&[1.0, f64::NAN, 3.0], &[0.5, 1.0, f64::INFINITY]);
    assert_eq!(d[0], 0.5);
    assert!(d[1].is_nan() && d[2].is_nan());
    assert_eq!(mean_t(&d, LEVEL).missing, 2);
}

/// The example of the encyclopaedias: IQ against hours of television, rho = -29/165.
#[test]
fn spearman_of_the_textbook() {
    let iq = [106.0, 86.0, 100.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0];
    let tv = [7.0, 0.0, 27.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0];
    let r = spearman(&iq, &tv, LEVEL);
    close(r.rho.unwrap(), -29.0 / 165.0, 1e-14);
    // atanh(rho) = -0.177602, half width 1.959964 sqrt((1 + rho²/2) / 7) = 0.746496.
    let (low, high) = r.interval.unwrap();
    close(low.atanh(), -0.177_602 - 0.746_496, 2e-6);
    close(high.atanh(), -0.177_602 + 0.746_496, 2e-6);
}

/// With ties rho is Pearson's correlation of mid-ranks, worked out by hand: ranks (1, 2.5, 2.5, 4) and (2, 1, 3.5, 3.5).
#[test]
fn spearman_with_ties_and_gaps() {
    let x = [1.0, 2.0, 2.0, 3.0, f64::NAN];
    let y = [5.0, 4.0, 9.0, 9.0, 1.0];
    let r = spearman(&x, &y, LEVEL);
    // Centred: (-1.5, 0, 0, 1.5) and (-0.5, -1.5, 1, 1): product 2.25, squares 4.5 and 4.5.
    close(r.rho.unwrap(), 2.25 / 4.5, 1e-14);
    assert_eq!((r.n, r.missing), (4, 1));
    assert_eq!(spearman(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], LEVEL).rho, None);
    let exact = spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0], LEVEL);
    assert_eq!((exact.rho, exact.interval), (Some(1.0), None));
    assert_eq!(spearman(&[], &[], LEVEL).rho, None);
}

/// The interval of Bonett and Wright covers the rho of a bivariate normal with correlation r, rho = 6/π asin(r/2) (Pearson
/// 1907), in about 95 % of samples; 2,000 samples of 40 have a binomial deviation of 0.5 %.
#[test]
fn spearman_intervals_cover() {
    let correlation = 0.6_f64;
    let truth = 6.0 / std::f64::consts::PI * (correlation / 2.0).asin();
    let mut rng = Rng::new(2);
    let covers = |rng: &mut Rng| {
        let x: Vec<f64> = (0..40).map(|_| rng.normal()).collect();
        let noise = (1.0 - correlation * correlation).sqrt();
        let y: Vec<f64> = x.iter().map(|x| correlation * x + noise * rng.normal()).collect();
        let (low, high) = spearman(&x, &y, LEVEL).interval.unwrap();
        (low..=high).contains(&truth)
    };
    let share = (0..2000).filter(|_| covers(&mut rng)).count() as f64 / 2000.0;
    assert!((share - 0.95).abs() < 0.02, "{share}");
}

/// Both intervals of one strong correlation are about the same.
#[test]
fn spearman_bootstrap_is_near_the_formula() {
    let mut rng = Rng::new(4);
    let x: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + rng.normal()).collect();
    let formula = spearman(&x, &y, LEVEL);
    let drawn = spearman_bootstrap(&x, &y, LEVEL, 2000, &Rng::new(9));
    assert_eq!(formula.rho, drawn.rho);
    let ((a, b), (c, d)) = (formula.interval.unwrap(), drawn.interval.unwrap());
    assert!((a - c).abs() < 0.04 && (b - d).abs() < 0.04, "{a}..{b} against {c}..{d}");
}

/// numpy's default quantile of 1, 2, 4, 7, 11.
#[test]
fn quantiles() {
    let v = [1.0, 2.0, 4.0, 7.0, 11.0];
    for (p, q) in [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.6, 5.2), (1.0, 11.0)] {
        close(quantile(&v, p), q, 1e-14);
    }
}
