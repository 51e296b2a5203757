//! Paths that a command will make: refused before anything is made if no file system could hold them.

use std::path::{Component, Path, PathBuf};

/// Longest name in a folder, in bytes: Linux, macOS and Windows agree.
const LONGEST_NAME: usize = 255;
/// What a file is called while it is written: its name and this.
const PART: &str = ".part";
/// Longest path in bytes (Linux: 4095), less what a run puts below it.
const LONGEST_PATH: usize = 3600;

/// A folder to be made.
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    fits(text, LONGEST_NAME)
}

/// A file to be made.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    fits(text, LONGEST_NAME - PART.len())
}

fn fits(text: &str, longest: usize) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if text.is_empty() {
        return Err("empty; write a path, or leave the argument out".into());
    }
    for part in path.components() {
        if let Component::Normal(name) = part
            && name.len() > longest
        {
            let start: String = name.to_string_lossy().chars().take(20).collect();
            let n = name.len();
            return Err(format!("the name \"{start}...\" has {n} bytes; at most {longest} are allowed"));
        }
    }
    let whole = std::path::absolute(Path::new(text)).map_or(text.len(), |p| p.as_os_str().len());
    if whole > LONGEST_PATH {
        return Err(format!("the whole path has {whole} bytes; at most {LONGEST_PATH} are allowed"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest name goes, one byte more does not; letters outside ASCII count as the bytes they take.
    #[test]
    fn names_that_no_folder_can_hold() {
        let a = |n: usize| "a".repeat(n);
        assert!(folder(&a(255)).is_ok() && folder(&a(256)).is_err());
        assert!(folder(&format!("x/{}/y", a(255))).is_ok() && folder(&format!("x/{}/y", a(256))).is_err());
        assert!(file(&a(250)).is_ok() && file(&a(251)).is_err());
        assert!(folder(&"ä".repeat(127)).is_ok() && folder(&"ä".repeat(128)).is_err());
        let deep = |n: usize| format!("/{}", vec!["ab"; n].join("/"));
        assert!(folder(&deep(1200)).is_ok() && folder(&deep(1201)).is_err());
        assert!(folder("").is_err());
    }
}
