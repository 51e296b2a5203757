//! What one run of the convolutional experiments came to: accuracy, and alignment of weights and of updates.
//!
//! cos(W_l, B_l) per layer that carries an error, from `weight_angle`; cos(G, dL/dW) over all weights, from `update_angle`. Accuracies of a run that
//! diverged are missing (NaN), never replaced by chance level.
//!
//! Runs share draws of classes and seeds (of W, B and batches), so nine runs of three draws with three seeds are no nine independent ones: intervals are over
//! the means per draw or per seed, whichever are further apart ([`mean`]).

use super::analysis::{Run, crossed};
use crate::stats::Estimate;
use std::collections::BTreeMap;
use toml::Value;

/// A run and what is compared of it.
pub(super) struct Outcome<'a> {
    pub(super) run: &'a Run,
    /// Number of classes.
    pub(super) classes: u64,
    /// Share of the test images that is right.
    pub(super) accuracy: f64,
    /// (layer, cosines of W and B by epoch), from the input up; empty under rules without B.
    pub(super) weight: Vec<(usize, Vec<(f64, f64)>)>,
    /// Cosine of update direction and gradient over all weights, by epoch.
    pub(super) update: Vec<(f64, f64)>,
}

/// What two runs must share to be compared in a pair: experiment, classes, their draw, seed.
pub(super) type Pair = (String, u64, u64, u64);

fn cosines(angles: &[(u64, f64, f64)]) -> Vec<(f64, f64)> {
    angles.iter().map(|a| (a.1, a.2.to_radians().cos())).collect()
}

impl<'a> Outcome<'a> {
    /// `None` if the run has not ended.
    pub(super) fn of(run: &'a Run) -> Option<Outcome<'a>> {
        let report = run.report.as_ref()?;
        let accuracy = if run.is_done() { report.test_accuracy } else { None };
        let layers = 0..report.weight_angle.len().max(report.update_angle.len());
        let weight = layers.map(|l| (l, cosines(&run.curve("weight_angle", "angle", None, Some(l)))));
        Some(Outcome {
            run,
            classes: run.number("data.classes") as u64,
            accuracy: accuracy.unwrap_or(f64::NAN),
            weight: weight.filter(|(_, c)| !c.is_empty()).collect(),
            update: cosines(&run.curve("update_angle", "angle", None, None)),
        })
    }

    pub(super) fn rule(&self) -> &str {
        self.run.rule()
    }

    fn draw(&self) -> u64 {
        let spec = &self.run.spec;
        spec.get("data.seed").and_then(Value::as_integer).map_or(spec.seed(), |d| d as u64)
    }

    pub(super) fn pair(&self) -> Pair {
        let spec = &self.run.spec;
        (spec.name().to_owned(), self.classes, self.draw(), spec.seed())
    }

    /// Draw of classes and seed: what it shares with other runs.
    pub(super) fn levels(&self) -> [u64; 2] {
        [self.draw(), self.run.spec.seed()]
    }

    /// cos(W, B) averaged over layers at an end of the run.
    pub(super) fn weight_at(&self, end: End) -> f64 {
        let of = |(_, curve): &(usize, Vec<(f64, f64)>)| end.of(curve);
        let values: Vec<f64> = self.weight.iter().map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// cos(G, dL/dW) at an end of the run.
    pub(super) fn update_at(&self, end: End) -> f64 {
        end.of(&self.update)
    }

    /// Share of what can be gained over chance.
    pub(super) fn gain(&self) -> f64 {
        let chance = 1.0 / self.classes as f64;
        (self.accuracy - chance) / (1.0 - chance)
    }
}

/// First or last recorded step.
#[derive(Clone, Copy)]
pub(super) enum End {
    First,
    Last,
}

impl End {
    fn of(self, curve: &[(f64, f64)]) -> f64 {
        let point = match self {
            End::First => curve.first(),
            End::Last => curve.last(),
        };
        point.map_or(f64::NAN, |p| p.1)
    }
}

/// All runs that have ended.
pub(super) fn outcomes(runs: &[Run]) -> Vec<Outcome<'_>> {
    runs.iter().filter_map(Outcome::of).collect()
}

/// Mean of a quantity over outcomes, with the interval over draws of classes or seeds.
pub(super) fn mean<'b, 'a: 'b>(
    outcomes: impl IntoIterator<Item = &'b Outcome<'a>>,
    f: impl Fn(&Outcome<'_>) -> f64,
) -> Estimate {
    crossed(&outcomes.into_iter().map(|o| (o.levels(), f(o))).collect::<Vec<_>>())
}

/// The same over pairs of outcomes.
pub(super) fn mean_pairs<'b, 'a: 'b>(
    pairs: impl IntoIterator<Item = (&'b Outcome<'a>, &'b Outcome<'a>)>,
    f: impl Fn(&Outcome<'_>, &Outcome<'_>) -> f64,
) -> Estimate {
    crossed(&pairs.into_iter().map(|(o, other)| (o.levels(), f(o, other))).collect::<Vec<_>>())
}

