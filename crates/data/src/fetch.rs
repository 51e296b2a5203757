/*!
Downloads and checks of real data sets.

A file comes into `<name>.part`, is compared with its published size and SHA-256, and only then gets its name, so a file
that carries the name is whole. A cut download is continued with an HTTP Range request; a server that refuses the range
(status 200 instead of 206) starts it over. Mirrors are tried in turn; when none gives a good copy the error lists every
attempt.
*/

mod download;

use crate::dirs::Found;
use crate::registry::{Download, Entry, Kind, RemoteFile};
use crate::{DataError, Dirs, Source, SourceFile, dirs, entry, files, idx};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a download stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileProgress<'a> {
    /// File name.
    pub file: &'a str,
    /// Number of the file, from 1.
    pub number: usize,
    /// Number of files.
    pub of: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of the whole file.
    pub total: u64,
    /// What has just happened.
    pub state: State<'a>,
}

/// What has just happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// A good copy was there already.
    Present,
    /// Bytes have come in.
    Downloading {
        /// The address.
        from: &'a str,
    },
    /// An attempt failed; another follows or the error lists it.
    Failed {
        /// The address.
        from: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Size and SHA-256 are right and the file has its name.
    Verified,
}

/// Downloads the files of data set `name` into its folder below `dir` (`<dir>/mnist/...`), trying `mirrors` (base
/// addresses; `None` = the published ones) in turn. Files that are there and good stay. Returns their paths.
///
/// # Errors
/// For an unknown or procedural data set, a folder or disk that cannot be written, or when no mirror gave a good copy.
pub fn fetch(
    name: &str,
    dir: &Path,
    mirrors: Option<&[String]>,
    progress: &mut dyn FnMut(FileProgress<'_>),
) -> Result<Vec<PathBuf>, DataError> {
    let download = files_of(entry(name)?)?;
    let published = || download.mirrors.iter().map(|m| (*m).to_owned()).collect();
    let mirrors: Vec<String> = mirrors.map_or_else(published, <[String]>::to_vec);
    let folder = dir.join(download.folder);
    fetch_all(download.files, &folder, &mirrors, progress)
}

fn fetch_all(
    files: &[RemoteFile],
    folder: &Path,
    mirrors: &[String],
    progress: &mut dyn FnMut(FileProgress<'_>),
) -> Result<Vec<PathBuf>, DataError> {
    std::fs::create_dir_all(folder).map_err(|e| DataError::io(folder, e))?;
    let of = files.len();
    let one = |(k, file): (usize, &RemoteFile)| {
        let mut report = |bytes: u64, state: State<'_>| {
            progress(FileProgress { file: file.name, number: k + 1, of, bytes, total: file.bytes, state });
        };
        download::fetch_file(file, folder, mirrors, &mut report)
    };
    files.iter().enumerate().map(one).collect()
}

/// What `verify` found out about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Published file name.
    pub file: String,
    /// Where it was found.
    pub path: Option<PathBuf>,
    /// The verdict.
    pub status: FileStatus,
}

/// Whether a file is the published one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// Size and SHA-256 are those of the published file or of its unpacked content.
    Good,
    /// The size is that of the published file; no SHA-256 is published.
    SizeOnly,
    /// A layout or a cut for which nothing is published; every example of it could be read.
    Readable {
        /// Size and SHA-256 on disk.
        found: String,
    },
    /// In none of the searched folders.
    Missing,
    /// There, but something else.
    Bad {
        /// Size and SHA-256 as published.
        expected: String,
        /// Size and SHA-256 on disk.
        found: String,
    },
}

impl FileStatus {
    /// Whether nothing is wrong, as far as can be told.
    pub fn is_good(&self) -> bool {
        !matches!(self, FileStatus::Missing | FileStatus::Bad { .. })
    }
}

/// How much of a data set is on disk, told from file names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// All files.
    Whole,
    /// Some files.
    Part,
    /// No file.
    None,
}

