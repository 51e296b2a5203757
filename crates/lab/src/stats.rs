/*!
What repeated runs say: mean, spread, intervals, paired differences, rank correlation.

Numbers that are not finite (a diverged run, a run that is not there) are left out of every estimate and counted in
`missing`; nothing is dropped without being counted. What cannot be estimated from the numbers at hand is `None`.

* mean with the interval of Student's t: `m ± t_{(1+c)/2, n-1} s / sqrt(n)`; exact for normal numbers;
* mean with the percentile bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13): too narrow
  below about ten numbers, so it accompanies the former and does not replace it;
* the same of runs that share levels of two factors, over the means of one factor: [`mean_crossed`];
* Spearman's rho with mid-ranks for ties ([`equal`]), and the interval of Bonett & Wright, "Sample size requirements for estimating
  Pearson, Kendall and Spearman correlations", Psychometrika 65 (2000): `tanh(atanh r ± z sqrt((1 + r²/2)/(n - 3)))`.

Not here: tests of hypotheses and corrections for many comparisons.
*/

use realign_tensor::Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::collections::BTreeMap;

/// The confidence of every interval unless said otherwise.
pub const LEVEL: f64 = 0.95;

/// A mean and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean of the finite numbers; none if there is none.
    pub mean: Option<f64>,
    /// Standard deviation (n - 1 in the denominator); none for fewer than two.
    pub sd: Option<f64>,
    /// Lower and upper end of the interval of the mean; none for fewer than two.
    pub interval: Option<(f64, f64)>,
    /// What the interval counts as independent: finite numbers, or the levels of a factor ([`mean_crossed`]).
    pub n: usize,
    /// Numbers that were not finite.
    pub missing: usize,
}

/// A rank correlation and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// Spearman's rho; none for fewer than two pairs or if one side is constant.
    pub rho: Option<f64>,
    /// Its interval; none for fewer than four pairs, and for rho = ±1, where the method has none.
    pub interval: Option<(f64, f64)>,
    /// Pairs of finite numbers.
    pub n: usize,
    /// Pairs with a number that was not finite.
    pub missing: usize,
}

/// Two numbers that differ by less than this share of the larger are one number that was rounded twice.
///
/// Shares are counts over n examples. The difference of two of them carries a rounding of at most 2 eps and is 0 or at least 1/n, so differences that are
/// equal differ by at most 2 n eps of themselves: 4e-11 with 100,000 examples. Those that are not equal differ by 1/n of themselves, quotients of shares by
/// 1/n²: 1e-8 with 10,000 examples.
const TIE: f64 = 1e-10;

/// Whether two measured numbers are equal but for rounding: 0.688 − 0.542 and 0.646 − 0.5 are. For ranks, orders and best values.
pub fn equal(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= TIE * a.abs().max(b.abs())
}

fn finite(values: &[f64]) -> (Vec<f64>, usize) {
    let kept: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let missing = values.len() - kept.len();
    (kept, missing)
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with n - 1; for two numbers or more.
fn deviation(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[track_caller]
fn upper(level: f64) -> f64 {
    assert!(level > 0.0 && level < 1.0, "a level of confidence lies between 0 and 1, got {level}");
    0.5 + level / 2.0
}

/// The number below which Student's t with `freedom` degrees stays with this probability.
///
/// # Panics
/// If the probability is not between 0 and 1 or `freedom` is not positive.
#[track_caller]
pub fn t_quantile(probability: f64, freedom: f64) -> f64 {
    let t =
        StudentsT::new(0.0, 1.0, freedom).unwrap_or_else(|_| panic!("t with {freedom} degrees of freedom"));
    t.inverse_cdf(probability)
}

/// Mean, standard deviation and the t interval at `level`.
///
/// # Panics
/// If the level is not between 0 and 1.
#[track_caller]
pub fn mean_t(values: &[f64], level: f64) -> Estimate {
    let (kept, missing) = finite(values);
    let n = kept.len();
    let upper = upper(level);
    let mean = (n > 0).then(|| average(&kept));
    let sd = mean.filter(|_| n > 1).map(|m| deviation(&kept, m));
    let interval = mean.zip(sd).map(|(m, s)| {
        let half = t_quantile(upper, (n - 1) as f64) * s / (n as f64).sqrt();
        (m - half, m + half)
    });
    Estimate { mean, sd, interval, n, missing }
}

/// Mean and t interval of runs that share levels of two factors, say a draw of classes and a seed: nine runs of three draws and three seeds are no nine
/// independent ones. The interval is that of the means per level of one factor, which is exact if that factor alone makes runs alike; taken is the factor
/// with the wider interval. `n` counts its levels with a number, `missing` the runs without.
///
/// # Panics
/// If the level is not between 0 and 1 or there are not as many pairs of levels as values.
#[track_caller]
pub fn mean_crossed(values: &[f64], levels: &[[u64; 2]], level: f64) -> Estimate {
    assert_eq!(values.len(), levels.len(), "each value needs its levels");
    let over = |factor: usize| {
        let mut groups: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (value, at) in values.iter().zip(levels).filter(|(v, _)| v.is_finite()) {
            groups.entry(at[factor]).or_default().push(*value);
        }
        mean_t(&groups.values().map(|g| average(g)).collect::<Vec<_>>(), level)
    };
    let width = |e: &Estimate| e.interval.map_or(-1.0, |(low, high)| high - low);
    let (first, second) = (over(0), over(1));
    let taken = if width(&second) > width(&first) { second } else { first };
    Estimate { missing: finite(values).1, ..taken }
}

/// As [`mean_t`], with the interval between the percentiles of the means of `resamples` samples drawn with replacement.
/// The same `rng` gives the same interval.
///
/// # Panics
/// If the level is not between 0 and 1 or `resamples` is 0.
#[track_caller]
pub fn mean_bootstrap(values: &[f64], level: f64, resamples: usize, rng: &Rng) -> Estimate {
    let (kept, _) = finite(values);
    let estimate = mean_t(values, level);
    let interval = (kept.len() > 1).then(|| {
        let draw = |rng: &mut Rng| kept[rng.below(kept.len())];
        percentiles(level, resamples, rng, |rng| {
            Some((0..kept.len()).map(|_| draw(rng)).sum::<f64>() / kept.len() as f64)
        })
        .expect("a mean always exists")
    });
    Estimate { interval, ..estimate }
}

/// Percentile interval of a statistic; none if every resample left it undefined.
#[track_caller]
fn percentiles(
    level: f64,
    resamples: usize,
    rng: &Rng,
    mut statistic: impl FnMut(&mut Rng) -> Option<f64>,
) -> Option<(f64, f64)> {
    assert!(resamples > 0, "a bootstrap needs resamples");
    let upper = upper(level);
    let mut rng = rng.child("bootstrap");
    let mut drawn: Vec<f64> = (0..resamples).filter_map(|_| statistic(&mut rng)).collect();
    drawn.sort_by(f64::total_cmp);
    (!drawn.is_empty()).then(|| (quantile(&drawn, 1.0 - upper), quantile(&drawn, upper)))
}

/// Linear interpolation between order statistics (Hyndman & Fan 1996, type 7; numpy's and R's default).
///
/// # Panics
/// If there are no numbers or `p` is not in [0, 1].
#[track_caller]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    assert!(!sorted.is_empty() && (0.0..=1.0).contains(&p), "quantile {p} of {} numbers", sorted.len());
    let at = p * (sorted.len() - 1) as f64;
    let (low, share) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + share * (sorted[high] - sorted[low])
}

/// a - b pair by pair (the same seed under two rules); NaN where either is not finite, so that [`mean_t`] counts it.
///
/// # Panics
/// If they are not equally many.
#[track_caller]
pub fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len(), "pairs need as many of both");
    let difference = |(a, b): (&f64, &f64)| if a.is_finite() && b.is_finite() { a - b } else { f64::NAN };
    a.iter().zip(b).map(difference).collect()
}