/// What is said of intervals wherever there are some.
pub(super) const INTERVAL: &str =
    "95 % interval (t) over the means per draw of classes or per seed, whichever is wider";

/// Outcomes of `rule`, each with that of `other` in the same pair where there is one.
pub(super) fn pairs<'a, 'b>(
    outcomes: &'b [Outcome<'a>],
    rule: &str,
    other: &str,
) -> Vec<(&'b Outcome<'a>, &'b Outcome<'a>)> {
    let others: BTreeMap<Pair, &Outcome<'a>> =
        outcomes.iter().filter(|o| o.rule() == other).map(|o| (o.pair(), o)).collect();
    let of_rule = outcomes.iter().filter(|o| o.rule() == rule);
    of_rule.filter_map(|o| Some((o, *others.get(&o.pair())?))).collect()
}

/// Numbers of classes in ascending order.
pub(super) fn class_counts(outcomes: &[Outcome<'_>]) -> Vec<u64> {
    let mut all: Vec<u64> = outcomes.iter().map(|o| o.classes).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::{RunReport, Status, Stored};
    use crate::{RunSpec, Spec};
    use std::path::{Path, PathBuf};

    pub(crate) fn spec(rule: &str, classes: u64, draw: u64, seed: u64) -> RunSpec {
        named("t", rule, classes, draw, seed)
    }

    pub(crate) fn named(name: &str, rule: &str, classes: u64, draw: u64, seed: u64) -> RunSpec {
        let text = format!(
            "name='{name}'\nseed={seed}\n[data]\nname='glyphs'\nclasses={classes}\nseed={draw}\n[network]\nmodel='lenet'\n[rule]\nname='{rule}'\n\
             [optimizer]\nlr=0.1\n[train]\nsteps=2\nbatch=10\n"
        );
        Spec::parse(&text, Path::new("t.toml"), &[]).unwrap().runs().remove(0)
    }

    /// A finished run with this accuracy, cos(W,B) rising from 0 to `weight` in layer 1 and cos(G, dL/dW) at `update` throughout.
    pub(crate) fn run(spec: RunSpec, accuracy: Option<f64>, weight: f64, update: f64) -> Run {
        let row = |step: u64, probe: &str, layer, cosine: f64| Stored {
            step,
            epoch: step as f64,
            probe: probe.into(),
            name: "angle".into(),
            layer,
            unit: None,
            split: None,
            value: Some(cosine.acos().to_degrees()),
        };
        let status = if accuracy.is_some() { Status::Done } else { Status::Diverged };
        let report = RunReport {
            run: String::new(),
            status,
            steps: 2,
            epochs: 2.0,
            seconds: 0.0,
            train_loss: None,
            train_accuracy: None,
            val_accuracy: None,
            test_loss: None,
            test_accuracy: accuracy.or(Some(0.1)),
            weight_angle: vec![None; 2],
            update_angle: vec![None; 2],
        };
        let mut rows = vec![row(0, "update_angle", None, update), row(2, "update_angle", None, update)];
        if spec.rule() != "bp" {
            rows.extend([row(0, "weight_angle", Some(1), 0.0), row(2, "weight_angle", Some(1), weight)]);
        }
        Run { spec, dir: PathBuf::new(), status: Some(status), report: Some(report), rows, damage: None }
    }

    #[test]
    fn an_outcome_has_cosines_and_no_accuracy_if_it_diverged() {
        let runs =
            [run(spec("fa", 5, 0, 1), Some(0.6), 0.5, 0.25), run(spec("fa", 5, 0, 2), None, 0.5, 0.25)];
        let all = outcomes(&runs);
        assert!(
            (all[0].weight_at(End::Last) - 0.5).abs() < 1e-12 && all[0].weight_at(End::First).abs() < 1e-12
        );
        assert!((all[0].update_at(End::Last) - 0.25).abs() < 1e-12);
        // 0.6 is half of the way from chance, 0.2, to 1.
        assert!((all[0].gain() - 0.5).abs() < 1e-12);
        assert!(all[1].accuracy.is_nan());
    }

    #[test]
    fn pairs_share_classes_draw_and_seed() {
        let runs = [
            run(spec("bp", 5, 0, 1), Some(0.9), 0.0, 1.0),
            run(spec("bp", 5, 1, 1), Some(0.8), 0.0, 1.0),
            run(spec("fa", 5, 1, 1), Some(0.5), 0.0, 1.0),
            run(spec("fa", 2, 1, 1), Some(0.4), 0.0, 1.0),
        ];
        let all = outcomes(&runs);
        let found = pairs(&all, "fa", "bp");
        assert_eq!(found.len(), 1);
        assert!((found[0].1.accuracy - found[0].0.accuracy - 0.3).abs() < 1e-12);
        assert_eq!(class_counts(&all), [2, 5]);
    }
}
