//! All probes by name: those of the core and those of the theory.

use realign::ConfigError;
use realign::probes::{PROBES as CORE, Probe};
use realign::registry::{self, Entry};
use std::sync::LazyLock;
use toml::Table;

macro_rules! probes {
    ($($path:path),*) => {
        static ALL: LazyLock<Vec<Entry<dyn Probe>>> = LazyLock::new(|| {
            let mut all = CORE.to_vec();
            all.extend([$($path),*]);
            all
        });
    };
}
probes!(crate::ledger::probe::ENTRY);

/// Every probe a spec can name.
pub fn all() -> &'static [Entry<dyn Probe>] {
    &ALL
}

/// Builds a probe from its table (`name` and options, without `every`).
///
/// # Errors
/// For unknown names and options, naming the known ones.
pub fn build(table: Table) -> Result<Box<dyn Probe>, ConfigError> {
    registry::build(all(), "probe", table)
}
