/*!
What lies on disk, opened and listed with care: only regular files are opened, since a named pipe, a socket or a device would
hang for ever or never end; links are followed, but not to nowhere and not in circles; what systems and editors leave
beside the files that are meant is passed over before it is even looked at.
*/

use crate::DataError;
use std::fs::{File, FileType, Metadata};
use std::path::{Path, PathBuf};

/// Opens a regular file for reading.
///
/// # Errors
/// If it cannot be opened, or is something else; the message says what.
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    let wrap = |e| DataError::io(path, e);
    let meta = std::fs::metadata(path).map_err(wrap)?;
    match special(meta.file_type()) {
        Some(what) => Err(not_regular(path, what)),
        None if meta.is_dir() => Err(DataError::format(path, "a folder where a file was expected")),
        None => File::open(path).map_err(wrap),
    }
}

/// The content of a regular file.
///
/// # Errors
/// Those of [`open`], and if it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut open(path)?, &mut bytes).map_err(|e| DataError::io(path, e))?;
    Ok(bytes)
}

fn not_regular(path: &Path, what: &str) -> DataError {
    DataError::format(path, format!("{what}, not a regular file: remove it or move it away"))
}

/// What a file is that is neither a regular file nor a folder.
fn special(kind: FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a named pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    (!kind.is_file() && !kind.is_dir()).then_some("neither a file nor a folder")
}

/// Folders that systems make beside the files that are meant.
const SYSTEM: [&str; 5] = ["lost+found", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"];

/// Whether a name is passed over: it begins with a dot (`.DS_Store`, `._x`, `.#lock`, `.Trash-1000`) or is one of [`SYSTEM`].
pub(crate) fn hidden(name: &str) -> bool {
    name.starts_with('.') || SYSTEM.contains(&name)
}

/// A file or folder below another one.
pub(crate) struct Item {
    /// Its path inside, with `/` between the parts.
    pub(crate) inside: String,
    pub(crate) path: PathBuf,
    /// Of what a link leads to.
    pub(crate) meta: Metadata,
}

/// Takes one item.
pub(crate) type Visit<'a> = dyn FnMut(&Item) -> Result<(), DataError> + 'a;

/// Hands everything below the folder `root` that is not [`hidden`] to `visit`, folders before what is in them, alphabetically.
///
/// # Errors
/// For a folder that cannot be listed, a link that leads nowhere or back to a folder that it lies in, a name that is not Unicode,
/// anything but folders and regular files, and what `visit` returns.
pub(crate) fn walk(root: &Path, visit: &mut Visit<'_>) -> Result<(), DataError> {
    let resolved = root.canonicalize().map_err(|e| DataError::io(root, e))?;
    below(root, "", &mut vec![resolved], visit)
}

fn below(
    root: &Path,
    inside: &str,
    above: &mut Vec<PathBuf>,
    visit: &mut Visit<'_>,
) -> Result<(), DataError> {
    for item in list(root, inside)? {
        visit(&item)?;
        if item.meta.is_dir() {
            let resolved = item.path.canonicalize().map_err(|e| DataError::io(&item.path, e))?;
            if above.contains(&resolved) {
                let message = "a link to a folder that it lies in: remove it";
                return Err(DataError::format(&item.path, message));
            }
            above.push(resolved);
            below(root, &item.inside, above, visit)?;
            above.pop();
        }
    }
    Ok(())
}

/// What is in the folder `inside` of `root` and not [`hidden`], alphabetically.
///
/// # Errors
/// Those of [`walk`].
pub(crate) fn list(root: &Path, inside: &str) -> Result<Vec<Item>, DataError> {
    let here = if inside.is_empty() { root.to_path_buf() } else { root.join(inside) };
    let wrap = |e| DataError::io(&here, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&here).map_err(wrap)? {
        let name = entry.map_err(wrap)?.file_name();
        if !hidden(&name.to_string_lossy()) {
            let unicode = |n| DataError::format(here.join(n), "its name is not Unicode: rename it");
            names.push(name.into_string().map_err(unicode)?);
        }
    }
    names.sort_unstable();
    names.into_iter().map(|name| item(&here, inside, &name)).collect()
}

fn item(here: &Path, inside: &str, name: &str) -> Result<Item, DataError> {
    let path = here.join(name);
    let inside = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
    let meta = match std::fs::metadata(&path) {
        Err(_) if path.is_symlink() => {
            return Err(DataError::format(path, "a link that leads nowhere: mend it or remove it"));
        }
        meta => meta.map_err(|e| DataError::io(&path, e))?,
    };
    match special(meta.file_type()) {
        Some(what) => Err(not_regular(&path, what)),
        None => Ok(Item { inside, path, meta }),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
pub(crate) mod tests;
