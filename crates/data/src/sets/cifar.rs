/*!
The CIFAR binary version (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): records without a
header, one or two label bytes, then 1024 red, 1024 green and 1024 blue bytes, row by row.

Read plain or gzipped, or straight from the official `.tar.gz`, or from the Python version, packed as published or unpacked as
by torchvision ([`super::pickle`]). Cuts to some of the classes, labels unchanged, are read like whole sets; the classes that are there
are those of the train examples. Normalisation constants are computed from the train examples that are there; a whole set
gives the published ones. A file cut off exactly between two records cannot be told from a smaller set.
*/

use crate::dataset::channel_constants;
use crate::registry::{Raw, Request};
use crate::{DataError, Dataset, Features, Source, SourceFile, Targets, archive, dirs, files};
use flate2::bufread::GzDecoder;
use realign_tensor::Shape;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// Pixels of one channel.
pub(super) const PLANE: usize = 32 * 32;
/// Bytes of one image.
pub(super) const IMAGE: usize = 3 * PLANE;

/// What distinguishes CIFAR-10 from CIFAR-100.
pub(super) struct Format {
    /// The label bytes of a record: what they are called and how many classes they have.
    pub(super) labels: &'static [(&'static str, usize)],
    /// Files with the train and test records, in order.
    pub(super) train: &'static [&'static str],
    pub(super) test: &'static [&'static str],
    /// Keys of the labels in the Python version, in the order of `labels`.
    pub(super) python_labels: &'static [&'static [u8]],
}

/// Labels and images of one file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) labels: Vec<u8>,
    pub(super) pixels: Vec<u8>,
}

/// Which of the label bytes are the labels, and what they mean.
pub(super) struct Labels {
    /// Position in [`Format::labels`].
    pub(super) which: usize,
    pub(super) names: &'static [&'static str],
}

/// Layouts of a download: the archive of the binary version, its files, the archive of the Python version; all others are files
/// of the Python version.
const ARCHIVE: usize = 0;
const BINARY: usize = 1;
const PYTHON_ARCHIVE: usize = 2;

/// No file of the Python version is larger than this.
const PICKLE: u64 = 1 << 28;

/// Reads the data set with these labels.
pub(super) fn build(request: &Request<'_>, format: &Format, labels: &Labels) -> Result<Raw, DataError> {
    let name = request.entry.name;
    let download = request.entry.download.as_ref().expect("CIFAR has files");
    let found = dirs::find(request.entry, download, request.dirs)?;
    let sources = found.paths.iter().map(|p| SourceFile::of(p)).collect::<Result<_, _>>()?;
    let (train, test) = if [ARCHIVE, PYTHON_ARCHIVE].contains(&found.layout) {
        from_archive(&found.paths[0], format, labels.which, found.layout == PYTHON_ARCHIVE)?
    } else {
        let read = |path: &Path| match found.layout {
            BINARY => from_file(path, format, labels.which),
            _ => super::pickle::read(path, format, labels.which),
        };
        let (train_paths, test_paths) = found.paths.split_at(found.paths.len() - format.test.len());
        let all = |paths: &[std::path::PathBuf]| paths.iter().map(|p| read(p)).collect::<Result<Vec<_>, _>>();
        (joined(all(train_paths)?), joined(all(test_paths)?))
    };
    let (mean, sd) = channel_constants(&train.pixels, 3, PLANE);
    let mut there: Vec<u32> = train.labels.iter().map(|&l| u32::from(l)).collect();
    there.sort_unstable();
    there.dedup();
    let named = |l: u32| (l, labels.names[l as usize].to_owned());
    let set = |split: &str, part: Part| Dataset {
        name: format!("{name}/{split}"),
        features: Features::U8 { pixels: part.pixels, mean: mean.clone(), sd: sd.clone() },
        targets: Targets::Classes {
            labels: part.labels.into_iter().map(u32::from).collect(),
            classes: labels.names.len(),
        },
        example_shape: Shape::new(&[3, 32, 32]),
    };
    Ok(Raw {
        train: set("train", train),
        test: Some(set("test", test)),
        source: Source::Files(sources),
        classes: Some(there.into_iter().map(named).collect()),
    })
}

fn joined(parts: Vec<Part>) -> Part {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.labels.extend(part.labels);
        all.pixels.extend(part.pixels);
    }
    all
}

