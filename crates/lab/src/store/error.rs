//! What can be wrong with a run directory.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// A run directory that cannot be used or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// Another process is at work there.
    #[error("run directory {path} is in use by another process", path = .0.display())]
    Locked(PathBuf),
    /// Another process has taken the run over, because this one had not been heard of for too long.
    #[error("run directory {path} has been taken over by another process", path = .0.display())]
    TakenOver(PathBuf),
    /// The directory vanished during the run.
    #[error("run directory {path} was deleted while the run was at work; the same command makes it again", path = .0.display())]
    Deleted(PathBuf),
    /// The directory holds a run of another spec.
    #[error("run directory {path} was made by another spec: {difference}; choose another --out or remove it", path = path.display())]
    OtherSpec {
        /// The directory.
        path: PathBuf,
        /// First line that differs.
        difference: String,
    },
    /// The data are not those that the run was made on.
    #[error(
        "run directory {path} was made on other data ({difference}); bring those back, or remove the directory to start over",
        path = path.display()
    )]
    OtherData {
        /// The directory.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The directory holds something else.
    #[error("{path} is not a run directory and not empty (it holds {found}); choose another --out", path = path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// A file of the run is damaged.
    #[error("{path}: {message}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| StoreError::Io { doing, path, source }
    }

    /// A JSON file that cannot be read, or this line of a file of JSON lines: with line and column.
    pub(crate) fn json(path: &Path, line: Option<usize>, error: &serde_json::Error) -> StoreError {
        let column = error.column();
        let text = error.to_string();
        let what = text.strip_suffix(&format!(" at line {} column {column}", error.line())).unwrap_or(&text);
        let message = format!("damaged at line {}, column {column}: {what}", line.unwrap_or(error.line()));
        StoreError::Damaged { path: path.to_path_buf(), message }
    }

    /// Whether the user chose an unusable directory.
    pub fn is_usage(&self) -> bool {
        use std::io::ErrorKind as K;
        match self {
            StoreError::Io { source, .. } => {
                matches!(
                    source.kind(),
                    K::PermissionDenied
                        | K::NotADirectory
                        | K::ReadOnlyFilesystem
                        | K::AlreadyExists
                        | K::StorageFull
                )
            }
            StoreError::Damaged { .. } | StoreError::Deleted(_) => false,
            _ => true,
        }
    }
}
