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
weights at the end are compared with its last checkpoint, bit for bit.

Exit codes:
  0   every layer with a law closes, conserved or not, and something was exchanged; also up to the step at which a run diverged
  1   a layer does not close, rounding leaves no statement, nothing was exchanged, there is no law, or the run's weights are others
  2   something to correct";

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
    #[arg(long, value_name = "DIR", value_parser = super::paths::folder)]
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
  realign check experiments/audit.toml optimizer.lr=0.01 network.widths=[784,100,10]
  realign check experiments/audit.toml optimizer.lr=0.005 network.widths=[784,100,10] rule.name=bp,fa,sign_fa,adafa
  realign check experiments/audit.toml optimizer.lr=0.0005 network.widths=[784,30,10] optimizer.momentum=0.9 train.epochs=2 --law heavy_ball
  realign check experiments/audit.toml optimizer.lr=0.01 network.widths=[784,100,10] network.activation=tanh --law fa --force

Runs are made in f64 and kept nowhere. With optimizer.name=flow the flow is integrated once. Where every step is as a law says but the
steps are too large for the order to show, the check is made again at smaller rates (4 at most, each as long as the check).

Exit codes:
  0   every law that applies holds
  1   a law is broken or undecided, a flow left the finite numbers, or no law applies
  2   something to correct
  3   no law is refuted, but steps are too large to show that it holds: STEP TOO LARGE, with a rate to try";

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
