/*!
A run for other programs: its batches and its examples in files that anybody reads. `docs/reproducing.md` says what they mean.

| file | content |
|---|---|
| `batches.jsonl` | a line per training step: examples, changes of images, keys of dropout masks, learning rate |
| `data.safetensors` | every split as it was used: pixels or vectors, labels or targets, positions in the original file |
*/

mod batches;
mod examples;

use crate::store::{self, StoreError};
use crate::{LabError, RunSpec};
use realign::train::Trainer;
use realign_data::Dirs;
use realign_tensor::Par;
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `batches.jsonl`.
    pub batches: bool,
    /// `data.safetensors`.
    pub data: bool,
}

/// Writes what is wanted of the run of `spec` in `run` into `out`, which is made if need be; returns the paths.
///
/// # Errors
/// If the data cannot be had or are not those of the run, or a file cannot be written.
pub fn export(
    spec: &RunSpec,
    run: &Path,
    out: &Path,
    wanted: Wanted,
    dirs: &Dirs,
) -> Result<Vec<PathBuf>, LabError> {
    let setup = spec.setup(dirs, Par::threads(1))?;
    store::same_data(run, &setup.data.record)?;
    std::fs::create_dir_all(out).map_err(StoreError::io("make", out))?;
    let mut paths = Vec::new();
    if wanted.data {
        let path = out.join("data.safetensors");
        examples::write(&path, &setup.data)?;
        paths.push(path);
    }
    if wanted.batches {
        let path = out.join("batches.jsonl");
        let mut trainer = Trainer::new(setup)?;
        // A run that diverged has made fewer steps than it was to make.
        let steps = store::finished(run).map_or(trainer.total_steps(), |report| report.steps);
        batches::write(&path, &mut trainer, steps)?;
        paths.push(path);
    }
    Ok(paths)
}
