/*!
Pictures decoded once and kept.

Decoding a folder or archive of JPEGs takes longer than a short run, so the bytes of all pictures are kept in one file of
`$XDG_CACHE_HOME/realign/decoded` (or `~/.cache/realign/decoded`). Its name is a hash of the source's path and of sizes
and times of change of all its files, so a changed source is decoded anew; the file also holds the SHA-256 of its own
content, so a cut or damaged one is noticed and made again. The decoder's version is part of the name too: pixels depend on it. It is written under another name and renamed, so several
processes can decode at once and none ever sees half a file. A cache that cannot be written (no home, a full or read-only
disk) costs the time of decoding, nothing else.

The file: a line of magic, the SHA-256 of the rest, the length of a TOML header, the header, then labels (32 bits, little
endian) and pixels of train and test.
*/

use crate::dataset::channel_constants;
use crate::idx::hex;
use crate::picture::JPEG_DECODER;
use crate::registry::Raw;
use crate::{DataError, Dataset, Features, Source, SourceFile, Targets, files};
use realign_tensor::Shape;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// Changes whenever decoding or the file's layout does.
const MAGIC: &[u8; 18] = b"realign decoded 2\n";

/// A whole data set of pictures of one size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// Names in label order.
    pub(crate) classes: Vec<String>,
    /// Channels, height, width.
    pub(crate) shape: [usize; 3],
    pub(crate) train: Split,
    pub(crate) test: Option<Split>,
    pub(crate) source: SourceFile,
}

/// Labels and pixels of one split.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Split {
    pub(crate) labels: Vec<u32>,
    pub(crate) pixels: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    shape: [usize; 3],
    train: usize,
    test: Option<usize>,
    classes: Vec<String>,
    source: SourceFile,
}

impl Decoded {
    /// As a data set; constants are those of the train pictures.
    pub(crate) fn into_raw(self, name: &str) -> Raw {
        let [channels, height, width] = self.shape;
        let (mean, sd) = channel_constants(&self.train.pixels, channels, height * width);
        let classes = self.classes.len();
        let set = |split: &str, part: Split| Dataset {
            name: format!("{name}/{split}"),
            features: Features::U8 { pixels: part.pixels, mean: mean.clone(), sd: sd.clone() },
            targets: Targets::Classes { labels: part.labels, classes },
            example_shape: Shape::new(&self.shape),
        };
        Raw {
            train: set("train", self.train),
            test: self.test.map(|t| set("test", t)),
            source: Source::Files(vec![self.source]),
            classes: Some((0..).zip(self.classes).collect()),
        }
    }
}

/// What `make` decodes from `source`, from the folder `cache` if it is there.
///
/// # Errors
/// If the source cannot be listed, and those of `make`.
pub(crate) fn cached(
    source: &Path,
    kind: &str,
    cache: Option<&Path>,
    make: impl FnOnce() -> Result<Decoded, DataError>,
) -> Result<Decoded, DataError> {
    let Some(folder) = cache else { return make() };
    let file = folder.join(format!("{kind}-{}", &state(source)?[..32]));
    if let Some(mut decoded) = files::open(&file).ok().and_then(|f| read(f).ok()) {
        // Where it was found this time, not where it was when it was decoded.
        decoded.source.path = source.display().to_string();
        return Ok(decoded);
    }
    let decoded = make()?;
    // Without a cache the next run decodes again; that is all.
    let _ = write(folder, &file, &decoded);
    Ok(decoded)
}

fn state(source: &Path) -> Result<String, DataError> {
    state_under(JPEG_DECODER, source)
}

