//! The binary `realign`: arguments in, one command, an exit code out. One file per command in `commands/`.

mod args;
mod commands;
mod exit;
mod output;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            exit::of(&error)
        }
    }
}
