//! Estimates against closed forms, published examples, exhaustive enumeration and simulation.

use realign_lab::stats::{
    LEVEL, differences, equal, mean_bootstrap, mean_crossed, mean_t, quantile, spearman, spearman_bootstrap,
    t_quantile,
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

/// Differences of shares that are equal in thousandths share a rank, whatever their last bits. The right value:
/// `scipy.stats.spearmanr([2, 5, 10, 20, 10, 2], [146, 200, 146, 50, 146, 145])`; raw floating point gives -0.0883.
#[test]
fn spearman_ties_what_is_equal_but_for_rounding() {
    let gaps = [0.688 - 0.542, 0.3 - 0.1, 0.646 - 0.5, 0.05, 0.584 - 0.438, 0.7 - 0.555];
    assert!(gaps[0] != gaps[2] && gaps[2] != gaps[4], "three values of 0.146 that differ in their last bits");
    let classes = [2.0, 5.0, 10.0, 20.0, 10.0, 2.0];
    close(spearman(&classes, &gaps, LEVEL).rho.unwrap(), -0.281_387_429_766_325_1, 1e-12);
    // A bootstrap ranks alike: resamples of two ties alone have no rho.
    let tied = spearman_bootstrap(
        &[1.0, 2.0, 3.0, 4.0],
        &[gaps[0], gaps[2], gaps[4], gaps[0]],
        LEVEL,
        50,
        &Rng::new(1),
    );
    assert_eq!((tied.rho, tied.interval), (None, None));
}

/// One part in 10^10 decides; counts of 10,000 and of 100,000 examples lie on the right side of it.
#[test]
fn equal_means_equal_but_for_rounding() {
    assert!(equal(0.146, 0.146 * (1.0 + 0.9e-10)) && !equal(0.146, 0.146 * (1.0 + 1.1e-10)));
    assert!(equal(0.0, 0.0) && !equal(0.0, 1e-300) && !equal(1e-20, 2e-20) && !equal(-0.5, 0.5));
    for n in [1_000_u32, 10_000, 100_000] {
        let share = |k: u32| f64::from(k) / f64::from(n);
        // The smallest gap, far below the accuracies it is made of.
        let gap = share(9 * n / 10 + 1) - share(9 * n / 10);
        assert!(equal(gap, share(1)) && equal(share(n / 2 + 3) - share(n / 2 + 2), gap), "{n}");
        assert!(!equal(share(n - 1), share(n)) && !equal(share(2) - share(1), share(4) - share(2)), "{n}");
    }
}

/// Accuracies of bp on 10 classes of CIFAR-100, three draws with three seeds each. Means of draws 0.682, 0.7333.., 0.6766..: mean 0.697333, half width
/// 4.302653 sd / sqrt(3) = 0.077731 (numpy: `t.ppf(.975, 2) * std([...], ddof=1) / 3**.5`). Means of seeds are closer together. As nine
/// independent runs it would be 0.0215.
#[test]
fn crossed_runs_count_their_draws() {
    let values = [0.688, 0.674, 0.684, 0.74, 0.739, 0.721, 0.676, 0.682, 0.672];
    let levels: Vec<[u64; 2]> = (0..9).map(|i| [3 + i / 3, 3 + i % 3]).collect();
    let e = mean_crossed(&values, &levels, LEVEL);
    assert_eq!((e.n, e.missing), (3, 0));
    close(e.mean.unwrap(), 0.697_333_333_333_333_4, 1e-12);
    let (low, high) = e.interval.unwrap();
    close((high - low) / 2.0, 0.077_730_535_102_811_5, 1e-8);
    // The order of the factors is of no concern.
    let swapped: Vec<[u64; 2]> = levels.iter().map(|l| [l[1], l[0]]).collect();
    assert_eq!(mean_crossed(&values, &swapped, LEVEL), e);
}

/// What depends on the seed alone has no spread over draws; runs without a number are counted and left out; one draw leaves the seeds.
#[test]
fn crossed_runs_take_the_factor_that_matters() {
    let levels = [[0, 0], [0, 1], [1, 0], [1, 1]];
    let e = mean_crossed(&[1.0, 3.0, 1.0, 3.0], &levels, LEVEL);
    // Means of seeds 1 and 3: 2 ± 12.706205 * sqrt(2) / sqrt(2).
    close(e.interval.unwrap().1 - 2.0, 12.706_204_736, 1e-8);
    let gap = mean_crossed(&[1.0, f64::NAN, 5.0, f64::NAN], &levels, LEVEL);
    assert_eq!((gap.mean, gap.n, gap.missing), (Some(3.0), 2, 2));
    let one_draw = mean_crossed(&[1.0, 3.0], &[[7, 0], [7, 1]], LEVEL);
    assert_eq!((one_draw.mean, one_draw.n), (Some(2.0), 2));
    assert!(one_draw.interval.is_some());
    assert_eq!(mean_crossed(&[4.0, 6.0], &[[7, 1], [7, 1]], LEVEL).interval, None, "one draw, one seed");
}
