//! `batches.jsonl`: what chance decided about every training step, as the trainer itself draws it.

use crate::store::{StoreError, files};
use realign::train::{Drawn, Trainer};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// One line.
#[derive(Serialize)]
struct Line {
    step: u64,
    epoch: u64,
    /// Learning rate; null for a flow.
    lr: Option<f64>,
    examples: Examples,
    /// Per example: rows down, columns right, 1 if mirrored. Left out without augmentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    augment: Option<Vec<[isize; 3]>>,
    /// Key of the mask of every dropout layer, from the input up, in hexadecimal: 64 bits are more than a JSON number holds. Left out without dropout.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropout: Vec<String>,
}

/// Positions as in `data.json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Examples {
    /// In the order of the batch's rows.
    Some(Vec<usize>),
    /// All of `train_indices`, in their order: a full batch.
    All(&'static str),
}

impl Line {
    fn of(drawn: Drawn, positions: &[usize]) -> Line {
        let whole = drawn.rows.len() == positions.len() && drawn.rows.is_sorted();
        let examples = if whole {
            Examples::All("all")
        } else {
            Examples::Some(drawn.rows.iter().map(|row| positions[*row]).collect())
        };
        let augment = drawn.views.map(|views| {
            views.iter().map(|view| [view.down, view.right, isize::from(view.mirror)]).collect()
        });
        let dropout = drawn.noise.iter().map(|key| format!("{key:#018x}")).collect();
        Line { step: drawn.step, epoch: drawn.epoch, lr: drawn.lr, examples, augment, dropout }
    }
}

/// Writes the first `steps` steps.
pub(super) fn write(path: &Path, trainer: &mut Trainer, steps: u64) -> Result<(), StoreError> {
    files::write_by(path, |temp| {
        let mut file = BufWriter::new(File::create(temp)?);
        for step in 0..steps {
            let drawn = trainer.drawn(step);
            let line = Line::of(drawn, &trainer.data().record.train_indices);
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    })
}
