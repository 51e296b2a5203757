//! The pictures and texts of a folder or archive, decoded in one pass over it.

use crate::picture::Picture;
use crate::picture::kinds;
use crate::{DataError, SourceFile, archive, idx};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// No picture or text of a data set is larger than this.
const LIMIT: u64 = 64 << 20;

/// What to do with a file.
pub(super) enum Want {
    Picture,
    Text,
    /// Left out, unless its first bytes are those of a picture: that is an error.
    NoPicture,
    Skip,
    /// An error about this file.
    Refuse(String),
}

/// Files by their path inside.
pub(super) struct Album {
    pub(super) pictures: Vec<(String, Picture)>,
    pub(super) texts: Vec<(String, String)>,
    /// The archive, or the folder with the SHA-256 of all wanted files (path, length, content, in alphabetical order).
    pub(super) source: SourceFile,
}

/// Reads what `want` wants.
///
/// # Errors
/// If something cannot be read, is damaged or refused; the error names the file inside.
pub(super) fn read(path: &Path, want: &dyn Fn(&str) -> Want) -> Result<Album, DataError> {
    let (mut pictures, mut texts) = (Vec::new(), Vec::new());
    let (mut hasher, mut size) = (Sha256::new(), 0);
    archive::walk(path, &mut |inside, input| {
        let wrong = |message: &str| DataError::format(path, format!("{inside}: {message}"));
        let want = want(inside);
        match &want {
            Want::Skip => return Ok(()),
            Want::Refuse(message) => return Err(wrong(message)),
            Want::NoPicture => return no_picture(path, inside, input),
            Want::Picture | Want::Text => {}
        }
        let bytes = archive::content(path, inside, input, LIMIT)?;
        if path.is_dir() {
            hasher.update(format!("{inside}\n{}\n", bytes.len()));
            hasher.update(&bytes);
            size += bytes.len() as u64;
        }
        match want {
            Want::Picture => {
                pictures.push((inside.to_owned(), Picture::decode(&bytes).map_err(|e| wrong(&e))?));
            }
            _ => {
                let text = String::from_utf8(bytes).map_err(|_| wrong("not a text in UTF-8"))?;
                texts.push((inside.to_owned(), text));
            }
        }
        Ok(())
    })?;
    let source = if path.is_dir() {
        SourceFile { path: path.display().to_string(), bytes: size, sha256: idx::hex(&hasher.finalize()) }
    } else {
        SourceFile::of(path)?
    };
    Ok(Album { pictures, texts, source })
}

/// Refuses a file that is a picture whatever its name says.
fn no_picture(path: &Path, inside: &str, input: &mut dyn Read) -> Result<(), DataError> {
    let mut first = Vec::new();
    let read = input.take(kinds::ENOUGH as u64).read_to_end(&mut first);
    read.map_err(|e| DataError::format(path, format!("{inside}: cannot be read: {e}")))?;
    match kinds::by_content(&first) {
        Some(kind) => {
            let cure = format!("rename it ({}) or move it away", kinds::READ);
            Err(DataError::format(
                path,
                format!("{inside}: {kind} by its content, but not by its name: {cure}"),
            ))
        }
        None => Ok(()),
    }
}
