//! Everything a user can get wrong about data: one enum, every message names the file or key, the value and what is allowed.

use crate::{shown, shown_path};
use std::path::PathBuf;
use thiserror::Error;

/// A key of the `[data]` table that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("data.{key}: {message}", message = shown(message))]
pub struct ConfigError {
    /// The key inside `[data]`, without the prefix `data.`.
    pub key: String,
    /// What is wrong with its value, and what is allowed or the nearest known name.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(key: &str, message: impl Into<String>) -> Self {
        ConfigError { key: key.to_owned(), message: message.into() }
    }
}

/// What can go wrong between the name of a data set and its tensors.
#[derive(Debug, Error)]
pub enum DataError {
    /// An option is unknown, of the wrong type, out of range, or does not fit the data.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No data set of this name.
    #[error("{0}")]
    Unknown(String),
    /// The files of a real data set are nowhere.
    #[error(
        "data set \"{name}\" not found; looked for {files} (plain or .gz) in{places}\n\
         download it with `realign data fetch {name}`, or say where it is with --data-dir or $REALIGN_DATA"
    )]
    NotFound {
        /// The data set.
        name: String,
        /// Its files.
        files: String,
        /// One line per folder and per file that is there but not read, each after a line break; paths as [`shown`].
        places: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = shown_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// A file is there but is not what it should be.
    #[error("{path}: {message}", path = shown_path(path), message = shown(message))]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
    /// No mirror gave a good copy.
    #[error("could not fetch {file}:{attempts}")]
    Fetch {
        /// The file.
        file: String,
        /// One line per attempt, each after a line break.
        attempts: String,
    },
    /// The operation does not apply to this data set.
    #[error("data set \"{name}\": {message}")]
    Unfit {
        /// The data set.
        name: String,
        /// Why it does not apply.
        message: String,
    },
}

impl DataError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        DataError::Io { path: path.into(), source }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        DataError::Format { path: path.into(), message: message.into() }
    }
}
