//! Arguments of `export`.

use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  realign export runs/quickstart-0123456789 --batches
  realign export runs/quickstart-0123456789 --batches --data --out replay

docs/reproducing.md says what the files mean, and how any program replays a run from them.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// The directory of a run
    #[arg(value_name = "RUN_DIR")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Folder for the files [default: RUN_DIR/export]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with data sets, searched before $REALIGN_DATA and the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print exactly one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

// What to write: one flag per file. No doc comment: clap would take it for the text of the command.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Wanted {
    /// batches.jsonl: per training step its examples, changes of images, keys of dropout masks and learning rate
    #[arg(long)]
    pub(crate) batches: bool,
    /// data.safetensors: the examples as they were used, split by split
    #[arg(long)]
    pub(crate) data: bool,
}
