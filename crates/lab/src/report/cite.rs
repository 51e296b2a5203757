//! BibTeX of everything that runs use, and of the paper.

use super::word;
use crate::RunSpec;
use realign::registry::Entry;

/// The work this project sets out to reproduce.
const PAPER: &str = "@inproceedings{robertson2024implicit,
  author    = {Robertson, Zachary and Koyejo, Sanmi},
  title     = {Implicit Regularization in Feedback Alignment Learning Mechanisms for Neural Networks},
  booktitle = {Proceedings of the 41st International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {235},
  year      = {2024}
}";

/// Each entry once, in the order rules, losses, optimizers, data sets, paper.
pub fn citations(runs: &[RunSpec]) -> Vec<&'static str> {
    let mut found: Vec<&str> = Vec::new();
    let mut add = |entry: &'static str| {
        if !entry.is_empty() && !found.contains(&entry) {
            found.push(entry);
        }
    };
    runs.iter().for_each(|r| add(citation(realign::rules::RULES, &word(r, "rule.name"))));
    runs.iter().for_each(|r| add(citation(realign::loss::LOSSES, &word(r, "loss.name"))));
    runs.iter().for_each(|r| add(citation(realign::optim::OPTIMIZERS, &word(r, "optimizer.name"))));
    let data = |run: &RunSpec| realign_data::registry().iter().find(|e| e.name == word(run, "data.name"));
    runs.iter().filter_map(data).for_each(|e| add(e.citation));
    add(PAPER);
    found
}

fn citation<T: ?Sized>(entries: &'static [Entry<T>], name: &str) -> &'static str {
    entries.iter().find(|e| e.name == name).map_or("", |e| e.citation)
}
