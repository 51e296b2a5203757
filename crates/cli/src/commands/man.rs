//! `realign man` (hidden): manual pages for packagers.

use crate::{args::Cli, output};
use anyhow::Context;
use clap::CommandFactory;
use std::path::Path;

/// Prints the page of `realign`, or writes one page per command into `out`.
pub(crate) fn man(out: Option<&Path>) -> anyhow::Result<()> {
    if let Some(folder) = out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        return clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("cannot write to {}", folder.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    output::print(&String::from_utf8(page)?)
}
