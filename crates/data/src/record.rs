/*!
What a run writes into `data.json`, so that any other program can choose the same examples again.

One key per line. Format 2 writes positions as `indices.rs` says and the normalisation constants as the f64 that are used; format 1, which had no
key "format", listed every position and the constants in the digits of an f32. Both are read.
*/

use crate::{DataError, fetch, indices};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
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
    #[serde(with = "indices")]
    pub train_indices: Vec<usize>,
    /// Validation examples, ascending positions in the original train file or generated order.
    #[serde(with = "indices")]
    pub validation_indices: Vec<usize>,
    /// Test examples, ascending positions in the original test file; `None` without a test set.
    #[serde(with = "indices::maybe", default)]
    pub test_indices: Option<Vec<usize>>,
    /// Original labels of the kept classes; class k of the run is `kept_classes[k]`. Empty without classes.
    pub kept_classes: Vec<u32>,
    /// Their names, in the same order.
    pub class_names: Vec<String>,
    /// Train labels changed by label noise.
    pub changed_labels: Vec<ChangedLabel>,
    /// Whether features were normalised.
    pub normalize: bool,
    /// Per-channel mean of pixel / 255 that is subtracted (0 when not normalised; empty without pixels). Written as the f64 that is used.
    #[serde(serialize_with = "as_used")]
    pub mean: Vec<f32>,
    /// Per-channel standard deviation of pixel / 255 that is divided by (1 when not normalised; empty without pixels). Written as the f64 that is used.
    #[serde(serialize_with = "as_used")]
    pub sd: Vec<f32>,
}

/// An f32 in few digits is read by another program as another f64 than the one computed with.
fn as_used<S: Serializer>(constants: &[f32], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(constants.iter().map(|c| f64::from(*c)))
}

/// What [`DataRecord::to_json`] writes.
const FORMAT: u64 = 2;

impl DataRecord {
    /// The text of a `data.json`.
    ///
    /// # Panics
    /// Never: a record is plain data.
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a record is plain data");
        let mut text = format!("{{\n  \"format\": {FORMAT}");
        for (key, value) in value.as_object().expect("a record is an object") {
            text += &format!(",\n  \"{key}\": {}", lines(value));
        }
        text + "\n}\n"
    }

    /// Reads a `data.json` of this version or an older one.
    ///
    /// # Errors
    /// If it is damaged, or of a format that this version does not know.
    pub fn from_json(text: &[u8]) -> Result<DataRecord, String> {
        let value: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        match value.get("format").map_or(Some(1), Value::as_u64) {
            Some(1..=FORMAT) => {
                // From the text again: the error then says where.
                serde_json::from_slice(text).map_err(|e| e.to_string())
            }
            _ => Err(format!("format {}; this version reads 1 to {FORMAT}", value["format"])),
        }
    }
}

/// A value on one line; lists of objects, and what an object holds of them, one object per line.
fn lines(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(k, v)| format!("\"{k}\": {}", lines(v))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let parts: Vec<String> = list.iter().map(|v| format!("    {v}")).collect();
            format!("[\n{}\n  ]", parts.join(",\n"))
        }
        flat => flat.to_string(),
    }
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

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
