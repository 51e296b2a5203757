//! Loss and accuracy on whole data splits. With label noise the train split is scored on the noisy labels (`train`) and the
//! accuracy also on the clean ones (`train_clean`).

use super::{Probe, Rows, View};
use crate::registry::{self, Allowed, Entry, Opt};
use serde::Deserialize;

pub(super) const ENTRY: Entry<dyn Probe> = Entry {
    name: "accuracy",
    summary: "Loss and accuracy on train, validation and test split.",
    formula: "L = mean over examples; accuracy = share classified correctly",
    citation: "",
    options: &[Opt {
        name: "splits",
        default: "[\"validation\", \"test\"]",
        meaning: "parts of the data to score",
        allowed: Allowed::List(1, &Allowed::Word(&KNOWN)),
    }],
    build: |t| Ok(Box::new(registry::parse::<Accuracy>(t)?)),
};

const KNOWN: [&str; 3] = ["train", "validation", "test"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Accuracy {
    splits: Vec<String>,
}

impl Default for Accuracy {
    fn default() -> Self {
        Accuracy { splits: vec!["validation".into(), "test".into()] }
    }
}

impl Probe for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn observe(&mut self, view: &mut View<'_>, out: &mut Rows) {
        for split in KNOWN.into_iter().filter(|k| self.splits.iter().any(|s| s == k)) {
            let score = view.evaluator.split(split, view.net, view.data, view.loss, view.par);
            let Some(score) = score else { continue };
            out.push("loss", Some(split), None, None, score.loss);
            if let Some(a) = score.accuracy {
                out.push("accuracy", Some(split), None, None, a);
            }
            if let Some(a) = score.clean_accuracy {
                out.push("accuracy", Some("train_clean"), None, None, a);
            }
        }
    }
}
