//! Whole files at once: a temporary file in the same folder, flushed to disk, then renamed.

use super::StoreError;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Writes `path` so that it is either the old or the whole new file at any moment; its mode is what the umask allows.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_by(path, |temp| fs::write(temp, bytes))
}

/// As [`write`], for what is too large to be held: `fill` writes the file that it is given.
pub(crate) fn write_by(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = path.with_file_name(format!(".{name}.tmp"));
    let done = (|| {
        fill(&temp)?;
        File::options().write(true).open(&temp)?.sync_all()?;
        fs::rename(&temp, path)
    })();
    if done.is_err() {
        // The first error is the one to tell; a leftover is overwritten by the next attempt.
        let _ = fs::remove_file(&temp);
    }
    done.map_err(StoreError::io("write", path))
}
