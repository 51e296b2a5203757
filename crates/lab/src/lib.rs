/*!
From a spec file to finished runs on disk.

The line is straight: [`Spec::load`] reads one TOML file and the overrides of the command line and expands its grid
into [`RunSpec`]s; [`run()`] (or [`run_all`]) turns one into a [`realign::train::Setup`], trains it and stores rows,
checkpoints and a summary in its run directory. A run's id is the hash of its resolved spec; running it again resumes
it, or hands back its report if it has ended.
*/

pub mod audit;
mod error;
pub mod export;
pub mod figure;
pub mod program;
pub mod report;
pub mod reproduce;
mod run;
pub mod settings;
pub mod spec;
pub mod stats;
pub mod store;
pub mod sweep;
pub mod table;
pub mod theory;

pub use error::LabError;
pub use run::{Observer, Out, RunOptions, Silent, run, run_all};
pub use spec::{Choice, Metric, PLAIN_KEYS, Place, RunSpec, Spec, SpecError, Tune};
pub use store::{RunReport, Status, StoreError};
