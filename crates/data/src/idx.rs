/*!
IDX files of unsigned bytes, plain or gzipped, read strictly.

Format (LeCun, Cortes & Burges, "The MNIST database of handwritten digits"): two zero bytes, the type (8 = unsigned
byte), the number of dimensions, one big-endian 32-bit extent per dimension, then the bytes. Any other length than the
header announces is an error, and so is any other element type.
*/

use crate::{DataError, SourceFile, archive, files};
use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The content of an IDX file.
#[derive(Debug)]
pub(crate) struct Idx {
    pub(crate) dims: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) source: SourceFile,
}

/// Larger contents than this are a damaged header, not data.
const LIMIT: usize = 1 << 33;

/// Reads a file with `rank` dimensions.
pub(crate) fn read(path: &Path, rank: u8) -> Result<Idx, DataError> {
    let packed = files::read(path)?;
    if let Some(kind) = archive::unread(&packed) {
        return Err(DataError::format(path, format!("{kind}, not an IDX file, plain or gzipped: unpack it")));
    }
    let source = SourceFile {
        path: path.display().to_string(),
        bytes: packed.len() as u64,
        sha256: hex(&Sha256::digest(&packed)),
    };
    let (dims, bytes) = if packed.starts_with(&[0x1F, 0x8B]) {
        let mut decoder = GzDecoder::new(&packed[..]);
        let content = parse(path, &mut decoder, rank)?;
        if !decoder.into_inner().is_empty() {
            return Err(DataError::format(path, "bytes follow the end of the gzip stream"));
        }
        content
    } else {
        parse(path, &mut &packed[..], rank)?
    };
    Ok(Idx { dims, bytes, source })
}

fn parse(path: &Path, input: &mut impl Read, rank: u8) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let mut header = vec![0u8; 4 + 4 * usize::from(rank)];
    input.read_exact(&mut header).map_err(|e| damaged(path, &e, "the IDX header"))?;
    let word = |k: usize| u32::from_be_bytes([header[k], header[k + 1], header[k + 2], header[k + 3]]);
    let expected = 0x0800 + u32::from(rank);
    if word(0) != expected {
        let found = word(0);
        let message = format!(
            "magic number {found} (0x{found:08x}), expected {expected} (0x{expected:08x}): \
             not an IDX file of unsigned bytes with {rank} dimension(s)"
        );
        return Err(DataError::format(path, message));
    }
    let dims: Vec<usize> = (1..=usize::from(rank)).map(|d| word(4 * d) as usize).collect();
    let length = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= LIMIT);
    let Some(length) = length else {
        return Err(DataError::format(path, format!("the header announces extents {dims:?}: too large")));
    };
    // One byte more than announced, so that a longer file is noticed and gzip's checksum is read.
    let mut bytes = Vec::with_capacity(length.min(1 << 28) + 1);
    let read = input.take(length as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| damaged(path, &e, &format!("{length} bytes of content (extents {dims:?})")))?;
    if bytes.len() != length {
        let found = if bytes.len() > length { "more".to_owned() } else { bytes.len().to_string() };
        let message =
            format!("the header announces {length} bytes (extents {dims:?}), the file holds {found}");
        return Err(DataError::format(path, message));
    }
    Ok((dims, bytes))
}

fn damaged(path: &Path, error: &std::io::Error, expected: &str) -> DataError {
    let what = match error.kind() {
        ErrorKind::UnexpectedEof => "truncated: it ends before".to_owned(),
        _ => format!("corrupt gzip stream ({error}) before the end of"),
    };
    DataError::format(path, format!("{what} {expected}"))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
