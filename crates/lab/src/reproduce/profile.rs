//! Profiles: which runs an experiment consists of when there is little time and when there is more. A part is a list of overrides on the experiment's file.

use super::{ANALYSES, file};
use crate::store::files;
use crate::{RunSpec, Spec, SpecError, StoreError};
use realign::registry::suggest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
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
    /// Data set in place of MNIST where an experiment asks for it: `mnist` or a stand-in.
    pub data: &'static str,
    /// The experiments chosen, in the order of the paper.
    pub experiments: Vec<Experiment>,
}

/// One experiment file.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of the file without `.toml`.
    pub id: &'static str,
    /// Whether it uses MNIST or its stand-in.
    pub mnist: bool,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Runs made with the same overrides.
#[derive(Clone, Debug)]
pub struct Part {
    /// The overrides, as on the command line, without the data set.
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

    /// Whether drawn digits stand in for MNIST somewhere.
    pub fn stands_in(&self) -> bool {
        self.data != "mnist" && self.experiments.iter().any(|e| e.mnist)
    }
}

impl Experiment {
    /// The command for each part, to be given in a copy of the repository.
    pub fn commands(&self, data: &str) -> Vec<String> {
        let data = if self.mnist && data != "mnist" { format!(" data.name={data}") } else { String::new() };
        let quoted = |o: &String| {
            let plain = o.chars().all(|c| c.is_alphanumeric() || "=._-,".contains(c));
            if plain { format!(" {o}") } else { format!(" '{o}'") }
        };
        let command = |part: &Part| {
            let words: String = part.overrides.iter().map(quoted).collect();
            format!("realign run experiments/robertson2024/{}.toml{data}{words}", self.id)
        };
        self.parts.iter().map(command).collect()
    }
}

/// What a folder says about the reproduction in it.
const MANIFEST: &str = "reproduce.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    profile: String,
    data: String,
    only: Vec<String>,
}

/// Notes the plan in `dir`, so that [`stored`] can make it again.
///
/// # Errors
/// If the folder cannot be written.
pub fn store(plan: &Plan, dir: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    let only = plan.experiments.iter().map(|e| e.id.to_owned()).collect();
    let manifest = Manifest { profile: plan.profile.to_string(), data: plan.data.to_owned(), only };
    let text = serde_json::to_vec_pretty(&manifest).expect("plain data");
    files::write(&dir.join(MANIFEST), &text)
}

/// The plan of the reproduction in `dir`, if there is one.
///
/// # Errors
/// If there is one that cannot be read.
pub fn stored(dir: &Path) -> Result<Option<Plan>, StoreError> {
    let path = dir.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(StoreError::io("read", &path))?,
    };
    let damaged = |message: String| StoreError::Damaged { path: path.clone(), message };
    let manifest: Manifest = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
    let data = ["mnist", "digits"].into_iter().find(|d| *d == manifest.data);
    let data = data.ok_or_else(|| damaged(format!("unknown data set \"{}\"", manifest.data)))?;
    let profile = manifest.profile.parse().map_err(damaged)?;
    plan(profile, &manifest.only, data).map(Some).map_err(damaged)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    mnist: bool,
    quick: Vec<Vec<String>>,
    paper: Vec<Vec<String>>,
}

/// The runs of the experiments named in `only` (all if it is empty) with `data` in place of MNIST.
///
/// # Errors
/// For an unknown experiment; says which there are.
pub fn plan(profile: Profile, only: &[String], data: &'static str) -> Result<Plan, String> {
    let known: Vec<&str> = ANALYSES.iter().map(|a| a.0).collect();
    if let Some(name) = only.iter().find(|o| !known.contains(&o.as_str())) {
        let near = suggest(name, &known);
        return Err(format!("unknown experiment \"{name}\"{near}; there are {}", known.join(", ")));
    }
    let sizes: BTreeMap<String, Sizes> =
        toml::from_str(file("profiles.toml")).expect("the embedded profiles can be read");
    let chosen = known.into_iter().filter(|id| only.is_empty() || only.iter().any(|o| o == id));
    let experiments = chosen
        .map(|id| experiment(id, &sizes[id], profile, data))
        .collect::<Result<Vec<_>, SpecError>>()
        .map_err(|e| e.to_string())?;
    Ok(Plan { profile, data, experiments })
}

fn experiment(
    id: &'static str,
    sizes: &Sizes,
    profile: Profile,
    data: &str,
) -> Result<Experiment, SpecError> {
    let name = format!("{id}.toml");
    let path = PathBuf::from("experiments/robertson2024").join(&name);
    let lists = match profile {
        Profile::Quick => &sizes.quick,
        Profile::Paper => &sizes.paper,
    };
    let part = |overrides: &Vec<String>| {
        let mut all = overrides.clone();
        if sizes.mnist && data != "mnist" {
            all.insert(0, format!("data.name={data}"));
        }
        Ok(Part { overrides: overrides.clone(), runs: Spec::parse(file(&name), &path, &all)?.runs() })
    };
    Ok(Experiment { id, mnist: sizes.mnist, parts: lists.iter().map(part).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_planned_and_shares_runs() {
        for profile in [Profile::Quick, Profile::Paper] {
            for data in ["mnist", "digits"] {
                let all = plan(profile, &[], data).unwrap();
                assert_eq!(all.experiments.len(), ANALYSES.len());
                let of = |id: &str| plan(profile, &[id.to_owned()], data).unwrap().runs().len();
                // The runs of fig3 are those of fig4 without backpropagation.
                assert_eq!(of("fig3") * 4, of("fig4") * 3, "{profile}");
                let apart: usize = ["fig2", "fig4", "dominance", "min-norm"].map(of).iter().sum();
                assert_eq!(all.runs().len(), apart, "{profile}");
                assert_eq!(all.stands_in(), data == "digits");
            }
        }
    }

    #[test]
    fn unknown_words_are_answered_with_the_known_ones() {
        let error = plan(Profile::Quick, &["fig5".into()], "mnist").unwrap_err();
        assert!(error.contains("fig5") && error.contains("min-norm"), "{error}");
        assert!("fast".parse::<Profile>().unwrap_err().contains("quick, paper"));
    }
}
