//! Claims with machine-readable checks: `experiments/robertson2024/claims.toml`.
//!
//! SUPPORTED if the whole interval meets the threshold, NOT SUPPORTED if none of it does, INCONCLUSIVE otherwise, NOT RUN without a measurement. An
//! extreme value is its own interval; a mean without an interval (a single run) decides nothing.

use super::file;
use crate::report::{Judged, Verdict};
use crate::stats::Estimate;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A claim about one quantity.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Word for it, unique.
    pub id: String,
    /// Makes one claim per rule out of this one.
    #[serde(default)]
    rules: Vec<String>,
    /// Experiment that measures it.
    pub experiment: String,
    /// `FOUND` in the paper, or our `GUESS`.
    pub source: String,
    /// Where it comes from, in words.
    pub by: String,
    /// The claim in words.
    pub statement: String,
    /// Name of the measured quantity.
    pub quantity: String,
    at_most: Option<f64>,
    at_least: Option<f64>,
    below: Option<f64>,
    between: Option<[f64; 2]>,
    /// Whether the quantity is a worst case and needs no interval.
    #[serde(default)]
    extreme: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    claim: Vec<Claim>,
}

/// All claims, one per rule where a claim is about several.
pub fn claims() -> Vec<Claim> {
    let all: Claims = toml::from_str(file("claims.toml")).expect("the embedded claims can be read");
    all.claim.iter().flat_map(Claim::expand).collect()
}

impl Claim {
    fn expand(&self) -> Vec<Claim> {
        if self.rules.is_empty() {
            return vec![self.clone()];
        }
        let of = |rule: &String| {
            let fill = |text: &str| text.replace("{rule}", rule);
            // The reconstruction says so wherever it is shown.
            let words = super::analysis::words(rule);
            Claim {
                id: fill(&self.id),
                statement: self.statement.replace("{rule}", &words),
                quantity: fill(&self.quantity),
                rules: Vec::new(),
                ..self.clone()
            }
        };
        self.rules.iter().map(of).collect()
    }

    /// Whether a number meets the threshold.
    fn holds(&self, v: f64) -> bool {
        self.at_most.is_none_or(|t| v <= t)
            && self.at_least.is_none_or(|t| v >= t)
            && self.below.is_none_or(|t| v < t)
            && self.between.is_none_or(|[a, b]| v >= a && v <= b)
    }

    /// Whether no number from `low` to `high` meets the threshold.
    fn misses(&self, low: f64, high: f64) -> bool {
        match self.between {
            Some([a, b]) => high < a || low > b,
            None => !self.holds(low) && !self.holds(high),
        }
    }

    /// The threshold in words.
    pub fn expected(&self) -> String {
        let number = |t: f64| {
            if t != 0.0 && t.abs() < 1e-3 { format!("{t:e}") } else { t.to_string() }.replace('-', "−")
        };
        let mut parts = Vec::new();
        self.at_most.iter().for_each(|t| parts.push(format!("≤ {}", number(*t))));
        self.at_least.iter().for_each(|t| parts.push(format!("≥ {}", number(*t))));
        self.below.iter().for_each(|t| parts.push(format!("< {}", number(*t))));
        self.between.iter().for_each(|[a, b]| parts.push(format!("{} to {}", number(*a), number(*b))));
        parts.join(", ")
    }

    /// The verdict on what was measured, keyed by `experiment/quantity`.
    pub fn judge(&self, measured: &BTreeMap<String, Estimate>) -> Judged {
        let found = measured.get(&format!("{}/{}", self.experiment, self.quantity));
        let found = found.filter(|e| e.mean.is_some());
        let ends = |e: &Estimate| if self.extreme { e.mean.map(|m| (m, m)) } else { e.interval };
        let verdict = match found.map(ends) {
            None => Verdict::NotRun,
            Some(Some((low, high))) if self.holds(low) && self.holds(high) => Verdict::Supported,
            Some(Some((low, high))) if self.misses(low, high) => Verdict::NotSupported,
            Some(_) => Verdict::Inconclusive,
        };
        Judged {
            id: self.id.clone(),
            experiment: self.experiment.clone(),
            source: self.source.clone(),
            by: self.by.clone(),
            statement: self.statement.clone(),
            quantity: self.quantity.clone(),
            expected: self.expected(),
            measured: found.copied(),
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str) -> Claim {
        let head = "id='x'\nexperiment='e'\nsource='GUESS'\nby=''\nstatement=''\nquantity='q'\n";
        toml::from_str(&format!("{head}{text}")).unwrap()
    }

    fn verdict(text: &str, mean: f64, interval: Option<(f64, f64)>) -> Verdict {
        let e = Estimate { mean: Some(mean), sd: None, interval, n: 3, missing: 0 };
        claim(text).judge(&BTreeMap::from([("e/q".to_owned(), e)])).verdict
    }

    #[test]
    fn the_whole_interval_decides() {
        use Verdict::*;
        assert_eq!(verdict("at_most=1.0", 0.5, Some((0.4, 0.6))), Supported);
        assert_eq!(verdict("at_most=1.0", 0.9, Some((0.4, 1.4))), Inconclusive);
        assert_eq!(verdict("at_most=1.0", 2.0, Some((1.5, 2.5))), NotSupported);
        assert_eq!(verdict("at_most=1.0", 0.5, None), Inconclusive);
        assert_eq!(verdict("at_most=1.0\nextreme=true", 0.5, None), Supported);
        assert_eq!(verdict("below=0.0\nextreme=true", 0.0, None), NotSupported);
        assert_eq!(verdict("between=[0.9, 1.1]", 1.0, Some((0.95, 1.05))), Supported);
        // An interval that covers the range on both sides neither supports nor contradicts.
        assert_eq!(verdict("between=[0.9, 1.1]", 1.0, Some((0.5, 1.5))), Inconclusive);
        assert_eq!(verdict("between=[0.9, 1.1]", 1.4, Some((1.2, 1.6))), NotSupported);
        assert_eq!(claim("at_most=1e-10").expected(), "≤ 1e−10");
        assert_eq!(claim("at_least=0.0").judge(&BTreeMap::new()).verdict, NotRun);
    }

    #[test]
    fn the_embedded_claims_are_unique_and_checkable() {
        let all = claims();
        for (i, c) in all.iter().enumerate() {
            assert!(!c.expected().is_empty(), "{}: no threshold", c.id);
            assert!(["FOUND", "GUESS"].contains(&c.source.as_str()), "{}", c.id);
            assert!(super::super::ANALYSES.iter().any(|a| a.0 == c.experiment), "{}", c.id);
            assert!(all[..i].iter().all(|d| d.id != c.id), "{} twice", c.id);
            assert!(!c.statement.contains("adafa") || c.statement.contains("our reconstruction"), "{}", c.id);
        }
    }
}
