//! Arguments of `run` and `sweep`.

use super::{EXIT_CODES, Means};
use clap::{Args, Subcommand};
use realign_lab::sweep::Shard;
use std::path::PathBuf;

const RUN_EXAMPLES: &str = "\
Examples:
  realign run experiments/quickstart.toml
  realign run experiments/quickstart.toml data.name=mnist
  realign run experiments/quickstart.toml rule.name=fa optimizer.lr=0.05 --json
  realign run experiments/quickstart.toml --dry-run
  realign run experiments/quickstart.toml --shard 0/4

A run directory that exists is resumed if it is unfinished and read if it is done; nothing runs twice.
A grid runs one thread per run, up to --threads runs at a time; a single run uses its threads itself.
Several processes, on one machine or on many with a common file system, may run the same spec into the same folder: they share
its runs. Results do not depend on --threads or on the number of processes.";

#[derive(Args)]
#[command(after_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct RunArgs {
    /// The spec (TOML)
    #[arg(value_name = "SPEC.toml")]
    pub(crate) spec: PathBuf,
    /// Overrides, e.g. rule.name=fa optimizer.lr=0.05 network.widths=[784,100,10]
    #[arg(value_name = "key=value")]
    pub(crate) overrides: Vec<String>,
    /// Run directory; for a grid, the folder of the run directories [default: below runs/]
    #[arg(long, value_name = "DIR", value_parser = super::paths::folder)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) means: Means,
    /// Print exactly one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but errors and where the result is
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Check the spec and list its runs without running them
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make only part I of N of the runs, counted from 0; tuning runs are shared by all parts
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Do not wait for runs that other processes are at work on
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Take over a run of another machine if nothing was heard of it for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) stale_after: u32,
}

#[derive(Args)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) command: SweepCommand,
}

#[derive(Subcommand)]
pub(crate) enum SweepCommand {
    /// Where each run stands: done, diverged, running, stale, stopped, failed (with its error) or queued
    Status {
        /// The folder of a sweep
        dir: PathBuf,
        /// Print exactly one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make failed runs runnable again for processes at work; one that starts later tries them anyway
    Retry {
        /// The folder of a sweep
        dir: PathBuf,
        /// Print exactly one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write results.csv and results.parquet: a row per run, whatever became of it
    Collect {
        /// The folder of a sweep
        dir: PathBuf,
        /// Also metrics.parquet: all rows of all runs
        #[arg(long)]
        metrics: bool,
        /// Print exactly one JSON object
        #[arg(long)]
        json: bool,
    },
}