/// Ranks from 1; equal numbers ([`equal`]) share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    while before < order.len() {
        let least = values[order[before]];
        let ties = order[before..].iter().take_while(|i| equal(values[**i], least)).count();
        for i in &order[before..before + ties] {
            ranks[*i] = before as f64 + (ties + 1) as f64 / 2.0;
        }
        before += ties;
    }
    ranks
}

/// Correlation of the ranks; none if one side is constant.
fn rho(x: &[f64], y: &[f64]) -> Option<f64> {
    let centred = |v: &[f64]| {
        let (ranks, middle) = (ranks(v), (v.len() + 1) as f64 / 2.0);
        ranks.into_iter().map(|r| r - middle).collect::<Vec<f64>>()
    };
    let (a, b) = (centred(x), centred(y));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (dot(&a, &a) * dot(&b, &b)).sqrt();
    (scale > 0.0).then(|| (dot(&a, &b) / scale).clamp(-1.0, 1.0))
}

#[track_caller]
fn pairs(x: &[f64], y: &[f64]) -> (Vec<(f64, f64)>, usize) {
    assert_eq!(x.len(), y.len(), "a correlation needs as many x as y");
    let both = x.iter().copied().zip(y.iter().copied());
    let kept: Vec<(f64, f64)> = both.filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    let missing = x.len() - kept.len();
    (kept, missing)
}

/// Spearman's rho with the interval of Bonett & Wright at `level`.
///
/// # Panics
/// If x and y are not equally many or the level is not between 0 and 1.
#[track_caller]
pub fn spearman(x: &[f64], y: &[f64], level: f64) -> Correlation {
    let (kept, missing) = pairs(x, y);
    let n = kept.len();
    let (x, y): (Vec<f64>, Vec<f64>) = kept.into_iter().unzip();
    let rho = rho(&x, &y);
    let z = Normal::standard().inverse_cdf(upper(level));
    let interval = rho.filter(|r| n > 3 && r.abs() < 1.0).map(|r| {
        let half = z * ((1.0 + r * r / 2.0) / (n - 3) as f64).sqrt();
        ((r.atanh() - half).tanh(), (r.atanh() + half).tanh())
    });
    Correlation { rho, interval, n, missing }
}

/// As [`spearman`], with the percentile bootstrap over pairs; resamples in which one side is constant have no rho and are
/// left out.
///
/// # Panics
/// As [`spearman`], and if `resamples` is 0.
#[track_caller]
pub fn spearman_bootstrap(x: &[f64], y: &[f64], level: f64, resamples: usize, rng: &Rng) -> Correlation {
    let (kept, missing) = pairs(x, y);
    let n = kept.len();
    let of = |pairs: Vec<(f64, f64)>| {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        rho(&x, &y)
    };
    let resample = |rng: &mut Rng| of((0..n).map(|_| kept[rng.below(n)]).collect());
    let interval = if n > 3 { percentiles(level, resamples, rng, resample) } else { None };
    Correlation { rho: of(kept.clone()), interval, n, missing }
}
