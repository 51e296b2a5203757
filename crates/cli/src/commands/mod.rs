//! One file per command.

mod audit;
mod certify;
mod check;
mod cite;
mod completions;
mod data;
mod dominance;
mod laws;
mod list;
mod man;
mod report;
mod reproduce;
mod run;
mod sweep;

use crate::args::Command;
use std::process::ExitCode;

/// Does what was asked for.
pub(crate) fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    use list::Kind;
    let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
    match command {
        Command::Run(args) => run::run(args),
        Command::Sweep(args) => sweep::sweep(args.command),
        Command::Audit(args) => audit::audit(args),
        Command::Check(args) => check::check(&args),
        Command::Laws(args) => done(laws::laws(&args)),
        Command::Rules(args) => done(list::list(Kind::Rules, &args)),
        Command::Probes(args) => done(list::list(Kind::Probes, &args)),
        Command::Layers(args) => done(list::list(Kind::Layers, &args)),
        Command::Losses(args) => done(list::list(Kind::Losses, &args)),
        Command::Models(args) => done(list::list(Kind::Models, &args)),
        Command::Inits(args) => done(list::list(Kind::Inits, &args)),
        Command::Datasets(args) => done(list::list(Kind::Datasets, &args)),
        Command::Optimizers(args) => done(list::list(Kind::Optimizers, &args)),
        Command::Schedules(args) => done(list::list(Kind::Schedules, &args)),
        Command::Certify(args) => certify::certify(&args),
        Command::Dominance(args) => done(dominance::dominance(&args)),
        Command::Reproduce(args) => reproduce::reproduce(args),
        Command::Report(args) => report::report(&args),
        Command::Cite(args) => done(cite::cite(&args)),
        Command::Data(args) => data::data(args),
        Command::Completions { shell } => done(completions::completions(shell)),
        Command::Man { out } => done(man::man(out.as_deref())),
    }
}