/// Train and test records of the official archive, in whatever order and folder it has them.
fn from_archive(path: &Path, format: &Format, which: usize, python: bool) -> Result<(Part, Part), DataError> {
    // "data_batch_1.bin.gz" of the list is "data_batch_1.bin" or "data_batch_1" in the archive.
    let packed = |n: &&'static str| {
        let n = n.trim_end_matches(".gz");
        if python { n.trim_end_matches(".bin") } else { n }
    };
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    archive::walk(path, &mut |inside, input| {
        let file = inside.rsplit('/').next().unwrap_or(inside);
        if format.train.iter().chain(format.test).any(|n| packed(n) == file) {
            let part = if python {
                super::pickle::parse(&archive::content(path, inside, input, PICKLE)?, format, which)
            } else {
                records(input, format, which)
            };
            let part = part.map_err(|message| DataError::format(path, format!("{inside}: {message}")))?;
            if parts.insert(file.to_owned(), part).is_some() {
                return Err(DataError::format(path, format!("{inside}: a second {file} in this archive")));
            }
        }
        Ok(())
    })?;
    let mut take = |names: &[&'static str]| {
        let part = |n: &&'static str| {
            let n = packed(n);
            parts.remove(n).ok_or_else(|| DataError::format(path, format!("no file {n} in this archive")))
        };
        names.iter().map(part).collect::<Result<Vec<_>, _>>().map(joined)
    };
    Ok((take(format.train)?, take(format.test)?))
}

fn from_file(path: &Path, format: &Format, which: usize) -> Result<Part, DataError> {
    let wrap = |e| DataError::io(path, e);
    let mut file = BufReader::with_capacity(1 << 16, files::open(path)?);
    let packed = file.fill_buf().map_err(wrap)?.starts_with(&[0x1F, 0x8B]);
    let part = if packed {
        let mut content = GzDecoder::new(&mut file);
        let part = records(&mut content, format, which);
        match part {
            Ok(_) if !file.fill_buf().map_err(wrap)?.is_empty() => {
                Err("bytes follow the end of the gzip stream".to_owned())
            }
            part => part,
        }
    } else {
        records(&mut file, format, which)
    };
    part.map_err(|message| DataError::format(path, message))
}

/// Reads records to the end.
fn records(input: &mut dyn Read, format: &Format, which: usize) -> Result<Part, String> {
    let heads = format.labels.len();
    let size = heads + IMAGE;
    let (mut part, mut record) = (Part::default(), vec![0; size]);
    loop {
        let number = part.labels.len();
        match fill(input, &mut record) {
            Ok(0) if number == 0 => return Err("holds no record".to_owned()),
            Ok(0) => return Ok(part),
            Ok(n) if n < size => return Err(odd_length(number * size + n, size, heads)),
            Ok(_) => {}
            Err(e) => {
                let at = number * size;
                return Err(format!(
                    "damaged or truncated: {e}, in record {number} (from byte {at} of the content)"
                ));
            }
        }
        check_labels(&record[..heads], number, Some(number * size), format)?;
        part.labels.push(record[which]);
        part.pixels.extend_from_slice(&record[heads..]);
    }
}

/// Refuses labels that no class has. `at` is where the record begins, if it is one.
pub(super) fn check_labels(
    labels: &[u8],
    number: usize,
    at: Option<usize>,
    format: &Format,
) -> Result<(), String> {
    for (k, (&label, (what, classes))) in labels.iter().zip(format.labels).enumerate() {
        if usize::from(label) >= *classes {
            let place = at.map_or_else(String::new, |at| format!(" (byte {})", at + k));
            let last = classes - 1;
            return Err(format!(
                "{what} {label} of record {number}{place} is out of range: expected 0 to {last}"
            ));
        }
    }
    Ok(())
}

fn odd_length(length: usize, size: usize, heads: usize) -> String {
    let (whole, rest) = (length / size, length % size);
    let mut message = format!(
        "truncated or not of this format: {length} bytes are {whole} records of {size} bytes and {rest} bytes of another"
    );
    let other = if heads == 1 { (IMAGE + 2, "CIFAR-100") } else { (IMAGE + 1, "CIFAR-10") };
    if length.is_multiple_of(other.0) {
        message += &format!("; it has the length of a file of {}", other.1);
    }
    message
}

/// Reads until `record` is full or the input ends; the number of bytes read.
fn fill(input: &mut dyn Read, record: &mut [u8]) -> std::io::Result<usize> {
    let mut n = 0;
    while n < record.len() {
        match input.read(&mut record[n..]) {
            Ok(0) => break,
            Ok(k) => n += k,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

#[cfg(test)]
#[path = "cifar_tests.rs"]
mod tests;
