//! Where the files of real data sets may lie.

use crate::registry::{Download, Entry, RemoteFile};
use crate::{DataError, shown_path, unread};
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

    /// Refuses a named folder ([`Dirs::data_dir`]) that is not there: the next one in the order may hold other data under the same name.
    ///
    /// # Errors
    /// If it is no folder.
    pub fn check(&self) -> Result<(), DataError> {
        match &self.data_dir {
            Some(dir) if !dir.exists() => Err(DataError::format(
                dir,
                "no such folder; it was named as the folder of the data (--data-dir)",
            )),
            Some(dir) if !dir.is_dir() => Err(DataError::format(
                dir,
                "not a folder; it was named as the folder of the data (--data-dir)",
            )),
            _ => Ok(()),
        }
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
///
/// # Errors
/// If there is none; the message names the folders, what is missing in them and what is there in a form that is not read. If a
/// pattern fits several files.
pub(crate) fn find(entry: &Entry, download: &Download, dirs: &Dirs) -> Result<Found, DataError> {
    let published: Vec<&str> = download.files.iter().map(|f| f.name).collect();
    let layouts: Vec<&[&str]> =
        std::iter::once(&published[..]).chain(download.layouts.iter().copied()).collect();
    let mut places = String::new();
    for folder in folders(download, dirs) {
        places += &format!("\n  {}", shown_path(&folder));
        for (layout, names) in layouts.iter().enumerate() {
            let found: Vec<Option<PathBuf>> =
                names.iter().map(|n| named(&folder, n)).collect::<Result<_, _>>()?;
            let missing: Vec<&str> =
                names.iter().zip(&found).filter(|(_, p)| p.is_none()).map(|(n, _)| *n).collect();
            match missing.len() {
                0 => return Ok(Found { layout, paths: found.into_iter().flatten().collect() }),
                n if n < names.len() => places += &format!(" (missing {})", missing.join(", ")),
                _ => {}
            }
        }
        for (file, cure) in unread::files(&folder, entry.name) {
            places += &format!("\n    {} is there, but {cure}", shown_path(&file));
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
    spelled(folder, file.name)
}

/// What a name of a layout means in `folder`: the file itself, plain or `.gz`; a folder for `name/`; the only match for
/// `before*after`.
fn named(folder: &Path, name: &str) -> Result<Option<PathBuf>, DataError> {
    if let Some(sub) = name.strip_suffix('/') {
        return Ok(Some(folder.join(sub)).filter(|p| p.is_dir()));
    }
    let Some((before, after)) = name.split_once('*') else { return Ok(spelled(folder, name)) };
    let fits = |n: &str| n.len() >= before.len() + after.len() && n.starts_with(before) && n.ends_with(after);
    // A folder that cannot be listed holds nothing that could be read either.
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut found: Vec<PathBuf> =
        names.filter(|n| fits(n)).map(|n| folder.join(n)).filter(|p| is_file(p)).collect();
    found.sort_unstable();
    match &found[..] {
        [first, second, ..] => {
            let message =
                format!("{} is there too, and either could be meant: move one away", shown_path(second));
            Err(DataError::format(first, message))
        }
        _ => Ok(found.pop()),
    }
}

/// A file under the spellings of its name that are in use: as published, unpacked, with a dot for the hyphen that the official
/// gzip files of MNIST have inside, or in a folder of its own name.
fn spelled(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = name.trim_end_matches(".gz");
    let dotted = |n: &str| n.replacen("-idx", ".idx", 1);
    let names = [name.to_owned(), plain.to_owned(), dotted(name), dotted(plain), format!("{plain}/{plain}")];
    names.iter().map(|n| folder.join(n)).find(|p| is_file(p))
}

/// A file of whatever kind: [`crate::files::open`] says why a pipe is not read, which is better than not to find it.
fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_dir())
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
        let found = |name: &str| {
            let path = named(dir.path(), name).unwrap();
            path.map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        };
        for (name, expected) in [
            ("a.bin.gz", Some("a.bin")),
            ("b.bin.gz", Some("b.bin.gz")),
            ("c.bin.gz", None),
            ("folder/", Some("folder")),
            ("folder", None),
            ("a.bin/", None),
            ("set*.tar", Some("set-1.tar")),
            ("set-1.zip*.zip", None),
            ("x*.zip", None),
        ] {
            assert_eq!(found(name).as_deref(), expected, "{name}");
        }
        assert_eq!(named(&dir.path().join("nowhere"), "set*.zip").unwrap(), None);
        let text = named(dir.path(), "set*.zip").unwrap_err().to_string();
        assert!(text.contains("set-1.zip: ") && text.contains("set-2.zip is there too"), "{text}");
    }

    /// A folder that was named is never passed over for another one.
    #[test]
    fn a_named_folder_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let check = |path: PathBuf| Dirs { data_dir: Some(path) }.check();
        check(dir.path().to_path_buf()).unwrap();
        Dirs::default().check().unwrap();
        let text = check(dir.path().join("nowhere")).unwrap_err().to_string();
        assert!(text.contains("nowhere: no such folder"), "{text}");
        std::fs::write(dir.path().join("file"), "").unwrap();
        let text = check(dir.path().join("file")).unwrap_err().to_string();
        assert!(text.contains("file: not a folder"), "{text}");
    }
}