/// How much of data set `name` is on disk; reads no file.
///
/// # Errors
/// For an unknown data set or one without published files, or a named data folder that is none.
pub fn presence(name: &str, dirs: &Dirs) -> Result<Presence, DataError> {
    let entry = entry(name)?;
    let download = files_of(entry)?;
    dirs.check()?;
    let folders = dirs::folders(download, dirs);
    Ok(match dirs::find(entry, download, dirs) {
        Ok(_) => Presence::Whole,
        Err(_) if folders.iter().any(|d| download.files.iter().any(|f| dirs::locate(d, f).is_some())) => {
            Presence::Part
        }
        Err(_) => Presence::None,
    })
}

/// Compares the files of data set `name` that [`crate::load`] would read with the published sizes and SHA-256. Where nothing
/// is published (another layout, a cut), every example is read instead.
///
/// # Errors
/// For an unknown data set or one without published files, a named data folder that is none, or a file that cannot be read or
/// is damaged.
pub fn verify(name: &str, dirs: &Dirs) -> Result<Vec<FileReport>, DataError> {
    let entry = entry(name)?;
    let download = files_of(entry)?;
    dirs.check()?;
    let folders = dirs::folders(download, dirs);
    let anywhere = |file: &RemoteFile| folders.iter().find_map(|f| dirs::locate(f, file));
    let paths: Vec<Option<PathBuf>> = match dirs::find(entry, download, dirs) {
        Ok(Found { layout: 0, paths }) => paths.into_iter().map(Some).collect(),
        Ok(found) => return readable(name, &found, dirs),
        Err(_) => download.files.iter().map(anywhere).collect(),
    };
    download.files.iter().zip(paths).map(|(file, path)| report(file, path)).collect()
}

/// Reports on files of another layout, after reading all of them.
fn readable(name: &str, found: &Found, dirs: &Dirs) -> Result<Vec<FileReport>, DataError> {
    let bundle = crate::load(&crate::DataConfig::new(name)?, 0, dirs)?;
    let Source::Files(files) = &bundle.record.source else { return Ok(Vec::new()) };
    let report = |(path, file): (&PathBuf, &SourceFile)| FileReport {
        file: path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        path: Some(path.clone()),
        status: FileStatus::Readable { found: describe(file.bytes, &file.sha256) },
    };
    Ok(found.paths.iter().zip(files).map(report).collect())
}

fn describe(bytes: u64, sha256: &str) -> String {
    match sha256 {
        "" => format!("{bytes} bytes (no SHA-256 is published)"),
        _ => format!("{bytes} bytes, SHA-256 {sha256}"),
    }
}

fn report(file: &RemoteFile, path: Option<PathBuf>) -> Result<FileReport, DataError> {
    let status = match &path {
        None => FileStatus::Missing,
        Some(path) => status(file, path)?,
    };
    Ok(FileReport { file: file.name.to_owned(), path, status })
}

fn status(file: &RemoteFile, path: &Path) -> Result<FileStatus, DataError> {
    let (bytes, sha256) = fingerprint(path)?;
    Ok(if sha256 == file.unpacked_sha256 || file.is(bytes, &sha256) {
        if file.sha256.is_empty() { FileStatus::SizeOnly } else { FileStatus::Good }
    } else {
        FileStatus::Bad { expected: describe(file.bytes, file.sha256), found: describe(bytes, &sha256) }
    })
}

fn files_of(entry: &'static Entry) -> Result<&'static Download, DataError> {
    let message = || match entry.kind {
        Kind::Procedural => "it is made from its seed, so there are no files".to_owned(),
        Kind::Real => "its files are your own, so nothing is published about them".to_owned(),
    };
    entry
        .download
        .as_ref()
        .ok_or_else(|| DataError::Unfit { name: entry.name.to_owned(), message: message() })
}

/// Size and SHA-256 of a file, read in pieces.
pub(crate) fn fingerprint(path: &Path) -> Result<(u64, String), DataError> {
    let wrap = |e| DataError::io(path, e);
    let mut file = files::open(path)?;
    let (mut hasher, mut size, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece).map_err(wrap)? {
            0 => return Ok((size, idx::hex(&hasher.finalize()))),
            n => {
                hasher.update(&piece[..n]);
                size += n as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests;
