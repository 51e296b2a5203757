/*!
The files below a folder, or inside a `.tar`, `.tar.gz` or `.zip`, in one way for all of them. Nothing is unpacked to disk.

What a path is, is told from its content (zip begins with "PK", gzip with 1f 8b), not from its name. An archive with an
entry that leaves its folder (`..`, an absolute path), is there twice or is a link is refused as a whole: such an archive is
broken or hostile, and what it says about other files is not to be trusted either.
*/

use crate::{DataError, files};
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
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
        return files::walk(path, &mut |item| match item.meta.is_dir() {
            true => Ok(()),
            false => visit(&item.inside, &mut files::open(&item.path)?),
        });
    }
    let wrap = |e| DataError::io(path, e);
    let mut file = files::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(8).read_to_end(&mut magic).map_err(wrap)?;
    file.rewind().map_err(wrap)?;
    if let Some(kind) = unread(&magic) {
        return Err(DataError::format(path, format!("{kind}: {CURE}")));
    }
    match &magic[..] {
        [b'P', b'K', ..] => zip(path, file, visit),
        [0x1F, 0x8B, ..] => {
            let mut packed = GzDecoder::new(BufReader::new(file));
            tar(path, &mut packed, visit)?;
            // To the end, so that gzip's own checksum is compared.
            std::io::copy(&mut packed, &mut std::io::sink()).map_err(|e| damaged(path, &e))?;
            Ok(())
        }
        _ => tar(path, &mut BufReader::new(file), visit),
    }
}

/// What to do with an archive of another kind.
pub(crate) const CURE: &str =
    "only .zip, .tar and .tar.gz are read; unpack it and give the folder, or pack it again with `tar -czf`";

/// The kind of an archive that is not read, told from its first bytes.
pub(crate) fn unread(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 7] = [
        (b"\xFD7zXZ\0", "an xz archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
        (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive"),
        (b"Rar!\x1A\x07", "a RAR archive"),
        (b"\x04\x22\x4D\x18", "an LZ4 archive"),
        (b"\x1F\x9D", "an archive of compress (.Z)"),
    ];
    kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind)
}

fn tar(path: &Path, input: &mut dyn Read, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let mut archive = ::tar::Archive::new(input);
    let mut seen = BTreeSet::new();
    for entry in archive.entries().map_err(|e| damaged(path, &e))? {
        let mut entry = entry.map_err(|e| damaged(path, &e))?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let inside = checked(path, &name)?;
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(refused(path, &name, "is a link"));
        }
        if kind.is_dir() || hidden(&inside) {
            continue;
        }
        if !kind.is_file() && !kind.is_contiguous() {
            return Err(refused(
                path,
                &name,
                "is not a regular file (a named pipe, a device or a sparse file)",
            ));
        }
        if !seen.insert(inside.clone()) {
            return Err(refused(path, &name, TWICE));
        }
        visit(&inside, &mut entry)?;
    }
    Ok(())
}

const TWICE: &str = "is there twice: pack the archive again";

fn zip(path: &Path, file: File, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let damaged =
        |e: &dyn std::fmt::Display| DataError::format(path, format!("damaged or truncated zip: {e}"));
    let mut archive = ::zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
    if archive.has_duplicate_names() {
        return Err(DataError::format(path, format!("refused: an entry of the zip {TWICE}")));
    }
    let mut seen = BTreeSet::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| damaged(&e))?;
        let name = entry.name().map_err(|e| damaged(&e))?.into_owned();
        let inside = checked(path, &name)?;
        if entry.is_symlink() {
            return Err(refused(path, &name, "is a link"));
        }
        if entry.is_file() && !hidden(&inside) {
            if !seen.insert(inside.clone()) {
                return Err(refused(path, &name, TWICE));
            }
            visit(&inside, &mut entry)?;
        }
    }
    Ok(())
}

/// Whether a part of a path inside is [`files::hidden`].
fn hidden(inside: &str) -> bool {
    inside.split('/').any(files::hidden)
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
    DataError::format(path, format!("damaged or truncated archive, or none (.zip, .tar, .tar.gz): {error}"))
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
