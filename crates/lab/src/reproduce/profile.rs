//! Profiles: which runs an experiment consists of when there is little time and when there is more. A part is a list of overrides on the experiment's file.

use super::sources::{SOURCES, Source, Supply};
use super::{ANALYSES, Known, Reads, analysis_of, file};
use crate::{RunSpec, Spec, SpecError};
use realign::registry::suggest;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Minutes: small networks, few seeds. Shows that everything works; proves little.
    Quick,
    /// The whole thing.
    Paper,
}

impl FromStr for Profile {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "quick" => Ok(Profile::Quick),
            "paper" => Ok(Profile::Paper),
            _ => Err(format!(
                "unknown profile \"{s}\"{}; allowed: quick, paper",
                suggest(s, &["quick", "paper"])
            )),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Quick => "quick",
            Profile::Paper => "paper",
        })
    }
}

/// Everything that is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How much.
    pub profile: Profile,
    /// The data sets used.
    pub supply: Supply,
    /// The experiments chosen, in the order of the paper.
    pub experiments: Vec<Experiment>,
}

/// An experiment: runs of its own file, of other experiments' files, or of both.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its word, and the name of its file without `.toml` if it has one.
    pub id: &'static str,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Runs of one file made with the same overrides.
#[derive(Clone, Debug)]
pub struct Part {
    /// Name of the file without `.toml`.
    pub file: String,
    /// Data set that it asks for, if it needs files.
    pub source: Option<&'static Source>,
    /// The overrides, as on the command line.
    pub overrides: Vec<String>,
    /// The runs.
    pub runs: Vec<RunSpec>,
}

impl Plan {
    /// Every run once, however many experiments use it.
    pub fn runs(&self) -> Vec<RunSpec> {
        let mut seen = HashSet::new();
        let all = self.experiments.iter().flat_map(|e| &e.parts).flat_map(|p| &p.runs);
        all.filter(|r| seen.insert(r.id().to_owned())).cloned().collect()
    }

    /// Those of them that have to be made: not known, or read for more than their ends.
    pub fn to_make(&self, known: &Known) -> Vec<RunSpec> {
        let ids = |e: &Experiment| {
            let all = analysis_of(e.id).2 == Reads::Curves;
            let runs = e.parts.iter().flat_map(|p| &p.runs).map(|r| r.id().to_owned());
            runs.filter(|id| all || !known.has(id)).collect::<Vec<_>>()
        };
        let needed: HashSet<String> = self.experiments.iter().flat_map(ids).collect();
        self.runs().into_iter().filter(|r| needed.contains(r.id())).collect()
    }

    /// The first experiment that uses a run, by the run's id.
    pub fn first_uses(&self) -> HashMap<String, &'static str> {
        let mut out = HashMap::new();
        for experiment in &self.experiments {
            for run in experiment.parts.iter().flat_map(|p| &p.runs) {
                out.entry(run.id().to_owned()).or_insert(experiment.id);
            }
        }
        out
    }

    /// The data sets asked for.
    pub fn sources(&self) -> Vec<&'static Source> {
        let asked =
            |s: &&Source| self.experiments.iter().flat_map(|e| &e.parts).any(|p| p.source == Some(*s));
        SOURCES.iter().filter(asked).collect()
    }

    /// Those of them that built-in ones stand in for.
    pub fn stand_ins(&self) -> Vec<&'static Source> {
        self.sources().into_iter().filter(|s| !self.supply.has(s)).collect()
    }
}

impl Experiment {
    /// The command for each part, to be given in a copy of the repository.
    pub fn commands(&self) -> Vec<String> {
        let quoted = |o: &String| {
            let plain = o.chars().all(|c| c.is_alphanumeric() || "=._-,".contains(c));
            if plain { format!(" {o}") } else { format!(" '{o}'") }
        };
        let command = |part: &Part| {
            let words: String = part.overrides.iter().map(quoted).collect();
            format!("realign run experiments/robertson2024/{}.toml{words}", part.file)
        };
        self.parts.iter().map(command).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    data: Option<String>,
    /// Overrides that make the stand-in fit.
    #[serde(default)]
    stand_in: Vec<String>,
    /// Experiments whose runs this one reads as well.
    #[serde(default)]
    runs_of: Vec<String>,
    #[serde(default)]
    quick: Vec<Vec<String>>,
    #[serde(default)]
    paper: Vec<Vec<String>>,
}

/// The runs of the experiments named in `only` (all if it is empty) with the data sets of `supply`.
///
/// # Errors
/// For an unknown experiment; says which there are.
pub fn plan(profile: Profile, only: &[String], supply: &Supply) -> Result<Plan, String> {
    let known: Vec<&str> = ANALYSES.iter().map(|a| a.0).collect();
    if let Some(name) = only.iter().find(|o| !known.contains(&o.as_str())) {
        let near = suggest(name, &known);
        return Err(format!("unknown experiment \"{name}\"{near}; there are {}", known.join(", ")));
    }
    let sizes: BTreeMap<String, Sizes> =
        toml::from_str(file("profiles.toml")).expect("the embedded profiles can be read");
    let chosen = known.into_iter().filter(|id| only.is_empty() || only.iter().any(|o| o == id));
    let experiment = |id: &'static str| {
        let own = parts(id, &sizes[id], profile, supply)?;
        let others = sizes[id].runs_of.iter().map(|other| parts(other, &sizes[other], profile, supply));
        let others: Vec<Vec<Part>> = others.collect::<Result<_, _>>()?;
        Ok(Experiment { id, parts: own.into_iter().chain(others.into_iter().flatten()).collect() })
    };
    let experiments = chosen.map(experiment).collect::<Result<_, SpecError>>().map_err(|e| e.to_string())?;
    Ok(Plan { profile, supply: supply.clone(), experiments })
}

