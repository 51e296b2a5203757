/*!
`manifest.json`: size and SHA-256 of what a run began with, by name in the run directory: `spec.toml`, `data.json` and, as soon as it is written,
`checkpoints/step_0.safetensors`. None of them is written again while the run goes on, so one that is not as listed was changed by somebody else, and
what is computed from it would not be about this run. Other files may be listed as well; all that are listed are checked.
*/

use super::{StoreError, files};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

pub(super) const FILE: &str = "manifest.json";
/// The checkpoint before the first step.
pub(super) const FIRST: &str = "checkpoints/step_0.safetensors";
const FORMAT: u32 = 1;

/// The files that a run began with.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    files: BTreeMap<String, Listed>,
}

/// A file as it was written.
#[derive(PartialEq, Serialize, Deserialize)]
struct Listed {
    bytes: u64,
    sha256: String,
}

impl Listed {
    fn of(bytes: &[u8]) -> Listed {
        Listed { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

impl Manifest {
    pub(super) fn new() -> Manifest {
        Manifest { format: FORMAT, files: BTreeMap::new() }
    }

    /// Lists a file as it was just written, in place of what it was before.
    pub(super) fn list(&mut self, name: &str, bytes: &[u8]) {
        self.files.insert(name.to_owned(), Listed::of(bytes));
    }

    pub(super) fn write(&self, run: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        files::write(&run.join(FILE), (text + "\n").as_bytes())
    }

    /// The manifest of a run; `None` if an older version made it.
    pub(super) fn read(run: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = run.join(FILE);
        let damaged = |message: String| StoreError::Damaged { path: path.clone(), message };
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(StoreError::io("read", &path))?,
        };
        let read: Manifest = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if read.format != FORMAT {
            let found = read.format;
            return Err(damaged(format!("is of format {found}; this version reads {FORMAT}")));
        }
        Ok(Some(read))
    }

    /// Whether the run began with this text as its file `name`.
    pub(super) fn lists(&self, name: &str, bytes: &[u8]) -> bool {
        self.files.get(name).is_some_and(|listed| *listed == Listed::of(bytes))
    }

    /// Refuses a file that is not as listed; says what could not be compared.
    fn compare(&self, run: &Path) -> Result<Vec<String>, StoreError> {
        let mut notes = Vec::new();
        for (name, listed) in &self.files {
            let path = run.join(name);
            let damaged = |message: String| StoreError::Damaged { path: path.clone(), message };
            match fs::read(&path) {
                // Weights are large; who removes them keeps the rows.
                Err(e) if e.kind() == io::ErrorKind::NotFound && name == FIRST => {
                    notes.push(format!("{} is no longer there, so it could not be checked", path.display()));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(damaged(format!("is missing, but {FILE} lists it")));
                }
                Err(e) => return Err(StoreError::io("read", &path)(e)),
                Ok(bytes) => {
                    let found = Listed::of(&bytes);
                    if found != *listed {
                        return Err(damaged(changed(&found.sha256, &listed.sha256)));
                    }
                }
            }
        }
        Ok(notes)
    }
}

/// What is said of a file that was changed.
fn changed(found: &str, listed: &str) -> String {
    if found == listed {
        return format!("its size is not the one in {FILE}");
    }
    format!(
        "was changed since the run began: its SHA-256 is {found}, {FILE} has {listed}; bring the file back, or remove the directory and make the run again"
    )
}

/// Refuses a run directory in which `spec.toml`, `data.json` or the checkpoint of step 0 is not what the run began with. Returns what could not be
/// checked, in sentences.
///
/// # Errors
/// If one of them was changed, or is missing, or the manifest cannot be read.
pub fn verify(run: &Path) -> Result<Vec<String>, StoreError> {
    match Manifest::read(run)? {
        Some(manifest) => manifest.compare(run),
        None => Ok(vec![format!(
            "{} has no {FILE} (an older version made it): whether its spec, data record and first weights are those it began with could not be checked",
            run.display()
        )]),
    }
}

/// The refusal of a `spec.toml` that is not `here`, the resolved spec of this run, though the run began with it.
pub(super) fn changed_spec(run: &Path, there: &str, here: &str) -> Option<StoreError> {
    let began_here = Manifest::read(run).ok()??.lists("spec.toml", here.as_bytes());
    let [found, listed] = [there, here].map(|text| Listed::of(text.as_bytes()).sha256);
    began_here.then(|| StoreError::Damaged { path: run.join("spec.toml"), message: changed(&found, &listed) })
}
