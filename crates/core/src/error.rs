//! What a user can get wrong, as values.

use thiserror::Error;

/// A setting that cannot be used. `key` is relative to the table that was being read and may be empty.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}{message}", if key.is_empty() { String::new() } else { format!("{key}: ") })]
pub struct ConfigError {
    /// Dotted key at fault, relative to the table read.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl ConfigError {
    /// An error at `key`.
    pub fn new(key: &str, message: impl Into<String>) -> Self {
        ConfigError { key: key.to_string(), message: message.into() }
    }

    /// The same error seen from the table that holds this one under `parent`.
    pub fn under(mut self, parent: &str) -> Self {
        self.key = if self.key.is_empty() { parent.to_string() } else { format!("{parent}.{}", self.key) };
        self
    }
}

impl From<realign_data::ConfigError> for ConfigError {
    fn from(e: realign_data::ConfigError) -> Self {
        ConfigError { key: e.key, message: e.message }
    }
}

impl From<ConfigError> for realign_data::ConfigError {
    fn from(e: ConfigError) -> Self {
        realign_data::ConfigError { key: e.key, message: e.message }
    }
}

/// Anything that can go wrong outside the program.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Reading or making data failed.
    #[error(transparent)]
    Data(#[from] realign_data::DataError),
    /// A checkpoint does not fit the network or is damaged.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A flow could not be integrated further.
    #[error(
        "flow at time {time}: {reason}; try a larger optimizer.rtol, optimizer.atol or optimizer.min_step"
    )]
    Flow {
        /// Time reached.
        time: f64,
        /// Why it ended there.
        reason: String,
    },
    /// A sink could not store what it was given.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The system's answer.
        source: std::io::Error,
    },
}
