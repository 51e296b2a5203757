/*!
Which runs are repetitions of each other: those that share every setting and differ in the seed alone.

Averages are taken over seeds and nothing else; no other setting is declared a repetition anywhere in a spec (draws of classes are settings: `data.seed`).
Two runs with the same settings and the same seed are one result seen twice: the first counts, and the pair is told.

Differences to `bp` are taken seed by seed between groups that share everything but the rule. A rule's own options (`rule.*`) belong to the rule. So does
the optimizer (`optimizer.*`), as each rule is compared at its own rate, tuned or by `[per_rule]`: but only where both rules have one setting of it there.
Where a rule was run with several, only equal ones are paired.
*/

use crate::reproduce::{Run, words};
use crate::settings::{self, Settings};
use crate::store::RunReport;
use std::cmp::Ordering;
use toml::Value;

/// Runs of one rule with the same settings.
pub(super) struct Group<'a> {
    /// The rule and the settings in which runs of the folder differ.
    pub(super) label: String,
    /// Registry word of the rule.
    pub(super) rule: &'a str,
    /// All settings, the rule's word and options included.
    settings: Settings,
    /// Those that have ended, one per seed, ascending.
    pub(super) runs: Vec<&'a Run>,
    /// Runs of which a file is damaged: in no mean.
    pub(super) damaged: usize,
}

/// The groups of an experiment, and what was found twice.
pub(super) struct Grouped<'a> {
    pub(super) groups: Vec<Group<'a>>,
    /// A sentence for each run that was left out because another one has its settings and seed.
    pub(super) repeated: Vec<String>,
}

impl<'a> Grouped<'a> {
    pub(super) fn of(runs: &'a [Run]) -> Grouped<'a> {
        let labels = settings::labels(&runs.iter().map(|r| &r.spec).collect::<Vec<_>>());
        let (mut groups, mut repeated): (Vec<Group<'a>>, _) = (Vec::new(), Vec::new());
        for (run, label) in runs.iter().zip(labels).filter(|(r, _)| r.report.is_some() || r.damage.is_some())
        {
            let settings = settings::of(&run.spec);
            let i = groups.iter().position(|g| g.settings == settings).unwrap_or_else(|| {
                let (rule, label) = (run.spec.rule(), format!("{} {label}", words(run.spec.rule())));
                let label = label.trim_end().to_owned();
                groups.push(Group { label, rule, settings, runs: Vec::new(), damaged: 0 });
                groups.len() - 1
            });
            let group = &mut groups[i];
            match group.runs.iter().find(|r| r.spec.seed() == run.spec.seed()) {
                _ if run.damage.is_some() => group.damaged += 1,
                Some(first) => repeated.push(twice(&group.label, first, run)),
                None => group.runs.push(run),
            }
        }
        groups.iter_mut().for_each(|g| g.runs.sort_by_key(|r| r.spec.seed()));
        groups.sort_by(|a, b| a.rule.cmp(b.rule).then_with(|| order(&a.settings, &b.settings)));
        Grouped { groups, repeated }
    }
}

/// What is said of two runs with the same settings and seed.
fn twice(label: &str, first: &Run, second: &Run) -> String {
    let timeless = |r: &Run| r.report.clone().map(|r| RunReport { run: String::new(), seconds: 0.0, ..r });
    let folder = |r: &Run| r.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let same = if timeless(first) == timeless(second) { "equal results" } else { "DIFFERENT results" };
    format!(
        "DUPLICATE. {} and {} have the same settings and seed ({label} seed={}), with {same}: only the first counts.",
        folder(first),
        folder(second),
        first.spec.seed()
    )
}

/// By the first setting that differs, numbers by size.
fn order(a: &Settings, b: &Settings) -> Ordering {
    let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64));
    let values = |(x, y): (&Value, &Value)| match (number(x), number(y)) {
        (Some(x), Some(y)) => x.total_cmp(&y),
        _ => x.to_string().cmp(&y.to_string()),
    };
    let differs = |(x, y): &((&String, &Value), (&String, &Value))| x != y;
    match a.iter().zip(b).find(differs) {
        Some(((k, x), (l, y))) => k.cmp(l).then_with(|| values((x, y))),
        None => a.len().cmp(&b.len()),
    }
}

impl Group<'_> {
    /// The word for its look in a figure: the rule's own where nothing but the rule is named.
    pub(super) fn style(&self) -> String {
        if self.label == words(self.rule) { self.rule.to_owned() } else { self.label.replace(' ', "-") }
    }

    /// What is said of it if train losses ended above their starts.
    pub(super) fn rises(&self) -> Option<String> {
        let rises = self.rising();
        let first = self.runs.iter().find_map(|r| r.report.as_ref()?.rise())?;
        Some(format!("{}, {rises} of {} runs: {first}.", self.label, self.runs.len()))
    }

    /// Runs whose train loss ended above its start.
    pub(super) fn rising(&self) -> usize {
        self.runs.iter().filter(|r| r.report.as_ref().is_some_and(|r| r.rise().is_some())).count()
    }

    /// Settings of the kind that `wanted` picks by key.
    fn part<'s>(
        &'s self,
        wanted: impl Fn(&str) -> bool + 's,
    ) -> impl Iterator<Item = (&'s String, &'s Value)> {
        self.settings.iter().filter(move |(k, _)| wanted(k))
    }

    fn shares(&self, other: &Group<'_>, wanted: fn(&str) -> bool) -> bool {
        self.part(wanted).eq(other.part(wanted))
    }

    /// The group of `bp` with which this one is compared, seed by seed.
    pub(super) fn partner<'g, 'a>(&self, groups: &'g [Group<'a>]) -> Option<&'g Group<'a>> {
        let rules = |k: &str| k.starts_with("rule.");
        let optimizer = |k: &str| k.starts_with("optimizer.");
        let rest: fn(&str) -> bool = |k| !k.starts_with("rule.") && !k.starts_with("optimizer.");
        if self.rule == "bp" {
            return None;
        }
        let beside: Vec<&Group<'a>> =
            groups.iter().filter(|g| g.rule == "bp" && self.shares(g, rest)).collect();
        if let Some(equal) = beside.iter().find(|g| self.shares(g, optimizer)) {
            return Some(*equal);
        }
        let own = groups.iter().filter(|g| self.shares(g, rest) && self.shares(g, rules)).count();
        (beside.len() == 1 && own == 1).then(|| beside[0])
    }
}
