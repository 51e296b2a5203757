//! Where the files of real data sets may lie.

use crate::DataError;
use crate::registry::{Download, Entry, RemoteFile};
use std::path::{Path, PathBuf};

/// Where to look for data. Searched in this order: `data_dir`, `$REALIGN_DATA`, `$XDG_CACHE_HOME/realign/data` (or
/// `~/.cache/realign/data`); in each, the data set's own folder, a torchvision folder (`MNIST/raw`), the folder itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirs {
    /// The folder the user named (`--data-dir`).
    pub data_dir: Option<PathBuf>,
}

impl Dirs {
    /// The folders to search, in order.
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = self.data_dir.clone().into_iter().collect();
        roots.extend(variable("REALIGN_DATA"));
        roots.extend(cache_root().map(|c| c.join("realign").join("data")));
        roots
    }

    /// Where decoded pictures are kept; `None` when there is no home.
    pub(crate) fn cache_dir() -> Option<PathBuf> {
        cache_root().map(|c| c.join("realign").join("decoded"))
    }

    /// Where downloads go: the first folder that is searched; `None` when there is none at all (no home).
    pub fn download_dir(&self) -> Option<PathBuf> {
        self.roots().into_iter().next()
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn cache_root() -> Option<PathBuf> {
    variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
}

/// A whole copy of a data set.
#[derive(Debug)]
pub(crate) struct Found {
    /// 0 for the published files, k for layout k - 1 of the [`Download`].
    pub(crate) layout: usize,
    /// Its files in the order of the list, all from one folder.
    pub(crate) paths: Vec<PathBuf>,
}

/// The first whole copy of `entry`: folder by folder, in each the published files before other layouts.
pub(crate) fn find(entry: &Entry, download: &Download, dirs: &Dirs) -> Result<Found, DataError> {
    let published: Vec<&str> = download.files.iter().map(|f| f.name).collect();
    let layouts: Vec<&[&str]> =
        std::iter::once(&published[..]).chain(download.layouts.iter().copied()).collect();
    let mut places = String::new();
    for folder in folders(download, dirs) {
        places += &format!("\n  {}", folder.display());
        for (layout, names) in layouts.iter().enumerate() {
            let found: Vec<Option<PathBuf>> = names.iter().map(|n| named(&folder, n)).collect();
            let missing: Vec<&str> =
                names.iter().zip(&found).filter(|(_, p)| p.is_none()).map(|(n, _)| *n).collect();
            match missing.len() {
                0 => return Ok(Found { layout, paths: found.into_iter().flatten().collect() }),
                n if n < names.len() => places += &format!(" (missing {})", missing.join(", ")),
                _ => {}
            }
        }
    }
    let plain =
        |names: &&[&str]| names.iter().map(|n| n.trim_end_matches(".gz")).collect::<Vec<_>>().join(", ");
    let files = layouts.iter().map(plain).collect::<Vec<_>>().join("; or ");
    Err(DataError::NotFound { name: entry.name.to_owned(), files, places })
}

/// All folders in which the files may lie, in order.
pub(crate) fn folders(download: &Download, dirs: &Dirs) -> Vec<PathBuf> {
    let roots = dirs.roots();
    roots.iter().flat_map(|root| download.folders.iter().map(move |f| join(root, f))).collect()
}

/// `root/sub` without a trailing slash for an empty `sub`.
fn join(root: &Path, sub: &str) -> PathBuf {
    if sub.is_empty() { root.to_path_buf() } else { root.join(sub) }
}

/// The file as published or unpacked.
pub(crate) fn locate(folder: &Path, file: &RemoteFile) -> Option<PathBuf> {
    named(folder, file.name)
}

/// What a name of a layout means in `folder`: the file itself, plain or `.gz`; a folder for `name/`; the first match in
/// alphabetical order for `before*after`.
fn named(folder: &Path, name: &str) -> Option<PathBuf> {
    if let Some(sub) = name.strip_suffix('/') {
        return Some(folder.join(sub)).filter(|p| p.is_dir());
    }
    if let Some((before, after)) = name.split_once('*') {
        let fits =
            |n: &str| n.len() >= before.len() + after.len() && n.starts_with(before) && n.ends_with(after);
        // A folder that cannot be listed holds nothing that could be read either.
        let names = std::fs::read_dir(folder).ok()?.filter_map(|e| e.ok()?.file_name().into_string().ok());
        return names.filter(|n| fits(n)).map(|n| folder.join(n)).filter(|p| p.is_file()).min();
    }
    [name, name.trim_end_matches(".gz")].iter().map(|n| folder.join(n)).find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_layouts_are_files_folders_and_patterns() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        ["a.bin", "b.bin.gz", "set-2.zip", "set-1.zip", "set-1.tar"].into_iter().for_each(write);
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let found =
            |name: &str| named(dir.path(), name).map(|p| p.file_name().unwrap().to_str().unwrap().to_owned());
        for (name, expected) in [
            ("a.bin.gz", Some("a.bin")),
            ("b.bin.gz", Some("b.bin.gz")),
            ("c.bin.gz", None),
            ("folder/", Some("folder")),
            ("folder", None),
            ("a.bin/", None),
            ("set*.zip", Some("set-1.zip")),
            ("set-1.zip*.zip", None),
            ("x*.zip", None),
        ] {
            assert_eq!(found(name).as_deref(), expected, "{name}");
        }
        assert_eq!(named(&dir.path().join("nowhere"), "set*.zip"), None);
    }
}
