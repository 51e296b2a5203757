/*!
The folder of a sweep.

| file | content |
|---|---|
| `sweep.json` | the manifest: every run that was ever asked for here, whether it has started or not |
| `<name>-<id>/` | the run directories |
| `.sweep/claims/` | who is at work on what |
| `.sweep/failures/` | the last error of each failed run |
| `results.csv`, `results.parquet` | a row per run |
| `tune.json`, `tune/` | tuned values, and the sweep of the tuning runs |
*/

use super::{SweepError, claim};
use crate::{LabError, RunSpec, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use toml::Value;

/// One run as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Hash of its resolved spec.
    pub id: String,
    /// Its directory in the folder.
    pub folder: String,
    /// Its values of the grid's axes, in words.
    pub label: String,
    /// Registry word of the rule.
    pub rule: String,
    /// Its seed.
    pub seed: u64,
    /// Its values of the grid's axes.
    pub axes: BTreeMap<String, Value>,
}

impl Listed {
    fn of(run: &RunSpec) -> Listed {
        Listed {
            id: run.id().into(),
            folder: run.folder(),
            label: run.label().into(),
            rule: run.rule().into(),
            seed: run.seed(),
            axes: run.axes().iter().cloned().collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    runs: Vec<Listed>,
}

/// The last error of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) usage: bool,
    token: String,
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn claims(&self) -> PathBuf {
        self.0.join(".sweep/claims")
    }

    fn failures(&self) -> PathBuf {
        self.0.join(".sweep/failures")
    }

    fn failure_path(&self, id: &str) -> PathBuf {
        self.failures().join(format!("{id}.json"))
    }

    /// The manifest; in the order in which runs were first asked for.
    pub(crate) fn runs(&self) -> Result<Vec<Listed>, LabError> {
        let path = self.0.join("sweep.json");
        let text = match fs::read(&path) {
            Err(e) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&e.kind()) => {
                return Err(SweepError::NotASweep(self.0.clone()).into());
            }
            other => other.map_err(StoreError::io("read", &path))?,
        };
        let manifest: Result<Manifest, _> = serde_json::from_slice(&text);
        manifest.map(|m| m.runs).map_err(|e| SweepError::Damaged { path, message: e.to_string() }.into())
    }

    /// Adds runs to the manifest; writes nothing if they are there.
    pub(crate) fn list(&self, runs: &[RunSpec]) -> Result<(), LabError> {
        // Another process may write its own runs at the same moment: look again after writing.
        for _ in 0..20 {
            let mut all = match self.runs() {
                Err(LabError::Sweep(SweepError::NotASweep(_))) => Vec::new(),
                other => other?,
            };
            let mut places: HashMap<String, usize> =
                all.iter().enumerate().map(|(i, l)| (l.id.clone(), i)).collect();
            let mut changed = false;
            for listed in runs.iter().map(Listed::of) {
                match places.get(&listed.id) {
                    Some(_) => {}
                    None => {
                        places.insert(listed.id.clone(), all.len());
                        all.push(listed);
                        changed = true;
                    }
                }
            }
            if !changed {
                return Ok(());
            }
            let path = self.0.join("sweep.json");
            fs::create_dir_all(&self.0).map_err(StoreError::io("make", &self.0))?;
            write_json(&path, &Manifest { version: 1, runs: all })?;
        }
        Ok(())
    }

    pub(crate) fn failure(&self, id: &str) -> Option<Failure> {
        serde_json::from_slice(&fs::read(self.failure_path(id)).ok()?).ok()
    }

    pub(crate) fn set_failure(&self, id: &str, error: &LabError) -> Result<(), StoreError> {
        let failure = Failure { error: error.to_string(), usage: error.is_usage(), token: claim::token() };
        let dir = self.failures();
        fs::create_dir_all(&dir).map_err(StoreError::io("make", &dir))?;
        write_json(&self.failure_path(id), &failure)
    }

    /// Forgets a failure; false if there was none.
    pub(crate) fn clear_failure(&self, id: &str) -> Result<bool, StoreError> {
        let path = self.failure_path(id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::io("remove", &path)(e)),
        }
    }
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| StoreError::io("write", path)(e.into()))?;
    text.push(b'\n');
    write_shared(path, &text)
}

/// Writes a whole file that several processes may write at once; leaves it alone if it has these bytes already.
pub(crate) fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = path.with_file_name(format!(".{name}.{}.tmp", claim::token()));
    let done = (|| {
        let mut file = File::create(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temp, path)
    })();
    if done.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temp);
    }
    done.map_err(StoreError::io("write", path))
}
