//! `realign cite SPEC`: BibTeX of the rules, optimizers, losses and data sets that a spec uses, and of the paper.

use crate::args::CiteArgs;
use crate::output;
use realign_lab::Spec;
use realign_lab::report::citations;

/// Prints each entry once.
pub(crate) fn cite(args: &CiteArgs) -> anyhow::Result<()> {
    let runs = Spec::load(&args.spec, &args.overrides)?.runs();
    output::print(&(citations(&runs).join("\n\n") + "\n"))
}