/// The runs of one file.
fn parts(id: &str, sizes: &Sizes, profile: Profile, supply: &Supply) -> Result<Vec<Part>, SpecError> {
    let name = format!("{id}.toml");
    let path = PathBuf::from("experiments/robertson2024").join(&name);
    let lists = match profile {
        Profile::Quick => &sizes.quick,
        Profile::Paper => &sizes.paper,
    };
    let source = sizes.data.as_ref().map(|asked| {
        SOURCES.iter().find(|s| s.name == asked).unwrap_or_else(|| panic!("{id}: no stand-in for {asked}"))
    });
    let stand_in = match source {
        Some(s) if !supply.has(s) => {
            [vec![format!("data.name={}", supply.used(s))], sizes.stand_in.clone()].concat()
        }
        _ => Vec::new(),
    };
    let part = |own: &Vec<String>| {
        let overrides = [stand_in.clone(), own.clone()].concat();
        let runs = Spec::parse(file(&name), &path, &overrides)?.runs();
        Ok(Part { file: id.to_owned(), source, overrides, runs })
    };
    lists.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(profile: Profile, only: &[&str], supply: &Supply) -> HashSet<String> {
        let only: Vec<String> = only.iter().map(|s| (*s).to_owned()).collect();
        plan(profile, &only, supply).unwrap().runs().iter().map(|r| r.id().to_owned()).collect()
    }

    #[test]
    fn every_profile_can_be_planned_and_shares_runs() {
        let all_here = Supply::of(&["mnist", "cifar100", "tiny_imagenet"]);
        for profile in [Profile::Quick, Profile::Paper] {
            for supply in [&all_here, &Supply::of(&[])] {
                let all = plan(profile, &[], supply).unwrap();
                assert_eq!(all.experiments.len(), ANALYSES.len());
                let of = |names: &[&str]| ids(profile, names, supply);
                // The runs of fig3 are those of fig4 without backpropagation.
                assert_eq!(of(&["fig3"]).len() * 4, of(&["fig4"]).len() * 3, "{profile}");
                for (part, whole) in
                    [("fig3", "fig4"), ("fig5", "table2"), ("fig6", "table3"), ("fig2", "table1")]
                {
                    assert!(
                        of(&[part]).is_subset(&of(&[whole])),
                        "{profile}: {part} has runs that {whole} has not"
                    );
                }
                assert_eq!(of(&["fig7"]), of(&["table2", "table3"]));
                let apart = ["fig4", "dominance", "min-norm", "table1", "table2", "table3"];
                assert_eq!(
                    all.runs().len(),
                    apart.map(|e| of(&[e]).len()).iter().sum::<usize>(),
                    "{profile}"
                );
            }
        }
    }

    #[test]
    fn stand_ins_are_told_apart() {
        let of = |only: &str, here: &[&str]| {
            let plan = plan(Profile::Quick, &[only.to_owned()], &Supply::of(here)).unwrap();
            plan.stand_ins().iter().map(|s| s.name).collect::<Vec<_>>()
        };
        assert_eq!(of("fig7", &["mnist"]), ["cifar100", "tiny_imagenet"]);
        assert_eq!(of("fig7", &["cifar100"]), ["tiny_imagenet"]);
        assert_eq!(of("fig2", &[]), ["mnist"]);
        assert_eq!(of("min-norm", &[]), [""; 0]);
        let plan = plan(Profile::Quick, &["fig5".into()], &Supply::of(&[])).unwrap();
        assert!(plan.experiments[0].commands()[0].contains("fig5.toml data.name=glyphs"));
    }

    /// Runs of experiments that were made before the convolutional ones came are found again: their ids are hashes of the resolved specs.
    #[test]
    fn ids_of_the_first_experiments_stay() {
        let plan = plan(Profile::Paper, &[], &Supply::of(&["mnist"])).unwrap();
        let ids: Vec<String> = plan.runs().iter().map(|r| r.folder()).collect();
        for known in [
            "robertson2024-fig2-f1afc41b34",
            "robertson2024-fig2-7c76f35aa3",
            "robertson2024-dominance-d7d44c4b40",
            "robertson2024-min-norm-bf325870a7",
            "robertson2024-fig2-860a9b33d5",
            "robertson2024-noisy-95e9d97eab",
            "robertson2024-noisy-b801c5e01d",
        ] {
            assert!(ids.iter().any(|id| id == known), "{known} would be made again");
        }
    }

    #[test]
    fn unknown_words_are_answered_with_the_known_ones() {
        let error = plan(Profile::Quick, &["fig8".into()], &Supply::of(&[])).unwrap_err();
        assert!(error.contains("fig8") && error.contains("min-norm"), "{error}");
        assert!("fast".parse::<Profile>().unwrap_err().contains("quick, paper"));
    }
}
