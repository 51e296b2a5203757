//! What a data set says about itself, and the table of all of them.

pub use crate::allowed::{Allowed, OptionDoc};
use crate::{DataError, Dataset, Dirs, Source, config::Options, names, sets};
use realign_tensor::Rng;
use serde::Serialize;

/// One data set: what it is, its options and how to get it.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Name used in specs.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Made from a seed, or read from files.
    pub kind: Kind,
    /// Number of classes; `None` when an option sets it or the targets are real vectors.
    pub classes: Option<usize>,
    /// Class names in label order; empty when they are just numbers.
    pub class_names: &'static [&'static str],
    /// Shape of one example, in words where options set it.
    pub shape: &'static str,
    /// What to cite, as BibTeX.
    pub citation: &'static str,
    /// Under which terms the examples may be used.
    pub licence: &'static str,
    /// Options of this data set alone ([`crate::common_options`] has those of all).
    pub options: &'static [OptionDoc],
    /// Files and where to get them; `None` for procedural sets.
    pub download: Option<Download>,
    /// Builds or reads the whole data set before any common option is applied.
    #[serde(skip)]
    pub(crate) build: fn(&Request<'_>) -> Result<Raw, DataError>,
}

/// Where examples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Made from the seed; needs nothing.
    Procedural,
    /// Read from files.
    Real,
}

/// The files of a real data set and where to get them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Download {
    /// Sub-folder that `fetch` fills.
    pub folder: &'static str,
    /// Sub-folders in which the files are looked for, in order; "" is the data folder itself.
    pub folders: &'static [&'static str],
    /// Base addresses, tried in turn.
    pub mirrors: &'static [&'static str],
    /// The files.
    pub files: &'static [RemoteFile],
    /// Other layouts that are read too, each the names of files of one folder, plain or `.gz`; a name that ends with `/` is
    /// a folder, and one `*` stands for any characters. Nothing is published to compare them with.
    pub layouts: &'static [&'static [&'static str]],
}

/// One published file.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RemoteFile {
    /// File name, also the end of its address.
    pub name: &'static str,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal; empty where none is published, and then the size alone is compared.
    pub sha256: &'static str,
    /// SHA-256 of the unpacked file; empty when it is an archive.
    pub unpacked_sha256: &'static str,
}

impl RemoteFile {
    /// Whether a file of this size and SHA-256 is the published one, as far as that can be told.
    pub(crate) fn is(&self, bytes: u64, sha256: &str) -> bool {
        bytes == self.bytes && (self.sha256.is_empty() || sha256 == self.sha256)
    }
}

/// What a data set is built from.
pub(crate) struct Request<'a> {
    pub(crate) entry: &'static Entry,
    pub(crate) options: &'a Options,
    /// The sub-tree that this data set draws its examples from.
    pub(crate) rng: Rng,
    pub(crate) dirs: &'a Dirs,
}

/// A whole data set before any common option is applied.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) train: Dataset,
    pub(crate) test: Option<Dataset>,
    pub(crate) source: Source,
    /// Official labels (ascending) and names of the classes that the files hold; `None` = all those of the entry.
    pub(crate) classes: Option<Vec<(u32, String)>>,
}

impl Raw {
    /// A data set that holds every class of its entry.
    pub(crate) fn whole(train: Dataset, test: Option<Dataset>, source: Source) -> Raw {
        Raw { train, test, source, classes: None }
    }
}

/// All data sets.
pub fn registry() -> &'static [Entry] {
    sets::ALL
}

/// The data set called `name`.
///
/// # Errors
/// For an unknown name; the message has the nearest known one.
pub fn entry(name: &str) -> Result<&'static Entry, DataError> {
    registry().iter().find(|e| e.name == name).ok_or_else(|| DataError::Unknown(unknown(name)))
}

pub(crate) fn unknown(name: &str) -> String {
    let known: Vec<&str> = registry().iter().map(|e| e.name).collect();
    format!("unknown data set \"{name}\"; {}", names::suggest(name, &known))
}
