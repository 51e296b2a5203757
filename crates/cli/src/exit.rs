//! Exit codes, as documented in `realign --help`.

use realign_data::DataError;
use realign_lab::LabError;
use std::fmt;
use std::process::ExitCode;

/// Stopped by a signal after a checkpoint (`EX_TEMPFAIL`: try again).
pub(crate) const STOPPED: u8 = 75;
/// Failure while running.
pub(crate) const FAILED: u8 = 1;
/// `check`: no law is refuted, but the steps are too large to show that they hold.
pub(crate) const TOO_LARGE: u8 = 3;
/// Something for the user to correct.
pub(crate) const CORRECT: u8 = 2;

/// Something for the user to correct that no library error says.
#[derive(Debug)]
pub(crate) struct UserError(pub(crate) String);

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UserError {}

/// The exit code of an error: most are about input and folders, which the user can correct.
pub(crate) fn of(error: &anyhow::Error) -> ExitCode {
    let failed = error.chain().any(|e| {
        matches!(e.downcast_ref(), Some(DataError::Fetch { .. }))
            || e.downcast_ref::<LabError>().is_some_and(|e| !e.is_usage())
    });
    ExitCode::from(if failed { FAILED } else { CORRECT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_download_is_no_mistake_of_the_user() {
        let fetch = DataError::Fetch { file: "f".into(), attempts: String::new() };
        assert_eq!(of(&anyhow::Error::new(fetch).context("fetch")), ExitCode::from(FAILED));
        assert_eq!(of(&UserError("x".into()).into()), ExitCode::from(CORRECT));
    }
}
