//! Whether the data at hand are those that a run was made on: `data.json` against what was just loaded.

use super::StoreError;
use realign_data::{DataRecord, Source};
use std::fs;
use std::io;
use std::path::Path;

/// The record of a run; `None` if it has none.
fn recorded(run: &Path) -> Result<Option<DataRecord>, StoreError> {
    let path = run.join("data.json");
    match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", &path)(e)),
        Ok(text) => {
            let damaged = |message| StoreError::Damaged { path: path.clone(), message };
            DataRecord::from_json(&text).map(Some).map_err(damaged)
        }
    }
}

/// Refuses data other than those that the run in `run` was made on. Where files lie may change.
///
/// # Errors
/// If the data differ, or the record is damaged.
pub(crate) fn same(run: &Path, data: &DataRecord) -> Result<(), StoreError> {
    match recorded(run)?.and_then(|there| difference(&there, data)) {
        None => Ok(()),
        Some(difference) => Err(StoreError::OtherData { path: run.to_path_buf(), difference }),
    }
}

/// The first thing in which two records of data differ, but for the places of files.
fn difference(there: &DataRecord, here: &DataRecord) -> Option<String> {
    let hashes = |source: &Source| match source {
        Source::Files(files) => files.iter().map(|f| f.sha256.clone()).collect::<Vec<_>>(),
        Source::Procedural => Vec::new(),
    };
    let (before, now) = (hashes(&there.source), hashes(&here.source));
    if let (Source::Files(files), Some(k)) = (&here.source, before.iter().zip(&now).position(|(a, b)| a != b))
    {
        return Some(format!("{}: SHA-256 was {} and is {}", files[k].path, before[k], now[k]));
    }
    let placeless = |r: &DataRecord| DataRecord { source: Source::Procedural, ..r.clone() };
    let same = before.len() == now.len() && placeless(there) == placeless(here);
    (!same).then(|| "data.json would be another one".to_owned())
}
