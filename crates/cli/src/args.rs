//! What can be typed.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use realign_lab::sweep::Shard;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0   done; also when a run diverged, which is a result (its status says so)
  1   failure while running: a download failed, a file does not verify, a bug
  2   something to correct: arguments, spec, data files, an output folder that cannot be written or belongs
      to another spec or process, a full disk
  75  stopped by SIGINT or SIGTERM after a checkpoint: run the same command again to resume
A sweep with failed runs ends with the code of the first error, after all other runs.";

/// Train networks by feedback alignment and see why they learn or fail.
#[derive(Parser)]
#[command(name = "realign", version, propagate_version = true, after_help = EXIT_CODES)]
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
    /// Before training: is convergence guaranteed? For a run directory: did the guarantee hold?
    Certify(CertifyArgs),
    /// How fast the loss had to fall by alignment dominance, and what it did
    Dominance(DominanceArgs),
    /// The experiments of Robertson & Koyejo (ICML 2024) again: runs, figures, verdicts, report
    Reproduce(ReproduceArgs),
    /// One page for a folder of runs, or for what `reproduce` made
    Report(ReportArgs),
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
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

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
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
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

const AUDIT_EXAMPLES: &str = "\
Examples:
  realign audit experiments/audit.toml
  realign audit experiments/audit.toml rule.name=sign_fa optimizer.momentum=0.9
  realign audit runs/quickstart-0123456789

The spec (or the run's own spec) is trained again from its seed with the ledger kept at every step; for a finished run the
weights at the end are compared with its last checkpoint, bit for bit. Exit code 0 if every layer closes, 1 if not.";

#[derive(Args)]
#[command(after_help = AUDIT_EXAMPLES)]
pub(crate) struct AuditArgs {
    /// A spec (TOML) or a run directory
    #[arg(value_name = "RUN_OR_SPEC")]
    pub(crate) target: PathBuf,
    /// Overrides, as for `run`
    #[arg(value_name = "key=value")]
    pub(crate) overrides: Vec<String>,
    /// Folder for figures, CSV and JSON [default: RUN/audit, or audits/NAME-ID for a spec]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const CERTIFY_HELP: &str = "\
Examples:
  realign certify spec.toml init.weight=class_means init.feedback=aligned
  realign certify runs/fa-1a2b3c4d5e

Exit codes:
  0   guaranteed (every run of a grid); for a run directory also: every unit aligned at each recorded step, loss under its bound
  1   not guaranteed, not covered, only some units, or the run did not keep (or did not measure) what was guaranteed
  2   something to correct";

#[derive(Args)]
#[command(after_help = CERTIFY_HELP)]
pub(crate) struct CertifyArgs {
    /// A spec (TOML), or the directory of a run
    #[arg(value_name = "SPEC.toml|RUN_DIR")]
    pub(crate) target: PathBuf,
    /// Overrides, as for `run`
    #[arg(value_name = "key=value")]
    pub(crate) overrides: Vec<String>,
    /// Look at a random sample of so many examples at most; 0 is all of them. A sample guarantees nothing
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) examples: usize,
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DominanceArgs {
    /// The directory of a run with the probe `decomposition`
    #[arg(value_name = "RUN_DIR")]
    pub(crate) run: PathBuf,
    /// Print exactly one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const REPRODUCE_EXAMPLES: &str = "\
Examples:
  realign reproduce
  realign reproduce robertson2024 --only fig2,min-norm
  realign reproduce --profile paper --data-dir DIR

MNIST, CIFAR-100 and Tiny-ImageNet are used where they are found (--data-dir, $REALIGN_DATA, the cache folder; get them with
`realign data fetch NAME`); else built-in drawn digits and glyphs stand in for them, and the report says so. Runs that are there are not made again; stopped at any point, the same
command goes on. DIR/report.html opens offline; figures and tables lie beside it, the runs in DIR/runs.";

#[derive(Args)]
#[command(after_help = format!("{REPRODUCE_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct ReproduceArgs {
    /// The paper
    #[arg(value_name = "PAPER", default_value = "robertson2024", value_parser = ["robertson2024"])]
    pub(crate) paper: String,
    /// Only these experiments: fig2 to fig7, table1 to table3, dominance, min-norm
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// quick: minutes, small networks; paper: full widths and seeds
    #[arg(long, value_name = "PROFILE", default_value = "quick", value_parser = ["quick", "paper"])]
    pub(crate) profile: String,
    /// Folder for the report and its runs [default: reproduce/PAPER-PROFILE]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// A folder of run directories, or one that `reproduce` made
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where report.html, figures and tables go [default: DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  realign check experiments/quickstart.toml rule.name=fa
  realign check experiments/quickstart.toml rule.name=fa,sign_fa,adafa,bp train.epochs=1
  realign check experiments/quickstart.toml rule.name=fa optimizer.momentum=0.9 --law heavy_ball --json
  realign check experiments/quickstart.toml rule.name=fa network.activation=tanh --force

Runs are made in f64 and kept nowhere. With optimizer.name=flow the flow is integrated once.
Exit code 0 if every law that applies holds, 1 if one does not or none applies.";

#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The spec (TOML)
    #[arg(value_name = "SPEC.toml")]
    pub(crate) spec: PathBuf,
    /// Overrides, as for `run`
    #[arg(value_name = "key=value")]
    pub(crate) overrides: Vec<String>,
    /// Only this law
    #[arg(long, value_name = "NAME")]
    pub(crate) law: Option<String>,
    /// Also laws whose assumptions fail: they should break
    #[arg(long)]
    pub(crate) force: bool,
    /// Threads [default: SLURM_CPUS_PER_TASK, else all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
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

#[derive(Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder; downloads go there
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// All data sets and whether their files are there
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a contact sheet (PNG): a few examples of every class
    Show {
        /// The data set
        name: String,
        /// Options of the data set, e.g. seed=1 label_noise=0.2
        #[arg(value_name = "key=value")]
        options: Vec<String>,
        /// The PNG [default: NAME.png]
        #[arg(long, value_name = "FILE.png")]
        out: Option<PathBuf>,
        /// Examples per class
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        per_class: u32,
    },
    /// Download a data set: mirrors in turn, resumed, size and SHA-256 checked
    Fetch {
        /// The data set
        name: String,
        /// Base address to fetch from instead of the published mirrors; may be given several times
        #[arg(long, value_name = "URL")]
        mirror: Vec<String>,
        /// No progress
        #[arg(long, short)]
        quiet: bool,
    },
    /// Compare the files of a data set with the published sizes and SHA-256
    Verify {
        /// The data set
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
