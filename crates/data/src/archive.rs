/*!
The files below a folder, or inside a `.tar`, `.tar.gz` or `.zip`, in one way for all of them. Nothing is unpacked to disk.

What a path is, is told from its content (zip begins with "PK", gzip with 1f 8b), not from its name. An archive with an
entry that leaves its folder (`..`, an absolute path) or with a link in it is refused as a whole: such an archive is
broken or hostile, and what it says about other files is not to be trusted either.
*/

use crate::DataError;
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Takes one file: its path inside, with `/` between the parts, and its content.
pub(crate) type Visit<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), DataError> + 'a;

/// Hands every regular file below `path` that is not hidden to `visit`; those of a folder in alphabetical order, those of an archive in its
/// own.
///
/// # Errors
/// If the folder or archive cannot be read or is refused, and what `visit` returns.
pub(crate) fn walk(path: &Path, visit: &mut Visit<'_>) -> Result<(), DataError> {
    if path.is_dir() {
        return folder(path, "", visit);
    }
    let wrap = |e| DataError::io(path, e);
    let mut file = File::open(path).map_err(wrap)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(wrap)?;
    file.rewind().map_err(wrap)?;
    match &magic[..] {
        b"PK" => zip(path, file, visit),
        [0x1F, 0x8B] => {
            let mut packed = GzDecoder::new(BufReader::new(file));
            tar(path, &mut packed, visit)?;
            // To the end, so that gzip's own checksum is compared.
            std::io::copy(&mut packed, &mut std::io::sink()).map_err(|e| damaged(path, &e))?;
            Ok(())
        }
        _ => tar(path, &mut BufReader::new(file), visit),
    }
}

fn folder(root: &Path, inside: &str, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let here = root.join(inside);
    let wrap = |e| DataError::io(&here, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&here).map_err(wrap)? {
        let name = entry.map_err(wrap)?.file_name();
        let name =
            name.into_string().map_err(|n| DataError::format(here.join(n), "its name is not Unicode"))?;
        names.push(name);
    }
    names.sort_unstable();
    for name in names.into_iter().filter(|n| !hidden(n)) {
        let inside = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        let path = root.join(&inside);
        let wrap = |e| DataError::io(&path, e);
        if std::fs::metadata(&path).map_err(wrap)?.is_dir() {
            folder(root, &inside, visit)?;
        } else {
            visit(&inside, &mut File::open(&path).map_err(wrap)?)?;
        }
    }
    Ok(())
}

fn tar(path: &Path, input: &mut dyn Read, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let mut archive = ::tar::Archive::new(input);
    for entry in archive.entries().map_err(|e| damaged(path, &e))? {
        let mut entry = entry.map_err(|e| damaged(path, &e))?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let inside = checked(path, &name)?;
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(refused(path, &name, "is a link"));
        }
        if kind.is_file() && !hidden(&inside) {
            visit(&inside, &mut entry)?;
        }
    }
    Ok(())
}

fn zip(path: &Path, file: File, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let damaged =
        |e: &dyn std::fmt::Display| DataError::format(path, format!("damaged or truncated zip: {e}"));
    let mut archive = ::zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| damaged(&e))?;
        let name = entry.name().map_err(|e| damaged(&e))?.into_owned();
        let inside = checked(path, &name)?;
        if entry.is_symlink() {
            return Err(refused(path, &name, "is a link"));
        }
        if entry.is_file() && !hidden(&inside) {
            visit(&inside, &mut entry)?;
        }
    }
    Ok(())
}

/// What systems leave beside the files that are meant (`.DS_Store`, `__MACOSX/._x`).
fn hidden(inside: &str) -> bool {
    inside.split('/').any(|part| part.starts_with('.'))
}

/// An entry's name with `/` between its parts, if it stays where it belongs.
fn checked(path: &Path, name: &str) -> Result<String, DataError> {
    let parts: Vec<&str> = name.split(['/', '\\']).collect();
    let absolute = parts[0].is_empty() || parts[0].ends_with(':');
    if absolute || parts.contains(&"..") {
        return Err(refused(path, name, "leaves the archive's folder"));
    }
    Ok(parts.into_iter().filter(|p| !matches!(*p, "" | ".")).collect::<Vec<_>>().join("/"))
}

fn refused(path: &Path, name: &str, why: &str) -> DataError {
    DataError::format(path, format!("refused: entry \"{name}\" {why}"))
}

fn damaged(path: &Path, error: &std::io::Error) -> DataError {
    DataError::format(path, format!("damaged or truncated archive: {error}"))
}

/// The content of an entry of at most `limit` bytes.
pub(crate) fn content(
    path: &Path,
    inside: &str,
    input: &mut dyn Read,
    limit: u64,
) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let read = input.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|e| DataError::format(path, format!("{inside}: cannot be read: {e}")))?;
    if bytes.len() as u64 > limit {
        return Err(DataError::format(path, format!("{inside}: more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
pub(crate) mod tests;
