//! Arguments of `audit`, `certify`, `dominance` and `check`.

use super::Means;
use clap::Args;
use std::path::PathBuf;

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
    #[command(flatten)]
    pub(crate) means: Means,
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

GUARANTEED FOR THE FLOW is about infinitely small steps; GUARANTEED AT THIS RATE also about the run's own. VACUOUS marks a bound that does not halve the loss
within the run.

Exit codes:
  0   guaranteed for the training of every run: AT THIS RATE, or FOR THE FLOW with optimizer.name=flow (VACUOUS or not); for a run directory also: every unit
      aligned at each recorded step, loss under its bound
  1   guaranteed for the flow only while the run makes steps, not covered, only some units, or the run did not keep (or did not measure) what was guaranteed
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
    #[command(flatten)]
    pub(crate) means: Means,
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
    #[command(flatten)]
    pub(crate) means: Means,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
