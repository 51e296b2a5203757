//! Which program this is: version and commit, built in (`build.rs`).

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, or `unknown` where neither git nor the package told.
pub const COMMIT: &str = env!("REALIGN_COMMIT");

/// Version and commit, as `realign --version` prints them.
pub const NAMED: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("REALIGN_SOURCE"), ")");

/// Whether the sources that results depend on differed from that commit; `None` where nobody knows.
pub fn modified() -> Option<bool> {
    env!("REALIGN_MODIFIED").parse().ok()
}
