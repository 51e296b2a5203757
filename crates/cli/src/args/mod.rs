//! What can be typed: the commands here, their arguments by theme below.

mod data;
mod export;
mod paths;
mod report;
mod run;
mod theory;

pub(crate) use data::{DataArgs, DataCommand};
pub(crate) use export::ExportArgs;
pub(crate) use report::{ReportArgs, ReproduceArgs};
pub(crate) use run::{RunArgs, SweepArgs, SweepCommand};
pub(crate) use theory::{AuditArgs, CertifyArgs, CheckArgs, DominanceArgs};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use realign_data::Dirs;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0   done; also when a run diverged, which is a result (its status says so)
  1   failure while running: a download failed, a file does not verify, a bug; or `report`, `sweep collect`
      and the results of a sweep had to leave out a run with a damaged file
  2   something to correct: arguments, spec, data files, an output folder that cannot be written or belongs
      to another spec or process, a full disk
  75  stopped by SIGINT or SIGTERM after a checkpoint: run the same command again to resume
A sweep with failed runs ends with the code of the first error, after all other runs.";

/// Train networks by feedback alignment and see why they learn or fail.
#[derive(Parser)]
#[command(name = "realign", version = realign_lab::program::NAMED, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Train what a spec describes: one run, or every run of its grid
    Run(RunArgs),
    /// Look after a sweep: status, retry, collect
    Sweep(SweepArgs),
    /// Close the books of a run: every change of each unit's potential with its cause
    Audit(AuditArgs),
    /// Compare conservation laws with training at eta, eta/2 and eta/4
    Check(CheckArgs),
    /// Laws, or one of them: statement, assumptions, order, citation
    Laws(ListArgs),
    /// Learning rules, or one of them: formula, citation, options
    Rules(ListArgs),
    /// Probes: what can be measured during a run
    Probes(ListArgs),
    /// Layers and activations
    Layers(ListArgs),
    /// Losses
    Losses(ListArgs),
    /// Network models
    Models(ListArgs),
    /// Initial distributions of W, b and B
    Inits(ListArgs),
    /// Data sets and their options
    Datasets(ListArgs),
    /// Optimizers
    Optimizers(ListArgs),
    /// Learning-rate schedules
    Schedules(ListArgs),
    /// Keys of a spec that belong to none of these, by section: default and range
    Keys(ListArgs),
    /// Before training: is convergence guaranteed? For a run directory: did the guarantee hold?
    Certify(CertifyArgs),
    /// How fast the loss had to fall by alignment dominance, and what it did
    Dominance(DominanceArgs),
    /// The experiments of Robertson & Koyejo (ICML 2024) again: runs, figures, verdicts, report
    Reproduce(ReproduceArgs),
    /// One page for a folder of runs, or for what `reproduce` made
    Report(ReportArgs),
    /// What another program needs to replay a run: its batches, its examples
    Export(ExportArgs),
    /// BibTeX of everything a spec uses
    Cite(CiteArgs),
    /// Data sets: list, show, fetch, verify
    Data(DataArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff), or write one page per command into a folder
    #[command(hide = true)]
    Man {
        /// Folder for one page per command
        #[arg(long, value_name = "DIR", value_parser = paths::folder)]
        out: Option<PathBuf>,
    },
}

// What a command that trains or reads data is given. No doc comment: clap would take it for the text of the command.
#[derive(Args)]
pub(crate) struct Means {
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR", value_parser = data_folder)]
    data_dir: Option<PathBuf>,
}

impl Means {
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(usual_threads, |n| n as usize)
    }

    pub(crate) fn dirs(&self) -> Dirs {
        Dirs { data_dir: self.data_dir.clone() }
    }
}

/// A folder that is there: where it is not, the next place in the order might hold other data.
fn data_folder(path: &str) -> Result<PathBuf, String> {
    let dirs = Dirs { data_dir: Some(PathBuf::from(path)) };
    dirs.check().map_err(|e| e.to_string())?;
    Ok(PathBuf::from(path))
}

/// `SLURM_CPUS_PER_TASK`, else all cores.
fn usual_threads() -> usize {
    let slurm = std::env::var("SLURM_CPUS_PER_TASK").ok().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    slurm.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Show this one with its options
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CiteArgs {
    /// The spec (TOML)
    #[arg(value_name = "SPEC.toml")]
    pub(crate) spec: PathBuf,
    /// Overrides, as for `run`
    #[arg(value_name = "key=value")]
    pub(crate) overrides: Vec<String>,
}
