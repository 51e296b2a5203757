/*!
The settings of runs as flat keys, and in which of them runs differ.

Two runs are repetitions of each other if they differ in nothing but the seed. Everything else that differs - the rule, a width, the data, a rate - is
a setting: it is named in every label, and what differs in it is never averaged. Not settings, because they change no bit of a run's result: what is
looked at (`probes`) and how often the run is saved (`train.checkpoint`); nor the run's `name`, under which a report has its own section.
*/

use crate::RunSpec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use toml::{Table, Value};

/// Values of a spec by dotted key; lists are one value.
pub type Settings = BTreeMap<String, Value>;

/// Keys that are told elsewhere or change no result.
const APART: [&str; 3] = ["name", "seed", "train.checkpoint"];

/// Every value of a spec but its probes.
pub fn flatten(table: &Table) -> Settings {
    let mut out = Settings::new();
    walk(table, "", &mut out);
    out
}

fn walk(table: &Table, above: &str, out: &mut Settings) {
    for (key, value) in table {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Table(table) => walk(table, &path, out),
            _ if path == "probes" => {}
            other => drop(out.insert(path, other.clone())),
        }
    }
}

/// The settings that make a run's result, its seed apart: equal for repetitions and for no others.
pub fn of(run: &RunSpec) -> Settings {
    let mut out = flatten(run.table());
    out.retain(|key, _| !APART.contains(&key.as_str()));
    out
}

/// A value as in a label: as one would write it on the command line, numbers far from 1 with an exponent.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Float(x) if *x != 0.0 && !(1e-4..1e6).contains(&x.abs()) => format!("{x:e}"),
        Value::Float(x) => x.to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// For each run the settings beside rule and seed in which the runs differ, as `key=value key=value`; empty if they differ in none.
///
/// Options of a rule are named where runs of this rule differ in them, other options where runs that have them do: `optimizer.beta1` says nothing where
/// `optimizer.name` says it. Runs with different settings and one rule never have the same label.
pub fn labels(runs: &[&RunSpec]) -> Vec<String> {
    let all: Vec<(&str, Settings)> = runs.iter().map(|r| (r.rule(), of(r))).collect();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    let mut first: HashMap<(&str, &str), &Value> = HashMap::new();
    for (rule, settings) in &all {
        for (key, value) in settings.iter().filter(|(key, _)| *key != "rule.name") {
            let among = if key.starts_with("rule.") { *rule } else { "" };
            if *first.entry((among, key)).or_insert(value) != value {
                shown.insert(key);
            }
        }
    }
    // What only some runs have, where nothing else tells these from the others.
    let mut told: HashMap<(&str, String), &Settings> = HashMap::new();
    let mut more: BTreeSet<&str> = BTreeSet::new();
    for (rule, settings) in &all {
        let other = *told.entry((rule, words(settings, &shown))).or_insert(settings);
        let keys = settings.keys().chain(other.keys()).filter(|k| settings.get(*k) != other.get(*k));
        more.extend(keys.map(String::as_str));
    }
    shown.extend(more);
    all.iter().map(|(_, settings)| words(settings, &shown)).collect()
}

fn words(settings: &Settings, keys: &BTreeSet<&str>) -> String {
    let word = |key: &&str| settings.get(*key).map(|value| format!("{key}={}", shown(value)));
    keys.iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use std::path::Path;

    const TEXT: &str = "name = 't'\n[data]\nname = 'digits'\n[network]\nwidths = [784, 8, 10]\n[rule]\nname = 'fa'\n[optimizer]\nlr = 0.1\n[train]\nsteps = 2\n";

    fn runs(overrides: &[&str]) -> Vec<RunSpec> {
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        Spec::parse(TEXT, Path::new("t.toml"), &overrides).unwrap().runs()
    }

    fn labelled(runs: &[RunSpec]) -> Vec<String> {
        labels(&runs.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_label_names_what_differs_beside_rule_and_seed() {
        assert_eq!(labelled(&runs(&["rule=bp,fa", "seed=0,1"])), [""; 4]);
        assert_eq!(
            labelled(&runs(&["data.label_noise=0,0.9", "optimizer.lr=1e-5,1e7"])),
            [
                "data.label_noise=0 optimizer.lr=1e-5",
                "data.label_noise=0 optimizer.lr=1e7",
                "data.label_noise=0.9 optimizer.lr=1e-5",
                "data.label_noise=0.9 optimizer.lr=1e7"
            ]
        );
        assert_eq!(
            labelled(&runs(&["network.widths=[784,8,10],[784,9,10]"])),
            ["network.widths=[784,8,10]", "network.widths=[784,9,10]"]
        );
    }

    /// A rate by `[per_rule]` is a setting like any other; the options that only one optimizer has say nothing beside its name.
    #[test]
    fn rates_of_a_rule_are_named_and_options_of_one_optimizer_are_not() {
        assert_eq!(
            labelled(&runs(&["rule=bp,fa", "+per_rule.bp.optimizer.lr=0.5"])),
            ["optimizer.lr=0.5", "optimizer.lr=0.1"]
        );
        let mut all = runs(&["optimizer.name=sgd"]);
        all.extend(runs(&["optimizer.name=adam"]));
        assert_eq!(labelled(&all), ["optimizer.name=sgd", "optimizer.name=adam"]);
        let mut all = runs(&["rule=fa"]);
        all.extend(runs(&["rule=adafa"]));
        assert_eq!(labelled(&all), ["", ""], "an option that only adafa has");
    }

    #[test]
    fn what_changes_no_result_is_no_setting() {
        let (a, b) = (&runs(&[])[0], &runs(&["+probes=[]", "+train.checkpoint='2 steps'"])[0]);
        assert!(a.id() != b.id() && of(a) == of(b));
        assert!(of(a) != of(&runs(&["train.batch=10"])[0]));
    }
}
