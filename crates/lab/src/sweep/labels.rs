//! What runs are called while they are made: rule, and every setting in which runs of the same rule differ.
//!
//! The label of a run's own grid ([`RunSpec::label`]) does not tell apart runs of several specs, as a reproduction has them.

use crate::RunSpec;
use crate::settings::{Settings, flatten, shown};
use std::collections::{BTreeMap, BTreeSet};

/// A label for each run, in their order. What differs with the rule alone (its own rate) is no part of it.
pub fn labels(runs: &[RunSpec]) -> Vec<String> {
    let all: Vec<Settings> = runs.iter().map(|run| flatten(run.table())).collect();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differing: BTreeSet<&String> = BTreeSet::new();
    for (i, run) in runs.iter().enumerate() {
        let other = &all[*first.entry(run.rule()).or_insert(i)];
        let keys = all[i].keys().chain(other.keys());
        differing.extend(keys.filter(|k| *k != "name" && all[i].get(*k) != other.get(*k)));
    }
    let label = |(run, settings): (&RunSpec, &Settings)| {
        let words = differing.iter().filter_map(|k| Some(format!(" {k}={}", shown(settings.get(*k)?))));
        format!("{}{}", run.rule(), words.collect::<String>())
    };
    runs.iter().zip(&all).map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use std::path::Path;

    fn runs(overrides: &[&str]) -> Vec<RunSpec> {
        let text = "name='t'\nseed=0\n[data]\nname='gaussians'\n[network]\nwidths=[2,3,2]\n[rule]\nname='fa'\n[optimizer]\nlr=0.1\n[per_rule.bp]\noptimizer.lr=0.5\n\
                    [train]\nsteps=2\n[grid]\n'rule.name'=['bp','fa']\nseed=[0,1]\n";
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        Spec::parse(text, Path::new("t.toml"), &overrides).unwrap().runs()
    }

    /// Two specs that differ in the steps: the grids' own labels repeat, these do not, and bp's own rate is no difference.
    #[test]
    fn runs_of_several_specs_are_told_apart() {
        let all = [runs(&[]), runs(&["train.steps=4", "network.widths=[2,5,2]"])].concat();
        let found = labels(&all);
        assert_eq!(found[0], "bp network.widths=[2,3,2] seed=0 train.steps=2");
        assert_eq!(found[7], "fa network.widths=[2,5,2] seed=1 train.steps=4");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 8);
        assert_eq!(all.iter().map(RunSpec::label).collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(labels(&all[..1]), ["bp"]);
    }
}
