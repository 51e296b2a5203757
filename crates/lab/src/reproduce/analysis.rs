//! Finished runs as the analyses want them: grouped by rule, width and seed, with curves and last values of their rows.

use super::{Experiment, Known};
use crate::figure::Figure;
use crate::stats::{self, Estimate};
use crate::store::{self, RunReport, Status, Stored};
use crate::table::Table;
use crate::{LabError, RunSpec};
use realign::checkpoint::Checkpoint;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// What an experiment came to.
#[derive(Debug, Default)]
pub struct Found {
    /// In words: what was looked at and what has to be known to read it. Paragraphs.
    pub text: Vec<String>,
    /// File stem and figure.
    pub figures: Vec<(String, Figure)>,
    /// File stem and table.
    pub tables: Vec<(String, Table)>,
    /// Quantities that claims are judged by.
    pub measured: BTreeMap<String, Estimate>,
}

/// A run of an experiment, made or not.
#[derive(Debug)]
pub struct Run {
    /// What was asked for.
    pub spec: RunSpec,
    /// Where it is or would be.
    pub dir: PathBuf,
    /// How it stands; `None` if it was never begun.
    pub status: Option<Status>,
    /// How it ended, if it has.
    pub report: Option<RunReport>,
    /// Its rows, if it has ended.
    pub rows: Vec<Stored>,
    /// Why nothing is known of its end although it has one: the damaged file and the place in it.
    pub damage: Option<String>,
}

/// All runs of an experiment with what is on disk of them, or else what is known of their ends; and for how many it was that.
pub(super) fn load(
    experiment: &Experiment,
    runs: &Path,
    known: Option<&Known>,
) -> Result<(Vec<Run>, usize), LabError> {
    let mut told = 0;
    let one = |spec: &RunSpec| {
        let run = Run::load(spec, runs.join(spec.folder()))?;
        let known = known.filter(|_| run.report.is_none()).and_then(|k| k.run(spec, run.dir.clone()));
        told += usize::from(known.is_some());
        Ok(known.unwrap_or(run))
    };
    let all = experiment.parts.iter().flat_map(|p| &p.runs).map(one).collect::<Result<_, LabError>>()?;
    Ok((all, told))
}

impl Run {
    pub(crate) fn load(spec: &RunSpec, dir: PathBuf) -> Result<Run, LabError> {
        let ended = store::ending(&dir).and_then(|report| match report {
            None => Ok((None, Vec::new())),
            Some(r) => Ok((Some(r), store::read_metrics(&dir.join("metrics.jsonl"))?)),
        });
        // A run of which half can be read would stand in a mean and not in the figure beside it.
        let ((report, rows), damage) = match ended {
            Ok(found) => (found, None),
            Err(e) => ((None, Vec::new()), Some(e.to_string())),
        };
        Ok(Run { spec: spec.clone(), status: store::status(&dir), report, rows, damage, dir })
    }

    /// Whether all its steps were made.
    pub fn is_done(&self) -> bool {
        self.report.as_ref().is_some_and(|r| r.status == Status::Done)
    }

    pub(super) fn rule(&self) -> &str {
        self.spec.rule()
    }

    /// Units of the first hidden layer.
    pub(super) fn width(&self) -> u64 {
        self.spec.get("network.widths.1").and_then(Value::as_integer).map_or(0, |w| w as u64)
    }

    /// Width and seed: what a dense network shares with other runs.
    pub(super) fn levels(&self) -> [u64; 2] {
        [self.width(), self.spec.seed()]
    }

    pub(super) fn number(&self, key: &str) -> f64 {
        self.spec.get(key).and_then(|v| v.as_float().or(v.as_integer().map(|i| i as f64))).unwrap_or(f64::NAN)
    }

    /// (step, epoch, value) of a quantity in order of steps.
    pub(crate) fn curve(
        &self,
        probe: &str,
        name: &str,
        split: Option<&str>,
        layer: Option<usize>,
    ) -> Vec<(u64, f64, f64)> {
        let wanted = |r: &&Stored| {
            r.probe == probe
                && r.name == name
                && r.unit.is_none()
                && r.split.as_deref() == split
                && r.layer == layer
        };
        let value = |r: &Stored| (r.step, r.epoch, r.value.unwrap_or(f64::NAN));
        self.rows.iter().filter(wanted).map(value).collect()
    }

    /// The weights after the last step.
    pub(super) fn last_checkpoint(&self) -> Result<Option<Checkpoint>, LabError> {
        match &self.report {
            Some(r) => Ok(store::checkpoint_at(&self.dir, r.steps)?),
            None => Ok(None),
        }
    }
}

/// Rules in the order of the registry that occur among the runs.
pub(super) fn rules(runs: &[Run]) -> Vec<&'static str> {
    let known = realign::rules::RULES.iter().map(|r| r.name);
    known.filter(|name| runs.iter().any(|r| r.rule() == *name)).collect()
}

