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
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        let mut roots: Vec<PathBuf> = self.data_dir.clone().into_iter().collect();
        roots.extend(variable("REALIGN_DATA"));
        roots.extend(cache.map(|c| c.join("realign").join("data")));
        roots
    }

    /// Where downloads go: the first folder that is searched; `None` when there is none at all (no home).
    pub fn download_dir(&self) -> Option<PathBuf> {
        self.roots().into_iter().next()
    }
}

/// Paths of all files of `entry`, in the order of its list, all from one folder.
pub(crate) fn find(entry: &Entry, download: &Download, dirs: &Dirs) -> Result<Vec<PathBuf>, DataError> {
    let mut places = String::new();
    for folder in folders(download, dirs) {
        let found: Vec<Option<PathBuf>> = download.files.iter().map(|f| locate(&folder, f)).collect();
        if found.iter().all(Option::is_some) {
            return Ok(found.into_iter().flatten().collect());
        }
        let missing: Vec<&str> =
            download.files.iter().zip(&found).filter(|(_, p)| p.is_none()).map(|(f, _)| f.name).collect();
        let which = if missing.len() == found.len() {
            String::new()
        } else {
            format!(" (missing {})", missing.join(", "))
        };
        places += &format!("\n  {}{which}", folder.display());
    }
    let files: Vec<&str> = download.files.iter().map(|f| f.name.trim_end_matches(".gz")).collect();
    Err(DataError::NotFound { name: entry.name.to_owned(), files: files.join(", "), places })
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
    [file.name, file.name.trim_end_matches(".gz")].iter().map(|n| folder.join(n)).find(|p| p.is_file())
}
