//! Arguments of `reproduce` and `report`.

use super::{EXIT_CODES, Means};
use clap::Args;
use std::path::PathBuf;

const REPRODUCE_EXAMPLES: &str = "\
Examples:
  realign reproduce
  realign reproduce robertson2024 --only fig2,min-norm
  realign reproduce --profile paper --data-dir DIR

MNIST, CIFAR-100 and Tiny-ImageNet are used where they are found (--data-dir, $REALIGN_DATA, the cache folder; get them with
`realign data fetch NAME`); else built-in drawn digits and glyphs stand in for them, and every figure, table and claim made from them says so. A folder keeps to the data that
it was begun with: results on stand-ins and on the data themselves need two (--out). Runs that are there are not made again; stopped at any point, the same
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
    #[arg(long, value_name = "DIR", value_parser = super::paths::folder)]
    pub(crate) out: Option<PathBuf>,
    /// A results.csv of earlier runs, such as the runs.csv of a published report: what is in it is not made again where only last values are read (fig7, table2, table3)
    #[arg(long, value_name = "FILE")]
    pub(crate) known: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) means: Means,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but errors and where the result is
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// A folder of run directories, or one that `reproduce` made
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where report.html, figures and tables go [default: DIR]
    #[arg(long, value_name = "DIR", value_parser = super::paths::folder)]
    pub(crate) out: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