/// Hash of the decoder, of the source's path and of names, sizes and times of change of all its files that are not hidden.
fn state_under(decoder: &str, source: &Path) -> Result<String, DataError> {
    let path = source.canonicalize().map_err(|e| DataError::io(source, e))?;
    let mut hasher = Sha256::new_with_prefix(MAGIC);
    hasher.update(decoder);
    hasher.update(path.as_os_str().as_encoded_bytes());
    let mut add = |path: &Path, meta: &Metadata| -> Result<(), DataError> {
        let changed = meta.modified().map_err(|e| DataError::io(path, e))?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        hasher.update(meta.len().to_le_bytes());
        hasher.update(changed.as_nanos().to_le_bytes());
        Ok(())
    };
    let meta = std::fs::metadata(&path).map_err(|e| DataError::io(&path, e))?;
    if !meta.is_dir() {
        add(&path, &meta)?;
        return Ok(hex(&hasher.finalize()));
    }
    let mut names = Sha256::new();
    files::walk(&path, &mut |item| {
        // Lengths keep names apart; a folder counts by its name alone, since what is hidden in it may change.
        names.update(item.inside.len().to_le_bytes());
        names.update(&item.inside);
        names.update([u8::from(item.meta.is_dir())]);
        if item.meta.is_dir() { Ok(()) } else { add(&item.path, &item.meta) }
    })?;
    hasher.update(names.finalize());
    Ok(hex(&hasher.finalize()))
}

/// Everything after the checksum, piece by piece.
fn pieces(decoded: &Decoded, out: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let header = Header {
        shape: decoded.shape,
        train: decoded.train.labels.len(),
        test: decoded.test.as_ref().map(|t| t.labels.len()),
        classes: decoded.classes.clone(),
        source: decoded.source.clone(),
    };
    let header = toml::to_string(&header).map_err(std::io::Error::other)?;
    out(&(header.len() as u64).to_le_bytes())?;
    out(header.as_bytes())?;
    for split in std::iter::once(&decoded.train).chain(&decoded.test) {
        out(&split.labels.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>())?;
        out(&split.pixels)?;
    }
    Ok(())
}

fn write(folder: &Path, file: &Path, decoded: &Decoded) -> std::io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(folder)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let part: PathBuf = file.with_extension(format!("{}-{number}.part", std::process::id()));
    let mut hasher = Sha256::new();
    pieces(decoded, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    let fill = || {
        let mut out = File::create(&part)?;
        // Held while this process lives, so that others can tell a part under work from one that was left behind.
        let _ = out.try_lock();
        out.write_all(MAGIC)?;
        out.write_all(&hasher.finalize())?;
        pieces(decoded, &mut |bytes| out.write_all(bytes))?;
        std::fs::rename(&part, file)
    };
    remove_dead_parts(folder);
    fill().inspect_err(|_| drop(std::fs::remove_file(&part)))
}

/// Removes what processes that were killed while writing have left in the cache. Where files cannot be locked nothing is removed.
fn remove_dead_parts(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "part")) {
        if files::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// A reader that hashes what it has read.
struct Hashed {
    input: BufReader<File>,
    hasher: Sha256,
    left: u64,
}

impl Hashed {
    /// The next `n` bytes; an error when the file has fewer, before anything is allocated.
    fn take(&mut self, n: usize) -> std::io::Result<Vec<u8>> {
        self.left = self.left.checked_sub(n as u64).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut bytes = vec![0; n];
        self.input.read_exact(&mut bytes)?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn split(&mut self, n: usize, size: usize) -> std::io::Result<Split> {
        let length = |size: usize| n.checked_mul(size).ok_or(std::io::ErrorKind::InvalidData);
        let labels = self.take(length(4)?)?;
        let labels = labels.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Split { labels, pixels: self.take(length(size)?)? })
    }
}

/// A whole, undamaged file.
fn read(file: File) -> std::io::Result<Decoded> {
    let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let left = file.metadata()?.len();
    let mut input = BufReader::new(file);
    let (mut magic, mut sum) = ([0; MAGIC.len()], [0; 32]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut sum)?;
    if magic != *MAGIC {
        return Err(damaged());
    }
    let mut input = Hashed { input, hasher: Sha256::new(), left: left - MAGIC.len() as u64 - 32 };
    let length = input.take(8)?;
    let length = length.iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b));
    let header = String::from_utf8(input.take(length)?).map_err(|_| damaged())?;
    let header: Header = toml::from_str(&header).map_err(|_| damaged())?;
    let size = header.shape.iter().product();
    let train = input.split(header.train, size)?;
    let test = header.test.map(|n| input.split(n, size)).transpose()?;
    if input.left > 0 || input.hasher.finalize()[..] != sum {
        return Err(damaged());
    }
    Ok(Decoded { classes: header.classes, shape: header.shape, train, test, source: header.source })
}

#[cfg(test)]
#[path = "decoded_tests.rs"]
mod tests;
