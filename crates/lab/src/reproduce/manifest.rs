//! `reproduce.json`: what a folder says about the reproduction in it.

use super::{Plan, SOURCES, Supply, plan};
use crate::StoreError;
use crate::store::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const MANIFEST: &str = "reproduce.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    profile: String,
    /// Data set asked for: data set used. Of the last command.
    data: BTreeMap<String, String>,
    only: Vec<String>,
    /// The same of all commands that ever wrote here, and only of data sets that their experiments asked for.
    #[serde(default)]
    made_from: BTreeMap<String, String>,
}

impl Manifest {
    fn read(dir: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = dir.join(MANIFEST);
        match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => {
                let text = other.map_err(StoreError::io("read", &path))?;
                serde_json::from_str(&text).map(Some).map_err(|e| damaged(dir, e.to_string()))
            }
        }
    }

    fn plan(&self) -> Result<Plan, String> {
        plan(self.profile.parse()?, &self.only, &Supply::parse(&self.data)?)
    }

    /// What the runs in the folder were made from.
    fn used(&self) -> Result<BTreeMap<String, String>, String> {
        // A folder of a version that did not note it tells of its last command.
        let mut all = used(&self.plan()?);
        all.extend(self.made_from.clone());
        Ok(all)
    }
}

fn damaged(dir: &Path, message: String) -> StoreError {
    StoreError::Damaged { path: dir.join(MANIFEST), message }
}

/// Data set asked for and data set used by the experiments of a plan.
fn used(plan: &Plan) -> BTreeMap<String, String> {
    plan.sources().into_iter().map(|s| (s.name.to_owned(), plan.supply.used(s).to_owned())).collect()
}

/// Why the plan must not be made in `dir`: results there come from other data than it would use. `None` if it may.
///
/// # Errors
/// If the folder's own word on it cannot be read.
pub fn clash(plan: &Plan, dir: &Path) -> Result<Option<String>, StoreError> {
    let Some(manifest) = Manifest::read(dir)? else { return Ok(None) };
    let (there, now) = (manifest.used().map_err(|m| damaged(dir, m))?, used(plan));
    let differs =
        |s: &&super::Source| now.get(s.name).is_some_and(|n| there.get(s.name).is_some_and(|t| t != n));
    Ok(SOURCES.iter().find(differs).map(|s| {
        let what = |used: &BTreeMap<String, String>| {
            if used[s.name] == s.name { s.words.to_owned() } else { format!("{} in place of {}", s.stand_in_words, s.words) }
        };
        format!(
            "{}: the results there are made from {}, this command would use {}; they must not mix: give another folder with --out",
            dir.display(),
            what(&there),
            what(&now)
        )
    }))
}

/// Notes the plan in `dir`, so that [`stored`] can make it again.
///
/// # Errors
/// If the folder cannot be written, or what it says already cannot be read.
pub fn store(plan: &Plan, dir: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    let mut made_from = match Manifest::read(dir)? {
        Some(earlier) => earlier.used().map_err(|m| damaged(dir, m))?,
        None => BTreeMap::new(),
    };
    made_from.extend(used(plan));
    let only = plan.experiments.iter().map(|e| e.id.to_owned()).collect();
    let manifest = Manifest { profile: plan.profile.to_string(), data: plan.supply.words(), only, made_from };
    let text = serde_json::to_vec_pretty(&manifest).expect("plain data");
    files::write(&dir.join(MANIFEST), &text)
}

/// The plan of the reproduction in `dir`, if there is one.
///
/// # Errors
/// If there is one that cannot be read.
pub fn stored(dir: &Path) -> Result<Option<Plan>, StoreError> {
    let manifest = Manifest::read(dir)?;
    manifest.map(|m| m.plan().map_err(|m| damaged(dir, m))).transpose()
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    fn of(only: &str, here: &[&str]) -> Plan {
        plan(Profile::Quick, &[only.to_owned()], &Supply::of(here)).unwrap()
    }

    /// Digits and MNIST never share a folder, whatever was made there in between; what uses neither goes with both.
    #[test]
    fn a_folder_keeps_to_its_data() {
        let dir = tempfile::tempdir().unwrap();
        let clash = |plan: &Plan| clash(plan, dir.path()).unwrap();
        assert_eq!(clash(&of("fig2", &["mnist"])), None, "nothing is there");
        store(&of("fig2", &[]), dir.path()).unwrap();
        let text = clash(&of("fig4", &["mnist"])).unwrap();
        assert!(text.contains("built-in drawn digits in place of MNIST") && text.contains("--out"), "{text}");
        assert_eq!(clash(&of("fig4", &[])), None);
        assert_eq!(clash(&of("table2", &["mnist", "cifar100"])), None, "no run of it is on digits");
        store(&of("min-norm", &["mnist"]), dir.path()).unwrap();
        assert!(clash(&of("fig2", &["mnist"])).is_some(), "the runs of fig2 are still there");
        let back = stored(dir.path()).unwrap().unwrap();
        assert_eq!((back.experiments[0].id, back.supply), ("min-norm", Supply::of(&["mnist"])));
    }

    /// A folder of a version that noted the last command only.
    #[test]
    fn an_older_folder_tells_of_its_last_command() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"profile":"quick","data":{"mnist":"digits","cifar100":"glyphs","tiny_imagenet":"glyphs"},"only":["fig3"]}"#;
        std::fs::write(dir.path().join(MANIFEST), text).unwrap();
        assert!(clash(&of("fig2", &["mnist"]), dir.path()).unwrap().is_some());
        assert_eq!(clash(&of("table2", &["cifar100"]), dir.path()).unwrap(), None, "fig3 used no glyphs");
    }
}
