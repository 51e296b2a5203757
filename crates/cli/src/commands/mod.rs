//! One file per command.

mod audit;
mod certify;
mod check;
mod cite;
mod completions;
mod data;
mod dominance;
mod export;
mod laws;
mod list;
mod man;
mod report;
mod reproduce;
mod run;
mod sweep;

use crate::args::Command;
use crate::output;
use realign_lab::LabError;
use std::path::Path;
use std::process::ExitCode;

/// Refuses a run directory in which spec, data record or first weights are not what the run began with; what could not be checked is told.
pub(crate) fn check_run(dir: &Path) -> anyhow::Result<()> {
    let notes = realign_lab::store::verify(dir).map_err(LabError::Store)?;
    notes.iter().for_each(|sentence| output::note(&format!("note: {sentence}")));
    Ok(())
}

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
        Command::Keys(args) => done(list::list(Kind::Keys, &args)),
        Command::Certify(args) => certify::certify(&args),
        Command::Dominance(args) => done(dominance::dominance(&args)),
        Command::Reproduce(args) => reproduce::reproduce(args),
        Command::Report(args) => report::report(&args),
        Command::Export(args) => done(export::export(&args)),
        Command::Cite(args) => done(cite::cite(&args)),
        Command::Data(args) => data::data(args),
        Command::Completions { shell } => done(completions::completions(shell)),
        Command::Man { out } => done(man::man(out.as_deref())),
    }
}