/// Widths in ascending order.
pub(super) fn widths(runs: &[Run]) -> Vec<u64> {
    let mut all: Vec<u64> = runs.iter().map(Run::width).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// How a rule is called wherever it is shown.
pub(crate) fn words(rule: &str) -> String {
    if rule == "adafa" { "adafa (our reconstruction)".into() } else { rule.into() }
}

/// Mean and its interval.
pub(super) fn estimate(values: &[f64]) -> Estimate {
    stats::mean_t(values, stats::LEVEL)
}

/// Mean and its interval of runs that share levels of two factors ([`stats::mean_crossed`]).
pub(super) fn crossed(values: &[([u64; 2], f64)]) -> Estimate {
    let (levels, values): (Vec<[u64; 2]>, Vec<f64>) = values.iter().copied().unzip();
    stats::mean_crossed(&values, &levels, stats::LEVEL)
}

/// A single figure without an interval: an extreme over `n` runs.
pub(super) fn extreme(values: &[f64], pick: fn(f64, f64) -> f64) -> Estimate {
    let kept: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (n, missing) = (kept.len(), values.len() - kept.len());
    Estimate { mean: kept.into_iter().reduce(pick), sd: None, interval: None, n, missing }
}

/// Spearman's rho as an estimate.
pub(super) fn correlation(x: &[f64], y: &[f64]) -> Estimate {
    let c = stats::spearman(x, y, stats::LEVEL);
    Estimate { mean: c.rho, sd: None, interval: c.interval, n: c.n, missing: c.missing }
}

/// Mean curve with the band of its interval, from curves that share their x: (x, mean, low, high).
pub(crate) type Band = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>);

/// Averages curves point by point where at least one of them has the point.
pub(crate) fn band(curves: &[Vec<(f64, f64)>]) -> Band {
    band_by(curves.iter().map(|c| ((), c)), |values| {
        estimate(&values.iter().map(|v| v.1).collect::<Vec<_>>())
    })
}

/// A curve with the levels of two factors that it shares with others.
pub(super) type Levelled = ([u64; 2], Vec<(f64, f64)>);

/// As [`band`], of curves that share levels of two factors.
pub(super) fn band_crossed(curves: &[Levelled]) -> Band {
    band_by(curves.iter().map(|(levels, c)| (*levels, c)), crossed)
}

fn band_by<'a, L: Copy>(
    curves: impl Iterator<Item = (L, &'a Vec<(f64, f64)>)>,
    estimate: impl Fn(&[(L, f64)]) -> Estimate,
) -> Band {
    let mut points: BTreeMap<u64, (f64, Vec<(L, f64)>)> = BTreeMap::new();
    for (levels, curve) in curves {
        for (x, y) in curve {
            points.entry(x.to_bits()).or_insert_with(|| (*x, Vec::new())).1.push((levels, *y));
        }
    }
    let mut points: Vec<_> = points.into_values().collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = Band::default();
    for (x, values) in points {
        let e = estimate(&values);
        let mean = e.mean.unwrap_or(f64::NAN);
        let (low, high) = e.interval.unwrap_or((mean, mean));
        out.0.push(x);
        out.1.push(mean);
        out.2.push(low);
        out.3.push(high);
    }
    out
}

/// Every `n`-th point so that about `most` are left; first and last stay.
pub(super) fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    let every = points.len().div_ceil(most.max(1)).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last).map(|(_, p)| *p).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two curves y = x and y = 3x: mean 2x; the t interval of two numbers a, b is m ± 12.706 |a - b|/2.
    #[test]
    fn a_band_is_the_mean_with_its_t_interval() {
        let (x, y, low, high) =
            band(&[vec![(0.0, 0.0), (2.0, 2.0)], vec![(0.0, 0.0), (2.0, 6.0), (3.0, 1.0)]]);
        assert_eq!((&x[..], &y[..]), (&[0.0, 2.0, 3.0][..], &[0.0, 4.0, 1.0][..]));
        assert!((high[1] - 4.0 - 12.706 * 2.0).abs() < 0.01 && (4.0 - low[1] - 12.706 * 2.0).abs() < 0.01);
        assert_eq!((low[2], high[2]), (1.0, 1.0));
    }

    /// Means of draws 1 and 5, of seeds 2 and 4: the draws are further apart, so the band is 3 ± 12.706 * 4/2.
    #[test]
    fn a_band_of_crossed_runs_counts_draws() {
        let curve = |draw, seed, y| ([draw, seed], vec![(1.0, y)]);
        let (_, y, low, high) =
            band_crossed(&[curve(0, 0, 0.0), curve(0, 1, 2.0), curve(1, 0, 4.0), curve(1, 1, 6.0)]);
        assert_eq!(y, [3.0]);
        assert!((high[0] - 3.0 - 12.706 * 2.0).abs() < 0.01 && (3.0 - low[0] - 12.706 * 2.0).abs() < 0.01);
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<u32> = (0..101).collect();
        let kept = thin(&points, 10);
        assert!(kept.len() <= 12 && kept[0] == 0 && *kept.last().unwrap() == 100);
        assert_eq!(thin(&points[..3], 10), [0, 1, 2]);
    }
}
