//! Arguments of `data`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

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
        #[arg(long, value_name = "FILE.png", value_parser = super::paths::file)]
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
