//! `realign cite SPEC`: BibTeX of the rules, optimizers, losses and data sets that a spec uses, and of the paper.

use crate::args::CiteArgs;
use crate::output;
use realign::registry::Entry;
use realign_lab::{RunSpec, Spec};

/// The work this project sets out to reproduce.
const PAPER: &str = "@inproceedings{robertson2024implicit,
  author    = {Robertson, Zachary and Koyejo, Sanmi},
  title     = {Implicit Regularization in Feedback Alignment Learning Mechanisms for Neural Networks},
  booktitle = {Proceedings of the 41st International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {235},
  year      = {2024}
}";

/// Prints each entry once, in the order rules, losses, optimizers, data sets, paper.
pub(crate) fn cite(args: &CiteArgs) -> anyhow::Result<()> {
    let runs = Spec::load(&args.spec, &args.overrides)?.runs();
    let mut found: Vec<&str> = Vec::new();
    let mut add = |entry: &'static str| {
        if !entry.is_empty() && !found.contains(&entry) {
            found.push(entry);
        }
    };
    runs.iter().for_each(|r| add(citation(realign::rules::RULES, r, "rule.name")));
    runs.iter().for_each(|r| add(citation(realign::loss::LOSSES, r, "loss.name")));
    runs.iter().for_each(|r| add(citation(realign::optim::OPTIMIZERS, r, "optimizer.name")));
    let data = |run: &RunSpec| realign_data::registry().iter().find(|e| e.name == word(run, "data.name"));
    runs.iter().filter_map(data).for_each(|e| add(e.citation));
    add(PAPER);
    output::print(&(found.join("\n\n") + "\n"))
}

fn word<'a>(run: &'a RunSpec, key: &str) -> &'a str {
    run.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

fn citation<T: ?Sized>(entries: &'static [Entry<T>], run: &RunSpec, key: &str) -> &'static str {
    entries.iter().find(|e| e.name == word(run, key)).map_or("", |e| e.citation)
}
