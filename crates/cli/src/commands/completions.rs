//! `realign completions SHELL`.

use crate::{args::Cli, output};
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Prints the completion script.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "realign", &mut script);
    output::print(&String::from_utf8(script)?)
}
