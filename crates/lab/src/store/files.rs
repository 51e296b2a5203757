//! Whole files at once: a temporary file in the same folder, flushed to disk, then renamed.

use super::StoreError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `path` so that it is either the old or the whole new file at any moment; its mode is what the umask allows.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes).map_err(StoreError::io("write", path))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = path.with_file_name(format!(".{name}.tmp"));
    let done = (|| {
        let mut file = File::create(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temp, path)
    })();
    if done.is_err() {
        // The first error is the one to tell; a leftover is overwritten by the next attempt.
        let _ = fs::remove_file(&temp);
    }
    done
}
