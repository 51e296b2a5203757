//! What a run writes into `data.json`, so that any other program can choose the same examples again.

use crate::{DataError, fetch};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the examples came from and which of them were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Name of the data set.
    pub name: String,
    /// Files with their hashes, or the word `procedural`.
    pub source: Source,
    /// Seed of everything random about the data.
    pub seed: u64,
    /// Train examples, ascending positions (from 0) in the original train file or generated order.
    pub train_indices: Vec<usize>,
    /// Validation examples, ascending positions in the original train file or generated order.
    pub validation_indices: Vec<usize>,
    /// Test examples, ascending positions in the original test file; `None` without a test set.
    pub test_indices: Option<Vec<usize>>,
    /// Original labels of the kept classes; class k of the run is `kept_classes[k]`. Empty without classes.
    pub kept_classes: Vec<u32>,
    /// Their names, in the same order.
    pub class_names: Vec<String>,
    /// Train labels changed by label noise.
    pub changed_labels: Vec<ChangedLabel>,
    /// Whether features were normalised.
    pub normalize: bool,
    /// Per-channel mean of pixel / 255 that is subtracted (0 when not normalised; empty without pixels).
    pub mean: Vec<f32>,
    /// Per-channel standard deviation of pixel / 255 that is divided by (1 when not normalised; empty without pixels).
    pub sd: Vec<f32>,
}

/// Where examples came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Made from the seed.
    Procedural,
    /// Read from these files.
    Files(Vec<SourceFile>),
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path as found.
    pub path: String,
    /// Size on disk.
    pub bytes: u64,
    /// SHA-256 of the file on disk, in hexadecimal.
    pub sha256: String,
}

impl SourceFile {
    /// A file as it lies on disk.
    pub(crate) fn of(path: &Path) -> Result<SourceFile, DataError> {
        let (bytes, sha256) = fetch::fingerprint(path)?;
        Ok(SourceFile { path: path.display().to_string(), bytes, sha256 })
    }
}

/// One label changed by label noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedLabel {
    /// Position in the original train file or generated order.
    pub index: usize,
    /// Label before, in the numbering of the run (0..classes).
    pub from: u32,
    /// Label after, in the numbering of the run.
    pub to: u32,
}
